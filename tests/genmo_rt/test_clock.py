"""The tick clock: where frames of any rate land on the 30 Hz grid."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genmo_rt.clock import KEEP_S, MAX_CATCH_UP, TICK_HZ, Tick, TickClock

EPOCH_US = 1_790_000_000_000_000  # an anchor as large as Unix time


def _admit_all(times_us: list[int]) -> list[Tick]:
    clock = TickClock()
    ticks = [clock.admit(EPOCH_US + time_us) for time_us in times_us]
    return [tick for tick in ticks if tick is not None]


def test_the_first_frame_anchors_the_clock_and_starts_everything() -> None:
    assert TickClock().admit(EPOCH_US) == Tick(index=0, t=0.0, missed=0, restart=True, reset=True)


def test_a_frame_belongs_to_the_nearest_tick_and_keeps_its_own_time() -> None:
    clock = TickClock()
    clock.admit(EPOCH_US)
    tick = clock.admit(EPOCH_US + 45_000)
    assert tick == Tick(index=1, t=0.045, missed=0, restart=False, reset=False)


def test_a_half_rounds_downwards_with_some_slack() -> None:
    assert [tick.index for tick in _admit_all([0, 50_000, 151_000, 252_000])] == [0, 1, 4, 8]


@pytest.mark.parametrize(
    ("fps", "missed"), [(15, 1), (24, None), (30, 0), (60, 0)], ids=lambda value: str(value)
)
def test_ticks_and_missed_ticks_cover_the_grid_without_holes(fps: int, missed: int | None) -> None:
    ticks = _admit_all([round(i * 1e6 / fps) for i in range(10 * fps)])
    covered = sum(1 + tick.missed for tick in ticks)
    assert covered == ticks[-1].index + 1
    if missed is not None:
        assert {tick.missed for tick in ticks[1:]} == {missed}


@pytest.mark.parametrize("unit_us", [1, 11, 1000], ids=["microseconds", "rtp", "milliseconds"])
def test_at_60_fps_every_other_frame_is_used_however_the_clock_rounds(unit_us: int) -> None:
    ticks = _admit_all([int(i * 1e6 / 60) // unit_us * unit_us for i in range(600)])
    assert [tick.index for tick in ticks] == list(range(300))
    np.testing.assert_allclose([tick.t for tick in ticks], np.arange(300) / 30, atol=1.1e-3)


def test_a_second_frame_of_a_tick_is_dropped() -> None:
    clock = TickClock()
    clock.admit(EPOCH_US)
    assert clock.admit(EPOCH_US + 10_000) is None
    assert clock.admit(EPOCH_US) is None


def test_a_frame_that_goes_back_in_time_is_dropped_and_changes_nothing() -> None:
    clock = TickClock()
    clock.admit(EPOCH_US)
    clock.admit(EPOCH_US + 1_000_000)
    assert clock.admit(EPOCH_US + 500_000) is None
    tick = clock.admit(EPOCH_US + 1_033_333)
    assert tick is not None
    assert (tick.index, tick.missed) == (31, 0)


def test_a_clock_that_was_set_back_is_taken_on_at_once() -> None:
    clock = TickClock()
    clock.admit(EPOCH_US)
    clock.admit(EPOCH_US + 20_000_000)
    tick = clock.admit(EPOCH_US + 16_000_000)
    assert tick == Tick(720, 24.0, 0, restart=True, reset=False)
    tick = clock.admit(EPOCH_US + 16_033_334)
    assert tick is not None
    assert (tick.index, tick.missed, tick.restart) == (721, 0, False)


def test_a_clock_that_was_set_back_by_over_ten_seconds_starts_everything_anew() -> None:
    clock = TickClock()
    clock.admit(EPOCH_US)
    clock.admit(EPOCH_US + 20_000_000)
    tick = clock.admit(EPOCH_US - 3_600_000_000)
    assert tick is not None
    assert (tick.restart, tick.reset) == (True, True)
    following = clock.admit(EPOCH_US - 3_600_000_000 + 33_334)
    assert following is not None
    assert (following.index, following.missed) == (tick.index + 1, 0)


@given(
    st.lists(
        st.integers(-20_000_000, 20_000_000)
        | st.integers(0, 100_000)
        | st.sampled_from([-1_000_000, -1_000_001, -10_000_000, -10_000_001]),
        max_size=60,
    )
)
def test_whatever_a_capture_clock_does_ticks_grow_and_only_frames_just_behind_are_refused(
    steps_us: list[int],
) -> None:
    clock = TickClock()
    now_us = last_us = EPOCH_US
    last = clock.admit(EPOCH_US)
    assert last is not None
    for step_us in steps_us:
        now_us += step_us
        tick = clock.admit(now_us)
        if tick is None:
            assert last_us - 1_000_000 <= now_us < last_us + 40_000
            continue
        assert tick.index > last.index
        assert tick.t > last.t
        assert tick.missed == (0 if tick.restart else tick.index - last.index - 1)
        last, last_us = tick, now_us


def test_up_to_45_missed_ticks_are_caught_up() -> None:
    gap_us = round((MAX_CATCH_UP + 1) * 1e6 / TICK_HZ)
    tick = _admit_all([0, gap_us])[-1]
    assert (tick.missed, tick.restart, tick.reset) == (MAX_CATCH_UP, False, False)


def test_after_46_missed_ticks_the_caches_restart_and_the_world_stays() -> None:
    gap_us = round((MAX_CATCH_UP + 2) * 1e6 / TICK_HZ)
    tick = _admit_all([0, gap_us])[-1]
    assert (tick.missed, tick.restart, tick.reset) == (0, True, False)


@pytest.mark.parametrize(("gap_s", "reset"), [(KEEP_S, False), (KEEP_S + 0.001, True)])
def test_everything_resets_after_ten_seconds(gap_s: float, reset: bool) -> None:
    tick = _admit_all([0, round(gap_s * 1e6)])[-1]
    assert tick.restart
    assert tick.reset is reset


def test_random_drops_leave_strictly_growing_ticks_whose_gaps_are_counted() -> None:
    generator = np.random.default_rng(7)
    times_us = [round(i * 1e6 / 30) for i in range(900) if generator.random() > 0.2]
    ticks = _admit_all(times_us)
    steps = np.diff([tick.index for tick in ticks])
    assert (steps == [1 + tick.missed for tick in ticks[1:]]).all()
    assert steps.max() > 2

"""A client's clock on the server's: offsets, drift, pings, and times that don't fit. No clock."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genmo_stream.client_clock import ClientTimeline, TimeError

SERVER_US = 1_790_000_000_000_000
CLIENT_US = 5_000_000_000
FRAME_US = 33_333


def frames(
    seconds: float, *, ppm: float = 0.0, way_us: int = 5_000, jitter_us: int = 0, seed: int = 0
) -> Iterator[tuple[int, int, int]]:
    """True capture time (server), the client's time for it, and its arrival, of each frame."""
    rng = np.random.default_rng(seed)
    for k in range(int(seconds * 1e6 / FRAME_US)):
        true = SERVER_US + k * FRAME_US
        client = CLIENT_US + round(k * FRAME_US * (1 + ppm * 1e-6))
        yield true, client, true + way_us + int(rng.integers(0, jitter_us + 1))


@pytest.mark.parametrize("ppm", [-200.0, 0.0, 200.0])
def test_a_drifting_clock_is_followed_by_arrivals_within_two_milliseconds(ppm: float) -> None:
    timeline = ClientTimeline()
    errors, steps, last = [], [], 0
    for true, client, arrival in frames(120, ppm=ppm, jitter_us=8_000):
        t_us = timeline.frame(client, arrival)
        errors.append(t_us - true - 5_000)  # the fastest way counts as no time
        steps.append(t_us - last - FRAME_US)
        last = t_us
    assert timeline.clock == "arrival"
    settled = np.abs(errors[300:])
    assert settled.max() <= 2_500  # 10 s at 200 ppm, and the rare quickest way
    assert np.abs(steps[300:]).max() <= FRAME_US / 20 + 10  # spacing is the client's


@pytest.mark.parametrize("ppm", [-200.0, 200.0])
def test_with_pings_the_way_through_the_network_is_known_too(ppm: float) -> None:
    timeline = ClientTimeline()
    errors, asked = [], 0
    for k, (true, client, arrival) in enumerate(frames(120, ppm=ppm, way_us=30_000)):
        if k % 60 == 0:  # a ping every 2 s, 30 ms either way; it tells when the last was answered
            timeline.ponged(asked + 60_000, true + 30_000)
            timeline.pong(client, true + 30_000, true + 30_000)
            asked = client
        errors.append(timeline.frame(client, arrival) - true)
    assert timeline.clock == "sender"
    assert np.abs(errors[1200:]).max() <= 1_000


def test_a_ping_answered_before_the_first_frame_makes_it_the_senders_clock_at_once() -> None:
    timeline = ClientTimeline()
    timeline.pong(CLIENT_US, SERVER_US + 20_000, SERVER_US + 21_000)
    timeline.ponged(CLIENT_US + 41_000, SERVER_US + 60_000)
    captured = timeline.frame(CLIENT_US + 100_000, SERVER_US + 120_000)
    assert (timeline.clock, captured) == ("sender", SERVER_US + 100_000)


def test_when_pings_stop_arrivals_take_over() -> None:
    timeline = ClientTimeline()
    timeline.pong(CLIENT_US, SERVER_US + 5_000, SERVER_US + 5_000)
    timeline.ponged(CLIENT_US + 10_000, SERVER_US + 15_000)
    clocks = [
        (timeline.frame(client, arrival), timeline.clock) for _, client, arrival in frames(40)
    ]
    assert clocks[10][1] == "sender"
    assert clocks[-1][1] == "arrival"


def test_no_time_is_ever_after_the_arrival_and_all_grow() -> None:
    timeline = ClientTimeline()
    last = 0
    for _, client, arrival in frames(20, jitter_us=400_000, seed=3):
        t_us = timeline.frame(client, arrival)
        assert last < t_us <= max(arrival, last + 1)
        last = t_us


@pytest.mark.parametrize(
    ("shift_us", "complaint"),
    [
        (10_000_000, "10.0 s in the future"),
        (10_000_000, "in microseconds on the clock of your pings"),
        (-FRAME_US, "is the last frame's; expected it to grow: send a picture once"),
        (-60_000_000, "before"),
        (-60_000_000 - FRAME_US, "is 60.000 s before the last frame's; expected it to grow"),
    ],
)
def test_one_frame_whose_time_does_not_fit_is_refused_and_changes_nothing(
    shift_us: int, complaint: str
) -> None:
    odd, even = ClientTimeline(), ClientTimeline()
    for k, (_, client, arrival) in enumerate(frames(3)):
        if k == 60:
            with pytest.raises(TimeError, match=complaint):
                odd.frame(client + shift_us, arrival)
            continue
        assert odd.frame(client, arrival) == even.frame(client, arrival)


@pytest.mark.parametrize(
    ("shift_us", "complaint"),
    [(60_000_000, "60.0 s in the future"), (-60_000_000, "60.0 s old, as your clock went so far")],
)
def test_a_first_frame_must_be_on_the_clock_of_the_pings(shift_us: int, complaint: str) -> None:
    timeline = ClientTimeline()
    timeline.pong(CLIENT_US, SERVER_US + 1_000, SERVER_US + 1_000)
    timeline.ponged(CLIENT_US + 2_000, SERVER_US + 3_000)
    with pytest.raises(TimeError, match=complaint):
        timeline.frame(CLIENT_US + 10_000 + shift_us, SERVER_US + 12_000)
    assert timeline.frame(CLIENT_US + 40_000, SERVER_US + 42_000) == SERVER_US + 40_000


@pytest.mark.parametrize("shift_us", [3_600_000_000, -3_600_000_000, -700_000])
def test_a_clock_set_anew_is_believed_once_it_has_gone_steadily(shift_us: int) -> None:
    timeline = ClientTimeline()
    refused, last = 0, 0
    for k, (true, client, arrival) in enumerate(frames(4)):
        try:
            t_us = timeline.frame(client + (shift_us if k >= 60 else 0), arrival)
        except TimeError:
            refused += 1
            continue
        assert abs(t_us - true - 5_000) < 1_000
        assert t_us > last
        last = t_us
    assert 10 <= refused <= 18  # half a second
    assert last > SERVER_US + 3_900_000


def test_frames_that_a_stalled_network_delivers_at_once_keep_their_times() -> None:
    timeline = ClientTimeline()
    stall = range(60, 90)
    for k, (true, client, arrival) in enumerate(frames(4)):
        late = SERVER_US + 90 * FRAME_US + 5_000 if k in stall else arrival
        assert abs(timeline.frame(client, late) - true - 5_000) <= 1


@given(st.lists(st.tuples(st.integers(0, 2**62), st.integers(0, 2**40)), max_size=40))
def test_any_times_at_all_give_growing_times_or_a_refusal(pairs: list[tuple[int, int]]) -> None:
    timeline = ClientTimeline()
    arrival, last = SERVER_US, 0
    for client, later in pairs:
        arrival += later
        try:
            t_us = timeline.frame(client, arrival)
        except TimeError:
            continue
        assert last < t_us <= max(arrival, last + 1)  # frames of one burst stay apart
        last = t_us


def test_milliseconds_are_told_from_microseconds_and_the_right_unit_is_taken_then() -> None:
    timeline = ClientTimeline()
    refused = []
    for k, (_, client, arrival) in enumerate(frames(4)):
        try:
            timeline.frame(client // 1000 if k < 60 else client, arrival)
        except TimeError as error:
            refused.append((k, str(error)))
    in_milliseconds = [said for k, said in refused if k < 60]
    assert len(in_milliseconds) == 50
    assert all("expected microseconds" in said for said in in_milliseconds)
    assert max(k for k, _ in refused) < 60 + 20  # half a second until the new times are steady


def test_a_network_that_keeps_every_frame_back_is_no_slow_clock() -> None:
    timeline = ClientTimeline()
    for k, (_, client, arrival) in enumerate(frames(8)):
        timeline.frame(client, arrival + 4_000_000 * (k >= 60))  # stalls once, is late from then on

"""Capture times from RTP times, arrivals and sender reports, with a simulated camera."""

import random
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genmo_rt.clock import TickClock
from genmo_stream.capture import NTP_TO_UNIX_S, CaptureTimeline, Unwrapper

T0_US = 1_800_000_000_000_000  # the first frame's capture time
FRAME_US = 1_000_000 / 30


@dataclass
class Camera:
    """A camera behind a network: 30 fps, a clock of its own, and a way of varying length."""

    clock_ahead_us: int = 0
    way_us: int = 20_000
    jitter_us: int = 15_000
    rtp_base: int = 0xFFFF_0000  # wraps within the first second
    drift: float = 0.0
    rng: random.Random = field(default_factory=lambda: random.Random(1))

    def captured_us(self, frame: int) -> int:
        return T0_US + round(frame * FRAME_US)

    def arrival_us(self, captured_us: int) -> int:
        return captured_us + self.way_us + round(self.rng.random() * self.jitter_us)

    def rtp(self, captured_us: int) -> int:
        ticks = (captured_us - T0_US) * (1 + self.drift) * 9 / 100
        return (self.rtp_base + round(ticks)) & 0xFFFF_FFFF

    def ntp(self, captured_us: int) -> int:
        return ((captured_us + self.clock_ahead_us + NTP_TO_UNIX_S * 1_000_000) << 32) // 1_000_000


def play(camera: Camera, frames: int, *, reports: bool, timeline: CaptureTimeline) -> list[int]:
    """Capture times that the timeline tells for a stream; a report each second."""
    times = []
    for frame in range(frames):
        captured = camera.captured_us(frame)
        times.append(timeline.frame(camera.rtp(captured), camera.arrival_us(captured)))
        if reports and frame % 30 == 20:
            arrival = camera.arrival_us(captured)
            timeline.report(camera.ntp(captured), camera.rtp(captured), arrival)
    return times


def errors_us(camera: Camera, times: list[int]) -> list[int]:
    return [t - camera.captured_us(frame) for frame, t in enumerate(times)]


def test_sender_reports_give_the_capture_time_when_clocks_agree() -> None:
    camera, timeline = Camera(), CaptureTimeline()
    times = play(camera, 300, reports=True, timeline=timeline)
    assert timeline.clock == "sender"
    assert max(abs(e) for e in errors_us(camera, times)[60:]) < 1_000


@pytest.mark.parametrize("ahead_s", [-3_600, -2, 0.5, 86_400])
def test_a_sender_clock_that_is_off_is_mapped_by_its_fastest_report(ahead_s: float) -> None:
    camera, timeline = Camera(clock_ahead_us=int(ahead_s * 1e6)), CaptureTimeline()
    times = play(camera, 600, reports=True, timeline=timeline)
    assert timeline.clock == "sender"
    late = errors_us(camera, times)[120:]
    assert min(late) >= camera.way_us - 1_000
    assert max(late) <= camera.way_us + camera.jitter_us


def test_without_reports_times_follow_the_fastest_arrivals_at_the_cameras_spacing() -> None:
    camera, timeline = Camera(), CaptureTimeline()
    times = play(camera, 600, reports=False, timeline=timeline)
    assert timeline.clock == "arrival"
    late = errors_us(camera, times)[120:]
    assert camera.way_us - 1 <= min(late) <= max(late) <= camera.way_us + 3_000
    steps = [b - a for a, b in pairwise(times[120:])]
    assert all(abs(step - FRAME_US) < FRAME_US / 19 for step in steps)


@pytest.mark.parametrize("drift", [-1e-3, 1e-3])
def test_without_reports_a_drifting_camera_clock_is_followed(drift: float) -> None:
    camera, timeline = Camera(drift=drift), CaptureTimeline()
    times = play(camera, 120 * 30, reports=False, timeline=timeline)
    assert max(abs(e) for e in errors_us(camera, times)) < camera.way_us + camera.jitter_us


def test_the_switch_to_the_senders_clock_keeps_every_frame_on_a_tick_of_its_own() -> None:
    camera, timeline = Camera(way_us=60_000), CaptureTimeline()
    times = play(camera, 300, reports=True, timeline=timeline)
    ticks = TickClock()
    admitted = [ticks.admit(t) for t in times]
    assert sum(tick is None for tick in admitted) <= 3  # 60 ms earlier: two ticks fall together
    assert all(b > a for a, b in pairwise(times))


def test_the_clock_is_chosen_once() -> None:
    camera, timeline = Camera(), CaptureTimeline()
    clocks = []
    for frame in range(600):
        captured = camera.captured_us(frame)
        timeline.frame(camera.rtp(captured), camera.arrival_us(captured))
        clocks.append(timeline.clock)
        if frame % 30 == 20:
            arrival = camera.arrival_us(captured)
            timeline.report(camera.ntp(captured), camera.rtp(captured), arrival)
    assert sum(a != b for a, b in pairwise(clocks)) == 1
    assert clocks.index("sender") < 60


def test_reports_without_a_clock_or_with_an_unbelievable_one_are_ignored() -> None:
    camera, timeline = Camera(), CaptureTimeline()
    play(camera, 10, reports=False, timeline=timeline)
    captured = camera.captured_us(10)
    timeline.report(0, camera.rtp(captured), captured)
    minute_off = (camera.rtp(captured) + 60 * 90_000) & 0xFFFF_FFFF
    timeline.report(camera.ntp(captured), minute_off, captured)
    for frame in range(10, 200):
        captured = camera.captured_us(frame)
        timeline.frame(camera.rtp(captured), camera.arrival_us(captured))
    assert timeline.clock == "arrival"


def test_a_sender_that_restarts_its_rtp_clock_goes_on_at_arrival() -> None:
    camera, timeline = Camera(jitter_us=0), CaptureTimeline()
    before = play(camera, 90, reports=True, timeline=timeline)[-1]
    camera.rtp_base = 0x4000_0000
    captured = camera.captured_us(90)
    t = timeline.frame(camera.rtp(captured), camera.arrival_us(captured))
    assert t == camera.arrival_us(captured) > before
    assert timeline.clock == "arrival"


@given(
    st.lists(
        st.tuples(st.integers(0, 2**32 - 1), st.integers(-(10**9), 10**9)), min_size=2, max_size=40
    )
)
def test_times_grow_whatever_a_sender_claims(packets: list[tuple[int, int]]) -> None:
    timeline = CaptureTimeline()
    times = [timeline.frame(rtp, T0_US + arrival) for rtp, arrival in packets]
    assert all(b > a for a, b in pairwise(times))


@given(
    st.integers(0, 2**16 - 1),
    st.lists(st.integers(-(2**15) + 1, 2**15 - 1), max_size=50),
)
def test_unwrapper_continues_a_counter_past_its_wrap(first: int, steps: list[int]) -> None:
    unwrapper = Unwrapper(16)
    value = unwrapper.next(first)
    for step in steps:
        value += step
        assert unwrapper.near(value % 2**16) == value
        assert unwrapper.next(value % 2**16) == value

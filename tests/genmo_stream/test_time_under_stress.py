"""A walk sent as keypoints, its frames late, lost, doubled, out of order or at odd rates.

Through real websockets, a real stream and the shipped weights. The server's clock is the test's:
every frame comes when its case says, and is answered before the next one leaves.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from genmo_rt.clock import TickClock
from genmo_stream.wire.keypoints import ClockPing, KeypointsMessage, encode_keypoints, encode_ping
from tests.genmo_rt.walk import seen, walker
from tests.walk_server import PATIENCE_S, SERVER_US, WalkServer

CLIENT_US = 5_000_000_000  # where the senders' clocks start: none of them shows Unix time
SECONDS = 4.0
SETTLED_S = 1.0  # the first second finds the body and the floor
WAY_S = 0.02  # the quickest way to the server ...
LONGEST_WAY_S = 0.06  # ... and the slowest one
PING_EVERY_S = 2.0
SIZE = seen(0.0).image_size


@dataclass(frozen=True)
class Shot:
    """A frame: when it is taken and when it comes to the server, seconds since the start."""

    taken: float
    comes: float


@dataclass(frozen=True)
class Case:
    """What a sender does.

    Attributes:
        shots: in the order in which they are sent; a frame's number is that of its time.
        ppm: how much its clock runs fast.
        pings: whether it lets the server know its clock.
        told: codes of the errors that the server may answer with.
    """

    shots: list[Shot]
    ppm: float = 0.0
    pings: bool = True
    told: frozenset[str] = frozenset()


@dataclass
class Walk:
    """What became of a case.

    Attributes:
        taken: seconds, of every frame by its number.
        due: numbers of the frames that are the first of their tick.
        errors: codes of the errors that the server answered with.
        poses: as they came.
    """

    taken: list[float]
    due: list[int] = field(default_factory=list)
    errors: set[str] = field(default_factory=set)
    poses: list[dict[str, Any]] = field(default_factory=list)

    def path(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """True capture times, seconds, and the pelvis at each (n, 3), from SETTLED_S on."""
        rows = [
            (self.taken[pose["frame"]], *pose["persons"][0]["pelvis"])
            for pose in self.poses
            if self.taken[pose["frame"]] >= SETTLED_S
        ]
        path = np.array(rows)
        return path[:, 0], path[:, 1:]


def _steady(fps: float) -> list[float]:
    return [k / fps for k in range(round(SECONDS * fps) + 1)]


def _varying() -> list[float]:
    """Each frame 1/60 to 1/5 s after the last."""
    steps = np.random.default_rng(1).uniform(np.log(1 / 60), np.log(1 / 5), 300)
    times = np.concatenate(([0.0], np.cumsum(np.exp(steps))))
    return [float(t) for t in times[times < SECONDS]]


def _lossy() -> list[float]:
    rng = np.random.default_rng(2)
    return [t for t in _steady(30) if t == 0 or rng.random() >= 0.2]


def _frozen() -> list[float]:
    return [t for t in _steady(30) if not 1.5 < t < 2.5]


def _sent(times: list[float]) -> list[Shot]:
    """In order, each after a way of its own."""
    rng = np.random.default_rng(3)
    ways = np.minimum(WAY_S + rng.exponential(0.01, len(times)), LONGEST_WAY_S)
    comes = np.maximum.accumulate(np.array(times) + ways)
    return [Shot(t, float(at)) for t, at in zip(times, comes, strict=True)]


def _stuck() -> list[Shot]:
    """The network holds everything back for a second, then it comes at once."""
    held = 2.5 + WAY_S
    return [Shot(s.taken, held if 1.5 < s.taken <= 2.5 else s.comes) for s in _sent(_steady(30))]


def _muddled() -> list[Shot]:
    """Every tenth pair of frames changes places and every seventh frame comes twice."""
    shots = _sent(_steady(30))
    for k in range(10, len(shots) - 1, 10):
        early, late = shots[k], shots[k + 1]
        shots[k], shots[k + 1] = late, Shot(early.taken, late.comes)
    return [shot for k, shot in enumerate(shots) for _ in range(2 if k % 7 == 3 else 1)]


CLEAN = "30_fps"
CASES: dict[str, Case] = {
    CLEAN: Case(_sent(_steady(30))),
    "5_fps": Case(_sent(_steady(5))),
    "60_fps": Case(_sent(_steady(60))),
    "5_to_60_fps": Case(_sent(_varying())),
    "a_fifth_lost_and_a_slow_clock": Case(_sent(_lossy()), ppm=-200.0, pings=False),
    "camera_stalls_for_a_second": Case(_sent(_frozen())),
    "network_stalls_for_a_second": Case(_stuck()),
    "clock_200_ppm_fast": Case(_sent(_steady(30)), ppm=200.0),
    "out_of_order_and_doubled": Case(_muddled(), told=frozenset({"bad_time"})),
}
BURSTS = "network_stalls_for_a_second"  # of what comes at once the newest wins


class Sender:
    """Walks one case before the server."""

    def __init__(self, server: WalkServer, name: str) -> None:
        case = CASES[name]
        self._server = server
        self._case = case
        self._taken = sorted({shot.taken for shot in case.shots})
        self._ponged_us: int | None = None
        self._pinged = -PING_EVERY_S
        self.walk = Walk(self._taken)
        with server.connect(f"{name}/poses") as viewer, server.connect(f"{name}/keypoints") as up:
            self._viewer, self._up = viewer, up
            if case.pings:
                self._ping(-0.5)
                self._ping(-0.3)
            clock, last = TickClock(), len(case.shots) - 1
            for k, shot in enumerate(case.shots):
                if case.pings and shot.taken - self._pinged >= PING_EVERY_S:
                    self._ping(shot.taken)
                number = self._send(shot)
                if clock.admit(round(shot.taken * 1e6)) is None:
                    continue
                self.walk.due.append(number)
                at_once = name == BURSTS and shot.comes == case.shots[min(k + 1, last)].comes
                if not at_once or k == last:
                    self._watch(number)
            self._server.now_us += 1_000_000
            self._drain()

    def _send(self, shot: Shot) -> int:
        number = self._taken.index(shot.taken)
        taken_us = self._clock_us(shot.taken)
        self._server.now_us = SERVER_US + round(shot.comes * 1e6)
        message = KeypointsMessage(number, taken_us, SIZE, None, (seen(shot.taken),))
        self._up.send(encode_keypoints(message))
        return number

    def _ping(self, at: float) -> None:
        """Asks for the server's clock; both ways take WAY_S."""
        self._server.now_us = SERVER_US + round((at + WAY_S) * 1e6)
        self._up.send(encode_ping(ClockPing(self._clock_us(at), self._ponged_us)))
        self._until_pong()
        self._ponged_us = self._clock_us(at + 2 * WAY_S)
        self._pinged = at

    def _until_pong(self) -> None:
        while (told := json.loads(self._up.recv(PATIENCE_S)))["type"] != "pong":
            if told["type"] == "error":
                self.walk.errors.add(told["code"])

    def _watch(self, number: int) -> None:
        """Takes poses until the one of this frame."""
        told = {"type": "none"}
        while told.get("frame") != number:
            told = json.loads(self._viewer.recv(PATIENCE_S))
            assert told["type"] not in ("error", "bye"), told
            if told["type"] == "pose":
                self._viewer.send(json.dumps({"type": "ack", "seq": told["seq"]}))
                self.walk.poses.append(told)

    def _drain(self) -> None:
        """What the server has said to the sender until now."""
        self._up.send(encode_ping(ClockPing(0.0, None)))
        self._until_pong()

    def _clock_us(self, at: float) -> int:
        """What the sender's clock shows at a true time, seconds."""
        return CLIENT_US + round(at * 1e6 * (1 + self._case.ppm * 1e-6))


@pytest.fixture(scope="module")
def server() -> Iterator[WalkServer]:
    with WalkServer() as running:
        yield running


@pytest.fixture(scope="module")
def clean(server: WalkServer) -> Walk:
    return Sender(server, CLEAN).walk


@pytest.mark.parametrize("name", CASES)
def test_path_and_timing_are_those_of_a_clean_camera(
    server: WalkServer, clean: Walk, name: str
) -> None:
    walk = clean if name == CLEAN else Sender(server, name).walk
    _check_path(walk, clean)
    _check_times(walk, name)
    _check_poses(walk, name)
    assert walk.errors == CASES[name].told


def _check_path(walk: Walk, clean: Walk) -> None:
    """The walker is where a clean camera sees them, and where they are."""
    times, path = walk.path()
    clean_times, clean_path = clean.path()
    there = np.stack([np.interp(times, clean_times, column) for column in clean_path.T], axis=1)
    apart = np.linalg.norm(path - there, axis=1)
    assert apart.mean() < 0.04
    assert apart.max() < 0.22  # for the first moment after a second unseen; mostly under 0.1
    truth = np.array([walker(t).joints_world[0] for t in times])
    off = np.linalg.norm(path - truth, axis=1)
    assert off.mean() < 0.10
    assert off[-1] < 0.15


def _check_times(walk: Walk, name: str) -> None:
    """Capture times are those of the frames, on the server's clock, and grow."""
    pings = CASES[name].pings
    for pose in walk.poses:
        true_us = SERVER_US + walk.taken[pose["frame"]] * 1e6
        late_us = pose["t_capture_us"] - true_us
        if pings:
            assert abs(late_us) < 1_500  # of drift since the last ping
        else:  # the fastest way through the network counts as no time
            assert WAY_S * 1e6 - 3_000 < late_us < LONGEST_WAY_S * 1e6
    for key in ("t_capture_us", "frame", "seq"):
        assert (np.diff([pose[key] for pose in walk.poses]) > 0).all(), key


def _check_poses(walk: Walk, name: str) -> None:
    """Each tick's first frame has one pose, of one and the same person; none is repeated."""
    frames = [pose["frame"] for pose in walk.poses]
    if name == BURSTS:
        assert set(frames) <= set(walk.due)
        assert len(frames) >= 0.7 * len(walk.due)
    else:
        assert frames == walk.due
    assert [[person["person"] for person in pose["persons"]] for pose in walk.poses] == [
        [1] for _ in frames
    ]
    bodies = {json.dumps(pose["persons"][0]["rotations"]) for pose in walk.poses}
    assert len(bodies) == len(frames)

"""Orders and answers as bytes: what comes out is what went in, in whatever pieces it came."""

from dataclasses import fields, is_dataclass, replace

import numpy as np
import pytest

from genmo_rt.camera import Intrinsics
from genmo_rt.camera_motion import STILL, CameraMotion
from genmo_rt.clock import Tick
from genmo_rt.engine.engine import EngineFigures
from genmo_rt.keypoints import Keypoints
from genmo_rt.pose import Pose
from genmo_stream.errors import ThinkerError
from genmo_stream.observation import Observation, PersonState
from genmo_stream.publish_options import PublishOptions
from genmo_stream.seen import Seen
from genmo_stream.solvers import Followed
from genmo_stream.thinker import Advance, Answer, Forget, Order, Posed, Thought
from genmo_stream.thinker_wire import (
    LENGTH,
    Asked,
    Inbox,
    Told,
    decode_asked,
    decode_told,
    encode_asked,
    encode_told,
)

FIGURES = EngineFigures(64, 10, 1 << 30, 5, 50, 0.25)


def floats(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def landmarks(*, world: bool = False) -> Keypoints:
    rows = floats(33, 3)
    return Keypoints(rows[:, :2], rows[:, 2], floats(33, 3) if world else None, (640, 480))


SEEN = Seen(7, 1_700_000_000_000_000, 0.25, 12.5, (640, 480), Tick(4, 0.13, 2, False, True), ())
CARRIED = CameraMotion(np.array([0.1, 0, 0]), 0.5, np.array([0, -1.0, 0]), carried=True, cut=True)


def order(seen: Seen = SEEN, *persons: Observation) -> Advance:
    return Advance(3, 2, PublishOptions(54.0, 1.7, 4), Followed(seen, persons, 11))


def pose(t: float) -> Pose:
    arrays = (floats(24, 4), floats(3), floats(3), floats(24, 3), floats(6))
    return Pose(t, *arrays, 0.75, floats(10), floats(24, 3), floats(4))


def posed(person: int, *poses: tuple[Pose, bool]) -> Posed:
    return Posed(person, list(poses), floats(10), floats(24, 3), 1.75)


def same(one: object, other: object) -> bool:
    """Equal down to arrays, and of the same types."""
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    if isinstance(one, tuple | list) and isinstance(other, tuple | list):
        return len(one) == len(other) and all(map(same, one, other))
    if is_dataclass(one):
        return all(same(getattr(one, f.name), getattr(other, f.name)) for f in fields(one))
    return one == other


@pytest.mark.parametrize(
    "sent",
    [
        order(),
        order(SEEN, Observation(5, PersonState.OCCLUDED, None, moved=True)),
        order(
            replace(SEEN, intrinsics=Intrinsics(500.0, 510.0, 320.0, 240.0, 640, 480)),
            Observation(1, PersonState.TRACKED, landmarks(world=True)),
            Observation(2, PersonState.WARMUP, landmarks()),
        ),
        order(replace(SEEN, camera=CARRIED, complaint="no gravity")),
        Forget(9),
    ],
)
def test_an_order_comes_as_it_was_sent(sent: Order) -> None:
    came = decode_asked(encode_asked(Asked(12, sent))[LENGTH.size :])
    assert same(came, Asked(12, sent))


def test_a_camera_on_a_stand_is_known_as_one() -> None:
    came = decode_asked(encode_asked(Asked(0, order()))[LENGTH.size :]).order
    assert isinstance(came, Advance)
    assert came.followed.seen.camera is STILL


@pytest.mark.parametrize(
    "answers",
    [
        (),
        (None, Thought((), (), 0)),
        (
            Thought((posed(1, (pose(0.1), False), (pose(0.2), True)), posed(4)), (3, 4), 2),
            None,
            Thought((posed(2, (pose(0.3), True)),), (), 1),
        ),
    ],
)
def test_answers_come_as_they_were_told(answers: tuple[Answer, ...]) -> None:
    told = Told(tuple(enumerate(answers, start=5)), FIGURES)
    assert same(decode_told(encode_told(told)[LENGTH.size :]), told)


def test_an_error_comes_with_its_text() -> None:
    told = Told(((1, ThinkerError("over there")),), FIGURES)
    ((number, error),) = decode_told(encode_told(told)[LENGTH.size :]).answers
    assert number == 1
    assert isinstance(error, ThinkerError)
    assert str(error) == "over there"


@pytest.mark.parametrize("piece", [1, 3, 1000, 1_000_000])
def test_messages_are_whole_in_whatever_pieces_they_come(piece: int) -> None:
    numbers = range(5)
    sent = b"".join(encode_asked(Asked(number, order())) for number in numbers)
    inbox, came = Inbox(), []
    for at in range(0, len(sent), piece):
        inbox.add(sent[at : at + piece])
        while (message := inbox.take()) is not None:
            came.append(decode_asked(message).number)
    assert came == list(numbers)

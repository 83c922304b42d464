"""Persons who are advanced together are advanced as if each were alone."""

from collections.abc import Callable
from typing import cast

import numpy as np
import pytest

from genmo_rt.camera import Intrinsics
from genmo_rt.keypoints import NUM_LANDMARKS, Keypoints
from genmo_rt.together import Look, Work, run, run_together

SIZE = (640, 480)
CAMERA = Intrinsics.default(*SIZE)


def test_each_gets_the_answer_to_its_own_question() -> None:
    first, second = run_together([[_centre_of(100), _centre_of(500)], [_centre_of(300)]])
    assert first == [100, 500]
    assert second == [300]


def test_what_fails_in_one_group_ends_that_group_alone() -> None:
    ended: list[int] = []
    broken = [_centre_of(100, ended.append), _fails(), _centre_of(200, ended.append)]
    first, second = run_together([broken, [_centre_of(300, ended.append)]])
    assert isinstance(first, ZeroDivisionError)
    assert second == [300]
    assert ended == [300]


def test_a_question_that_can_t_be_answered_fails_its_group_alone() -> None:
    nobody = cast(Keypoints, "nobody")
    first, second = run_together([[_asks(nobody), _centre_of(100)], [_centre_of(300)]])
    assert isinstance(first, AttributeError)
    assert second == [300]


def test_work_that_fails_alone_raises() -> None:
    with pytest.raises(ZeroDivisionError):
        run(_fails())


def test_work_that_asks_for_nothing_is_done_at_once() -> None:
    assert run_together([[_silent(3)], []]) == [[3], []]


def _centre_of(x: int, ended: Callable[[int], None] = lambda _: None) -> Work[float]:
    """Looks twice at somebody at x; returns where the view's centre was the second time."""
    first = yield Look(_person(x), CAMERA, None)
    second = yield Look(None, CAMERA, first.view)
    ended(x)
    return round(float(second.view.centre[0, 0, 0]), 2)


def _fails() -> Work[float]:
    yield Look(None, CAMERA, None)
    return 1 / 0


def _asks(keypoints: Keypoints) -> Work[float]:
    yield Look(keypoints, CAMERA, None)
    return 0.0


def _silent(value: float) -> Work[float]:
    yield from ()
    return value


def _person(x: int) -> Keypoints:
    pixels = np.full((NUM_LANDMARKS, 2), (x, 240), np.float32)
    return Keypoints(pixels, np.ones(NUM_LANDMARKS, np.float32), None, SIZE)

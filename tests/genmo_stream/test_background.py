"""Corners of the background tell how the camera turned; one that stands is not moved at all."""

import numpy as np
import pytest
from numpy.typing import NDArray

from genmo_rt.camera_motion import rotation, rotation_vector
from genmo_stream.background import REST_EVERY, Background, Turned
from tests.genmo_stream.turning_camera import FOCAL, PERSON, WIDTH, picture

Array = NDArray[np.float64]


def _watch(turns: Array, seeds: list[int] | None = None) -> list[Turned]:
    background = Background(FOCAL / WIDTH)
    seeds = seeds or [0] * len(turns)
    return [
        background.look(picture(turn, seed, i), [PERSON])
        for i, (turn, seed) in enumerate(zip(turns, seeds, strict=True))
    ]


def _degrees_off(said: Turned, turn: Array) -> float:
    return float(np.degrees(np.linalg.norm(rotation_vector(said.R_now2first.T @ rotation(turn)))))


def test_a_camera_that_stands_is_never_turned_though_somebody_moves() -> None:
    for said in _watch(np.zeros((60, 3))):
        assert not said.moving
        np.testing.assert_array_equal(said.R_now2first, np.eye(3))


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_turn_is_followed_about_every_axis(axis: int, sign: int) -> None:
    angle = np.radians(18) * np.clip((np.arange(45) - 5) / 30, 0, 1)
    turns = sign * angle[:, None] * np.eye(3)[axis]
    said = _watch(turns)
    off = [_degrees_off(one, turn) for one, turn in zip(said, turns, strict=True)]
    assert max(off[10:]) < 0.4
    assert off[-1] < 0.25


def test_a_shaken_hand_is_followed() -> None:
    t = np.arange(60) / 30
    waves = np.stack([np.sin(2 * np.pi * f * t + f) for f in (1.1, 1.7, 2.9)], axis=1)
    turns = np.radians(1.2) * (waves - waves[0])
    off = [_degrees_off(one, turn) for one, turn in zip(_watch(turns), turns, strict=True)]
    assert np.median(off[6:]) < 0.1


def test_a_camera_that_came_to_rest_stands() -> None:
    angle = np.radians(5) * np.clip(np.arange(60) / 10, 0, 1)
    said = _watch(angle[:, None] * np.array([0.0, 1, 0]))
    assert said[10].moving
    assert not said[-1].moving
    np.testing.assert_array_equal(said[-1].R_now2first, said[-2].R_now2first)


def test_a_cut_is_told_and_does_not_turn_the_camera() -> None:
    said = _watch(np.zeros((24, 3)), [0] * 12 + [5] * 12)
    cuts = [i for i, one in enumerate(said) if one.cut]
    assert len(cuts) == 1
    assert 12 <= cuts[0] < 12 + REST_EVERY
    assert not any(one.moving for one in said)


def test_a_plain_wall_tells_nothing() -> None:
    background = Background()
    grey = np.full((240, 320, 3), 128, np.uint8)
    for _ in range(5):
        said = background.look(grey, [])
        assert (said.sure, said.moving, said.cut) == (0.0, False, False)


def test_a_picture_of_another_size_starts_anew() -> None:
    background = Background()
    background.look(picture(np.zeros(3)), [])
    said = background.look(np.ascontiguousarray(picture(np.zeros(3))[::2, ::2]), [])
    assert not said.cut
    np.testing.assert_array_equal(said.R_now2first, np.eye(3))

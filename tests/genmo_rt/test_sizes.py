"""Sizes of people who stand on one floor."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from genmo_rt.gravity import LEVEL_UP_CAM, Balance, Gravity, camera_to_world
from genmo_rt.sizes import FREE_PER_S, SLEW_M_S, Sizes, Standing

Array = NDArray[np.float64]
CAMERA_HEIGHT = 1.5
STATURE = 1.7
PITCH = np.radians(15)
UP = np.array([0.0, -np.cos(PITCH), -np.sin(PITCH)])


@dataclass(frozen=True)
class One:
    """Somebody before the camera.

    Attributes:
        size: by how much they are larger than the model says.
        x, z: where they stand, metres.
        comes: seconds.
        lift: of their feet over the floor, metres.
        rests: how surely their feet rest.
        stated: whether the model was told their height.
    """

    size: float
    x: float
    z: float
    comes: float = 0.0
    lift: float = 0.0
    rests: float = 0.9
    stated: bool = False


def _sizes(people: Sequence[One], seconds: float, up: Array = UP) -> Array:
    """(L, P) sizes, tick after tick, of people seen with noise under gravity as it is known."""
    gravity, sizes = Gravity(LEVEL_UP_CAM), Sizes()
    for _ in range(90):
        gravity.remember(up, Balance(up, 1.0))
    R_c2w, random = camera_to_world(UP), np.random.default_rng(4)
    standing = [Standing(one.stated) for one in people]
    rows = []
    for tick in range(round(30 * seconds)):
        for one, stands in zip(people, standing, strict=True):
            if tick / 30 < one.comes:
                continue
            sole = np.array([one.x, one.lift - CAMERA_HEIGHT, one.z])
            soles = (sole + random.normal(0, 0.02, (8, 3))) @ R_c2w / one.size
            sizes.see(tick / 30, stands, STATURE, soles, np.full(8, one.rests), gravity)
            stands.show(tick / 30, gravity.up)
        rows.append([stands.size for stands in standing])
    return np.array(rows)


def test_one_person_alone_is_as_large_as_the_model_says() -> None:
    np.testing.assert_array_equal(_sizes([One(0.8, 0, -4)], 3), 1)


def test_a_child_beside_an_adult_is_small_from_the_first_second_on() -> None:
    sizes = _sizes([One(1.0, -0.5, -3.5), One(0.75, 0.6, -4.5, comes=0.2)], 3)
    np.testing.assert_allclose(sizes[30:, 0], 1.0, atol=0.04)
    np.testing.assert_allclose(sizes[30:, 1], 0.75, atol=0.04)
    assert abs(sizes[6, 1] - 0.75) < 0.12  # as they come in


def test_two_adults_of_other_heights_stand_on_one_floor() -> None:
    tall, short = _sizes([One(1.05, -0.5, -3.5), One(0.95, 0.6, -4.5)], 5)[-1]
    assert short / tall == pytest.approx(0.95 / 1.05, abs=0.05)


def test_the_child_who_came_first_shrinks_slowly_when_an_adult_comes() -> None:
    sizes = _sizes([One(0.75, -0.5, -3.5), One(1.0, 0.6, -4.5, comes=1.5)], 15)
    np.testing.assert_array_equal(sizes[:45, 0], 1)
    steps = np.abs(np.diff(np.log(sizes[45:, 0]))) * 30
    below = CAMERA_HEIGHT / 0.75 * sizes[46:, 0]  # over their soles, as they are shown
    assert (steps * below).max() < SLEW_M_S * 1.05
    np.testing.assert_allclose(sizes[-1], (0.75, 1.0), atol=0.05)


def test_in_the_first_second_sizes_do_not_jump_either() -> None:
    sizes = _sizes([One(0.75, -0.5, -3.5), One(1.0, 0.6, -4.5, comes=0.2)], 1)
    assert np.abs(np.diff(np.log(sizes[:, 0]))).max() < FREE_PER_S / 30 * 1.01


def test_a_stated_height_is_the_law() -> None:
    both = _sizes([One(1.0, -0.5, -3.5, stated=True), One(0.75, 0.6, -4.5, stated=True)], 3)
    np.testing.assert_array_equal(both, 1)
    one, other = _sizes([One(1.0, -0.5, -3.5, stated=True), One(0.8, 0.6, -4.5)], 3)[-1]
    assert one == 1
    assert other == pytest.approx(0.8, abs=0.04)


def test_feet_that_do_not_rest_tell_nothing() -> None:
    jumping = One(1.0, 0.6, -4.5, lift=0.4, rests=0.2)
    np.testing.assert_array_equal(_sizes([One(1.0, -0.5, -3.5), jumping], 3), 1)


def test_nobody_becomes_a_giant() -> None:
    sizes = _sizes([One(1.0, -0.5, -3.5), One(1.0, 0.6, -4.5), One(1.5, 0.0, -4.0)], 8)
    assert sizes.max() * STATURE < 2.1


@pytest.mark.parametrize("degrees", [-4, 4])
def test_gravity_that_is_a_little_off_makes_no_children(degrees: float) -> None:
    axes = camera_to_world(UP)
    off = UP * np.cos(np.radians(degrees)) + axes[2] * np.sin(np.radians(degrees))
    sizes = _sizes([One(1.0, -0.5, -3.0), One(1.0, 0.6, -5.0)], 4, up=off)
    np.testing.assert_allclose(sizes, 1, atol=0.05)


def test_after_a_cut_the_floor_of_before_counts_no_more() -> None:
    gravity, sizes = Gravity(UP), Sizes()
    one, other = Standing(stated=False), Standing(stated=False)
    near, far = np.array([0.2, 1.0, 3.0]), np.array([0.5, 2.2, 6.0])
    sizes.see(0.0, one, STATURE, near[None], np.ones(1), gravity)
    sizes.forget()
    sizes.see(0.1, other, STATURE, far[None], np.ones(1), gravity)
    assert (one.target, other.target) == (1.0, 1.0)

"""What poses tell of gravity: the model's word, and people's balance."""

import numpy as np
import pytest
from numpy.typing import NDArray

from genmo_rt.gravity import LEVEL_UP_CAM, Balance, Gravity, camera_to_world
from genmo_rt.skeleton import JOINT_NAMES
from genmo_rt.smpl import load_body

Array = NDArray[np.float64]


def _up(pitch_down: float, roll: float) -> Array:
    """(3,) "up" in a camera that looks down and rolls by so many degrees."""
    p, r = np.radians([pitch_down, roll])
    return np.array([np.sin(r), -np.cos(r) * np.cos(p), -np.cos(r) * np.sin(p)])


def _after(ticks: int, told: Array, balanced: Array, sure: float = 1.0) -> Gravity:
    gravity = Gravity(LEVEL_UP_CAM)
    for _ in range(ticks):
        gravity.remember(told, Balance(balanced, sure))
    return gravity


def _degrees(a: Array, b: Array) -> float:
    return float(np.degrees(np.arccos(np.clip(a @ b, -1, 1))))


@pytest.mark.parametrize(("pitch", "roll"), [(0, 0), (25, 0), (-15, 0), (20, 25), (10, -40)])
def test_gravity_is_known_after_a_second_of_both_witnesses(pitch: float, roll: float) -> None:
    """The model never says that a camera rolls."""
    assert _degrees(_after(30, _up(pitch, 0), _up(pitch, roll)).up, _up(pitch, roll)) < 4


def test_a_small_roll_is_taken_for_people_who_lean() -> None:
    gravity = _after(60, _up(10, 0), _up(10, 4))
    assert _degrees(gravity.up, _up(10, 0)) < 2


def test_who_is_not_carried_by_their_feet_tells_by_the_model_alone() -> None:
    gravity = _after(60, _up(10, 0), _up(60, 50), sure=0.0)
    assert _degrees(gravity.up, _up(10, 0)) < 1


def test_one_who_falls_over_does_not_turn_the_world_at_once() -> None:
    gravity = _after(300, _up(12, 0), _up(12, 0))
    for _ in range(15):
        gravity.remember(_up(12, 0), Balance(_up(80, 0), 1.0))
    assert _degrees(gravity.up, _up(12, 0)) < 2


def test_in_another_frame_of_reference_gravity_stays_what_it_was() -> None:
    gravity = _after(60, _up(20, 0), _up(20, 0))
    gravity.face(_up(-5, 3))
    np.testing.assert_allclose(gravity.up, _up(-5, 3))
    gravity.remember(_up(-5, 3), Balance(_up(-5, 3), 1.0))
    assert _degrees(gravity.up, _up(-5, 3)) < 0.1


def test_what_is_off_is_told_to_the_side_and_forwards() -> None:
    gravity = Gravity(_up(30, 0))
    np.testing.assert_allclose(gravity.across[0], [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(gravity.across @ gravity.up, 0, atol=1e-12)
    forwards = camera_to_world(gravity.up) @ gravity.across[1]
    np.testing.assert_allclose(forwards, [0, 0, -1], atol=1e-12)
    before = gravity.spread
    for _ in range(60):
        gravity.remember(_up(30, 0), Balance(_up(30, 0), 1.0))
    assert (gravity.spread < before).all()


JOINTS = load_body().joint_mean.numpy() * [1.0, -1.0, -1.0]  # as a level camera has it
STATURE = 1.7


def _soles(joints: Array) -> Array:
    return np.array(
        [
            joints[JOINT_NAMES.index(f"{side}_{part}")]
            for side in ("left", "right")
            for part in ("ankle", "foot")
        ]
    )


def test_who_stands_on_both_feet_stands_upright() -> None:
    balance = Balance.of(JOINTS, _soles(JOINTS), np.full(4, 0.9), STATURE)
    assert balance.sure == pytest.approx(1)
    assert _degrees(balance.up_cam, LEVEL_UP_CAM) < 5


def test_who_stands_on_one_foot_is_over_that_one() -> None:
    moved = JOINTS.copy()
    legs = [JOINT_NAMES.index(f"left_{part}") for part in ("knee", "ankle", "foot")]
    moved[legs, 0] -= JOINTS[legs[1], 0]  # the left foot under the middle
    carries = np.array([0.9, 0.9, 0.02, 0.02])
    balance = Balance.of(moved, _soles(moved), carries, STATURE)
    assert _degrees(balance.up_cam, LEVEL_UP_CAM) < 6


@pytest.mark.parametrize("carries", [0.0, 0.1])
def test_feet_that_carry_nobody_tell_nothing(carries: float) -> None:
    assert Balance.of(JOINTS, _soles(JOINTS), np.full(4, carries), STATURE).sure == 0


def test_who_sits_is_not_carried_by_their_feet() -> None:
    seated = JOINTS.copy()
    shins = JOINT_NAMES.index("left_ankle"), JOINT_NAMES.index("left_knee")
    thigh = abs(float(JOINTS[shins[1], 1] - JOINTS[1, 1]))
    legs = [JOINT_NAMES.index(f"{s}_{p}") for s in ("left", "right") for p in ("ankle", "foot")]
    knees = [JOINT_NAMES.index(f"{s}_knee") for s in ("left", "right")]
    seated[knees + legs] += [0.0, -thigh, -thigh]
    assert Balance.of(seated, _soles(seated), np.full(4, 0.9), STATURE).sure < 0.5

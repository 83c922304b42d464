"""Limbs that were hidden come back without a jump, and nothing else is touched."""

import numpy as np
from numpy.typing import NDArray

from genmo_rt.easing import EaseRule, Easing
from genmo_rt.keypoints import LANDMARK_NAMES, Keypoints
from genmo_rt.live_math import axis_angle_to_rotmat, rotmat_to_axis_angle
from genmo_rt.skeleton import JOINT_NAMES

Array = NDArray[np.float64]
HIP, KNEE, ELBOW = (JOINT_NAMES.index(f"left_{name}") for name in ("hip", "knee", "elbow"))
LEG = [LANDMARK_NAMES.index(f"left_{name}") for name in ("knee", "ankle", "heel", "foot_index")]


def _keypoints(hidden: list[int]) -> Keypoints:
    confidence = np.full(33, 0.9, np.float32)
    confidence[hidden] = 0.0
    return Keypoints(np.zeros((33, 2), np.float32), confidence, None, (640, 480))


def _run(hidden_ticks: range, jump: float, total: int = 60) -> tuple[Array, Array]:
    """(L, 24) turns about x, told and eased: the hip is `jump` off while it is hidden."""
    easing, told, eased = Easing(), [], []
    for i in range(total):
        turns = np.zeros((24, 3))
        turns[[HIP, ELBOW], 0] = 0.02 * i
        hidden = i in hidden_ticks
        turns[HIP, 0] += jump if hidden else 0.0
        local = axis_angle_to_rotmat(turns)
        told.append(turns[:, 0])
        eased.append(
            rotmat_to_axis_angle(easing.step(i / 30, local, _keypoints(LEG if hidden else [])))[
                :, 0
            ]
        )
    return np.array(told), np.array(eased)


def test_a_leg_comes_back_steadily_within_half_a_second() -> None:
    told, eased = _run(range(10, 30), 0.4)
    assert np.abs(np.diff(told[:, HIP])).max() > 0.35
    steps = np.diff(eased[29:, HIP]) - 0.02  # beyond what the leg does meanwhile
    assert np.abs(steps).max() * 0.85 < 0.035  # metres at the foot
    np.testing.assert_allclose(eased[46:], told[46:], atol=1e-9)


def test_a_large_difference_is_gone_in_time_too() -> None:
    told, eased = _run(range(10, 30), 1.5)
    np.testing.assert_allclose(eased[47:], told[47:], atol=1e-9)


def test_what_was_in_sight_is_not_touched() -> None:
    told, eased = _run(range(10, 30), 0.4)
    np.testing.assert_allclose(eased[:, ELBOW], told[:, ELBOW], atol=1e-9)


def test_a_flicker_is_not_a_way_back() -> None:
    told, eased = _run(range(10, 10 + round(EaseRule().after * 30) - 2), 0.4)
    np.testing.assert_allclose(eased, told, atol=1e-9)


def test_motion_goes_on_while_a_limb_comes_back() -> None:
    _, eased = _run(range(10, 30), -0.4)
    assert (np.diff(eased[31:44, HIP]) > 0.0199).all()


def test_somebody_who_was_gone_comes_back_steadily() -> None:
    easing = Easing()
    steps, before = [], np.eye(3)
    for i in range(60):
        turns = np.zeros((24, 3))
        turns[0, 1] = 0.3 if i < 30 else 0.0
        seen = None if 10 <= i < 30 else _keypoints([])
        out = easing.step(i / 30, axis_angle_to_rotmat(turns), seen)[0]
        steps.append(np.linalg.norm(rotmat_to_axis_angle((out @ before.T)[None])))
        before = out
    assert max(steps[1:]) < 0.05


def test_the_way_back_goes_on_in_a_camera_that_turned() -> None:
    turned = axis_angle_to_rotmat(np.array([[0.0, 0.5, 0.0]]))[0]
    results = []
    for turn in (False, True):
        easing = Easing()
        for i in range(20):
            local = axis_angle_to_rotmat(np.full((24, 3), 0.2 if i < 10 else 0.0))
            if turn and i >= 15:
                local[0] = turned @ local[0]
            if turn and i == 15:
                easing.turn(turned)
            out = easing.step(i / 30, local, None if i < 10 else _keypoints([]))
        results.append(turned @ out[0] if not turn else out[0])
    np.testing.assert_allclose(results[0], results[1], atol=1e-9)

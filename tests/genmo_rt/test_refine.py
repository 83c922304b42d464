"""Putting a predicted pose back on its landmarks: what it gains and what it must leave alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from genmo_rt.camera import Intrinsics
from genmo_rt.keypoints import LANDMARK_NAMES, Keypoints
from genmo_rt.refine import Figure, Refiner, landmark_weights
from genmo_rt.rotation import axis_angle_to_rotmat
from genmo_rt.skeleton import NUM_JOINTS, PARENTS
from genmo_rt.smpl import load_body

Array = NDArray[np.float64]
INTRINSICS = Intrinsics.default(720, 1280)
SHAPE = torch.zeros(10, dtype=torch.float64)
FACING_CAMERA = np.diag([1.0, -1.0, -1.0])


def _figure(axis_angle: Array, pelvis: Array) -> Figure:
    """The built-in body with joint 0 turned from facing the camera."""
    body = load_body()
    rotmat = axis_angle_to_rotmat(torch.from_numpy(axis_angle))
    rotmat[0] = torch.from_numpy(FACING_CAMERA) @ rotmat[0]
    turned, joints = body.forward_kinematics(
        rotmat, torch.from_numpy(pelvis), body.rest_joints(SHAPE)
    )
    return Figure(turned.numpy(), joints.numpy(), body.landmark_offsets(SHAPE).numpy())


def _seen(figure: Figure, confidence: float = 1.0) -> Keypoints:
    points = figure.landmarks()
    pixels = points[:, :2] / points[:, 2:] * INTRINSICS.fx
    return Keypoints(
        pixels=(pixels + np.array([INTRINSICS.cx, INTRINSICS.cy])).astype(np.float32),
        confidence=np.full(33, confidence, np.float32),
        world=None,
        image_size=(720, 1280),
    )


def _pair(seed: int) -> tuple[Figure, Figure]:
    """A body in a random pose, and what a model might have said of it."""
    generator = np.random.default_rng(seed)
    pose = generator.normal(0, 0.3, (NUM_JOINTS, 3))
    pose[[20, 21, 22, 23, 10, 11]] *= 0.3
    pelvis = np.array([0.2, 0.1, 3.5])
    wrong = generator.normal(0, np.radians(7), (NUM_JOINTS, 3))
    shift = generator.normal(0, [0.05, 0.05, 0.1])
    return _figure(pose, pelvis), _figure(pose + wrong, pelvis + shift)


def _root_aligned_error(figure: Figure, truth: Figure) -> float:
    mine, right = figure.joints - figure.joints[0], truth.joints - truth.joints[0]
    return float(np.linalg.norm(mine - right, axis=1).mean())


def _reprojection_error(figure: Figure, keypoints: Keypoints) -> Array:
    return np.asarray(np.linalg.norm(_seen(figure).pixels - keypoints.pixels, axis=1))


@pytest.mark.parametrize("seed", range(5))
def test_the_reprojection_error_falls_to_a_quarter(seed: int) -> None:
    truth, predicted = _pair(seed)
    keypoints = _seen(truth)
    refined = Refiner(INTRINSICS).refine(predicted, keypoints)
    before, after = (
        _reprojection_error(predicted, keypoints),
        _reprojection_error(refined, keypoints),
    )
    assert after.mean() < before.mean() / 4


def test_exact_landmarks_halve_the_joint_error_across_the_rays() -> None:
    before, after = [], []
    for seed in range(20):
        truth, predicted = _pair(seed)
        refined = Refiner(INTRINSICS).refine(predicted, _seen(truth))
        before.append(np.linalg.norm((predicted.joints - truth.joints)[:, :2], axis=1).mean())
        after.append(np.linalg.norm((refined.joints - truth.joints)[:, :2], axis=1).mean())
    assert np.mean(after) < np.mean(before) / 2


def test_exact_landmarks_lower_the_root_aligned_joint_error() -> None:
    pairs = [_pair(seed) for seed in range(20)]
    before = np.mean([_root_aligned_error(predicted, truth) for truth, predicted in pairs])
    after = np.mean(
        [
            _root_aligned_error(Refiner(INTRINSICS).refine(predicted, _seen(truth)), truth)
            for truth, predicted in pairs
        ]
    )
    assert after < 0.75 * before


def test_bones_keep_their_lengths_and_rotations_stay_proper() -> None:
    truth, predicted = _pair(1)
    refined = Refiner(INTRINSICS).refine(predicted, _seen(truth))
    parents = list(PARENTS[1:])
    for figure in (predicted, refined):
        rest_bones = load_body().rest_joints(SHAPE).numpy()
        bones = (figure.rotmat[parents] @ (rest_bones[1:] - rest_bones[parents])[..., None])[..., 0]
        np.testing.assert_allclose(figure.joints[1:] - figure.joints[parents], bones, atol=1e-9)
    identity = np.broadcast_to(np.eye(3), (NUM_JOINTS, 3, 3))
    np.testing.assert_allclose(
        refined.rotmat @ refined.rotmat.transpose(0, 2, 1), identity, atol=1e-9
    )


def test_a_pose_that_agrees_with_its_landmarks_is_left_alone() -> None:
    truth, _ = _pair(2)
    refined = Refiner(INTRINSICS).refine(truth, _seen(truth))
    np.testing.assert_allclose(refined.joints, truth.joints, atol=1e-4)


def test_landmarks_without_confidence_change_nothing() -> None:
    truth, predicted = _pair(3)
    refined = Refiner(INTRINSICS).refine(predicted, _seen(truth, confidence=0.05))
    np.testing.assert_allclose(refined.joints, predicted.joints, atol=1e-9)


def test_less_confident_landmarks_pull_less() -> None:
    truth, predicted = _pair(3)
    errors = [
        _reprojection_error(
            Refiner(INTRINSICS).refine(predicted, _seen(truth, confidence)), _seen(truth)
        ).mean()
        for confidence in (1.0, 0.4, 0.15)
    ]
    assert errors[0] < errors[1] < errors[2]


@pytest.mark.parametrize("landmark", ["left_wrist", "right_ankle", "nose", "left_hip"])
def test_one_landmark_far_off_moves_no_joint_by_more_than_six_centimetres(landmark: str) -> None:
    truth, _ = _pair(4)
    keypoints = _seen(truth)
    pixels = keypoints.pixels.copy()
    pixels[LANDMARK_NAMES.index(landmark)] += [900, -700]
    refined = Refiner(INTRINSICS).refine(truth, replace(keypoints, pixels=pixels))
    assert np.linalg.norm(refined.joints - truth.joints, axis=1).max() < 0.06


def test_a_person_behind_or_at_the_camera_gives_finite_numbers() -> None:
    for depth in (-1.0, 0.0, 0.05):
        figure = _figure(np.zeros((NUM_JOINTS, 3)), np.array([0.0, 0.0, depth]))
        truth, _ = _pair(0)
        refined = Refiner(INTRINSICS).refine(figure, _seen(truth))
        assert np.isfinite(refined.joints).all()
        assert np.isfinite(refined.rotmat).all()


def test_the_same_input_gives_the_same_figure() -> None:
    truth, predicted = _pair(5)
    first = Refiner(INTRINSICS).refine(predicted, _seen(truth))
    second = Refiner(INTRINSICS).refine(predicted, _seen(truth))
    np.testing.assert_array_equal(first.joints, second.joints)


def test_a_restart_forgets_the_corrections_before() -> None:
    truth, predicted = _pair(6)
    refiner = Refiner(INTRINSICS)
    fresh = refiner.refine(predicted, _seen(truth))
    carried = refiner.refine(predicted, _seen(truth))
    refiner.restart()
    again = refiner.refine(predicted, _seen(truth))
    np.testing.assert_array_equal(again.joints, fresh.joints)
    assert not np.array_equal(carried.joints, fresh.joints)


def test_faces_and_hands_together_count_for_a_few_landmarks() -> None:
    weights = landmark_weights(np.ones(33, np.float32))
    face = sum(weights[i] for i in range(11))
    assert face < 3
    assert weights[LANDMARK_NAMES.index("left_foot_index")] == 1
    assert weights[LANDMARK_NAMES.index("left_index")] < 0.5

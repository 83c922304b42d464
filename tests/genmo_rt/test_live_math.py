"""The live step's numpy geometry says what its torch twins say."""

import numpy as np
import pytest
import torch

from genmo_rt import live_math, rotation
from genmo_rt.skeleton import NUM_JOINTS
from genmo_rt.smpl import load_body

ANGLES = (0.0, 1e-9, 1e-3, 0.00999, 0.0101, 0.5, 3.0, np.pi - 1e-6, np.pi)


def axis_angles() -> np.ndarray:
    axes = np.random.default_rng(1).normal(size=(len(ANGLES), 16, 3))
    axes /= np.linalg.norm(axes, axis=-1, keepdims=True)
    return np.asarray(axes * np.array(ANGLES)[:, None, None])


def test_rotation_vectors_become_the_same_matrices() -> None:
    given = axis_angles()
    expected = rotation.axis_angle_to_rotmat(torch.from_numpy(given)).numpy()
    assert np.abs(live_math.axis_angle_to_rotmat(given) - expected).max() < 1e-14
    strided = np.asfortranarray(given)
    assert np.abs(live_math.axis_angle_to_rotmat(strided) - expected).max() < 1e-14
    each = np.array([live_math.turn(one) for one in given.reshape(-1, 3)])
    assert np.abs(each - expected.reshape(-1, 3, 3)).max() < 1e-14


def test_matrices_become_the_same_quaternions_and_rotation_vectors() -> None:
    rotmat = live_math.axis_angle_to_rotmat(axis_angles()[:-1])  # at pi either sign is right
    quat = rotation.rotmat_to_quat_xyzw(torch.from_numpy(rotmat)).numpy()
    assert np.abs(live_math.rotmat_to_quat_xyzw(rotmat) - quat).max() < 1e-12
    each = np.array([live_math.rotmat_to_quat_xyzw(one) for one in rotmat.reshape(-1, 3, 3)])
    assert np.abs(each - quat.reshape(-1, 4)).max() < 1e-12
    vector = rotation.rotmat_to_axis_angle(torch.from_numpy(rotmat)).numpy()
    assert np.abs(live_math.rotmat_to_axis_angle(rotmat) - vector).max() < 1e-12


def test_quaternions_become_the_same_matrices() -> None:
    quat = rotation.axis_angle_to_rotmat(torch.from_numpy(axis_angles()))
    quat = rotation.rotmat_to_quat_xyzw(quat)
    expected = rotation.quat_xyzw_to_rotmat(quat).numpy()
    assert np.abs(live_math.quat_xyzw_to_rotmat(quat.numpy()) - expected).max() < 1e-14


def test_a_half_turn_has_one_of_its_two_axes() -> None:
    half = axis_angles()[-1]
    there = live_math.rotmat_to_axis_angle(live_math.axis_angle_to_rotmat(half))
    assert np.minimum(np.abs(there - half), np.abs(there + half)).max() < 1e-6


@pytest.mark.parametrize("batch", [(), (2, 3)])
def test_kinematics_are_the_bodys(batch: tuple[int, ...]) -> None:
    random = np.random.default_rng(2)
    rotmat = live_math.axis_angle_to_rotmat(random.normal(size=(*batch, NUM_JOINTS, 3)))
    pelvis = random.normal(size=(*batch, 3))
    body = load_body()
    rest = body.rest_joints(torch.from_numpy(random.normal(size=(*batch, 10))))
    expected = body.forward_kinematics(torch.from_numpy(rotmat), torch.from_numpy(pelvis), rest)
    found = live_math.forward_kinematics(rotmat, pelvis, rest.numpy())
    for array, tensor in zip(found, expected, strict=True):
        assert np.abs(array - tensor.numpy()).max() < 1e-12


def test_the_cross_product_is_numpys() -> None:
    a, b = np.random.default_rng(3).normal(size=(2, 5, 3))
    assert np.abs(live_math.cross_rows(a, b) - np.cross(a, b)).max() < 1e-15


def test_six_numbers_become_the_same_rotations() -> None:
    rot6d = torch.randn(7, 3, 6, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    rot6d[0, 0] = 0.0  # no rotation, but finite
    expected = rotation.rot6d_to_rotmat(rot6d).numpy()
    assert np.abs(live_math.rot6d_to_rotmat(rot6d.numpy()) - expected).max() < 1e-14

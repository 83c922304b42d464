"""Rotations: group axioms, round trips and the two ends where naive formulas break."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from torch import Tensor

from genmo_rt.rotation import (
    angle_between,
    axis_angle_to_rotmat,
    quat_xyzw_to_rotmat,
    rot6d_to_rotmat,
    rotmat_to_axis_angle,
    rotmat_to_quat_xyzw,
    rotmat_to_rot6d,
    skew,
)

unit_ball = st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda v: math.hypot(*v) > 0.1)
angles = st.one_of(
    st.floats(0, math.pi),
    st.floats(0, 1e-3),
    st.floats(math.pi - 1e-3, math.pi),
    st.sampled_from([0.0, 1e-12, 1e-8, 0.0099, 0.01, 0.0101, math.pi / 2, math.pi]),
)
fast = settings(max_examples=60, deadline=None)


@st.composite
def rotation_vectors(draw: st.DrawFn) -> Tensor:
    axis = np.array(draw(unit_ball))
    return torch.as_tensor(axis / np.linalg.norm(axis) * draw(angles))


def random_rotmats(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    rng = np.random.default_rng(7)
    matrices = Rotation.random(int(np.prod(shape)), random_state=rng).as_matrix()
    return torch.as_tensor(matrices, dtype=dtype).reshape(*shape, 3, 3)


@fast
@given(rotation_vectors())
def test_axis_angle_to_rotmat_equals_scipy(axis_angle: Tensor) -> None:
    expected = Rotation.from_rotvec(axis_angle.numpy()).as_matrix()
    assert np.abs(axis_angle_to_rotmat(axis_angle).numpy() - expected).max() < 1e-14


@fast
@given(rotation_vectors())
def test_quat_equals_scipy_up_to_sign_and_has_nonnegative_w(axis_angle: Tensor) -> None:
    rotmat = axis_angle_to_rotmat(axis_angle)
    quat = rotmat_to_quat_xyzw(rotmat)
    expected = Rotation.from_matrix(rotmat.numpy()).as_quat()
    assert abs(abs(float(quat @ torch.as_tensor(expected))) - 1) < 1e-14
    assert float(quat[3]) >= 0
    assert float((quat_xyzw_to_rotmat(-3 * quat) - rotmat).abs().max()) < 1e-14


@fast
@given(rotation_vectors())
def test_axis_angle_survives_the_round_trip_at_every_angle(axis_angle: Tensor) -> None:
    rotmat = axis_angle_to_rotmat(axis_angle)
    back = rotmat_to_axis_angle(rotmat)
    assert float((axis_angle_to_rotmat(back) - rotmat).abs().max()) < 1e-13
    assert float(back.norm()) == pytest.approx(float(axis_angle.norm()), abs=1e-13)


@fast
@given(rotation_vectors(), rotation_vectors())
def test_angle_between_is_the_relative_rotations_angle(a: Tensor, b: Tensor) -> None:
    first, second = axis_angle_to_rotmat(a), axis_angle_to_rotmat(b)
    expected = (Rotation.from_rotvec(a.numpy()).inv() * Rotation.from_rotvec(b.numpy())).magnitude()
    assert float(angle_between(first, second)) == pytest.approx(expected, abs=1e-12)
    assert float(angle_between(second, first)) == pytest.approx(expected, abs=1e-12)


def test_angle_between_resolves_a_microradian_in_float32() -> None:
    turned = axis_angle_to_rotmat(torch.tensor([0.0, 1e-6, 0.0]))
    assert float(angle_between(torch.eye(3), turned)) == pytest.approx(1e-6, rel=1e-3)


def test_rot6d_is_the_first_two_columns_in_order() -> None:
    rotmat = torch.arange(9.0).reshape(3, 3)
    assert rotmat_to_rot6d(rotmat).tolist() == [0, 3, 6, 1, 4, 7]


def test_rot6d_round_trip_ignores_column_lengths_and_shear() -> None:
    rotmat = random_rotmats(20)
    rot6d = rotmat_to_rot6d(rotmat)
    stretched = torch.cat((rot6d[:, :3] * 3, rot6d[:, 3:] * 0.2 + rot6d[:, :3] * 5), dim=-1)
    assert float((rot6d_to_rotmat(rot6d) - rotmat).abs().max()) < 1e-14
    assert float((rot6d_to_rotmat(stretched) - rotmat).abs().max()) < 1e-12


def test_rot6d_of_any_network_output_is_a_rotation() -> None:
    noise = torch.randn(1000, 6, generator=torch.Generator().manual_seed(0))
    rotmat = rot6d_to_rotmat(noise)
    identity = rotmat @ rotmat.transpose(-1, -2)
    assert float((identity - torch.eye(3)).abs().max()) < 1e-5
    assert float((torch.linalg.det(rotmat) - 1).abs().max()) < 1e-5


def test_rot6d_of_zeros_stays_finite() -> None:
    zeros = torch.zeros(6, requires_grad=True)
    rotmat = rot6d_to_rotmat(zeros)
    rotmat.sum().backward()  # type: ignore[no-untyped-call]
    assert zeros.grad is not None
    assert bool(torch.isfinite(rotmat).all())
    assert bool(torch.isfinite(zeros.grad).all())


def test_skew_is_the_cross_product() -> None:
    a, b = torch.tensor([1.0, 2, 3]), torch.tensor([-4.0, 5, 6])
    assert torch.equal(skew(a) @ b, torch.linalg.cross(a, b))


@pytest.mark.parametrize("angle", [0.0, 1e-9, 0.0099, 0.0101, 1.0, math.pi - 1e-4])
def test_gradients_are_right_at_every_angle(angle: float) -> None:
    axis = torch.tensor([0.6, -0.48, 0.64], dtype=torch.float64)
    axis_angle = (axis * angle).requires_grad_()
    rotmat = axis_angle_to_rotmat(axis_angle.detach()).requires_grad_()
    check = torch.autograd.gradcheck
    assert check(axis_angle_to_rotmat, (axis_angle,), eps=1e-7, atol=1e-6)
    assert check(rotmat_to_quat_xyzw, (rotmat,), eps=1e-7, atol=1e-6)
    assert check(
        lambda v: rotmat_to_axis_angle(axis_angle_to_rotmat(v)), (axis_angle,), eps=1e-7, atol=1e-6
    )


def test_gradients_at_identity_and_half_turn_are_finite() -> None:
    for diagonal in ([1.0, 1, 1], [1.0, -1, -1], [-1.0, 1, -1], [-1.0, -1, 1]):
        rotmat = torch.diag(torch.tensor(diagonal)).requires_grad_()
        loss = rotmat_to_axis_angle(rotmat).sum() + angle_between(torch.eye(3), rotmat)
        loss.backward()  # type: ignore[no-untyped-call]
        assert rotmat.grad is not None
        assert bool(torch.isfinite(rotmat.grad).all())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("lead", [(), (3,), (2, 0), (2, 3, 4)])
def test_leading_dimensions_and_dtype_are_kept(dtype: torch.dtype, lead: tuple[int, ...]) -> None:
    rotmat = random_rotmats(*lead, dtype=dtype) if lead else random_rotmats(1, dtype=dtype)[0]
    for there, back, last in (
        (rotmat_to_rot6d, rot6d_to_rotmat, 6),
        (rotmat_to_axis_angle, axis_angle_to_rotmat, 3),
        (rotmat_to_quat_xyzw, quat_xyzw_to_rotmat, 4),
    ):
        encoded = there(rotmat)
        decoded = back(encoded)
        assert encoded.shape == (*lead, last)
        assert encoded.dtype == decoded.dtype == dtype
        assert torch.allclose(decoded, rotmat, atol=1e-6)
    assert angle_between(rotmat, rotmat).shape == lead

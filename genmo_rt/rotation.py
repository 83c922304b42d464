"""Rotations in their five forms: matrix, 6D, axis-angle, quaternion, and the angle between two.

Every function takes any leading dimensions, keeps dtype and device, and has finite gradients at
the identity and at half turns. Functions read x_to_y; quaternions say their component order.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

# Below this squared angle the series beat the closed forms: with three terms the remainder,
# angle^6 / 5040, is under float64's epsilon.
_SMALL_ANGLE_SQUARED = 1e-4


def rot6d_to_rotmat(rot6d: Tensor) -> Tensor:
    """Converts 6D rotations to matrices by Gram-Schmidt (Zhou et al. 2019, eq. 15).

    Args:
        rot6d: (..., 6) first column then second column of the matrix; any length, not parallel.
            Zero or parallel columns give finite values that are not a rotation.
    Returns:
        (..., 3, 3) rotation matrices, determinant +1.
    """
    first, second = rot6d[..., :3], rot6d[..., 3:]
    x = F.normalize(first, dim=-1, eps=1e-12)
    y = F.normalize(second - (x * second).sum(-1, keepdim=True) * x, dim=-1, eps=1e-12)
    return torch.stack((x, y, torch.linalg.cross(x, y)), dim=-1)


def rotmat_to_rot6d(rotmat: Tensor) -> Tensor:
    """(..., 3, 3) to (..., 6): the first column, then the second."""
    return torch.cat((rotmat[..., :, 0], rotmat[..., :, 1]), dim=-1)


def axis_angle_to_rotmat(axis_angle: Tensor) -> Tensor:
    """Converts rotation vectors to matrices (Rodrigues' formula).

    Args:
        axis_angle: (..., 3) axis times angle, radians.
    Returns:
        (..., 3, 3) rotation matrices.
    """
    squared = axis_angle.square().sum(-1)[..., None, None]
    small = squared < _SMALL_ANGLE_SQUARED
    # The root is taken of 1 where the angle is small: torch.where alone would let the
    # infinite gradient of sqrt(0) through as nan.
    angle = torch.where(small, torch.ones_like(squared), squared).sqrt()
    sine = torch.where(
        small, 1 - squared / 6 * (1 - squared / 20 * (1 - squared / 42)), angle.sin() / angle
    )
    # 2 sin²(a/2) / a² and not (1 - cos a) / a²: the latter cancels in float32.
    cosine = torch.where(
        small,
        0.5 - squared / 24 * (1 - squared / 30 * (1 - squared / 56)),
        2 * ((angle / 2).sin() / angle).square(),
    )
    cross = skew(axis_angle)
    identity = torch.eye(3, dtype=axis_angle.dtype, device=axis_angle.device)
    return identity + sine * cross + cosine * (cross @ cross)


def rotmat_to_axis_angle(rotmat: Tensor) -> Tensor:
    """Converts matrices to rotation vectors, angle 0..pi (at pi either axis may come out).

    Args:
        rotmat: (..., 3, 3) rotation matrices.
    Returns:
        (..., 3) axis times angle, radians.
    """
    quat_xyzw = rotmat_to_quat_xyzw(rotmat)
    vector, w = quat_xyzw[..., :3], quat_xyzw[..., 3:]  # (sin(a/2) axis, cos(a/2)), w >= 0
    squared = vector.square().sum(-1, keepdim=True)
    small = squared < _SMALL_ANGLE_SQUARED
    sine = torch.where(small, torch.ones_like(squared), squared).sqrt()
    # atan2 and not acos: right to the last digit at both ends.
    scale = torch.where(
        small,
        2 * (1 + squared / 6 * (1 + squared * 9 / 20 * (1 + squared * 25 / 42))),  # asin series
        2 * torch.atan2(sine, w) / sine,
    )
    return scale * vector


def quat_xyzw_to_rotmat(quat_xyzw: Tensor) -> Tensor:
    """Converts quaternions to matrices.

    Args:
        quat_xyzw: (..., 4) quaternions, not necessarily unit length, not zero.
    Returns:
        (..., 3, 3) rotation matrices.
    """
    x, y, z, w = F.normalize(quat_xyzw, dim=-1, eps=1e-12).unbind(-1)
    rows = (
        torch.stack((1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)), dim=-1),
        torch.stack((2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)), dim=-1),
        torch.stack((2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)), dim=-1),
    )
    return torch.stack(rows, dim=-2)


def rotmat_to_quat_xyzw(rotmat: Tensor) -> Tensor:
    """Converts matrices to unit quaternions with w >= 0 (Shepperd 1978).

    Each row of the table below is 4 q_i q for one component q_i, linear in the matrix. The row
    of the largest component is normalised: no division by anything small, no root of a
    difference, hence stable at every angle.

    Args:
        rotmat: (..., 3, 3) rotation matrices.
    Returns:
        (..., 4) quaternions, xyzw.
    """
    m00, m01, m02, m10, m11, m12, m20, m21, m22 = rotmat.flatten(-2).unbind(-1)
    table = torch.stack(
        (
            torch.stack((1 + m00 - m11 - m22, m01 + m10, m02 + m20, m21 - m12), dim=-1),
            torch.stack((m01 + m10, 1 - m00 + m11 - m22, m12 + m21, m02 - m20), dim=-1),
            torch.stack((m02 + m20, m12 + m21, 1 - m00 - m11 + m22, m10 - m01), dim=-1),
            torch.stack((m21 - m12, m02 - m20, m10 - m01, 1 + m00 + m11 + m22), dim=-1),
        ),
        dim=-2,
    )  # (..., 4, 4)
    largest = table.diagonal(dim1=-2, dim2=-1).argmax(-1)[..., None, None]
    row = table.take_along_dim(largest, dim=-2).squeeze(-2)
    quat_xyzw = F.normalize(row, dim=-1, eps=1e-12)
    return torch.where(quat_xyzw[..., 3:] < 0, -quat_xyzw, quat_xyzw)


def angle_between(rotmat_a: Tensor, rotmat_b: Tensor) -> Tensor:
    """The geodesic distance of two rotations, radians, 0..pi.

    Args:
        rotmat_a: (..., 3, 3).
        rotmat_b: (..., 3, 3), broadcast against rotmat_a.
    Returns:
        (...) radians.
    """
    relative = rotmat_a.transpose(-1, -2) @ rotmat_b
    sine = torch.linalg.vector_norm(_vee(relative), dim=-1)
    cosine = (relative.diagonal(dim1=-2, dim2=-1).sum(-1) - 1) / 2
    # atan2 of both: acos of the trace alone has half the digits near 0 and infinite gradients.
    return torch.atan2(sine, cosine)


def skew(vector: Tensor) -> Tensor:
    """(..., 3) to the (..., 3, 3) matrix whose product with u is vector × u."""
    x, y, z = vector.unbind(-1)
    zero = torch.zeros_like(x)
    flat = torch.stack((zero, -z, y, z, zero, -x, -y, x, zero), dim=-1)
    return flat.reshape(*vector.shape[:-1], 3, 3)


def _vee(rotmat: Tensor) -> Tensor:
    """(..., 3) sin(angle) times axis: the skew-symmetric part's vector."""
    return 0.5 * torch.stack(
        (
            rotmat[..., 2, 1] - rotmat[..., 1, 2],
            rotmat[..., 0, 2] - rotmat[..., 2, 0],
            rotmat[..., 1, 0] - rotmat[..., 0, 1],
        ),
        dim=-1,
    )

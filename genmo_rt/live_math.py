"""The live step's geometry in numpy: rotation.py's formulas and the body's kinematics, once more.

A live step turns a few joints of one body at a time; there, what torch adds to every call is most
of the time. Tests hold each function against its torch twin. All float64, any leading dimensions.
"""

import math

import numpy as np
from numpy.typing import NDArray

from genmo_rt.skeleton import NUM_JOINTS, PARENTS

Array = NDArray[np.float64]

_SMALL_ANGLE_SQUARED = 1e-4  # as in rotation.py
# Joints that are equally far from the root, which SMPL's order puts side by side, with parents.
_LEVELS = tuple(
    (start, end, np.array(PARENTS[start:end]))
    for start, end in ((1, 4), (4, 7), (7, 10), (10, 15), (15, 18), (18, 20), (20, 22), (22, 24))
)
_PARENTS = np.array(PARENTS[1:])
_NO_LENGTH = 1e-12  # as in rotation.py
_NEXT_TO_NOTHING = 1e-200  # of an angle's square


def axis_angle_to_rotmat(axis_angle: Array) -> Array:
    """(..., 3) axis times angle, radians, to (..., 3, 3) (Rodrigues' formula)."""
    squared = (axis_angle * axis_angle).sum(-1, keepdims=True)
    angle = np.sqrt(np.maximum(squared, _NEXT_TO_NOTHING))  # sin(x) / x is exact down to there
    sine, half = np.sin(angle) / angle, np.sin(angle / 2) / angle
    cosine = 2 * half * half
    # The square of the cross matrix of v is v vᵀ − |v|² I.
    rotmat = np.empty((*axis_angle.shape, 3))
    np.multiply((cosine * axis_angle)[..., None], axis_angle[..., None, :], out=rotmat)
    flat = rotmat.reshape(*axis_angle.shape[:-1], 9)  # the same memory
    flat[..., ::4] += 1 - cosine * squared
    turned = sine * axis_angle
    x, y, z = turned[..., 0], turned[..., 1], turned[..., 2]
    flat[..., 1] -= z
    flat[..., 3] += z
    flat[..., 2] += y
    flat[..., 6] -= y
    flat[..., 5] -= x
    flat[..., 7] += x
    return rotmat


def turn(axis_angle: Array) -> Array:
    """axis_angle_to_rotmat of one rotation, (3,) to (3, 3), without arrays on the way."""
    x, y, z = axis_angle.tolist()
    squared = x * x + y * y + z * z
    if squared < _SMALL_ANGLE_SQUARED:
        s = 1 - squared / 6 * (1 - squared / 20 * (1 - squared / 42))
        c = 0.5 - squared / 24 * (1 - squared / 30 * (1 - squared / 56))
    else:
        angle = math.sqrt(squared)
        s, c = math.sin(angle) / angle, 2 * (math.sin(angle / 2) / angle) ** 2
    one, xy, xz, yz = 1 - c * squared, c * x * y, c * x * z, c * y * z
    return np.array(
        (
            (one + c * x * x, xy - s * z, xz + s * y),
            (xy + s * z, one + c * y * y, yz - s * x),
            (xz - s * y, yz + s * x, one + c * z * z),
        )
    )


def rot6d_to_rotmat(rot6d: Array) -> Array:
    """(..., 6) to (..., 3, 3) by Gram-Schmidt (Zhou et al. 2019, eq. 15; see rotation.py)."""
    first, second = rot6d[..., :3], rot6d[..., 3:]
    rotmat = np.empty((*first.shape, 3))
    x, y = rotmat[..., 0], rotmat[..., 1]
    x[...] = first / _length(first)
    across = second - (x * second).sum(-1, keepdims=True) * x
    y[...] = across / _length(across)
    rotmat[..., 2] = cross_rows(x, y)
    return rotmat


def rotmat_to_quat_xyzw(rotmat: Array) -> Array:
    """(..., 3, 3) to (..., 4) unit quaternions with w >= 0 (Shepperd 1978; see rotation.py)."""
    if rotmat.ndim == 2:
        return _quat_xyzw(rotmat)
    m = rotmat.reshape(-1, 9).T
    table = np.empty((4, 4, m.shape[1]))
    table[0, 0] = 1 + m[0] - m[4] - m[8]
    table[1, 1] = 1 - m[0] + m[4] - m[8]
    table[2, 2] = 1 - m[0] - m[4] + m[8]
    table[3, 3] = 1 + m[0] + m[4] + m[8]
    table[0, 1] = table[1, 0] = m[1] + m[3]
    table[0, 2] = table[2, 0] = m[2] + m[6]
    table[0, 3] = table[3, 0] = m[7] - m[5]
    table[1, 2] = table[2, 1] = m[5] + m[7]
    table[1, 3] = table[3, 1] = m[2] - m[6]
    table[2, 3] = table[3, 2] = m[3] - m[1]
    count = np.arange(m.shape[1])
    row = table[table[range(4), range(4)].argmax(0), :, count]  # (N, 4)
    row /= np.sqrt((row * row).sum(-1, keepdims=True))
    row[row[:, 3] < 0] *= -1
    return row.reshape(*rotmat.shape[:-2], 4)


def _quat_xyzw(rotmat: Array) -> Array:
    """rotmat_to_quat_xyzw of one rotation, (3, 3) to (4,), without arrays on the way."""
    (a, b, c), (d, e, f), (g, h, i) = rotmat.tolist()
    squares = (1 + a - e - i, 1 - a + e - i, 1 - a - e + i, 1 + a + e + i)
    largest = squares.index(max(squares))
    x, y, z, w = (
        (squares[0], b + d, c + g, h - f),
        (b + d, squares[1], f + h, c - g),
        (c + g, f + h, squares[2], d - b),
        (h - f, c - g, d - b, squares[3]),
    )[largest]
    length = math.sqrt(x * x + y * y + z * z + w * w) * (-1 if w < 0 else 1)
    return np.array((x / length, y / length, z / length, w / length))


def quat_xyzw_to_rotmat(quat_xyzw: Array) -> Array:
    """(..., 4) unit quaternions to (..., 3, 3)."""
    x, y, z, w = (quat_xyzw[..., n] for n in range(4))
    rotmat = np.empty((*quat_xyzw.shape[:-1], 3, 3))
    rotmat[..., 0, 0] = 1 - 2 * (y * y + z * z)
    rotmat[..., 0, 1] = 2 * (x * y - z * w)
    rotmat[..., 0, 2] = 2 * (x * z + y * w)
    rotmat[..., 1, 0] = 2 * (x * y + z * w)
    rotmat[..., 1, 1] = 1 - 2 * (x * x + z * z)
    rotmat[..., 1, 2] = 2 * (y * z - x * w)
    rotmat[..., 2, 0] = 2 * (x * z - y * w)
    rotmat[..., 2, 1] = 2 * (y * z + x * w)
    rotmat[..., 2, 2] = 1 - 2 * (x * x + y * y)
    return rotmat


def rotmat_to_axis_angle(rotmat: Array) -> Array:
    """(..., 3, 3) to (..., 3) axis times angle, 0..pi (at pi either axis may come out)."""
    quat_xyzw = rotmat_to_quat_xyzw(rotmat)
    vector, w = quat_xyzw[..., :3], quat_xyzw[..., 3:]
    squared = (vector * vector).sum(-1, keepdims=True)
    small = squared < _SMALL_ANGLE_SQUARED
    sine = np.sqrt(np.where(small, 1.0, squared))
    series = 2 * (1 + squared / 6 * (1 + squared * 9 / 20 * (1 + squared * 25 / 42)))
    scale = np.where(small, series, 2 * np.arctan2(sine, w) / sine)
    return np.asarray(scale * vector)


def cross_rows(a: Array, b: Array) -> Array:
    """(..., 3) a × b, without np.cross's overhead."""
    ax, ay, az = a[..., 0], a[..., 1], a[..., 2]
    bx, by, bz = b[..., 0], b[..., 1], b[..., 2]
    return np.stack((ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx), axis=-1)


def _length(vector: Array) -> Array:
    """(..., 1), never 0."""
    return np.asarray(np.maximum(np.sqrt((vector * vector).sum(-1, keepdims=True)), _NO_LENGTH))


def forward_kinematics(rotmat: Array, pelvis: Array, rest_joints: Array) -> tuple[Array, Array]:
    """Poses the skeleton, as Body.forward_kinematics does.

    Args:
        rotmat: (..., 24, 3, 3) joint 0 in the target frame, 1..23 relative to the parent.
        pelvis: (..., 3) where joint 0 is, metres.
        rest_joints: (..., 24, 3) of the same person.
    Returns:
        (..., 24, 3, 3) rotations of all joints in the target frame, and (..., 24, 3) joints.
    """
    turned = np.empty_like(rotmat)
    turned[..., 0, :, :] = rotmat[..., 0, :, :]
    for start, end, parents in _LEVELS:
        own = rotmat[..., start:end, :, :]
        turned[..., start:end, :, :] = turned[..., parents, :, :] @ own
    bones = rest_joints[..., 1:, :] - rest_joints[..., _PARENTS, :]
    edges = (turned[..., _PARENTS, :, :] @ bones[..., None])[..., 0]  # (..., 23, 3)
    return turned, pelvis[..., None, :] + ANCESTRY @ edges


def _ancestry() -> Array:
    """(24, 23) row j has ones at the edges between the pelvis and joint j."""
    matrix = np.zeros((NUM_JOINTS, NUM_JOINTS - 1))
    for joint in range(1, NUM_JOINTS):
        matrix[joint] = matrix[PARENTS[joint]]
        matrix[joint, joint - 1] = 1
    return matrix


ANCESTRY = _ancestry()

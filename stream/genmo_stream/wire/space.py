"""Canonical positions and rotations → the viewer's frame of reference."""

from dataclasses import dataclass

import numpy as np

from genmo_rt.skeleton import PARENTS
from genmo_stream.wire.messages import Floats, Space


@dataclass(frozen=True, slots=True)
class _Axes:
    order: tuple[int, int, int]
    signs: tuple[float, float, float]
    unit: float
    mirrored: bool  # the map has determinant −1: rotation axes turn around


_AXES = {
    Space.SMPL: _Axes((0, 1, 2), (1, 1, 1), 1.0, mirrored=False),
    Space.UNITY: _Axes((0, 1, 2), (-1, 1, 1), 1.0, mirrored=True),
    Space.UNREAL: _Axes((2, 0, 1), (1, -1, 1), 100.0, mirrored=True),
}


def to_space(values: Floats, space: Space) -> Floats:
    """Takes canonical values to a space; the one place where axes and units change.

    With p' = M p, rotations become R' = M R M⁻¹: a quaternion's axis becomes det(M)·M·axis.

    Args:
        values: (..., 3) positions, velocities or offsets in metres, or (..., 4) quaternions xyzw.
    """
    if space is Space.SMPL:
        return values.astype(np.float32) + np.float32(0)
    axes = _AXES[space]
    vector = values[..., axes.order] * np.asarray(axes.signs, np.float32)
    if values.shape[-1] == 4:
        axis = -vector if axes.mirrored else vector
        mapped = np.concatenate((axis, values[..., 3:]), axis=-1)
    else:
        mapped = vector * np.float32(axes.unit)
    return mapped.astype(np.float32) + np.float32(0)  # adding 0 turns −0 into 0


def bone_offsets(rest_joints: Floats) -> Floats:
    """(24, 3) rest joints in metres → (24, 3) offsets from the parent, row 0 zero."""
    offsets = rest_joints - rest_joints[list(PARENTS)]
    offsets[0] = 0
    return offsets.astype(np.float32)

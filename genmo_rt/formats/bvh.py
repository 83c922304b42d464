"""Writes clips as .bvh: T-pose rest, the subject's own bones, centimetres."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from genmo_rt.formats.bones import BoneNames, joint_names
from genmo_rt.formats.clip import Clip
from genmo_rt.rotation import axis_angle_to_rotmat
from genmo_rt.skeleton import JOINT_NAMES, NUM_JOINTS, PARENTS

CM_PER_M = 100.0
CHILDREN = tuple(
    tuple(child for child in range(NUM_JOINTS) if PARENTS[child] == joint)
    for joint in range(NUM_JOINTS)
)
HEAD_TOP_CM = (0.0, 18.0, 0.0)  # the end of the head; hands and feet end as far on as they are long


def write_bvh(path: Path, clip: Clip, names: BoneNames = "smpl") -> None:
    """Writes a clip, its joints under these names.

    The rest pose is SMPL's T-pose with axis-aligned joint frames, y up, facing +z. The root's
    position is the pelvis in the world, its OFFSET is zero. Rotation channels are Z, X, Y:
    R = Rz Rx Ry, degrees.
    """
    rest_cm = clip.rest_joints * CM_PER_M
    rotmat = axis_angle_to_rotmat(torch.as_tensor(clip.axis_angle)).numpy()
    # Unwrapped over time: a curve editor sees no jump of a whole turn.
    degrees = np.unwrap(_euler_zxy(rotmat), axis=0, period=360.0)  # (N, 24, 3)
    order = list(_depth_first(0))
    rows = np.concatenate(
        (clip.pelvis * CM_PER_M, degrees[:, order].reshape(len(degrees), -1)), axis=1
    )
    with path.open("w", encoding="ascii", newline="\n") as file:
        file.write("HIERARCHY\n")
        file.writelines(_joint_lines(0, rest_cm, joint_names(names), 0))
        file.write(f"MOTION\nFrames: {len(rows)}\nFrame Time: {1 / clip.fps:.8f}\n")
        for row in rows:
            file.write(" ".join(f"{value:.6f}" for value in row) + "\n")


def _joint_lines(
    joint: int, rest_cm: NDArray[np.float64], names: tuple[str, ...], depth: int
) -> Iterator[str]:
    indent = "\t" * depth
    root = joint == 0
    offset = np.zeros(3) if root else rest_cm[joint] - rest_cm[PARENTS[joint]]
    yield f"{indent}{'ROOT' if root else 'JOINT'} {names[joint]}\n{indent}{{\n"
    yield f"{indent}\tOFFSET {_triple(offset)}\n"
    place = "6 Xposition Yposition Zposition" if root else "3"
    yield f"{indent}\tCHANNELS {place} Zrotation Xrotation Yrotation\n"
    for child in CHILDREN[joint]:
        yield from _joint_lines(child, rest_cm, names, depth + 1)
    if not CHILDREN[joint]:
        end = np.array(HEAD_TOP_CM) if JOINT_NAMES[joint] == "head" else offset
        yield f"{indent}\tEnd Site\n{indent}\t{{\n{indent}\t\tOFFSET {_triple(end)}\n{indent}\t}}\n"
    yield f"{indent}}}\n"


def _triple(values: NDArray[np.float64]) -> str:
    return " ".join(f"{value:.6f}" for value in values)


def _depth_first(joint: int) -> Iterator[int]:
    """The order in which the hierarchy names joints, hence the order of the channels."""
    yield joint
    for child in CHILDREN[joint]:
        yield from _depth_first(child)


def _euler_zxy(rotmat: NDArray[np.float64]) -> NDArray[np.float64]:
    """(..., 3, 3) to (..., 3) degrees z, x, y with R = Rz Rx Ry.

    Where x is a quarter turn, z and y turn about one axis: y is set to zero and z takes it all.
    """
    x = np.arctan2(rotmat[..., 2, 1], np.hypot(rotmat[..., 2, 0], rotmat[..., 2, 2]))
    locked = np.hypot(rotmat[..., 2, 0], rotmat[..., 2, 2]) < 1e-9
    z = np.where(
        locked,
        np.arctan2(rotmat[..., 1, 0], rotmat[..., 0, 0]),
        np.arctan2(-rotmat[..., 0, 1], rotmat[..., 1, 1]),
    )
    y = np.where(locked, 0.0, np.arctan2(-rotmat[..., 2, 0], rotmat[..., 2, 2]))
    degrees: NDArray[np.float64] = np.degrees(np.stack((z, x, y), axis=-1))
    return degrees

"""Makes clips of SMPL parameters: what AMASS, AIST++, 3DPW, EMDB and RICH have in common.

SMPL's translation is not where the pelvis is: pelvis = trans + J0(betas). A user's SMPL file knows
J0 and the bones of each performer; without one, the mean body's are used, and only the shape of
the performers is lost.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from genmo_rt.data.clips import FPS, Clip, FloatArray, SourceSkeleton, TimedText
from genmo_rt.errors import FileFormatError
from genmo_rt.rotation import (
    axis_angle_to_rotmat,
    quat_xyzw_to_rotmat,
    rotmat_to_axis_angle,
    rotmat_to_quat_xyzw,
)
from genmo_rt.skeleton import JOINT_NAMES, NUM_JOINTS, PARENTS
from genmo_rt.smpl import Body, load_body

BODY_JOINTS = 22  # all but the hands, which SMPL-H and SMPL-X have as fingers
UP = {"y": np.eye(3), "z": np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])}

Up = Literal["y", "z"]


@dataclass(frozen=True, slots=True)
class SmplMotion:
    """One person's parameters as a set publishes them.

    Attributes:
        poses: (N, 72) of SMPL, or (N, 66 or more) whose first 22 joints are SMPL's; radians.
        trans: (N, 3) metres.
        betas: (10 or more,).
        fps: frames per second.
        R_w: (3, 3) what turns the set's world y up.
        t_w: (3,) metres, added after turning.
    """

    poses: NDArray[np.floating]
    trans: NDArray[np.floating]
    betas: NDArray[np.floating]
    fps: float
    R_w: NDArray[np.floating]
    t_w: NDArray[np.floating]


class Bodies:
    """Skeletons by performer: the same betas give the same one, so that they are fitted once."""

    def __init__(self, body: Body | None = None) -> None:
        """None takes the mean body, whoever moves; a user's SMPL gives everybody their bones."""
        self._body = body
        self._known: dict[tuple[bytes, bool], SourceSkeleton] = {}

    def skeleton(self, betas: NDArray[np.floating], hands: bool) -> SourceSkeleton:
        """The performer's skeleton.

        Args:
            betas: (10 or more,).
            hands: whether the source turns SMPL's hand joints.
        """
        own = self._body is not None and self._body.name == "smpl"
        first = np.round(np.asarray(betas, np.float32).reshape(-1)[:10], 4)
        shape = np.pad(first, (0, 10 - len(first))) if own else np.zeros(10, np.float32)
        key = (shape.tobytes(), hands)
        if key not in self._known:
            self._known[key] = _skeleton(self._rest(shape), hands)
        return self._known[key]

    def _rest(self, shape: FloatArray) -> FloatArray:
        body = self._body or load_body()
        rest: FloatArray = body.rest_joints(torch.from_numpy(shape)).float().numpy()
        return rest


def _skeleton(rest: FloatArray, hands: bool) -> SourceSkeleton:
    count = NUM_JOINTS if hands else BODY_JOINTS
    parents = PARENTS[:count]
    offsets = rest[:count].copy()
    offsets[1:] -= rest[list(parents[1:])]
    return SourceSkeleton(JOINT_NAMES[:count], tuple(parents), offsets)


def smpl_clip(
    name: str,
    set_name: str,
    subject: str,
    motion: SmplMotion,
    bodies: Bodies,
    description: str = "",
    texts: tuple[TimedText, ...] = (),
) -> Clip:
    """The motion at 30 fps, y up.

    Raises:
        FileFormatError: the arrays don't belong together or hold values that are not finite.
    """
    poses = np.asarray(motion.poses, np.float64)
    trans = np.asarray(motion.trans, np.float64)
    if poses.ndim != 2 or poses.shape[1] < 3 * BODY_JOINTS or trans.shape != (len(poses), 3):
        raise FileFormatError(
            f"{set_name}/{name} has poses of shape {poses.shape} and translations of shape "
            f"{trans.shape}; expected (N, 66 or more) and (N, 3)"
        )
    if not (np.isfinite(poses).all() and np.isfinite(trans).all() and len(poses)):
        raise FileFormatError(f"{set_name}/{name} is empty or has values that are not finite")
    hands = poses.shape[1] == 3 * NUM_JOINTS
    skeleton = bodies.skeleton(motion.betas, hands)
    count = len(skeleton.names)
    rotmat = axis_angle_to_rotmat(torch.from_numpy(poses[:, : 3 * count].reshape(-1, count, 3)))
    turned = rotmat.numpy().copy()
    turned[:, 0] = motion.R_w @ turned[:, 0]
    first = skeleton.offsets[0].astype(np.float64)
    root = (trans + first) @ motion.R_w.T + motion.t_w - first
    rotvec, path = at_30_fps(turned, root, motion.fps)
    return Clip(name, set_name, subject, skeleton, rotvec, path, description, texts)


def at_30_fps(
    rotmat: NDArray[np.floating], root: NDArray[np.floating], fps: float
) -> tuple[FloatArray, FloatArray]:
    """(N, J, 3, 3) and (N, 3) to (M, J, 3) rotation vectors and (M, 3) places at 30 fps."""
    quat = rotmat_to_quat_xyzw(torch.from_numpy(np.ascontiguousarray(rotmat))).numpy()
    flips = (quat[1:] * quat[:-1]).sum(-1, keepdims=True) < 0
    quat[1:] *= np.where(np.cumsum(flips, axis=0) % 2 == 1, -1, 1)
    times = np.arange(int((len(quat) - 1) * FPS / fps + 1e-3) + 1) * fps / FPS
    before = np.minimum(times.astype(np.int64), len(quat) - 1)
    after = np.minimum(before + 1, len(quat) - 1)
    share = times - before
    between = quat[before] + share[:, None, None] * (quat[after] - quat[before])
    turned = quat_xyzw_to_rotmat(torch.from_numpy(between))
    path = root[before] + share[:, None] * (root[after] - root[before])
    return rotmat_to_axis_angle(turned).float().numpy(), path.astype(np.float32)


def upright(
    poses: NDArray[np.floating], R_w: NDArray[np.floating] = UP["y"]
) -> NDArray[np.float64]:
    """(3, 3) that turns the world's axis along which people stand most to y.

    For sets whose world is not documented. Half a turn off in heading is as good as any.

    Args:
        poses: (N, 66 or more) of somebody who is mostly upright.
        R_w: (3, 3) what turns the poses' axes into the world's.
    """
    rotmat = axis_angle_to_rotmat(torch.from_numpy(np.asarray(poses, np.float64)[:, :3]))
    trunk = R_w @ rotmat.numpy()[:, :, 1].mean(0)  # the pelvis' own up
    axis = int(np.argmax(np.abs(trunk)))
    up = np.zeros(3)
    up[axis] = np.sign(trunk[axis])
    side = np.roll(np.eye(3)[axis], 1)
    return np.stack((side, up, np.cross(side, up)))

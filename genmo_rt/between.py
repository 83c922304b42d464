"""Poses of ticks without a frame: on the way between the frames around them.

The model runs such ticks masked just before the next frame's, so both ends are known when they are
asked for. Posing what the model guesses there instead cost as much as the model and was worse: the
guesses disturbed the smoothing of what is seen (docs/log.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genmo_rt.live_math import forward_kinematics, quat_xyzw_to_rotmat
from genmo_rt.pose import Pose

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Gap:
    """Asks for the poses at times between those of two frames.

    Attributes:
        before: of the last frame.
        after: of the next one; its shape counts.
        times: seconds, between the two.
        rest_joints: (24, 3) of its shape, metres.
    """

    before: Pose
    after: Pose
    times: Sequence[float]
    rest_joints: Floats


def pose_between(before: Pose, after: Pose, t: float, rest_joints: Floats) -> Pose:
    """The pose at t seconds: rotations on the shortest arc, the rest on a straight line.

    Returns:
        A pose without confidence: nothing was seen.
    """
    ((pose,),) = poses_between([Gap(before, after, (t,), rest_joints)])
    return pose


def poses_between(gaps: Sequence[Gap]) -> list[list[Pose]]:
    """The poses of several persons' gaps at once, as pose_between gives each."""
    rows = [(gap, t) for gap in gaps for t in gap.times]
    if not rows:
        return [[] for _ in gaps]
    share = np.array(
        [(t - gap.before.t) / (gap.after.t - gap.before.t) for gap, t in rows], np.float32
    )
    start, end = (np.stack([_rotations(pose) for pose in poses]) for poses in _ends(rows))
    turned = slerp(start, end, share[:, None, None].astype(np.float64))
    start, end = (np.stack([_line(pose) for pose in poses]) for poses in _ends(rows))
    line = start + share[:, None] * (end - start)
    pelvis, pelvis_cam, velocity, contacts = np.split(line, (3, 6, 9), axis=1)
    rotmat = quat_xyzw_to_rotmat(turned.astype(np.float64))
    both = np.stack((rotmat[:, :-1], np.concatenate((rotmat[:, -1:], rotmat[:, 1:-1]), 1)), 1)
    roots = np.stack((pelvis, pelvis_cam), 1, dtype=np.float64)
    rest_joints = np.stack([gap.rest_joints for gap, _ in rows], dtype=np.float64)
    _, joints64 = forward_kinematics(both, roots, rest_joints[:, None])
    joints = joints64.astype(np.float32)
    poses = iter(
        Pose(
            t=t,
            quat_xyzw=turned[n, :-1],
            pelvis=pelvis[n],
            velocity=velocity[n],
            joints=joints[n, 0],
            contacts=contacts[n],
            confidence=0.0,
            shape=gap.after.shape,
            joints_cam=joints[n, 1],
            root_quat_xyzw_cam=turned[n, -1],
        )
        for n, (gap, t) in enumerate(rows)
    )
    return [[next(poses) for _ in gap.times] for gap in gaps]


def _ends(rows: Sequence[tuple[Gap, float]]) -> tuple[list[Pose], list[Pose]]:
    return [gap.before for gap, _ in rows], [gap.after for gap, _ in rows]


def _rotations(pose: Pose) -> Floats:
    """(25, 4): all joints, and the first in the camera."""
    return np.concatenate((pose.quat_xyzw, pose.root_quat_xyzw_cam[None]))


def _line(pose: Pose) -> Floats:
    """(15,) what goes on a straight line: pelvis in world and camera, velocity, contacts."""
    return np.concatenate((pose.pelvis, pose.joints_cam[0], pose.velocity, pose.contacts))


def slerp(start: Floats, end: Floats, share: float | NDArray[np.float64]) -> Floats:
    """(..., 4) unit rotations on the shortest arc (Shoemake 1985), w last and not negative."""
    cosine = (start * end).sum(-1, keepdims=True, dtype=np.float64)
    end = np.where(cosine < 0, -end, end)
    angle = np.arccos(np.clip(np.abs(cosine), 0.0, 1.0))
    sine = np.sin(angle)
    near = sine < 1e-6
    safe = np.where(near, 1.0, sine)
    first = np.where(near, 1 - share, np.sin((1 - share) * angle) / safe)
    second = np.where(near, share, np.sin(share * angle) / safe)
    turned = first * start + second * end
    turned /= np.linalg.norm(turned, axis=-1, keepdims=True)
    upright: Floats = np.where(turned[..., 3:] < 0, -turned, turned).astype(np.float32)
    return upright

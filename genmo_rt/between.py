"""Poses of ticks without a frame: on the way between the frames around them.

The model runs such ticks masked just before the next frame's, so both ends are known when they are
asked for. Posing what the model guesses there instead cost as much as the model and was worse: the
guesses disturbed the smoothing of what is seen (docs/log.md).
"""

import numpy as np
from numpy.typing import NDArray

from genmo_rt.live_math import forward_kinematics, quat_xyzw_to_rotmat
from genmo_rt.pose import Pose

Floats = NDArray[np.float32]


def pose_between(before: Pose, after: Pose, t: float, rest_joints: Floats) -> Pose:
    """The pose at t: rotations on the shortest arc, the rest on a straight line.

    Args:
        before: of the last frame.
        after: of the next one; its shape counts.
        t: seconds, between the two.
        rest_joints: (24, 3) of its shape, metres.
    Returns:
        A pose without confidence: nothing was seen.
    """
    share = np.float32((t - before.t) / (after.t - before.t))

    def line(start: Floats, end: Floats) -> Floats:
        return start + share * (end - start)

    start, end = (np.vstack((p.quat_xyzw, p.root_quat_xyzw_cam)) for p in (before, after))
    turned = slerp(start, end, float(share))  # (25, 4): all joints, and the first in the camera
    quat_xyzw, root_cam = turned[:-1], turned[-1]
    pelvis = line(before.pelvis, after.pelvis)
    rotmat = quat_xyzw_to_rotmat(turned.astype(np.float64))
    both = np.stack((rotmat[:-1], np.concatenate((rotmat[-1:], rotmat[1:-1]))))
    roots = np.stack((pelvis, line(before.joints_cam[0], after.joints_cam[0])), dtype=np.float64)
    _, joints64 = forward_kinematics(both, roots, rest_joints.astype(np.float64))
    joints = joints64.astype(np.float32)
    return Pose(
        t=t,
        quat_xyzw=quat_xyzw,
        pelvis=pelvis,
        velocity=line(before.velocity, after.velocity),
        joints=joints[0],
        contacts=line(before.contacts, after.contacts),
        confidence=0.0,
        shape=after.shape,
        joints_cam=joints[1],
        root_quat_xyzw_cam=root_cam,
    )


def slerp(start: Floats, end: Floats, share: float) -> Floats:
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

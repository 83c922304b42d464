"""A whole recording through the stream estimator: every tick's pose, as one clip."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import torch

from genmo_rt.camera import Intrinsics
from genmo_rt.clock import Tick
from genmo_rt.errors import GenmoError
from genmo_rt.estimate import Estimator, StreamEstimator
from genmo_rt.formats.clip import Clip
from genmo_rt.keypoints import Keypoints
from genmo_rt.pose import Pose
from genmo_rt.rotation import quat_xyzw_to_rotmat
from genmo_rt.smpl import Body


def estimate_clip(
    estimator: Estimator,
    frames: Iterable[tuple[Tick, Keypoints | None]],
    intrinsics: Intrinsics,
    *,
    height_m: float | None = None,
    delay: int = 0,
    start_us: int = 0,
) -> Clip:
    """Estimates one person over a whole recording, with the same stream estimator.

    All poses get the shape that was known at the end, so that bones are constant.

    Args:
        frames: each used frame's tick and landmarks, in order.
        intrinsics: as for Estimator.stream, like height_m and delay.
        start_us: capture time of the clock's anchor, microseconds.
    Returns:
        Every tick from the first sight of the person on, masked ones too.
    Raises:
        GenmoError: nobody is ever seen.
    """
    stream = estimator.stream(intrinsics, height_m=height_m, delay=delay)
    poses = [pose for tick, seen in frames for pose, _ in stream.advance(tick, seen)]
    poses += [pose for pose, _ in stream.finish()]
    if not poses:
        raise GenmoError("nobody was found in the video; expected one person in view")
    return Clip.from_poses(
        [_with_bones(pose, stream, estimator.body) for pose in poses],
        body=estimator.body.name,
        rest_joints=stream.rest_joints,
        K=intrinsics.matrix().numpy(),
        start_us=start_us,
    )


def _with_bones(pose: Pose, stream: StreamEstimator, body: Body) -> Pose:
    """A pose of the stream with the shape that the stream has now."""
    quat_xyzw = np.stack((pose.quat_xyzw, pose.quat_xyzw))
    quat_xyzw[1, 0] = pose.root_quat_xyzw_cam
    _, joints = body.forward_kinematics(
        quat_xyzw_to_rotmat(torch.from_numpy(quat_xyzw)),
        torch.from_numpy(np.stack((pose.pelvis, pose.joints_cam[0]))),
        torch.from_numpy(stream.rest_joints),
    )
    return replace(pose, shape=stream.shape, joints=joints[0].numpy(), joints_cam=joints[1].numpy())

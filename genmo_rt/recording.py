"""A whole recording of one person as one clip: all of it at once, or as a stream would see it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from genmo_rt.between import pose_between
from genmo_rt.camera import Intrinsics
from genmo_rt.clip_posing import Person, publish, settle
from genmo_rt.clock import Tick
from genmo_rt.errors import GenmoError
from genmo_rt.estimate import Estimator, StreamEstimator
from genmo_rt.formats.clip import Clip
from genmo_rt.keypoints import Keypoints
from genmo_rt.pose import Pose
from genmo_rt.rotation import quat_xyzw_to_rotmat
from genmo_rt.smpl import Body
from genmo_rt.stature import ShapeRule
from genmo_rt.whole_clip import Stretch, stretches, watch

Frames = Iterable[tuple[Tick, Keypoints | None]]


def estimate_clip(
    estimator: Estimator,
    frames: Frames,
    intrinsics: Intrinsics,
    *,
    height_m: float | None = None,
    delay: int = 0,
    start_us: int = 0,
    streaming: bool = False,
    each: Callable[[], None] = lambda: None,
) -> Clip:
    """Estimates one person over a whole recording.

    All poses have one shape, so that bones are constant.

    Args:
        frames: each used frame's tick and landmarks, in order.
        intrinsics: as for Estimator.stream, like height_m.
        delay: ticks of lookahead, of a stream alone: a whole clip has no need of one.
        start_us: capture time of the clock's anchor, microseconds.
        streaming: as the live server does, tick by tick; else every tick knows the whole clip.
        each: called for every tick of a whole clip that is posed, after all are read; may raise
            to stop.
    Returns:
        Every tick from the first sight of the person on, masked ones too.
    Raises:
        GenmoError: nobody is ever seen.
    """
    if streaming:
        stream = estimator.stream(intrinsics, height_m=height_m, delay=delay)
        poses = [pose for tick, seen in frames for pose, _ in stream.advance(tick, seen)]
        poses += [pose for pose, _ in stream.finish()]
        poses = [_with_bones(pose, stream, estimator.body) for pose in poses]
    else:
        poses = whole_poses(estimator, frames, intrinsics, height_m, each)
    if not poses:
        raise GenmoError("nobody was found in the video; expected one person in view")
    shape = torch.from_numpy(poses[-1].shape).double()
    return Clip.from_poses(
        poses,
        body=estimator.body.name,
        rest_joints=estimator.body.rest_joints(shape).numpy(),
        K=intrinsics.matrix().numpy(),
        start_us=start_us,
    )


def whole_poses(
    estimator: Estimator,
    frames: Frames,
    intrinsics: Intrinsics,
    height_m: float | None = None,
    each: Callable[[], None] = lambda: None,
) -> list[Pose]:
    """The poses of a whole recording, each known from what was before and what comes after."""
    rule = ShapeRule(estimator.body, height_m)
    parts = stretches(frames, intrinsics)
    if not parts:
        return []
    said = [watch(estimator.checkpoint, part, intrinsics) for part in parts]
    sights = np.array([part.seen.sum() for part in parts])
    shapes = np.stack([shape.double().numpy() for _, shape in said])
    shape, scale = rule.apply(sights @ shapes / sights.sum())
    person = Person(estimator.body, estimator.soles, shape, scale)
    settled = [
        settle(part.of_frames(), motion, person, intrinsics, each)
        for part, (motion, _) in zip(parts, said, strict=True)
    ]
    bones = person.rest_joints()
    return [
        pose
        for part, poses in zip(parts, publish(settled, person), strict=True)
        for pose in _every_tick(part, poses, bones)
    ]


def _every_tick(stretch: Stretch, poses: list[Pose], bones: NDArray[np.float32]) -> Iterator[Pose]:
    """Poses of a stretch's frames, and between them of its ticks that had none."""
    following = iter(poses)
    before = after = next(following)  # a stretch begins with a frame
    for t, framed in zip(stretch.t, stretch.framed, strict=True):
        if framed:
            yield after
            before, after = after, next(following, after)
        elif after is before:  # none follows before the cut
            yield replace(before, t=float(t), confidence=0.0)
        else:
            yield pose_between(before, after, float(t), bones)


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

"""A whole recording as one clip a person: all of it at once, or as a stream would see it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import repeat

import numpy as np
import torch

from genmo_rt.between import pose_between
from genmo_rt.camera import Intrinsics
from genmo_rt.camera_motion import STILL, CameraMotion
from genmo_rt.clip_posing import Person, Settled, settle
from genmo_rt.clip_world import SettledWorld, in_their_worlds, publish, sizes_of
from genmo_rt.errors import GenmoError
from genmo_rt.estimate import Estimator, StreamEstimator
from genmo_rt.formats.clip import Clip
from genmo_rt.pose import Pose
from genmo_rt.rotation import quat_xyzw_to_rotmat
from genmo_rt.smpl import Body
from genmo_rt.stature import ShapeRule
from genmo_rt.steady import follow
from genmo_rt.whole_clip import Frame, Frames, Stretch, stretches, watch


def estimate_clip(
    estimator: Estimator,
    frames: Frames,
    intrinsics: Intrinsics,
    *,
    height_m: float | None = None,
    delay: int = 0,
    start_us: int = 0,
    streaming: bool = False,
    motions: Sequence[CameraMotion] = (),
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
        motions: how the camera moved until each frame; none for a camera on a stand.
        each: called for every tick of a whole clip that is posed, after all are read; may raise
            to stop.
    Returns:
        Every tick from the first sight of the person on, masked ones too.
    Raises:
        GenmoError: nobody is ever seen.
    """
    if streaming:
        poses = _streamed(estimator, frames, intrinsics, height_m, delay, motions)
    else:
        poses = whole_poses(estimator, frames, intrinsics, height_m, motions, each)
    return clip_of(estimator, poses, intrinsics, start_us)


def clip_of(
    estimator: Estimator, poses: Sequence[Pose], intrinsics: Intrinsics, start_us: int
) -> Clip:
    """The clip of one person's poses, who have one shape; the rest is as in estimate_clip."""
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
    motions: Sequence[CameraMotion] = (),
    each: Callable[[], None] = lambda: None,
) -> list[Pose]:
    """The poses of a whole recording, each known from what was before and what comes after."""
    (poses,) = whole_people(estimator, [list(frames)], intrinsics, height_m, motions, each)
    return poses


def whole_people(
    estimator: Estimator,
    people: Sequence[Sequence[Frame]],
    intrinsics: Intrinsics,
    height_m: float | None = None,
    motions: Sequence[CameraMotion] = (),
    each: Callable[[], None] = lambda: None,
) -> Iterator[list[Pose]]:
    """The poses of several persons before one camera, in one world of each of its places.

    Everybody is looked at before the first one's poses come.

    Args:
        people: of each, the recording's frames from its first on.
        height_m: everybody's; None where it isn't known.
        motions: how the camera moved until each frame, for the longest of those; none for a camera
            on a stand.
    """
    longest = max(people, key=len)
    cameras = list(follow([tick.t for tick, _ in longest], motions))
    rule = ShapeRule(estimator.body, height_m)
    parts = [stretches(frames, intrinsics, cameras) for frames in people]
    settled = [_settled(estimator, own, intrinsics, rule, each) for own in parts]
    sizes = sizes_of(settled, stated=height_m is not None)
    settled = [
        own if size == 1.0 else [one.sized(size) for one in own]
        for own, size in zip(settled, sizes, strict=True)
    ]
    posed = iter(in_their_worlds([one for own in settled for one in own]))
    for own in parts:
        yield [pose for part in own for pose in _every_tick(part, *next(posed))]


def _settled(
    estimator: Estimator,
    parts: Sequence[Stretch],
    intrinsics: Intrinsics,
    rule: ShapeRule,
    each: Callable[[], None],
) -> list[Settled]:
    """One person's stretches, posed before their cameras with one shape."""
    if not parts:
        return []
    said = [watch(estimator.checkpoint, part, intrinsics) for part in parts]
    sights = np.array([part.seen.sum() for part in parts])
    shapes = np.stack([shape.double().numpy() for _, shape in said])
    shape, scale = rule.apply(sights @ shapes / sights.sum())
    person = Person(estimator.body, estimator.soles, rule, shape, scale)
    return [
        settle(part.of_frames(), motion, person, intrinsics, each)
        for part, (motion, _) in zip(parts, said, strict=True)
    ]


def _streamed(
    estimator: Estimator,
    frames: Frames,
    intrinsics: Intrinsics,
    height_m: float | None,
    delay: int,
    motions: Sequence[CameraMotion],
) -> list[Pose]:
    """What a live stream would have said of every tick, with the shape that it knew at last."""
    stream = estimator.stream(intrinsics, height_m=height_m, delay=delay)
    poses = []
    for (tick, seen), motion in zip(frames, motions or repeat(STILL), strict=bool(motions)):
        stream.world.move_camera(tick.t, motion)
        poses += [pose for pose, _ in stream.advance(tick, seen)]
    poses += [pose for pose, _ in stream.finish()]
    return [_with_bones(pose, stream, estimator.body) for pose in poses]


def _every_tick(stretch: Stretch, settled: Settled, world: SettledWorld) -> Iterator[Pose]:
    """Poses of a stretch's frames, and between them of its ticks that had none."""
    poses, bones = publish(settled, world), settled.person.rest_joints()
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

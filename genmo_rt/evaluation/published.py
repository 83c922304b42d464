"""Published poses of held-out clips before synthetic cameras: what a user gets, where all is known.

The same scores as of the model's own output (estimation.py), after rays, smoothing, feet and the
world: streams tick by tick, or whole clips. Frames of which nothing is published don't count.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from genmo_rt.camera import Intrinsics
from genmo_rt.clock import TICK_HZ, Tick, TickClock
from genmo_rt.data.batch import TrainingBatch
from genmo_rt.estimate import Estimator
from genmo_rt.evaluation.estimation import (
    SURFACE_POINTS,
    EstimationScores,
    Posed,
    Tally,
    choose,
    true_poses,
)
from genmo_rt.keypoints import Keypoints
from genmo_rt.pose import Pose
from genmo_rt.recording import whole_poses
from genmo_rt.rotation import quat_xyzw_to_rotmat
from genmo_rt.smpl import Body
from genmo_rt.stature import ShapeRule

Seen = list[tuple[Tick, Keypoints | None]]


@dataclass(frozen=True, slots=True)
class Way:
    """How clips are estimated.

    Attributes:
        name: for the table.
        delay: R of a stream; None for the whole clip at once.
        true_camera: whether the intrinsics are known; else they are guessed.
        true_height: whether people say how tall they are.
    """

    name: str
    delay: int | None
    true_camera: bool = True
    true_height: bool = False


def score_published(
    estimator: Estimator,
    batches: Sequence[TrainingBatch],
    way: Way,
    clips: int = 16,
    each: Callable[[], None] = lambda: None,
) -> EstimationScores:
    """Estimates held-out clips as the product does.

    Args:
        clips: how many of those with all of the scored joints, evenly drawn.
        each: called after every clip.
    Raises:
        InputError: no clip has all of the scored joints.
    """
    tally, stature = Tally(), ShapeRule(estimator.body)
    for number, row in choose(batches, clips):
        batch = batches[number]
        seen = observed(batch, row)
        camera = true_camera(batch, row)
        if not way.true_camera:
            camera = Intrinsics.default(camera.width, camera.height)
        height_m = stature.height(batch.shape[row].double().numpy()) if way.true_height else None
        poses = _poses(estimator, seen, camera, way.delay, height_m)
        frames = [(round(pose.t * TICK_HZ), pose) for pose in poses]
        frames = [(at, pose) for at, pose in frames if batch.valid[row, at]]
        if frames:
            at = torch.tensor([at for at, _ in frames])
            truth = true_poses(batch, estimator.body, batch.present.shape[1])
            mine = _posed([pose for _, pose in frames], estimator.body)
            tally.add(mine, truth.clip(row, at), batch.contacts[row, at])
        each()
    return tally.scores()


def observed(batch: TrainingBatch, row: int) -> Seen:
    """A clip's ticks, each with what the 2D stage would have seen."""
    width, height = (int(side) for side in batch.image_size[row])
    clock, found = TickClock(), []
    for t in range(batch.present.shape[1]):
        tick = clock.admit(round(t * 1e6 / TICK_HZ))
        assert tick is not None  # one frame a tick
        there = bool(batch.present[row, t])
        pixels, confidence = batch.pixels[row, t].numpy(), batch.confidence[row, t].numpy()
        found.append(
            (tick, Keypoints(pixels, confidence, None, (width, height)) if there else None)
        )
    return found


def true_camera(batch: TrainingBatch, row: int) -> Intrinsics:
    """The camera that made a clip's pictures."""
    width, height = (int(side) for side in batch.image_size[row])
    fx, fy, cx, cy = batch.intrinsics_true[row].tolist()
    return Intrinsics(fx, fy, cx, cy, width, height)


def _poses(
    estimator: Estimator,
    seen: Seen,
    camera: Intrinsics,
    delay: int | None,
    height_m: float | None,
) -> list[Pose]:
    if delay is None:
        return whole_poses(estimator, seen, camera, height_m)
    stream = estimator.stream(camera, height_m=height_m, delay=delay)
    try:
        out = [pair for tick, keypoints in seen for pair in stream.advance(tick, keypoints)]
        out += stream.finish()
    finally:
        stream.close()
    return [pose for pose, framed in out if framed]


def _posed(poses: Sequence[Pose], body: Body) -> Posed:
    """The L poses of one clip."""
    quat_xyzw = np.stack([(pose.root_quat_xyzw_cam, *pose.quat_xyzw[1:]) for pose in poses])
    cam, world, shape = (
        torch.from_numpy(np.stack([getattr(pose, name) for pose in poses]))
        for name in ("joints_cam", "joints", "shape")
    )
    rotmat, joints = body.forward_kinematics(
        quat_xyzw_to_rotmat(torch.from_numpy(quat_xyzw)), cam[:, 0], body.rest_joints(shape)
    )
    return Posed(cam, body.sparse(SURFACE_POINTS).surface(rotmat, joints, shape), world)

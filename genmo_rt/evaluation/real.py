"""Scores of the published poses on calibrated video, beside MediaPipe's own 3D landmarks.

Landmarks are compared with landmarks: the twelve of shoulders, elbows, wrists, hips, knees and
ankles, in the camera, mid-hip on mid-hip, at each used frame's capture time.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from statistics import fmean

import numpy as np
import torch
from torch import Tensor

from genmo_rt import metrics
from genmo_rt.camera import Intrinsics
from genmo_rt.clock import TICK_HZ, Tick, TickClock
from genmo_rt.errors import InputError
from genmo_rt.estimate import Estimator
from genmo_rt.evaluation.recorded import Reference, TimedKeypoints
from genmo_rt.keypoints import LANDMARK_NAMES, NUM_LANDMARKS, Keypoints
from genmo_rt.pose import Pose
from genmo_rt.recording import whole_poses
from genmo_rt.rotation import quat_xyzw_to_rotmat
from genmo_rt.smpl import Body

SCORED = tuple(
    LANDMARK_NAMES.index(f"{side}_{part}")
    for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    for side in ("left", "right")
)
HIPS = tuple(LANDMARK_NAMES.index(f"{side}_hip") for side in ("left", "right"))
FEET = tuple(
    LANDMARK_NAMES.index(f"{side}_{part}")
    for side in ("left", "right")
    for part in ("heel", "foot_index")
)
RESTING_M_S = 0.15  # a reference foot slower than this rests

HEADS = (
    "MPJPE mm",
    "PA-MPJPE mm",
    "across mm",
    "depth mm",
    "acceleration m/s²",
    "jitter m/s³",
    "feet at rest cm/s",
    "root mm",
    "root path mm",
    "2D error px",
    "ticks %",
)
"""What a table calls the fields of RealScores."""


@dataclass(frozen=True, slots=True)
class RealScores:
    """One row of the table; nan where a method has no such number.

    Attributes:
        mpjpe: millimetres, mid-hip on mid-hip.
        pa_mpjpe: millimetres, after the best similarity of each frame.
        across: the part of mpjpe across the optical axis, millimetres.
        depth: the part along it, millimetres.
        acceleration: error, mid-hip aligned, metres per second squared.
        jitter: mid-hip aligned, metres per second cubed.
        resting_feet: speed of feet whose reference rests, centimetres per second.
        root: distance of the mid-hips in the camera, millimetres.
        path: the same after the best rotation and shift of the whole path, millimetres.
        reprojection: mean distance to the 2D landmarks that were given, pixels.
        coverage: percent of the ticks that have a pose.
    """

    mpjpe: float
    pa_mpjpe: float
    across: float
    depth: float
    acceleration: float
    jitter: float
    resting_feet: float
    root: float
    path: float
    reprojection: float
    coverage: float


@dataclass(frozen=True, slots=True)
class Footage:
    """What the model's clock takes of a video, and what really happened then.

    Attributes:
        frames: the used frames' ticks and landmarks.
        truth: (T, 33, 3) metres in the camera, at every tick from the first frame's to the
            last's; nan where unknown or without a frame.
        pixels: (T, 33, 2) the landmarks; nan without.
        mediapipe: (T, 33, 3) MediaPipe's 3D, in the camera: as it has no root, it is given the
            true one.
    """

    frames: tuple[tuple[Tick, Keypoints | None], ...]
    truth: Tensor
    pixels: Tensor
    mediapipe: Tensor

    @classmethod
    def of(cls, frames: TimedKeypoints, reference: Reference) -> "Footage":
        """Runs the clock over a whole video.

        Raises:
            InputError: there is no frame.
        """
        clock = TickClock()
        ticked = [(clock.admit(round(t * 1e6)), t, keypoints) for t, keypoints in frames]
        used = [(tick, t, keypoints) for tick, t, keypoints in ticked if tick is not None]
        if not used:
            raise InputError("the video has no frame; expected some")
        count = used[-1][0].index + 1
        truth, mediapipe = np.full((2, count, NUM_LANDMARKS, 3), np.nan)
        pixels = np.full((count, NUM_LANDMARKS, 2), np.nan)
        for tick, t, keypoints in used:
            truth[tick.index] = reference.at(t)
            if keypoints is not None:
                pixels[tick.index] = keypoints.pixels
                if keypoints.world is not None:
                    hips = truth[tick.index, HIPS].mean(0)
                    mediapipe[tick.index] = keypoints.world + hips
        return cls(
            tuple((tick, keypoints) for tick, _, keypoints in used),
            *map(torch.from_numpy, (truth, pixels, mediapipe)),
        )

    def place(self, poses: Iterable[Pose], body: Body) -> Tensor:
        """(T, 33, 3) the landmarks of the poses of used frames; nan at other ticks."""
        index = {tick.t: tick.index for tick, _ in self.frames}
        placed = torch.full_like(self.truth, math.nan)
        for pose in poses:
            if pose.t in index:
                placed[index[pose.t]] = landmarks_cam(pose, body)
        return placed


def live_poses(
    estimator: Estimator, footage: Footage, intrinsics: Intrinsics, delay: int = 0
) -> list[Pose]:
    """The poses that a live stream would have published for the footage's frames."""
    stream = estimator.stream(intrinsics, delay=delay)
    try:
        out = [pair for tick, seen in footage.frames for pair in stream.advance(tick, seen)]
        out += stream.finish()
    finally:
        stream.close()
    return [pose for pose, framed in out if framed]


def score_live(
    estimator: Estimator, footage: Footage, intrinsics: Intrinsics, delay: int = 0
) -> RealScores:
    """Scores a live stream.

    Args:
        intrinsics: what the estimator is told of the camera.
        delay: R.
    """
    poses = live_poses(estimator, footage, intrinsics, delay)
    return score_poses(poses, estimator.body, footage, intrinsics)


def score_whole(estimator: Estimator, footage: Footage, intrinsics: Intrinsics) -> RealScores:
    """Scores the poses that know the whole clip."""
    poses = whole_poses(estimator, footage.frames, intrinsics)
    return score_poses(poses, estimator.body, footage, intrinsics)


def score_poses(
    poses: Iterable[Pose], body: Body, footage: Footage, intrinsics: Intrinsics
) -> RealScores:
    """Scores poses at the footage's frames."""
    K = intrinsics.matrix(torch.float64)
    return score(footage.place(poses, body), footage.truth, footage.pixels, K)


def score_mediapipe(footage: Footage) -> RealScores:
    """Scores MediaPipe's own 3D landmarks."""
    return score(footage.mediapipe, footage.truth)


def score(
    estimate: Tensor, truth: Tensor, pixels: Tensor | None = None, K: Tensor | None = None
) -> RealScores:
    """Scores one clip at 30 Hz.

    Args:
        estimate: (L, 33, 3) in the camera; nan where there is none.
        truth: (L, 33, 3); nan where unknown.
        pixels: (L, 33, 2) the landmarks the estimate was made from; None where its root isn't its
            own, which leaves root, path and reprojection out.
        K: (3, 3) the camera as the estimator believes it to be, with `pixels`.
    """
    aligned, right = (_on_hips(points)[:, SCORED] for points in (estimate, truth))
    error = aligned - right
    known = error.isfinite().all(-1).all(-1)
    resting = torch.linalg.vector_norm(truth[:, FEET].diff(dim=0), dim=-1) * TICK_HZ < RESTING_M_S
    moved = torch.linalg.vector_norm(estimate[:, FEET].diff(dim=0), dim=-1) * TICK_HZ
    root, path, reprojection = (math.nan,) * 3
    if pixels is not None and K is not None:
        mine, theirs = (points[known][:, HIPS].mean(1) for points in (estimate, truth))
        root = _mean(metrics.root_error(mine, theirs))
        moved_on = metrics.fit(mine, theirs, scaled=False).apply(mine)
        path = _mean(metrics.root_error(moved_on, theirs))
        image = estimate @ K.T
        distance = torch.linalg.vector_norm(image[..., :2] / image[..., 2:] - pixels, dim=-1)
        reprojection = _mean(distance[:, SCORED])
    return RealScores(
        mpjpe=_mean(metrics.mpjpe(aligned, right, root=None)),
        pa_mpjpe=_mean(metrics.pa_mpjpe(aligned[known], right[known])),
        across=_mean(torch.linalg.vector_norm(error[..., :2], dim=-1)) * 1000,
        depth=_mean(error[..., 2].abs()) * 1000,
        acceleration=_mean(metrics.acceleration_error(aligned, right)),
        jitter=_mean(metrics.jitter(aligned)),
        resting_feet=_mean(moved[resting]) * 100,
        root=root,
        path=path,
        reprojection=reprojection,
        coverage=float(estimate.isfinite().all(-1).all(-1).double().mean()) * 100,
    )


def mean(scores: Sequence[RealScores]) -> RealScores:
    """Of several clips, each counting the same."""
    return RealScores(*(fmean(values) for values in zip(*map(astuple, scores), strict=True)))


def landmarks_cam(pose: Pose, body: Body) -> Tensor:
    """(33, 3) float64 where a pose's landmarks are in the camera."""
    quat_xyzw = np.concatenate((pose.root_quat_xyzw_cam[None], pose.quat_xyzw[1:]))
    shape = torch.from_numpy(pose.shape).double()
    turned, joints = body.forward_kinematics(
        quat_xyzw_to_rotmat(torch.from_numpy(quat_xyzw).double()),
        torch.from_numpy(pose.joints_cam[0]).double(),
        body.rest_joints(shape),
    )
    return body.landmarks(turned, joints, shape)


def _on_hips(points: Tensor) -> Tensor:
    return points - points[:, HIPS].mean(1, keepdim=True)


def _mean(values: Tensor) -> float:
    """The mean of what is known."""
    return float(values.nanmean())

"""Scores of the streaming estimator on calibrated video, beside MediaPipe's own 3D landmarks.

Landmarks are compared with landmarks: the twelve of shoulders, elbows, wrists, hips, knees and
ankles, in the camera, mid-hip on mid-hip, at each used frame's capture time.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genmo_rt import metrics
from genmo_rt.camera import Intrinsics
from genmo_rt.clock import TICK_HZ, TickClock
from genmo_rt.errors import FileFormatError
from genmo_rt.estimate import Estimator
from genmo_rt.keypoints import LANDMARK_NAMES, Keypoints
from genmo_rt.pose import Pose
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

_UNREADABLE = (OSError, EOFError, BadZipFile, KeyError, IndexError, ValueError)

TimedKeypoints = Sequence[tuple[float, Keypoints | None]]


@dataclass(frozen=True, slots=True)
class Reference:
    """What really happened, in one camera.

    Attributes:
        t: (L,) seconds.
        landmarks_cam: (L, 33, 3) metres; nan where unknown.
        intrinsics: the calibrated camera.
    """

    t: NDArray[np.float64]
    landmarks_cam: NDArray[np.float64]
    intrinsics: Intrinsics


@dataclass(frozen=True, slots=True)
class Scores:
    """One row of the table; nan where a method has no such number.

    Attributes:
        mpjpe: millimetres, mid-hip on mid-hip.
        pa_mpjpe: millimetres, after the best similarity of each frame.
        across: the part of mpjpe across the optical axis, millimetres.
        depth: the part along it, millimetres.
        jitter: mid-hip aligned, metres per second cubed.
        resting_feet: speed of feet whose reference rests, metres per second.
        root: distance of the mid-hips, millimetres.
        reprojection: mean distance to the 2D landmarks that were given, pixels.
    """

    mpjpe: float
    pa_mpjpe: float
    across: float
    depth: float
    jitter: float
    resting_feet: float
    root: float
    reprojection: float


def read_reference(path: Path, camera: int, image_size: tuple[int, int]) -> Reference:
    """Reads triangulated landmarks and one of their cameras.

    Args:
        path: an .npz with landmarks_world (L, 33, 3), R_w2c, t_w2c, K per camera, and fps.
        camera: its index, from 0.
        image_size: (width, height) of its pictures.
    Raises:
        FileFormatError: the file lacks one of those.
    """
    try:
        with np.load(path) as arrays:
            world = arrays["landmarks_world"].astype(np.float64)
            R_w2c, t_w2c, K = (arrays[name][camera] for name in ("R_w2c", "t_w2c", "K"))
            fps = float(arrays["fps"])
    except _UNREADABLE as error:
        raise FileFormatError(
            f"{path}: not a reference of camera {camera} ({error}); expected an .npz with "
            "landmarks_world, R_w2c, t_w2c, K and fps"
        ) from error
    intrinsics = Intrinsics(
        float(K[0, 0]), float(K[1, 1]), float(K[0, 2]), float(K[1, 2]), *image_size
    )
    return Reference(np.arange(len(world)) / fps, world @ R_w2c.T + t_w2c, intrinsics)


def read_keypoints(path: Path) -> list[tuple[float, Keypoints | None]]:
    """Reads one person's cached landmarks of a video.

    Args:
        path: an .npz with t (L,) seconds, pixels (L, 33, 2), confidence (L, 33), world
            (L, 33, 3) and image_size (2,); a row of zero confidence is a frame with nobody.
    Raises:
        FileFormatError: the file lacks one of those.
    """
    try:
        with np.load(path) as arrays:
            width, height = (int(side) for side in arrays["image_size"])
            rows = zip(
                arrays["t"],
                arrays["pixels"].astype(np.float32),
                arrays["confidence"].astype(np.float32),
                arrays["world"].astype(np.float32),
                strict=True,
            )
            return [
                (float(t), Keypoints(pixels, confidence, world, (width, height)))
                if confidence.any()
                else (float(t), None)
                for t, pixels, confidence, world in rows
            ]
    except _UNREADABLE as error:
        raise FileFormatError(
            f"{path}: not cached keypoints ({error}); expected an .npz with t, pixels, "
            "confidence, world and image_size"
        ) from error


def evaluate(
    estimator: Estimator, frames: TimedKeypoints, reference: Reference, intrinsics: Intrinsics
) -> tuple[Scores, Scores]:
    """Runs the estimator as a live stream and scores it and MediaPipe on the same frames.

    Args:
        frames: capture time and landmarks of every frame of the video.
        reference: of that video.
        intrinsics: what the estimator is told of the camera.
    Returns:
        Ours and MediaPipe's.
    """
    stream = estimator.stream(intrinsics)
    clock = TickClock()
    ours, theirs, truth, pixels = [], [], [], []
    for t, keypoints in frames:
        tick = clock.admit(round(t * 1e6))
        if tick is None:
            continue
        pose = stream.step(tick, keypoints)
        if pose is None or keypoints is None or keypoints.world is None:
            continue
        ours.append(landmarks_cam(pose, estimator.body))
        theirs.append(torch.from_numpy(keypoints.world).double())
        truth.append(torch.from_numpy(reference.landmarks_cam[np.abs(reference.t - t).argmin()]))
        pixels.append(torch.from_numpy(keypoints.pixels).double())
    stacked = torch.stack(truth)
    # MediaPipe has no root: it is given the true one.
    hips = stacked[:, HIPS].mean(1, keepdim=True)
    rootless = torch.stack(theirs) + hips
    guess = intrinsics.matrix(torch.float64)
    return (
        score(torch.stack(ours), stacked, torch.stack(pixels), guess),
        score(rootless, stacked, None, guess),
    )


def score(estimate: Tensor, truth: Tensor, pixels: Tensor | None, K: Tensor) -> Scores:
    """Scores one clip at 30 Hz.

    Args:
        estimate: (L, 33, 3) in the camera.
        truth: (L, 33, 3); nan where unknown.
        pixels: (L, 33, 2) the landmarks the estimate was made from; None where its root isn't its
            own, which leaves root and reprojection out.
        K: (3, 3) the camera as the estimator believes it to be.
    """
    aligned, right = (_on_hips(points)[:, SCORED] for points in (estimate, truth))
    error = aligned - right
    speed = torch.linalg.vector_norm(truth[:, FEET].diff(dim=0), dim=-1) * TICK_HZ
    moved = torch.linalg.vector_norm(estimate[:, FEET].diff(dim=0), dim=-1) * TICK_HZ
    root, reprojection = float("nan"), float("nan")
    if pixels is not None:
        root = _mean(metrics.root_error(*(points[:, HIPS].mean(1) for points in (estimate, truth))))
        image = estimate @ K.T
        distance = torch.linalg.vector_norm(image[..., :2] / image[..., 2:] - pixels, dim=-1)
        reprojection = _mean(distance[:, SCORED])
    return Scores(
        mpjpe=_mean(metrics.mpjpe(aligned, right, root=None)),
        pa_mpjpe=_mean(metrics.pa_mpjpe(aligned, right)),
        across=_mean(torch.linalg.vector_norm(error[..., :2], dim=-1)) * 1000,
        depth=_mean(error[..., 2].abs()) * 1000,
        jitter=_mean(metrics.jitter(aligned)),
        resting_feet=_mean(moved[speed < RESTING_M_S]),
        root=root,
        reprojection=reprojection,
    )


def table(rows: Sequence[tuple[str, Scores]]) -> str:
    """Rows of named scores as Markdown."""
    names = [field.name for field in fields(Scores)]
    lines = [f"| | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for name, scores in rows:
        values = (f"{value:.3g}" if value < 100 else f"{value:.0f}" for value in astuple(scores))
        lines.append(f"| {name} | {' | '.join(values)} |")
    return "\n".join(lines)


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

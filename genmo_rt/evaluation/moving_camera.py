"""What a moving camera costs: the path in the world of people whose motion and camera are known.

Motion capture walks before synthetic cameras; landmarks are spoiled as the 2D stage does. Each
camera is told of three ways: by the sensors of its device, by tracks of the background, or not at
all. The background is a room of points: whoever carries a camera through it sees near ones pass by.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from genmo_rt.camera import Intrinsics
from genmo_rt.camera_motion import (
    STILL,
    CameraMotion,
    rotation,
    rotation_vector,
    turn_between,
)
from genmo_rt.clock import TICK_HZ, Tick, TickClock
from genmo_rt.data.dataset import Dataset
from genmo_rt.data.observe import NoiseConfig, observe
from genmo_rt.estimate import Estimator
from genmo_rt.keypoints import Keypoints
from genmo_rt.pose import Pose
from genmo_rt.recording import whole_poses
from genmo_rt.rotation import quat_xyzw_to_rotmat

Array = NDArray[np.float64]
Known = Literal["sensor", "tracks", "neither"]

INTRINSICS = Intrinsics(1000.0, 1000.0, 640.0, 360.0, 1280, 720)
HEIGHT_M = 1.4  # of the camera
PITCH = np.radians(5.0)  # it looks down by so much
LAID_ON_S = 0.5  # the path is laid on the truth by so much of its beginning
NOISE = NoiseConfig(
    error=(1, 1), lag=1, swap=1, loss=0, gap=0, half_rate=0, three_quarter_rate=0, drops=0
)
LEVEL_C2W = np.diag([1.0, -1.0, -1.0])

ATTITUDE_NOISE = np.radians(0.05)  # browsers round to 0.1 degrees
GYRO_BIAS = np.radians(0.02)  # per second
GRAVITY_NOISE = np.radians(1.0)

ROOM_M = (7.0, 3.0)  # from the middle of the walk to the walls, and how high they are
POINTS = 600
TRACKED = 80
TRACK_NOISE = 0.3 / 320  # of a picture's width, radians
REFERENCE_TICKS = 20


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """L ticks of somebody's motion; y up, metres, the floor at 0.

    Attributes:
        rotmat: (L, 24, 3, 3) joint 0 in the world, 1..23 relative to the parent.
        pelvis: (L, 3).
        shape: (10,).
    """

    rotmat: torch.Tensor
    pelvis: torch.Tensor
    shape: torch.Tensor

    @classmethod
    def of(cls, dataset: Dataset, clip: int, away_m: float, sideways: bool) -> "Walk":
        """A clip of a dataset, its middle straight before the origin.

        Args:
            away_m: how far, towards −z.
            sideways: turned by a quarter, so that who walks along z passes by.
        """
        start, end = (int(dataset.starts[clip + side]) for side in (0, 1))
        quat_xyzw = torch.from_numpy(dataset.quat_xyzw[start:end].astype(np.float32))
        rotmat = quat_xyzw_to_rotmat(quat_xyzw / quat_xyzw.norm(dim=-1, keepdim=True))
        pelvis = torch.from_numpy(dataset.pelvis[start:end].copy())
        turn = torch.from_numpy(_about_y(np.pi / 2 if sideways else 0.0)).float()
        rotmat[:, 0] = turn @ rotmat[:, 0]
        pelvis = pelvis @ turn.T
        middle = (pelvis.amin(0) + pelvis.amax(0)) / 2 * torch.tensor([1.0, 0.0, 1.0])
        pelvis = pelvis - middle - torch.tensor([0.0, 0.0, away_m])
        return cls(rotmat, pelvis, torch.from_numpy(dataset.shape[clip].copy()))


@dataclass(frozen=True, slots=True, eq=False)
class CameraPath:
    """Where a camera is, L ticks.

    Attributes:
        R_c2w: (L, 3, 3).
        place: (L, 3) metres.
    """

    R_c2w: Array
    place: Array

    def of(self, points: Array) -> Array:
        """(L, N, 3) points in the world to the camera."""
        return np.asarray((points - self.place[:, None]) @ self.R_c2w)


def still(walk: Array, random: np.random.Generator) -> CameraPath:
    """A camera on a stand; walk is (L, 3), the pelvis' path, as for the others."""
    return _aimed(walk * 0 + [0.0, HEIGHT_M, 0.0], np.zeros((len(walk), 3)))


def pan(walk: Array, random: np.random.Generator) -> CameraPath:
    """A camera on a stand that is kept on the walker."""
    seen = _smooth(walk)
    angles = np.zeros((len(walk), 3))
    angles[:, 0] = np.arctan2(seen[:, 0], -seen[:, 2])
    return _aimed(walk * 0 + [0.0, HEIGHT_M, 0.0], angles)


def shake(walk: Array, random: np.random.Generator) -> CameraPath:
    """A camera in the hand of somebody who stands: 1.2 degrees and 1.5 cm about each axis."""
    place = [0.0, HEIGHT_M, 0.0] + 0.015 * _tremble(len(walk), random)
    return _aimed(place, np.radians(1.2) * _tremble(len(walk), random))


def walk_along(walk: Array, random: np.random.Generator) -> CameraPath:
    """A camera that somebody carries along with the walker."""
    shaken = shake(walk, random)
    path = _smooth(walk)
    return CameraPath(shaken.R_c2w, shaken.place + (path - path[0]) * [1.0, 0.0, 1.0])


CAMERAS: dict[str, Callable[[Array, np.random.Generator], CameraPath]] = {
    "still": still,
    "pan": pan,
    "handheld shake": shake,
    "walk-along": walk_along,
}


@dataclass(frozen=True, slots=True)
class PathScore:
    """How far a path in the world is from the truth.

    Attributes:
        path_cm: mean distance of the pelvis, laid on by the path's beginning.
        end_cm: the same at the end.
        pose_mm: joints, pelvis on pelvis.
    """

    path_cm: float
    end_cm: float
    pose_mm: float


def score_path(
    estimator: Estimator,
    walk: Walk,
    camera: CameraPath,
    known: Known,
    seed: int = 0,
    *,
    whole: bool = False,
) -> PathScore:
    """Streams a walk before a camera, or estimates it as a whole clip."""
    body = estimator.body
    turned, joints = body.forward_kinematics(walk.rotmat, walk.pelvis, body.rest_joints(walk.shape))
    landmarks = body.landmarks(turned, joints, walk.shape).double().numpy()
    truth = joints.double().numpy()
    seen = _seen(camera.of(landmarks), camera.of(truth), seed)
    motions = _told(camera, known, np.random.default_rng(seed))
    frames = list(zip(_ticks(len(seen)), seen, strict=True))
    poses: list[Pose | None] = []
    if whole:
        found = whole_poses(estimator, frames, INTRINSICS, motions=motions)
        unseen: list[Pose | None] = [None] * (len(frames) - len(found))  # before the first sight
        poses = unseen + list(found)
    else:
        stream = estimator.stream(INTRINSICS)
        for (tick, keypoints), motion in zip(frames, motions, strict=True):
            stream.world.move_camera(tick.t, motion)
            poses.append(stream.step(tick, keypoints))
        stream.close()
    return _score(poses, (truth - camera.place[0] * [1.0, 0.0, 1.0]) @ _heading(camera.R_c2w[0]))


def _ticks(count: int) -> Iterator[Tick]:
    """So many, each with a frame."""
    clock = TickClock()
    for i in range(count):
        tick = clock.admit(round(i * 1e6 / TICK_HZ))
        assert tick is not None, "every tick has a frame"
        yield tick


def _score(poses: list[Pose | None], truth: Array) -> PathScore:
    there = [i for i, pose in enumerate(poses) if pose is not None]
    joints = np.stack([pose.joints for pose in poses if pose is not None]).astype(np.float64)
    truth = truth[there]
    laid = slice(0, round(LAID_ON_S * TICK_HZ))
    offset = (joints[laid, 0] - truth[laid, 0]).mean(0)
    far = np.linalg.norm(joints[:, 0] - offset - truth[:, 0], axis=-1)
    bent = (joints - joints[:, :1]) - (truth - truth[:, :1])
    pose_mm = np.linalg.norm(bent[:, 1:22], axis=-1).mean() * 1e3
    return PathScore(float(far.mean() * 100), float(far[-5:].mean() * 100), float(pose_mm))


def _seen(landmarks_cam: Array, joints_cam: Array, seed: int) -> list[Keypoints | None]:
    camera = INTRINSICS
    size = (camera.width, camera.height)
    pixels = landmarks_cam[..., :2] / landmarks_cam[..., 2:].clip(0.2) * camera.fx
    said = observe(
        torch.from_numpy(landmarks_cam[None]).float(),
        torch.from_numpy(pixels + np.array((camera.cx, camera.cy)))[None].float(),
        torch.from_numpy(joints_cam[None]).float(),
        torch.tensor([camera.fx]),
        torch.tensor([size]).float(),
        NOISE,
        torch.Generator().manual_seed(seed),
    )
    return [
        Keypoints(said.pixels[0, t].numpy(), said.confidence[0, t].numpy(), None, size)
        if said.present[0, t]
        else None
        for t in range(len(pixels))
    ]


def _told(camera: CameraPath, known: Known, random: np.random.Generator) -> list[CameraMotion]:
    """What is known of the camera at every tick."""
    if known == "neither" or (camera.R_c2w == camera.R_c2w[0]).all():
        return [STILL] * len(camera.place)  # the background is seen to stand
    if known == "sensor":
        return _by_sensor(camera, random)
    return _by_tracks(camera, random)


def _by_sensor(camera: CameraPath, random: np.random.Generator) -> list[CameraMotion]:
    drift = GYRO_BIAS / TICK_HZ * random.normal(size=3)
    motions, before = [], None
    for t, R_c2w in enumerate(camera.R_c2w):
        measured = R_c2w @ rotation(t * drift + ATTITUDE_NOISE * random.normal(size=3))
        turn = np.zeros(3) if before is None else rotation_vector(before.T @ measured)
        up_cam = R_c2w[1] + GRAVITY_NOISE * random.normal(size=3)
        motions.append(CameraMotion(turn, 1.0, up_cam / np.linalg.norm(up_cam), carried=True))
        before = measured
    return motions


def _by_tracks(camera: CameraPath, random: np.random.Generator) -> list[CameraMotion]:
    """The background's corners, some of a room's, each followed from a reference picture."""
    room = _room(camera.place.mean(0), random)
    motions, total, before = [], np.eye(3), np.eye(3)  # rotations to the first camera
    reference: tuple[Array, NDArray[np.int64], Array] | None = None
    for t in range(len(camera.place)):
        in_camera = (room - camera.place[t]) @ camera.R_c2w[t]
        flat = in_camera[:, :2] / in_camera[:, 2:].clip(0.1)
        limits = np.array([INTRINSICS.cx / INTRINSICS.fx, INTRINSICS.cy / INTRINSICS.fy])
        inside = (in_camera[:, 2] > 0.5) & (np.abs(flat) < limits).all(1)
        rays = np.concatenate((flat, np.ones((len(flat), 1))), axis=1)
        rays[:, :2] += TRACK_NOISE * random.normal(size=flat.shape)
        rays /= np.linalg.norm(rays, axis=1, keepdims=True)
        sure = 0.0
        if reference is not None:
            corners, chosen, R_first = reference
            both = inside[chosen]
            found = turn_between(corners[both], rays[chosen[both]], 1.5 * TRACK_NOISE)
            if found is not None:
                total, sure = R_first @ rotation(found.turn), found.agreeing
        motions.append(CameraMotion(rotation_vector(before.T @ total), sure, carried=True))
        before = total
        if reference is None or t % REFERENCE_TICKS == 0 or sure == 0:
            chosen = random.permutation(np.flatnonzero(inside))[:TRACKED]
            reference = rays[chosen], chosen, total
    return motions


def _room(middle: Array, random: np.random.Generator) -> Array:
    """(N, 3) points on four walls and the floor."""
    half, high = ROOM_M
    points = random.uniform([-half, 0, -half], [half, high, half], (POINTS, 3))
    side = random.integers(5, size=POINTS)
    for wall in range(4):
        points[side == wall, 2 * (wall // 2)] = half if wall % 2 else -half
    points[side == 4, 1] = 0.0
    return np.asarray(points + middle * [1.0, 0.0, 1.0])


def _aimed(place: Array, angles: Array) -> CameraPath:
    """A camera looking along −z and down by PITCH, turned by (L, 3) yaw, pitch and roll."""
    axes = (angles[:, 0, None] * [0.0, 1, 0], (angles[:, 1, None] - PITCH) * [1.0, 0, 0])
    roll = angles[:, 2, None] * [0.0, 0, 1]
    R_c2w = [
        LEVEL_C2W @ rotation(yaw) @ rotation(pitch) @ rotation(rolled)
        for yaw, pitch, rolled in zip(*axes, roll, strict=True)
    ]
    return CameraPath(np.stack(R_c2w), place)


def _heading(R_c2w: Array) -> Array:
    """(3, 3) so that p_world @ it has −z along the camera's axis, seen from above."""
    axis = R_c2w[:, 2]
    return _about_y(float(np.arctan2(axis[0], -axis[2]))).T


def _about_y(angle: float) -> Array:
    return rotation(np.array([0.0, angle, 0.0]))


def _smooth(path: Array, ticks: int = 31) -> Array:
    """The path as somebody follows it with a camera: averaged over a second."""
    kernel = np.hanning(ticks) / np.hanning(ticks).sum()
    padded = np.pad(path, ((ticks // 2, ticks // 2), (0, 0)), mode="edge")
    return np.stack([np.convolve(column, kernel, "valid") for column in padded.T], axis=1)


def _tremble(length: int, random: np.random.Generator) -> Array:
    """(L, 3) waves of 0.4 to 5.3 Hz, slow ones larger; standard deviation 1, zero at the start."""
    t = np.arange(length)[:, None] / TICK_HZ
    total = np.zeros((length, 3))
    for hertz in (0.4, 0.9, 1.7, 3.1, 5.3):
        phase = random.uniform(0, 2 * np.pi, 3)
        total += random.normal(size=3) / np.sqrt(hertz) * np.sin(2 * np.pi * hertz * t + phase)
    return np.asarray((total - total[0]) / total.std())

"""A synthetic person who walks in a circle before a camera, and the landmarks a detector sees."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray

from genmo_rt.camera import Intrinsics
from genmo_rt.clock import Tick, TickClock
from genmo_rt.keypoints import Keypoints
from genmo_rt.rotation import axis_angle_to_rotmat
from genmo_rt.skeleton import JOINT_NAMES
from genmo_rt.smpl import load_body

Array = NDArray[np.float64]
INTRINSICS = Intrinsics.default(1280, 720)
CAMERA_HEIGHT_M = 1.2
CAMERA = np.array([0.0, CAMERA_HEIGHT_M, 0.0])
CENTRE_Z_M = -4.5
RADIUS_M = 1.0
SPEED_M_S = 1.0
STEPS_HZ = 0.9  # strides per second


@dataclass(frozen=True, slots=True)
class Walker:
    """The walker at one time, in the world and in a level or pitched camera.

    Attributes:
        rotmat_world: (24, 3, 3) joint 0 in the world, 1..23 relative to the parent.
        rotmat_cam: (24, 3, 3) joint 0 in the camera.
        joints_world: (24, 3).
        joints_cam: (24, 3).
        landmarks_cam: (33, 3).
        velocity_world: (3,) of the pelvis.
        R_c2w: (3, 3).
    """

    rotmat_world: Array
    rotmat_cam: Array
    joints_world: Array
    joints_cam: Array
    landmarks_cam: Array
    velocity_world: Array
    R_c2w: Array


def walker(t: float, pitch_down: float = 0.0) -> Walker:
    """Where the walker is at t seconds, before a camera pitched down by so many degrees."""
    rotmat, joints, landmarks = _posed(t)
    before, after = _posed(t - 1e-3)[1], _posed(t + 1e-3)[1]
    R_c2w = camera_rotation(pitch_down)
    rotmat_cam = rotmat.copy()
    rotmat_cam[0] = R_c2w.T @ rotmat_cam[0]
    return Walker(
        rotmat_world=rotmat,
        rotmat_cam=rotmat_cam,
        joints_world=joints,
        joints_cam=(joints - CAMERA) @ R_c2w,
        landmarks_cam=(landmarks - CAMERA) @ R_c2w,
        velocity_world=(after - before)[0] / 2e-3,
        R_c2w=R_c2w,
    )


def camera_rotation(pitch_down: float) -> Array:
    """R_c2w of a camera pitched down by so many degrees."""
    cos, sin = np.cos(np.radians(pitch_down)), np.sin(np.radians(pitch_down))
    return np.array([[1.0, 0.0, 0.0], [0.0, -cos, -sin], [0.0, sin, -cos]])


def seen(t: float, pitch_down: float = 0.0) -> Keypoints:
    """The walker's landmarks in the picture at t, without noise."""
    points = (_posed(t)[2] - CAMERA) @ camera_rotation(pitch_down)
    pixels = points[:, :2] / points[:, 2:] * INTRINSICS.fx
    return Keypoints(
        pixels=(pixels + np.array([INTRINSICS.cx, INTRINSICS.cy])).astype(np.float32),
        confidence=np.full(33, 0.95, np.float32),
        world=None,
        image_size=(INTRINSICS.width, INTRINSICS.height),
    )


def walking(t: float, offset: Array, size: float = 1.0) -> Keypoints:
    """The synthetic walker's landmarks, moved by (3,) metres in the camera and of another size."""
    there = walker(t)
    on_floor = there.R_c2w.T @ (there.joints_world[0] * [1, 0, 1] - CAMERA)
    points = size * (there.landmarks_cam - on_floor) + on_floor + offset
    pixels = points[:, :2] / points[:, 2:] * INTRINSICS.fx + (INTRINSICS.cx, INTRINSICS.cy)
    confidence = np.full(33, 0.95, np.float32)
    size_px = (INTRINSICS.width, INTRINSICS.height)
    return Keypoints(pixels.astype(np.float32), confidence, None, size_px)


def frames(fps: float, seconds: float, drop: float = 0.0) -> list[tuple[Tick, float]]:
    """The frames of a camera that reach a tick, with their times."""
    generator = np.random.default_rng(11)
    clock = TickClock()
    admitted = []
    for i in range(round(seconds * fps) + 1):
        if i > 0 and generator.random() < drop:
            continue
        tick = clock.admit(round(i * 1e6 / fps))
        if tick is not None:
            admitted.append((tick, tick.t))
    return admitted


@cache
def _posed(t: float) -> tuple[Array, Array, Array]:
    """Local rotations, joints and landmarks in the world; the lowest landmark is on the floor."""
    body = load_body()
    shape = torch.zeros(10, dtype=torch.float64)
    rotmat = axis_angle_to_rotmat(torch.from_numpy(_axis_angle(t)))
    heading = t * SPEED_M_S / RADIUS_M
    pelvis = np.array([RADIUS_M * np.sin(heading), 0.0, CENTRE_Z_M - RADIUS_M * np.cos(heading)])
    turned, joints = body.forward_kinematics(
        rotmat, torch.from_numpy(pelvis), body.rest_joints(shape)
    )
    landmarks = body.landmarks(turned, joints, shape).numpy()
    lift = np.array([0.0, landmarks[:, 1].min(), 0.0])
    return rotmat.numpy(), joints.numpy() - lift, landmarks - lift


def _axis_angle(t: float) -> Array:
    """(24, 3): heading, and a plain gait of swinging limbs."""
    phase = 2 * np.pi * STEPS_HZ * t
    pose = np.zeros((len(JOINT_NAMES), 3))
    # Facing +z at rest; at heading h the walker moves along (cos h, 0, sin h).
    heading = t * SPEED_M_S / RADIUS_M
    pose[0, 1] = np.pi / 2 - heading
    for side, sign in (("left", 1.0), ("right", -1.0)):
        swing = np.sin(phase) * sign
        pose[JOINT_NAMES.index(f"{side}_hip"), 0] = -0.45 * swing
        pose[JOINT_NAMES.index(f"{side}_knee"), 0] = 0.35 + 0.3 * np.cos(phase) * sign
        pose[JOINT_NAMES.index(f"{side}_shoulder")] = [0.3 * swing, 0.0, -1.2 * sign]
        pose[JOINT_NAMES.index(f"{side}_elbow"), 1] = -0.3 * sign
    return pose

"""A synthetic person who walks in a circle before a camera, and the landmarks a detector sees."""

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
CENTRE_Z_M = -4.5
RADIUS_M = 1.0
SPEED_M_S = 1.0
STEPS_HZ = 0.9  # strides per second


def joints_cam(t: float) -> tuple[Array, Array]:
    """The walker at t seconds: (24, 3) joints and (33, 3) landmarks, level camera's axes."""
    body = load_body()
    shape = torch.zeros(10, dtype=torch.float64)
    rotmat = axis_angle_to_rotmat(torch.from_numpy(_axis_angle(t)))
    heading = t * SPEED_M_S / RADIUS_M
    pelvis = np.array([RADIUS_M * np.sin(heading), 0.93, CENTRE_Z_M - RADIUS_M * np.cos(heading)])
    turned, joints = body.forward_kinematics(
        rotmat, torch.from_numpy(pelvis), body.rest_joints(shape)
    )
    landmarks = body.landmarks(turned, joints, shape)
    return _to_cam(joints.numpy()), _to_cam(landmarks.numpy())


def seen(t: float) -> Keypoints:
    """The walker's landmarks in the picture at t, without noise."""
    points = joints_cam(t)[1]
    pixels = points[:, :2] / points[:, 2:] * INTRINSICS.fx
    return Keypoints(
        pixels=(pixels + np.array([INTRINSICS.cx, INTRINSICS.cy])).astype(np.float32),
        confidence=np.full(33, 0.95, np.float32),
        world=None,
        image_size=(INTRINSICS.width, INTRINSICS.height),
    )


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


def _to_cam(points: Array) -> Array:
    return np.asarray((points - [0.0, CAMERA_HEIGHT_M, 0.0]) * [1.0, -1.0, -1.0])

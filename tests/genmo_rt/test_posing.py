"""What a viewer sees of somebody who stands or whose legs were hidden, if the model trembles."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from genmo_rt.camera import Intrinsics
from genmo_rt.keypoints import LANDMARK_NAMES, Keypoints
from genmo_rt.live_math import axis_angle_to_rotmat
from genmo_rt.motion import Motion
from genmo_rt.pose import Pose
from genmo_rt.posing import Poser
from genmo_rt.skeleton import JOINT_NAMES
from genmo_rt.smpl import load_body
from genmo_rt.soles import Soles
from genmo_rt.world import World

Array = NDArray[np.float64]
INTRINSICS = Intrinsics.default(720, 1280)
PELVIS = np.array([0.1, 0.1, 4.0])
TICKS = 90
ANKLES = [JOINT_NAMES.index(f"{side}_ankle") for side in ("left", "right")]
TOES = [JOINT_NAMES.index(f"{side}_foot") for side in ("left", "right")]
LEGS = [
    i for i, name in enumerate(LANDMARK_NAMES) if name.endswith(("knee", "ankle", "heel", "index"))
]
FACING = np.diag([1.0, -1.0, -1.0])


def _standing() -> Array:
    pose = np.zeros((24, 3))
    for side, sign in (("left", -1.0), ("right", 1.0)):
        pose[JOINT_NAMES.index(f"{side}_shoulder"), 2] = 1.2 * sign
        pose[JOINT_NAMES.index(f"{side}_knee"), 0] = 0.2
        pose[JOINT_NAMES.index(f"{side}_hip"), 0] = -0.1
    return pose


def _rotmat(pose: Array) -> Array:
    rotmat = axis_angle_to_rotmat(pose)
    rotmat[0] = FACING @ rotmat[0]
    return rotmat


def _seen(pose: Array, noise: Array) -> Keypoints:
    body = load_body()
    shape = torch.zeros(10, dtype=torch.float64)
    turned, joints = body.forward_kinematics(
        torch.from_numpy(_rotmat(pose)), torch.from_numpy(PELVIS), body.rest_joints(shape)
    )
    points = body.landmarks(turned, joints, shape).numpy()
    pixels = points[:, :2] / points[:, 2:] * INTRINSICS.fx + [INTRINSICS.cx, INTRINSICS.cy]
    confidence = np.full(33, 0.95, np.float32)
    return Keypoints((pixels + noise).astype(np.float32), confidence, None, (720, 1280))


def _said(pose: Array, pelvis: Array) -> Motion:
    one = torch.eye(3, dtype=torch.float64)[None]
    return Motion(
        rotmat_gv=one,
        root_vel=torch.zeros(1, 3),
        rotmat_cam=torch.from_numpy(_rotmat(pose))[None],
        shape=torch.zeros(1, 10),
        root_cam=torch.from_numpy(pelvis)[None],
        R_c2gv=torch.diag(torch.tensor([1.0, -1.0, -1.0], dtype=torch.float64))[None],
        camera_pos=torch.zeros(1, 3),
        contacts=torch.full((1, 6), 0.4),  # the model isn't sure
    )


def _poser() -> Poser:
    body = load_body()
    return Poser(body, Soles.of(body), INTRINSICS, None, World())


def _stand(delay: int) -> list[Pose]:
    """Somebody who stands: 8 mm of noise in the picture, 3° and 8 cm of depth in the model."""
    random = np.random.default_rng(0)
    seen = [
        (i / 30, _seen(_standing(), random.normal(0, 0.002 * INTRINSICS.fx, (33, 2))))
        for i in range(TICKS + delay)
    ]
    poser, poses = _poser(), []
    for i in range(TICKS):
        trembling = _standing() + random.normal(0, np.radians(3), (24, 3))
        said = _said(trembling, PELVIS * (1 + random.normal(0, 0.02)))
        poses.append(poser.pose(*seen[i], said, seen[i + 1 : i + 1 + delay]))
    return poses[30:]


def _speeds(poses: list[Pose]) -> Array:
    """(24,) metres per second, in the world."""
    joints = np.stack([pose.joints for pose in poses])
    return np.asarray(np.linalg.norm(np.diff(joints, axis=0), axis=-1).mean(0) * 30)


@pytest.fixture(scope="module")
def standing() -> list[Pose]:
    return _stand(0)


def test_the_feet_of_somebody_who_stands_stay(standing: list[Pose]) -> None:
    speeds = _speeds(standing)
    assert speeds[ANKLES].max() < 0.03
    assert speeds[TOES].max() < 0.03


def test_somebody_who_stands_looks_still(standing: list[Pose]) -> None:
    """Smoothed alike whether anybody moves, joints go 52 cm/s on average and the pelvis 29."""
    assert _speeds(standing).mean() < 0.35
    assert _speeds(standing)[0] < 0.22


def test_poses_that_come_later_are_steadier(standing: list[Pose]) -> None:
    assert _speeds(_stand(4)).mean() < 0.95 * _speeds(standing).mean()


def test_legs_that_were_hidden_come_back_without_a_jump() -> None:
    wrong = _standing()
    for side, sign in (("left", 1.0), ("right", -1.0)):
        wrong[JOINT_NAMES.index(f"{side}_hip"), 2] += 0.35 * sign
    poser, ankles = _poser(), []
    for i in range(90):
        hidden = 30 <= i < 60
        seen = _seen(_standing(), np.zeros((33, 2)))
        if hidden:
            seen.confidence[LEGS] = 0.0
        pose = poser.pose(i / 30, seen, _said(wrong if hidden else _standing(), PELVIS))
        ankles.append(pose.joints_cam[ANKLES])
    steps = np.linalg.norm(np.diff(np.stack(ankles), axis=0), axis=-1).max(1)
    assert np.linalg.norm(ankles[59] - ankles[29], axis=-1).min() > 0.15
    assert steps[59:].max() < 0.045
    np.testing.assert_allclose(ankles[-1], ankles[29], atol=0.05)

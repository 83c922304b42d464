"""The side-by-side picture: the body lies on the person, and both views from the side are drawn."""

from dataclasses import replace

import numpy as np
import torch

from genmo_rt.camera import Intrinsics
from genmo_rt.evaluation.real import Footage
from genmo_rt.evaluation.recorded import Reference
from genmo_rt.evaluation.side_by_side import (
    HEIGHT,
    MEDIAPIPE,
    SIDE_WIDTH,
    TRUTH,
    Scene,
    draw_side_by_side,
)
from genmo_rt.keypoints import Keypoints
from genmo_rt.pose import Pose
from genmo_rt.smpl import load_body

BODY = load_body()
CAMERA = Intrinsics.default(480, 640)


def _scene() -> Scene:
    """Somebody in a T-pose four metres away, upright in the picture; a second frame has no pose."""
    quat_xyzw = np.tile(np.array([0, 0, 0, 1], np.float32), (24, 1))
    facing = np.array([1, 0, 0, 0], np.float32)  # half a turn about x: upright before a camera
    pelvis = np.array([0.5, 0.0, 4.0], np.float32)
    turn = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    shape = torch.zeros(10)
    rotmat = torch.eye(3).expand(24, 3, 3).clone()
    rotmat[0] = turn
    turned, joints = BODY.forward_kinematics(
        rotmat, torch.from_numpy(pelvis), BODY.rest_joints(shape)
    )
    landmarks = BODY.landmarks(turned, joints, shape).double().numpy()
    pixels = landmarks @ CAMERA.matrix(torch.float64).numpy().T
    seen = Keypoints(
        (pixels[:, :2] / pixels[:, 2:]).astype(np.float32),
        np.ones(33, np.float32),
        (landmarks - landmarks[[23, 24]].mean(0)).astype(np.float32),
        (480, 640),
    )
    reference = Reference(np.array([0.0, 1 / 30]), np.stack((landmarks, landmarks)), CAMERA)
    footage = Footage.of([(0.0, seen), (1 / 30, None)], reference)
    pose = Pose(
        t=0.0,
        quat_xyzw=quat_xyzw,
        pelvis=pelvis,
        velocity=np.zeros(3, np.float32),
        joints=joints.numpy(),
        contacts=np.zeros(6, np.float32),
        confidence=1.0,
        shape=np.zeros(10, np.float32),
        joints_cam=joints.numpy(),
        root_quat_xyzw_cam=facing,
    )
    return Scene(footage, {0.0: pose}, CAMERA, BODY)


def _has(picture: np.ndarray, colour: tuple[int, int, int]) -> int:
    return int((picture == colour).all(-1).sum())


def test_the_body_lies_where_the_person_is_and_both_skeletons_are_drawn() -> None:
    scene = _scene()
    blank = np.full((1280, 960, 3), 120, np.uint8)  # twice as large as its intrinsics say
    first, second = draw_side_by_side(
        replace(scene, intrinsics=Intrinsics.default(960, 1280)), [blank, blank]
    )
    assert first.shape == second.shape == (HEIGHT, 480 + 2 * SIDE_WIDTH, 3)
    picture, mine, theirs = np.split(first, [480, 480 + SIDE_WIDTH], axis=1)
    rows, columns = np.nonzero((picture != 120).any(-1))
    x, y = 0.5 / 4 * 640 + 240, 320  # of the pelvis
    assert abs((columns.min() + columns.max()) / 2 - x) < 8
    assert rows.min() < y < rows.max()
    assert _has(theirs, MEDIAPIPE) > 300
    for panel in (mine, theirs):
        assert _has(panel, TRUTH) > 300
    assert _has(mine, MEDIAPIPE) == 0


def test_a_frame_with_nobody_is_the_picture_alone() -> None:
    blank = np.full((640, 480, 3), 120, np.uint8)
    _, second = draw_side_by_side(_scene(), [blank, blank])
    assert (second[:, :480] == 120).all()
    assert _has(second, MEDIAPIPE) == 0
    assert _has(second, TRUTH) > 300


def test_without_any_pose_there_is_no_picture() -> None:
    assert not list(draw_side_by_side(replace(_scene(), poses={}), []))

"""Kinematics, landmarks and skinning of the body."""

import pytest
import torch
from torch import Tensor

from genmo_rt.keypoints import LANDMARK_NAMES
from genmo_rt.rotation import axis_angle_to_rotmat
from genmo_rt.skeleton import JOINT_NAMES, NUM_JOINTS, PARENTS
from genmo_rt.smpl import Body, load_body


@pytest.fixture(scope="module")
def body() -> Body:
    return load_body()


def rest_rotmats(*lead: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.eye(3, dtype=dtype).expand(*lead, NUM_JOINTS, 3, 3).clone()


def random_pose(*lead: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    axis_angle = torch.randn(*lead, NUM_JOINTS, 3, generator=generator, dtype=dtype) * 0.6
    return axis_angle_to_rotmat(axis_angle)


def random_shape(*lead: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*lead, 10, generator=torch.Generator().manual_seed(1), dtype=dtype)


def test_the_rest_pose_is_a_fixed_point(body: Body) -> None:
    shape = random_shape(3)
    rest = body.rest_joints(shape)
    rotmat = rest_rotmats(3, dtype=torch.float64)
    global_rotmat, joints = body.forward_kinematics(rotmat, rest[:, 0], rest)
    assert torch.allclose(joints, rest, atol=1e-12)
    assert torch.allclose(global_rotmat, rotmat)
    assert torch.allclose(
        body.skin(rotmat, rest[:, 0], shape), body.rest_vertices(shape), atol=1e-6
    )


def test_kinematics_equals_a_walk_down_the_tree(body: Body) -> None:
    rotmat, pelvis = random_pose(4), torch.randn(4, 3, dtype=torch.float64)
    rest = body.rest_joints(random_shape(4))
    global_rotmat, joints = body.forward_kinematics(rotmat, pelvis, rest)
    for b in range(4):
        R, p = [rotmat[b, 0]], [pelvis[b]]
        for j in range(1, NUM_JOINTS):
            parent = PARENTS[j]
            R.append(R[parent] @ rotmat[b, j])
            p.append(p[parent] + R[parent] @ (rest[b, j] - rest[b, parent]))
        assert torch.allclose(global_rotmat[b], torch.stack(R), atol=1e-12)
        assert torch.allclose(joints[b], torch.stack(p), atol=1e-12)


def test_a_bent_left_elbow_moves_the_left_hand_and_nothing_else(body: Body) -> None:
    rotmat = rest_rotmats()
    elbow = JOINT_NAMES.index("left_elbow")
    rotmat[elbow] = axis_angle_to_rotmat(torch.tensor([0.0, -torch.pi / 2, 0.0]))
    rest = body.rest_joints(torch.zeros(10))
    _, joints = body.forward_kinematics(rotmat, rest[0], rest)
    moved = {JOINT_NAMES[j] for j in range(24) if (joints[j] - rest[j]).norm() > 1e-5}
    assert moved == {"left_wrist", "left_hand"}
    assert float(joints[20, 2] - joints[elbow, 2]) > 0.2  # the forearm points forwards, +z


def test_left_is_plus_x_and_the_body_faces_plus_z(body: Body) -> None:
    shape = torch.zeros(10)
    rest = body.rest_joints(shape)
    landmarks = body.landmarks(rest_rotmats(), rest, shape)
    for names, points in ((JOINT_NAMES, rest), (LANDMARK_NAMES, landmarks)):
        for name, point in zip(names, points.tolist(), strict=True):
            if "left" in name:
                assert point[0] > 0.005, name
            elif "right" in name:
                assert point[0] < -0.005, name
            else:
                assert abs(point[0]) < 1e-6, name
    nose, left_ear = LANDMARK_NAMES.index("nose"), LANDMARK_NAMES.index("left_ear")
    toe, heel = LANDMARK_NAMES.index("left_foot_index"), LANDMARK_NAMES.index("left_heel")
    assert landmarks[nose, 2] > landmarks[left_ear, 2] + 0.06
    assert landmarks[toe, 2] > landmarks[heel, 2] + 0.15


def test_landmarks_are_rigidly_fixed_to_their_joint(body: Body) -> None:
    shape = random_shape()
    rest = body.rest_joints(shape)
    rotmat = rest_rotmats(dtype=torch.float64)
    rotmat[15] = random_pose()[0]  # the head
    global_rotmat, joints = body.forward_kinematics(rotmat, rest[0], rest)
    before = body.landmarks(rest_rotmats(dtype=torch.float64), rest, shape)
    after = body.landmarks(global_rotmat, joints, shape)
    face = slice(0, 11)
    expected = rest[15] + (before[face] - rest[15]) @ rotmat[15].T
    assert torch.allclose(after[face], expected, atol=1e-12)
    assert torch.allclose(after[11:], before[11:], atol=1e-12)


def test_moving_the_pelvis_moves_everything_alike(body: Body) -> None:
    rotmat, shape = random_pose(), random_shape()
    shift = torch.tensor([1.0, 2.0, -3.0], dtype=torch.float64)
    here = body.skin(rotmat, torch.zeros(3, dtype=torch.float64), shape)
    there = body.skin(rotmat, shift, shape)
    assert torch.allclose(there - here, shift.expand_as(here), atol=1e-12)


def test_turning_the_root_turns_the_surface_about_the_pelvis(body: Body) -> None:
    rotmat, shape = random_pose(), random_shape()
    turn = random_pose(seed=5)[3]
    turned = torch.cat((turn @ rotmat[:1], rotmat[1:]))
    zero = torch.zeros(3, dtype=torch.float64)
    surface = body.skin(rotmat, zero, shape)
    assert torch.allclose(body.skin(turned, zero, shape), surface @ turn.T, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("lead", [(), (2,), (2, 3)])
def test_leading_dimensions_and_dtype_follow_the_arguments(
    body: Body, dtype: torch.dtype, lead: tuple[int, ...]
) -> None:
    rotmat, shape = random_pose(*lead, dtype=dtype), random_shape(*lead, dtype=dtype)
    pelvis = torch.zeros(*lead, 3, dtype=dtype)
    rest = body.rest_joints(shape)
    global_rotmat, joints = body.forward_kinematics(rotmat, pelvis, rest)
    landmarks = body.landmarks(global_rotmat, joints, shape)
    vertices = body.skin(rotmat, pelvis, shape)
    assert rest.shape == joints.shape == (*lead, 24, 3)
    assert landmarks.shape == (*lead, 33, 3)
    assert vertices.shape == (*lead, len(body.vertex_mean), 3)
    assert {rest.dtype, joints.dtype, landmarks.dtype, vertices.dtype} == {dtype}


def test_one_persons_rest_joints_serve_many_frames(body: Body) -> None:
    rotmat, shape = random_pose(2, 5), random_shape(2, 1)
    pelvis = torch.zeros(2, 5, 3, dtype=torch.float64)
    rest = body.rest_joints(shape)
    global_rotmat, joints = body.forward_kinematics(rotmat, pelvis, rest)
    apart = body.forward_kinematics(rotmat[1, 3], pelvis[1, 3], rest[1, 0])[1]
    assert torch.allclose(joints[1, 3], apart, atol=1e-12)
    landmarks = body.landmarks(global_rotmat, joints, shape)
    assert landmarks.shape == (2, 5, 33, 3)


def test_gradients_reach_pose_place_and_shape(body: Body) -> None:
    inputs = (
        random_pose().requires_grad_(),
        torch.randn(3, dtype=torch.float64, requires_grad=True),
        random_shape().requires_grad_(),
    )

    def place(rotmat: Tensor, pelvis: Tensor, shape: Tensor) -> tuple[Tensor, Tensor]:
        posed, joints = body.forward_kinematics(rotmat, pelvis, body.rest_joints(shape))
        return joints, body.landmarks(posed, joints, shape)

    assert torch.autograd.gradcheck(place, inputs, fast_mode=True)
    body.skin(*inputs).square().sum().backward()  # type: ignore[no-untyped-call]
    for tensor in inputs:
        assert tensor.grad is not None
        assert bool(torch.isfinite(tensor.grad).all())


def test_to_changes_the_floating_type_and_leaves_faces_whole(body: Body) -> None:
    double = body.to(torch.float64)
    assert double.vertex_mean.dtype == double.weights.dtype == torch.float64
    assert double.faces.dtype == torch.int64
    assert double.name == "builtin"

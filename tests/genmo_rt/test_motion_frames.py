"""The motion vector in mirrors and in other frames of reference, for every motion."""

from dataclasses import fields, replace

import hypothesis.strategies as st
import torch
from hypothesis import given, settings

from genmo_rt import motion
from genmo_rt.keypoints import LANDMARK_NAMES
from genmo_rt.motion import SLICES, Motion, View, mirror, mirror_view, observed_motion
from genmo_rt.rotation import axis_angle_to_rotmat
from genmo_rt.smpl import load_body
from tests.genmo_rt.some_motion import some_motion, some_view

WIDTH = torch.tensor(640.0)
anything = given(st.integers(0, 2**31))
quickly = settings(max_examples=20, deadline=None)


def _close(one: Motion, other: Motion, tolerance: float = 3e-4) -> None:
    for field in fields(Motion):
        torch.testing.assert_close(
            getattr(one, field.name), getattr(other, field.name), atol=tolerance, rtol=tolerance
        )


@anything
@quickly
def test_decode_reads_what_encode_wrote(seed: int) -> None:
    truth, view = some_motion(seed), some_view(seed)
    _close(motion.decode(motion.encode(truth, view), view), truth)


@anything
@quickly
def test_a_mirror_s_mirror_is_the_motion(seed: int) -> None:
    truth, view = some_motion(seed), some_view(seed)
    _close(mirror(mirror(truth)), truth, 1e-6)
    twice = mirror_view(mirror_view(view, WIDTH), WIDTH)
    for field in fields(View):
        one, other = getattr(twice, field.name), getattr(view, field.name)
        torch.testing.assert_close(one, other, atol=1e-3, rtol=0)


@anything
@quickly
def test_a_mirrored_vector_is_the_mirrored_motion(seed: int) -> None:
    """Signs and places change, nothing else: the vector has the same numbers."""
    truth, view = some_motion(seed), some_view(seed)
    other = mirror_view(view, WIDTH)
    mirrored = motion.encode(mirror(truth), other)
    _close(motion.decode(mirrored, other), mirror(truth))
    numbers, same = (x.abs().sort(-1).values for x in (motion.encode(truth, view), mirrored))
    torch.testing.assert_close(numbers, same, atol=1e-4, rtol=1e-4)


@anything
@quickly
def test_the_mirrored_body_is_seen_in_the_mirrored_picture(seed: int) -> None:
    truth, view, body = some_motion(seed), some_view(seed), load_body()
    sides = {"left": "right", "right": "left"}
    swapped = [
        LANDMARK_NAMES.index("_".join(sides.get(part, part) for part in name.split("_")))
        for name in LANDMARK_NAMES
    ]
    pixels = []
    for one, seen in ((truth, view), (mirror(truth), mirror_view(view, WIDTH))):
        turned, joints = body.forward_kinematics(
            one.rotmat_cam, one.root_cam, body.rest_joints(one.shape)
        )
        points = body.landmarks(turned, joints, one.shape)
        flat = points[..., :2] / points[..., 2:]
        pixels.append(flat * seen.intrinsics[:, None, :2] + seen.intrinsics[:, None, 2:])
        in_front = points[..., 2] > 0.3
    straight, mirrored = pixels[0], pixels[1][:, swapped]
    expected = torch.stack((WIDTH - straight[..., 0], straight[..., 1]), dim=-1)
    torch.testing.assert_close(
        mirrored[in_front[:, swapped]], expected[in_front[:, swapped]], atol=0.1, rtol=1e-3
    )


@anything
@quickly
def test_another_heading_of_the_world_changes_only_what_is_told_in_it(seed: int) -> None:
    truth, view = some_motion(seed), some_view(seed)
    draw = torch.Generator().manual_seed(seed)
    velocity = torch.randn(4, 3, generator=draw)
    angle = 6 * torch.rand(1, generator=draw) * torch.tensor([0.0, 1.0, 0.0])
    turn = axis_angle_to_rotmat(angle)
    vectors = [
        motion.encode(
            observed_motion(
                truth.rotmat_cam,
                truth.root_cam,
                velocity @ around.T,
                around @ truth.R_c2gv,
                truth.camera_pos @ around.T,
                truth.shape,
                truth.contacts,
            ),
            view,
        )
        for around in (torch.eye(3), turn)
    ]
    told_in_it = ("orient_gv", "camera_rot", "camera_pos")
    for name, where in SLICES.items():
        if name not in told_in_it:
            one, other = vectors[0][:, where], vectors[1][:, where]
            torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
    turned = motion.decode(vectors[1], view)
    torch.testing.assert_close(turned.rotmat_gv, turn @ truth.rotmat_gv, atol=1e-4, rtol=0)


@anything
@quickly
def test_the_root_in_the_world_is_the_camera_s_turn_of_the_root_in_the_camera(seed: int) -> None:
    truth = some_motion(seed)
    velocity = (truth.rotmat_gv @ truth.root_vel[..., None])[..., 0]
    made = observed_motion(
        truth.rotmat_cam,
        truth.root_cam,
        velocity,
        truth.R_c2gv,
        truth.camera_pos,
        truth.shape,
        truth.contacts,
    )
    _close(made, truth, 1e-4)
    nearer = replace(truth, root_cam=truth.root_cam / 2)
    view = some_view(seed)
    code = [motion.encode(one, view)[:, SLICES["root_cam"]] for one in (truth, nearer)]
    half = torch.tensor([0.5, 1, 1]).log() * torch.tensor([1.0, 0, 0])
    torch.testing.assert_close(code[1], code[0] + half, atol=1e-4, rtol=1e-4)

"""Observation: clean is the truth; noise has the measured size; hidden limbs are doubted."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from genmo_rt.data.observe import BOX, CLEAN, NoiseConfig, Observation, observe
from genmo_rt.data.occlusion import hidden_landmarks
from genmo_rt.keypoints import LANDMARK_NAMES
from genmo_rt.rotation import axis_angle_to_rotmat
from tests.genmo_rt.data.tiny_clips import BODY

FOCAL = 1000.0
SIZE = torch.tensor([1280.0, 960.0])
L = {name: index for index, name in enumerate(LANDMARK_NAMES)}


def _person(
    batch: int = 8, length: int = 120, yaw: float = 180.0, depth: float = 4.0
) -> list[Tensor]:
    """Landmarks and joints in the camera, and pixels, of one who stands in a T-pose, turned by
    `yaw` degrees; at 180 the back is turned to where +z points: the camera sees the face."""
    turn = axis_angle_to_rotmat(torch.tensor([0.0, yaw, 0.0]).deg2rad())
    upright = torch.diag(torch.tensor([-1.0, -1.0, 1.0]))  # y up becomes y down
    rotmat = torch.eye(3).repeat(24, 1, 1)
    rotmat[0] = upright @ turn
    shape = torch.zeros(10)
    pelvis = torch.tensor([0.0, 0.0, depth])
    rotations, joints = BODY.forward_kinematics(rotmat, pelvis, BODY.rest_joints(shape))
    landmarks = BODY.landmarks(rotations, joints, shape)
    pixels = landmarks[:, :2] / landmarks[:, 2:] * FOCAL + SIZE / 2
    return [value.expand(batch, 120, -1, -1).clone() for value in (landmarks, joints, pixels)]


def _observe(config: NoiseConfig, seed: int = 0, **person: float) -> tuple[Observation, Tensor]:
    landmarks, joints, pixels = _person(**person)  # type: ignore[arg-type]
    batch = len(pixels)
    random = torch.Generator().manual_seed(seed)
    focal, size = torch.full((batch,), FOCAL), SIZE.expand(batch, 2)
    return observe(landmarks, pixels, joints, focal, size, config, random), pixels


def test_without_noise_the_truth_is_seen() -> None:
    seen, pixels = _observe(CLEAN)
    torch.testing.assert_close(seen.pixels, pixels)
    assert seen.present.all()
    assert (seen.confidence[..., [L["nose"], L["left_hip"]]] > 0.95).all()


def test_the_residual_has_its_size_and_memory() -> None:
    config = replace(CLEAN, jitter=(0.01, 0.01))
    seen, pixels = _observe(config, batch=32)
    box = BOX * FOCAL / 4.0
    residual = (seen.pixels - pixels)[:, :, [L["left_shoulder"], L["right_shoulder"]]] / box
    assert residual.std().item() == pytest.approx(0.01, rel=0.15)
    variance = residual.square().mean()
    after_fifth_of_a_second = (residual[:, 6:] * residual[:, :-6]).mean() / variance
    assert after_fifth_of_a_second.item() == pytest.approx(0.37, abs=0.1)


def test_the_bias_is_constant_within_a_clip() -> None:
    seen, pixels = _observe(replace(CLEAN, bias=(0.01, 0.01)))
    offset = seen.pixels - pixels
    torch.testing.assert_close(offset[:, :1].expand_as(offset), offset, atol=1e-2, rtol=0)
    assert offset.abs().max() > 1


def test_an_arm_behind_the_body_is_hidden_and_doubted() -> None:
    landmarks, joints, _ = _person(yaw=90.0)  # a side view of a T-pose: one arm behind the trunk
    hidden = hidden_landmarks(landmarks, joints)[0, 0]
    far, near = (
        (L["left_wrist"], L["right_wrist"])
        if landmarks[0, 0, L["left_wrist"], 2] > landmarks[0, 0, L["right_wrist"], 2]
        else (L["right_wrist"], L["left_wrist"])
    )
    assert hidden[far] > 0.5
    assert hidden[near] == 0
    seen, _ = _observe(CLEAN, yaw=90.0)
    assert seen.confidence[..., far].mean() < seen.confidence[..., near].mean() - 0.2


def test_a_person_seen_from_the_front_hides_nothing() -> None:
    landmarks, joints, _ = _person()
    assert hidden_landmarks(landmarks, joints).max() < 0.2


def test_what_is_outside_the_picture_is_not_trusted() -> None:
    seen, pixels = _observe(CLEAN, depth=1.6)
    below = pixels[..., 1] > SIZE[1] + 100
    assert below.any()
    assert seen.confidence[below].max() < 0.4


def test_half_rate_masks_every_second_tick() -> None:
    seen, _ = _observe(replace(CLEAN, half_rate=1.0))
    assert seen.present[:, 0::2].all()
    assert not seen.present[:, 1::2].any()
    assert (seen.pixels[:, 1::2] == 0).all()
    assert (seen.confidence[:, 1::2] == 0).all()


def test_a_fifth_of_the_ticks_drops_at_random() -> None:
    seen, _ = _observe(replace(CLEAN, drops=1.0), batch=64)
    assert seen.present.float().mean().item() == pytest.approx(0.8, abs=0.02)


def test_gaps_last_at_most_thirty_ticks_each() -> None:
    seen, _ = _observe(replace(CLEAN, gap=1.0), batch=64)
    missing = (~seen.present).sum(1)
    assert missing.max() <= 60
    assert missing.float().mean() > 5
    assert seen.present[:, 0].all()


def test_lag_shows_where_the_person_was() -> None:
    landmarks, joints, pixels = _person(batch=16)
    pixels = pixels + torch.arange(120.0)[:, None, None] * torch.tensor([3.0, 0.0])
    seen = observe(
        landmarks,
        pixels,
        joints,
        torch.full((16,), FOCAL),
        torch.tensor([[4000.0, 960.0]]).expand(16, 2),
        replace(CLEAN, lag=2.5),
        torch.Generator().manual_seed(0),
    )
    late = (pixels - seen.pixels)[:, 5:, 0, 0] / 3
    assert 0 <= late.min() < late.max() <= 2.5 + 1e-3
    torch.testing.assert_close(late.amin(1), late.amax(1), atol=1e-2, rtol=0)

"""Measures of generated motion: exact on cases that can be worked out by hand."""

import math

import pytest
import torch

from genmo_rt.generation_metrics import (
    Share,
    beat_alignment,
    diversity,
    kinematic_beats,
    motion_features,
    multimodality,
    nearest_labels,
    skating_ratio,
)
from genmo_rt.rotation import axis_angle_to_rotmat
from genmo_rt.smpl import load_body


def _moving(frames: int = 90) -> torch.Tensor:
    """(frames, 24, 3) somebody who walks a curve and bends everything a little."""
    time = torch.arange(frames)[:, None, None] / 30
    random = torch.Generator().manual_seed(0)
    phase = 6.3 * torch.rand(24, 3, generator=random)
    local = axis_angle_to_rotmat(0.3 * torch.sin(4 * time + phase))
    pelvis = torch.cat((time[:, 0], 0 * time[:, 0] + 0.9, 0.3 * time[:, 0] ** 2), dim=-1)
    body = load_body()
    _, joints = body.forward_kinematics(local, pelvis, body.joint_mean)
    return joints


def test_features_do_not_care_where_and_which_way_somebody_moves() -> None:
    joints = _moving()
    turn = axis_angle_to_rotmat(torch.tensor([0.0, 2.1, 0.0]))
    elsewhere = joints @ turn.mT + torch.tensor([3.0, 0.0, -5.0])
    torch.testing.assert_close(
        motion_features(elsewhere), motion_features(joints), atol=2e-3, rtol=2e-3
    )


def test_features_tell_quick_from_slow_and_upright_from_lying() -> None:
    joints = _moving()
    plain = motion_features(joints)
    assert (motion_features(joints[::2].repeat_interleave(2, 0)) - plain).norm() > 1
    lying = joints @ axis_angle_to_rotmat(torch.tensor([1.5, 0.0, 0.0])).mT
    assert (motion_features(lying) - plain).norm() > 1


def test_diversity_is_the_mean_distance_of_pairs_and_never_of_one_with_itself() -> None:
    two = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
    assert diversity(two, 50, torch.Generator().manual_seed(0)) == pytest.approx(5.0)


def test_multimodality_compares_motions_of_one_prompt_only() -> None:
    alike = torch.zeros(2, 3, 4)
    alike[1] = 100.0
    assert multimodality(alike) == 0
    alike[:, 0, 0] += 6.0
    assert multimodality(alike) == pytest.approx(4.0)  # two of three pairs are 6 apart


def test_beats_of_motion_are_where_it_slows_down() -> None:
    time = torch.arange(150.0)
    beat = 2 * math.pi / 30
    place = time - 0.9 * torch.sin(beat * (time - 0.2)) / beat  # slowest at 0, 30, 60 …
    joints = place[:, None, None] * torch.ones(1, 24, 3) / 100
    assert (kinematic_beats(joints) - torch.tensor([30, 60, 90, 120])).abs().max() <= 1


def test_beat_alignment_falls_with_the_distance_in_units_of_three_frames() -> None:
    music = torch.tensor([30, 60])
    assert beat_alignment(torch.tensor([30, 60, 75]), music) == pytest.approx(1)
    assert beat_alignment(torch.tensor([33, 57]), music) == pytest.approx(math.exp(-0.5))
    assert beat_alignment(torch.tensor([], dtype=torch.int64), music) == 0


def test_only_feet_on_the_floor_skate() -> None:
    joints = torch.zeros(31, 24, 3)
    joints[:, 11, 1] = 1.0  # the right foot is in the air
    joints[:, 11, 0] = torch.arange(31) * 0.1
    assert skating_ratio(joints) == 0
    joints[:16, 10, 0] = torch.arange(16) * 0.02  # the left one slides at 0.6 m/s for half the time
    joints[16:, 10, 0] = joints[15, 10, 0]
    assert skating_ratio(joints) == pytest.approx(0.5)


def test_the_nearest_reference_gives_its_label() -> None:
    reference = torch.tensor([[0.0], [10.0]])
    labels = torch.tensor([4, 7])
    assert nearest_labels(torch.tensor([[2.0], [9.0]]), reference, labels).tolist() == [4, 7]


def test_the_interval_of_a_share_is_wilsons() -> None:
    low, high = Share(8, 10).interval()
    assert (low, high) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert Share(0, 20).interval()[0] == pytest.approx(0, abs=1e-12)
    assert math.isnan(Share(0, 0).value)

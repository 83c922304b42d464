"""Scores: what leaves them at zero and what they measure."""

import torch

from genmo_rt.metrics import (
    acceleration_error,
    foot_speed_at_rest,
    jitter,
    mpjpe,
    pa_mpjpe,
    procrustes,
    root_error,
)
from genmo_rt.rotation import axis_angle_to_rotmat


def _joints(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_mpjpe_forgets_where_the_root_is() -> None:
    truth = _joints(5, 24)
    assert mpjpe(truth + 2.0, truth).max() < 1e-9
    assert torch.allclose(mpjpe(truth + 2.0, truth, root=None), torch.tensor(2e3 * 3**0.5).double())


def test_pa_mpjpe_forgets_rotation_scale_and_place() -> None:
    truth = _joints(5, 24)
    rotation = axis_angle_to_rotmat(_joints(5))
    moved = 1.7 * truth @ rotation + _joints(5, 1)
    assert pa_mpjpe(moved, truth).max() < 1e-9


def test_procrustes_does_not_mirror() -> None:
    truth = _joints(24)
    mirrored = truth * torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64)
    assert (procrustes(mirrored, truth) - truth).norm(dim=-1).mean() > 0.1


def test_steady_motion_has_neither_acceleration_nor_jitter() -> None:
    time = torch.arange(9, dtype=torch.float64)[:, None, None] / 30
    walking = _joints(24) + time * 1.5
    assert jitter(walking).max() < 1e-6
    assert acceleration_error(walking, _joints(24).expand(9, 24, 3)).max() < 1e-7
    falling = walking + 0.5 * 9.81 * time**2 * torch.tensor([0.0, -1.0, 0.0], dtype=torch.float64)
    error = acceleration_error(falling, walking)
    torch.testing.assert_close(error, torch.full_like(error, 9.81))


def test_foot_speed_counts_standing_feet_only() -> None:
    joints = torch.zeros(4, 24, 3)
    joints[:, 7, 0] = torch.arange(4) * 0.01  # the left ankle slides by 0.3 m/s
    joints[:, 8, 0] = torch.arange(4) * 1.0  # the right one swings
    contacts = torch.tensor([1.0, 0, 0, 0, 0, 0]).expand(4, 6)
    torch.testing.assert_close(foot_speed_at_rest(joints, contacts), torch.tensor(0.3))


def test_root_error_is_in_millimetres() -> None:
    assert root_error(torch.tensor([0.0, 0.0, 3.0]), torch.tensor([0.0, 0.0, 3.1])) > 99.0

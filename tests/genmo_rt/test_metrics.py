"""Scores: what leaves them at zero and what they measure."""

import torch

from genmo_rt.metrics import (
    acceleration_error,
    fit,
    foot_speed_at_rest,
    jitter,
    mpjpe,
    pa_mpjpe,
    procrustes,
    pve,
    root_error,
    rte,
    w_mpjpe,
    wa_mpjpe,
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


def _walk(frames: int) -> torch.Tensor:
    """(frames, 24, 3) somebody who goes straight on at 1.5 m/s."""
    time = torch.arange(frames, dtype=torch.float64)[:, None, None] / 30
    return _joints(24) + time * torch.tensor([0.0, 0.0, 1.5], dtype=torch.float64)


def test_surface_error_is_that_of_points_about_the_roots() -> None:
    truth = _joints(2, 50)
    estimate = truth + 3.0
    roots = torch.zeros(2, 3, dtype=torch.float64) + 3.0, torch.zeros(2, 3, dtype=torch.float64)
    assert pve(estimate, truth, roots).max() < 1e-9
    estimate[..., 0] += 0.02
    assert torch.allclose(pve(estimate, truth, roots), torch.tensor(20.0).double())


def test_world_errors_forget_place_heading_and_size() -> None:
    truth = _walk(150)
    turn = axis_angle_to_rotmat(torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64))
    moved = 1.1 * truth @ turn.mT + 4.0
    assert w_mpjpe(moved, truth).max() < 1e-6
    assert wa_mpjpe(moved, truth).max() < 1e-6


def test_w_mpjpe_starts_anew_every_hundred_frames_and_grows_with_drift() -> None:
    truth = _walk(150)
    drift = torch.arange(150, dtype=torch.float64)[:, None, None] * torch.tensor([0.001, 0, 0])
    error = w_mpjpe(truth + drift, truth)
    assert error[:2].max() < 1.0
    assert error[100:102].max() < 1.0
    assert error[99] > 90
    # The whole segment shares it out: never more than the drift itself, in the mean far less.
    assert wa_mpjpe(truth + drift, truth).mean() < 0.5 * error.mean()


def test_rte_is_the_error_of_the_path_over_its_length() -> None:
    straight = torch.zeros(4, 3, dtype=torch.float64)
    straight[:, 0] = torch.arange(4.0)
    assert rte(straight + 7.0, straight).max() < 1e-9
    shorter = straight * 0.8  # keeps its size: ends 0.3 m short on both sides of 3 m
    torch.testing.assert_close(
        rte(shorter, straight), torch.tensor([10.0, 10 / 3, 10 / 3, 10.0]).double()
    )


def test_a_rigid_fit_keeps_the_size() -> None:
    truth = _joints(24)
    assert fit(2 * truth, truth, scaled=False).scale.item() == 1.0
    assert abs(fit(2 * truth, truth).scale.item() - 0.5) < 1e-12

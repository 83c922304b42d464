"""Turns at a person's pace: flips are spread, everything else is left alone."""

import numpy as np
import torch

from genmo_rt.generation.turns import FASTEST, unhurried
from genmo_rt.rotation import axis_angle_to_rotmat

FREE = np.zeros(60, bool)


def _facing(radians: np.ndarray) -> np.ndarray:
    """(L,) headings to (L, 3, 3)."""
    axis_angle = torch.from_numpy(radians)[:, None] * torch.tensor([0.0, 1.0, 0.0])
    return np.asarray(axis_angle_to_rotmat(axis_angle.double()))


def _steps(rotmat: np.ndarray) -> np.ndarray:
    """(L − 1,) radians."""
    trace = (rotmat[1:] * rotmat[:-1]).sum((1, 2))
    return np.asarray(np.arccos(np.clip((trace - 1) / 2, -1, 1)))


def test_a_flip_becomes_a_turn_that_starts_and_ends_gently() -> None:
    flips = _facing(np.where(np.arange(60) < 30, 0.0, 3.0))
    turned = unhurried(flips, FREE)
    steps = _steps(turned)
    assert steps.max() <= FASTEST
    (moving,) = np.nonzero(steps > 1e-6)
    assert len(moving) < 20
    assert steps[moving[[0, -1]]].max() < FASTEST / 5
    np.testing.assert_allclose(turned[[0, -1]], flips[[0, -1]])
    np.testing.assert_allclose(
        turned @ turned.transpose(0, 2, 1), np.tile(np.eye(3), (60, 1, 1)), atol=1e-9
    )


def test_flips_one_after_the_other_leave_no_fast_step() -> None:
    heading = np.zeros(60)
    heading[20:24], heading[24:45], heading[45:] = 3.0, 0.2, -2.8
    assert _steps(unhurried(_facing(heading), FREE)).max() <= FASTEST


def test_who_turns_as_people_do_is_left_alone() -> None:
    quick = _facing(0.9 * FASTEST * np.arange(60))
    assert np.array_equal(unhurried(quick, FREE), quick)


def test_fixed_frames_stay() -> None:
    flips = _facing(np.where(np.arange(60) < 30, 0.0, 3.0))
    fixed = FREE.copy()
    fixed[[28, 40]] = True
    turned = unhurried(flips, fixed)
    assert np.array_equal(turned[fixed], flips[fixed])
    assert np.array_equal(turned[:29], flips[:29])
    assert _steps(turned).max() < 2 * FASTEST  # twelve frames are not enough


def test_a_flip_at_the_end_turns_before_it() -> None:
    flips = _facing(np.where(np.arange(60) < 59, 0.0, 3.0))
    assert _steps(unhurried(flips, FREE)).max() <= FASTEST

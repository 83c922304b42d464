"""What generation minimises is zero at the truth, has a gradient, and takes known values."""

from dataclasses import fields, replace

import pytest
import torch
from torch import Tensor

from genmo_rt import motion
from genmo_rt.data.batch import TrainingBatch
from genmo_rt.metrics import FEET
from genmo_rt.motion import SLICES, MotionStats
from genmo_rt.smpl import load_body
from genmo_rt.training.generation_losses import (
    GenerationLosses,
    generation_losses,
    guided_losses,
    in_world,
)
from genmo_rt.training.losses import WEIGHTS, true_motion, true_view
from genmo_rt.training.validation import conditions_of
from tests.genmo_rt.tiny_batch import tiny_batch

STATS = MotionStats(torch.zeros(181), torch.ones(181))
BODY = load_body()


def _clean(batch: TrainingBatch) -> Tensor:
    return motion.encode(true_motion(batch), true_view(batch, conditions_of(batch)))


def _standing(batch: TrainingBatch) -> TrainingBatch:
    """The same, but no foot ever rests: these ones wave about."""
    return replace(batch, contacts=torch.zeros_like(batch.contacts))


def test_losses_vanish_at_the_truth() -> None:
    batch = _standing(tiny_batch())
    clean = _clean(batch)
    losses = generation_losses(clean, clean, batch, STATS, BODY)
    for field in fields(GenerationLosses):
        assert getattr(losses, field.name) < 1e-5, field.name


def test_every_term_has_a_gradient_that_is_finite() -> None:
    batch = tiny_batch()
    clean = _clean(batch)
    x = clean + 0.1 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    x.requires_grad_()
    losses = generation_losses(x, clean, batch, STATS, BODY)
    for field in fields(GenerationLosses):
        (gradient,) = torch.autograd.grad(getattr(losses, field.name), x, retain_graph=True)
        assert gradient.isfinite().all()
        assert gradient.abs().max() > 1e-6, field.name


def test_the_diffusion_loss_is_the_mean_square_of_what_is_off() -> None:
    batch = tiny_batch()
    clean = _clean(batch)
    x = clean.clone()
    x[..., SLICES["root_vel"]] += 2.0  # 3 of 175 + 6 × 0.05 numbers, squared
    losses = generation_losses(x, clean, batch, STATS, BODY)
    assert losses.diffusion.item() == pytest.approx(3 * 4 / (175 + 6 * 0.05), rel=1e-5)


def test_a_root_that_is_too_quick_costs_as_much_as_it_is_too_quick() -> None:
    batch = _standing(tiny_batch())
    clean = _clean(batch)
    x = clean.clone()
    x[..., SLICES["root_vel"]][..., 1] += 0.8  # metres per second, whatever the turn
    losses = generation_losses(x, clean, batch, STATS, BODY)
    assert losses.velocity.item() == pytest.approx(0.05 * 0.8, rel=1e-4)
    assert losses.joints.item() < 1e-5


def test_sliding_costs_where_a_foot_rests_and_nowhere_else() -> None:
    batch = tiny_batch()
    contacts = torch.zeros_like(batch.contacts)
    contacts[:, :, 0] = 1  # the left ankle, all the time
    resting = replace(batch, contacts=contacts)
    clean = _clean(batch)
    _, velocity = in_world(clean, STATS, BODY)
    slides = torch.linalg.vector_norm(velocity[:, :, FEET[0]], dim=-1).mean()
    losses = generation_losses(clean, clean, resting, STATS, BODY)
    assert losses.feet.item() == pytest.approx(0.05 * slides.item(), rel=1e-4)


def test_unknown_joints_and_padding_have_no_loss() -> None:
    batch = _standing(tiny_batch())
    mask, valid = batch.joint_mask.clone(), batch.valid.clone()
    mask[:, 22:] = False  # the hands
    valid[:, 20:] = False
    clean = _clean(batch)
    x = clean.clone()
    x[..., SLICES["pose"]][..., 22 * 6 :] += 1.0
    x[:, 20:] += 1.0
    batch = replace(batch, joint_mask=mask, valid=valid)
    assert generation_losses(x, clean, batch, STATS, BODY).total() < 1e-4


def test_velocities_in_the_world_are_those_of_the_clip() -> None:
    batch = tiny_batch()
    _, velocity = in_world(_clean(batch), STATS, BODY)
    world = batch.joints_cam @ batch.R_c2w.mT[:, None]
    torch.testing.assert_close(velocity, world.diff(dim=1) * 30, atol=2e-3, rtol=0)


def test_the_picture_alone_is_matched_by_the_truth_and_missed_by_a_shift() -> None:
    batch = tiny_batch()
    seen = conditions_of(batch)
    clean = _clean(batch)
    assert guided_losses(clean, batch, seen, STATS, BODY).total() < 1e-4
    aside = clean.clone()
    aside[..., SLICES["root_cam"]][..., 1] += 0.4  # view scales to the right
    missed = guided_losses(aside, batch, seen, STATS, BODY).reprojection
    assert missed.item() == pytest.approx(WEIGHTS["reprojection"] * 0.4, rel=0.02)


def test_landmarks_that_were_not_seen_guide_nothing() -> None:
    batch = tiny_batch()
    seen, clean = conditions_of(batch), _clean(batch)
    wild = batch.pixels.clone()
    wild[:, :, 15] += 300.0
    unsure = batch.confidence.clone()
    unsure[:, :, 15] = 0
    batch = replace(batch, pixels=wild, confidence=unsure)
    assert guided_losses(clean, batch, seen, STATS, BODY).total() < 1e-4

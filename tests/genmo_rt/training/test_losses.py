"""The losses are zero at the truth, grow away from it, and ignore what has no truth."""

from dataclasses import fields, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from genmo_rt import motion
from genmo_rt.conditions import Conditions, from_landmarks
from genmo_rt.data.batch import TrainingBatch
from genmo_rt.motion import SLICES, MotionStats
from genmo_rt.smpl import load_body
from genmo_rt.training.losses import WEIGHTS, Losses, estimation_losses, true_motion, true_view
from tests.genmo_rt.tiny_batch import tiny_batch

STATS = MotionStats(torch.zeros(181), torch.ones(181))
BODY = load_body()
NOW = torch.zeros(2, dtype=torch.int64)


def _told(batch: TrainingBatch) -> Conditions:
    return from_landmarks(batch.pixels, batch.confidence, batch.intrinsics_given, batch.image_size)


def _perfect(batch: TrainingBatch) -> Tensor:
    vector = motion.encode(true_motion(batch), true_view(batch, _told(batch)))
    vector[..., SLICES["contacts"]] *= 5  # surer than a label
    return vector


def _losses(x: Tensor, batch: TrainingBatch, delay: Tensor = NOW) -> Losses:
    return estimation_losses(x, batch, _told(batch), delay, STATS, BODY)


def test_losses_vanish_at_the_truth() -> None:
    batch = tiny_batch()
    losses = _losses(_perfect(batch), batch)
    for field in fields(Losses):
        # float32; the velocity multiplies rounding by 30 per second.
        assert getattr(losses, field.name) < 2e-4, field.name


def test_every_term_has_a_part_of_the_vector_that_raises_it() -> None:
    batch = tiny_batch()
    generator = torch.Generator().manual_seed(0)
    x = 0.9 * _perfect(batch) + 0.3 * torch.randn(2, 24, 181, generator=generator)
    x[..., SLICES["contacts"]] = 0
    x.requires_grad_()
    losses = _losses(x, batch)
    for field in fields(Losses):
        (gradient,) = torch.autograd.grad(getattr(losses, field.name), x, retain_graph=True)
        assert gradient.isfinite().all()
        assert gradient.abs().max() > 1e-6, field.name


def test_a_delayed_row_is_compared_with_the_earlier_frame() -> None:
    batch = tiny_batch()
    perfect = _perfect(batch)
    delay = torch.tensor([0, 4])
    late = perfect.clone()
    late[1, 4:] = perfect[1, :-4]
    late[1, :4] = 7.0  # rows before R describe nothing
    assert _losses(late, batch, delay).total() < 1e-3
    assert _losses(perfect, batch, delay).total() > 1e-2


def test_gradients_are_finite_at_the_truth() -> None:
    batch = tiny_batch()
    x = _perfect(batch).requires_grad_()
    (gradient,) = torch.autograd.grad(_losses(x, batch).total(), x)
    assert gradient.isfinite().all()


def test_masked_joints_have_no_loss() -> None:
    batch = tiny_batch()
    mask = batch.joint_mask.clone()
    mask[:, 22:] = False  # the hands
    batch = replace(batch, joint_mask=mask)
    x = _perfect(batch)
    x[..., SLICES["pose"]][..., 22 * 6 :] += 1.0
    assert _losses(x, batch).total() < 1e-3


def test_frames_before_the_first_sight_and_padding_have_no_loss() -> None:
    batch = tiny_batch()
    confidence, valid = batch.confidence.clone(), batch.valid.clone()
    confidence[:, :5] = 0
    valid[:, 20:] = False
    batch = replace(batch, confidence=confidence, valid=valid)
    x = _perfect(batch)
    x[:, :5] += 1.0
    x[:, 20:] += 1.0
    assert _losses(x, batch).total() < 1e-3


def test_a_velocity_that_is_off_leads_the_root_astray_by_a_second_of_it() -> None:
    batch = tiny_batch(length=40)
    x = _perfect(batch)
    x[..., SLICES["root_vel"]][..., 2] += 0.5
    losses = _losses(x, batch)
    assert losses.trajectory.item() == pytest.approx(WEIGHTS["trajectory"] * 0.5, rel=0.1)
    assert losses.root_vel.item() == pytest.approx(WEIGHTS["root_vel"] * 0.5, rel=1e-3)


def test_a_heavier_shape_moves_the_surface_and_not_the_joints() -> None:
    batch = tiny_batch()
    x = _perfect(batch)
    x[..., SLICES["betas"]][..., 1] += 2.0  # weight: bones unchanged
    losses = _losses(x, batch)
    assert losses.joints < 1e-3
    assert losses.vertices > 4 * losses.joints


def test_the_loss_of_a_batch_is_the_mean_of_its_halves() -> None:
    batch = tiny_batch()
    confidence = batch.confidence.clone()
    confidence[0, :18] = 0  # the first clip has fewer frames that count
    batch = replace(batch, confidence=confidence)
    x = 0.9 * _perfect(batch)
    conditions = _told(batch)

    def of(clips: slice) -> float:
        part = type(batch)(*(_cut(getattr(batch, name), clips) for name in type(batch).__slots__))
        told = _told(part)
        return estimation_losses(x[clips], part, told, NOW[clips], STATS, BODY).total().item()

    whole = estimation_losses(x, batch, conditions, NOW, STATS, BODY).total().item()
    assert whole == pytest.approx((of(slice(0, 1)) + of(slice(1, 2))) / 2, rel=1e-4)


def _cut(value: Any, clips: slice) -> Any:
    if isinstance(value, Tensor):
        return value[clips]
    return type(value)(*(getattr(value, name)[clips] for name in type(value).__slots__))

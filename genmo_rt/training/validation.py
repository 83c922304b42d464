"""Scores a model on held-out clips, quickly: what a training run looks at as it goes."""

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from genmo_rt import motion
from genmo_rt.conditions import Conditions, from_landmarks
from genmo_rt.data.batch import TrainingBatch
from genmo_rt.diffusion import Schedule
from genmo_rt.metrics import acceleration_error, mpjpe, pa_mpjpe, root_error
from genmo_rt.model import Model, Noised
from genmo_rt.motion import MotionStats
from genmo_rt.skeleton import JOINT_NAMES
from genmo_rt.smpl import Body
from genmo_rt.training.generation_losses import in_world
from genmo_rt.training.losses import true_motion, true_view

SCORED = tuple(
    index
    for index, name in enumerate(JOINT_NAMES)
    if name in ("pelvis", "neck", "head")
    or name.endswith(("hip", "knee", "ankle", "shoulder", "elbow", "wrist"))
)
"""Fifteen joints that validation scores; a clip that lacks one of them counts for the root only."""


@dataclass(frozen=True, slots=True)
class Validation:
    """Mean errors over held-out synthetic clips.

    Attributes:
        mpjpe: millimetres, pelvis on pelvis.
        pa_mpjpe: millimetres.
        root: millimetres, pelvis in the camera.
        tilt_degrees: of the gravity direction.
        acceleration: metres per second squared.
    """

    mpjpe: float
    pa_mpjpe: float
    root: float
    tilt_degrees: float
    acceleration: float


@dataclass(frozen=True, slots=True)
class Denoising:
    """How well held-out motions are got back from under noise, with their texts and music.

    Attributes:
        slight, half, deep: mean distance of the joints, pelvis on pelvis, in the world,
            millimetres, at noise levels 250, 500 and 900 of 1000.
    """

    slight: float
    half: float
    deep: float


LEVELS = (250, 500, 900)


@torch.inference_mode()
def validate(
    model: Model,
    stats: MotionStats,
    body: Body,
    batches: list[TrainingBatch],
    delay: int = 0,
    window: tuple[int, int] | None = None,
) -> Validation:
    """Scores the model where the truth is known: all frames from the first sight of the person.

    Args:
        delay: R.
        window: (left, right); the checkpoint's own causal one if None.
    """
    rows = []
    device = stats.mean.device
    for made in batches:
        conditions, batch = conditions_of(made).to(device), made.to(device)
        delays = torch.full((batch.present.shape[0],), delay, device=device)
        x = model(conditions, delays, window)[:, delay:]
        ahead = batch.present.shape[1] - delay
        view = true_view(batch, conditions)
        view = motion.View(**{f.name: getattr(view, f.name)[:, :ahead] for f in fields(view)})
        guess = motion.decode(stats.denormalise(x), view)
        rest = body.rest_joints(guess.shape)
        _, joints = body.forward_kinematics(guess.rotmat_cam, guess.root_cam, rest)
        counts = (batch.valid & conditions.present.cummax(1).values)[:, :ahead]
        real = batch.joint_mask[:, list(SCORED)].all(1)[:, None] & counts
        up_cam = guess.R_c2gv[..., 1, :]
        upright = (up_cam * batch.gravity_cam[:, None]).sum(-1).clamp(-1, 1).acos()
        root = root_error(joints[..., 0, :], batch.joints_cam[:, :ahead, 0])
        joints, truth = joints[..., list(SCORED), :], batch.joints_cam[:, :ahead, list(SCORED)]
        pair = real[:, 2:] & real[:, :-2]
        rows.append(
            torch.stack(
                (
                    mpjpe(joints, truth)[real].mean(),
                    pa_mpjpe(joints[real], truth[real]).mean(),
                    root[counts].mean(),
                    upright[counts].mean().rad2deg(),
                    acceleration_error(joints, truth)[pair].mean(),
                )
            )
        )
    return Validation(*torch.stack(rows).nanmean(0).tolist())


@torch.inference_mode()
def validate_generation(
    model: Model, stats: MotionStats, body: Body, batches: list[TrainingBatch]
) -> Denoising:
    """Takes the noise out of held-out motions: the noise is the same at every look."""
    schedule, device = Schedule(), stats.mean.device
    errors: list[list[Tensor]] = [[] for _ in LEVELS]
    for number, made in enumerate(batches):
        random = torch.Generator().manual_seed(number)
        batch = made.to(device)
        clips, length = batch.present.shape
        view = true_view(batch, conditions_of(batch))
        clean = stats.normalise(motion.encode(true_motion(batch), view))
        noise = torch.randn(clean.shape, generator=random).to(device)
        known = Conditions.blank(clips, length, view=view)
        if batch.music.mask.any():
            known = replace(known, music=batch.music)
        texts = batch.texts if batch.texts.mask.any() else None
        now = torch.zeros(clips, dtype=torch.int64, device=device)
        truth, _ = in_world(clean, stats, body)
        real = batch.joint_mask[:, list(SCORED)].all(1)[:, None] & batch.valid
        for found, at in zip(errors, LEVELS, strict=True):
            level = torch.full((clips,), at, device=device)
            noised = Noised(schedule.add_noise(clean, noise, level), level)
            x = model(known, now, model.centred_window, noised=noised, texts=texts)
            joints, _ = in_world(x, stats, body)
            error = mpjpe(joints[..., list(SCORED), :], truth[..., list(SCORED), :], root=None)
            found.append(error[real])
    return Denoising(*(torch.cat(found).mean().item() for found in errors))


def conditions_of(batch: TrainingBatch) -> Conditions:
    """What the model is told of a batch."""
    return from_landmarks(batch.pixels, batch.confidence, batch.intrinsics_given, batch.image_size)

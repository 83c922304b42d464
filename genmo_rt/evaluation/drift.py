"""Error against frame index: long streams, through the live engine and in one windowed pass.

The live engine remembers the last W frames only; nothing but those and the running shape may tell
the ten-thousandth frame from the hundredth.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genmo_rt import metrics, motion
from genmo_rt.checkpoint import Checkpoint
from genmo_rt.conditions import Conditions, Observed, concatenate, from_landmarks
from genmo_rt.data.augment import PLAIN, draw_motions
from genmo_rt.data.batch import TrainingBatch
from genmo_rt.data.dataset import Dataset
from genmo_rt.data.loader import LoaderConfig, Told, render
from genmo_rt.engine.engine import Engine
from genmo_rt.errors import InputError
from genmo_rt.model import Texts
from genmo_rt.motion import MotionStats, View
from genmo_rt.smpl import Body
from genmo_rt.training.validation import SCORED

CHUNK = 1000  # frames decoded at once


@dataclass(frozen=True, slots=True)
class Drift:
    """Errors of long streams.

    Attributes:
        streamed: (L,) millimetres, pelvis on pelvis, mean over streams: frame by frame.
        windowed: (L,) the same of one pass over everything with the live window.
        apart: millimetres, the largest distance of a joint in the two.
    """

    streamed: NDArray[np.float64]
    windowed: NDArray[np.float64]
    apart: float


@torch.inference_mode()
def score_drift(
    checkpoint: Checkpoint,
    batch: TrainingBatch,
    body: Body,
    each: Callable[[], None] = lambda: None,
) -> Drift:
    """Runs long clips both ways.

    Args:
        batch: S clips, from `long_streams`.
        each: called for every frame of all streams that was run.
    """
    count, length = batch.present.shape
    streams = [_conditions(batch, row) for row in range(count)]
    # float32: what is compared is the two ways of running, not the number of bits.
    engine = Engine(checkpoint.model, slots=count, precision="float32")
    slots = [engine.open() for _ in range(count)]
    rows = []
    for t in range(length):
        frames = [stream.cut(slice(t, t + 1)) for stream in streams]
        rows.append(torch.stack(engine.step_together(slots, frames)))
        each()
    for slot in slots:
        slot.close()
    conditions = concatenate(streams, dim=0)
    windowed = checkpoint.model(conditions, torch.zeros(count, dtype=torch.int64))
    ways = [
        _joints(x, conditions.view, checkpoint.stats, body)
        for x in (torch.cat(rows, dim=1), windowed)
    ]
    truth = batch.joints_cam[:, :, list(SCORED)]
    errors = [metrics.mpjpe(joints, truth).mean(0).double().numpy() for joints in ways]
    apart = torch.linalg.vector_norm(ways[0] - ways[1], dim=-1).max() * 1000
    return Drift(errors[0], errors[1], float(apart))


def long_streams(
    dataset: Dataset, body: Body, frames: int, streams: int = 4, seed: int = 0
) -> TrainingBatch:
    """The longest held-out clips, swinging back and forth before a synthetic camera each.

    Raises:
        InputError: there is no held-out clip with all of the scored joints.
    """
    fit = [
        int(clip)
        for clip in np.flatnonzero(dataset.held_out)
        if dataset.joint_mask[clip, list(SCORED)].all()
    ]
    if not fit:
        raise InputError(
            "no held-out clip has all of the scored joints; expected one with wrists and ankles"
        )
    clips = np.array(sorted(fit, key=lambda clip: -int(dataset.lengths[clip]))[:streams])
    random = torch.Generator().manual_seed(seed)
    motions = draw_motions(dataset, clips, frames, PLAIN, random)
    count = len(clips)
    silent = Told(
        texts=Texts(
            tokens=torch.zeros(count, 1, 1, dataset.texts.tokens.shape[-1]),
            mask=torch.zeros(count, 1, 1, dtype=torch.bool),
            span=torch.zeros(count, 1, 2, dtype=torch.int64),
        ),
        music=Observed(
            value=torch.zeros(count, frames, 1, 35),
            mask=torch.zeros(count, frames, 1, dtype=torch.bool),
        ),
    )
    config = replace(LoaderConfig(), batch_size=count, length=frames, told_intrinsics=1.0)
    return render(motions, silent, body, config, random)


def bins(errors: NDArray[np.float64], count: int = 10) -> list[float]:
    """Mean of each of so many equal parts."""
    return [float(part.mean()) for part in np.array_split(errors, count)]


def _conditions(batch: TrainingBatch, row: int) -> Conditions:
    """(1, L) what the model is told of one of the streams."""
    at = slice(row, row + 1)
    return from_landmarks(
        batch.pixels[at], batch.confidence[at], batch.intrinsics_given[at], batch.image_size[at]
    )


def _joints(x: Tensor, view: View, stats: MotionStats, body: Body) -> Tensor:
    """(S, L, 15, 3) in the camera, the pelvis first."""
    parts = []
    for start in range(0, x.shape[1], CHUNK):
        at = slice(start, start + CHUNK)
        part = View(view.centre[:, at], view.scale[:, at], view.intrinsics[:, at])
        guess = motion.decode(stats.denormalise(x[:, at]), part)
        rest = body.rest_joints(guess.shape)
        _, joints = body.forward_kinematics(guess.rotmat_cam, guess.root_cam, rest)
        parts.append(joints[:, :, list(SCORED)])
    return torch.cat(parts, dim=1)

"""One step's losses: GENMO's two modes and the branch between them (arXiv 2505.01425, section 3.3).

Estimation compares the answer to zeros at the last timestep with the truth behind the picture.
Generation noises the true motion and asks for it back, told texts, music, keyframes and spans of
video. The guided branch has no 3D truth: the model's own estimate from the picture is what is
noised, and the picture's landmarks are what is compared with.
"""

from dataclasses import dataclass, replace
from typing import TypeAlias

import torch

from genmo_rt import motion
from genmo_rt.conditions import Conditions, Observed, from_landmarks
from genmo_rt.data.batch import TrainingBatch
from genmo_rt.diffusion import Schedule
from genmo_rt.model import Model, Noised, Texts
from genmo_rt.motion import MotionStats
from genmo_rt.smpl import Body
from genmo_rt.training.generation_losses import (
    GenerationLosses,
    GuidedLosses,
    generation_losses,
    guided_losses,
)
from genmo_rt.training.losses import Losses, estimation_losses, true_motion, true_view
from genmo_rt.training.plan import Dice, Mode, Told

AnyLosses: TypeAlias = Losses | GenerationLosses | GuidedLosses


@dataclass(frozen=True, slots=True)
class Objective:
    """What a step needs beside the batch and the dice.

    Attributes:
        model: in training mode.
        stats: that normalise the motion.
        body: whose shapes the batches have.
        bfloat16: run the model's matrix products in bfloat16.
        schedule: of the noise.
    """

    model: Model
    stats: MotionStats
    body: Body
    bfloat16: bool
    schedule: Schedule

    def losses(self, batch: TrainingBatch, dice: Dice) -> AnyLosses:
        """The losses of one step.

        Args:
            batch: on the CPU, of dice.clips clips.
            dice: the step's.
        """
        device = self.stats.mean.device
        mode = dice.mode()
        window = dice.window(mode)
        seen = dice.seen(batch.pixels, batch.confidence)
        conditions = from_landmarks(
            seen.pixels, seen.confidence, batch.intrinsics_given, batch.image_size
        ).to(device)
        if mode is Mode.ESTIMATION:
            delay = dice.delay(window).to(device)
            x = self._run(conditions, window, delay=delay)
            return estimation_losses(x, batch.to(device), conditions, delay, self.stats, self.body)
        told = dice.told(batch.present.shape[1]).to(device)
        batch = batch.to(device)
        if mode is Mode.GUIDED:
            with torch.no_grad():
                clean = self._run(conditions, window)
            told = told.without_picture()
        else:
            view = true_view(batch, conditions)
            clean = self.stats.normalise(motion.encode(true_motion(batch), view))
        noised = Noised(self.schedule.add_noise(clean, told.noise, told.level), told.level)
        known, texts = tell(conditions, clean, batch, told), told_texts(batch, told)
        x = self._run(known, window, noised=noised, texts=texts)
        if mode is Mode.GUIDED:
            return guided_losses(x, batch, conditions, self.stats, self.body)
        return generation_losses(x, clean, batch, self.stats, self.body)

    def _run(
        self,
        conditions: Conditions,
        window: tuple[int, int],
        *,
        delay: torch.Tensor | None = None,
        noised: Noised | None = None,
        texts: Texts | None = None,
    ) -> torch.Tensor:
        if delay is None:
            delay = conditions.present.new_zeros(len(conditions.present), dtype=torch.int64)
        with torch.autocast(delay.device.type, torch.bfloat16, enabled=self.bfloat16):
            x = self.model(conditions, delay, window, noised=noised, texts=texts)
        answer: torch.Tensor = x.float()
        return answer


def tell(
    conditions: Conditions, clean: torch.Tensor, batch: TrainingBatch, told: Told
) -> Conditions:
    """What a generation step's model gets: of the picture, the music and the motion itself.

    Args:
        conditions: of the whole picture.
        clean: (B, L, 181) the normalised motion that keyframes are taken from.
        batch: has the music.
        told: how much of each.
    """
    known = Conditions.blank(*told.video.shape, view=conditions.view)
    if told.video.any():
        landmarks, box = conditions.keypoints2d, conditions.bbox
        shown = told.video[..., None]
        known = replace(
            known,
            keypoints2d=Observed(landmarks.value, landmarks.mask & shown),
            bbox=Observed(box.value, box.mask & shown),
            present=conditions.present & told.video,
        )
    heard = batch.music.mask & told.music[:, None, None]
    if heard.any():
        known = replace(known, music=Observed(batch.music.value, heard))
    if told.keyframes.any():
        known = replace(known, keyframe=Observed(clean.detach()[..., None], told.keyframes))
    return known


def told_texts(batch: TrainingBatch, told: Told) -> Texts | None:
    """The texts of the clips that are told theirs; None if no clip is."""
    mask = batch.texts.mask & told.text[:, None, None]
    return replace(batch.texts, mask=mask) if mask.any() else None

"""Generation on what training never heard: held-out texts, new music, keyframes of held-out clips.

Texts are judged by a nearest-neighbour classifier: does a motion asked for by a text that was
never trained on lie nearest to captures of the same action? Music is judged against itself
shuffled: the same motions, the beats of another piece.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from genmo_rt.checkpoint import Checkpoint
from genmo_rt.clock import TICK_HZ
from genmo_rt.conditions import Observed
from genmo_rt.data.augment import PLAIN, Motions, draw_motions
from genmo_rt.data.dataset import Dataset
from genmo_rt.data.texts import embedded
from genmo_rt.evaluation.scores import KeyframeScores, MusicScores, TextScores
from genmo_rt.generation import GUIDANCE, STEPS
from genmo_rt.generation.generator import grounded
from genmo_rt.generation.keyframes import Held, Keyframe
from genmo_rt.generation.prompt import Told, gather
from genmo_rt.generation.sampler import Sampling, sample
from genmo_rt.generation.timeline import Timeline
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
from genmo_rt.model import Texts
from genmo_rt.music import BEAT
from genmo_rt.smpl import Body
from genmo_rt.soles import Soles

PAIRS = 500  # whose distance is the diversity
REFERENCES = 16  # captured windows of each action
Show = Callable[[int, int], None]
"""Told how many prompts are done, and of how many."""


def _quietly(done: int, total: int) -> None:
    """Shows nothing."""


@dataclass(frozen=True, slots=True)
class GenerationConfig:
    """How much is generated.

    Attributes:
        length: frames of each motion.
        texts: at most so many held-out texts of each action.
        variations: motions of each prompt, at least 2.
        steps: of denoising.
        guidance: of texts and music.
        seed: of the noise and of what is drawn.
    """

    length: int = 120
    texts: int = 3
    variations: int = 4
    steps: int = STEPS
    guidance: float = GUIDANCE
    seed: int = 0


class GenerationJudge:
    """Generates with one checkpoint and judges what comes out."""

    def __init__(
        self, checkpoint: Checkpoint, body: Body, dataset: Dataset, config: GenerationConfig
    ) -> None:
        self._model, self._stats = checkpoint.model, checkpoint.stats
        self._body, self._soles = body, Soles.of(body)
        self._dataset, self._config = dataset, config
        self._blank = gather(Timeline(config.length), [], checkpoint.stats)

    def texts(self, show: Show = _quietly) -> TextScores:
        """Generates every chosen held-out text.

        Args:
            show: called after each.
        """
        table = self._dataset.texts
        actions, windows, labels, clips = self._captures()
        captured = motion_features(windows)
        mean, std = captured.mean(0), captured.std(0).clamp_min(1e-3)
        captured = (captured - mean) / std
        chosen = [
            (text, action)
            for action, name in enumerate(actions)
            for text in [
                i
                for i, (label, held) in enumerate(zip(table.labels, table.held_out, strict=True))
                if held and label == name
            ][: self._config.texts]
        ]
        features, slides = [], []
        for number, (text, _) in enumerate(chosen):
            motions = self.told(text, number)
            features.append((motion_features(motions) - mean) / std)
            slides += [skating_ratio(motion, _floor(motion)) for motion in motions]
            show(number + 1, len(chosen))
        asked = torch.tensor([action for _, action in chosen])
        made = torch.stack(features)  # (P, V, F)
        flat = made.flatten(0, 1)
        right = nearest_labels(flat, captured, labels) == asked.repeat_interleave(made.shape[1])
        share = Share(int(right.sum()), len(right))
        low, high = share.interval()
        apart = torch.cdist(captured, captured)
        apart[clips[:, None] == clips] = torch.inf  # not the clip's own other windows
        random = torch.Generator().manual_seed(self._config.seed)
        return TextScores(
            accuracy=share.value,
            low=low,
            high=high,
            chance=1 / len(actions),
            captured_accuracy=float((labels[apart.argmin(1)] == labels).double().mean()),
            diversity=diversity(flat, PAIRS, random),
            captured_diversity=diversity(captured, PAIRS, random),
            multimodality=multimodality(made),
            skating=float(np.mean(slides)),
            captured_skating=float(np.mean([skating_ratio(w, _floor(w)) for w in windows])),
        )

    def told(self, text: int, number: int) -> Tensor:
        """(V, L, 24, 3) joints in the world of what one text leads to.

        Args:
            text: of the dataset.
            number: of the noise.
        """
        tokens, mask = embedded(self._dataset.texts, np.array([[text]]))
        span = torch.tensor([[[0, self._config.length]]])
        return self._generate(replace(self._blank, texts=Texts(tokens, mask, span)), number)

    def music(
        self, pieces: Sequence[Tensor], show: Show = _quietly, *, retime: bool = True
    ) -> MusicScores:
        """Generates to pieces of music.

        Args:
            pieces: (L, 35) features of each, of as many frames as the motions; at least two.
            retime: as Generator does it; False scores what the model itself hears.
        """
        beats = [torch.nonzero(piece[:, BEAT] > 0.5)[:, 0] for piece in pieces]
        matched, crossed = [], []
        for number, piece in enumerate(pieces):
            heard = Observed(piece[None, :, None], torch.ones(1, len(piece), 1, dtype=torch.bool))
            told = replace(self._blank, conditions=replace(self._blank.conditions, music=heard))
            for motion in self._generate(told, 1000 + number, retime=retime):
                moved = kinematic_beats(motion)
                matched.append(beat_alignment(moved, beats[number]))
                others = [b for i, b in enumerate(beats) if i != number]
                crossed.append(float(np.mean([beat_alignment(moved, b) for b in others])))
            show(number + 1, len(pieces))
        gained = np.array(matched) - np.array(crossed)
        return MusicScores(
            alignment=float(np.mean(matched)),
            shuffled=float(np.mean(crossed)),
            spread=float(gained.std(ddof=1) / np.sqrt(len(gained))),
        )

    def keyframes(self, count: int = 4, show: Show = _quietly) -> KeyframeScores:
        """Generates between three keyframes of held-out captures.

        Args:
            count: how many captures.
        """
        chosen = np.flatnonzero(
            self._dataset.held_out & (self._dataset.lengths > self._config.length)
        )
        chosen = chosen[np.linspace(0, len(chosen) - 1, count).astype(int)]
        motions = self._windows(chosen)
        frames = [0, self._config.length // 2, self._config.length - 1]
        errors, jumps = [], []
        for row in range(count):
            asked = [_keyframe(motions, row, frame, self._body) for frame in frames]
            held = Held(asked, self._config.length, self._stats, level_camera=True)
            conditions = replace(self._blank.conditions, keyframe=held.condition())
            for motion in self._generate(Told(conditions, None, held), 2000 + row, keyframes=asked):
                for keyframe in asked:
                    truth = self._joints(motions)[row, keyframe.frame]
                    errors.append(_length(motion[keyframe.frame] - truth).mean())
                jumps.append(_jump(motion, frames))
            show(row + 1, count)
        return KeyframeScores(
            error=float(torch.stack(errors).mean()) * 1000, jump=float(np.mean(jumps))
        )

    def _generate(
        self, told: Told, number: int, keyframes: Sequence[Keyframe] = (), *, retime: bool = True
    ) -> Tensor:
        """(V, L, 24, 3) joints in the world of the variations of one prompt."""
        config = self._config
        seed = config.seed * 10_000 + number
        sampling = Sampling(seed, config.variations, config.steps, config.guidance)
        x = sample(self._model, told, sampling, _quietly)
        clips = [
            grounded(vector, told, self._body, self._soles, keyframes, retime=retime)
            for vector in self._stats.denormalise(x)
        ]
        return torch.stack([torch.from_numpy(clip.joints).float() for clip in clips])

    def _captures(self) -> tuple[list[str], Tensor, Tensor, Tensor]:
        """Actions with held-out texts and enough captures to train on; windows of those captures.

        Returns:
            The actions; (N, L, 24, 3) joints; (N,) numbers of their actions; (N,) of their clips.
        """
        dataset, length = self._dataset, self._config.length
        random = np.random.default_rng(self._config.seed)
        asked = {
            label
            for label, held in zip(dataset.texts.labels, dataset.texts.held_out, strict=True)
            if held
        }
        actions: list[str] = []
        labels: list[int] = []
        picked = []
        for label in sorted(asked - {""}):
            own = np.array([name == label for name in dataset.labels]) & ~dataset.held_out
            clips = np.flatnonzero(own)
            if len(clips) < 2 or dataset.lengths[clips].sum() < REFERENCES * length / 2:
                continue
            mass = dataset.lengths[clips] / dataset.lengths[clips].sum()
            picked.append(clips[random.choice(len(clips), REFERENCES, p=mass)])
            labels += [len(actions)] * REFERENCES
            actions.append(label)
        chosen = np.concatenate(picked)
        joints = self._joints(self._windows(chosen))
        return actions, joints, torch.tensor(labels), torch.from_numpy(chosen)

    def _windows(self, clips: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Motions:
        random = torch.Generator().manual_seed(self._config.seed)
        return draw_motions(self._dataset, clips, self._config.length, PLAIN, random)

    def _joints(self, motions: Motions) -> Tensor:
        rest = self._body.rest_joints(motions.shape)[:, None]
        _, joints = self._body.forward_kinematics(motions.rotmat, motions.pelvis, rest)
        return joints


def _keyframe(motions: Motions, row: int, frame: int, body: Body) -> Keyframe:
    return Keyframe(
        frame=frame,
        rotmat=motions.rotmat[row, frame].double().numpy(),
        pelvis=motions.pelvis[row, frame].double().numpy(),
        joints=np.ones(24, np.bool_),
        shape=motions.shape[row].double().numpy(),
        body=body.name,
    )


def _floor(joints: Tensor) -> float:
    """Height of the balls of the feet when they stand: the lowest twentieth."""
    return float(joints[:, [10, 11], 1].amin(1).quantile(0.05))


def _jump(joints: Tensor, frames: Sequence[int]) -> float:
    """Largest acceleration near some frames over the largest elsewhere."""
    size = _length(joints.diff(n=2, dim=0)).amax(-1) * TICK_HZ**2  # of frames 1 .. L − 2
    at = torch.arange(1, len(joints) - 1)
    near = torch.zeros(len(size), dtype=torch.bool)
    for frame in frames:
        near |= (at - frame).abs() <= 2
    return float(size[near].amax() / size[~near].amax())


def _length(vector: Tensor) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(vector, dim=-1)
    return length

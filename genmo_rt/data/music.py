"""Gives dances a music: synthetic, played to the beats of the motion, as features a frame.

No music with dance is at hand under a licence that lets it be shipped, so it is made from the
dance: its pulse (beats.py) is played by a little band (synth.py) in several styles.
"""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genmo_rt.conditions import Observed
from genmo_rt.data.beats import pulse
from genmo_rt.data.clips import FPS, FloatArray
from genmo_rt.data.synth import Audio, draw_style, play

MUSIC_WIDTH = 35
FLAGS = slice(33, 35)  # peaks and beats: 1 at their frame, 0 else
VARIANTS = 2  # bands that play to each dance
PROVENANCE = "synthetic, rendered to the dance's own beats; no recording was used"
STEADY = (0.4, 2.0)  # frames of the clip per tick; slower, faster or backwards isn't music

Features = Callable[[Audio], FloatArray]
"""Samples at SAMPLE_RATE to (L, 35) at 30 Hz."""


@dataclass(frozen=True, slots=True)
class MusicTable:
    """What plays to the clips that have music.

    Attributes:
        features: (VARIANTS, F, 35) float16 of all those clips end to end, as
            music.music_features gives them.
        first: (C,) int64 row of each clip's first frame, −1 for clips without music.
        provenance: C strings, "" for clips without music.
    """

    features: NDArray[np.float16]
    first: NDArray[np.int64]
    provenance: tuple[str, ...]


def build_music(
    joints: Sequence[FloatArray | None], names: Sequence[str], features: Features | None
) -> MusicTable:
    """Plays music to the dances.

    Args:
        joints: of every clip, (N, J, 3) metres in the world for dances, None for others.
        names: of the clips; the music of one name is always the same.
        features: how samples become features; None leaves music out.
    """
    parts: list[NDArray[np.float16]] = []
    first = np.full(len(joints), -1, np.int64)
    rows = 0
    for clip, (places, name) in enumerate(zip(joints, names, strict=True)):
        if features is None or places is None or len(places) < FPS:
            continue
        beats = pulse(places)
        bands = [
            _fitted(features(render_music(beats, len(places), seed)), len(places))
            for variant in range(VARIANTS)
            for seed in [zlib.crc32(f"{name}/{variant}".encode())]
        ]
        first[clip] = rows
        rows += len(places)
        parts.append(np.stack(bands).astype(np.float16))
    empty = np.zeros((VARIANTS, 0, MUSIC_WIDTH), np.float16)
    return MusicTable(
        features=np.concatenate([empty, *parts], axis=1),
        first=first,
        provenance=tuple(PROVENANCE if row >= 0 else "" for row in first),
    )


def render_music(beats: NDArray[np.int64], frames: int, seed: int) -> Audio:
    """The band in a style of the seed, at SAMPLE_RATE.

    Args:
        beats: frames at 30 fps, at least two.
        frames: of the result.
        seed: of the style.
    """
    return play(beats / FPS, frames / FPS, draw_style(seed))


def _fitted(features: FloatArray, frames: int) -> FloatArray:
    """As many rows as frames: rounding may leave one too few or too many."""
    return np.pad(features[:frames], ((0, max(0, frames - len(features))), (0, 0)), mode="edge")


def draw_music(
    table: MusicTable,
    clips: NDArray[np.int64],
    source: Tensor,
    played: Tensor,
    random: torch.Generator,
) -> Observed:
    """The features of what plays at every tick, re-timed with the motion.

    A peak or beat that a quicker playing would skip stays; where time stands still or runs
    backwards nothing plays.

    Args:
        clips: (B,) which clip each sample is cut out of.
        source: (B, L) the clip's frame at every tick.
        played: (B,) bool, samples with music if their clip has any.
    Returns:
        (B, L, 1, 35) float32 and (B, L, 1) bool.
    """
    batch, length = source.shape
    variant = torch.randint(0, VARIANTS, (batch,), generator=random)
    value = torch.zeros(batch, length, 1, MUSIC_WIDTH)
    mask = torch.zeros(batch, length, 1, dtype=torch.bool)
    step = torch.diff(source, dim=1)
    step = torch.cat((step[:, :1], step), dim=1)
    steady = (step > STEADY[0]) & (step < STEADY[1])
    for row in torch.nonzero(played)[:, 0].tolist():
        first = int(table.first[clips[row]])
        if first < 0:
            continue
        frame = source[row].round().long()
        band = table.features[int(variant[row]), first : first + int(frame.max()) + 1]
        rows = torch.from_numpy(band.astype(np.float32))
        value[row, :, 0] = rows[frame]
        so_far = rows[:, FLAGS].cumsum(0)[frame]  # (L, 2)
        value[row, 1:, 0, FLAGS] = (so_far.diff(dim=0) > 0).float()
        mask[row, :, 0] = steady[row]
    return Observed(value=value * mask[..., None], mask=mask)

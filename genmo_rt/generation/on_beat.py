"""Re-times a generated dance so that its beats fall on the music's.

A motion's beats are the moments at which the body is slowest. Each of them is drawn to a beat of
the music near by, in order, and the time between runs a little faster or slower, smoothly. Nothing
else of the motion changes, and nothing moves that has its own time: pictures, keyframes, borders
of texts and of the music, and what no music plays to.
"""

from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genmo_rt.generation.prompt import Told
from genmo_rt.generation_metrics import kinematic_beats
from genmo_rt.motion import SLICES
from genmo_rt.music import BEAT

Array = NDArray[np.float64]

FURTHEST = 12  # frames that a beat is moved, at most
SLOWEST, FASTEST = 0.7, 1.4  # frames of the motion per frame of the result
WORTH = 14.0  # frames of moving that one more beat on the music is worth


def on_beat(vector: Tensor, joints: Array, told: Told) -> Tensor:
    """Re-times one motion.

    Args:
        vector: (L, 181) in the table's units.
        joints: (L, 24, 3) of it, in the world.
        told: of which the music, the pictures, the keyframes and the borders count.
    Returns:
        (L, 181); the same where no music plays.
    """
    heard = told.conditions.music.mask[0, :, 0].cpu().numpy()
    if not heard.any():
        return vector
    flags = told.conditions.music.value[0, :, 0, BEAT].cpu().numpy()
    music = np.flatnonzero((flags > 0.5) & heard)
    moved = kinematic_beats(torch.from_numpy(joints)).numpy()
    fixed = fixed_frames(told, heard)
    frame, speed = retimed(moved, music, fixed)
    index = np.floor(frame).astype(np.int64).clip(0, len(vector) - 2)
    share = torch.from_numpy(frame - index).to(vector)[:, None]
    before, after = (vector[torch.from_numpy(index + n).to(vector.device)] for n in (0, 1))
    result = torch.lerp(before, after, share)
    result[:, SLICES["root_vel"]] *= torch.from_numpy(speed).to(vector)[:, None]
    return result


def fixed_frames(told: Told, heard: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(L,) frames that keep their time; the first and the last always do."""
    seen: NDArray[np.bool_] = told.conditions.present[0].cpu().numpy()
    fixed: NDArray[np.bool_] = ~heard | seen
    fixed[[0, -1]] = True
    fixed[1:] |= heard[1:] != heard[:-1]
    if told.held is not None:
        fixed |= told.held.mask.any(1).cpu().numpy()
    if told.texts is not None:
        borders = told.texts.span.flatten().cpu().numpy()
        fixed[borders[(borders > 0) & (borders < len(fixed))]] = True
    return fixed


def retimed(
    moved: NDArray[np.int64], music: NDArray[np.int64], fixed: NDArray[np.bool_]
) -> tuple[Array, Array]:
    """When each frame of the result is, in frames of the motion.

    Args:
        moved: frames of the motion's beats, rising.
        music: frames of the music's beats, rising.
        fixed: (L,) frames that keep their time; the first and the last do.
    Returns:
        (L,) rising, and (L,) its slope.
    """
    at = np.flatnonzero(fixed)
    targets, sources, slopes = [float(at[0])], [float(at[0])], [1.0]
    for start, end in pairwise(at):
        inside = _matched(
            moved[(moved > start) & (moved < end)],
            music[(music > start) & (music < end)],
            int(start),
            int(end),
        )
        for source, target in inside:
            sources.append(float(source))
            targets.append(float(target))
            slopes.append(np.nan)
        sources.append(float(end))
        targets.append(float(end))
        slopes.append(1.0)
    return _curve(np.array(targets), np.array(sources), np.array(slopes), len(fixed))


def _matched(
    moved: NDArray[np.int64], music: NDArray[np.int64], start: int, end: int
) -> list[tuple[int, int]]:
    """Pairs of beats, in order, at the least cost: of moving some and of leaving others out."""
    pairs = [(int(m), int(b)) for m in moved for b in music if abs(int(m) - int(b)) <= FURTHEST]
    nodes = [(start, start), *pairs, (end, end)]
    best: list[tuple[float, int]] = [(0.0, -1)]
    for i, (source, target) in enumerate(nodes[1:], 1):
        gain = WORTH - abs(source - target) if i < len(nodes) - 1 else 0.0
        options = [(-np.inf, -1)]
        for j, (source_before, target_before) in enumerate(nodes[:i]):
            apart, result = source - source_before, target - target_before
            if apart > 0 and result > 0 and SLOWEST <= apart / result <= FASTEST:
                options.append((best[j][0] + gain, j))
        best.append(max(options))
    chain: list[tuple[int, int]] = []
    i = best[-1][1]
    while i > 0:
        chain.insert(0, nodes[i])
        i = best[i][1]
    return chain


def _curve(target: Array, source: Array, slope: Array, length: int) -> tuple[Array, Array]:
    """A rising cubic through points (Fritsch and Carlson 1980), and its slope, at every frame.

    Args:
        target, source: where, and the value there.
        slope: there; nan where the harmonic mean of both sides' is taken.
    """
    step = np.diff(target)
    secant = np.diff(source) / step
    inner = np.isnan(slope)
    between = np.zeros_like(slope)
    between[1:-1] = 2 / (1 / secant[:-1] + 1 / secant[1:])
    slope = np.where(inner, between, slope)
    frame = np.arange(length, dtype=np.float64)
    k = np.clip(np.searchsorted(target, frame, side="right") - 1, 0, len(step) - 1)
    h, s = step[k], (frame - target[k]) / step[k]
    rise = source[k + 1] - source[k]
    a, b = slope[k] * h, slope[k + 1] * h
    value = source[k] + a * s + (3 * rise - 2 * a - b) * s**2 + (a + b - 2 * rise) * s**3
    rate = (a + 2 * (3 * rise - 2 * a - b) * s + 3 * (a + b - 2 * rise) * s**2) / h
    return value, rate

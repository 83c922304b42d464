"""Finds the beats of a dance in its motion, and a steady pulse through them.

Kinematic beats are where the body comes nearest to rest: local minima of the joints' mean speed
(Li et al. 2021, AIST++; Siyao et al. 2022, Bailando). The pulse is Ellis' beat tracker (2007) run
on how much of a minimum each frame is, and then laid onto the minima themselves.
"""

import numpy as np
from numpy.typing import NDArray

from genmo_rt.data.clips import FPS, FloatArray

SMOOTHING = 2.0  # frames, standard deviation
SLOWEST, FASTEST = 1.0, 0.45  # seconds a beat: 60 to 133 a minute
USUAL = 0.62  # seconds
TIGHTNESS = 1.0  # what a beat a factor of e off the period costs, against minima worth up to 1
SNAP = 3  # frames that a beat moves to be on a minimum
SHORTEST_GAP = 6  # frames between beats


def kinematic_beats(joints: FloatArray) -> NDArray[np.int64]:
    """Frames at which the body is momentarily slow.

    Args:
        joints: (N, J, 3) metres at 30 fps.
    """
    speed = joint_speed(joints)
    lower = (speed[1:-1] < speed[:-2]) & (speed[1:-1] <= speed[2:])
    return np.flatnonzero(lower) + 1


def joint_speed(joints: FloatArray) -> FloatArray:
    """(N,) mean over the joints, metres per second, smoothed."""
    step = np.linalg.norm(np.gradient(joints, axis=0), axis=-1).mean(1) * FPS
    reach = np.arange(-int(4 * SMOOTHING), int(4 * SMOOTHING) + 1)
    kernel = np.exp(-0.5 * (reach / SMOOTHING) ** 2)
    padded = np.pad(step, len(reach) // 2, mode="edge")
    return np.convolve(padded, kernel / kernel.sum(), mode="valid").astype(np.float32)


def pulse(joints: FloatArray) -> NDArray[np.int64]:
    """Frames of a steady beat through the kinematic ones, first to last.

    Args:
        joints: (N, J, 3) metres at 30 fps.
    """
    length = len(joints)
    minima = kinematic_beats(joints)
    depth = _depth(joint_speed(joints), minima)
    period = _period(depth)
    beats = _track(depth, period)
    snapped = []
    for beat in beats:
        near = minima[np.abs(minima - beat) <= SNAP]
        snapped.append(int(near[np.argmin(np.abs(near - beat))]) if len(near) else int(beat))
    kept = [beat for n, beat in enumerate(snapped) if n == 0 or beat - snapped[n - 1] > 0]
    apart = [kept[0]]
    for beat in kept[1:]:
        if beat - apart[-1] >= SHORTEST_GAP and beat < length:
            apart.append(beat)
    return np.array(apart, np.int64)


def _depth(speed: FloatArray, minima: NDArray[np.int64]) -> FloatArray:
    """(N,) 0..1: how much slower than its surroundings a minimum is, spread over two frames."""
    depth = np.zeros(len(speed), np.float32)
    for frame in minima:
        around = speed[max(0, frame - FPS // 3) : frame + FPS // 3 + 1].max()
        depth[frame] = 1 - speed[frame] / max(float(around), 1e-3)
    return np.convolve(depth, [0.3, 0.7, 1.0, 0.7, 0.3], mode="same").clip(0, 1).astype(np.float32)


def _period(depth: FloatArray) -> float:
    """Frames per beat: where the minima repeat, with a bias to the usual."""
    centred = depth - depth.mean()
    lags = np.arange(round(FASTEST * FPS), min(round(SLOWEST * FPS), len(depth) - 1) + 1)
    if not len(lags):
        return FPS * USUAL
    repeats = np.array([(centred[lag:] * centred[:-lag]).mean() for lag in lags])
    preferred = np.exp(-0.5 * (np.log2(lags / (FPS * USUAL)) / 0.6) ** 2)
    return float(lags[np.argmax((repeats - repeats.min() + 1e-6) * preferred)])


def _track(depth: FloatArray, period: float) -> list[int]:
    """The chain of beats with the best minima at steps close to the period (Ellis 2007)."""
    reach = np.arange(round(period / 2), round(period * 2) + 1)
    cost = -TIGHTNESS * np.log(reach / period) ** 2
    score, before = depth.astype(np.float64).copy(), np.full(len(depth), -1)
    for frame in range(len(depth)):
        earlier = frame - reach
        possible = earlier >= 0
        if possible.any():
            options = score[earlier[possible]] + cost[possible]
            best = int(np.argmax(options))
            if options[best] > 0:
                score[frame] += options[best]
                before[frame] = earlier[possible][best]
    frame = int(np.argmax(score))
    beats = [frame]
    while before[frame] >= 0:
        frame = int(before[frame])
        beats.append(frame)
    beats = beats[::-1]
    step = round(period)
    while beats[0] - step >= 0:
        beats.insert(0, beats[0] - step)
    while beats[-1] + step < len(depth):
        beats.append(beats[-1] + step)
    return beats

"""Landmarks smoothed with what follows them: what a stream whose poses come later can do.

A parabola through the landmarks of the ticks around (Savitzky & Golay 1964, weighted): it has no
lag, and motion of up to constant acceleration goes through it unchanged.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from genmo_rt.keypoints import Keypoints

AROUND_S = 0.1  # ticks this far away count exp(-1/2)
FEWEST = 5  # ticks that a parabola smooths; it goes nearly through fewer
UNSEEN = 1e-3  # weight of a landmark without confidence

Timed = tuple[float, Keypoints]


def smoothed(before: Sequence[Timed], now: Timed, after: Sequence[Timed]) -> Keypoints:
    """The landmarks of one tick as those around it say; as they are where nothing follows.

    Args:
        before: seconds and landmarks of ticks before, all in pictures of one size.
        now: of the tick.
        after: of ticks after.
    """
    t, keypoints = now
    around = [*before, now, *after]
    if not after or len(around) < FEWEST:
        return keypoints
    pixels = np.stack([seen.pixels for _, seen in around]).astype(np.float64)  # (N, 33, 2)
    confidence = np.stack([seen.confidence for _, seen in around]).astype(np.float64)
    u = (np.array([then for then, _ in around]) - t) / AROUND_S
    weight = np.exp(-(u**2) / 2)[:, None] * (confidence**2 + UNSEEN)  # (N, 33)
    at_now = _parabola_at_zero(u, weight)  # (N, 33)
    fitted = (at_now[..., None] * pixels).sum(0).astype(np.float32)
    return replace(keypoints, pixels=fitted)


def _parabola_at_zero(u: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 33) the share each sample has in the value at 0 of the best parabola through all.

    By Cramer's rule on the moments s_k = Σ w u^k: the samples' shares are w (a + b u + c u²).
    """
    s0, s1, s2, s3, s4 = np.stack([u**k for k in range(5)]) @ weight
    a, b, c = s2 * s4 - s3**2, s2 * s3 - s1 * s4, s1 * s3 - s2**2
    scale = s0 * a + s1 * b + s2 * c
    u = u[:, None]
    return np.asarray(weight * (a + b * u + c * u**2) / scale)

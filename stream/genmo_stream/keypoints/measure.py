"""Where a person is in the picture and how big: by the torso, known in any framing."""

import math

import numpy as np
from numpy.typing import NDArray

_TORSO = np.array((11, 12, 23, 24))  # shoulders and hips


def shoulder_centre(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """The (2,) middle of the shoulders, pixels."""
    left, right = pixels[11], pixels[12]
    return np.asarray((left + right) / 2, np.float32)


def torso_size(pixels: NDArray[np.float32]) -> float:
    """Shoulders to hips or shoulder to shoulder, whichever is longer, in pixels, at least 1."""
    left, right, left_hip, right_hip = pixels[_TORSO].tolist()
    across, down = (
        (a + b - c - d) / 2 for a, b, c, d in zip(left, right, left_hip, right_hip, strict=True)
    )
    return max(math.hypot(across, down), math.dist(left, right), 1.0)


def box_size(pixels: NDArray[np.float32]) -> float:
    """The longer edge of the box around (N, 2) landmarks, pixels, at least 1."""
    return max(float((pixels.max(axis=0) - pixels.min(axis=0)).max()), 1.0)

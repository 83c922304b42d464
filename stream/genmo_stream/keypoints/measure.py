"""Where a person is in the picture and how big: by the torso, known in any framing."""

import math

import numpy as np
from numpy.typing import NDArray

from genmo_rt.keypoints import Keypoints

_TORSO = np.array((11, 12, 23, 24))  # shoulders and hips
_TORSO_M = 0.5  # its usual length, metres
_BODY = slice(11, 29)  # shoulders to ankles, hands included
_LEAST_SPREAD = 0.1  # metres squared, of all those: less is nobody's


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


def pixels_per_metre(keypoints: Keypoints) -> float:
    """How big somebody is in the picture, whatever their pose, more than 0.

    The scale of a weak perspective that takes their landmarks in metres to those in pixels; without
    these it is that of a torso of usual length, which a pose can shorten.
    """
    world, pixels = keypoints.world, keypoints.pixels[_BODY]
    if world is not None:
        flat = world[_BODY, :2]
        spread = float(np.square(flat - flat.mean(axis=0)).sum())
        if spread > _LEAST_SPREAD:
            seen = float(np.square(pixels - pixels.mean(axis=0)).sum())
            return math.sqrt(max(seen, 1.0) / spread)
    return torso_size(keypoints.pixels) / _TORSO_M

"""COCO's 17 keypoints among MediaPipe's 33 landmarks, for detectors and weights that know those.

Seventeen of the landmarks are COCO's points; the other sixteen (fingers, heels, toes, more of the
face) are absent when only COCO's were seen: masked, not guessed.
"""

import numpy as np
from numpy.typing import NDArray

from genmo_rt.errors import InputError
from genmo_rt.keypoints import LANDMARK_NAMES, NUM_LANDMARKS, Keypoints

COCO_NAMES = (
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
)
COCO_LANDMARKS = tuple(LANDMARK_NAMES.index(name) for name in COCO_NAMES)
"""For each of COCO's points, its number among MediaPipe's."""


def from_coco(
    pixels: NDArray[np.float32], confidence: NDArray[np.float32], image_size: tuple[int, int]
) -> Keypoints:
    """A person seen by a COCO detector, with what COCO lacks masked.

    Args:
        pixels: (17, 2).
        confidence: (17,) 0..1.
        image_size: (width, height) of the picture, pixels.
    Raises:
        InputError: a shape is wrong or a value isn't finite.
    """
    for name, value, shape in (("pixels", pixels, (17, 2)), ("confidence", confidence, (17,))):
        if value.shape != shape:
            raise InputError(f"{name} has shape {value.shape}; expected {shape}, COCO's keypoints")
    whole = np.zeros((NUM_LANDMARKS, 3), np.float32)
    whole[list(COCO_LANDMARKS)] = np.column_stack((pixels, confidence))
    return Keypoints(whole[:, :2].copy(), whole[:, 2].copy(), None, image_size)

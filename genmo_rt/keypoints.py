"""2D evidence: one person's MediaPipe landmarks in one frame."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from genmo_rt.errors import InputError

NUM_LANDMARKS = 33
LANDMARK_NAMES = (
    "nose",
    "left_eye_inner",
    "left_eye",
    "left_eye_outer",
    "right_eye_inner",
    "right_eye",
    "right_eye_outer",
    "left_ear",
    "right_ear",
    "mouth_left",
    "mouth_right",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_pinky",
    "right_pinky",
    "left_index",
    "right_index",
    "left_thumb",
    "right_thumb",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
    "left_heel",
    "right_heel",
    "left_foot_index",
    "right_foot_index",
)


@dataclass(frozen=True, slots=True)
class Keypoints:
    """The 33 landmarks of one person in one picture.

    Attributes:
        pixels: (33, 2) float32, x right and y down from the picture's top left corner; may lie
            outside the picture.
        confidence: (33,) float32, 0..1 (MediaPipe's visibility).
        world: (33, 3) float32 metres or None: MediaPipe's 3D landmarks, origin mid-hip,
            x right, y down, z away from the camera.
        image_size: (width, height) of the picture, pixels.
    """

    pixels: NDArray[np.float32]
    confidence: NDArray[np.float32]
    world: NDArray[np.float32] | None
    image_size: tuple[int, int]

    def __post_init__(self) -> None:
        """Checks shapes and finiteness once, where the landmarks come in.

        Raises:
            InputError: a shape is wrong or a value isn't finite.
        """
        for name, value, shape in (
            ("pixels", self.pixels, (NUM_LANDMARKS, 2)),
            ("confidence", self.confidence, (NUM_LANDMARKS,)),
            ("world", self.world, (NUM_LANDMARKS, 3)),
        ):
            if value is None:
                continue
            if value.shape != shape:
                raise InputError(f"{name} has shape {value.shape}; expected {shape}")
            if not np.isfinite(value).all():
                raise InputError(f"{name} has a value that is not finite; expected numbers")
        if min(self.image_size) < 1:
            raise InputError(f"image_size is {self.image_size}; expected positive width, height")

    def in_picture(self, size: tuple[int, int]) -> "Keypoints":
        """The landmarks in the same picture, scaled to (width, height) pixels."""
        if self.image_size == size:
            return self
        factor = np.divide(size, self.image_size)
        pixels = (self.pixels * factor).astype(np.float32)
        return replace(self, pixels=pixels, image_size=size)

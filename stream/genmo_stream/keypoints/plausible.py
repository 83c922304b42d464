"""Is it a person? MediaPipe's landmarker also sees people in clutter; its landmarks tell."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genmo_stream.keypoints.landmarker import Landmarks
from genmo_stream.keypoints.measure import box_size, torso_size

SHOULDERS = np.array([11, 12])

MIN_SIZE = 24  # pixels of the longer edge of the box: fewer say nothing about a pose
MIN_INSIDE = 8  # landmarks in the picture: a face alone has eleven
MAX_BOX_PER_TORSO = 8.0  # upright it is 3 to 4; more when bending towards the camera


@dataclass(frozen=True, slots=True)
class Demands:
    """What landmarks must show to be taken for a person.

    Attributes:
        presence: mean presence of the landmarks that lie in the picture.
        shoulders: the weaker shoulder's presence.
        visibility: mean visibility of all landmarks.
    """

    presence: float
    shoulders: float
    visibility: float


FOLLOWED = Demands(presence=0.5, shoulders=0.4, visibility=0.2)
FOUND = Demands(presence=0.75, shoulders=0.7, visibility=0.35)
FOUND_IN_PART = Demands(presence=0.9, shoulders=0.9, visibility=0.78)
"""Small windows show many more things that look like people, and people in them whole."""


def is_person(
    pixels: NDArray[np.float32],
    landmarks: Landmarks,
    image_size: tuple[int, int],
    demands: Demands,
) -> bool:
    """Judges one set of landmarks.

    Args:
        pixels: (33, 2) where they lie in the picture.
        landmarks: what MediaPipe says about each.
        image_size: (width, height), pixels.
        demands: lighter for a person who is being followed already.
    """
    inside = ((pixels >= 0) & (pixels <= image_size)).all(axis=1)
    if inside.sum() < MIN_INSIDE:
        return False
    size = box_size(pixels)
    return bool(
        size >= MIN_SIZE
        and size <= MAX_BOX_PER_TORSO * torso_size(pixels)
        and landmarks.presence[inside].mean() >= demands.presence
        and landmarks.presence[SHOULDERS].min() >= demands.shoulders
        and landmarks.visibility.mean() >= demands.visibility
    )

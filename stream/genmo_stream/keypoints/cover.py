"""Known people painted over, so that a look finds somebody else."""

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from genmo_stream.keypoints.crops import CROP_SIZE, Crop, Window
from genmo_stream.keypoints.measure import torso_size

LIMBS = ((11, 13, 15), (12, 14, 16), (23, 25, 27, 31), (24, 26, 28, 32))
TORSO = (11, 12, 24, 23)
BODY = np.array([*range(11, 17), *range(23, 29)])  # shoulders to ankles
LIMB_WIDTH, HEAD_RADIUS = 0.35, 0.5  # torsos
MASK_SIZE = 96  # cells along the edge of the mask that landmarks are looked up in
MASK_VIEW = 1.4  # edge of what it shows over the figure's box

Pixels = NDArray[np.float32]
Cover = Literal["figure", "around"]
"""What is painted over of somebody: the figure, or the hull around it.

A painted figure still has the form of a person, which the detector sees now and then; the hull
hasn't, but hides who is close by as well.
"""


def paint_over(crop: Crop, pixels: Pixels, cover: Cover) -> None:
    """Hides somebody's (33, 2) landmarks in a crop under the crop's mean colour."""
    points = (pixels - crop.origin) / crop.scale * CROP_SIZE
    _paint(crop.image, points, [float(c) for c in crop.image.mean(axis=(0, 1))], cover)


def covered_share(pixels: Pixels, other: Pixels) -> float:
    """Share of somebody's body landmarks, 0..1, that lie where the other's figure is painted."""
    window = Window.around(other, MASK_VIEW)
    scale, origin = MASK_SIZE / window.side, (window.x, window.y)
    mask = np.zeros((MASK_SIZE, MASK_SIZE), np.uint8)
    _paint(mask, (other - origin) * scale, [1.0], "figure")
    at = np.floor((pixels[BODY] - origin) * scale).astype(int)
    inside = ((at >= 0) & (at < MASK_SIZE)).all(axis=1)
    x, y = at[inside].T
    return float(mask[y, x].sum() / len(BODY))


def _paint(
    canvas: NDArray[np.uint8], points: NDArray[np.floating], colour: list[float], cover: Cover
) -> None:
    size = canvas.shape[0]
    torso = min(torso_size(points.astype(np.float32)), size)
    at = np.clip(np.round(points), -4 * size, 4 * size).astype(np.int32)
    width = max(1, round(torso * LIMB_WIDTH))
    if cover == "around":
        hull = cv2.convexHull(at)
        cv2.fillConvexPoly(canvas, hull, colour)
        cv2.polylines(canvas, [hull], True, colour, 2 * width)
        return
    cv2.fillConvexPoly(canvas, at[list(TORSO)], colour)
    cv2.polylines(canvas, [at[list(TORSO)]], True, colour, width)
    for limb in LIMBS:
        cv2.polylines(canvas, [at[list(limb)]], False, colour, width)
    head = (int(at[0, 0]), int(at[0, 1]))
    cv2.circle(canvas, head, round(torso * HEAD_RADIUS), colour, -1)

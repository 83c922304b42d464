"""Staged scenes: a woman cut out of demo.mp4 walks past a mirrored, re-dyed twin of hers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from genmo_stream.video import read_video
from tests.genmo_stream.test_keypoints_mediapipe import DEMO

Image = NDArray[np.uint8]

FIRST, LAST = 56, 158  # frames in which she walks from the tree on the right to the left
TOP = 262  # rows above, with a man on a roof, are left out
BACKDROP_EVERY = 4  # frames that the backdrop is the median of
OTHER_THAN_BACKDROP = 22  # of 255, in any channel: that is she


@dataclass(frozen=True)
class Layer:
    """Somebody cut out of one frame.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        mask: (H, W) bool, where they are.
    """

    image: Image
    mask: NDArray[np.bool_]

    def mirrored(self, dye: Sequence[int] = (0, 1, 2)) -> "Layer":
        """Their mirror image, the colour channels in another order."""
        return Layer(self.image[:, ::-1][..., list(dye)], self.mask[:, ::-1])


@dataclass(frozen=True)
class Stage:
    """An empty garden, and a woman who walks through it from right to left.

    Attributes:
        backdrop: (H, W, 3) uint8 RGB, nobody in it.
        woman: one layer per frame, 30 a second.
    """

    backdrop: Image
    woman: tuple[Layer, ...]

    def show(self, *layers: Layer) -> Image:
        """The garden with these in it, from back to front."""
        picture = self.backdrop.copy()
        for layer in layers:
            picture[layer.mask] = layer.image[layer.mask]
        return picture

    def crossing(
        self, *, dye: Sequence[int] = (2, 0, 1), front: Literal["woman", "twin"] = "twin"
    ) -> Iterator[Image]:
        """She walks left, the twin right; they meet in the middle, one hiding the other."""
        for layer in self.woman:
            twin = layer.mirrored(dye)
            yield self.show(*((layer, twin) if front == "twin" else (twin, layer)))


def build() -> Stage:
    """Cuts her out by what differs from the median of all frames."""
    frames = [frame.image[TOP:] for frame in read_video(DEMO)]
    backdrop = np.median(frames[::BACKDROP_EVERY], axis=0).astype(np.uint8)
    return Stage(backdrop, tuple(_cut_out(f, backdrop) for f in frames[FIRST:LAST]))


def _cut_out(frame: Image, backdrop: Image) -> Layer:
    """The largest thing that isn't the backdrop."""
    other = cv2.absdiff(frame, backdrop).max(axis=2) > OTHER_THAN_BACKDROP
    closed = cv2.morphologyEx(other.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(closed)
    largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    mask = cv2.dilate((labels == largest).astype(np.uint8), np.ones((3, 3), np.uint8))
    return Layer(np.ascontiguousarray(frame), mask.astype(bool))

"""Where in a picture something changed: a coarse memory of the scene, cheap enough to ask often."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from genmo_stream.keypoints.cover import Pixels
from genmo_stream.keypoints.crops import Window, whole

CELLS = 96  # along the longer edge
OTHER = 12.0  # of 255: a cell this far from what is remembered has changed
MIN_CELLS = 10  # of a place that counts: the smallest people who are found cover twice as many
AROUND = 0.15  # of the box, on every side: what a known person may cover beyond their landmarks
VIEW = 1.8  # edge of the window to look through over the changed place's
ADAPT = 0.1  # of the way that unchanged cells go to what is seen: light and exposure wander
SPECK, REACH = np.ones((2, 2), np.uint8), np.ones((5, 5), np.uint8)  # left out, joined; cells

Cells = NDArray[np.float32]


class Scene:
    """What a stream's picture looks like where nobody is known to be."""

    def __init__(self) -> None:
        self._remembered: Cells | None = None
        self._now: Cells | None = None
        self._cell = 1.0  # edge of a cell, pixels

    def changes(self, image: NDArray[np.uint8], people: Sequence[Pixels]) -> list[Window]:
        """Windows onto what changed since it was looked at, largest change first.

        Args:
            image: (H, W, 3) uint8 RGB; nothing has changed in the first one of its size.
            people: (33, 2) landmarks of those who are known: changes there are theirs.
        """
        height, width = image.shape[:2]
        self._cell = max(width, height) / CELLS
        now = _shrunk(image)
        before, self._now = self._remembered, now
        if before is None or before.shape != now.shape:
            self._remembered = now
            return []
        step = now - before
        changed = np.abs(step - np.median(step)) > OTHER
        before += ADAPT * step * ~changed
        for person in people:
            changed[self._slices(_box(person))] = False
        windows = self._windows(changed)
        biggest = whole(width, height)
        return [w if w.side < biggest.side else biggest for w in windows]

    def remember(self, window: Window) -> None:
        """What the newest picture shows there was looked at: that is how it looks now."""
        if self._remembered is not None and self._now is not None:
            low = (window.x, window.y)
            there = self._slices((low, (low[0] + window.side, low[1] + window.side)))
            self._remembered[there] = self._now[there]

    def _windows(self, changed: NDArray[np.bool_]) -> list[Window]:
        mask = cv2.dilate(cv2.morphologyEx(changed.view(np.uint8), cv2.MORPH_OPEN, SPECK), REACH)
        _, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
        cells = np.bincount(labels[changed], minlength=len(stats))
        places = [k for k in np.argsort(-cells) if k and cells[k] >= MIN_CELLS]
        return [self._window(*(int(n) for n in stats[k, :4])) for k in places]

    def _window(self, x: int, y: int, width: int, height: int) -> Window:
        """The window onto a box of cells."""
        centre = ((x + width / 2) * self._cell, (y + height / 2) * self._cell)
        return Window.centred(*centre, VIEW * max(width, height) * self._cell)

    def _slices(self, box: tuple[tuple[float, float], tuple[float, float]]) -> tuple[slice, slice]:
        (x0, y0), (x1, y1) = box
        rows = slice(max(0, int(y0 / self._cell)), max(0, int(y1 / self._cell) + 1))
        return rows, slice(max(0, int(x0 / self._cell)), max(0, int(x1 / self._cell) + 1))


def _shrunk(image: NDArray[np.uint8]) -> Cells:
    """The picture's green in cells; pixels are skipped first, which costs next to nothing."""
    height, width = image.shape[:2]
    skip = max(1, max(width, height) // (4 * CELLS))
    green = np.ascontiguousarray(image[::skip, ::skip, 1])
    scale = CELLS / max(width, height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(green, size, interpolation=cv2.INTER_AREA).astype(np.float32)


def _box(pixels: Pixels) -> tuple[tuple[float, float], tuple[float, float]]:
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    margin = AROUND * float((high - low).max())
    return (
        (float(low[0]) - margin, float(low[1]) - margin),
        (float(high[0]) + margin, float(high[1]) + margin),
    )

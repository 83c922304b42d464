"""Square windows of a picture: cut out, scaled to the size the landmarker likes, mapped back."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

CROP_SIZE = 560  # pixels; the person fills about the 256 that the landmark model looks at
SEARCH_STEP = 1.6  # each level of the search looks through windows this much smaller
SEARCH_LEVELS = 3  # the smallest window is 1/4 of the picture, finding people of 1/12 of it


@dataclass(frozen=True, slots=True)
class Window:
    """A square of the picture, in pixels; it may reach beyond the picture.

    Attributes:
        x: left edge.
        y: top edge.
        side: length of an edge.
    """

    x: float
    y: float
    side: float

    @classmethod
    def centred(cls, x: float, y: float, side: float) -> "Window":
        return cls(x - side / 2, y - side / 2, side)

    @classmethod
    def around(cls, points: NDArray[np.float32], factor: float) -> "Window":
        """The square around (N, 2) points' bounding box, `factor` times its longer edge."""
        low, high = points.min(axis=0), points.max(axis=0)
        x, y = (low + high) / 2
        return cls.centred(float(x), float(y), factor * max(float((high - low).max()), 1.0))

    @property
    def centre(self) -> tuple[float, float]:
        return self.x + self.side / 2, self.y + self.side / 2

    def scaled(self, factor: float) -> "Window":
        """The window about the same centre with `factor` times the edge."""
        return Window.centred(*self.centre, self.side * factor)

    def rescaled(self, factor: float) -> "Window":
        """The same window in a picture with `factor` times the resolution."""
        return Window(self.x * factor, self.y * factor, self.side * factor)

    def toward(self, target: "Window", share: float) -> "Window":
        """Moves a share (0..1) of the way to the target, the edge on a logarithmic scale."""
        (x, y), (tx, ty) = self.centre, target.centre
        side = self.side * (target.side / self.side) ** share
        return Window.centred(x + share * (tx - x), y + share * (ty - y), side)


@dataclass(frozen=True, slots=True)
class Crop:
    """A window's pixels at CROP_SIZE, black beyond the picture, and the way back.

    Attributes:
        image: (CROP_SIZE, CROP_SIZE, 3) uint8 RGB.
        scale: (2,) picture pixels per crop edge, x and y (they differ by rounding only).
        origin: (2,) the crop's top left corner in the picture, pixels.
    """

    image: NDArray[np.uint8]
    scale: NDArray[np.float64]
    origin: NDArray[np.float64]

    def to_picture(self, points: NDArray[np.float64]) -> NDArray[np.float32]:
        """Maps (N, 2) points in units of the crop's edge to picture pixels."""
        return (points * self.scale + self.origin).astype(np.float32)


def cut(image: NDArray[np.uint8], window: Window) -> Crop:
    """Cuts a window out of an (H, W, 3) picture and scales it to CROP_SIZE.

    The part inside the picture is resized to whole crop pixels; `Crop` keeps the exact mapping.
    """
    canvas = np.zeros((CROP_SIZE, CROP_SIZE, 3), np.uint8)
    start = np.array([window.x, window.y])
    bounds = np.array(image.shape[1::-1])
    first = np.floor(np.clip(start, 0, bounds)).astype(int)  # inside the picture
    last = np.ceil(np.clip(start + window.side, 0, bounds)).astype(int)
    if (last <= first).any():  # the window lies beside the picture
        return Crop(canvas, np.full(2, window.side), start)
    zoom = CROP_SIZE / window.side
    # Averaging whole pixels first keeps big pictures from aliasing; cv2 does it 20 times faster
    # by a whole factor than by any other.
    factor = max(1, min(int(1 / zoom), int((last - first).min())))
    size = (last - first) // factor
    last = first + size * factor
    inside = image[first[1] : last[1], first[0] : last[0]]
    averaged = cv2.resize(inside, _wh(size), interpolation=cv2.INTER_AREA) if factor > 1 else inside
    low = np.clip(np.round((first - start) * zoom), 0, CROP_SIZE - 1).astype(int)
    high = np.clip(np.round((last - start) * zoom), low + 1, CROP_SIZE).astype(int)
    canvas[low[1] : high[1], low[0] : high[0]] = cv2.resize(averaged, _wh(high - low))
    pixel = (last - first) / (high - low)  # picture pixels per crop pixel
    return Crop(canvas, pixel * CROP_SIZE, first - low * pixel)


def _wh(size: NDArray[np.int_]) -> tuple[int, int]:
    return int(size[0]), int(size[1])


def whole(width: int, height: int) -> Window:
    """The smallest square that holds the whole picture."""
    return Window.centred(width / 2, height / 2, max(width, height))


def search_windows(width: int, height: int) -> tuple[Window, ...]:
    """Windows that together show any person at a size the detector finds, big ones first.

    The detector wants a person of about 0.3 to 1 of the window. Neighbours overlap by half.
    """
    windows: list[Window] = []
    for level in range(1, SEARCH_LEVELS + 1):
        side = max(width, height) / SEARCH_STEP**level
        for y in _starts(height, side):
            windows.extend(Window(x, y, side) for x in _starts(width, side))
    return tuple(windows)


def _starts(length: int, side: float) -> list[float]:
    """Where windows begin along one edge: half overlapping, the edge covered from end to end."""
    if side >= length:
        return [(length - side) / 2]
    count = math.ceil((length - side) / (side / 2)) + 1
    return [float(x) for x in np.linspace(0, length - side, count)]

"""One landmarker on one person: looks through windows, follows crop by crop until they're lost."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genmo_rt.keypoints import Keypoints
from genmo_stream.keypoints.continuity import Continuity
from genmo_stream.keypoints.cover import Cover, Pixels, paint_over
from genmo_stream.keypoints.crops import Window, cut
from genmo_stream.keypoints.landmarker import Landmarker, Landmarks
from genmo_stream.keypoints.measure import torso_size
from genmo_stream.keypoints.plausible import FOLLOWED, FOUND, Demands, is_person

CROP_FACTOR = 2.2  # edge of the followed window over the person's box
CROP_SHARE = 0.35  # of the way that the window goes to the person's box, per look
WIDER = 1.6  # the window around a lost person's last place


@dataclass(frozen=True, slots=True)
class Glimpse:
    """A person as seen through one window.

    Attributes:
        window: what was looked through.
        pixels: (33, 2) landmarks in the picture.
        landmarks: as the landmarker gave them.
    """

    window: Window
    pixels: Pixels
    landmarks: Landmarks

    def next_window(self) -> Window:
        """Where to look in the next frame: towards a window that fits the person's box.

        Going part of the way keeps the person near where MediaPipe's tracking expects them.
        """
        return self.window.toward(Window.around(self.pixels, CROP_FACTOR), CROP_SHARE)


class Follower:
    """Looks for a person and holds on to them; not thread-safe.

    Attributes:
        window: where the person is followed, None while nobody is.
    """

    def __init__(self, landmarker: Landmarker) -> None:
        self.window: Window | None = None
        self._landmarker = landmarker
        self._continuity = Continuity()
        self._stale = False  # the landmarker follows what isn't wanted
        self._points: NDArray[np.float64] | None = None  # what it follows, in crop edges

    @property
    def is_stale(self) -> bool:
        """Whether the next look will first have to let go of something, which costs a run."""
        return self._stale

    def look(
        self,
        image: NDArray[np.uint8],
        window: Window,
        demands: Demands,
        others: Sequence[Pixels] = (),
        cover: Cover = "figure",
    ) -> Glimpse | None:
        """Looks for a person through a window; `others`' landmarks are painted over."""
        self.refresh()
        crop = cut(image, window)
        for pixels in others:
            paint_over(crop, pixels, cover)
        landmarks = self._landmarker.look(crop.image)
        if landmarks is None:
            self._points = None
            return None
        self._points = landmarks.points
        pixels = crop.to_picture(landmarks.points)
        height, width = image.shape[:2]
        if not is_person(pixels, landmarks, (width, height), demands):
            self._stale = True
            return None
        return Glimpse(window, pixels, landmarks)

    def follow(self, image: NDArray[np.uint8], others: Sequence[Pixels] = ()) -> Glimpse | None:
        """Looks where the person was; if they're gone, the detector looks there and around."""
        if self.window is None:
            return None
        return (
            self.look(image, self.window, FOLLOWED, others)
            or self.look(image, self.window, FOUND, others)
            or self.look(image, self.window.scaled(WIDER), FOUND, others)
        )

    def steer(self, pixels: Pixels) -> None:
        """The next look goes on from these landmarks, whatever body the last one slid onto.

        MediaPipe looks where, in its crop, the last landmarks were: the window is put so that
        the wanted ones lie there.
        """
        if self._points is None:
            self.window = Window.around(pixels, WIDER)
            return
        side = torso_size(pixels) / _torso(self._points)
        x, y = pixels[[23, 24]].mean(axis=0) - self._points[[23, 24]].mean(axis=0) * side
        self.window = Window(float(x), float(y), float(side))

    def refresh(self) -> None:
        """Lets go of what the landmarker holds on to without need."""
        if self._stale:
            self._landmarker.forget()
            self._stale, self._points = False, None

    def keep(self, seen: Glimpse, t_us: int, image_size: tuple[int, int]) -> Keypoints:
        """Goes on from a glimpse; its landmarks, joined to those before."""
        self.window = seen.next_window()
        steady = self._continuity.join(seen.pixels, seen.landmarks, t_us)
        return Keypoints(
            pixels=steady.pixels,
            confidence=steady.confidence,
            world=steady.world,
            image_size=image_size,
        )

    def rescale(self, factor: float) -> None:
        """The picture has `factor` times the resolution from now on."""
        if self.window is not None:
            self.window = self.window.rescaled(factor)
        self._continuity = Continuity()

    def forget(self) -> None:
        """Lets go: the next look runs the detector, and nobody's past is joined to."""
        self._stale = self._points is not None
        self.window = None
        self._continuity = Continuity()

    def close(self) -> None:
        self._landmarker.close()


def _torso(points: NDArray[np.float64]) -> float:
    """Shoulders to hips or shoulder to shoulder, in crop edges."""
    length = np.linalg.norm(points[[11, 12]].mean(axis=0) - points[[23, 24]].mean(axis=0))
    return max(float(length), float(np.linalg.norm(points[11] - points[12])), 1e-3)

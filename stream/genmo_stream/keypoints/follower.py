"""One landmarker on one person: looks through windows, follows crop by crop until they're lost."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from genmo_rt.keypoints import Keypoints
from genmo_stream.keypoints.continuity import Continuity
from genmo_stream.keypoints.crops import CROP_SIZE, Crop, Window, cut
from genmo_stream.keypoints.landmarker import Landmarker, Landmarks
from genmo_stream.keypoints.measure import torso_size
from genmo_stream.keypoints.plausible import FOLLOWED, FOUND, Demands, is_person

CROP_FACTOR = 2.2  # edge of the followed window over the person's box
CROP_SHARE = 0.35  # of the way that the window goes to the person's box, per look
WIDER = 1.6  # the window around a lost person's last place

LIMBS = ((11, 13, 15), (12, 14, 16), (23, 25, 27, 31), (24, 26, 28, 32))
TORSO = (11, 12, 24, 23)
LIMB_WIDTH, HEAD_RADIUS = 0.35, 0.5  # torsos, of a figure painted over

Pixels = NDArray[np.float32]


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

    def look(
        self,
        image: NDArray[np.uint8],
        window: Window,
        demands: Demands,
        others: Sequence[Pixels] = (),
    ) -> Glimpse | None:
        """Looks for a person through a window; `others`' landmarks are painted over."""
        crop = cut(image, window)
        for pixels in others:
            _paint_over(crop, pixels)
        landmarks = self._landmarker.look(crop.image)
        if landmarks is None:
            return None
        pixels = crop.to_picture(landmarks.points)
        height, width = image.shape[:2]
        if not is_person(pixels, landmarks, (width, height), demands):
            self._landmarker.forget()
            return None
        return Glimpse(window, pixels, landmarks)

    def follow(self, image: NDArray[np.uint8]) -> Glimpse | None:
        """Looks where the person was; if they're gone, the detector looks there and around."""
        if self.window is None:
            return None
        return (
            self.look(image, self.window, FOLLOWED)
            or self.look(image, self.window, FOUND)
            or self.look(image, self.window.scaled(WIDER), FOUND)
        )

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
        self._landmarker.forget()
        self.window = None
        self._continuity = Continuity()

    def close(self) -> None:
        self._landmarker.close()


def _paint_over(crop: Crop, pixels: Pixels) -> None:
    """Hides a figure in a crop under the crop's mean colour: head, torso and limbs."""
    points = (pixels - crop.origin) / crop.scale * CROP_SIZE
    torso = torso_size(points.astype(np.float32))
    at = np.clip(np.round(points), -4 * CROP_SIZE, 4 * CROP_SIZE).astype(np.int32)
    colour = [float(c) for c in crop.image.mean(axis=(0, 1))]
    width = max(1, round(min(torso, CROP_SIZE) * LIMB_WIDTH))
    cv2.fillConvexPoly(crop.image, at[list(TORSO)], colour)
    cv2.polylines(crop.image, [at[list(TORSO)]], True, colour, width)
    for limb in LIMBS:
        cv2.polylines(crop.image, [at[list(limb)]], False, colour, width)
    head = (int(at[0, 0]), int(at[0, 1]))
    cv2.circle(crop.image, head, round(min(torso, CROP_SIZE) * HEAD_RADIUS), colour, -1)

"""How a camera turned, by corners of the background that are followed in a small grey picture.

Corners are compared with a *reference* picture, not with the one before: errors don't add up, and a
camera that stands still stays exactly where it is. The reference is renewed when too many corners
are lost or the camera has turned far. Optical flow is OpenCV's (pyramidal Lucas-Kanade).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from genmo_rt.camera_motion import rotation, rotation_vector, turn_between

SIDE = 320  # about the longer edge of the small picture, pixels
CORNERS = 80
MIN_CORNERS = 16
QUALITY, SPACING = 0.01, 12.0
FLOW_WINDOW, FLOW_LEVELS = (15, 15), 3
NOISE_PX = 0.5  # of a corner that is followed
PATCH_ERROR = 25.0  # grey levels between corners that are the same, at most
STILL_PX = 0.4  # corners that moved less stay ...
STILL_SHARE = 0.4  # ... and if so many do, the camera stands, whatever else moves
SETTLED = 30  # pictures within STILL_PX after which a moving camera stands again
REST_EVERY = 3  # of the pictures of a camera that stands are looked at
FRESH_SHARE = 0.5  # of a reference's corners; with fewer it is renewed
FRESH_TURN = np.radians(8.0)
BODY_MARGIN = 0.25  # of a person's box, on each side
CUT_LIKENESS = 0.5  # correlation of two thumbnails; below it they show different things
THUMB = (40, 30)
THUMB_MARGIN = 6

Array = NDArray[np.float64]
Boxes = Sequence[NDArray[np.floating]]


@dataclass(frozen=True, slots=True, eq=False)
class Turned:
    """What the background says of one picture.

    Attributes:
        R_now2first: (3, 3) rotation of the camera now to the first one of this shot.
        sure: share of the corners that agree, 0..1; 0 where nothing could be followed.
        moving: whether the camera moves; until it does, R_now2first is the same bits.
        cut: this picture has nothing to do with the one before.
    """

    R_now2first: Array
    sure: float
    moving: bool
    cut: bool = False


@dataclass(slots=True, eq=False)
class _Reference:
    """A picture whose corners are followed.

    Attributes:
        grey: the small picture.
        corners: (N, 1, 2) float32 in it.
        rays: (N, 3) to them.
        now: (N, 1, 2) where they were seen last.
        R_first: (3, 3) rotation of its camera to the first one.
    """

    grey: NDArray[np.uint8]
    corners: NDArray[np.float32]
    rays: Array
    now: NDArray[np.float32]
    R_first: Array


class Background:
    """Follows the background of one camera's pictures; blocking, about a millisecond each."""

    def __init__(self, focal_sides: float = 1.0) -> None:
        """Starts with the next picture.

        Args:
            focal_sides: focal length over the picture's longer side.
        """
        self._focal_sides = focal_sides
        self._size = (0, 0)
        self._restart()

    def look(self, image: NDArray[np.uint8], people: Boxes) -> Turned:
        """Takes the next picture.

        Args:
            image: (H, W, 3) uint8 RGB.
            people: (N, 2) landmarks of each person in it, pixels.
        """
        factor = max(1, round(max(image.shape[:2]) / SIDE))
        if image.shape[1::-1] != self._size:
            self._size = (image.shape[1], image.shape[0])
            self._restart()
        self._pictures += 1
        reference = self._reference
        rests = self._sure > 0 and not self._moving
        if reference is not None and rests and self._pictures % REST_EVERY:
            return self._said(self._sure)
        grey = _small_grey(image, factor)
        boxes = [_box(landmarks / factor) for landmarks in people]
        if reference is None:
            self._renew(grey, boxes)
            self._thumb = _thumb(grey)
            return self._said(0.0)
        turned = self._follow(reference, grey, boxes)
        thumb, before = _thumb(grey), self._thumb
        self._thumb = thumb
        if turned is None and _likeness(before, thumb) < CUT_LIKENESS:
            self._restart()
            self._renew(grey, boxes)
            self._thumb = thumb
            return Turned(self._R_held, 0.0, moving=False, cut=True)
        if turned is None:
            self._renew(grey, boxes)
        return self._said(self._sure)

    def _restart(self) -> None:
        self._reference: _Reference | None = None
        self._R_now = self._R_held = np.eye(3)
        self._moving = False
        self._near = 0  # pictures since which the camera hardly moved
        self._sure = 0.0
        self._pictures = 0
        self._thumb = np.zeros(THUMB[::-1], np.uint8)

    def _said(self, sure: float) -> Turned:
        return Turned(self._R_now if self._moving else self._R_held, sure, self._moving)

    def _follow(
        self, reference: _Reference, grey: NDArray[np.uint8], boxes: list[Array]
    ) -> Array | None:
        """The turn since the first picture; None where the background is lost."""
        flow, found, error = cv2.calcOpticalFlowPyrLK(
            reference.grey,
            grey,
            reference.corners,
            reference.now.copy(),
            winSize=FLOW_WINDOW,
            maxLevel=FLOW_LEVELS,
            flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
        )
        now = np.asarray(flow, np.float32)
        good = (found[:, 0] == 1) & (error[:, 0] < PATCH_ERROR) & ~_inside(now[:, 0], boxes)
        self._sure = 0.0
        if good.sum() < MIN_CORNERS:
            return None
        moved = np.linalg.norm(now[good, 0] - reference.corners[good, 0], axis=1)
        stays = float((moved < STILL_PX).mean())
        noise = NOISE_PX / self._focal(grey)
        if stays >= STILL_SHARE:
            R_ref, self._sure = np.eye(3), stays
        else:
            turned = turn_between(reference.rays[good], self._rays(now[good, 0], grey), noise)
            if turned is None:
                return None
            R_ref, self._sure = rotation(turned.turn), turned.agreeing
        reference.now = np.where(good[:, None, None], now, reference.corners)
        self._take(reference.R_first @ R_ref, STILL_PX / self._focal(grey))
        far = float(np.linalg.norm(rotation_vector(R_ref))) > FRESH_TURN
        if far or good.sum() < FRESH_SHARE * len(reference.corners):
            self._renew(grey, boxes)
        return R_ref

    def _take(self, R_now: Array, still: float) -> None:
        """Says whether the camera moves: not before it has gone beyond the corners' noise."""
        self._R_now = R_now
        apart = float(np.linalg.norm(rotation_vector(self._R_held.T @ R_now)))
        if apart > still:
            self._moving, self._near, self._R_held = True, 0, R_now
        elif self._moving:
            self._near += 1
            self._moving = self._near < SETTLED

    def _renew(self, grey: NDArray[np.uint8], boxes: list[Array]) -> None:
        """Takes this picture as the reference, if there is something to follow in it."""
        mask = np.full(grey.shape, 255, np.uint8)
        for x0, y0, x1, y1 in boxes:
            mask[max(int(y0), 0) : max(int(y1), 0), max(int(x0), 0) : max(int(x1), 0)] = 0
        found = cv2.goodFeaturesToTrack(grey, CORNERS, QUALITY, SPACING, mask=mask)
        if found is None or len(found) < MIN_CORNERS:
            self._reference = None
            return
        R_now = self._R_now if self._moving else self._R_held
        corners = np.asarray(found, np.float32)
        rays = self._rays(corners[:, 0], grey)
        self._reference = _Reference(grey, corners, rays, corners, R_now)

    def _focal(self, grey: NDArray[np.uint8]) -> float:
        """Of the small picture, pixels."""
        return self._focal_sides * float(max(grey.shape))

    def _rays(self, points: NDArray[np.floating], grey: NDArray[np.uint8]) -> Array:
        flat = (points - np.array(grey.shape[::-1]) / 2) / self._focal(grey)
        rays = np.concatenate((flat, np.ones((len(flat), 1))), axis=1)
        return np.asarray(rays / np.linalg.norm(rays, axis=1, keepdims=True))


def _small_grey(image: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Averages whole pixels: cv2 is much faster by a whole factor than by any other."""
    height, width = (side // factor for side in image.shape[:2])
    inside = image[: height * factor, : width * factor]
    small = cv2.resize(inside, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)


def _box(landmarks: NDArray[np.floating]) -> Array:
    """x0, y0, x1, y1 around somebody, with a margin."""
    low, high = landmarks.min(0), landmarks.max(0)
    margin = BODY_MARGIN * (high - low)
    return np.concatenate((low - margin, high + margin)).astype(np.float64)


def _inside(points: NDArray[np.floating], boxes: list[Array]) -> NDArray[np.bool_]:
    inside = np.zeros(len(points), np.bool_)
    for box in boxes:
        inside |= ((points > box[:2]) & (points < box[2:])).all(1)
    return inside


def _thumb(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(grey, THUMB, interpolation=cv2.INTER_AREA), np.uint8)


def _likeness(before: NDArray[np.uint8], now: NDArray[np.uint8]) -> float:
    """Correlation of two thumbnails at the shift where they agree best."""
    inner = before[THUMB_MARGIN:-THUMB_MARGIN, THUMB_MARGIN:-THUMB_MARGIN]
    return float(cv2.matchTemplate(now, inner, cv2.TM_CCOEFF_NORMED).max())

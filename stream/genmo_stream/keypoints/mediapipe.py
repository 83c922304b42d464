"""MediaPipe as the 2D stage: find a person, follow them crop by crop, search when they're lost.

- MediaPipe's video mode follows a person with one landmark run per frame; its detector runs
  only when nobody is followed. It is given square crops of the picture, not the picture.
- Followed: the crop moves with the person, so the same internal tracking goes on in it, and a
  large picture costs no more than a small one.
- Lost: the detector looks again at the last place, around it, and at the whole picture.
- Searching: the whole picture, then smaller windows in turn, a few per frame (all of them at
  once with `search="full"`), because the detector misses people smaller than 0.3 of its view.
- What is found is checked (plausible.py) and made continuous in time (continuity.py).
"""

import threading
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from genmo_rt.errors import InputError
from genmo_rt.keypoints import Keypoints
from genmo_stream.keypoints.continuity import Continuity
from genmo_stream.keypoints.crops import Window, cut, search_windows, whole
from genmo_stream.keypoints.landmarker import Landmarker, Landmarks, PoseModel
from genmo_stream.keypoints.plausible import FOLLOWED, FOUND, FOUND_IN_PART, Demands, is_person
from genmo_stream.seen import SeenPerson

Search = Literal["live", "full"]

CROP_FACTOR = 2.2  # edge of the followed window over the person's box
CROP_SHARE = 0.35  # of the way that the window goes to the person's box, per look
WIDER = 1.6  # the window around a lost person's last place
EAGER_LOOKS = 3  # small windows per live frame in the first round of a search ...
IDLE_LOOKS = 1  # ... and once a whole round found nobody
CONFIRMING_LOOKS = 2  # that a person found in a small window must stand


@dataclass(frozen=True, slots=True)
class _Sighting:
    """A person as seen through one window."""

    window: Window
    pixels: NDArray[np.float32]
    landmarks: Landmarks

    def next_window(self) -> Window:
        """Where to look in the next frame: towards a window that fits the person's box.

        Going part of the way keeps the person near where MediaPipe's tracking expects them.
        """
        return self.window.toward(Window.around(self.pixels, CROP_FACTOR), CROP_SHARE)


class MediaPipeStage:
    """A KeypointStage for one stream: the person found first is followed until lost.

    Thread-safe by a lock; instances don't share anything. Use it as a context manager, or close
    it: MediaPipe holds threads and about 50 MB.

    Args:
        model: `full`, or `lite` at 2/3 of its cost.
        search: `live` bounds the cost of every frame, `full` searches a whole picture at once.
    """

    def __init__(self, model: PoseModel = "full", *, search: Search = "live") -> None:
        self._search = search
        self._landmarker = Landmarker(model)
        self._lock = threading.Lock()
        self._image_size = (0, 0)
        self._continuity = Continuity()
        self._window: Window | None = None  # where the person is followed
        self._start_search()

    def _start_search(self) -> None:
        self._round: list[Window] = []  # the search's windows still to look through, last first
        self._looks_per_frame = EAGER_LOOKS

    def detect(self, image: NDArray[np.uint8], t_us: int) -> Keypoints | None:
        """Returns the person's landmarks in this picture, or None when nobody is seen.

        Args:
            image: (H, W, 3) uint8 RGB, upright.
            t_us: capture time in microseconds on any steady clock.
        Raises:
            InputError: the picture has another shape or type.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
            raise InputError(
                f"picture has shape {image.shape}, type {image.dtype}; expected (H, W, 3) uint8 RGB"
            )
        with self._lock:
            self._adopt_size((image.shape[1], image.shape[0]))
            seen = self._follow(image) or self._find(image)
            if seen is None:
                self._window = None
                return None
            self._window = seen.next_window()
            self._start_search()  # anew, once the person is lost
            landmarks = self._continuity.join(seen.pixels, seen.landmarks, t_us)
            return Keypoints(
                pixels=landmarks.pixels,
                confidence=landmarks.confidence,
                world=landmarks.world,
                image_size=self._image_size,
            )

    def look(self, image: NDArray[np.uint8], t_us: int) -> tuple[SeenPerson, ...]:
        """As `detect`, in the form of a KeypointStage."""
        keypoints = self.detect(image, t_us)
        return () if keypoints is None else (SeenPerson(keypoints),)

    def close(self) -> None:
        with self._lock:
            self._landmarker.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _adopt_size(self, size: tuple[int, int]) -> None:
        """Keeps hold of the person when the sender changes the picture's resolution."""
        if size == self._image_size:
            return
        if self._window is not None:
            self._window = self._window.rescaled(max(size) / max(self._image_size))
        self._image_size = size
        self._continuity = Continuity()
        self._start_search()

    def _follow(self, image: NDArray[np.uint8]) -> _Sighting | None:
        """Looks where the person was; if they're gone, the detector looks there and around."""
        if self._window is None:
            return None
        return (
            self._look(image, self._window, FOLLOWED)
            or self._look(image, self._window, FOUND)
            or self._look(image, self._window.scaled(WIDER), FOUND)
        )

    def _find(self, image: NDArray[np.uint8]) -> _Sighting | None:
        """Looks at the whole picture, then through the next small windows."""
        seen = self._look(image, whole(*self._image_size), FOUND)
        if seen is not None or self._window is not None:  # just lost: search from the next frame
            return seen
        for window in self._next_windows():
            seen = self._look(image, window, FOUND_IN_PART)
            for _ in range(CONFIRMING_LOOKS):
                if seen is not None:
                    seen = self._look(image, seen.next_window(), FOUND_IN_PART)
            if seen is not None:
                return seen
        return None

    def _next_windows(self) -> list[Window]:
        windows = search_windows(*self._image_size)
        if self._search == "full":
            return list(windows)
        if not self._round:
            self._round = list(reversed(windows))
        taken = [self._round.pop() for _ in range(min(self._looks_per_frame, len(self._round)))]
        if not self._round:
            self._looks_per_frame = IDLE_LOOKS
        return taken

    def _look(self, image: NDArray[np.uint8], window: Window, demands: Demands) -> _Sighting | None:
        crop = cut(image, window)
        landmarks = self._landmarker.look(crop.image)
        if landmarks is None:
            return None
        pixels = crop.to_picture(landmarks.points)
        if not is_person(pixels, landmarks, self._image_size, demands):
            self._landmarker.forget()
            return None
        return _Sighting(window, pixels, landmarks)

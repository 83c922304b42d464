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
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from genmo_rt.errors import InputError
from genmo_rt.keypoints import Keypoints
from genmo_stream.keypoints.follower import Follower
from genmo_stream.keypoints.landmarker import Landmarker, PoseModel
from genmo_stream.keypoints.search import Search, Thoroughness


class MediaPipeStage:
    """Finds one person: whoever is found first is followed until lost.

    Thread-safe by a lock; instances don't share anything. Use it as a context manager, or close
    it: MediaPipe holds threads and about 50 MB.

    Args:
        model: `full`, or `lite` at 2/3 of its cost.
        search: `live` bounds the cost of every frame, `full` searches a whole picture at once.
    """

    def __init__(self, model: PoseModel = "full", *, search: Thoroughness = "live") -> None:
        self._search = Search(search)
        self._follower = Follower(Landmarker(model))
        self._lock = threading.Lock()
        self._image_size = (0, 0)

    def detect(self, image: NDArray[np.uint8], t_us: int) -> Keypoints | None:
        """Returns the person's landmarks in this picture, or None when nobody is seen.

        Args:
            image: (H, W, 3) uint8 RGB, upright.
            t_us: capture time in microseconds on any steady clock.
        Raises:
            InputError: the picture has another shape or type.
        """
        check_picture(image)
        with self._lock:
            self._adopt_size((image.shape[1], image.shape[0]))
            seen = self._follower.follow(image) or self._search.find(self._follower, image)
            if seen is None:
                self._follower.window = None
                return None
            self._search.start()  # anew, once the person is lost
            return self._follower.keep(seen, t_us, self._image_size)

    def close(self) -> None:
        with self._lock:
            self._follower.close()

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
        self._follower.rescale(max(size) / max(*self._image_size, 1))
        self._image_size = size
        self._search.start()


def check_picture(image: NDArray[np.uint8]) -> None:
    """Whether a 2D stage can look at it.

    Raises:
        InputError: the picture has another shape or type.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise InputError(
            f"picture has shape {image.shape}, type {image.dtype}; expected (H, W, 3) uint8 RGB"
        )

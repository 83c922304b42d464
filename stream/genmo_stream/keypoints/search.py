"""Looks through a picture for somebody: as a whole, then window by window, a few per frame."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from genmo_stream.keypoints.crops import Window, search_windows, whole
from genmo_stream.keypoints.follower import Follower, Glimpse
from genmo_stream.keypoints.plausible import FOUND, FOUND_IN_PART

Thoroughness = Literal["live", "full"]

EAGER_LOOKS = 3  # small windows per live frame in the first round of a search ...
IDLE_LOOKS = 1  # ... and once a whole round found nobody
CONFIRMING_LOOKS = 2  # that a person found in a small window must stand


class Search:
    """The search for a first person in one stream's pictures; goes on from frame to frame.

    Args:
        thoroughness: `live` bounds the cost of every frame, `full` looks everywhere at once.
    """

    def __init__(self, thoroughness: Thoroughness) -> None:
        self._thoroughness = thoroughness
        self.start()

    def start(self) -> None:
        """The next search is a new one."""
        self._round: list[Window] = []  # windows still to look through, last first
        self._looks_per_frame = EAGER_LOOKS

    def find(self, follower: Follower, image: NDArray[np.uint8]) -> Glimpse | None:
        """Looks at the whole picture, then through the next small windows."""
        height, width = image.shape[:2]
        seen = follower.look(image, whole(width, height), FOUND)
        if seen is not None or follower.window is not None:
            return seen  # who was just lost is searched for from the next frame on
        for window in self._next_windows(width, height):
            seen = follower.look(image, window, FOUND_IN_PART)
            for _ in range(CONFIRMING_LOOKS):
                if seen is not None:
                    seen = follower.look(image, seen.next_window(), FOUND_IN_PART)
            if seen is not None:
                return seen
        return None

    def _next_windows(self, width: int, height: int) -> list[Window]:
        windows = search_windows(width, height)
        if self._thoroughness == "full":
            return list(windows)
        if not self._round:
            self._round = list(reversed(windows))
        taken = [self._round.pop() for _ in range(min(self._looks_per_frame, len(self._round)))]
        if not self._round:
            self._looks_per_frame = IDLE_LOOKS
        return taken

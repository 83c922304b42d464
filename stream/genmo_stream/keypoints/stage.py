"""What every 2D stage does: one picture in, one person's landmarks out."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from genmo_rt.keypoints import Keypoints


class KeypointStage(Protocol):
    """Finds and follows one person in the pictures of one stream.

    One instance serves one stream, and calls are blocking: run it off the event loop.
    """

    def detect(self, image: NDArray[np.uint8], t_us: int) -> Keypoints | None:
        """Returns the person's landmarks in this picture, or None when nobody is seen.

        Args:
            image: (H, W, 3) uint8 RGB, upright.
            t_us: capture time in microseconds on any steady clock.
        """

    def close(self) -> None:
        """Gives the stage's memory and threads back; it can't be used afterwards."""

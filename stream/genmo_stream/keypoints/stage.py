"""What every 2D stage does: one picture in, people's landmarks out."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from genmo_stream.seen import SeenPerson


class KeypointStage(Protocol):
    """Finds and follows people in the pictures of one stream.

    One instance serves one stream, and calls are blocking: run it off the event loop.
    """

    def look(self, image: NDArray[np.uint8], t_us: int) -> tuple[SeenPerson, ...]:
        """Returns everybody seen in this picture, in no order.

        Args:
            image: (H, W, 3) uint8 RGB, upright.
            t_us: capture time in microseconds on any steady clock.
        """

    def close(self) -> None:
        """Gives the stage's memory and threads back; it can't be used afterwards."""

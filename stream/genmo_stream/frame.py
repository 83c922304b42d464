"""One decoded picture with its time: what ingest hands to the 2D stage."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

CaptureClock = Literal["sender", "arrival"]


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture, upright, with the time at which it was captured.

    Attributes:
        image: (H, W, 3) uint8 RGB, rotation already applied.
        number: ingest frame number of the stream, counted from 0, dropped frames included.
        t_capture_us: capture time, Unix microseconds on the server's clock.
        clock: where t_capture_us comes from: mapped sender reports, or packet arrival.
        decode_ms: time the decoder took.
    """

    image: NDArray[np.uint8]
    number: int
    t_capture_us: int
    clock: CaptureClock
    decode_ms: float

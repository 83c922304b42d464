"""What a stream lives on: frames in which people's landmarks were already seen."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from genmo_rt.camera import Intrinsics
from genmo_rt.camera_motion import STILL, CameraMotion
from genmo_rt.clock import Tick
from genmo_rt.keypoints import Keypoints
from genmo_stream.frame import CaptureClock


@dataclass(frozen=True, slots=True)
class SeenPerson:
    """Somebody in one frame; who they are isn't known yet.

    Attributes:
        keypoints: their landmarks.
        colours: what their clothes look like, numbers that sum to 1; None without a picture.
    """

    keypoints: Keypoints
    colours: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """A used frame with who was seen in it; the picture itself, if there was one, is gone.

    Attributes:
        number: ingest frame number.
        t_capture_us: Unix microseconds on the server's clock.
        decode_ms: time that decoding took.
        keypoints_ms: time that finding the landmarks took.
        image_size: (width, height), pixels.
        tick: the frame's place on the model's clock.
        people: everybody seen, in no order.
        intrinsics: of the camera, where the sender knows them; else they follow from its `fov`.
        camera: how it moved since the used frame before.
        complaint: what is wrong with the camera's sensors; said once.
    """

    number: int
    t_capture_us: int
    decode_ms: float
    keypoints_ms: float
    image_size: tuple[int, int]
    tick: Tick
    people: tuple[SeenPerson, ...]
    intrinsics: Intrinsics | None = None
    camera: CameraMotion = STILL
    complaint: str | None = None


SourceKind = Literal["video", "keypoints"]

Admit = Callable[[int, CaptureClock], Tick | None]
"""Offers a frame by its capture time, Unix microseconds; None means that it is to be dropped.

Every frame that comes is offered, in the order it came; who is dropped is counted by the stream.
"""


class SeenSource(Protocol):
    """One publisher's frames, seen: a camera with a 2D stage, or a client that sends landmarks.

    Event-loop only. The stream closes it, whatever ends it.
    """

    @property
    def kind(self) -> SourceKind:
        """What the publisher sends."""

    @property
    def received(self) -> int:
        """Frames that arrived."""

    @property
    def dropped(self) -> int:
        """Frames that were never offered: overtaken, or unusable."""

    @property
    def fps_in(self) -> float:
        """Frames per second that arrive now."""

    @property
    def last_media_monotonic(self) -> float:
        """time.monotonic() of the last arrival, or of the source's start."""

    async def next(self, admit: Admit) -> Seen:
        """The next frame that is admitted; the newest wins while nobody asks.

        Raises:
            SourceEnded: the publisher is gone.
        """

    async def release(self) -> None:
        """Ends what seeing needs, threads and memory; the next publisher waits for that."""

    async def close(self) -> None:
        """Lets the publisher go."""

"""What takes and sinks hear of a stream: its poses, its control messages, its evidence."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from genmo_rt.camera_motion import CameraMotion
from genmo_rt.clock import Tick
from genmo_rt.keypoints import Keypoints
from genmo_rt.pose import Pose
from genmo_stream.wire import Control, PoseMessage


@dataclass(frozen=True, slots=True)
class SightedPerson:
    """One person in one frame; keypoints is None while they are bridged or hidden."""

    person: int
    state: int
    keypoints: Keypoints | None


@dataclass(frozen=True, slots=True)
class Sighting:
    """What the 2D stage saw in one used frame; the picture itself is gone.

    Attributes:
        number: ingest frame number.
        t_capture_us: Unix microseconds on the server's clock.
        tick: the frame's place on the model's clock.
        image_size: (width, height), pixels.
        fov: of the camera along the longer side, degrees; None = not known.
        height_m: of the person, where the publisher knows it.
        delay: ticks of lookahead that the estimator takes.
        persons: who is in the picture.
        camera: how it moved since the used frame before; None in takes of before this was kept.
    """

    number: int
    t_capture_us: int
    tick: Tick
    image_size: tuple[int, int]
    fov: float | None
    height_m: float | None
    delay: int
    persons: tuple[SightedPerson, ...]
    camera: CameraMotion | None = None


@dataclass(frozen=True, slots=True)
class Solved:
    """One person's pose at one tick, masked ones too.

    Attributes:
        person: their id.
        t_capture_us: of the tick, Unix microseconds; nominal where no frame was.
        framed: whether a frame was at this tick.
        pose: the estimate.
        rest_joints: (24, 3) float32 of the running shape, metres.
    """

    person: int
    t_capture_us: int
    framed: bool
    pose: Pose
    rest_joints: NDArray[np.float32]


Note = PoseMessage | Control | Sighting | Solved


class StreamListener(Protocol):
    """Hears everything of every stream, on the event loop; must return at once."""

    def hear(self, stream: str, note: Note) -> None:
        """Takes one note of the stream of this name."""

"""Frames that a client has seen itself: its keypoints as a stream's source, the newest wins."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from genmo_rt.camera import Intrinsics
from genmo_stream.camera_watch import SensorWatch
from genmo_stream.frame import CaptureClock
from genmo_stream.ingest import SourceEnded
from genmo_stream.ledger import Rate
from genmo_stream.publishers import TAKEN_OVER
from genmo_stream.seen import Admit, Seen, SeenPerson, SourceKind
from genmo_stream.sensors import Sensors
from genmo_stream.window import Closing
from genmo_stream.wire.keypoints import KeypointsMessage

ASPECT_TOLERANCE = 0.01  # sides are rounded to whole pixels
CLOSE_ENDED = 1001  # going away: the server ended the stream
CLOSE_REPLACED = 4010  # another publisher has the stream now: don't come back by yourself
CLOSE_SILENT = 4011  # nothing came for too long


@dataclass(frozen=True, slots=True)
class RemoteConfig:
    """How long a client may be silent, seconds.

    Attributes:
        connect_timeout_s: until its first frame.
        stalled_after_s: after that others may take the stream.
        ended_after_s: after that its connection is closed.
    """

    connect_timeout_s: float = 20.0
    stalled_after_s: float = 3.0
    ended_after_s: float = 30.0


REMOTE_CONFIG = RemoteConfig()


@dataclass(frozen=True, slots=True)
class _Arrival:
    message: KeypointsMessage
    intrinsics: Intrinsics | None  # what the client said of its camera last
    t_capture_us: int
    clock: CaptureClock
    parse_ms: float


class RemoteSource:
    """A SeenSource fed by messages: one slot, the newest wins. Event-loop only.

    Attributes:
        received: frames that came, also those that couldn't be used.
        refused: of them, those that couldn't.
        last_media_monotonic: when the last frame came, or the source was made.
        sensors: of the client's device, which it may send.
    """

    def __init__(
        self, config: RemoteConfig = REMOTE_CONFIG, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.received = 0
        self.refused = 0
        self.last_media_monotonic = clock()
        self.closing: Closing | None = None
        self.over = asyncio.Event()
        self._config = config
        self._now = clock
        self._rate = Rate(clock)
        self.sensors = Sensors()
        self._camera = SensorWatch(self.sensors)
        self._intrinsics: Intrinsics | None = None
        self._newest: _Arrival | None = None
        self._overtaken = 0
        self._media_seen = False
        self._change = asyncio.Event()  # a frame came, or the end

    @property
    def kind(self) -> SourceKind:
        """What the client sends: never a picture."""
        return "keypoints"

    @property
    def dropped(self) -> int:
        """Frames that were never offered: overtaken, or unusable."""
        return self._overtaken + self.refused

    @property
    def fps_in(self) -> float:
        """Frames per second that came during the last two seconds."""
        return self._rate.per_second()

    @property
    def live(self) -> bool:
        """Whether a frame came during the last stalled_after_s."""
        silent_s = self._now() - self.last_media_monotonic
        return self._media_seen and not self.ended and silent_s < self._config.stalled_after_s

    @property
    def ended(self) -> bool:
        """Whether the client is gone, or is let go."""
        return self.closing is not None

    def put(
        self, message: KeypointsMessage, t_capture_us: int, clock: CaptureClock, parse_ms: float
    ) -> None:
        """Takes a frame; one that still waits is dropped."""
        self.received += 1
        self.last_media_monotonic = self._now()
        self._media_seen = True
        self._rate.tick()
        self._overtaken += self._newest is not None
        self._intrinsics = message.intrinsics or _scaled(self._intrinsics, message.image_size)
        self._newest = _Arrival(message, self._intrinsics, t_capture_us, clock, parse_ms)
        self._change.set()

    def refuse(self) -> None:
        """Counts a frame that can't be used."""
        self.received += 1
        self.refused += 1

    def end(self, closing: Closing) -> None:
        """The client is gone, or goes; the first reason stays."""
        if self.closing is None:
            self.closing = closing
        self._newest = None
        self.over.set()
        self._change.set()

    def seconds_left(self) -> float:
        """How much longer the client may be silent."""
        limit = self._config.ended_after_s if self._media_seen else self._config.connect_timeout_s
        return self.last_media_monotonic + limit - self._now()

    async def next(self, admit: Admit) -> Seen:
        """The next frame that is admitted.

        Raises:
            SourceEnded: the client is gone.
        """
        while self.closing is None:
            self._change.clear()
            arrival, self._newest = self._newest, None
            if arrival is None:
                await self._change.wait()
                continue
            tick = admit(arrival.t_capture_us, arrival.clock)
            if tick is not None:
                message = arrival.message
                return Seen(
                    number=message.frame,
                    t_capture_us=arrival.t_capture_us,
                    decode_ms=arrival.parse_ms,
                    keypoints_ms=0.0,
                    image_size=message.image_size,
                    tick=tick,
                    people=tuple(SeenPerson(keypoints) for keypoints in message.persons),
                    intrinsics=arrival.intrinsics,
                    camera=self._camera.look(arrival.t_capture_us, message.persons),
                    complaint=self.sensors.complaint(),
                )
        raise SourceEnded(self.closing.reason)

    async def release(self) -> None:
        """Nothing is held here."""

    async def close(self, reason: str = "the server ended the stream") -> None:
        """Lets the client go; its connection closes by itself."""
        self.end(Closing(CLOSE_REPLACED if reason == TAKEN_OVER else CLOSE_ENDED, reason))


def _scaled(camera: Intrinsics | None, image_size: tuple[int, int]) -> Intrinsics | None:
    """The camera for its pictures of another size; None where the proportions are others, too."""
    if camera is None or image_size == (camera.width, camera.height):
        return camera
    width, height = image_size
    if abs(width * camera.height / (height * camera.width) - 1) > ASPECT_TOLERANCE:
        return None
    x, y = width / camera.width, height / camera.height
    return Intrinsics(camera.fx * x, camera.fy * y, camera.cx * x, camera.cy * y, width, height)

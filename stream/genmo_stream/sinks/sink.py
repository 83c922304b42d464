"""One sink: the newest pose in a slot, and a thread that sends it when it is due."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from genmo_stream.errors import SinkError
from genmo_stream.sinks.config import SinkConfig
from genmo_stream.sinks.figure import Figure
from genmo_stream.sinks.outlets import Outlet, open_outlet
from genmo_stream.wire import PoseMessage, Subject

RETRY_S = 2.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SinkStatus:
    """How a sink goes.

    Attributes:
        stream: whose poses it sends now; None while no stream is live.
        sent: poses that left.
        packets: packets that left.
        skipped: poses that a newer one replaced before they were due.
        error: what is wrong now, None if nothing is.
    """

    stream: str | None
    sent: int
    packets: int
    skipped: int
    error: str | None


class Places:
    """Who has which place: whoever comes takes the first free one and keeps it until they leave."""

    def __init__(self, count: int) -> None:
        self._held: list[int | None] = [None] * count

    def seat(self, present: Sequence[int]) -> list[int | None]:
        """Takes the ids of who is there, and returns the id at each place."""
        self._held = [who if who in present else None for who in self._held]
        for person in sorted(present):
            if person not in self._held and None in self._held:
                self._held[self._held.index(None)] = person
        return list(self._held)


class Pacer:
    """At most so many a second, evenly."""

    def __init__(self, rate: float | None) -> None:
        self._period = 0.0 if rate is None else 1 / rate
        self._due = float("-inf")

    def wait_s(self, now: float) -> float:
        """How long until the next one is due."""
        return max(0.0, self._due - now)

    def took(self, now: float) -> None:
        """One was taken."""
        on_time = self._due + self._period > now - self._period / 2
        self._due = self._due + self._period if on_time else now + self._period


class Sink:
    """Offers are for the event loop and return at once; all else happens on the sink's thread."""

    def __init__(
        self,
        config: SinkConfig,
        *,
        make_outlet: Callable[[SinkConfig], Outlet] = open_outlet,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Starts sending.

        Args:
            config: where to send, and what.
            make_outlet: opens the sockets, on the sink's thread.
            clock: seconds, steady.
        """
        self.config = config
        self._make_outlet = make_outlet
        self._now = clock
        self._stream: str | None = None
        self._places = Places(config.persons)
        self._pacer = Pacer(None if config.kind == "zmq" else config.rate)
        self._slot: tuple[Figure | None, ...] | None = None
        self._changed = threading.Condition()
        self._closing = False
        self._sent = self._packets = self._skipped = 0
        self._error: str | None = None
        self._thread = threading.Thread(target=self._work, name=f"sink {config.kind}", daemon=True)
        self._thread.start()

    @property
    def status(self) -> SinkStatus:
        """How it goes."""
        return SinkStatus(self._stream, self._sent, self._packets, self._skipped, self._error)

    def offer(self, stream: str, message: PoseMessage, subjects: Mapping[int, Subject]) -> None:
        """Takes a stream's newest pose, if it is the stream to send.

        Args:
            stream: its name.
            message: the pose.
            subjects: the bones of who is there; persons without bones are left out.
        """
        if self.config.stream not in (None, stream) or self._stream not in (None, stream):
            return
        self._stream = stream
        known = {p.person: p for p in message.persons if p.person in subjects}
        seated = self._places.seat(tuple(known))
        figures = tuple(
            None
            if who is None
            else Figure.of(
                subjects[who], message.t_capture_us, known[who].pelvis, known[who].quat_xyzw
            )
            for who in seated
        )
        with self._changed:
            self._skipped += self._slot is not None
            self._slot = figures
            self._changed.notify()

    def release(self, stream: str) -> None:
        """The stream is over: another one may be sent."""
        if self._stream == stream:
            self._stream = None

    def close(self) -> None:
        """Stops sending and waits for the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        outlet: Outlet | None = None
        try:
            while (figures := self._next()) is not None:
                try:
                    outlet = outlet or self._make_outlet(self.config)
                    mirror = self.config.mirror
                    shown = [f.mirrored() if f and mirror else f for f in figures]
                    self._packets += outlet.send(shown)
                    self._sent += 1
                    self._error = None
                except (OSError, SinkError) as error:
                    self._fail(str(error))
                except Exception:
                    logger.exception("sink %s to %s failed", self.config.kind, self.config.to)
                    self._fail("it failed; the server's log says where")
        finally:
            if outlet is not None:
                outlet.close()

    def _next(self) -> tuple[Figure | None, ...] | None:
        """The newest figures once they are due; None when the sink is closed."""
        with self._changed:
            while not self._closing:
                wait_s = self._pacer.wait_s(self._now())
                if self._slot is not None and wait_s <= 0:
                    figures, self._slot = self._slot, None
                    self._pacer.took(self._now())
                    return figures
                self._changed.wait(wait_s if self._slot is not None else None)
        return None

    def _fail(self, reason: str) -> None:
        """Keeps the reason and rests a little: whatever is wrong won't be mended in a frame."""
        if reason != self._error:
            logger.warning("sink %s to %s: %s", self.config.kind, self.config.to, reason)
        self._error = reason
        with self._changed:
            self._changed.wait_for(lambda: self._closing, RETRY_S)

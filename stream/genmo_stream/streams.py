"""The server's streams by name: admission, waiting viewers, and forgetting what is over."""

import asyncio
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import TypeVar

from genmo_rt.clock import KEEP_S
from genmo_rt.estimate import Estimator
from genmo_stream.admission import RETRY_AFTER_S, Admission, Live
from genmo_stream.errors import ServerFull
from genmo_stream.eye import FrameTap
from genmo_stream.hub import Hub
from genmo_stream.ingest import FrameSource
from genmo_stream.keypoints import KeypointStage
from genmo_stream.ladder import Ladder
from genmo_stream.listener import StreamListener
from genmo_stream.mind import Mind, ThreadMind
from genmo_stream.publish_options import PublishOptions
from genmo_stream.seen import SeenSource, SourceKind
from genmo_stream.stream import Stream
from genmo_stream.thinker import Thinker
from genmo_stream.tracking import MAX_PERSONS
from genmo_stream.turns import Turns

REPORT_PERIOD_S = 1.0
MAX_KNOWN = 256  # names kept at once, waiting ones included: a viewer may ask for any name


Adopted = TypeVar("Adopted", bound=Stream)


class Streams:
    """All streams of one server; the host that WHIP hands publishers to. Event-loop only."""

    def __init__(
        self,
        estimator: Estimator,
        make_stage: Callable[[], KeypointStage],
        *,
        admission: Admission,
        mind: Mind | None = None,
        max_persons: int = MAX_PERSONS,
        tap: FrameTap | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Ready for publishers and viewers.

        Args:
            estimator: weights and body.
            make_stage: makes a 2D stage for each publisher; called in a thread.
            admission: how many publishers may come.
            mind: runs the estimators; None: in this process.
            max_persons: in each picture at once; more aren't followed.
            tap: sees every frame that is used.
            clock: seconds, steady.
        """
        self.estimator = estimator
        self.admission = admission
        self.mind = mind or ThreadMind(Thinker(estimator))
        self.turns = Turns()
        self.ladder = Ladder(admission.capacity.full, clock)
        self._max_persons = max_persons
        self._make_stage = make_stage
        self._tap = tap
        self._clock = clock
        self._streams: dict[str, Stream] = {}
        self._listeners: tuple[StreamListener, ...] = ()
        self.server = f"genmo-rt {version('genmo-rt')}"

    def __iter__(self) -> Iterator[Stream]:
        return iter(tuple(self._streams.values()))

    def listen(self, *listeners: StreamListener) -> None:
        """Lets these hear everything of the streams that are opened from now on."""
        self._listeners += listeners

    def get(self, name: str) -> Stream | None:
        """The stream of this name, if anyone published or waits for it."""
        return self._streams.get(name)

    def open(self, name: str) -> Stream:
        """The stream of this name for a viewer, made when it isn't there yet.

        Raises:
            ServerFull: too many names are known at once.
        """
        if name not in self._streams and len(self._streams) >= MAX_KNOWN:
            raise ServerFull(
                f"{MAX_KNOWN} streams are open or waited for; close some viewers",
                retry_after_s=RETRY_AFTER_S,
            )
        return self._open(name)

    def live(self, without: str | None = None) -> Live:
        """Who publishes now, but for the stream of one name."""
        kinds = [stream.source for stream in self if stream.name != without]
        return Live(kinds.count("video"), kinds.count("keypoints"))

    def free(self, kind: SourceKind) -> int:
        """How many more streams of a kind may come now."""
        if self.ladder.refusing and self.admission.is_measured(kind):
            return 0
        return self.admission.free(kind, self.live())

    def check_capacity(self, name: str, kind: SourceKind = "video") -> None:
        """Whether a publisher of this kind may start on this name.

        Raises:
            ServerFull: there is no room beside the other streams, or a take is played under this
                name.
        """
        known = self.get(name)
        if known is not None and not known.takes_publishers:
            raise ServerFull(
                f"'{name}' plays a take; publish under another name", retry_after_s=RETRY_AFTER_S
            )
        others = self.live(without=name)
        known_live = known is not None and known.live
        overloaded = self.ladder.refusing and not known_live  # who takes over adds nothing
        self.admission.check(kind, others, overloaded=overloaded)
        slots = self.mind.figures.slots
        taken = sum(max(1, stream.places) for stream in self if stream.live and stream.name != name)
        if taken >= slots:
            raise ServerFull(
                f"the model's {slots} places are taken by the people of live streams; "
                "try again when one ends, or raise max_streams",
                retry_after_s=RETRY_AFTER_S,
            )

    def adopt(self, name: str, make: Callable[[Hub], Adopted]) -> Adopted:
        """Puts a stream that isn't a camera's under this name, with a hub of its own."""
        stream = make(Hub(name, server=self.server, listeners=self._listeners))
        self._streams[name] = stream
        return stream

    def publish(self, name: str, source: FrameSource, options: PublishOptions) -> None:
        """Feeds a publisher's frames to its stream; an earlier publisher of it is ended."""
        self._make_room(name)
        self.ladder.expect(self.live(without=name).video + 1)
        self._open(name).start(source, options)

    def publish_seen(self, name: str, source: SeenSource, options: PublishOptions) -> None:
        """As `publish`, for a publisher whose frames come with landmarks."""
        self._make_room(name)
        self._open(name).watch(source, options)

    def _make_room(self, name: str) -> None:
        """Lets streams that ended give their places up, the earliest first, until one is free."""
        known = self.get(name)
        if known is not None and known.places:
            return
        ended = [s for s in self if not s.live and s.places and s.name != name]
        for stream in sorted(ended, key=lambda stream: stream.rested_s, reverse=True):
            if sum(other.places for other in self) < self.mind.figures.slots:
                return
            stream.forget()

    def _open(self, name: str) -> Stream:
        stream = self._streams.get(name)
        if stream is None:
            hub = Hub(name, server=self.server, listeners=self._listeners)
            stream = Stream(
                name,
                hub,
                self.estimator,
                self._make_stage,
                max_persons=self._max_persons,
                mind=self.mind,
                turns=self.turns,
                ladder=self.ladder,
                tap=self._tap,
                clock=self._clock,
            )
            self._streams[name] = stream
        stream.touch()
        return stream

    async def tend(self) -> None:
        """Runs for the server's life: reports once a second and forgets what is over."""
        busy_s, at = self.turns.busy_s, self._clock()
        while True:
            streams = tuple(self)
            if not streams:
                await asyncio.sleep(REPORT_PERIOD_S)
            for stream in streams:  # one after the other: all at once would hold up frames
                await asyncio.sleep(REPORT_PERIOD_S / len(streams))
                self._tidy(stream)
            now_busy_s, now = self.turns.busy_s, self._clock()
            busy = (now_busy_s - busy_s) / ((now - at) * self.turns.workers)
            self.ladder.climb(self.live().video, busy)
            busy_s, at = now_busy_s, now

    def tidy(self) -> None:
        """Reports how every stream goes and lets go of what nobody can come back to."""
        for stream in self:
            self._tidy(stream)

    def _tidy(self, stream: Stream) -> None:
        if self._streams.get(stream.name) is not stream:
            return  # another has its name by now
        stream.report()
        if not stream.live and stream.rested_s >= KEEP_S:
            stream.forget()  # its viewers may stay on
        if stream.idle:
            del self._streams[stream.name]

    def say_bye(self, reason: str) -> None:
        """Tells every viewer that the server closes."""
        for stream in self:
            stream.hub.close(reason)

    async def close(self) -> None:
        """Ends every stream and waits for it."""
        await asyncio.gather(*(stream.close() for stream in self))
        await self.mind.close()
        self.turns.close()
        self._streams.clear()

"""Plays a take as a stream: the same poses at the same distances in time, for viewers and sinks."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from genmo_rt.estimate import Estimator
from genmo_stream.config import ServerConfig
from genmo_stream.errors import ConfigError, TakeError
from genmo_stream.hub import Hub
from genmo_stream.keypoints import KeypointStage
from genmo_stream.ledger import Rate
from genmo_stream.server import Server, listen, make_server, make_streams
from genmo_stream.stream import Stream
from genmo_stream.takes.take import Take, Told, read_take
from genmo_stream.whip import STREAM_NAME
from genmo_stream.wire import PoseMessage, Skeleton, StreamState, Subject

MAX_GAP_S = 10.0  # a longer gap in the take is played as one of this length
LATE_S = 1.0  # a player that was held up for longer goes on from now, it doesn't catch up
LOOP_GAP_US = 33_333

Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Cue:
    """One message of a take with its time.

    Attributes:
        at_us: since the take's first pose.
        message: what viewers were sent.
    """

    at_us: int
    message: Told


class PlayedStream(Stream):
    """A stream whose poses come from a take; nobody can publish to it."""

    takes_publishers = False

    def __init__(
        self,
        hub: Hub,
        estimator: Estimator,
        take: Take,
        *,
        loop: bool,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """Gets ready to play.

        Args:
            hub: of the stream, with its name.
            estimator: of the server; not used to play.
            take: what to play.
            loop: start over at the end.
            sleep: waits so many seconds.
        Raises:
            TakeError: there is no pose in it.
        """
        super().__init__(hub.stream, hub, estimator, _no_stage)
        self._cues = cues(take)
        self._loop = loop
        self._sleep = sleep
        self._there: dict[int, Subject] = {}
        self._played = 0
        self._rate = Rate(time.monotonic)

    @property
    def live(self) -> bool:
        """Always: a take is at hand."""
        return True

    @property
    def persons(self) -> int:
        """Who is there now."""
        return len(self._there)

    @property
    def received(self) -> int:
        """Poses played so far."""
        return self._played

    @property
    def fps_in(self) -> float:
        """Poses per second that are played now."""
        return self._rate.per_second()

    @property
    def fps_out(self) -> float:
        """The same: none is dropped."""
        return self._rate.per_second()

    async def play(self) -> None:
        """Plays the take, again and again where it should; returns at its end."""
        self.hub.set_state(StreamState("live", "sender", 0.0))
        frames = 1 + max(c.message.frame for c in self._cues if isinstance(c.message, PoseMessage))
        start_us, round_ = self.hub.clock_us(), 0
        while True:
            for cue in self._cues:
                late_us = await self._wait(start_us + cue.at_us)
                if late_us > LATE_S * 1e6:
                    start_us += late_us
                self._publish_cue(cue, start_us, round_ * frames)
            for subject in tuple(self._there.values()):
                self._tell(replace(subject, state="leave"))
            if not self._loop:
                self.hub.set_state(replace(self.hub.state, state="ended"))
                return
            start_us, round_ = start_us + self._cues[-1].at_us + LOOP_GAP_US, round_ + 1

    async def _wait(self, until_us: int) -> int:
        """Sleeps until a time; how much later than that it is, microseconds."""
        early_us = until_us - self.hub.clock_us()
        await self._sleep(max(early_us, 0) / 1e6)
        return self.hub.clock_us() - until_us

    def _publish_cue(self, cue: Cue, start_us: int, frame: int) -> None:
        match cue.message:
            case Skeleton():
                self.hub.set_skeleton(cue.message)
            case Subject():
                self._tell(cue.message)
            case PoseMessage():
                self._played += 1
                self._rate.tick()
                message = replace(
                    cue.message,
                    frame=cue.message.frame + frame,
                    t_capture_us=start_us + cue.at_us,
                )
                self.hub.publish(message)

    def _tell(self, subject: Subject) -> None:
        if subject.state == "leave":
            self._there.pop(subject.person, None)
        else:
            self._there[subject.person] = subject
        self.hub.set_subject(subject)


def cues(take: Take) -> list[Cue]:
    """What a take sends and when: distances of capture times, long gaps cut short.

    Raises:
        TakeError: there is no pose in it.
    """
    times = np.array([message.t_capture_us for message in take.poses], dtype=np.int64)
    if not len(times):
        raise TakeError("the take has no poses; there is nothing to play")
    steps = np.clip(np.diff(times, prepend=times[0]), 0, round(MAX_GAP_S * 1e6))
    moments = iter(np.cumsum(steps).tolist())
    found, at_us = [], 0
    for message in take.told:
        if isinstance(message, PoseMessage):
            at_us = next(moments)
        found.append(Cue(at_us, message))
    return found


def replay(
    config: ServerConfig, path: Path, name: str | None, *, loop: bool, say: Callable[[str], None]
) -> None:
    """Serves a take until it has been played, or with `loop` until it is interrupted.

    Without `loop` it starts with the first viewer, or at once when there are sinks.

    Args:
        config: of the server.
        path: the take.
        name: of the stream; None for the one it was recorded from.
        loop: start over at the end.
        say: gets the lines a person should read.
    Raises:
        AddressTaken, ConfigError, DeviceError, FileFormatError, TakeError: before it is served.
    """
    take = read_take(path)
    cues(take)  # said before anything is served
    name = name or take.stream
    if STREAM_NAME.fullmatch(name) is None:
        raise ConfigError(f"stream name is {name!r}; expected 1 to 64 of A-Z a-z 0-9 _ -")
    listener = listen(config)
    try:
        streams = make_streams(config)
        server = make_server(config, streams)
        stream = streams.adopt(
            name, lambda hub: PlayedStream(hub, streams.estimator, take, loop=loop)
        )
    except BaseException:
        listener.close()
        raise
    url = config.url(listener.getsockname()[1])
    say(f"genmo-rt plays {path} at {url}?stream={stream.name}&view=1")
    say(f"  poses   {url.replace('http', 'ws', 1)}v1/streams/{stream.name}/poses")
    say(f"  length  {take.seconds:.1f} s, {'again and again' if loop else 'once'}")
    for sink in config.all_sinks():
        say(f"  {sink.kind:<7} {sink.to}")
    at_once = loop or bool(config.all_sinks())

    async def run() -> None:
        playing = asyncio.create_task(_play_and_stop(stream, server, at_once=at_once))
        try:
            await server.serve(sockets=[listener])
        finally:
            playing.cancel()
            with suppress(asyncio.CancelledError):
                await playing

    with suppress(KeyboardInterrupt):  # uvicorn hands the signal on once all is closed
        asyncio.run(run())


async def _play_and_stop(stream: PlayedStream, server: Server, *, at_once: bool) -> None:
    # uvicorn has nothing to wait on
    while not (server.started and (at_once or stream.hub.viewer_count)):  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    await stream.play()
    server.should_exit = True


def _no_stage() -> KeypointStage:
    raise TakeError("a take is played here; nobody can publish to it")

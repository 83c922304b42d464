"""The websocket /v1/streams/{stream}/keypoints: keypoints in, no picture ever comes here."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn, Protocol

from starlette.websockets import WebSocket, WebSocketDisconnect

from genmo_stream.client_clock import ClientTimeline, TimeError
from genmo_stream.errors import ServerFull
from genmo_stream.hub import unix_us
from genmo_stream.problem import Problem, problem_response
from genmo_stream.publish_options import PublishOptions
from genmo_stream.publishers import TAKEN_OVER, Publishers
from genmo_stream.remote import CLOSE_ENDED, CLOSE_SILENT, REMOTE_CONFIG, RemoteConfig, RemoteSource
from genmo_stream.seen import SeenSource, SourceKind
from genmo_stream.whip import Authorize, publish_options, valid_stream_name
from genmo_stream.window import CLOSE_POLICY, Closing
from genmo_stream.wire import Bye, ErrorMessage, Pong, Profile, Space, WireError, encode_control
from genmo_stream.wire.keypoints import (
    PUBLISHER_LIMITS,
    ClockPing,
    PublisherLimits,
    encode_hello,
    parse_publisher,
)
from genmo_stream.wire.sensors import BAD_SENSOR, SensorText

BYE_S = 0.2
TIME_ERROR_EVERY_S = 1.0  # frames whose time doesn't fit are dropped and told of so often


class RemoteHost(Protocol):
    """Where streams live."""

    def check_capacity(self, name: str, kind: SourceKind) -> None:
        """Says whether a publisher of this stream and kind has room; raises ServerFull."""

    @property
    def server(self) -> str:
        """Program and version, told in hello."""

    def publish_seen(self, name: str, source: SeenSource, options: PublishOptions) -> None:
        """Takes a publisher's frames and, with them, the duty to close the source."""


class KeypointsEndpoint:
    """The websocket /v1/streams/{stream}/keypoints."""

    def __init__(
        self,
        host: RemoteHost,
        publishers: Publishers,
        authorize: Authorize,
        *,
        config: RemoteConfig = REMOTE_CONFIG,
        limits: PublisherLimits = PUBLISHER_LIMITS,
        clock_us: Callable[[], int] = unix_us,
    ) -> None:
        """Ready to serve.

        Args:
            host: takes the frames.
            publishers: shared with the other ways in.
            authorize: checks token, ticket and origin.
            config: how long silence is borne.
            limits: for every client.
            clock_us: Unix microseconds; stamps arrivals and pongs.
        """
        self._host = host
        self._publishers = publishers
        self._authorize = authorize
        self._config = config
        self._limits = limits
        self._clock_us = clock_us

    async def serve(self, websocket: WebSocket) -> None:
        """Serves one client from handshake to close."""
        name = websocket.path_params["stream"]
        source = RemoteSource(self._config)
        try:
            identity = self._authorize(websocket, "publish")
            valid_stream_name(name)
            options = publish_options(websocket.query_params)
            subprotocol = _subprotocol(websocket.scope["subprotocols"])
            self._publishers.check_free(name, identity)
            self._host.check_capacity(name, source.kind)
            self._host.publish_seen(name, source, options)
        except ServerFull as full:
            retry = {"Retry-After": str(full.retry_after_s)}
            await websocket.send_denial_response(problem_response(503, str(full), retry))
        except Problem as problem:
            await websocket.send_denial_response(problem.response())
        else:
            before = self._publishers.take(name, identity, source)
            if before is not None:  # after the new one is in its place: viewers see no end
                await before.close(TAKEN_OVER)
            try:
                await websocket.accept(subprotocol)
                hello = encode_hello(self._host.server, name, self._clock_us(), self._limits)
                await _Session(websocket, source, hello, self._limits, self._clock_us).run()
            finally:
                source.end(Closing(CLOSE_ENDED, "the client is gone"))
                self._publishers.forget_ended()


class _Session:
    """One accepted connection: reads, answers, and ends it when the source ends."""

    def __init__(
        self,
        websocket: WebSocket,
        source: RemoteSource,
        hello: str,
        limits: PublisherLimits,
        clock_us: Callable[[], int],
    ) -> None:
        self._websocket = websocket
        self._source = source
        self._hello = hello
        self._limits = limits
        self._clock_us = clock_us
        self._timeline = ClientTimeline()
        self._flood = _Flood(limits)
        self._errors: deque[float] = deque(maxlen=limits.max_errors)
        self._time_told = -TIME_ERROR_EVERY_S

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._receive())
                tasks.create_task(self._watch())
        except* (WebSocketDisconnect, _Over):
            pass
        if self._source.closing is not None:
            await self._close(self._source.closing)

    async def _receive(self) -> NoReturn:
        await self._websocket.send_text(self._hello)
        while True:
            event = await self._websocket.receive()
            if event["type"] == "websocket.disconnect":
                raise _Over
            text = event.get("text")
            message = event["bytes"] if text is None else text
            if self._flood.over(len(message), time.monotonic()):
                self._source.end(Closing(CLOSE_POLICY, self._flood.reason))
                raise _Over
            answer = self._handle(message)
            if answer is not None:
                await self._websocket.send_text(encode_control(answer, Space.SMPL))
            if self._source.ended:
                raise _Over

    async def _watch(self) -> NoReturn:
        """Ends the connection with the source, and the source when the client is silent."""
        while not self._source.over.is_set():
            left = self._source.seconds_left()
            if left <= 0:
                self._source.end(Closing(CLOSE_SILENT, "no keypoints came for too long"))
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._source.over.wait()
        raise _Over

    def _handle(self, message: str | bytes) -> ErrorMessage | Pong | None:
        """Takes one message; returns what there is to answer."""
        arrival_us = self._clock_us()
        started = time.perf_counter()
        try:
            parsed = parse_publisher(message, self._limits)
            if isinstance(parsed, ClockPing):
                return self._pong(parsed, arrival_us)
            if isinstance(parsed, SensorText):
                complaint = self._source.sensors.take(parsed.text, arrival_us)
                return None if complaint is None else ErrorMessage(BAD_SENSOR, complaint)
            t_us = self._timeline.frame(parsed.t_capture_us, arrival_us)
        except TimeError as error:
            self._source.refuse()
            now = time.monotonic()
            if now - self._time_told < TIME_ERROR_EVERY_S:
                return None
            self._time_told = now
            return ErrorMessage("bad_time", str(error))
        except WireError as error:
            return self._refuse(error)
        parse_ms = (time.perf_counter() - started) * 1e3
        self._source.put(parsed, t_us, self._timeline.clock, parse_ms)
        return None

    def _pong(self, ping: ClockPing, arrival_us: int) -> Pong:
        if ping.t3 is not None:
            self._timeline.ponged(ping.t3, arrival_us)
        pong = Pong(ping.t0, arrival_us, self._clock_us())
        self._timeline.pong(pong.t0, pong.t1, pong.t2)
        return pong

    def _refuse(self, error: WireError) -> ErrorMessage:
        """Answers a message that can't be used; too many in a short time end the connection."""
        self._source.refuse()
        now, errors, limits = time.monotonic(), self._errors, self._limits
        if len(errors) == limits.max_errors and now - errors[0] < limits.error_span_s:
            reason = f"over {limits.max_errors} bad messages in {limits.error_span_s:g} s"
            self._source.end(Closing(CLOSE_POLICY, reason))
        errors.append(now)
        return ErrorMessage("bad_message", str(error))

    async def _close(self, closing: Closing) -> None:
        """Says bye and closes; neither waits for a peer that has stopped reading."""
        with suppress(WebSocketDisconnect):
            with suppress(TimeoutError):
                async with asyncio.timeout(BYE_S):
                    await self._websocket.send_text(encode_control(Bye(closing.reason), Space.SMPL))
            with suppress(TimeoutError):
                async with asyncio.timeout(BYE_S):
                    await self._websocket.close(closing.code, closing.reason)


class _Over(Exception):
    """Ends a session: the source has ended, or the client is gone."""


class _Flood:
    """Counts messages and bytes over spans of time."""

    def __init__(self, limits: PublisherLimits) -> None:
        self._limits = limits
        self._since = -limits.flood_span_s
        self._messages = 0
        self._bytes = 0
        self.reason = (
            f"over {limits.max_messages} messages or {limits.max_bytes >> 20} MiB "
            f"in {limits.flood_span_s:g} s"
        )

    def over(self, size: int, now: float) -> bool:
        """Takes a message of this size; True when it is one too many."""
        if now - self._since >= self._limits.flood_span_s:
            self._since, self._messages, self._bytes = now, 0, 0
        self._messages += 1
        self._bytes += size
        return self._messages > self._limits.max_messages or self._bytes > self._limits.max_bytes


def _subprotocol(offers: list[str]) -> str | None:
    """What to answer to the subprotocols a client offers: keypoints are JSON text.

    Raises:
        Problem: 400, it offers others only.
    """
    offered = [offer for offer in offers if offer]
    if not offered:
        return None
    if Profile.JSON in offered:
        return Profile.JSON
    raise Problem(
        400, f"subprotocol {', '.join(offered)[:80]}; offer {Profile.JSON} or none for keypoints"
    )

"""Poses of one stream from the websocket: acked, newest first served, reconnected."""

import asyncio
import itertools
import json
import logging
import random
import struct
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, NoReturn
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.typing import Subprotocol

from genmo_client.clock import ClockSync
from genmo_client.control import (
    Bye,
    Control,
    ErrorMessage,
    Hello,
    Pong,
    Skeleton,
    Stats,
    StreamState,
    Subject,
    parse_control,
)
from genmo_client.errors import Refused
from genmo_client.pose import Pose, decode_pose

SUBPROTOCOL = Subprotocol("genmo.v1.bin")
PROTO = "genmo.v1"
ACK = struct.Struct("<BI")
ACK_BYTE = 0x10
PING_DELAYS_S = (0.0, 0.2, 0.2, 0.2)  # a few at once for a first offset
PING_PERIOD_S = 5.0
FIRST_RETRY_S = 0.25
LAST_RETRY_S = 8.0
CLOSE_POLICY = 1008

logger = logging.getLogger("genmo_client")


class PoseStream:
    """An endless iterable of poses, for `for` and for `async for`.

    Each turn gives the newest pose that has arrived; older ones that nobody took are skipped.
    It connects when the loop starts, reconnects when the server goes away, and disconnects when
    the loop is left. One loop at a time. The attributes below are updated meanwhile.

    Attributes:
        hello: what the server said first, on the present connection.
        state: the stream's state; poses come only while it is live.
        skeleton: names, parents and rest offsets of the joints.
        subjects: who is there now, by person id.
        stats: the server's figures of the last second.
        skipped: poses that arrived and were overtaken before anyone took them.
        connected: whether a server is there now.
    """

    def __init__(
        self,
        url: str,
        *,
        rate: float | None = None,
        persons: int | None = None,
        landmarks: bool = False,
        token: str | None = None,
        buffer: int = 1,
        reconnect: bool = True,
        on_control: Callable[[Control], None] | None = None,
    ) -> None:
        """Prepares; nothing is connected yet.

        Args:
            url: ws://HOST:PORT/v1/streams/STREAM/poses (or wss://); its own query is kept.
            rate: poses per second wanted, at most.
            persons: at most so many persons, the oldest ids.
            landmarks: also send the 2D landmarks.
            token: a bearer token with the view scope, where the server wants one.
            buffer: poses kept for a slow loop; 1 is the freshest, more skips less.
            reconnect: False ends the loop when the connection does.
            on_control: called with every control message, from the loop's thread
                (in a sync `for`: from a thread of its own).
        """
        asked = {"rate": rate, "persons": persons, "landmarks": 1 if landmarks else None}
        self.url, self._space = _with_query(url, asked)
        self.hello: Hello | None = None
        self.state: StreamState | None = None
        self.skeleton: Skeleton | None = None
        self.subjects: dict[int, Subject] = {}
        self.stats: Stats | None = None
        self.skipped = 0
        self.connected = False
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._reconnect = reconnect
        self._on_control = on_control
        self._inbox: deque[Pose] = deque(maxlen=buffer)
        self._clock = ClockSync()

    @property
    def clock_offset_us(self) -> float | None:
        """The server's clock minus this machine's; None before the first pong."""
        return self._clock.best.offset_us if self._clock.best else None

    @property
    def rtt_ms(self) -> float | None:
        """The shortest recent round trip; None before the first pong."""
        return self._clock.best.rtt_us / 1e3 if self._clock.best else None

    def age_ms(self, pose: Pose) -> float | None:
        """Time since the pose's frame was captured; None before the first pong."""
        offset_us = self.clock_offset_us
        return None if offset_us is None else (_now_us() + offset_us - pose.t_capture_us) / 1e3

    async def __aiter__(self) -> AsyncIterator[Pose]:
        """Yields poses as they come.

        Raises:
            Refused: the server won't serve this client.
            DecodeError: the server doesn't speak `genmo.v1`.
        """
        woken = asyncio.Event()
        task = asyncio.create_task(self._run(woken.set))
        task.add_done_callback(lambda _: woken.set())
        try:
            while True:
                woken.clear()
                while self._inbox:
                    yield self._inbox.popleft()
                if task.done():
                    task.result()
                    return
                await woken.wait()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def __iter__(self) -> Iterator[Pose]:
        """The same for a plain `for`: the connection lives in a thread."""
        woken = threading.Event()
        background = _LoopThread(self._run(woken.set), at_end=woken.set)
        try:
            while True:
                woken.clear()
                while self._inbox:
                    yield self._inbox.popleft()
                if background.ended:
                    background.result()
                    return
                woken.wait(1.0)  # with a timeout Ctrl-C comes through everywhere
        finally:
            background.stop()

    async def _run(self, wake: Callable[[], None]) -> None:
        """Connects again and again, until the server refuses or reconnect is off."""
        retry_s = FIRST_RETRY_S
        while True:
            self._inbox.clear()
            try:
                await self._connect_once(wake)
            except InvalidURI as error:
                raise Refused(str(error)) from error
            except InvalidStatus as error:
                reason = _refusal(error)
                if error.response.status_code < 500:
                    raise Refused(reason) from error
            except ConnectionClosed as closed:
                reason = str(closed)
                if closed.rcvd and closed.rcvd.code == CLOSE_POLICY:
                    raise Refused(reason) from closed
            except (OSError, InvalidHandshake) as error:
                reason = str(error) or type(error).__name__
            if not self._reconnect:
                return
            if self.connected:
                retry_s = FIRST_RETRY_S
            self.hello, self.connected = None, False
            delay_s = retry_s * random.uniform(0.5, 1.0)
            retry_s = min(retry_s * 2, LAST_RETRY_S)
            logger.warning("%s: %s; trying again in %.1f s", self.url, reason, delay_s)
            await asyncio.sleep(delay_s)

    async def _connect_once(self, wake: Callable[[], None]) -> NoReturn:
        """Serves one connection until it breaks."""
        async with connect(
            self.url,
            subprotocols=[SUBPROTOCOL],
            additional_headers=self._headers,
            compression=None,
            close_timeout=2,
        ) as connection:
            if connection.subprotocol != SUBPROTOCOL:
                raise Refused(f"the server doesn't speak {SUBPROTOCOL}; is this a pose stream?")
            pings = asyncio.create_task(_ping(connection))
            try:
                while True:
                    message = await connection.recv()
                    if isinstance(message, str):
                        self._take_control(message)
                        continue
                    pose = decode_pose(message)
                    await connection.send(ACK.pack(ACK_BYTE, pose.seq))
                    self.skipped += len(self._inbox) == self._inbox.maxlen
                    self._inbox.append(pose)
                    wake()
            finally:
                pings.cancel()
                await asyncio.gather(pings, return_exceptions=True)

    def _take_control(self, text: str) -> None:
        message = parse_control(text)
        match message:
            case Hello():
                self._check(message)
                self.hello, self.connected = message, True
                self.subjects = {}
            case StreamState():
                self.state = message
            case Skeleton():
                self.skeleton = message
            case Subject(person, "leave"):
                self.subjects = {k: v for k, v in self.subjects.items() if k != person}
            case Subject(person):
                self.subjects = {**self.subjects, person: message}
            case Stats():
                self.stats = message
            case Pong():
                self._clock.add(message, _now_us())
            case ErrorMessage(code, reason):
                logger.warning("%s: %s: %s", self.url, code, reason)
            case Bye(reason):
                logger.info("%s: the server says bye: %s", self.url, reason)
        if message is not None and self._on_control is not None:
            self._on_control(message)

    def _check(self, hello: Hello) -> None:
        if hello.proto != PROTO:
            raise Refused(f"the server speaks {hello.proto}; this client speaks {PROTO}")
        if hello.space != self._space:
            raise Refused(f"the server sends space={hello.space}; {self._space} was asked for")


class _LoopThread:
    """Runs one coroutine on an event loop in a thread of its own."""

    def __init__(self, main: Coroutine[Any, Any, None], at_end: Callable[[], None]) -> None:
        self._loop = asyncio.new_event_loop()
        self._task = self._loop.create_task(main)
        self._at_end = at_end
        self._thread = threading.Thread(target=self._work, name="genmo_client", daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        """Whether the coroutine is over."""
        return self._task.done()

    def result(self) -> None:
        """Raises what the coroutine raised."""
        self._task.result()

    def stop(self) -> None:
        """Cancels the coroutine and waits for its end."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join()
        self._loop.close()

    def _work(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(asyncio.wait([self._task]))
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._at_end()


async def _ping(connection: ClientConnection) -> None:
    delays = itertools.chain(PING_DELAYS_S, itertools.repeat(PING_PERIOD_S))
    for delay_s in delays:
        await asyncio.sleep(delay_s)
        await connection.send(json.dumps({"type": "ping", "t0": _now_us()}))


def _now_us() -> int:
    return time.time_ns() // 1000


def _with_query(url: str, asked: dict[str, float | None]) -> tuple[str, str]:
    """Adds what is asked for to the URL's query; also returns the space it asks for."""
    parts = urlsplit(url)
    query = {"space": "smpl", **dict(parse_qsl(parts.query, keep_blank_values=True))}
    query |= {name: f"{value:g}" for name, value in asked.items() if value is not None}
    return urlunsplit(parts._replace(query=urlencode(query))), query["space"]


def _refusal(error: InvalidStatus) -> str:
    """What the server's problem+json says, or the status."""
    status = error.response.status_code
    try:
        detail = json.loads(error.response.body or b"")["detail"]
    except (ValueError, KeyError, TypeError):
        return f"the server answered {status}"
    return f"the server answered {status}: {detail}"

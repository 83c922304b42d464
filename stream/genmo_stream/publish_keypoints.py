"""Publishes the landmarks of a video file: the 2D stage runs here, no picture leaves."""

import asyncio
import json
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit, urlunsplit

import numpy as np
from av.video.frame import VideoFrame
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from genmo_rt.errors import InputError
from genmo_stream.keypoints import PeopleStage
from genmo_stream.keypoints.landmarker import PoseModel
from genmo_stream.playback import Playback
from genmo_stream.publish import Say, Sent
from genmo_stream.whip_client import PublishError
from genmo_stream.wire import Profile
from genmo_stream.wire.keypoints import ClockPing, KeypointsMessage, encode_keypoints, encode_ping

PING_EVERY_S = 2.0
CONNECT_TIMEOUT_S = 15.0
WHIP, STREAMS, KEYPOINTS = "/whip/", "/v1/streams/", "/keypoints"


@dataclass(frozen=True, slots=True)
class KeypointOptions:
    """How a file's landmarks are published.

    Attributes:
        loop: start over at its end, without a pause.
        size: (width, height) of the pictures; None = the file's. Proportions are kept.
        fps: pictures per second; None = the file's.
        model: MediaPipe's, "full" or "lite".
        token: bearer token, or None.
        ca: certificates (PEM) to trust instead of the system's, for a server with its own.
    """

    loop: bool = False
    size: tuple[int, int] | None = None
    fps: float | None = None
    model: PoseModel = "full"
    token: str | None = None
    ca: Path | None = None


def keypoints_url(url: str) -> str:
    """The websocket for the keypoints of a stream.

    Args:
        url: http(s)://HOST:PORT/whip/STREAM, as video is sent to, or
            http(s)|ws(s)://HOST:PORT/v1/streams/STREAM/keypoints. A query is kept.
    Raises:
        InputError: it is neither.
    """
    parts = urlsplit(url)
    scheme = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}.get(parts.scheme)
    path = parts.path
    before, whip, name = path.rpartition(WHIP)
    if whip:
        path = f"{before}{STREAMS}{name}{KEYPOINTS}"
    if scheme is None or STREAMS not in path or not path.endswith(KEYPOINTS):
        raise InputError(
            f"{url} is no place for keypoints; expected http://HOST:PORT/whip/STREAM or "
            "ws://HOST:PORT/v1/streams/STREAM/keypoints"
        )
    return urlunsplit((scheme, parts.netloc, path, parts.query, ""))


async def publish_keypoints(
    path: Path,
    url: str,
    options: KeypointOptions = KeypointOptions(),
    say: Say = lambda line: None,
) -> Sent:
    """Publishes a file's landmarks in real time until it ends or the task is cancelled.

    Args:
        path: a video file.
        url: as `keypoints_url` takes it.
        say: takes lines for the user.
    Raises:
        InputError: the url, size or fps can't be used.
        FileFormatError: the file is no video, or breaks off.
        PublishError: the server can't be reached, refuses, or ends the stream.
    """
    place = keypoints_url(url)
    playback = await asyncio.to_thread(
        Playback, path, size=options.size, fps=options.fps, loop=options.loop
    )
    worker = ThreadPoolExecutor(1, "2D")
    try:
        loop = asyncio.get_running_loop()
        stage = await loop.run_in_executor(worker, PeopleStage, options.model)
        try:
            async with _connection(place, options) as socket:
                say(
                    f"publishing the keypoints of {path.name}, {playback.width}x{playback.height} "
                    f"at {playback.fps:g} fps, to {place}; the video stays here"
                )
                return await _Watcher(socket, playback, stage, worker, say).run()
        except InvalidStatus as error:
            raise PublishError(f"{place} refused with {_reason(error)}") from error
        except (OSError, TimeoutError, InvalidHandshake, InvalidURI) as error:
            raise PublishError(
                f"{place} can't be reached ({error}); start a server with `genmo-rt serve` or "
                "check host and port"
            ) from error
        finally:
            await loop.run_in_executor(worker, stage.close)
    finally:
        await asyncio.to_thread(playback.close)
        await asyncio.to_thread(worker.shutdown)


class _Watcher:
    """Looks at a picture on every beat and sends what it saw."""

    def __init__(
        self,
        socket: ClientConnection,
        playback: Playback,
        stage: PeopleStage,
        worker: ThreadPoolExecutor,
        say: Say,
    ) -> None:
        self._socket = socket
        self._playback = playback
        self._stage = stage
        self._worker = worker
        self._say = say
        self._pong_us: int | None = None  # when the last answer to a ping came
        self._answered = asyncio.Event()  # ... the first one did
        self._timed = asyncio.Event()  # the server knows our clock
        self._bye: str | None = None

    async def run(self) -> Sent:
        """Sends until the file ends; says goodbye by closing."""
        sent: Sent | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                helpers = [tasks.create_task(self._listen()), tasks.create_task(self._ping())]
                sent = await self._play()
                for helper in helpers:
                    helper.cancel()
        except* ConnectionClosed as group:
            reason = self._bye or str(group.exceptions[0])
            raise PublishError(f"the server ended the stream: {reason}") from group
        assert sent is not None
        return sent

    async def _play(self) -> Sent:
        await self._timed.wait()
        loop = asyncio.get_running_loop()
        fps = self._playback.fps
        start, start_us = time.monotonic(), _now_us()
        beat = frames = skipped = 0
        while True:
            t_us = start_us + round(beat * 1e6 / fps)
            saw = await loop.run_in_executor(self._worker, self._look, beat, t_us)
            if saw is None:
                return Sent(frames, skipped)
            await self._socket.send(encode_keypoints(saw))
            frames += 1
            beat += 1
            late = int((time.monotonic() - start) * fps) - beat
            for _ in range(late):  # the 2D stage or the network is slower than the video
                if await loop.run_in_executor(self._worker, self._playback.take) is None:
                    return Sent(frames, skipped)
                skipped += 1
                beat += 1
            await asyncio.sleep(start + beat / fps - time.monotonic())

    def _look(self, frame: int, t_us: int) -> KeypointsMessage | None:
        """The next picture's landmarks; None after the last. In the worker's thread."""
        picture = self._playback.take()
        if picture is None:
            return None
        image = VideoFrame.from_ndarray(picture, format="yuv420p").to_ndarray(format="rgb24")
        people = self._stage.look(image.astype(np.uint8, copy=False), t_us)
        return KeypointsMessage(
            frame=frame % 2**32,
            t_capture_us=t_us,
            image_size=(self._playback.width, self._playback.height),
            intrinsics=None,
            persons=tuple(person.keypoints for person in people),
        )

    async def _listen(self) -> NoReturn:
        """Takes what the server says; ConnectionClosed ends it."""
        while True:
            message = json.loads(await self._socket.recv())
            match message["type"]:
                case "pong":
                    self._pong_us = _now_us()
                    self._answered.set()
                case "error":
                    self._say(f"the server says: {message['message']}")
                case "bye":
                    self._bye = message["reason"]

    async def _ping(self) -> NoReturn:
        """Lets the server know our clock: a ping tells when the answer to the last one came."""
        await self._send_ping()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._answered.wait(), PING_EVERY_S)
        await self._send_ping()
        self._timed.set()
        while True:
            await asyncio.sleep(PING_EVERY_S)
            await self._send_ping()

    async def _send_ping(self) -> None:
        await self._socket.send(encode_ping(ClockPing(_now_us(), self._pong_us)))


def _connection(place: str, options: KeypointOptions) -> connect:
    headers = {"Authorization": f"Bearer {options.token}"} if options.token else {}
    trusted: ssl.SSLContext | None = None
    if options.ca is not None:
        try:
            trusted = ssl.create_default_context(cafile=options.ca)
        except (OSError, ssl.SSLError) as error:
            raise InputError(
                f"--ca is {options.ca}: {error}; expected a PEM file with certificates"
            ) from error
    return connect(
        place,
        subprotocols=[Profile.JSON],  # type: ignore[list-item]  # a str, as its Subprotocol is
        additional_headers=headers,
        compression=None,
        proxy=None,
        ssl=trusted,
        open_timeout=CONNECT_TIMEOUT_S,
    )


def _reason(error: InvalidStatus) -> str:
    """Status, what the server says about it, and when to come again."""
    response = error.response
    said = ""
    with suppress(ValueError, AttributeError):
        said = json.loads(response.body or b"").get("detail", "")
    again = response.headers.get("Retry-After")
    wait = f"; try again in {again} s" if again else ""
    return f"{response.status_code} {response.reason_phrase}: {said}{wait}"


def _now_us() -> int:
    return time.time_ns() // 1000

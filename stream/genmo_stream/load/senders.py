"""One stream's sender in a load: a camera or a keypoint client that plays what was prepared."""

import asyncio
import json
import time
from typing import NoReturn

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from genmo_stream.load.footage import EncodedLoop, KeypointLoop
from genmo_stream.load.watcher import OPEN_S
from genmo_stream.publish import SendOptions, publish_shots
from genmo_stream.publish_keypoints import PING_EVERY_S
from genmo_stream.whip_client import Refused
from genmo_stream.wire import Profile
from genmo_stream.wire.keypoints import ClockPing, encode_ping


class Replay:
    """Packets of a loop as a camera's shots, from any of its keyframes on."""

    def __init__(self, loop: EncodedLoop, start: int = 0) -> None:
        """Starts with the keyframe of this number (modulo how many there are)."""
        self._loop = loop
        self._place = loop.keyframes[start % len(loop.keyframes)]

    @property
    def fps(self) -> float:
        """Pictures per second."""
        return self._loop.fps

    async def shoot(self, missed: int, t_us: int, *, keyframe: bool) -> bytes | None:
        """The next packet; the next keyframe's where the receiver asks for one."""
        if keyframe:
            later = [place for place in self._loop.keyframes if place >= self._place]
            self._place = later[0] if later else self._loop.keyframes[0]
        packet = self._loop.packets[self._place]
        self._place = (self._place + 1) % len(self._loop.packets)
        return packet


async def send_video(
    host: str, stream: str, loop: EncodedLoop, start: int, token: str | None = None
) -> None:
    """Publishes a loop until the task is cancelled.

    Args:
        host: "127.0.0.1:8080".
        stream: its name.
        start: keyframe to start at.
        token: bearer token, or None.
    Raises:
        Refused: the server has no room.
        PublishError: it ended the stream.
    """
    url = f"http://{host}/whip/{stream}"
    await publish_shots(Replay(loop, start), url, SendOptions(codec=loop.codec, token=token))


async def send_keypoints(
    host: str, stream: str, loop: KeypointLoop, start: int, token: str | None = None
) -> None:
    """Publishes a loop's keypoints from a place on, until the task is cancelled.

    Raises:
        Refused: the server has no room.
        ConnectionClosed: it ended the stream.
    """
    url = f"ws://{host}/v1/streams/{stream}/keypoints"
    protocols = [Profile.JSON]
    try:
        socket = await connect(
            url,
            subprotocols=protocols,  # type: ignore[arg-type]  # a str, as its Subprotocol is
            additional_headers={"Authorization": f"Bearer {token}"} if token else {},
            compression=None,
            proxy=None,
            open_timeout=OPEN_S,
        )
    except InvalidStatus as error:
        response = error.response
        retry_after = response.headers.get("Retry-After")
        raise Refused(f"{url}: {response.status_code}", response.status_code, retry_after) from None
    async with socket:
        client = _Client(socket)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(client.listen())
            tasks.create_task(client.ping())
            tasks.create_task(client.play(loop, start))


class _Client:
    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._pong_us: int | None = None

    async def play(self, loop: KeypointLoop, start: int) -> NoReturn:
        began, began_us = time.monotonic(), _now_us()
        beat = 0
        while True:
            before, after = loop.messages[(start + beat) % len(loop.messages)]
            t_us = began_us + round(beat * 1e6 / loop.fps)
            await self._socket.send(f'{before}"frame":{beat},"t_capture_us":{t_us},{after}')
            beat = max(beat + 1, int((time.monotonic() - began) * loop.fps))
            await asyncio.sleep(began + beat / loop.fps - time.monotonic())

    async def listen(self) -> NoReturn:
        while True:
            message = json.loads(await self._socket.recv())
            if message["type"] == "pong":
                self._pong_us = _now_us()

    async def ping(self) -> NoReturn:
        """Lets the server know our clock."""
        pause = 0.1
        while True:
            await self._socket.send(encode_ping(ClockPing(_now_us(), self._pong_us)))
            await asyncio.sleep(pause)
            pause = PING_EVERY_S


def _now_us() -> int:
    return time.time_ns() // 1000

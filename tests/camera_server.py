"""A real WHIP server for tests: uvicorn in this event loop, and a host that keeps the frames."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import uvicorn
from aiortc import (
    AudioStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
    VideoStreamTrack,
)
from av.video.stream import VideoStream
from numpy.typing import NDArray
from starlette.applications import Starlette
from starlette.requests import HTTPConnection

from genmo_stream.errors import ServerFull
from genmo_stream.frame import Frame
from genmo_stream.ice import replace_part
from genmo_stream.ingest import FrameSource, IngestConfig, SourceEnded
from genmo_stream.publish_options import PublishOptions
from genmo_stream.whip import Authorize, whip_routes

DEFAULTS = IngestConfig()
PATIENCE_S = 20.0  # a wait that takes longer is a failure
CHROMIUM_OFFER = (Path(__file__).parent / "fixtures/sdp/chromium_offer.sdp").read_bytes().decode()
"""What Chromium 152 offers for a camera and a microphone, all candidates gathered."""


@dataclass
class Published:
    """One publisher as the host saw it."""

    stream: str
    source: FrameSource
    options: PublishOptions
    frames: list[Frame] = field(default_factory=list)
    ended: str | None = None


class Host:
    """Takes publishers; with `read`, their frames too. Room for `room` streams."""

    def __init__(self, *, read: bool = True, room: int = 100) -> None:
        self.read = read
        self.room = room
        self.published: list[Published] = []
        self._readers: set[asyncio.Task[None]] = set()

    def check_capacity(self, stream: str) -> None:
        """As a server with `room` streams."""
        if len(self.published) >= self.room:
            raise ServerFull(f"{self.room} streams are live, the limit", retry_after_s=7)

    def publish(self, stream: str, source: FrameSource, options: PublishOptions) -> None:
        """Keeps the publisher and reads its frames."""
        published = Published(stream, source, options)
        self.published.append(published)
        if self.read:
            self._readers.add(asyncio.create_task(self._read(published)))

    async def close(self) -> None:
        """Ends all publishers, as a server does at shutdown."""
        for published in self.published:
            await published.source.close()
        await asyncio.gather(*self._readers)

    async def frames(self, count: int, publisher: int = 0) -> list[Frame]:
        """The first `count` frames of a publisher, when they are there."""
        await until(lambda: len(self.published) > publisher)
        published = self.published[publisher]
        await until(lambda: len(published.frames) >= count or published.ended is not None)
        assert len(published.frames) >= count, published.ended
        return published.frames[:count]

    async def _read(self, published: Published) -> None:
        try:
            while True:
                picture = await published.source.next()
                published.frames.append(published.source.develop(picture))
        except SourceEnded as end:
            published.ended = str(end)


async def until(condition: Callable[[], bool]) -> None:
    """Waits for a condition that only other tasks, threads or peers can make true."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110  nobody signals it
            await asyncio.sleep(0.01)


def by_bearer(connection: HTTPConnection, scope: str) -> str | None:
    """Takes any bearer token for an identity, and its absence for none."""
    return connection.headers.get("authorization")


@asynccontextmanager
async def camera_server(
    host: Host,
    config: IngestConfig = DEFAULTS,
    authorize: Authorize = by_bearer,
    certificate: Path | None = None,
) -> AsyncIterator[str]:
    """Serves WHIP on a free port; gives the url before /whip. Nothing may be left at the end.

    With a certificate (a PEM file with its key) it is https.
    """
    before = set(threading.enumerate())
    app = Starlette(routes=whip_routes(host, config, authorize))
    options = uvicorn.Config(
        app, port=0, log_level="warning", lifespan="off", ssl_certfile=certificate
    )
    server = uvicorn.Server(options)
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"{'http' if certificate is None else 'https'}://127.0.0.1:{port}"
    finally:
        await host.close()
        server.should_exit = True
        await serving
    await until(lambda: asyncio.all_tasks() == {asyncio.current_task()})
    await until(lambda: not _media_threads(before))


def _media_threads(before: set[threading.Thread]) -> list[str]:
    new = [thread.name for thread in set(threading.enumerate()) - before]
    return [name for name in new if name.startswith(("decoder", "video-", "audio-"))]


class TestCamera:
    """A bare aiortc publisher that can misbehave: freeze, or vanish without a word."""

    __test__ = False

    def __init__(self, *, audio: bool = False) -> None:
        self.running = asyncio.Event()
        self.running.set()
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.connection.addTrack(_GreenTrack(self.running))
        if audio:
            self.connection.addTrack(AudioStreamTrack())

    async def offer(self) -> str:
        """The SDP offer, gathered."""
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return self.connection.localDescription.sdp

    async def connect(self, answer: str) -> None:
        """Takes the server's answer."""
        await self.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    def freeze(self) -> None:
        """Sends no more pictures; the connection stays."""
        self.running.clear()

    def vanish(self) -> None:
        """Loses its network: no BYE, no DTLS alert, no DELETE."""
        for transceiver in self.connection.getTransceivers():
            for protocol in transceiver.sender.transport.transport._connection._protocols:
                replace_part(protocol.transport, "sendto", _nowhere)

    async def close(self) -> None:
        """Frees it; the server hears of it unless it vanished."""
        self.running.set()
        await self.connection.close()


class _GreenTrack(VideoStreamTrack):
    def __init__(self, running: asyncio.Event) -> None:
        super().__init__()
        self._running = running

    async def recv(self) -> av.VideoFrame:
        await self._running.wait()
        frame = await super().recv()
        assert isinstance(frame, av.VideoFrame)
        return frame


def _nowhere(*args: object) -> None:
    """Sends nothing."""


def make_clip(
    path: Path, *, frames: int = 30, size: tuple[int, int] = (320, 240), fps: int = 30
) -> Path:
    """An H.264 file with a bright bar that moves over a grey ramp."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"preset": "ultrafast"})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(bar_picture(index, size), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def bar_picture(index: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """(H, W, 3) RGB picture `index` of `make_clip`."""
    width, height = size
    picture = np.zeros((height, width, 3), np.uint8)
    picture[:] = np.linspace(40, 160, width, dtype=np.uint8)[None, :, None]
    left = index * 8 % (width - 20)
    picture[height // 4 :, left : left + 20] = (230, 60, 40)
    return picture

"""A real pose server for tests: uvicorn in a thread, a hub per stream, poses on demand."""

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Self, TypeVar

import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from genmo_stream.hub import Hub
from genmo_stream.sockets import ViewerSocket
from genmo_stream.viewers import ViewerOptions, refuse_viewer, serve_viewer
from genmo_stream.wire import Limits, PoseMessage, StreamState, WireError, decode_pose
from tests import golden

PATIENCE_S = 20.0  # a wait that takes longer is a failure
T = TypeVar("T")


class TinySocket(ViewerSocket):
    """Kernel buffers so small that a viewer who stops reading blocks the sender at once."""

    def connection_made(self, transport: Any) -> None:
        """Shrinks the send buffer, and the time a stalled peer may take to close."""
        super().connection_made(transport)
        self.close_timeout = 0.3
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)


class PoseServer:
    """`with PoseServer() as server:` serves `/v1/streams/{stream}/poses` on a free port."""

    def __init__(
        self, limits: Limits | None = None, ws: type[ViewerSocket] = ViewerSocket, port: int = 0
    ) -> None:
        self.limits = limits or Limits()
        self.hubs: dict[str, Hub] = {}
        app = Starlette(
            routes=[WebSocketRoute("/v1/streams/{stream}/poses", self._poses)],
            lifespan=self._lifespan,
        )
        self.server = uvicorn.Server(
            uvicorn.Config(
                app,
                port=port,
                ws=ws,
                ws_per_message_deflate=False,
                ws_max_size=64 * 1024,
                log_level="error",
                timeout_graceful_shutdown=2,
            )
        )
        self._thread = threading.Thread(target=self.server.run, name="pose server")
        self._loop: asyncio.AbstractEventLoop | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        wait_for(lambda: self.server.started)
        return self

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = True
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), "the server did not stop"

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self.server.servers[0].sockets[0].getsockname()[1]
        return port

    def url(self, stream: str = "cam", query: str = "") -> str:
        """A stream's pose URL."""
        return f"ws://127.0.0.1:{self.port}/v1/streams/{stream}/poses{query}"

    def hub(self, stream: str = "cam") -> Hub:
        """The stream's hub, made on first use; touch it through `call` alone."""
        if stream not in self.hubs:
            self.hubs[stream] = Hub(stream, server="test 0", limits=self.limits)
        return self.hubs[stream]

    def call(self, action: Callable[[], T]) -> T:
        """Runs something on the server's event loop and returns its result."""

        async def run() -> T:
            return action()

        assert self._loop
        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(PATIENCE_S)

    def publish(
        self, count: int = 1, stream: str = "cam", message: PoseMessage | None = None
    ) -> int:
        """Publishes poses, with the loop running between them; returns the last seq."""
        hub = self.hub(stream)
        for _ in range(count):
            self.call(lambda: hub.publish(message or pose(hub.seq + 1)))
        return hub.seq

    def go_live(self, stream: str = "cam") -> None:
        """Sets the stream's state to live."""
        self.call(lambda: self.hub(stream).set_state(StreamState("live", "sender", 30.0)))

    def viewers(self, stream: str = "cam") -> int:
        """How many viewers the stream has now."""
        return self.call(lambda: self.hub(stream).viewer_count)

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        self._loop = asyncio.get_running_loop()
        yield

    async def _poses(self, websocket: WebSocket) -> None:
        try:
            options = ViewerOptions.from_query(websocket.query_params)
        except WireError as error:
            await refuse_viewer(websocket, error)
            return
        await serve_viewer(websocket, self.hub(websocket.path_params["stream"]), options)


def pose(frame: int, persons: int = 1) -> PoseMessage:
    """The golden raised hand, as if captured now."""
    message = decode_pose(golden.read("poses/right_hand_up.smpl.bin"))
    people = tuple(replace(message.persons[0], person=person) for person in range(persons))
    return replace(
        message, frame=frame, t_capture_us=time.time_ns() // 1000 - 30_000, persons=people
    )


def wait_for(condition: Callable[[], bool]) -> None:
    """Returns once the condition holds; fails after PATIENCE_S."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)

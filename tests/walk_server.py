"""A server for keypoints in and poses out whose clock is the test's, with the shipped weights."""

import contextlib
import threading
import time
from collections.abc import AsyncIterator

import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket
from websockets.sync.client import ClientConnection, connect

from genmo_rt.estimate import Estimator
from genmo_stream.admission import Admission
from genmo_stream.keypoints import KeypointStage
from genmo_stream.publishers import Publishers
from genmo_stream.remote_session import KeypointsEndpoint
from genmo_stream.sockets import ViewerSocket
from genmo_stream.streams import Streams
from genmo_stream.viewers import ViewerOptions, serve_viewer

PATIENCE_S = 30.0
SERVER_US = 1_790_000_000_000_000  # when it starts


class WalkServer:
    """`with WalkServer() as server:` takes keypoints and gives poses; its clock is `now_us`."""

    def __init__(self) -> None:
        self.now_us = SERVER_US
        streams = Streams(
            Estimator.load(streams=4), _no_stage, admission=Admission.to(2), max_persons=2
        )
        endpoint = KeypointsEndpoint(
            streams, Publishers(), lambda *_: None, clock_us=lambda: self.now_us
        )

        async def poses(websocket: WebSocket) -> None:
            stream = streams.open(websocket.path_params["stream"])
            await serve_viewer(websocket, stream.hub, ViewerOptions())

        @contextlib.asynccontextmanager
        async def lifespan(app: Starlette) -> AsyncIterator[None]:
            yield
            await streams.close()

        root = "/v1/streams/{stream}"
        app = Starlette(
            routes=[
                WebSocketRoute(f"{root}/keypoints", endpoint.serve),
                WebSocketRoute(f"{root}/poses", poses),
            ],
            lifespan=lifespan,
        )
        config = uvicorn.Config(
            app, port=0, ws=ViewerSocket, log_level="error", timeout_graceful_shutdown=2
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, name="walk server")

    def __enter__(self) -> "WalkServer":
        self._thread.start()
        deadline = time.monotonic() + PATIENCE_S
        while not self._server.started:
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), "the server did not stop"

    def connect(self, path: str) -> ClientConnection:
        """A websocket of the server."""
        port = self._server.servers[0].sockets[0].getsockname()[1]
        return connect(f"ws://127.0.0.1:{port}/v1/streams/{path}", proxy=None, compression=None)


def _no_stage() -> KeypointStage:
    raise AssertionError("nobody looks at pictures here")

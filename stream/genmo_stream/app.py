"""The HTTP face of the server: page, WHIP, streams, websockets, health; one Starlette app."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import torch
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from genmo_rt.formats.glb import body_glb
from genmo_stream.admission import NAMES, RETRY_AFTER_S
from genmo_stream.auth import Authorizer, Denied
from genmo_stream.config import ServerConfig
from genmo_stream.errors import ServerFull
from genmo_stream.ingest import IngestConfig
from genmo_stream.metrics import StreamCollector, render
from genmo_stream.page import WEB_ROOT, PageFiles
from genmo_stream.problem import Problem, problem_response
from genmo_stream.publishers import Publishers
from genmo_stream.remote_session import KeypointsEndpoint
from genmo_stream.sinks import Outputs
from genmo_stream.sinks_routes import SinksApi
from genmo_stream.stream import Stream
from genmo_stream.streams import Streams
from genmo_stream.takes import TakeLimits, Takes
from genmo_stream.takes.solving import SecondSolver
from genmo_stream.takes_routes import TakesApi
from genmo_stream.viewers import ViewerOptions, refuse_viewer, serve_viewer
from genmo_stream.whip import valid_stream_name, whip_routes
from genmo_stream.wire import WireError

MODELS = tuple(f"pose_landmarker_{kind}.task" for kind in ("full", "lite"))
SHAPE_LIMIT = 25.0  # standard deviations; somebody of half a metre has -12 of height's


def create_app(config: ServerConfig, streams: Streams) -> Starlette:
    """The whole server as an ASGI app; its lifespan ends every stream."""
    authorizer = Authorizer(
        config.tokens, allowed_origins=config.allowed_origins, insecure=config.insecure
    )
    publishers = Publishers()
    api = Api(config, streams, authorizer, publishers)
    takes = Takes(
        config.takes_dir,
        body=streams.estimator.body.name,
        limits=TakeLimits(seconds=config.take_minutes * 60, size=config.take_megabytes << 20),
    )
    outputs = Outputs()
    streams.listen(takes, outputs)
    solver = SecondSolver(takes, streams.estimator)
    takes_api = TakesApi(takes, solver, streams.get, streams.estimator.body, api.authorize)
    sinks_api = SinksApi(outputs, api.authorize)
    ingest = IngestConfig(
        ice_interfaces=config.ice_interfaces,
        udp_ports=config.udp_ports,
        ice_servers=config.ice_servers,
    )

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        for sink in config.all_sinks():
            outputs.add(sink)
        tending = asyncio.create_task(streams.tend())
        try:
            yield
        finally:
            tending.cancel()
            with suppress(asyncio.CancelledError):
                await tending
            await streams.close()
            await run_in_threadpool(outputs.close)
            await run_in_threadpool(takes.close)
            await run_in_threadpool(solver.close)

    routes: list[BaseRoute] = [
        *whip_routes(streams, ingest, api.authorize, publishers),
        Mount(
            "/v1",
            routes=[*takes_api.routes(), *sinks_api.routes(), *api.routes()],
            middleware=[_cross_origin(config)],
        ),
        Route("/healthz", api.health),
        Route("/readyz", api.ready),
        Route("/metrics", api.metrics),
        WebSocketRoute("/{path:path}", api.no_websocket),
    ]
    if WEB_ROOT.is_dir():
        routes.append(Mount("/", PageFiles()))
    return Starlette(
        routes=routes,
        lifespan=lifespan,
        exception_handlers={
            Problem: _problem,
            HTTPException: _http_error,
            Exception: _unexpected,
        },
    )


class Api:
    """The routes that are not WHIP's, with what they share."""

    def __init__(
        self,
        config: ServerConfig,
        streams: Streams,
        authorizer: Authorizer,
        publishers: Publishers,
    ) -> None:
        self._config = config
        self._streams = streams
        self._authorizer = authorizer
        self._keypoints = KeypointsEndpoint(streams, publishers, self.authorize).serve
        self._collector = StreamCollector(
            lambda: streams,
            lambda: streams.mind.figures,
            str(streams.estimator.engine.device),
            streams.admission,
        )

    def routes(self) -> list[BaseRoute]:
        """What is under /v1."""
        return [
            Route("/streams", self.list_streams),
            Route("/streams/{stream}", self.show_stream),
            Route("/tickets", self.issue_ticket, methods=["POST"]),
            Route("/body.glb", self.body),
            Route("/models/{name}", self.model),
            WebSocketRoute("/streams/{stream}/poses", self.poses),
            WebSocketRoute("/streams/{stream}/keypoints", self._keypoints),
            Route("/streams/{stream}/poses", self.want_websocket),
            Route("/streams/{stream}/keypoints", self.want_websocket),
            WebSocketRoute("/{path:path}", self.no_websocket),
        ]

    def authorize(self, connection: HTTPConnection, scope: str) -> str | None:
        """Token, ticket and origin check; the caller's identity or None.

        Raises:
            Problem: 401 or 403.
        """
        try:
            self._authorizer.check_origin(connection)
            return self._authorizer.authorize(connection, scope)
        except Denied as denied:
            raise _denial(denied) from denied

    async def list_streams(self, request: Request) -> Response:
        self.authorize(request, "view")
        return JSONResponse({"streams": [describe(stream) for stream in self._streams]})

    async def show_stream(self, request: Request) -> Response:
        self.authorize(request, "view")
        name = request.path_params["stream"]
        stream = self._streams.get(name)
        if stream is None:
            raise Problem(
                404, f"no stream is called '{name}'; GET /v1/streams lists those that are"
            )
        return JSONResponse(describe(stream))

    async def issue_ticket(self, request: Request) -> Response:
        try:
            ticket = self._authorizer.issue_ticket(request)
        except Denied as denied:
            raise _denial(denied) from denied
        return JSONResponse({"ticket": ticket, "expires_in_s": 30}, status_code=201)

    async def body(self, request: Request) -> Response:
        """The skinned body of the shape asked for, as glTF."""
        self.authorize(request, "view")
        shape = _shape(request.query_params.get("shape"))
        content = await run_in_threadpool(body_glb, self._streams.estimator.body, shape)
        headers = {"Cache-Control": "private, max-age=3600"}
        return Response(content, media_type="model/gltf-binary", headers=headers)

    async def model(self, request: Request) -> Response:
        """A 2D model that ships, for pages that find people themselves."""
        name = request.path_params["name"]
        if name not in MODELS:
            raise Problem(404, f"there is no model {name[:80]!r}; expected {', '.join(MODELS)}")
        headers = {"Cache-Control": "public, max-age=86400"}
        path = Path(__file__).parent / "models" / name
        return FileResponse(path, media_type="application/octet-stream", headers=headers)

    async def poses(self, websocket: WebSocket) -> None:
        name = websocket.path_params["stream"]
        try:
            self.authorize(websocket, "view")
            valid_stream_name(name)
            options = ViewerOptions.from_query(websocket.query_params)
            stream = self._streams.open(name)
            if stream.hub.viewer_count >= self._config.max_viewers:
                limit = self._config.max_viewers
                raise ServerFull(
                    f"'{name}' has {limit} viewers, the limit; close one first",
                    retry_after_s=RETRY_AFTER_S,
                )
        except WireError as error:
            await refuse_viewer(websocket, error)
        except ServerFull as error:
            retry = {"Retry-After": str(error.retry_after_s)}
            await websocket.send_denial_response(problem_response(503, str(error), retry))
        except Problem as problem:
            await websocket.send_denial_response(problem.response())
        else:
            await serve_viewer(websocket, stream.hub, options)

    async def want_websocket(self, request: Request) -> Response:
        raise Problem(
            426,
            f"{request.url.path} is a websocket; connect to it with ws:// or wss://",
            {"Upgrade": "websocket", "Connection": "Upgrade"},
        )

    async def no_websocket(self, websocket: WebSocket) -> None:
        detail = (
            f"there is no websocket at {websocket.url.path}; poses are at /v1/streams/STREAM/poses"
        )
        await websocket.send_denial_response(problem_response(404, detail))

    async def health(self, request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def ready(self, request: Request) -> Response:
        streams, admission = self._streams, self._streams.admission
        live, free = streams.live(), {kind: streams.free(kind) for kind in NAMES}
        room = any(free.values())
        body = {
            "status": "ready" if room else "full",
            "live": live.video + live.keypoints,
            "free": free["video"],
            "rung": streams.ladder.rung,
            "capacity": {
                "streams": admission.limit("video"),
                "streams_used": live.video,
                "streams_free": free["video"],
                "streams_full_rung": admission.capacity.full,
                "keypoint_streams": admission.limit("keypoints"),
                "keypoint_streams_used": live.keypoints,
                "keypoint_streams_free": free["keypoints"],
            },
        }
        headers = None if room else {"Retry-After": str(RETRY_AFTER_S)}
        return JSONResponse(body, status_code=200 if room else 503, headers=headers)

    async def metrics(self, request: Request) -> Response:
        self.authorize(request, "view")
        return Response(render(self._collector), media_type="text/plain; version=0.0.4")


def describe(stream: Stream) -> Mapping[str, object]:
    """One row of GET /v1/streams."""
    return {
        "stream": stream.name,
        "state": stream.hub.state.state,
        "source": stream.source,
        "rung": stream.rung,
        "capture_clock": stream.hub.state.capture_clock,
        "delay": stream.hub.state.delay,
        "fps_in": stream.fps_in,
        "fps_out": stream.fps_out,
        "received": stream.received,
        "dropped": stream.dropped,
        "persons": stream.persons,
        "viewers": stream.hub.viewer_count,
        "latency_ms": {
            stage: {"p50": value.p50, "p95": value.p95}
            for stage, value in stream.ledger.percentiles().items()
        },
    }


def _cross_origin(config: ServerConfig) -> Middleware:
    """Lets pages of allowed origins, and of this machine, read what the API answers."""
    return Middleware(
        CORSMiddleware,
        allow_origins=[origin.rstrip("/") for origin in config.allowed_origins],
        allow_origin_regex=r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?",
        allow_methods=["GET", "POST", "PATCH", "DELETE"],
        allow_headers=["Authorization", "Content-Type"],
        expose_headers=["Retry-After", "Location", "Content-Disposition"],
    )


def _denial(denied: Denied) -> Problem:
    headers = {"WWW-Authenticate": "Bearer"} if denied.status == 401 else None
    return Problem(denied.status, denied.detail, headers)


def _shape(text: str | None) -> torch.Tensor:
    try:
        values = [float(part) for part in text.split(",")] if text else [0.0] * 10
    except ValueError:
        values = []
    shape = torch.tensor(values)
    if len(values) != 10 or not bool((shape.abs() <= SHAPE_LIMIT).all()):
        raise Problem(
            400,
            f"shape is '{text}'; expected ten numbers from -{SHAPE_LIMIT:g} to {SHAPE_LIMIT:g}, "
            "comma separated",
        )
    return shape


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return error.response()


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = request.url.path
    nothing = f"there is nothing at {path}; the page is at /, the API at /v1/streams"
    if path == "/":
        nothing = "the page is not built; run `make setup` in the source tree (needs Node.js)"
    detail = {
        404: nothing,
        405: f"{path} does not take {request.method}; "
        f"expected {(error.headers or {}).get('Allow', 'another method')}",
    }.get(error.status_code, error.detail)
    return problem_response(error.status_code, detail, error.headers)


async def _unexpected(request: Request, error: Exception) -> Response:
    return problem_response(500, "the server failed on this request; its log says where")

"""WHIP (RFC 9725): a camera's HTTP requests become sessions, and sessions frames for the host."""

import asyncio
import logging
import math
import re
import secrets
from collections.abc import AsyncIterable, Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from starlette.datastructures import QueryParams
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import Route

from genmo_stream.errors import ConfigError, ServerFull
from genmo_stream.ice import ice_servers
from genmo_stream.ingest import FrameSource, IngestConfig, answer_offer
from genmo_stream.offer import OfferError, read_ice_fragment, read_offer
from genmo_stream.problem import Problem, problem_response
from genmo_stream.publish_options import PublishOptions
from genmo_stream.publishers import TAKEN_OVER, Publishers

MAX_BODY = 64 << 10  # bytes
BODY_TIMEOUT_S = 10.0
STREAM_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
SDP = "application/sdp"
ICE_FRAGMENT = "application/trickle-ice-sdpfrag"
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Location, ETag, Link, Accept-Patch, Accept-Post, Retry-After",
}
PREFLIGHT = {
    "Access-Control-Allow-Methods": "POST, PATCH, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, If-Match",
    "Access-Control-Max-Age": "600",
}

logger = logging.getLogger(__name__)

Authorize = Callable[[HTTPConnection, str], str | None]
"""Gives the caller's identity for a scope, None for one without a token; raises Problem."""


class StreamHost(Protocol):
    """Where streams live."""

    def check_capacity(self, stream: str) -> None:
        """Says whether a publisher of this stream has room.

        Raises:
            ServerFull: it has none.
        """

    def publish(self, stream: str, source: FrameSource, options: PublishOptions) -> None:
        """Takes a publisher's frames and, with them, the duty to close the source."""


def whip_routes(
    host: StreamHost,
    config: IngestConfig,
    authorize: Authorize,
    publishers: Publishers | None = None,
) -> list[Route]:
    """The routes /whip/{stream} and /whip/{stream}/{session}.

    Sessions end with their source: by DELETE, by a takeover, when the publisher is gone, or when
    the host closes it, which it does with all of them at shutdown.
    """
    shared = publishers or Publishers(config.stalled_after_s)
    endpoint = _Endpoint(host, config, authorize, shared)
    return [
        Route("/whip/{stream}", endpoint.on_stream, methods=METHODS),
        Route("/whip/{stream}/{session}", endpoint.on_session, methods=METHODS),
    ]


@dataclass(frozen=True, slots=True)
class _Session:
    """One publisher, from its POST to its end."""

    id: str
    etag: str
    ufrag: str
    identity: str | None
    source: FrameSource


class _Endpoint:
    def __init__(
        self, host: StreamHost, config: IngestConfig, authorize: Authorize, publishers: Publishers
    ) -> None:
        self._host = host
        self._config = config
        self._authorize = authorize
        self._publishers = publishers
        self._sessions: dict[str, _Session] = {}  # by stream

    async def on_stream(self, request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers={"Accept-Post": SDP, **PREFLIGHT, **CORS})
        return await _answer(request, {"POST": self._post})

    async def on_session(self, request: Request) -> Response:
        if request.method == "OPTIONS":
            headers = {"Accept-Patch": ICE_FRAGMENT, **PREFLIGHT, **CORS}
            return Response(status_code=204, headers=headers)
        return await _answer(request, {"PATCH": self._patch, "DELETE": self._delete})

    async def _post(self, request: Request) -> Response:
        identity = self._authorize(request, "publish")
        stream = valid_stream_name(request.path_params["stream"])
        options = publish_options(request.query_params)
        offer = read_offer(await _body(request, SDP))
        self._publishers.check_free(stream, identity)
        self._host.check_capacity(stream)
        answer, source = await answer_offer(offer, self._config)
        try:
            # another may have come during the answer
            self._publishers.check_free(stream, identity)
            self._host.check_capacity(stream)
            self._host.publish(stream, source, options)
        except BaseException:
            await source.close()
            raise
        session = _Session(
            id=secrets.token_urlsafe(16),
            etag=f'"{secrets.token_hex(8)}"',
            ufrag=offer.ufrag,
            identity=identity,
            source=source,
        )
        self._sessions[stream] = session
        source.at_end(self._forget_ended)
        before = self._publishers.take(stream, identity, source)
        if before is not None:  # after the new one is in its place: viewers see no end
            await before.close(TAKEN_OVER)
        root = request.scope.get("root_path", "")
        response = Response(answer, 201, media_type=SDP)
        response.headers["Location"] = f"{root}/whip/{stream}/{session.id}"
        response.headers["ETag"] = session.etag
        response.headers["Accept-Patch"] = ICE_FRAGMENT
        for link in _links(self._config):
            response.headers.append("Link", link)
        return response

    async def _patch(self, request: Request) -> Response:
        session = self._find(request)
        tags = [tag.strip() for tag in request.headers.get("if-match", "").split(",")]
        if not any(tags):
            raise Problem(428, f"no If-Match; expected the session's ETag {session.etag}")
        if session.etag not in tags and "*" not in tags:
            raise Problem(
                412, f"If-Match is {', '.join(tags)}; the session's ETag is {session.etag}"
            )
        fragment = read_ice_fragment(await _body(request, ICE_FRAGMENT))
        if fragment.ufrag != session.ufrag:
            raise Problem(
                422, "an ICE restart, which this server can't do; DELETE the session and POST anew"
            )
        await session.source.add_candidates(fragment.candidates)
        return Response(status_code=204)

    async def _delete(self, request: Request) -> Response:
        session = self._find(request)
        await session.source.close("the publisher deleted its session")
        return Response(status_code=200)

    def _find(self, request: Request) -> _Session:
        identity = self._authorize(request, "publish")
        stream = valid_stream_name(request.path_params["stream"])
        session = self._sessions.get(stream)
        if session is None or session.source.ended or session.id != request.path_params["session"]:
            raise Problem(404, f"stream {stream} has no such session; it may have ended; POST anew")
        if session.identity is not None and session.identity != identity:
            raise Problem(403, "this session belongs to another token; use the one that opened it")
        return session

    def _forget_ended(self) -> None:
        ended = [name for name, session in self._sessions.items() if session.source.ended]
        for name in ended:
            del self._sessions[name]
        self._publishers.forget_ended()


async def _answer(
    request: Request, handlers: dict[str, Callable[[Request], Awaitable[Response]]]
) -> Response:
    """Runs the method's handler; errors become problem responses. CORS headers on all."""
    handler = handlers.get(request.method)
    try:
        if handler is None:
            allowed = ", ".join([*handlers, "OPTIONS"])
            raise Problem(
                405, f"{request.method} has no meaning here; expected {allowed}", {"Allow": allowed}
            )
        response = await handler(request)
    except Problem as problem:
        response = problem.response()
    except OfferError as error:
        response = problem_response(400, str(error))
    except ServerFull as full:
        response = problem_response(503, str(full), {"Retry-After": str(full.retry_after_s)})
    except ConfigError as error:
        response = problem_response(500, f"the server's config is wrong: {error}")
    except Exception:
        logger.exception("%s %s failed", request.method, request.url.path)
        response = problem_response(500, "the server failed; its log says why; please report it")
    response.headers.update(CORS)
    return response


def valid_stream_name(name: str) -> str:
    """The name, if a stream may have it.

    Raises:
        Problem: 400.
    """
    if STREAM_NAME.fullmatch(name) is None:
        raise Problem(400, f"stream name {name[:80]!r}; expected 1 to 64 of A-Z a-z 0-9 _ -")
    return name


def publish_options(query: QueryParams) -> PublishOptions:
    """What a publisher says about its camera, in the query of its address.

    Raises:
        Problem: 400, a value can't be used.
    """
    delay = _number(query, "delay", 0, 8, whole=True)
    return PublishOptions(
        fov=_number(query, "fov", 10, 170),
        height_m=_number(query, "height_m", 0.5, 2.5),
        delay=0 if delay is None else int(delay),
    )


def _number(
    query: QueryParams, name: str, low: float, high: float, *, whole: bool = False
) -> float | None:
    text = query.get(name)
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high or (whole and not value.is_integer()):
        kind = "a whole number" if whole else "a number"
        raise Problem(400, f"{name} is {text[:40]!r}; expected {kind} from {low:g} to {high:g}")
    return value


async def _body(request: Request, content_type: str) -> str:
    """The body as text.

    Raises:
        Problem: 415 another type, 413 over MAX_BODY, 400 empty or not UTF-8, 408 too slow.
    """
    given = request.headers.get("content-type", "")
    if given.partition(";")[0].strip().lower() != content_type:
        accept = "Accept-Post" if content_type == SDP else "Accept-Patch"
        raise Problem(
            415, f"Content-Type is {given[:80]!r}; expected {content_type}", {accept: content_type}
        )
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > MAX_BODY:
        raise _too_large()
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            body = await _limited(request.stream())
    except TimeoutError as error:
        raise Problem(408, f"the body did not arrive within {BODY_TIMEOUT_S:g} s") from error
    except ClientDisconnect as error:
        raise Problem(400, "the body broke off") from error
    if not body.strip():
        raise Problem(400, f"the body is empty; expected {content_type}")
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise Problem(400, f"the body is not UTF-8; expected {content_type}") from error


async def _limited(chunks: AsyncIterable[bytes]) -> bytes:
    body = b""
    async for chunk in chunks:
        body += chunk
        if len(body) > MAX_BODY:
            raise _too_large()
    return body


def _too_large() -> Problem:
    return Problem(413, f"the body is over {MAX_BODY >> 10} KiB; expected an SDP of a few KiB")


def _links(config: IngestConfig) -> list[str]:
    """Link headers that tell a publisher the ICE servers (RFC 9725, section 4.6)."""
    links = []
    for server in ice_servers(config.ice_servers):
        link = f'<{server.urls}>; rel="ice-server"'
        if server.username is not None:
            link += f'; username="{server.username}"; credential="{server.credential}"'
            link += '; credential-type="password"'
        links.append(link)
    return links

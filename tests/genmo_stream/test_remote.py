"""Keypoints in over real websockets: who may, what is told, what is dropped, how it ends."""

import asyncio
import contextlib
import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Self

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.routing import WebSocketRoute
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from genmo_rt.camera import Intrinsics
from genmo_rt.clock import Tick
from genmo_stream.auth import Authorizer, Denied, Token
from genmo_stream.errors import ServerFull
from genmo_stream.frame import CaptureClock
from genmo_stream.ingest import SourceEnded
from genmo_stream.problem import Problem
from genmo_stream.publish_options import PublishOptions
from genmo_stream.publishers import Publishers
from genmo_stream.remote import RemoteConfig, RemoteSource
from genmo_stream.remote_session import KeypointsEndpoint
from genmo_stream.seen import Seen, SeenSource, SourceKind
from genmo_stream.server import MAX_WS_MESSAGE
from genmo_stream.sockets import ViewerSocket
from genmo_stream.wire.keypoints import KeypointsMessage, PublisherLimits, encode_keypoints
from tests.genmo_rt.walk import seen

PATIENCE_S = 20.0
LIMITS = PublisherLimits(max_errors=4, max_messages=400)
QUICK = RemoteConfig(connect_timeout_s=1.0, stalled_after_s=0.5, ended_after_s=1.0)
SIZE = seen(0.0).image_size
TOKENS = ("one", "two")


def frame(number: int, t_us: int | None = None) -> str:
    """A frame of the synthetic walker, captured now if not told otherwise."""
    t_us = time.monotonic_ns() // 1000 if t_us is None else t_us
    persons = (seen(number / 30),)
    return encode_keypoints(KeypointsMessage(number, t_us, SIZE, None, persons))


class Host:
    """Takes publishers as a server does; reads the frames of those that it serves."""

    server = "test 0"

    def __init__(self) -> None:
        self.full = False
        self.frames: list[Seen] = []
        self.clocks: list[CaptureClock] = []
        self.options: list[PublishOptions] = []
        self.sources: list[SeenSource] = []
        self.ended: list[str] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def check_capacity(self, name: str, kind: SourceKind) -> None:
        """Says no when it is full."""
        if self.full:
            raise ServerFull("4 streams are live", retry_after_s=5)

    def publish_seen(self, name: str, source: SeenSource, options: PublishOptions) -> None:
        """Reads the source until it ends."""
        self.options.append(options)
        self.sources.append(source)
        task = asyncio.create_task(self._read(source))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _read(self, source: SeenSource) -> None:
        try:
            while True:
                self.frames.append(await source.next(self._admit))
        except SourceEnded as end:
            self.ended.append(str(end))
        finally:
            await source.release()
            await source.close()

    def _admit(self, t_capture_us: int, clock: CaptureClock) -> Tick:
        self.clocks.append(clock)
        return Tick(len(self.clocks), 0.0, 0, False, False)


class KeypointServer:
    """`with KeypointServer() as server:` takes keypoints on a free port, in a thread."""

    def __init__(self, config: RemoteConfig) -> None:
        self.host = Host()
        self.publishers = Publishers(config.stalled_after_s)
        known = tuple(
            Token(hashlib.sha256(name.encode()).hexdigest(), frozenset({"publish"}))
            for name in TOKENS
        )
        self.authorizer = Authorizer(known)

        def authorize(connection: Any, scope: str) -> str | None:
            try:
                self.authorizer.check_origin(connection)
                return self.authorizer.authorize(connection, scope)
            except Denied as denied:
                raise Problem(denied.status, denied.detail) from denied

        endpoint = KeypointsEndpoint(
            self.host, self.publishers, authorize, config=config, limits=LIMITS
        )
        app = Starlette(routes=[WebSocketRoute("/v1/streams/{stream}/keypoints", endpoint.serve)])
        settings = uvicorn.Config(
            app,
            port=0,
            ws=ViewerSocket,
            ws_per_message_deflate=False,
            ws_max_size=MAX_WS_MESSAGE,
            lifespan="off",
            log_level="error",
            timeout_graceful_shutdown=2,
        )
        self.server = uvicorn.Server(settings)
        self._thread = threading.Thread(target=self.server.run, name="keypoint server")

    def __enter__(self) -> Self:
        self._thread.start()
        until(lambda: self.server.started)
        return self

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = True
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), "the server did not stop"

    def ticket(self, token: str) -> str:
        """A ticket for a token."""
        headers = [(b"authorization", f"Bearer {token}".encode())]
        scope = {"type": "http", "headers": headers, "client": ("192.0.2.1", 1)}
        return self.authorizer.issue_ticket(HTTPConnection(scope))

    @contextlib.contextmanager
    def client(
        self, query: str = "", token: str | None = None, **more: Any
    ) -> Iterator[ClientConnection]:
        """A client, hello already read."""
        port = self.server.servers[0].sockets[0].getsockname()[1]
        headers = more.pop("headers", {}) | ({"Authorization": f"Bearer {token}"} if token else {})
        url = f"ws://127.0.0.1:{port}/v1/streams/cam/keypoints{query}"
        options = {"proxy": None, "compression": None, "additional_headers": headers, **more}
        with connect(url, **options) as client:
            hello = told(client)
            assert (hello["type"], hello["proto"], hello["stream"]) == ("hello", "genmo.v1", "cam")
            yield client


def told(client: ClientConnection) -> dict[str, Any]:
    """The next message from the server."""
    message: dict[str, Any] = json.loads(client.recv(PATIENCE_S))
    return message


def until(condition: Callable[[], bool]) -> None:
    """Waits for something that another thread does."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


def closed(client: ClientConnection) -> tuple[int, str]:
    """Code and reason of the close, after a bye that says the same."""
    messages: list[dict[str, Any]] = []
    with contextlib.suppress(ConnectionClosed):
        while True:
            messages.append(told(client))
    code, reason = client.protocol.close_code, client.protocol.close_reason
    assert code is not None
    assert reason is not None
    assert messages[-1] == {"type": "bye", "reason": reason}
    return code, reason


@pytest.fixture(scope="module")
def server() -> Iterator[KeypointServer]:
    with KeypointServer(QUICK) as running:
        yield running


@pytest.fixture
def host(server: KeypointServer) -> Iterator[Host]:
    """The server's host, with nothing from the tests before."""
    host = server.host
    until(lambda: len(host.ended) == len(host.sources))
    host.frames, host.clocks, host.options = [], [], []
    host.sources, host.ended = [], []
    yield host
    host.full = False


def test_frames_come_through_with_their_numbers_and_sizes(
    server: KeypointServer, host: Host
) -> None:
    with server.client("?fov=60&height_m=1.8&delay=3") as client:
        for number in range(5):
            client.send(frame(number))
            until(lambda count=number: len(host.frames) == count + 1)
    assert [got.number for got in host.frames] == list(range(5))
    assert {got.image_size for got in host.frames} == {SIZE}
    assert host.options == [PublishOptions(fov=60.0, height_m=1.8, delay=3)]
    assert set(host.clocks) == {"arrival"}
    gaps = [
        b.t_capture_us - a.t_capture_us for a, b in zip(host.frames, host.frames[1:], strict=False)
    ]
    assert all(gap > 0 for gap in gaps)
    until(lambda: bool(host.ended))


def test_pings_make_the_capture_clock_the_senders(server: KeypointServer, host: Host) -> None:
    with server.client() as client:
        client.send(json.dumps({"type": "ping", "t0": time.monotonic_ns() // 1000}))
        pong = told(client)
        t3 = time.monotonic_ns() // 1000
        assert pong["type"] == "pong"
        assert pong["t1"] <= pong["t2"] <= time.time_ns() // 1000
        client.send(json.dumps({"type": "ping", "t0": t3, "t3": t3}))
        told(client)
        sent_us, now_us = time.monotonic_ns() // 1000, time.time_ns() // 1000
        client.send(frame(0, sent_us))
        until(lambda: bool(host.frames))
    assert host.clocks == ["sender"]
    assert abs(host.frames[0].t_capture_us - now_us) < 1_000_000  # whatever monotonic counts from


@pytest.mark.parametrize(
    ("bad", "code", "complaint"),
    [
        (b"pixels", "bad_message", "binary message of 6 bytes"),
        ('{"type":"keypoints"', "bad_message", "not JSON"),
        ("x" * 70_000, "bad_message", "message of 70000 bytes"),
        (frame(1, 0), "bad_time", "before the last frame's"),
        (frame(1, 10**15), "bad_time", "in the future"),
        (frame(1).replace('"width":', '"width":-'), "bad_message", "width is -"),
        (frame(1).replace("[[", "[[NaN,1,1],[", 1), "bad_message", "NaN is not JSON"),
    ],
)
def test_bad_messages_are_answered_and_the_connection_lives(
    server: KeypointServer, host: Host, bad: str | bytes, code: str, complaint: str
) -> None:
    with server.client() as client:
        client.send(frame(0))
        until(lambda: len(host.frames) == 1)
        client.send(bad)
        error = told(client)
        assert (error["type"], error["code"]) == ("error", code)
        assert complaint in error["message"]
        client.send(frame(2))
        until(lambda: len(host.frames) == 2)
        source = host.sources[0]
        assert (source.received, source.dropped) == (3, 1)


@pytest.mark.parametrize("value", [1, -0.12345678901234567])
def test_a_thousand_persons_are_refused_in_one_answer(
    server: KeypointServer, host: Host, value: float
) -> None:
    crowd = json.loads(frame(0))
    rows = [[value, value, value]] * 33
    crowd["persons"] = [{"landmarks": rows, "world": rows}] * 1000
    with server.client() as client:
        client.send(json.dumps(crowd))
        error = told(client)
        assert error["code"] == "bad_message"
        assert "expected at most" in error["message"]
        client.send(frame(1))
        until(lambda: len(host.frames) == 1)


def test_a_sensor_that_keeps_lying_is_told_once_and_keypoints_go_on(
    server: KeypointServer, host: Host
) -> None:
    with server.client() as client:
        for k in range(3 * LIMITS.max_errors):
            client.send(f'{{"type":"sensor","t_capture_us":{k},"gravity":[0,NaN,0]}}')
        client.send(frame(0))
        until(lambda: len(host.frames) == 1)
        error = told(client)
        assert error["code"] == "bad_sensor"
        assert "gravity[1] is NaN" in error["message"]
        client.send('{"type":"ping","t0":1}')
        assert told(client)["type"] == "pong"


def test_a_flood_of_bad_messages_ends_the_connection(server: KeypointServer, host: Host) -> None:
    with server.client() as client:
        for _ in range(LIMITS.max_errors + 1):
            client.send("junk")
        assert closed(client) == (1008, "over 4 bad messages in 10 s")
    until(lambda: host.ended == ["over 4 bad messages in 10 s"])


def test_a_flood_of_any_messages_ends_the_connection(server: KeypointServer, host: Host) -> None:
    with server.client() as client, contextlib.suppress(ConnectionClosed):
        for number in range(10 * LIMITS.max_messages):
            client.send(frame(number))
    until(lambda: bool(host.ended))
    assert host.ended[0].startswith("over 400 messages")


def test_a_live_stream_is_refused_to_others_and_given_to_the_same_token(
    server: KeypointServer, host: Host
) -> None:
    with server.client(token="one") as first:
        first.send(frame(0))
        until(lambda: len(host.frames) == 1)
        for token in ("two", None):
            with pytest.raises(InvalidStatus) as refused, server.client(token=token):
                pass
            assert refused.value.response.status_code == 409
            assert refused.value.response.headers["Retry-After"] == "1"
        ticket = server.ticket("one")
        with server.client(f"?ticket={ticket}") as second:  # as a browser comes
            assert closed(first) == (4010, "another publisher took the stream over")
            second.send(frame(1))
            until(lambda: len(host.frames) == 2)


def test_who_is_silent_can_be_followed_and_is_closed_in_the_end(
    server: KeypointServer, host: Host
) -> None:
    with server.client() as first:
        first.send(frame(0))
        until(lambda: len(host.frames) == 1)
        time.sleep(QUICK.stalled_after_s)
        with server.client() as second:
            assert closed(first)[0] == 4010
            assert closed(second) == (4011, "no keypoints came for too long")


def test_when_the_server_is_full_it_says_when_to_come_again(
    server: KeypointServer, host: Host
) -> None:
    host.full = True
    with pytest.raises(InvalidStatus) as refused, server.client():
        pass
    response = refused.value.response
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    assert not host.sources


@pytest.mark.parametrize(
    ("query", "more", "status", "complaint"),
    [
        ("?delay=9", {}, 400, "delay is '9'"),
        ("?fov=nan", {}, 400, "fov is 'nan'"),
        ("", {"subprotocols": ["genmo.v1.bin"]}, 400, "offer genmo.v1.json or none"),
        ("", {"origin": "https://evil.example"}, 403, "is not allowed"),
        ("?ticket=junk", {}, 401, "ticket is unknown"),
        ("", {"headers": {"X-Forwarded-For": "192.0.2.1"}}, 401, "no token"),
    ],
)
def test_who_may_not_publish_is_refused_at_the_handshake(
    server: KeypointServer, query: str, more: dict[str, Any], status: int, complaint: str
) -> None:
    with pytest.raises(InvalidStatus) as refused, server.client(query, **more):
        pass
    response = refused.value.response
    assert response.status_code == status
    assert complaint in json.loads(response.body)["detail"]


def test_the_newest_frame_wins_and_the_others_are_counted() -> None:
    async def run() -> None:
        source = RemoteSource(clock=lambda: 5.0)
        for number in range(10):
            message = KeypointsMessage(number, number, SIZE, None, ())
            source.put(message, number, "arrival", 0.1)
        got = await source.next(lambda t_us, clock: Tick(0, 0.0, 0, True, True))
        assert got.number == 9
        assert (source.received, source.dropped) == (10, 9)
        await source.close()
        with pytest.raises(SourceEnded, match="the server ended the stream"):
            await source.next(lambda t_us, clock: None)

    asyncio.run(run())


def test_what_is_said_of_the_camera_once_goes_for_the_pictures_after_it() -> None:
    once, other = (Intrinsics(f, f, 320.0, 240.0, 640, 480) for f in (900.0, 700.0))
    frames = [
        ((640, 480), None, None),
        ((640, 480), once, once),
        ((640, 480), None, once),
        ((320, 240), None, Intrinsics(450.0, 450.0, 160.0, 120.0, 320, 240)),
        ((640, 480), other, other),
        ((480, 640), None, None),  # a turned phone: where the middle of its picture is, who knows
        ((640, 480), None, None),
    ]

    async def run() -> None:
        source = RemoteSource()
        for number, (size, said, known) in enumerate(frames):
            source.put(KeypointsMessage(number, number, size, said, ()), number, "arrival", 0.1)
            got = await source.next(lambda t_us, clock: Tick(0, 0.0, 0, True, True))
            assert got.intrinsics == known

    asyncio.run(run())

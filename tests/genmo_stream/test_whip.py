"""WHIP over real HTTP: every row of the contract, with real cameras where media matters."""

import asyncio
import re
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from aioice import stun
from starlette.requests import HTTPConnection

from genmo_stream.ingest import FrameSource, IngestConfig
from genmo_stream.problem import Problem
from genmo_stream.publish_options import PublishOptions
from tests.camera_server import CHROMIUM_OFFER, Host, TestCamera, camera_server, until

SDP = {"Content-Type": "application/sdp"}
FRAGMENT = {"Content-Type": "application/trickle-ice-sdpfrag"}
LOOPBACK = IngestConfig(ice_interfaces=("127.0.0.1",))
UFRAG = (
    "a=ice-ufrag:ASOf\r\na=ice-pwd:W9f7xwPLTvdFFlxHpYiQjd+n\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n"
)
TRICKLE = UFRAG + "a=candidate:1 1 udp 2122194687 127.0.0.1 50617 typ host\r\n"


@asynccontextmanager
async def client(
    host: Host, config: IngestConfig = LOOPBACK, **more: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """A client whose base is a WHIP server's url."""
    async with (
        camera_server(host, config, **more) as url,
        httpx.AsyncClient(base_url=url, trust_env=False, timeout=20) as http,
    ):
        yield http


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(test)


async def publish(
    http: httpx.AsyncClient, path: str, camera: TestCamera, token: str | None = None
) -> httpx.Response:
    """Connects a camera, if the server takes it."""
    headers = SDP | ({"Authorization": f"Bearer {token}"} if token else {})
    response = await http.post(path, content=await camera.offer(), headers=headers)
    if response.status_code == 201:
        await camera.connect(response.text)
    return response


def assert_problem(response: httpx.Response, status: int, said: str) -> None:
    """The response is a problem of that status and says it, readable from other origins."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == status
    assert problem["type"] == "about:blank"
    assert re.search(said, problem["detail"]), problem["detail"]
    assert "Traceback" not in response.text
    assert response.headers["access-control-allow-origin"] == "*"
    exposed = response.headers["access-control-expose-headers"]
    assert {"Location", "ETag", "Link"} <= {name.strip() for name in exposed.split(",")}


def test_a_browsers_offer_opens_a_session_and_delete_ends_it() -> None:
    async def test() -> None:
        host = Host()
        async with client(host) as http:
            query = "/whip/cam-1?fov=60.5&height_m=1.8&delay=8&other=1"
            response = await http.post(query, content=CHROMIUM_OFFER, headers=SDP)
            assert response.status_code == 201, response.text
            assert response.headers["content-type"].startswith("application/sdp")
            assert re.fullmatch(r'"[0-9a-f]+"', response.headers["etag"])
            location = response.headers["location"]
            assert re.fullmatch(r"/whip/cam-1/[\w-]{20,}", location)
            assert response.text.startswith("v=0")
            assert "a=candidate:" in response.text
            assert response.text.count("a=recvonly") == 2
            published = host.published[0]
            assert published.stream == "cam-1"
            assert published.options == PublishOptions(fov=60.5, height_m=1.8, delay=8)
            assert (await http.delete(location)).status_code == 200
            await until(lambda: published.ended is not None)
            assert published.ended == "the publisher deleted its session"
            assert_problem(await http.delete(location), 404, "no such session")
            gone = await http.patch(location, content=TRICKLE, headers=FRAGMENT)
            assert_problem(gone, 404, "no such session")

    run(test())


def test_preflights_tell_what_is_accepted_and_exposed() -> None:
    async def test() -> None:
        async with client(Host()) as http:
            endpoint = await http.options("/whip/cam")
            session = await http.options("/whip/cam/some-session")
            assert endpoint.headers["accept-post"] == "application/sdp"
            assert session.headers["accept-patch"] == "application/trickle-ice-sdpfrag"
            for response in (endpoint, session):
                assert response.status_code == 204
                headers = response.headers
                assert headers["access-control-allow-origin"] == "*"
                assert "Location, ETag, Link" in headers["access-control-expose-headers"]
                assert "If-Match" in headers["access-control-allow-headers"]
                assert "Authorization" in headers["access-control-allow-headers"]
                for method in ("POST", "PATCH", "DELETE"):
                    assert method in headers["access-control-allow-methods"]

    run(test())


BAD_REQUESTS: list[tuple[str, dict[str, str], str | bytes, int, str]] = [
    ("cam", {"Content-Type": "text/plain"}, CHROMIUM_OFFER, 415, "'text/plain'; expected app"),
    ("cam", {}, CHROMIUM_OFFER, 415, "expected application/sdp"),
    ("cam", SDP, "", 400, "the body is empty"),
    ("cam", SDP, b"v=0\xff\xfe", 400, "not UTF-8"),
    ("cam", SDP, "hello", 400, "starts with 'hello'; expected an SDP offer"),
    ("cam", SDP, CHROMIUM_OFFER[:900], 400, "has audio; expected exactly one video"),
    ("cam", SDP, CHROMIUM_OFFER.replace("rtpmap:96 VP8", "rtpmap:96"), 400, "not SDP"),
    ("cam", SDP, CHROMIUM_OFFER.replace("a=sendonly", "a=recvonly"), 400, "a camera sends"),
    ("cam", SDP, "v=0" + "x" * 70_000, 413, "over 64 KiB"),
    ("x" * 65, SDP, CHROMIUM_OFFER, 400, "1 to 64 of A-Z"),
    ("a.b", SDP, CHROMIUM_OFFER, 400, "stream name 'a.b'; expected"),
    ("%C3%BC", SDP, CHROMIUM_OFFER, 400, "stream name 'ü'; expected"),
    ("cam?delay=9", SDP, CHROMIUM_OFFER, 400, "delay is '9'; expected a whole number from 0 to 8"),
    ("cam?delay=1.5", SDP, CHROMIUM_OFFER, 400, "delay is '1.5'; expected a whole number"),
    ("cam?fov=nan", SDP, CHROMIUM_OFFER, 400, "fov is 'nan'; expected a number from 10 to 170"),
    ("cam?fov=", SDP, CHROMIUM_OFFER, 400, "fov is ''; expected a number"),
    ("cam?height_m=18", SDP, CHROMIUM_OFFER, 400, "height_m is '18'; expected .* 0.5 to 2.5"),
]


def test_bad_requests_get_a_problem_that_names_value_and_remedy() -> None:
    async def test() -> None:
        host = Host()
        async with client(host) as http:
            for path, headers, body, status, said in BAD_REQUESTS:
                response = await http.post(f"/whip/{path}", content=body, headers=headers)
                assert_problem(response, status, said)
        assert host.published == []

    run(test())


def test_a_large_body_without_a_length_is_refused() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"v=0\r\n"
        for _ in range(100):
            yield b"a" * (1 << 16)

    async def test() -> None:
        async with client(Host()) as http:
            response = await http.post("/whip/cam", content=chunks(), headers=SDP)
            assert_problem(response, 413, "over 64 KiB")

    run(test())


@pytest.mark.parametrize(
    ("path", "methods", "allow"),
    [
        ("/whip/cam", ("GET", "HEAD", "PUT", "PATCH", "DELETE"), "POST, OPTIONS"),
        ("/whip/cam/some-session", ("GET", "HEAD", "PUT", "POST"), "PATCH, DELETE, OPTIONS"),
    ],
)
def test_other_methods_are_not_allowed(path: str, methods: tuple[str, ...], allow: str) -> None:
    async def test() -> None:
        async with client(Host()) as http:
            for method in methods:
                response = await http.request(method, path)
                assert response.status_code == 405
                assert response.headers["allow"] == allow
                if method != "HEAD":
                    assert_problem(response, 405, f"{method} .* expected {allow}")

    run(test())


def test_a_full_server_says_when_to_come_again() -> None:
    async def test() -> None:
        host = Host(room=0)
        async with client(host) as http:
            response = await http.post("/whip/cam", content=CHROMIUM_OFFER, headers=SDP)
            assert_problem(response, 503, "the limit")
            assert response.headers["retry-after"] == "7"

    run(test())


def test_of_two_publishers_at_once_one_gets_the_last_place() -> None:
    async def test() -> None:
        host = Host(room=1)
        async with client(host) as http:
            both = [http.post(f"/whip/{n}", content=CHROMIUM_OFFER, headers=SDP) for n in "ab"]
            responses = await asyncio.gather(*both)
            assert sorted(response.status_code for response in responses) == [201, 503]
            assert len(host.published) == 1

    run(test())


def test_of_two_publishers_of_one_stream_at_once_one_remains() -> None:
    async def test() -> None:
        host = Host()
        async with client(host) as http:
            both = [http.post("/whip/cam", content=CHROMIUM_OFFER, headers=SDP) for _ in "ab"]
            responses = await asyncio.gather(*both)
            assert [response.status_code for response in responses] == [201, 201]
            assert sorted(published.source.ended for published in host.published) == [False, True]

    run(test())


def test_trickled_candidates_need_the_current_etag_and_user() -> None:
    async def test() -> None:
        async with client(Host()) as http:
            opened = await http.post("/whip/cam", content=CHROMIUM_OFFER, headers=SDP)
            at, etag = opened.headers["location"], opened.headers["etag"]
            other = TRICKLE.replace("ASOf", "NEWu")

            async def patch(body: str, match: str | None, kind: str = "") -> httpx.Response:
                headers = {"Content-Type": kind or FRAGMENT["Content-Type"]}
                headers |= {"If-Match": match} if match is not None else {}
                return await http.patch(at, content=body, headers=headers)

            assert_problem(await patch(TRICKLE, None), 428, f"expected the session's ETag {etag}")
            assert_problem(await patch(TRICKLE, '"old"'), 412, 'If-Match is "old"; .* is ' + etag)
            assert_problem(await patch(other, "*"), 422, "ICE restart, .* POST anew")
            assert_problem(await patch(other, etag), 422, "ICE restart")
            assert_problem(await patch(TRICKLE, etag, "application/sdp"), 415, "expected appl")
            assert_problem(await patch("a=candidate:x", etag), 400, "is not a candidate")
            assert_problem(await patch("a=mid:0", etag), 400, "no a=ice-ufrag line")
            assert_problem(await patch(UFRAG + "x" * 70_000, etag), 413, "over 64 KiB")
            for match in (etag, "*", f'"old", {etag}'):
                accepted = await patch(TRICKLE, match)
                assert accepted.status_code == 204
                assert accepted.content == b""

    run(test())


def test_a_camera_whose_candidates_only_trickle_in_connects() -> None:
    async def test() -> None:
        host, camera = Host(), TestCamera()
        offer = await camera.offer()
        lines = offer.split("\r\n")
        found = [line for line in lines if line.startswith("a=candidate:")]
        bare = "\r\n".join(line for line in lines if "candidate" not in line)
        ufrag = next(line for line in lines if line.startswith("a=ice-ufrag:"))
        async with client(host, IngestConfig()) as http:
            opened = await http.post("/whip/cam", content=bare, headers=SDP)
            fragment = "\r\n".join([ufrag, "m=video 9 RTP/AVP 0", "a=mid:0", *found])
            headers = FRAGMENT | {"If-Match": opened.headers["etag"]}
            location = opened.headers["location"]
            trickled = await http.patch(location, content=fragment, headers=headers)
            assert trickled.status_code == 204
            # The camera itself knows none of the server's candidates: the server calls.
            answer = [line for line in opened.text.split("\r\n") if "candidate" not in line]
            await camera.connect("\r\n".join(answer))
            await host.frames(3)
            await camera.close()

    run(test())


def test_a_live_stream_is_taken_over_by_its_own_token_only() -> None:
    async def test() -> None:
        host, cameras = Host(), [TestCamera() for _ in range(5)]
        async with client(host) as http:
            assert (await publish(http, "/whip/cam", cameras[0], "mine")).status_code == 201
            await host.frames(2)
            for camera, token in zip(cameras[1:3], (None, "theirs"), strict=True):
                refused = await publish(http, "/whip/cam", camera, token)
                assert_problem(refused, 409, "stream cam has a publisher; .* take over")
                assert refused.headers["retry-after"] == "3"
            assert (await publish(http, "/whip/other", cameras[3], "theirs")).status_code == 201
            assert not host.published[0].source.ended
            assert (await publish(http, "/whip/cam", cameras[4], "mine")).status_code == 201
            await until(lambda: host.published[0].ended is not None)
            assert host.published[0].ended == "another publisher took the stream over"
            await host.frames(2, publisher=2)
            for camera in cameras:
                await camera.close()

    run(test())


class Witness(Host):
    """Notes whether a stream's earlier publishers had ended when a new one came."""

    def __init__(self) -> None:
        super().__init__()
        self.ended_before: list[bool] = []

    def publish(self, stream: str, source: FrameSource, options: PublishOptions) -> None:
        self.ended_before += [p.source.ended for p in self.published if p.stream == stream]
        super().publish(stream, source, options)


def test_a_takeover_leaves_no_gap_between_the_publishers() -> None:
    async def test() -> None:
        host, first, second = Witness(), TestCamera(), TestCamera()
        async with client(host) as http:
            await publish(http, "/whip/cam", first, "mine")
            await host.frames(1)
            await publish(http, "/whip/cam", second, "mine")
            await host.frames(1, publisher=1)
            assert host.ended_before == [False]
            assert host.published[0].source.ended
            await first.close()
            await second.close()

    run(test())


def test_without_tokens_a_live_stream_is_not_taken_over() -> None:
    async def test() -> None:
        host, first, second = Host(), TestCamera(), TestCamera()
        async with client(host) as http:
            await publish(http, "/whip/cam", first)
            await host.frames(2)
            assert_problem(await publish(http, "/whip/cam", second), 409, "has a publisher")
            await first.close()
            await second.close()

    run(test())


def test_a_stream_without_media_for_a_while_can_be_taken_over_by_anyone() -> None:
    async def test() -> None:
        config = IngestConfig(ice_interfaces=("127.0.0.1",), stalled_after_s=0.3)
        host, first, second = Host(), TestCamera(), TestCamera()
        async with client(host, config) as http:
            await publish(http, "/whip/cam", first, "mine")
            await host.frames(2)
            first.freeze()
            await until(lambda: not host.published[0].source.live)
            assert (await publish(http, "/whip/cam", second)).status_code == 201
            await host.frames(2, publisher=1)
            await first.close()
            await second.close()

    run(test())


def test_a_session_obeys_its_own_token_only() -> None:
    async def test() -> None:
        async with client(Host()) as http:
            mine, theirs = {"Authorization": "Bearer mine"}, {"Authorization": "Bearer theirs"}
            opened = await http.post("/whip/cam", content=CHROMIUM_OFFER, headers=SDP | mine)
            at = opened.headers["location"]
            assert_problem(await http.delete(at, headers=theirs), 403, "belongs to another token")
            assert_problem(await http.delete(at), 403, "belongs to another token")
            assert (await http.delete(at, headers=mine)).status_code == 200

    run(test())


def test_who_may_not_publish_is_told_so() -> None:
    def nobody(connection: HTTPConnection, scope: str) -> str | None:
        assert scope == "publish"
        raise Problem(401, "no token", {"WWW-Authenticate": "Bearer"})

    async def test() -> None:
        host = Host()
        async with client(host, authorize=nobody) as http:
            response = await http.post("/whip/cam", content=CHROMIUM_OFFER, headers=SDP)
            assert_problem(response, 401, "no token")
            assert response.headers["www-authenticate"] == "Bearer"
            assert_problem(await http.delete("/whip/cam/x"), 401, "no token")
        assert host.published == []

    run(test())


def test_a_failing_host_leaks_neither_its_error_nor_the_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Failing(Host):
        def publish(self, stream: str, source: FrameSource, options: PublishOptions) -> None:
            self.source = source
            raise RuntimeError("secret")

    async def test() -> None:
        host = Failing()
        async with client(host) as http:
            response = await http.post("/whip/cam", content=CHROMIUM_OFFER, headers=SDP)
            assert_problem(response, 500, "the server failed")
            assert "secret" not in response.text
            assert host.source.ended

    run(test())
    assert "secret" in caplog.text


def test_media_uses_the_interfaces_and_ports_of_the_config() -> None:
    async def test() -> None:
        config = IngestConfig(ice_interfaces=("lo",), udp_ports=(43210, 43213))
        host = Host()
        async with client(host, config) as http:
            ports = []
            for name in "abcd":
                response = await http.post(f"/whip/{name}", content=CHROMIUM_OFFER, headers=SDP)
                lines = [x.split() for x in response.text.splitlines() if "candidate:" in x]
                assert {line[4] for line in lines} == {"127.0.0.1"}
                assert len({line[5] for line in lines}) == 1
                ports.append(int(lines[0][5]))
            assert ports == [43210, 43211, 43212, 43213]
            full = await http.post("/whip/e", content=CHROMIUM_OFFER, headers=SDP)
            assert_problem(full, 503, r"no UDP port of \(43210, 43213\) is free on 127.0.0.1")
            assert len(host.published) == 4

    run(test())


def test_an_interface_that_is_not_there_is_named() -> None:
    async def test() -> None:
        async with client(Host(), IngestConfig(ice_interfaces=("eth77",))) as http:
            response = await http.post("/whip/cam", content=CHROMIUM_OFFER, headers=SDP)
            assert_problem(response, 500, "ice_interfaces names eth77, which isn't there; .* lo ")

    run(test())


class StunServer(asyncio.DatagramProtocol):
    """Tells everyone that they come from 203.0.113.9:4711."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        asked = stun.parse_message(data)
        answer = stun.Message(asked.message_method, stun.Class.RESPONSE, asked.transaction_id)
        answer.attributes["XOR-MAPPED-ADDRESS"] = ("203.0.113.9", 4711)
        self.transport.sendto(bytes(answer), addr)


def test_ice_servers_are_asked_and_told() -> None:
    async def test() -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(StunServer, local_addr=("0.0.0.0", 0))
        port = transport.get_extra_info("sockname")[1]
        async with client(Host(), IngestConfig(ice_servers=(f"stun:127.0.0.1:{port}",))) as http:
            response = await http.post("/whip/cam", content=CHROMIUM_OFFER, headers=SDP)
            assert response.headers["link"] == f'<stun:127.0.0.1:{port}>; rel="ice-server"'
            assert "203.0.113.9 4711 typ srflx" in response.text
        transport.close()

    run(test())

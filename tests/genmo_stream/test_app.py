"""The HTTP face of a real server: what each route answers, bad input included."""

import json
import re
import signal
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from genmo_rt.smpl import load_body
from genmo_rt.stature import ShapeRule
from tests.serving import ServerProcess


@pytest.fixture
def http(live_server: ServerProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=live_server.url, trust_env=False, timeout=30) as client:
        yield client


def problem(response: httpx.Response) -> str:
    """The detail of a problem+json response."""
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == response.status_code
    detail: str = body["detail"]
    return detail


def test_health_and_readiness(http: httpx.Client) -> None:
    assert http.get("/healthz").json() == {"status": "ok"}
    ready = http.get("/readyz")
    capacity = ready.json()["capacity"]
    assert ready.status_code == 200
    assert ready.json()["free"] == capacity["streams_free"] == capacity["streams"] > 0
    assert capacity["keypoint_streams_free"] == capacity["keypoint_streams"] > 0
    assert capacity["streams_full_rung"] <= capacity["streams"]


def test_the_page_is_served(http: httpx.Client) -> None:
    page = http.get("/")
    assert page.status_code == 200
    assert "<title>" in page.text


def test_the_page_is_checked_for_news_and_its_hashed_files_are_kept(http: httpx.Client) -> None:
    page = http.get("/")
    assert page.headers["cache-control"] == "no-cache"
    assert "default-src 'self'" in page.headers["content-security-policy"]
    found = re.search(r"assets/[^\"]+\.js", page.text)
    assert found is not None
    assert "immutable" in http.get(f"/{found.group()}").headers["cache-control"]


def test_metrics_are_prometheus_text(http: httpx.Client) -> None:
    text = http.get("/metrics").text
    assert 'genmo_streams{state="live"} 0.0' in text


def test_an_unknown_stream_is_a_404_that_says_where_to_look(http: httpx.Client) -> None:
    response = http.get("/v1/streams/nobody")
    assert response.status_code == 404
    assert "GET /v1/streams" in problem(response)


def test_an_unknown_path_and_a_wrong_method_are_problems(http: httpx.Client) -> None:
    assert "there is nothing at /v2" in problem(http.get("/v2"))
    wrong = http.delete("/healthz")
    assert wrong.status_code == 405
    assert "does not take DELETE" in problem(wrong)


def test_a_wrong_method_says_which_are_right(http: httpx.Client) -> None:
    response = http.get("/v1/tickets")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert "expected POST" in problem(response)


@pytest.mark.parametrize("end", ["poses", "keypoints"])
def test_a_plain_request_for_a_websocket_is_told_to_upgrade(http: httpx.Client, end: str) -> None:
    response = http.get(f"/v1/streams/camera/{end}")
    assert (response.status_code, response.headers["upgrade"]) == (426, "websocket")
    assert "is a websocket" in problem(response)


@pytest.mark.parametrize("path", ["/", "/nope", "/v1/streams", "/v1/nope", "/whip/camera"])
def test_a_websocket_where_there_is_none_is_a_404(live_server: ServerProcess, path: str) -> None:
    url = live_server.url.replace("http", "ws") + path
    with pytest.raises(InvalidStatus) as refused, connect(url, proxy=None):
        pass
    assert refused.value.response.status_code == 404
    assert "no websocket at" in json.loads(refused.value.response.body)["detail"]


def test_pages_of_this_machine_may_read_the_api_and_others_not(http: httpx.Client) -> None:
    asked = {"Access-Control-Request-Method": "POST"}
    asked["Access-Control-Request-Headers"] = "authorization"
    ours = {"Origin": "http://localhost:5173"}
    preflight = http.options("/v1/tickets", headers=ours | asked)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == ours["Origin"]
    answer = http.get("/v1/streams", headers=ours)
    assert answer.headers["access-control-allow-origin"] == ours["Origin"]
    theirs = {"Origin": "https://evil.example"}
    for response in (
        http.options("/v1/tickets", headers=theirs | asked),
        http.get("/v1/streams", headers=theirs),
        http.get("/v1/streams", headers=theirs | {"Authorization": "Bearer junk"}),
    ):
        assert response.status_code in (400, 403)
        assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize("path", ["/v1/streams", "/v1/tickets", "/whip/camera"])
def test_through_a_proxy_a_token_is_needed(http: httpx.Client, path: str) -> None:
    method = "GET" if path == "/v1/streams" else "POST"
    response = http.request(method, path, headers={"X-Forwarded-For": "127.0.0.1"})
    assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")
    assert "no token" in problem(response)


def test_the_body_comes_as_gltf(http: httpx.Client) -> None:
    response = http.get("/v1/body.glb", params={"shape": ",".join(["0.5"] * 10)})
    assert response.status_code == 200
    assert response.content[:4] == b"glTF"


@pytest.mark.parametrize("height_m", [0.5, 2.6])
def test_the_body_comes_for_everybody_whose_height_may_be_stated(
    http: httpx.Client, height_m: float
) -> None:
    shape, _ = ShapeRule(load_body(), height_m).apply(np.zeros(10))
    text = ",".join(f"{coefficient:.3f}" for coefficient in shape)
    assert http.get("/v1/body.glb", params={"shape": text}).status_code == 200


@pytest.mark.parametrize("shape", ["1,2", "a", ",".join(["nan"] * 10), ",".join(["99"] * 10)])
def test_a_wrong_shape_is_refused(http: httpx.Client, shape: str) -> None:
    response = http.get("/v1/body.glb", params={"shape": shape})
    assert response.status_code == 400
    assert "expected ten numbers" in problem(response)


def test_a_ticket_opens_a_websocket_once(http: httpx.Client, live_server: ServerProcess) -> None:
    ticket = http.post("/v1/tickets").json()["ticket"]
    url = live_server.url.replace("http", "ws") + f"/v1/streams/later/poses?ticket={ticket}"
    with connect(url, proxy=None) as viewer:
        hello = json.loads(viewer.recv(5))
        state = json.loads(viewer.recv(5))
    assert (hello["type"], hello["stream"]) == ("hello", "later")
    assert (state["type"], state["state"]) == ("stream", "waiting")
    with pytest.raises(InvalidStatus) as refused, connect(url, proxy=None):
        pass
    assert refused.value.response.status_code == 401


def test_a_foreign_page_may_not_watch(live_server: ServerProcess) -> None:
    url = live_server.url.replace("http", "ws") + "/v1/streams/camera/poses"
    headers = {"Origin": "https://evil.example"}
    with pytest.raises(InvalidStatus) as refused:
        connect(url, additional_headers=headers, proxy=None)
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize(
    ("query", "complaint"), [("rate=0", "rate"), ("space=mars", "space"), ("persons=x", "persons")]
)
def test_a_wrong_query_is_refused_at_the_handshake(
    live_server: ServerProcess, query: str, complaint: str
) -> None:
    url = live_server.url.replace("http", "ws") + f"/v1/streams/camera/poses?{query}"
    with pytest.raises(InvalidStatus) as refused, connect(url, proxy=None):
        pass
    assert refused.value.response.status_code == 400
    assert complaint in json.loads(refused.value.response.body)["detail"]


@pytest.mark.parametrize("with_signal", [signal.SIGINT, signal.SIGTERM])
def test_the_server_says_bye_and_stops_in_order(with_signal: signal.Signals) -> None:
    with ServerProcess() as server:
        url = server.url.replace("http", "ws") + "/v1/streams/camera/poses"
        with connect(url, proxy=None) as viewer:
            viewer.recv(5)
            viewer.recv(5)
            assert server.stop(with_signal) == 0
            assert json.loads(viewer.recv(5)) == {"type": "bye", "reason": "the server stops"}
    assert not any("Traceback" in line for line in server.lines)


def test_refusals_are_no_errors_in_the_log(live_server: ServerProcess) -> None:
    assert not any("ERROR" in line or "Traceback" in line for line in live_server.lines)

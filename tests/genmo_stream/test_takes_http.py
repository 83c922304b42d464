"""Takes and sinks over HTTP, on a real server with a camera: record, download, solve, delete."""

import io
import json
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from genmo_stream.video import read_video, write_video
from tests.genmo_stream.test_app import problem
from tests.genmo_stream.test_live import publisher, until
from tests.serving import ServerProcess


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    takes = str(tmp_path_factory.mktemp("takes"))
    with ServerProcess("--max-persons", "1", "--takes-dir", takes) as process:
        yield process


@pytest.fixture
def http(server: ServerProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, trust_env=False, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def calm(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One man alone, forwards and backwards: nobody comes, and nothing jumps when it loops."""
    path = tmp_path_factory.mktemp("calm") / "calm.mp4"
    with closing(read_video(videos / "pose2sim_cam03.mp4")) as frames:
        pictures = [frame.image[::2, ::2] for frame in islice(frames, 0, None, 2)]
    write_video(path, [*pictures, *pictures[-2:0:-1]], 30)
    return path


@pytest.fixture(scope="module")
def take(server: ServerProcess, calm: Path) -> dict[str, Any]:
    """Two seconds of one person."""
    with (
        httpx.Client(base_url=server.url, trust_env=False, timeout=60) as client,
        publisher(calm, server, "--size", "360x640", "--fps", "15"),
    ):

        def live_with_somebody() -> bool:
            streams = client.get("/v1/streams").json()["streams"]
            return any(row["persons"] for row in streams)

        until(live_with_somebody)
        started = client.post("/v1/streams/live/takes", json={"name": "first take"})
        assert started.status_code == 201, started.text
        path = started.headers["location"]
        again = client.post("/v1/streams/live/takes")
        assert (again.status_code, started.json()["id"] in problem(again)) == (409, True)
        assert client.get(path).json()["recording"] is True
        assert client.delete(path).status_code == 409
        until(lambda: client.get(path).json()["frames"] >= 30)
        stop = f"/v1/streams/live/takes/{started.json()['id']}/stop"
        stopped = client.post(stop)
        assert (stopped.status_code, stopped.json()["ended"]) == (200, "stopped")
        assert client.post(stop).json() == stopped.json()
        info: dict[str, Any] = stopped.json()
        return info


@pytest.mark.slow
def test_a_take_is_listed_with_what_is_in_it(http: httpx.Client, take: dict[str, Any]) -> None:
    (listed,) = http.get("/v1/takes").json()["takes"]
    assert listed == take == http.get(f"/v1/takes/{take['id']}").json()
    assert (take["name"], take["stream"], take["persons"]) == ("first take", "live", [1])
    assert take["frames"] >= 30
    assert take["seconds"] >= 1.5
    assert (take["solve"], take["comparison"]) == (None, None)


@pytest.mark.slow
def test_a_take_is_downloaded_in_every_format(http: httpx.Client, take: dict[str, Any]) -> None:
    url = f"/v1/takes/{take['id']}"
    npz = http.get(f"{url}.npz")
    assert npz.headers["content-disposition"] == 'attachment; filename="first-take.npz"'
    with np.load(io.BytesIO(npz.content)) as file:
        ticks = len(file["poses"])
        assert file["joints_cam"].shape == (ticks, 24, 3)
        assert file["K"][0, 0] == 640
    assert ticks > take["frames"]  # 15 fps, and every 30 Hz tick
    bvh = http.get(f"{url}.bvh", params={"person": 1, "bones": "mixamo"})
    assert bvh.text.startswith("HIERARCHY\nROOT mixamorig:Hips")
    assert f"Frames: {ticks}\n" in bvh.text
    glb = http.get(f"{url}.glb")
    assert (glb.headers["content-type"], glb.content[:4]) == ("model/gltf-binary", b"glTF")
    lines = [json.loads(line) for line in http.get(f"{url}.jsonl").text.splitlines()]
    assert {line["type"] for line in lines} >= {"skeleton", "subject", "pose"}


@pytest.mark.slow
def test_a_take_is_solved_again_and_compared(http: httpx.Client, take: dict[str, Any]) -> None:
    url = f"/v1/takes/{take['id']}"
    missing = http.get(f"{url}.bvh", params={"solve": "second"})
    assert (missing.status_code, "solved again" in problem(missing)) == (400, True)
    assert http.post(f"{url}/solve").status_code == 202
    until(lambda: http.get(url).json()["solve"]["state"] not in ("queued", "running"))
    solved = http.get(url).json()
    assert solved["solve"] == {"state": "done", "progress": 1.0, "error": None}
    (comparison,) = solved["comparison"]
    assert comparison["person"] == 1
    for solve in ("live", "second"):  # which is better on what the camera caught: see test_takes
        assert set(comparison[solve]) == {"jitter", "foot_speed_cm_s", "reprojection_px"}
        assert comparison[solve]["jitter"] > 0
        assert 0 < comparison[solve]["reprojection_px"] < 100
    assert comparison["second"] != comparison["live"]
    live, second = (
        http.get(f"{url}.bvh", params={"solve": solve}).text for solve in ("live", "second")
    )
    assert live.startswith("HIERARCHY")
    assert second.startswith("HIERARCHY")
    assert live != second


@pytest.mark.slow
def test_a_take_is_renamed_and_deleted(http: httpx.Client, take: dict[str, Any]) -> None:
    started = http.post("/v1/streams/live/takes")  # the stream is known for a while yet
    assert started.status_code == 201
    time.sleep(0.01)
    url = f"/v1/takes/{started.json()['id']}"
    http.post(f"/v1/streams/live/takes/{started.json()['id']}/stop")
    renamed = http.patch(url, json={"name": "second “take”"})
    assert (renamed.status_code, renamed.json()["name"]) == (200, "second “take”")
    nobody = http.get(f"{url}.bvh")
    assert (nobody.status_code, "nobody" in problem(nobody)) == (400, True)
    assert http.delete(url).status_code == 204
    assert http.get(url).status_code == 404
    assert [row["id"] for row in http.get("/v1/takes").json()["takes"]] == [take["id"]]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "reason"),
    [
        ("POST", "/v1/streams/nobody/takes", None, 404, "no stream is called 'nobody'"),
        ("POST", "/v1/streams/live/takes/20260101-000000-abcdef/stop", None, 404, "no take"),
        ("GET", "/v1/takes/20260101-000000-abcdef", None, 404, "there is no take"),
        ("GET", "/v1/takes/..%2f..%2fetc%2fpasswd", None, 404, ""),
        ("GET", "/v1/takes/20260101-000000-abcdef.fbx", None, 404, "takes come as .npz"),
        ("GET", "/v1/takes/20260101-000000-abcdef.npz?person=x", None, 400, "person=x"),
        ("GET", "/v1/takes/20260101-000000-abcdef.npz?solve=third", None, 400, "live or second"),
        ("GET", "/v1/takes/20260101-000000-abcdef.npz?bones=cat", None, 400, "mixamo"),
        ("DELETE", "/v1/takes/20260101-000000-abcdef", None, 404, "there is no take"),
        ("PATCH", "/v1/takes/20260101-000000-abcdef", b'{"colour": 1}', 400, "'colour'"),
        ("PATCH", "/v1/takes/20260101-000000-abcdef", b"[]", 400, "expected an object"),
        ("PATCH", "/v1/takes/20260101-000000-abcdef", b"", 400, "nothing to change"),
        ("PATCH", "/v1/takes/20260101-000000-abcdef", b" " * 5000, 413, "4096 bytes"),
        ("POST", "/v1/takes/20260101-000000-abcdef/solve", None, 404, "there is no take"),
        ("POST", "/v1/sinks", b'{"kind": "midi", "to": "x"}', 400, "kind is 'midi'"),
        ("POST", "/v1/sinks", b"{", 400, "not JSON"),
        ("DELETE", "/v1/sinks/abc", None, 404, "there is no sink"),
    ],
)
def test_what_cannot_be_done_is_said(
    http: httpx.Client, method: str, path: str, body: bytes | None, status: int, reason: str
) -> None:
    response = http.request(method, path, content=body)
    assert response.status_code == status
    assert reason in problem(response)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/takes"),
        ("POST", "/v1/streams/live/takes"),
        ("PATCH", "/v1/takes/20260101-000000-abcdef"),
        ("DELETE", "/v1/takes/20260101-000000-abcdef"),
        ("POST", "/v1/takes/20260101-000000-abcdef/solve"),
        ("GET", "/v1/sinks"),
        ("POST", "/v1/sinks"),
        ("DELETE", "/v1/sinks/abc"),
    ],
)
def test_from_elsewhere_nothing_is_done_without_a_token(
    http: httpx.Client, method: str, path: str
) -> None:
    response = http.request(method, path, headers={"X-Forwarded-For": "203.0.113.9"})
    assert response.status_code == 401


def test_sinks_come_and_go_while_the_server_runs(http: httpx.Client) -> None:
    assert http.get("/v1/sinks").json() == {"sinks": []}
    made = http.post("/v1/sinks", json={"kind": "vmc", "to": "127.0.0.1:39539", "mirror": True})
    assert made.status_code == 201
    (sink,) = http.get("/v1/sinks").json()["sinks"]
    assert sink == made.json()
    assert (sink["kind"], sink["mirror"], sink["status"]["sent"]) == ("vmc", True, 0)
    assert http.delete(made.headers["location"]).status_code == 204
    assert http.get("/v1/sinks").json() == {"sinks": []}

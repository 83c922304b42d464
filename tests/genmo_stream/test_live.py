"""The whole way on real sockets: a file published as a camera, poses out of the websocket."""

import itertools
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
from websockets.sync.client import connect

import genmo_client
from tests.serving import ServerProcess

PATIENCE_S = 60.0
STREAM = "live"


@contextmanager
def publisher(
    video: Path, server: ServerProcess, *flags: str, stream: str = STREAM
) -> Iterator[subprocess.Popen[bytes]]:
    """`genmo-rt send` as a process of its own; interrupted at the end."""
    url = f"{server.url}/whip/{stream}"
    command = [sys.executable, "-m", "genmo_rt.cli", "send", str(video), url, "--loop"]
    process = subprocess.Popen([*command, *flags], stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)


def poses_url(server: ServerProcess, query: str = "", stream: str = STREAM) -> str:
    return server.url.replace("http", "ws") + f"/v1/streams/{stream}/poses{query}"


def until(condition: Callable[[], bool]) -> None:
    """Waits for something that another process does."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def state_of(server: ServerProcess, stream: str = STREAM) -> str:
    response = httpx.get(f"{server.url}/v1/streams/{stream}", trust_env=False)
    return str(response.json()["state"]) if response.status_code == 200 else "unknown"


@pytest.mark.slow
def test_a_viewer_that_waits_gets_a_tracked_person(
    live_server: ServerProcess, videos: Path
) -> None:
    viewer = genmo_client.poses(poses_url(live_server))
    people = []
    with publisher(videos / "demo.mp4", live_server, "--size", "640x480", "--fps", "15"):
        for count, pose in enumerate(viewer):
            people += [person for person in pose.persons if person.state == "tracked"]
            if len(people) >= 15 or count > 300:
                break
    assert len(people) >= 15
    assert {person.person for person in people} == {1}
    for person in people:
        norms = np.linalg.norm(person.quat_xyzw, axis=1)
        assert np.allclose(norms, 1, atol=1e-3)
        assert np.isfinite(person.pelvis).all()
    until(lambda: state_of(live_server) == "ended")


@pytest.mark.slow
def test_what_a_viewer_is_told_of_a_streams_whole_life(
    live_server: ServerProcess, videos: Path
) -> None:
    told: list[dict[str, Any]] = []
    with connect(poses_url(live_server, stream="life"), proxy=None) as viewer:
        flags = ("--size", "320x240", "--fps", "15")
        with publisher(videos / "demo.mp4", live_server, *flags, stream="life"):
            while sum(message["type"] == "pose" for message in told) < 45:
                told.append(json.loads(viewer.recv(PATIENCE_S)))
                if told[-1]["type"] == "pose":
                    viewer.send(json.dumps({"type": "ack", "seq": told[-1]["seq"]}))
        while told[-1].get("state") != "ended":
            told.append(json.loads(viewer.recv(PATIENCE_S)))
        told.append(json.loads(viewer.recv(PATIENCE_S)))  # the socket stays open
    assert [message["type"] for message in told[:2]] == ["hello", "stream"]
    states = [message["state"] for message in told if message["type"] == "stream"]
    assert [state for state, _ in itertools.groupby(states)] == ["waiting", "live", "ended"]
    assert told[-1]["type"] == "stats"
    rev, present, seq = 0, set[int](), 0
    for message in told:
        match message["type"]:
            case "skeleton":
                rev = message["rev"]
            case "subject" if message["state"] == "leave":
                present.remove(message["person"])
            case "subject":
                present.add(message["person"])
            case "pose":
                assert message["skeleton_rev"] == rev
                assert {person["person"] for person in message["persons"]} == present
                assert message["seq"] > seq
                seq = message["seq"]
    assert seq >= 45
    assert not present


@pytest.mark.slow
def test_a_publisher_that_vanishes_can_be_followed_by_another(
    live_server: ServerProcess, videos: Path
) -> None:
    flags = ("--size", "320x240", "--fps", "15", "--token", "one")
    with publisher(videos / "demo.mp4", live_server, *flags, stream="again") as first:
        until(lambda: state_of(live_server, "again") == "live")
        first.kill()
        first.wait()
        with publisher(videos / "demo.mp4", live_server, *flags, stream="again"):
            poses = genmo_client.poses(poses_url(live_server, stream="again"))
            fresh = list(itertools.islice(poses, 5))
            assert len(fresh) == 5


@pytest.mark.slow
def test_a_stream_goes_on_when_the_models_process_dies(
    live_server: ServerProcess, videos: Path
) -> None:
    children = psutil.Process(live_server.pid).children()
    (model,) = [child for child in children if "spawn_main" in " ".join(child.cmdline())]
    flags = ("--size", "320x240", "--fps", "15")
    with (
        publisher(videos / "demo.mp4", live_server, *flags, stream="mended"),
        connect(poses_url(live_server, stream="mended"), proxy=None) as viewer,
    ):
        before, after = list[int](), list[int]()
        while len(after) < 10:
            message = json.loads(viewer.recv(PATIENCE_S))
            assert message.get("state") != "ended"
            assert message["type"] not in ("error", "bye")
            if message["type"] != "pose":
                continue
            viewer.send(json.dumps({"type": "ack", "seq": message["seq"]}))
            if model.is_running():
                before.append(message["seq"])
                if len(before) == 10:
                    model.kill()
                    psutil.wait_procs([model], PATIENCE_S)
            else:
                after.append(message["seq"])
        assert before[-1] < after[0]
    until(lambda: state_of(live_server, "mended") == "ended")


@pytest.mark.slow
def test_the_server_stays_flat_while_publishers_come_and_go(videos: Path) -> None:
    root = Path(__file__).parents[2]
    command = [sys.executable, str(root / "scripts" / "soak.py"), str(videos / "demo.mp4")]
    done = subprocess.run(
        [*command, "--seconds", "30", "--rounds", "3", "--fps", "10", "--size", "320x240"],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr

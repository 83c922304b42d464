"""Python, C# and C++ on one stream at once, and what a console client does with a bad server."""

import importlib.util
import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from types import ModuleType

import pytest
from websockets.sync.server import ServerConnection, serve
from websockets.typing import Subprotocol

from tests import golden
from tests.clients import native
from tests.pose_server import PATIENCE_S, PoseServer

ENGINES = ("unity", "unreal")
SECONDS = 4.0
FPS = 30.0


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """scripts/three_clients.py as a module."""
    path = native.ROOT / "scripts" / "three_clients.py"
    spec = importlib.util.spec_from_file_location("three_clients", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up by name
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_three_clients_miss_nothing_and_come_back_after_a_crash(script: ModuleType) -> None:
    summaries = script.run(SECONDS, FPS)
    assert [summary.client for summary in summaries] == ["python", "c#", "c++"]
    for summary in summaries:
        assert summary.is_good(FPS), summary
        assert summary.poses > SECONDS * FPS, summary  # before and after the crash
        assert 20 < summary.latency_ms < 2000, summary  # captured 30 ms before it was published


@pytest.mark.parametrize("engine", ENGINES)
def test_a_console_client_refuses_another_space_and_says_why(engine: str) -> None:
    hello = golden.read_json("control/hello.json") | {"space": "unity"}
    output = run_against([json.dumps(hello)], engine)
    assert "refused: the server sends space=unity; smpl was asked for" in output


@pytest.mark.parametrize("engine", ENGINES)
def test_a_console_client_acks_with_the_golden_bytes(engine: str) -> None:
    heard: list[bytes] = []
    hello = golden.read_json("control/hello.json")
    last = golden.read_json("control/hello.json") | {"proto": "genmo.v9"}  # ends the client
    messages: list[str | bytes | list[bytes]] = [
        json.dumps(hello),
        golden.read("malformed/nan_pelvis.bin"),
        golden.read("poses/t_pose.smpl.bin"),
        heard,
        json.dumps(last),
    ]
    output = run_against(messages, engine)
    assert heard == [golden.read("client/ack.bin")]
    assert '"poses": 1' in output
    assert '"bad": 1' in output


@pytest.mark.parametrize("engine", ENGINES)
def test_a_console_client_names_a_url_it_cannot_use(engine: str) -> None:
    run = subprocess.run([*native.console(engine), "cam"], capture_output=True, text=True)
    assert run.returncode == 2
    assert "'cam' can't be used; expected ws://HOST:PORT/v1/streams/STREAM/poses" in run.stderr


@pytest.mark.parametrize("engine", ENGINES)
def test_a_console_client_keeps_asking_a_server_that_answers_no(engine: str) -> None:
    with PoseServer() as server:
        url = server.url(query="?rate=0")
        run = subprocess.run(
            [*native.console(engine), url, "2"], capture_output=True, text=True, timeout=60
        )
    assert run.stdout.count("lost: ") >= 2, run.stdout
    assert '"connections": 0' in run.stdout


def run_against(messages: Sequence[str | bytes | list[bytes]], engine: str) -> str:
    """Runs a console client against a server that says these messages.

    A list stands for: wait for a binary message and put it into the list.
    """

    def talk(connection: ServerConnection) -> None:
        assert connection.request is not None
        assert connection.request.path == "/?space=smpl"
        assert connection.request.headers["Authorization"] == "Bearer secret"
        for message in messages:
            if isinstance(message, list):
                message.append(next(m for m in connection if isinstance(m, bytes)))
            else:
                connection.send(message)
        for _ in connection:
            pass

    protocols = [Subprotocol("genmo.v1.bin")]
    with serve(talk, "127.0.0.1", 0, subprotocols=protocols, compression=None) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"ws://127.0.0.1:{server.socket.getsockname()[1]}/"
        run = subprocess.run(
            [*native.console(engine), url, "30", "secret"],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        server.shutdown()
    assert run.returncode == 1, run.stdout + run.stderr
    return run.stdout

"""`genmo-rt send --keypoints` against a real server: poses come, and the wire shows no media."""

import json
import math
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from genmo_rt.errors import InputError
from genmo_stream.publish_keypoints import keypoints_url
from genmo_stream.wire.keypoints import (
    ClockPing,
    KeypointsMessage,
    encode_keypoints,
    encode_ping,
    parse_publisher,
)
from tests.genmo_rt.walk import seen
from tests.relay import TEXT, Relay, opcodes
from tests.serving import ServerProcess

PATIENCE_S = 60.0
FRAME_BYTES = 8 << 10  # one person's landmarks as text, with the 3D ones
SIZE = seen(0.0).image_size


def until(condition: Callable[[], bool]) -> None:
    """Waits for something that another process does."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


@contextmanager
def sender(video: Path, url: str, *flags: str) -> Iterator[subprocess.Popen[bytes]]:
    """`genmo-rt send --keypoints` as a process of its own; interrupted at the end."""
    command = [sys.executable, "-m", "genmo_rt.cli", "send", str(video), url, "--keypoints", "lite"]
    process = subprocess.Popen([*command, "--loop", *flags], stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


def of_stream(server: ServerProcess, stream: str) -> dict[str, object]:
    """What GET /v1/streams/STREAM says."""
    answer = httpx.get(f"{server.url}/v1/streams/{stream}", trust_env=False)
    known: dict[str, object] = answer.json() if answer.status_code == 200 else {}
    return known


def udp_sockets(pid: int) -> list[object]:
    """The UDP sockets that a process has open."""
    return list(psutil.Process(pid).net_connections(kind="udp"))


def tcp_peers(pid: int) -> set[int]:
    """The ports that a process has a TCP connection to."""
    connections = psutil.Process(pid).net_connections(kind="tcp")
    return {one.raddr.port for one in connections if one.raddr}


def test_a_sender_of_keypoints_sends_text_alone_and_poses_come(
    live_server: ServerProcess, videos: Path
) -> None:
    with Relay(live_server.port) as relay:
        url = f"http://127.0.0.1:{relay.port}/whip/quiet"
        flags = ("--size", "640x480", "--fps", "10", "--delay", "2")
        poses = live_server.url.replace("http", "ws") + "/v1/streams/quiet/poses"
        with connect(poses, proxy=None) as viewer, sender(videos / "demo.mp4", url, *flags) as here:
            people, source = 0, None
            deadline = time.monotonic() + PATIENCE_S
            while people < 10 or source is None:
                assert time.monotonic() < deadline, f"{people} poses of somebody in time"
                told = json.loads(viewer.recv(PATIENCE_S))
                if told["type"] == "pose":
                    viewer.send(json.dumps({"type": "ack", "seq": told["seq"]}))
                    people += len(told["persons"])
                elif told["type"] == "stats":
                    source = told.get("source")
            assert source == "keypoints"
            stream = of_stream(live_server, "quiet")
            assert stream["delay"] == 2
            assert (stream["source"], stream["capture_clock"]) == ("keypoints", "sender")
            assert udp_sockets(here.pid) == []
            assert tcp_peers(here.pid) == {relay.port}
            assert udp_sockets(live_server.pid) == []
        (connection,) = relay.connections
    frames = connection.frames_up()
    kinds = opcodes(frames)
    assert kinds[TEXT] >= 10
    assert set(kinds) <= {TEXT, 0x8, 0xA}  # text, a close, answers to the server's pings
    assert max(len(frame.payload) for frame in frames) < FRAME_BYTES
    texts = [frame.payload.decode() for frame in frames if frame.opcode == TEXT]
    messages = [json.loads(text) for text in texts]
    assert {message["type"] for message in messages} == {"keypoints", "ping"}
    first = messages[:3]  # the server knows the clock before it gets a time on it
    assert [message["type"] for message in first] == ["ping", "ping", "keypoints"]
    assert "t3" in first[1]
    told_of = set().union(*messages)
    assert told_of <= {"type", "frame", "t_capture_us", "width", "height", "persons", "t0", "t3"}
    for text, message in zip(texts, messages, strict=True):  # nothing hides beside the numbers
        read = parse_publisher(text)
        again = encode_ping(read) if isinstance(read, ClockPing) else encode_keypoints(read)
        assert json.loads(again) == message
    times = [message["t_capture_us"] for message in messages if message["type"] == "keypoints"]
    bytes_per_s = sum(map(len, texts)) / ((times[-1] - times[0]) / 1e6)
    assert bytes_per_s < 10 * FRAME_BYTES / 2


def test_bad_keypoints_leave_other_streams_alone(live_server: ServerProcess) -> None:
    root = live_server.url.replace("http", "ws") + "/v1/streams"
    crowd = {"type": "keypoints", "frame": 0, "t_capture_us": 1, "width": 640, "height": 480}
    crowd["persons"] = [{"landmarks": [[1, 1, 1]] * 33}] * 1000  # type: ignore[assignment]
    with (
        connect(f"{root}/good/keypoints", proxy=None) as good,
        connect(f"{root}/bad/keypoints", proxy=None) as bad,
        connect(f"{root}/good/poses", proxy=None) as viewer,
    ):
        for number in range(20):
            if number < 9:
                junk = json.dumps(crowd, separators=(",", ":")) if number % 2 else "\0" * 60_000
                bad.send(junk)
            good.send(walker(number))
            told = {"type": "hello"}
            while told.get("frame") != number:
                told = json.loads(viewer.recv(PATIENCE_S))
                assert told["type"] not in ("error", "bye")
            viewer.send(json.dumps({"type": "ack", "seq": told["seq"]}))
            time.sleep(1 / 30)  # a tick has one pose
        assert of_stream(live_server, "bad")["received"] == 9
        assert of_stream(live_server, "good")["state"] == "live"


def test_a_detector_that_fails_for_two_seconds_goes_on(live_server: ServerProcess) -> None:
    root = live_server.url.replace("http", "ws") + "/v1/streams/flaky"
    with (
        connect(f"{root}/keypoints", proxy=None) as sender,
        connect(f"{root}/poses", proxy=None) as viewer,
    ):
        for number in range(60):
            broken = json.loads(walker(number))
            broken["persons"][0]["landmarks"][5][1] = math.nan
            sender.send(json.dumps(broken))
        sender.send(walker(60))
        told = {"type": "hello"}
        while told["type"] != "pose":
            told = json.loads(viewer.recv(PATIENCE_S))
            assert told["type"] not in ("error", "bye")
        assert told["frame"] == 60
        errors = [json.loads(sender.recv(PATIENCE_S)) for _ in range(61)][1:]  # after hello
        assert {error["code"] for error in errors} == {"bad_message"}
        assert "persons[0].landmarks[5][1] is NaN" in errors[-1]["message"]


def test_a_frame_size_that_changes_mid_stream_is_another_camera(live_server: ServerProcess) -> None:
    root = live_server.url.replace("http", "ws") + "/v1/streams/turned"
    with (
        connect(f"{root}/keypoints", proxy=None) as client,
        connect(f"{root}/poses", proxy=None) as viewer,
    ):
        sizes = [SIZE, (SIZE[1], SIZE[0]), (320, 240)]
        seen_frames: set[int] = set()
        for number, size in enumerate(size for size in sizes for _ in range(5)):
            client.send(walker(number, size))
            while number not in seen_frames:
                told = json.loads(viewer.recv(PATIENCE_S))
                assert told["type"] not in ("error", "bye")
                if told["type"] == "pose":
                    viewer.send(json.dumps({"type": "ack", "seq": told["seq"]}))
                    seen_frames.add(told["frame"])
                    assert len(told["persons"]) == 1
            time.sleep(1 / 30)


def test_two_people_have_an_id_and_a_place_each_in_one_world() -> None:
    with ServerProcess("--max-persons", "2") as server:
        _watch_two_people(server.url.replace("http", "ws") + "/v1/streams/pair")


def _watch_two_people(root: str) -> None:
    with (
        connect(f"{root}/keypoints", proxy=None) as client,
        connect(f"{root}/poses", proxy=None) as viewer,
    ):
        told: dict[str, Any] = {"persons": []}
        for number in range(30):
            order = (-100.0, 100.0) if number % 2 else (100.0, -100.0)  # in no order
            client.send(walker(number, beside=order))
            while told.get("frame") != number:
                told = json.loads(viewer.recv(PATIENCE_S))
            viewer.send(json.dumps({"type": "ack", "seq": told["seq"]}))
            time.sleep(1 / 30)
    one, other = told["persons"]
    assert {one["person"], other["person"]} == {1, 2}
    apart = np.linalg.norm(np.subtract(one["pelvis"], other["pelvis"]))
    assert 0.3 < apart < 3.0


def test_video_and_keypoints_share_the_place_of_a_streams_publisher(
    live_server: ServerProcess,
) -> None:
    url = live_server.url.replace("http", "ws") + "/v1/streams/shared/keypoints"
    with connect(url, proxy=None) as client:
        client.send(walker(0))
        until(lambda: of_stream(live_server, "shared").get("state") == "live")
        client.send(walker(1))
        offer = (Path(__file__).parents[1] / "fixtures/sdp/chromium_offer.sdp").read_bytes()
        answer = httpx.post(
            f"{live_server.url}/whip/shared",
            content=offer,
            headers={"Content-Type": "application/sdp"},
            trust_env=False,
        )
        assert answer.status_code == 409
        with pytest.raises(InvalidStatus) as refused, connect(url, proxy=None):
            pass
        assert refused.value.response.status_code == 409
    until(lambda: of_stream(live_server, "shared").get("state") == "ended")
    assert of_stream(live_server, "shared")["source"] is None


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("http://h:1/whip/cam", "ws://h:1/v1/streams/cam/keypoints"),
        ("https://h/at/whip/cam?delay=3", "wss://h/at/v1/streams/cam/keypoints?delay=3"),
        ("ws://h:1/v1/streams/cam/keypoints", "ws://h:1/v1/streams/cam/keypoints"),
        ("http://h:1/v1/streams/cam/keypoints", "ws://h:1/v1/streams/cam/keypoints"),
    ],
)
def test_keypoints_go_to_the_websocket_of_the_stream(url: str, place: str) -> None:
    assert keypoints_url(url) == place


@pytest.mark.parametrize("url", ["http://h:1/", "ftp://h/whip/cam", "ws://h/v1/streams/cam/poses"])
def test_another_url_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(InputError, match="expected http://HOST:PORT/whip/STREAM"):
        keypoints_url(url)


def walker(number: int, size: tuple[int, int] = SIZE, beside: tuple[float, ...] = (0.0,)) -> str:
    """A frame of the synthetic walker, captured now; one for each shift in pixels."""
    t_us = time.monotonic_ns() // 1000
    one = seen(number / 30).in_picture(size)
    shifts = [np.array([shift, 0], np.float32) for shift in beside]
    persons = tuple(replace(one, pixels=one.pixels + shift) for shift in shifts)
    return encode_keypoints(KeypointsMessage(number, t_us, size, None, persons))

"""Replay: the same poses in the same order at the same distances, on every output."""

import asyncio
import os
import re
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pytest

import genmo_client
from genmo_rt.cli import main
from genmo_rt.estimate import Estimator
from genmo_stream.errors import TakeError
from genmo_stream.hub import Hub
from genmo_stream.listener import Note
from genmo_stream.replay import PlayedStream, cues
from genmo_stream.takes import Take
from genmo_stream.wire import PoseMessage, Skeleton, StreamState, Subject
from tests.genmo_stream.recorded import Live, record_walk
from tests.genmo_stream.test_sinks import vmc_joints

PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def estimator() -> Estimator:
    return Estimator.load()


@pytest.fixture(scope="module")
def recorded(
    tmp_path_factory: pytest.TempPathFactory, estimator: Estimator
) -> tuple[Path, Take, Live]:
    takes, info, live = record_walk(
        tmp_path_factory.mktemp("takes"), estimator, seconds=1.0, persons=2, drop=0.2
    )
    return takes.path(info.id), takes.read(info.id), live


class Ear:
    """Keeps what a hub's listeners hear."""

    def __init__(self) -> None:
        self.notes: list[Note] = []

    def hear(self, stream: str, note: Note) -> None:
        """Keeps it."""
        self.notes.append(note)


class Enough(Exception):
    """Ends a loop that would go on for ever."""


def played(take: Take, estimator: Estimator, rounds: int) -> list[Note]:
    """What listeners hear of a take that is played, on a clock that only sleeping moves."""
    now_us, ear = 1_800_000_000_000_000, Ear()

    async def sleep(seconds: float) -> None:
        nonlocal now_us
        now_us += round(seconds * 1e6)
        if rounds > 1 and stream.received >= rounds * len(take.poses):
            raise Enough

    hub = Hub("camera", server="test 0", listeners=(ear,), clock_us=lambda: now_us)
    stream = PlayedStream(hub, estimator, take, loop=rounds > 1, sleep=sleep)
    with suppress(Enough):
        asyncio.run(stream.play())
    return ear.notes


def test_a_take_is_played_twice_alike(
    recorded: tuple[Path, Take, Live], estimator: Estimator
) -> None:
    _, take, live = recorded
    first, second = played(take, estimator, 1), played(take, estimator, 1)
    assert len(first) == len(second)
    poses = [note for note in first if isinstance(note, PoseMessage)]
    again = [note for note in second if isinstance(note, PoseMessage)]
    assert [p.seq for p in poses] == list(range(1, live.frames + 1))
    for a, b, then in zip(poses, again, live.messages, strict=True):
        assert (a.frame, a.t_capture_us, a.skeleton_rev) == (
            b.frame,
            b.t_capture_us,
            b.skeleton_rev,
        )
        assert a.t_capture_us - poses[0].t_capture_us == (
            then.t_capture_us - live.messages[0].t_capture_us
        )
        for mine, theirs, recorded_then in zip(a.persons, b.persons, then.persons, strict=True):
            assert np.array_equal(mine.quat_xyzw, theirs.quat_xyzw)
            assert np.array_equal(mine.quat_xyzw, recorded_then.quat_xyzw)
    told = [n for n in first if isinstance(n, Skeleton | Subject | StreamState)]
    assert [n.state for n in told if isinstance(n, StreamState)] == ["live", "ended"]
    states = [(n.person, n.state) for n in told if isinstance(n, Subject)]
    assert states == [(1, "enter"), (2, "enter"), (1, "leave"), (2, "leave")]


def test_looping_goes_on_in_time_and_numbers(
    recorded: tuple[Path, Take, Live], estimator: Estimator
) -> None:
    _, take, _ = recorded
    poses = [note for note in played(take, estimator, 3) if isinstance(note, PoseMessage)]
    assert len(poses) >= 2 * len(take.poses) + 1
    frames = np.array([pose.frame for pose in poses])
    times = np.array([pose.t_capture_us for pose in poses])
    assert (np.diff(frames) >= 1).all()
    assert (np.diff(times) > 0).all()
    assert times[len(take.poses)] - times[len(take.poses) - 1] == 33_333


def test_long_gaps_are_cut_short_and_empty_takes_refused(
    recorded: tuple[Path, Take, Live],
) -> None:
    _, take, _ = recorded
    later = [
        replace(m, t_capture_us=m.t_capture_us + 3600_000_000 * (n > 5))
        for n, m in enumerate(take.poses)
    ]
    gaps = np.diff([cue.at_us for cue in cues(replace(take, told=list(later)))])
    assert gaps.max() == 10_000_000
    with pytest.raises(TakeError, match="nothing to play"):
        cues(replace(take, told=[]))


def test_replay_feeds_a_python_client_the_page_and_a_sink(
    recorded: tuple[Path, Take, Live],
) -> None:
    folder, _, live = recorded
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind(("127.0.0.1", 0))
    receiver.settimeout(PATIENCE_S)
    target = f"127.0.0.1:{receiver.getsockname()[1]}"
    command = [sys.executable, "-m", "genmo_rt.cli", "replay", str(folder), "--loop", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--vmc", target],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    try:
        watchdog = threading.Timer(PATIENCE_S, process.kill)
        watchdog.start()
        line = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)/\?stream=camera", line)
        assert found, line + process.stdout.read()
        port = int(found.group(1))
        seen = []
        for pose in genmo_client.poses(f"ws://127.0.0.1:{port}/v1/streams/camera/poses"):
            seen.append(pose)
            if len(seen) == 5:
                break
        by_frame = {message.frame: message for message in live.messages}
        frames = max(by_frame) + 1
        for pose in seen:
            then = by_frame[pose.frame % frames]
            assert [p.person for p in pose.persons] == [1, 2]
            assert np.array_equal(pose.persons[0].quat_xyzw, then.persons[0].quat_xyzw)
        packets = [receiver.recv(2000) for _ in range(4)]
        start = next(n for n, p in enumerate(packets) if b"/VMC/Ext/OK" in p)
        assert np.isfinite(vmc_joints(packets[start : start + 2])).all()
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
            (row,) = http.get("/v1/streams").json()["streams"]
            assert (row["stream"], row["state"], row["persons"]) == ("camera", "live", 2)
            offer = http.post(
                "/whip/camera", content="v=0\r\n", headers={"Content-Type": "application/sdp"}
            )
            assert offer.status_code in (400, 503)
            (sink,) = http.get("/v1/sinks").json()["sinks"]
            assert (sink["kind"], sink["status"]["error"]) == ("vmc", None)
    finally:
        watchdog.cancel()
        process.terminate()
        output = process.stdout.read()
        process.wait(PATIENCE_S)
        process.stdout.close()
        receiver.close()
    assert "Traceback" not in output


def test_what_cannot_be_replayed_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.genmo").write_bytes(b"no take")
    for take, code, reason in (
        ("nowhere", 2, "there is no take 'nowhere'"),
        (str(tmp_path / "x.genmo"), 1, "doesn't start as a take does"),
    ):
        assert main(["replay", take]) == code
        assert reason in capsys.readouterr().err

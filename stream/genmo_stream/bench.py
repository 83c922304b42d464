"""End-to-end latency of a live server: its own ledger, and true glass-to-pose by barcode.

Server, publisher and viewer are processes of their own, as in life; all on this machine.
"""

import asyncio
import multiprocessing
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from genmo_stream import barcode
from genmo_stream.config import ServerConfig
from genmo_stream.errors import StreamError
from genmo_stream.frame import Frame
from genmo_stream.observation import PersonState
from genmo_stream.server import listen, make_server, make_streams
from genmo_stream.wire import PoseMessage, decode_pose
from genmo_stream.wire.client import ACK, ACK_BYTE

STREAM = "bench"
START_S = 60.0  # a server that isn't up by then has failed
FIRST_POSE_S = 30.0


class BenchError(StreamError):
    """The measurement could not be made; the text says what failed."""


@dataclass(frozen=True, slots=True)
class LiveFigures:
    """What a viewer got; times are medians and 95th percentiles in milliseconds.

    Attributes:
        seconds: from the first pose to the last.
        poses: messages received.
        tracked: messages with a person in state tracked.
        gaps: poses the server dropped for this viewer (jumps in seq).
        first_person: used frames until the first person, that one included; None: nobody came.
        ledger: capture to publish, by the server's own stamps, by stage.
        glass_to_pose: from the time stamped into the picture until the viewer had the pose.
    """

    seconds: float
    poses: int
    tracked: int
    gaps: int
    first_person: int | None
    ledger: dict[str, tuple[float, float]]
    glass_to_pose: tuple[float, float] | None

    @property
    def poses_per_s(self) -> float:
        """Rate of pose messages."""
        return (self.poses - 1) / self.seconds if self.seconds > 0 else 0.0

    def __str__(self) -> str:
        """The figures as Markdown."""
        first = "nobody" if self.first_person is None else f"used frame {self.first_person}"
        rows = dict(self.ledger)
        if self.glass_to_pose is not None:
            rows["glass to pose (barcode)"] = self.glass_to_pose
        return "\n".join(
            (
                f"{self.poses_per_s:.1f} poses/s over {self.seconds:.0f} s, {self.tracked} of "
                f"{self.poses} with a tracked person, {self.gaps} dropped; first person: {first}",
                "",
                "| stage | p50 ms | p95 ms |",
                "|---|---|---|",
                *(f"| {name} | {p50:.1f} | {p95:.1f} |" for name, (p50, p95) in rows.items()),
            )
        )


@dataclass(frozen=True, slots=True)
class Received:
    """A pose message and when the viewer had it, Unix microseconds."""

    message: PoseMessage
    at_us: int


def bench_live(
    video: Path,
    config: ServerConfig,
    *,
    seconds: float,
    size: tuple[int, int] | None,
    fps: float | None,
    show: Callable[[float], None] = lambda seconds: None,
) -> LiveFigures:
    """Serves, publishes `video` in a loop and watches, for so many seconds after the first pose.

    Args:
        video: a file with a person in view.
        config: of the server.
        seconds: how long to measure.
        size: of the pictures sent; None = the file's.
        fps: of the pictures sent; None = the file's.
        show: told the seconds measured so far, for a progress bar.
    Raises:
        BenchError: the server didn't start or no pose came.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    with socket.create_server((config.host, 0)) as probe:
        config = replace(config, port=probe.getsockname()[1])
    server = context.Process(target=_serve, args=(config, theirs))  # no daemon: it has a child
    server.start()
    theirs.close()
    try:
        if not ours.poll(START_S):
            raise BenchError(f"the server was not up within {START_S:g} s")
        ours.recv()
        publisher = _start_publisher(video, config, size, fps)
        try:
            received = asyncio.run(watch(_poses_url(config), seconds, show))
        finally:
            publisher.send_signal(signal.SIGINT)
            publisher.wait(10)
        stamps: dict[int, int] = {}
        while ours.poll(0):
            number, stamp_us = ours.recv()
            stamps[number] = stamp_us
    except EOFError as error:
        raise BenchError("the server ended early; start `genmo-rt serve` to see why") from error
    finally:
        server.terminate()
        server.join(10)
    return figures(received, stamps)


def _serve(config: ServerConfig, report: Connection) -> None:
    """The server's process: reports once that it is up, then every barcode it sees."""

    def tap(frame: Frame) -> None:
        stamp_us = barcode.read(frame.image, frame.t_capture_us)
        if stamp_us is not None:
            report.send((frame.number, stamp_us))

    listener = listen(config)
    server = make_server(config, make_streams(config, tap=tap))
    report.send("up")
    server.run(sockets=[listener])


def _start_publisher(
    video: Path, config: ServerConfig, size: tuple[int, int] | None, fps: float | None
) -> subprocess.Popen[bytes]:
    url = f"http://{config.host}:{config.port}/whip/{STREAM}"
    command = [sys.executable, "-m", "genmo_rt.cli", "send", str(video), url, "--loop", "--stamp"]
    command += ["--size", f"{size[0]}x{size[1]}"] if size else []
    command += ["--fps", f"{fps:g}"] if fps else []
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def _poses_url(config: ServerConfig) -> str:
    return f"ws://{config.host}:{config.port}/v1/streams/{STREAM}/poses"


async def watch(
    url: str, seconds: float, show: Callable[[float], None] = lambda seconds: None
) -> list[Received]:
    """Everything a viewer gets, until so many seconds after the first pose.

    Raises:
        BenchError: fewer than two poses came.
    """
    received: list[Received] = []
    until = time.monotonic() + FIRST_POSE_S
    protocols = [Subprotocol("genmo.v1.bin")]
    async with connect(url, subprotocols=protocols, compression=None, proxy=None) as websocket:
        while (left := until - time.monotonic()) > 0:
            try:
                message = await asyncio.wait_for(websocket.recv(), left)
            except TimeoutError:
                break
            if isinstance(message, str):
                continue
            at_us = time.time_ns() // 1000
            pose = decode_pose(message)
            await websocket.send(ACK.pack(ACK_BYTE, pose.seq))
            if not received:
                until = time.monotonic() + seconds
            received.append(Received(pose, at_us))
            show((at_us - received[0].at_us) / 1e6)
    if len(received) < 2:
        raise BenchError(f"no poses came within {FIRST_POSE_S:g} s")
    return received


def figures(received: list[Received], stamps: dict[int, int]) -> LiveFigures:
    """Sums up what a viewer got.

    Args:
        received: from `watch`.
        stamps: frame number to the time stamped into its picture, Unix microseconds.
    """
    messages = [row.message for row in received]
    stages = [
        (
            m.stages.decode,
            m.stages.keypoints,
            m.stages.model,
            (m.t_publish_us - m.t_capture_us) / 1e3,
        )
        for m in messages
    ]
    low, high = np.percentile(np.array(stages), (50, 95), axis=0)
    names = ("decode", "keypoints", "model", "capture to publish")
    glass = [
        (row.at_us - stamps[row.message.frame]) / 1e3
        for row in received
        if row.message.frame in stamps
    ]
    with_person = [m.frame for m in messages if m.persons]
    return LiveFigures(
        seconds=(received[-1].at_us - received[0].at_us) / 1e6,
        poses=len(messages),
        tracked=sum(any(p.state == PersonState.TRACKED for p in m.persons) for m in messages),
        gaps=messages[-1].seq - messages[0].seq + 1 - len(messages),
        first_person=with_person[0] - messages[0].frame + 1 if with_person else None,
        ledger={n: (float(a), float(b)) for n, a, b in zip(names, low, high, strict=True)},
        glass_to_pose=tuple(np.percentile(glass, (50, 95)).tolist()) if glass else None,
    )

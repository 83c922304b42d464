"""Publishers and viewers come and go; memory, threads, files and latency must stay flat.

    .venv/bin/python scripts/soak.py tests/fixtures/video/demo.mp4 --seconds 600

Starts a server of its own on loopback. Publishers end by turns politely (DELETE) and by being
killed; one viewer stays, others come, read a while and leave. Prints a table and exits with 1
when a figure of the last quarter is above that of the second by more than the bounds below.
"""

import argparse
import asyncio
import random
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from genmo_stream.wire import decode_pose
from genmo_stream.wire.client import ACK, ACK_BYTE

STREAM = "soak"
SAMPLE_S = 2.0
MAX_RSS_GROWTH_MB = 24.0
MAX_COUNT_GROWTH = 6  # threads, open files
MAX_LATENCY_GROWTH = 1.5  # × the second quarter's median


@dataclass(frozen=True)
class Sample:
    """The server as one look saw it."""

    t: float
    rss_mb: float
    threads: int
    files: int
    latency_ms: float
    poses: int


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video", type=Path)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--fps", type=float, default=15.0)
    parser.add_argument("--size", default="640x480")
    args = parser.parse_args()
    server = subprocess.Popen(
        [sys.executable, "-u", "-m", "genmo_rt.cli", "serve", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        line = server.stdout.readline() if server.stdout else ""
        found = re.search(r":(\d+)/", line)
        if found is None:
            print(f"the server did not start: {line!r}", file=sys.stderr)
            return 1
        samples = asyncio.run(soak(args, int(found.group(1)), psutil.Process(server.pid)))
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(20)
    return report(samples)


async def soak(args: argparse.Namespace, port: int, server: psutil.Process) -> list[Sample]:
    """Runs load and sampling side by side for the asked time."""
    latencies: list[float] = []
    samples: list[Sample] = []
    until = time.monotonic() + args.seconds
    load = [
        asyncio.create_task(publishers(args, port, until)),
        asyncio.create_task(viewer(port, until, latencies)),
        asyncio.create_task(visitors(port, until)),
    ]
    started = time.monotonic()
    seen = 0
    while time.monotonic() < until:
        await asyncio.sleep(SAMPLE_S)
        recent = latencies[seen:]
        seen = len(latencies)
        samples.append(
            Sample(
                t=time.monotonic() - started,
                rss_mb=server.memory_info().rss / 2**20,
                threads=server.num_threads(),
                files=server.num_fds(),
                latency_ms=float(np.median(recent)) if recent else float("nan"),
                poses=len(recent),
            )
        )
    await asyncio.gather(*load)
    return samples


async def publishers(args: argparse.Namespace, port: int, until: float) -> None:
    """One publisher after the other; every second one vanishes without a goodbye."""
    choice = random.Random(1)
    url = f"http://127.0.0.1:{port}/whip/{STREAM}"
    flags = ["--loop", "--size", args.size, "--fps", str(args.fps), "--token", "soak"]
    polite = True
    while time.monotonic() < until:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "genmo_rt.cli", "send", str(args.video), url, *flags),
            stdout=subprocess.DEVNULL,
        )
        life = min(choice.uniform(6, 12), max(until - time.monotonic(), 1))
        await asyncio.sleep(life)
        if process.returncode is None:
            process.send_signal(signal.SIGINT if polite else signal.SIGKILL)
        await process.wait()
        polite = not polite


async def viewer(port: int, until: float, latencies: list[float]) -> None:
    """Stays to the end and notes capture-to-publish of every pose."""
    async with watch(port) as socket:
        while (left := until - time.monotonic()) > 0:
            try:
                message = await asyncio.wait_for(socket.recv(), left)
            except TimeoutError:
                return
            if isinstance(message, bytes):
                pose = decode_pose(message)
                await socket.send(ACK.pack(ACK_BYTE, pose.seq))
                latencies.append((pose.t_publish_us - pose.t_capture_us) / 1e3)


async def visitors(port: int, until: float) -> None:
    """Viewers that come, read a second without acking, and leave; some without a close."""
    abrupt = False
    while time.monotonic() < until - 2:
        async with watch(port) as socket:
            try:
                async with asyncio.timeout(1):
                    while True:
                        await socket.recv()
            except (TimeoutError, ConnectionClosed):
                pass
            if abrupt:
                socket.transport.abort()
        abrupt = not abrupt


def watch(port: int) -> connect:
    """A viewer's connection, ready to be entered."""
    url = f"ws://127.0.0.1:{port}/v1/streams/{STREAM}/poses"
    protocols = [Subprotocol("genmo.v1.bin")]
    return connect(url, subprotocols=protocols, compression=None, proxy=None)


def report(samples: list[Sample]) -> int:
    """Prints the course and compares the last quarter with the second."""
    print("| t s | RSS MB | threads | files | latency ms | poses |\n|---|---|---|---|---|---|")
    for sample in samples[:: max(1, len(samples) // 24)]:
        print(
            f"| {sample.t:.0f} | {sample.rss_mb:.0f} | {sample.threads} | {sample.files} "
            f"| {sample.latency_ms:.1f} | {sample.poses} |"
        )
    quarter = len(samples) // 4
    early, late = samples[quarter : 2 * quarter], samples[-quarter:]
    grown = {
        "RSS MB": (middle(early, "rss_mb"), middle(late, "rss_mb"), MAX_RSS_GROWTH_MB),
        "threads": (middle(early, "threads"), middle(late, "threads"), MAX_COUNT_GROWTH),
        "files": (middle(early, "files"), middle(late, "files"), MAX_COUNT_GROWTH),
    }
    failed = False
    for name, (before, after, bound) in grown.items():
        failed |= after - before > bound
        print(f"{name}: {before:.0f} -> {after:.0f} (may grow by {bound:g})")
    before, after = (np.nanmedian([s.latency_ms for s in part]) for part in (early, late))
    failed |= not after <= before * MAX_LATENCY_GROWTH
    print(f"latency: {before:.1f} -> {after:.1f} ms (may grow x{MAX_LATENCY_GROWTH:g})")
    poses = sum(s.poses for s in samples)
    print(f"{poses} poses received; {'NOT FLAT' if failed else 'flat'}")
    return 1 if failed or poses == 0 else 0


def middle(samples: list[Sample], name: str) -> float:
    """Median, which one publisher more or less at the moment of the look does not move."""
    return float(np.median([getattr(sample, name) for sample in samples]))


if __name__ == "__main__":
    sys.exit(main())

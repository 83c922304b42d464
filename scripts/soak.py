"""Streams and viewers come and go; memory, threads, files and latency must stay flat.

    .venv/bin/python scripts/soak.py demo.mp4 --seconds 3600 --cameras 2 --clients 4

Starts a server of its own on loopback. Cameras and clients that send keypoints come to names of
one pool at random (seeded), stay a while, and end by turns politely and by being killed. On each
name one viewer stays, others come, read a while without acking and leave. Before the time is over
everybody goes, and soon the server must know of nobody. Prints a table and exits with 1 when a
figure of the last quarter is above that of the second by more than the bounds below, or when
something of an ended stream is left. Flags that are not the soak's own go to `genmo-rt serve`.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from websockets.exceptions import ConnectionClosed

from genmo_stream.load.bench import Loop, prepare
from genmo_stream.load.footage import EncodedLoop
from genmo_stream.load.senders import send_keypoints, send_video
from genmo_stream.load.watcher import Watcher, viewer_socket
from genmo_stream.publish import Refused

SAMPLE_S = 2.0
LIFE_S = (6.0, 12.0)  # of a publisher ...
REST_S = (0.0, 2.0)  # ... and until its place is taken by the next
VISIT_S = (0.5, 2.0)
FORGOTTEN_S = 20.0  # the server keeps an ended stream for 10 s ...
VANISHED_S = 35.0  # ... and believes for 30 s in a camera that says nothing
MAX_RSS_GROWTH_MB = 24.0
MAX_COUNT_GROWTH = 6  # threads, open files
MAX_LATENCY_GROWTH = 1.5  # × the second quarter's median
REFUSED = 3  # exit code of a publisher that found no room


@dataclass(frozen=True)
class Sample:
    """The server as one look saw it."""

    t: float
    rss_mb: float
    threads: int
    files: int
    latency_ms: float
    poses: int


@dataclass
class Counts:
    """What the load did."""

    publishers: int = 0
    refused: int = 0
    failed: int = 0
    visits: int = 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video", type=Path)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--fps", type=float, default=15.0)
    parser.add_argument("--size", default="640x480")
    parser.add_argument("--cameras", type=int, default=1, help="at once")
    parser.add_argument("--clients", type=int, default=1, help="that send keypoints, at once")
    parser.add_argument("--seed", type=int, default=1)
    args, serve_flags = parser.parse_known_args()
    width, height = (int(side) for side in args.size.split("x"))
    loops = [
        prepare(args.video, 1, keypoints=kind, size=(width, height), fps=args.fps, codec="VP8")
        for kind in (False, True)
    ]
    with tempfile.TemporaryDirectory() as takes:
        server = subprocess.Popen(
            [
                *(sys.executable, "-u", "-m", "genmo_rt.cli", "serve", "--port", "0"),
                *("--takes-dir", takes, *serve_flags),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            line = server.stdout.readline() if server.stdout else ""
            found = re.search(r"//([^/]+)/", line)
            if found is None:
                print(f"the server did not start: {line!r}", file=sys.stderr)
                return 1
            soak = Soak(args, found.group(1), psutil.Process(server.pid), loops)
            asyncio.run(soak.run())
            left = soak.left()
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(20)
    counts = soak.counts
    print(
        f"{counts.publishers} publishers ({counts.refused} refused, {counts.failed} failed), "
        f"{counts.visits} visits"
    )
    print("nothing is left of any stream" if not left else f"LEFT: {', '.join(left)}")
    return report(soak.samples) or int(bool(left or counts.failed))


class Soak:
    """The load, and looks at the server beside it."""

    def __init__(
        self, args: argparse.Namespace, host: str, server: psutil.Process, loops: list[Loop]
    ) -> None:
        self.counts = Counts()
        self.samples: list[Sample] = []
        self._args = args
        self._host = host
        self._server = server
        self._loops = loops
        self._chance = random.Random(args.seed)
        self._free = [f"soak-{n}" for n in range(args.cameras + args.clients + 1)]
        self._watchers = [Watcher(host, name) for name in self._free]
        self._until: float = time.monotonic() + max(args.seconds - FORGOTTEN_S, args.seconds / 2)
        self._forks = multiprocessing.get_context("forkserver")
        self._forks.set_forkserver_preload(["genmo_stream.load.senders"])

    async def run(self) -> None:
        """Runs load and sampling side by side until it is time to go."""
        camera, client = self._loops
        started = time.monotonic()
        viewers = [asyncio.create_task(watcher.run()) for watcher in self._watchers]
        load = [
            *(asyncio.create_task(self._publishers(camera)) for _ in range(self._args.cameras)),
            *(asyncio.create_task(self._publishers(client)) for _ in range(self._args.clients)),
            asyncio.create_task(self._visitors()),
        ]
        while self._left_s() > 0:
            await asyncio.sleep(SAMPLE_S)
            self.samples.append(self._look(time.monotonic() - started))
        await asyncio.gather(*load)
        for viewer in viewers:
            viewer.cancel()
        ends = await asyncio.gather(*viewers, return_exceptions=True)
        for end in ends:
            if isinstance(end, Exception):
                raise end

    def left(self) -> list[str]:
        """What the server still knows of anybody, after some time to forget it."""
        until = time.monotonic() + FORGOTTEN_S
        while (left := self._left()) and time.monotonic() < until:
            time.sleep(1)
        return left

    def _left(self) -> list[str]:
        streams = json.loads(self._get("/v1/streams"))["streams"]
        left = [f"stream {stream['stream']}" for stream in streams]
        figures = self._get("/metrics").splitlines()
        taken = next(f for f in figures if f.startswith('genmo_engine_slots{state="taken"}'))
        if float(taken.split()[-1]):
            left.append(taken)
        return left + [f for f in figures if "soak-" in f]

    def _get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://{self._host}{path}", timeout=10) as answer:
            text: str = answer.read().decode()
        return text

    def _left_s(self) -> float:
        return self._until - time.monotonic()

    def _look(self, t: float) -> Sample:
        poses = [pose for watcher in self._watchers for pose in watcher.poses]
        for watcher in self._watchers:
            watcher.poses.clear()
        late_ms = [(pose.t_publish_us - pose.t_capture_us) / 1e3 for pose in poses]
        return Sample(
            t=t,
            rss_mb=self._server.memory_info().rss / 2**20,
            threads=self._server.num_threads(),
            files=self._server.num_fds(),
            latency_ms=float(np.median(late_ms)) if late_ms else float("nan"),
            poses=len(poses),
        )

    async def _publishers(self, loop: Loop) -> None:
        """One publisher after the other, on any name; every second one vanishes."""
        polite = True
        while self._left_s() > 0:
            name = self._free.pop(self._chance.randrange(len(self._free)))
            life_s = min(self._chance.uniform(*LIFE_S), max(self._left_s(), 1))
            process = self._forks.Process(target=publish, args=(self._host, name, loop))
            await asyncio.to_thread(process.start)
            assert process.pid is not None
            self.counts.publishers += 1
            await asyncio.to_thread(process.join, life_s)
            if process.exitcode is None:
                vanishes = not polite and self._left_s() > VANISHED_S
                os.kill(process.pid, signal.SIGKILL if vanishes else signal.SIGINT)
            else:
                self.counts.refused += process.exitcode == REFUSED
                self.counts.failed += process.exitcode != REFUSED
            await asyncio.to_thread(process.join)
            self._free.append(name)
            polite = not polite
            await asyncio.sleep(self._chance.uniform(*REST_S))

    async def _visitors(self) -> None:
        """Viewers that come, read a while without acking, and leave; some without a close."""
        abrupt = False
        while self._left_s() > VISIT_S[1]:
            name = self._chance.choice(self._watchers).stream
            async with viewer_socket(self._host, name) as socket:
                with suppress(TimeoutError, ConnectionClosed):
                    async with asyncio.timeout(self._chance.uniform(*VISIT_S)):
                        while True:
                            await socket.recv()
                if abrupt:
                    socket.transport.abort()
            self.counts.visits += 1
            abrupt = not abrupt


def publish(host: str, name: str, loop: Loop) -> None:
    """A publisher's process: sends until it is interrupted, which it takes for a polite end."""
    try:
        asyncio.run(_publish(host, name, loop))
    except KeyboardInterrupt:
        pass
    except Refused as refused:
        sys.exit(REFUSED if refused.status in (409, 503) else str(refused))


async def _publish(host: str, name: str, loop: Loop) -> None:
    if isinstance(loop, EncodedLoop):
        await send_video(host, name, loop, 0, token="soak")
    else:
        await send_keypoints(host, name, loop, 0, token="soak")


def report(samples: list[Sample]) -> int:
    """Prints the course and compares the last quarter with the second."""
    print("| t s | RSS MB | threads | files | latency ms | poses |\n|---|---|---|---|---|---|")
    for sample in samples[:: max(1, len(samples) // 24)]:
        print(
            f"| {sample.t:.0f} | {sample.rss_mb:.0f} | {sample.threads} | {sample.files} "
            f"| {sample.latency_ms:.1f} | {sample.poses} |"
        )
    quarters = np.array_split(np.arange(len(samples)), 4)
    parts = [[samples[n] for n in quarter] for quarter in quarters]
    failed = False
    for name, unit, bound in (
        ("rss_mb", "RSS MB", MAX_RSS_GROWTH_MB),
        ("threads", "threads", MAX_COUNT_GROWTH),
        ("files", "files", MAX_COUNT_GROWTH),
    ):
        course = [middle(part, name) for part in parts]
        failed |= course[3] - course[1] > bound
        print(f"{unit} by quarter: {told(course, 0)} (4th over 2nd: at most +{bound:g})")
    course = [middle(part, "latency_ms") for part in parts]
    failed |= not course[3] <= course[1] * MAX_LATENCY_GROWTH
    print(f"latency ms by quarter: {told(course, 1)} (4th over 2nd: at most x{MAX_LATENCY_GROWTH})")
    poses = sum(s.poses for s in samples)
    print(f"{poses} poses received; {'NOT FLAT' if failed else 'flat'}")
    return 1 if failed or poses == 0 else 0


def middle(samples: list[Sample], name: str) -> float:
    """Median, which one publisher more or less at the moment of the look does not move."""
    return float(np.nanmedian([getattr(sample, name) for sample in samples]))


def told(course: list[float], decimals: int) -> str:
    return " ".join(f"{value:.{decimals}f}" for value in course)


if __name__ == "__main__":
    sys.exit(main())

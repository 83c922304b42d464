"""Streams and viewers come and go; memory, threads, files and latency must stay flat.

    .venv/bin/python scripts/soak.py demo.mp4 --seconds 3600 --cameras 2 --clients 4

Starts a server of its own on loopback. In each of a few rounds, cameras and clients that send
keypoints come to as many names at random (seeded), stay a while, and end by turns politely and by
being killed; on each name one viewer stays, others come, read a while without acking and leave.
After a round everybody goes, and soon the server must know of nobody: then it is looked at, at
rest, where its memory does not hang on who happens to be there (a camera's landmarkers hold 200 MB
while it sends). Prints both tables and exits with 1 when the last rest is above the second by more
than the bounds below, or when something of an ended stream is left. Flags that are not the soak's
own go to `genmo-rt serve`.
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
from genmo_stream.whip_client import Refused

KINDS = ("camera", "client")
SAMPLE_S = 2.0
FIRST_POSE_S = 90.0  # until everything is imported and loaded
LIFE_S = (6.0, 12.0)  # of a publisher ...
REST_S = (0.0, 2.0)  # ... and until its place is taken by the next
VISIT_S = (0.5, 2.0)
LEAVES_S = 15.0  # that a publisher who is told to go may take
VANISHED_S = 35.0  # the server believes for 30 s in a camera that says nothing ...
FORGOTTEN_S = 50.0  # ... and keeps an ended stream for 10 s
SETTLED_S = 2.0  # after the last stream is forgotten, until the server is looked at
MAX_RSS_GROWTH_MB = 24.0
MAX_COUNT_GROWTH = 2  # threads, open files
MAX_LATENCY_GROWTH = 1.5  # × the second round's median ...
JUDGED_S = 300.0  # ... in runs from this long on: in a minute other work on the machine decides
REFUSED = 3  # exit code of a publisher that found no room


@dataclass(frozen=True)
class Sample:
    """The server as one look saw it."""

    t: float
    rss_mb: float
    threads: int
    files: int
    latency_ms: tuple[float, float]  # medians by KINDS; nan without poses
    poses: int


@dataclass(frozen=True)
class Round:
    """The load's looks and the one after it, when everybody had gone."""

    samples: list[Sample]
    rest: Sample


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
    parser.add_argument("--rounds", type=int, default=4, help="that they are spread over")
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
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(20)
    counts = soak.counts
    print(
        f"{counts.publishers} publishers ({counts.refused} refused, {counts.failed} failed), "
        f"{counts.visits} visits"
    )
    print("nothing is left of any stream" if not soak.left else f"LEFT: {', '.join(soak.left)}")
    flat = report(soak.rounds, judge_latency=args.seconds >= JUDGED_S)
    return 0 if flat and not soak.left and not counts.failed else 1


class Soak:
    """The load, and looks at the server beside it."""

    def __init__(
        self, args: argparse.Namespace, host: str, server: psutil.Process, loops: list[Loop]
    ) -> None:
        self.counts = Counts()
        self.rounds: list[Round] = []
        self.left: list[str] = []
        self._args = args
        self._host = host
        self._server = server
        self._loops = loops
        self._chance = random.Random(args.seed)
        self._free = [
            [f"soak-{kind}-{n}" for n in range(count)]
            for kind, count in zip(KINDS, (args.cameras, args.clients), strict=True)
        ]
        self._watchers = [[Watcher(host, name) for name in names] for names in self._free]
        self._started = self._until = 0.0
        self._forks = multiprocessing.get_context("forkserver")
        self._forks.set_forkserver_preload(["genmo_stream.load.senders"])

    async def run(self) -> None:
        """Runs one round after the other, each with a rest at its end."""
        self._started = time.monotonic()
        for _ in range(self._args.rounds):
            samples = await self._round()
            self.left += await asyncio.to_thread(self._forgotten)
            self.rounds.append(Round(samples, self._look()))

    async def _round(self) -> list[Sample]:
        """Load and looks at the server side by side, from the first pose on."""
        watchers = [watcher for kind in self._watchers for watcher in kind]
        viewers = [asyncio.create_task(watcher.run()) for watcher in watchers]
        self._until = time.monotonic() + FIRST_POSE_S
        load = [
            *(asyncio.create_task(self._publishers(0)) for _ in range(self._args.cameras)),
            *(asyncio.create_task(self._publishers(1)) for _ in range(self._args.clients)),
            asyncio.create_task(self._visitors()),
        ]
        samples: list[Sample] = []
        while self._left_s() > 0:
            await asyncio.sleep(SAMPLE_S)
            sample = self._look()
            if not samples and sample.poses:
                self._until = time.monotonic() + self._args.seconds / self._args.rounds
            if samples or sample.poses:
                samples.append(sample)
        await asyncio.gather(*load)
        for viewer in viewers:
            viewer.cancel()
        ends = await asyncio.gather(*viewers, return_exceptions=True)
        for end in ends:
            if isinstance(end, Exception):
                raise end
        self._look()  # what came while they went is nobody's latency
        return samples

    def _forgotten(self) -> list[str]:
        """What the server still knows of anybody, after some time to forget it."""
        until = time.monotonic() + FORGOTTEN_S
        while (left := self._left()) and time.monotonic() < until:
            time.sleep(1)
        time.sleep(SETTLED_S)
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

    def _look(self) -> Sample:
        late_ms = [
            [(p.t_publish_us - p.t_capture_us) / 1e3 for watcher in kind for p in watcher.poses]
            for kind in self._watchers
        ]
        for watcher in (watcher for kind in self._watchers for watcher in kind):
            watcher.poses.clear()
        cameras, clients = (float(np.median(ms)) if ms else float("nan") for ms in late_ms)
        processes = [self._server, *self._server.children(recursive=True)]
        return Sample(
            t=time.monotonic() - self._started,
            rss_mb=sum(process.memory_info().rss for process in processes) / 2**20,
            threads=sum(process.num_threads() for process in processes),
            files=sum(process.num_fds() for process in processes),
            latency_ms=(cameras, clients),
            poses=sum(map(len, late_ms)),
        )

    async def _publishers(self, kind: int) -> None:
        """One publisher after the other, on any name; every second one vanishes."""
        polite, loop, free = True, self._loops[kind], self._free[kind]
        while self._left_s() > 0:
            name = free.pop(self._chance.randrange(len(free)))
            life_s = min(self._chance.uniform(*LIFE_S), max(self._left_s(), 1))
            process = self._forks.Process(target=publish, args=(self._host, name, loop))
            await asyncio.to_thread(process.start)
            assert process.pid is not None
            self.counts.publishers += 1
            await asyncio.to_thread(process.join, life_s)
            if process.exitcode is None:
                noticed = bool(kind) or self._left_s() > VANISHED_S  # within the round
                vanishes = not polite and noticed
                os.kill(process.pid, signal.SIGKILL if vanishes else signal.SIGINT)
            else:
                self.counts.refused += process.exitcode == REFUSED
                self.counts.failed += process.exitcode != REFUSED
            await asyncio.to_thread(process.join, LEAVES_S)
            if process.exitcode is None:
                self.counts.failed += 1
                process.kill()
                await asyncio.to_thread(process.join)
            free.append(name)
            polite = not polite
            await asyncio.sleep(self._chance.uniform(*REST_S))

    async def _visitors(self) -> None:
        """Viewers that come, read a while without acking, and leave; some without a close."""
        abrupt = False
        while self._left_s() > VISIT_S[1]:
            name = self._chance.choice(self._chance.choice(self._watchers)).stream
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
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
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


def report(rounds: list[Round], *, judge_latency: bool) -> bool:
    """Prints the course and compares the last rest with the second; tells whether it is flat."""
    samples = [sample for part in rounds for sample in part.samples]
    if not all(part.samples for part in rounds):
        print(f"no pose came within {FIRST_POSE_S:g} s")
        return False
    print("under load:")
    table(samples[:: max(1, len(samples) // 24)])
    print("at rest:")
    table([part.rest for part in rounds])
    failed = False
    for name, unit, bound in (
        ("rss_mb", "RSS MB", MAX_RSS_GROWTH_MB),
        ("threads", "threads", MAX_COUNT_GROWTH),
        ("files", "files", MAX_COUNT_GROWTH),
    ):
        course = [float(getattr(part.rest, name)) for part in rounds]
        failed |= course[-1] - course[1] > bound
        print(f"{unit} at rest: {told(course, 0)} (last over 2nd: at most +{bound:g})")
    for kind, name in enumerate(KINDS):
        course = [middle([s.latency_ms[kind] for s in part.samples]) for part in rounds]
        failed |= judge_latency and course[-1] > course[1] * MAX_LATENCY_GROWTH
        bound_told = (
            f"last over 2nd: at most x{MAX_LATENCY_GROWTH}" if judge_latency else "not judged"
        )
        print(f"{name}s' latency ms by round: {told(course, 1)} ({bound_told})")
    poses = sum(s.poses for s in samples)
    print(f"{poses} poses received; {'NOT FLAT' if failed else 'flat'}")
    return not failed


def table(samples: list[Sample]) -> None:
    """Prints looks, a line each."""
    head = ("t s", "RSS MB", "threads", "files", "camera ms", "client ms", "poses")
    print(f"| {' | '.join(head)} |\n{'|---' * len(head)}|")
    for sample in samples:
        print(
            f"| {sample.t:.0f} | {sample.rss_mb:.0f} | {sample.threads} | {sample.files} "
            f"| {sample.latency_ms[0]:.1f} | {sample.latency_ms[1]:.1f} | {sample.poses} |"
        )


def middle(values: list[float]) -> float:
    """The median of those that are there; nan if none is."""
    there = [value for value in values if value == value]
    return float(np.median(there)) if there else float("nan")


def told(course: list[float], decimals: int) -> str:
    return " ".join(f"{value:.{decimals}f}" for value in course)


if __name__ == "__main__":
    sys.exit(main())

"""A Python, a C# and a C++ client on one stream, through a server that is killed and restarted.

    .venv/bin/python scripts/three_clients.py --seconds 300 [--video tests/fixtures/video/demo.mp4]

Without a video, a process with the server's own hub and websockets publishes golden poses at --fps;
with one, `genmo-rt serve` estimates what `genmo-rt send` films. Prints each client's poses, gaps
and connections, and exits with 1 when a client missed a pose or did not come back by itself.
"""

import argparse
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "clients" / "python" / "src")]

import genmo_client  # noqa: E402
from tests.clients import native  # noqa: E402

PATIENCE_S = 60.0
AFTER_RESTART_S = 10.0
STREAM = "cam"


@dataclass(frozen=True)
class Summary:
    """What one client saw.

    Attributes:
        poses: how many arrived.
        gaps, missed: jumps in seq within a connection, and the poses that are missing there.
        bad: messages that it could not read.
        connections: how often it got one; 2 after one restart.
        longest_ms: longest time between two poses of one connection.
        latency_ms: median, from capture until it was there.
    """

    client: str
    poses: int
    gaps: int
    missed: int
    bad: int
    connections: int
    longest_ms: float
    latency_ms: float

    def is_good(self, fps: float) -> bool:
        """Whether it came back, and missed nothing but after a pause of its own.

        The server stops sending while four poses are unacked: a client (or a machine) that stands
        still for longer than four frames has caused the gap that follows.
        """
        paused = self.longest_ms > 4 * 1000 / fps
        return self.connections == 2 and self.bad == 0 and (self.missed == 0 or paused)


class Client(Protocol):
    """A running client."""

    @property
    def connections(self) -> int:
        """How often it got a connection."""

    @property
    def poses(self) -> int:
        """How many poses it got, as far as it has told."""

    def end(self) -> Summary:
        """Stops it, if it still runs."""


class ConsoleClient:
    """The C# or C++ console client as a process.

    Attributes:
        lines: what it has printed.
    """

    def __init__(self, command: list[str], url: str) -> None:
        self.lines: list[str] = []
        self._process = subprocess.Popen(
            [*command, url], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        reading = (self._process, self.lines)
        self._reader = threading.Thread(target=read_lines, args=reading, daemon=True)
        self._reader.start()

    @property
    def connections(self) -> int:
        """How often it said `open`."""
        return sum(line.startswith("open ") for line in self.lines)

    @property
    def poses(self) -> int:
        """As of its last line of figures."""
        return self._figures().poses

    def end(self) -> Summary:
        """Stops it; its last line of figures is at most a second old."""
        self._process.terminate()
        self._process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        return self._figures()

    def _figures(self) -> Summary:
        figures = [line for line in self.lines if line.startswith("{")]
        last = json.loads(figures[-1]) if figures else {}
        return Summary(**{name: last.get(name, 0) for name in Summary.__dataclass_fields__})


class PythonClient:
    """The Python client in a thread."""

    def __init__(self, url: str) -> None:
        self.poses = 0
        self.connections = 0
        self._gaps = self._missed = 0
        self._longest_s = 0.0
        self._ages_ms: list[float] = []
        self._ending = threading.Event()
        self._stream = genmo_client.poses(url, buffer=30, on_control=self._on_control)
        self._fresh = True
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def end(self) -> Summary:
        """Leaves its loop at the next pose."""
        self._ending.set()
        self._thread.join(PATIENCE_S)
        ages = sorted(self._ages_ms) or [0.0]
        return Summary(
            client="python",
            poses=self.poses,
            gaps=self._gaps,
            missed=self._missed + self._stream.skipped,
            bad=0,
            connections=self.connections,
            longest_ms=self._longest_s * 1e3,
            latency_ms=ages[len(ages) // 2],
        )

    def _on_control(self, message: genmo_client.Control) -> None:
        if isinstance(message, genmo_client.Hello):
            self.connections += 1
            self._fresh = True

    def _follow(self) -> None:
        last_seq, last_s = 0, 0.0
        for pose in self._stream:
            now = time.monotonic()
            if not self._fresh and pose.seq > last_seq:
                self._gaps += pose.seq != last_seq + 1
                self._missed += pose.seq - last_seq - 1
                self._longest_s = max(self._longest_s, now - last_s)
            self._fresh = False
            last_seq, last_s = pose.seq, now
            self.poses += 1
            age_ms = self._stream.age_ms(pose)
            if age_ms is not None:
                self._ages_ms.append(age_ms)
            if self._ending.is_set():
                break


class Server:
    """A pose server on a port of its own that can be killed and started again."""

    def __init__(self, fps: float, video: Path | None) -> None:
        self._fps = fps
        self._video = video
        self._port = 0
        self._processes: list[subprocess.Popen[str]] = []
        self.start()

    @property
    def url(self) -> str:
        """The stream's pose URL."""
        return f"ws://127.0.0.1:{self._port}/v1/streams/{STREAM}/poses"

    def start(self) -> None:
        """Starts it on the same port as before, and its publisher."""
        if self._video is None:
            command = ["-m", "tests.pose_feed", str(self._port), str(self._fps)]
        else:
            command = ["-m", "genmo_rt.cli", "serve", "--port", str(self._port)]
        self._port = self._launch(command)
        if self._video is not None:
            whip = f"http://127.0.0.1:{self._port}/whip/{STREAM}"
            send = ["-m", "genmo_rt.cli", "send", str(self._video), whip, "--loop"]
            command = [sys.executable, *send, "--fps", f"{self._fps:g}"]
            self._processes.append(
                subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, text=True)
            )

    def kill(self) -> None:
        """Ends it as a crash would: nobody is told."""
        for process in self._processes:
            process.kill()
            process.wait(PATIENCE_S)
        self._processes.clear()

    def _launch(self, arguments: list[str]) -> int:
        """Starts a Python process and waits until it tells its port."""
        process = subprocess.Popen(
            [sys.executable, "-u", *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        self._processes.append(process)
        lines: list[str] = []
        threading.Thread(target=read_lines, args=(process, lines), daemon=True).start()
        ports: list[str] = []
        while not ports and process.poll() is None:
            ports = re.findall(r"//127\.0\.0\.1:(\d+)/", "\n".join(lines))
            time.sleep(0.02)
        if not ports:
            raise RuntimeError(f"{' '.join(arguments)} ended with {process.wait()}")
        return int(ports[0])


def run(seconds: float, fps: float = 30.0, video: Path | None = None) -> list[Summary]:
    """Feeds three clients for so long, then through a crash of the server.

    Raises:
        TimeoutError: a client did not connect, or did not come back.
    """
    commands = {engine: native.console(engine) for engine in ("unity", "unreal")}
    server = Server(fps, video)
    clients: list[Client] = []
    try:
        clients += [PythonClient(server.url)]
        clients += [ConsoleClient(command, server.url) for command in commands.values()]
        wait_for(lambda: all(client.poses > 0 for client in clients))
        time.sleep(seconds)
        server.kill()
        time.sleep(1.0)  # long enough for an attempt that fails
        server.start()
        wait_for(lambda: all(client.connections == 2 for client in clients))
        before = [client.poses for client in clients]
        wait_for(lambda: all(c.poses > b for c, b in zip(clients, before, strict=True)))
        time.sleep(min(seconds, AFTER_RESTART_S))
        return [client.end() for client in clients]
    finally:
        for client in clients:
            client.end()
        server.kill()


def read_lines(process: subprocess.Popen[str], into: list[str]) -> None:
    """Reads what a process prints, to its end."""
    assert process.stdout is not None
    with process.stdout as lines:
        for line in lines:
            into.append(line.rstrip())


def wait_for(condition: Callable[[], bool]) -> None:
    """Returns once it holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("a client did not get what it waits for")
        time.sleep(0.05)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--fps", type=float, default=30.0)
    parser.add_argument("--video", type=Path, help="film it for a real server")
    args = parser.parse_args()
    summaries = run(args.seconds, args.fps, args.video)
    names = list(asdict(summaries[0]))
    print("| " + " | ".join(names) + " |\n|" + "---|" * len(names))
    for summary in summaries:
        print("| " + " | ".join(f"{value}" for value in asdict(summary).values()) + " |")
    good = all(summary.is_good(args.fps) for summary in summaries)
    print("no client missed a pose but after a pause of its own" if good else "POSES WERE MISSED")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

"""A real server for tests: `genmo-rt serve` as a process of its own, on a free port."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self

START_S = 120.0
# Told, not measured: on a busy machine a measurement may say that a second camera is too many.
ROOM = ("--max-streams", "4", "--max-keypoint-streams", "16")
STOP_S = 20.0


class ServerProcess:
    """`with ServerProcess() as server:` gives a server that answers at `server.url`."""

    def __init__(self, *flags: str, port: int = 0) -> None:
        self.flags: Sequence[str] = flags
        self.port = port
        self.lines: list[str] = []
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        """http://127.0.0.1:PORT, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Process id of the running server."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> Self:
        """Starts and waits for the line that says where it listens."""
        command = [sys.executable, "-m", "genmo_rt.cli", "serve", "--port", str(self.port)]
        self._process = subprocess.Popen(
            [*command, *ROOM, *self.flags],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        ready = threading.Event()
        threading.Thread(target=self._read, args=(self._process, ready), daemon=True).start()
        if not ready.wait(START_S) or self.port == 0:
            self.stop()
            raise RuntimeError("the server did not start:\n" + "\n".join(self.lines))
        return self

    def stop(self, with_signal: signal.Signals = signal.SIGINT) -> int:
        """Interrupts the server, as Ctrl-C would if not told otherwise; its exit code."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(with_signal)
        try:
            return self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _read(self, process: subprocess.Popen[str], ready: threading.Event) -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                self.lines.append(line.rstrip())
                found = re.search(r"http://127\.0\.0\.1:(\d+)/", line)
                if found and not ready.is_set():
                    self.port = int(found.group(1))
                    ready.set()
        ready.set()

"""Who works on the cores when: fair turns of all streams at one pool of 2D workers.

A stream with a picture waiting asks for a turn; it takes the newest picture when its turn comes,
so waiting makes no picture old. Free workers go to the stream that has used them least, measured
in seconds, so somebody alone in the picture isn't starved by a stream of three. Who comes after a
rest starts level with those who are served, so nobody saves turns up (start-time fair queueing,
Goyal, Vin and Cheng 1996).
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

CGROUP_LIMIT = Path("/sys/fs/cgroup/cpu.max")

Result = TypeVar("Result")


def usable_cores(limit: Path = CGROUP_LIMIT) -> int:
    """Cores that this process may use: its affinity, and its control group's quota, at least 1."""
    cores = len(os.sched_getaffinity(0))
    try:
        quota, period = limit.read_text().split()
        cores = min(cores, round(int(quota) / int(period)))
    except (OSError, ValueError):  # another system, or "max": no quota
        return cores
    return max(1, cores)


class Turns:
    """One pool of threads for the 2D stages of all streams. Event-loop only.

    Attributes:
        workers: how many streams have a turn at once.
    """

    def __init__(
        self, workers: int | None = None, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        """Nobody waits yet.

        Args:
            workers: threads; one per usable core if None.
            clock: seconds, steady.
        """
        self.workers = workers or usable_cores()
        self._clock = clock
        self._threads = ThreadPoolExecutor(self.workers, "2D")
        self._free = self.workers
        self._waiting: dict[Seat, asyncio.Future[None]] = {}  # in the order they came
        self._started: dict[Seat, float] = {}  # of those who have a turn
        self._level_s = 0.0  # seconds used by whom a worker was given last
        self._busy_s = 0.0

    @property
    def busy_s(self) -> float:
        """Worker seconds used since the start, all workers together."""
        now = self._clock()
        return self._busy_s + sum(now - started for started in self._started.values())

    @property
    def waiting(self) -> int:
        """Streams that wait for a turn."""
        return len(self._waiting)

    def seat(self) -> "Seat":
        """A place for one stream."""
        return Seat(self)

    def close(self) -> None:
        """Ends the threads, when they are done; nobody may have a turn afterwards."""
        self._threads.shutdown(wait=False)

    async def _begin(self, seat: "Seat") -> None:
        seat.used_s = max(seat.used_s, self._level_s)
        if not self._free:
            granted = self._waiting[seat] = asyncio.get_running_loop().create_future()
            try:
                await granted
            except asyncio.CancelledError:
                if self._waiting.pop(seat, None) is None:  # it had just been granted
                    self._free += 1
                    self._grant()
                raise
        else:
            self._free -= 1
        self._level_s = max(self._level_s, seat.used_s)
        self._started[seat] = self._clock()

    def _end(self, seat: "Seat") -> None:
        took = self._clock() - self._started.pop(seat)
        self._busy_s += took
        seat.used_s += took * seat.weight
        self._free += 1
        self._grant()

    def _grant(self) -> None:
        while self._free and self._waiting:
            seat = min(self._waiting, key=lambda seat: seat.used_s)  # of equals, who came first
            granted = self._waiting.pop(seat)
            if not granted.cancelled():
                self._free -= 1
                granted.set_result(None)


class Seat:
    """One stream's place at the workers; one turn at a time.

    Attributes:
        used_s: seconds of turns so far, or level with the others after a rest.
        weight: cores that a turn keeps busy, several where several people are looked at at once.
    """

    def __init__(self, turns: Turns) -> None:
        self.used_s = 0.0
        self.weight = 1
        self._turns = turns

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Waits until a worker is free for this stream, and keeps it until the block ends."""
        await self._turns._begin(self)
        try:
            yield
        finally:
            self._turns._end(self)

    def run(self, work: Callable[[], Result]) -> asyncio.Future[Result]:
        """Work in a worker's thread; only within a turn."""
        return asyncio.get_running_loop().run_in_executor(self._turns._threads, work)

"""The load itself, a process of its own: senders and their viewers, all on one event loop."""

import asyncio
import os
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from genmo_stream.load.footage import EncodedLoop, KeypointLoop
from genmo_stream.load.senders import send_keypoints, send_video
from genmo_stream.load.watcher import Seen, Watcher
from genmo_stream.whip_client import Refused

FIRST_POSE_S = 30.0
SETTLE_S = 3.0
RETRY_S = 5.0  # where a refusal doesn't say when to come again
FULL = 503
GOODBYE_S = 10.0


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """What to offer to a server.

    Attributes:
        host: "127.0.0.1:8080".
        server_pid: whose CPU time is told.
        loop: what every stream plays, each from another place on.
        streams: how many.
        more: how many are offered on top, once these were measured.
        seconds: how long each of the two is measured.
    """

    host: str
    server_pid: int
    loop: EncodedLoop | KeypointLoop
    streams: int
    more: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Phase:
    """What happened while so many streams were offered.

    Attributes:
        offered: streams that wanted in.
        accepted: of them, those that were taken in before the measurement.
        refusals: 503 that were answered since the phase began; who is refused comes again.
        retry_after: what those said, seconds as text.
        failures: what else ended a stream.
        seconds: measured.
        streams: what the viewer of each accepted stream saw; those accepted first come first.
        server_cpu_s, generator_cpu_s: CPU time that each took, the server's model process included.
    """

    offered: int
    accepted: int
    refusals: int
    retry_after: frozenset[str]
    failures: tuple[str, ...]
    seconds: float
    streams: tuple[Seen, ...]
    server_cpu_s: float
    generator_cpu_s: float


def generate(plan: LoadPlan, report: Connection) -> None:
    """Runs a plan: sends the seconds measured so far (float), and at last its Phases (tuple)."""
    report.send(asyncio.run(_run(plan, report.send)))


async def _run(plan: LoadPlan, show: Callable[[float], None]) -> tuple[Phase, ...]:
    streams: list[_Stream] = []
    phases: list[Phase] = []
    try:
        for more in (plan.streams, plan.more):
            if not more:
                continue
            refusals = sum(stream.refusals for stream in streams)
            for number in range(len(streams), len(streams) + more):
                streams.append(_Stream(plan, number))
                streams[-1].start()
                await streams[-1].settled()
            await asyncio.sleep(SETTLE_S)
            show_all = partial(_shift, show, len(phases) * plan.seconds)
            phases.append(await _measure(plan, streams, refusals, show_all))
    finally:
        await asyncio.gather(*(stream.stop() for stream in streams))
    return tuple(phases)


def _shift(show: Callable[[float], None], by: float, seconds: float) -> None:
    show(by + seconds)


async def _measure(
    plan: LoadPlan, streams: "list[_Stream]", refusals: int, show: Callable[[float], None]
) -> Phase:
    accepted = [stream for stream in streams if stream.accepted]
    start_us, server_s, own_s = _now_us(), cpu_seconds(plan.server_pid), time.process_time()
    until = time.monotonic() + plan.seconds
    while (left := until - time.monotonic()) > 0:
        await asyncio.sleep(min(1.0, left))
        show(plan.seconds - left)
    end_us = _now_us()
    return Phase(
        offered=len(streams),
        accepted=len(accepted),
        refusals=sum(stream.refusals for stream in streams) - refusals,
        retry_after=frozenset().union(*(stream.retry_after for stream in streams)),
        failures=tuple(failure for stream in streams for failure in stream.failures),
        seconds=(end_us - start_us) / 1e6,
        server_cpu_s=cpu_seconds(plan.server_pid) - server_s,
        generator_cpu_s=time.process_time() - own_s,
        streams=tuple(stream.watcher.between(start_us, end_us) for stream in accepted),
    )


@dataclass(slots=True)
class _Stream:
    """A sender that comes again when it is refused, and its viewer."""

    plan: LoadPlan
    number: int
    refusals: int = 0
    retry_after: set[str] = field(default_factory=set)
    failures: list[str] = field(default_factory=list)
    watcher: Watcher = field(init=False)
    _tasks: list["asyncio.Task[None]"] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.watcher = Watcher(self.plan.host, f"load-{self.number}")

    @property
    def accepted(self) -> bool:
        """Whether poses came."""
        return bool(self.watcher.poses)

    def start(self) -> None:
        self._tasks = [
            asyncio.create_task(self._note("viewer", self.watcher.run())),
            asyncio.create_task(self._note("sender", self._send())),
        ]

    async def settled(self) -> None:
        """Waits until the stream is accepted, refused or broken."""
        until = time.monotonic() + FIRST_POSE_S
        while not (self.accepted or self.refusals or self.failures):
            if time.monotonic() > until:
                self.failures.append(f"no pose within {FIRST_POSE_S:g} s")
            await asyncio.sleep(0.02)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _send(self) -> None:
        loop, name = self.plan.loop, self.watcher.stream
        while True:
            try:
                if isinstance(loop, EncodedLoop):
                    await send_video(self.plan.host, name, loop, self.number)
                else:
                    start = self.number * len(loop.messages) // (self.plan.streams + 1)
                    await send_keypoints(self.plan.host, name, loop, start)
            except Refused as refused:
                if refused.status != FULL:
                    raise
                self.refusals += 1
                wait = RETRY_S
                if refused.retry_after is not None:
                    self.retry_after.add(refused.retry_after)
                    wait = float(refused.retry_after)
                await asyncio.sleep(wait)

    async def _note(self, who: str, work: Coroutine[Any, Any, None]) -> None:
        """Does the work and remembers what ended it."""
        try:
            await work
        except Exception as error:
            leaf: BaseException = error
            while isinstance(leaf, BaseExceptionGroup):
                leaf = leaf.exceptions[0]
            self.failures.append(f"{self.watcher.stream}'s {who}: {leaf}")


def cpu_seconds(pid: int) -> float:
    """CPU time that a process and its living children took since their start, from /proc."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            fields = stat.read_text().rpartition(")")[2].split()
            if pid in (int(stat.parent.name), int(fields[1])):
                ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _now_us() -> int:
    return time.time_ns() // 1000

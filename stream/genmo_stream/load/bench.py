"""Measures a server under load: one server and one generator, processes of their own, per load."""

import logging
import multiprocessing
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path

from genmo_stream.bench import START_S, BenchError
from genmo_stream.config import ServerConfig
from genmo_stream.encoding import Codec
from genmo_stream.load.footage import EncodedLoop, KeypointLoop, encode, film, watch
from genmo_stream.load.generator import LoadPlan, Phase, generate
from genmo_stream.server import serve

STOP_S = 20.0
GRACE_S = 120.0  # beyond the time to be measured; then the generator is stuck

Loop = EncodedLoop | KeypointLoop


@dataclass(frozen=True, slots=True)
class LoadPoint:
    """One load and what came of it.

    Attributes:
        persons: in every stream's picture.
        phase: what happened.
    """

    persons: int
    phase: Phase


def prepare(
    video: Path,
    persons: int,
    *,
    keypoints: bool,
    size: tuple[int, int] | None,
    fps: float | None,
    codec: Codec,
) -> Loop:
    """Makes what every stream of a load sends; takes some seconds.

    Raises:
        FileFormatError: the file is no video, or breaks off.
        InputError: nobody can be found in it; or size or fps can't be played.
    """
    footage = film(video, persons, size=size, fps=fps)
    return watch(footage, persons) if keypoints else encode(footage, codec)


def bench_load(
    loop: Loop,
    config: ServerConfig,
    *,
    streams: int,
    persons: int,
    more: int = 0,
    seconds: float,
    show: Callable[[float], None] = lambda seconds: None,
) -> list[LoadPoint]:
    """Serves, offers so many streams and measures; then offers more, and measures again.

    Args:
        loop: from `prepare`.
        config: of the server, which follows at least that many persons.
        streams: offered at once.
        persons: in each.
        more: offered on top in a second phase; 0 = there is none.
        seconds: how long a phase is measured.
        show: told the seconds measured so far, for a progress bar.
    Raises:
        BenchError: the server didn't start, or the load broke down.
    """
    config = replace(config, port=0, max_persons=max(config.max_persons, persons))
    with _serving(config) as (host, pid):
        plan = LoadPlan(host, pid, loop, streams, more, seconds)
        return [LoadPoint(persons, phase) for phase in _offer(plan, show)]


@contextmanager
def _serving(config: ServerConfig) -> Iterator[tuple[str, int]]:
    """A server's host:port and process id."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    server = context.Process(target=_serve, args=(config, theirs))  # no daemon: it has a child
    server.start()
    theirs.close()
    try:
        if not ours.poll(START_S):
            raise BenchError(f"the server was not up within {START_S:g} s")
        said = ours.recv()
        found = re.search(r"//([^/]+)/", said)
        if found is None:
            raise BenchError(f"the server said {said!r}; expected its address")
        assert server.pid is not None
        yield found.group(1), server.pid
    except EOFError as error:
        raise BenchError("the server ended early; start `genmo-rt serve` to see why") from error
    finally:
        ours.close()
        server.terminate()
        server.join(STOP_S)


def _serve(config: ServerConfig, report: Connection) -> None:
    """The server's process, as `genmo-rt serve` runs it; reports its first line."""
    said: list[str] = []

    def say(line: str) -> None:
        if not said:
            report.send(line)
        said.append(line)

    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    serve(config, say)


def _offer(plan: LoadPlan, show: Callable[[float], None]) -> tuple[Phase, ...]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    generator = context.Process(target=generate, args=(plan, theirs), daemon=True)
    generator.start()
    theirs.close()
    try:
        while ours.poll(plan.seconds + GRACE_S):
            said: float | tuple[Phase, ...] = ours.recv()
            if isinstance(said, tuple):
                return said
            show(said)
        raise BenchError("the load generator is stuck; try fewer streams")
    except EOFError as error:
        raise BenchError("the load generator broke down; what it said is above") from error
    finally:
        ours.close()
        generator.terminate()
        generator.join(STOP_S)

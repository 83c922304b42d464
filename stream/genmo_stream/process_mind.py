"""A Mind that thinks in a process of its own, and goes on in another one should that die.

All that is known of a stream comes with its frames: after such a death streams go on in new
worlds, a few seconds later.
"""

import asyncio
import logging
from collections.abc import Set
from itertools import count

from genmo_rt.engine.engine import EngineFigures
from genmo_stream.errors import ThinkerError
from genmo_stream.mind import Job, Mind
from genmo_stream.thinker_process import ThinkerProcess, Weights
from genmo_stream.thinker_wire import Asked, Inbox, Told, decode_told, encode_asked

AT_ONCE = 8  # orders in one write at most: the process shouldn't wait for more

logger = logging.getLogger(__name__)


class ProcessMind(Mind):
    """Sends orders as they come; the event loop never waits for the process."""

    def __init__(self, weights: Weights) -> None:
        """Starts the process, which begins to load; `open` comes next."""
        super().__init__()
        self._weights = weights
        self._process: ThinkerProcess | None = ThinkerProcess(weights)
        self._places = 0
        self._jobs: dict[int, Job] = {}  # without an answer, by number
        self._numbers = count()
        self._link: _Link | None = None
        self._joining: asyncio.Task[None] | None = None
        self._outlived: set[int] = set()  # of them, those over which a process has died
        self._closed = False

    @property
    def figures(self) -> EngineFigures:
        """How the engine did after the last batch."""
        return self._figures

    @property
    def pid(self) -> int | None:
        """The process's id; None between two processes."""
        return self._process.pid if self._process else None

    def wait(self) -> None:
        """Waits until everything is loaded; blocks.

        Raises:
            ThinkerError: that failed.
        """
        assert self._process is not None
        self._process.wait()

    def open(self, places: int) -> None:
        """Makes room for so many persons at once; orders may follow. Blocks.

        Raises:
            ThinkerError: there isn't memory for so many.
        """
        assert self._process is not None
        self._places = places
        self._figures: EngineFigures = self._process.open(places)

    def abandon(self) -> None:
        """Ends the process before anything was ordered; blocks."""
        process, self._process = self._process, None
        if process is not None:
            process.close()

    async def close(self) -> None:
        """Ends the process."""
        self._closed = True
        if self._joining is not None:
            await asyncio.wait((self._joining,))
        if self._link is not None:
            self._link.close()
        self._fail(set(self._jobs), "the server stops")
        await asyncio.to_thread(self.abandon)

    def hear(self, told: Told) -> None:
        """Takes what the process says."""
        self._figures = told.figures
        for number, answer in told.answers:
            self._jobs.pop(number).answer(answer)

    def lose(self) -> None:
        """The process is gone: what it owes is ordered from another one, but only once."""
        self._link = None
        if self._closed:
            return
        logger.error("the model's process ended; streams go on in another one, in new worlds")
        again = self._outlived & self._jobs.keys()
        self._fail(again, "the model's process ended twice over the same frame")
        self._outlived = set(self._jobs)
        self._joining = asyncio.create_task(self._join())

    def _take(self, job: Job) -> None:
        number = next(self._numbers)
        self._jobs[number] = job
        if self._link is not None:
            self._link.send(Asked(number, job.order))
        elif self._joining is None:
            self._joining = asyncio.create_task(self._join())

    def _drop(self, job: Job) -> bool:
        return False  # it may have begun

    async def _join(self) -> None:
        """Ties the process, or a new one, to this loop, and orders what waits for that."""
        try:
            if self._process is None or self._process.used:
                await asyncio.to_thread(self._replace)
            assert self._process is not None
            self._link = await self._process.connect(lambda: _Link(self))
        except (ThinkerError, OSError) as error:
            logger.error("%s", error)
            self._fail(set(self._jobs), str(error))
        finally:
            self._joining = None
        if self._link is not None:
            for number, job in self._jobs.items():
                self._link.send(Asked(number, job.order))

    def _replace(self) -> None:
        self.abandon()
        process = ThinkerProcess(self._weights)
        try:
            process.wait()
            self._figures = process.open(self._places)
        except ThinkerError:
            process.close()
            raise
        self._process = process

    def _fail(self, numbers: Set[int], reason: str) -> None:
        for number in numbers:
            self._jobs.pop(number).answer(ThinkerError(reason))


class _Link(asyncio.Protocol):
    """The server's end of the socket."""

    def __init__(self, mind: ProcessMind) -> None:
        self._mind = mind
        self._inbox = Inbox()
        self._orders: list[bytes] = []  # of this turn of the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def send(self, asked: Asked) -> None:
        if not self._orders:
            asyncio.get_running_loop().call_soon(self._flush)
        self._orders.append(encode_asked(asked))
        if len(self._orders) >= AT_ONCE:
            self._flush()

    def close(self) -> None:
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._inbox.add(data)
        while (message := self._inbox.take()) is not None:
            self._mind.hear(decode_told(message))

    def connection_lost(self, exc: Exception | None) -> None:
        self._mind.lose()

    def _flush(self) -> None:
        orders, self._orders = self._orders, []
        if orders:
            self._transport.write(b"".join(orders))

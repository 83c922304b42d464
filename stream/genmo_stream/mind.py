"""All streams' estimators behind one queue: whoever waits when a batch ends is in the next one.

A thread per stream would fight with the others, and with the event loop, over Python's lock for
every little product. And four persons together cost half of what they cost one by one: where
frames come in quick succession, the first waits a moment for others.
"""

import asyncio
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count

from genmo_rt.engine.engine import EngineFigures
from genmo_stream.thinker import Advance, Answer, Company, Forget, Order, Thinker, Thought


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """An order with the answer to come."""

    order: Order
    done: "asyncio.Future[Answer]"

    def answer(self, answer: "Answer | BaseException") -> None:
        """Hands the answer on."""
        if isinstance(answer, BaseException):
            self.done.set_exception(answer)
        else:
            self.done.set_result(answer)


class Mind(ABC):
    """Has frames thought of, here or elsewhere. Event-loop only; for streams of one device."""

    def __init__(self) -> None:
        """Serves nobody yet."""
        self._streams = count()

    @property
    @abstractmethod
    def figures(self) -> EngineFigures:
        """How the engine does."""

    def new_stream(self) -> int:
        """A number for a stream's orders that no other stream has."""
        return next(self._streams)

    async def advance(self, frame: Advance) -> Thought:
        """The poses that come with a frame; who is cancelled still waits until it isn't touched.

        Args:
            frame: a stream has one at a time here.
        Raises:
            Exception: what failed in this stream; others in the batch don't notice.
        """
        job = self._ask(frame)
        try:
            thought = await asyncio.shield(job.done)
        except asyncio.CancelledError:
            if not self._drop(job):
                await asyncio.wait((job.done,))
                job.done.exception()  # nobody else looks
            raise
        assert isinstance(thought, Thought), "a frame is answered by a thought"
        return thought

    def forget(self, stream: int) -> None:
        """Drops a stream's persons and world, after its frames that are asked about already."""
        self._ask(Forget(stream)).done.add_done_callback(asyncio.Future.exception)

    @abstractmethod
    async def close(self) -> None:
        """Waits for the batch that runs, and lets go of everything."""

    def _ask(self, order: Order) -> Job:
        job = Job(order, asyncio.get_running_loop().create_future())
        self._take(job)
        return job

    @abstractmethod
    def _take(self, job: Job) -> None:
        """Sees to it that the job is answered."""

    @abstractmethod
    def _drop(self, job: Job) -> bool:
        """Takes a job back, where it hasn't begun."""


class ThreadMind(Mind):
    """Thinks on a thread of this process."""

    def __init__(self, thinker: Thinker, company: Company | None = None) -> None:
        """Serves nobody yet.

        Args:
            thinker: belongs to the thread alone.
            company: how long a frame waits for others.
        """
        super().__init__()
        self._thinker = thinker
        self._company = company or Company()
        self._worker = ThreadPoolExecutor(1, "model")
        self._waiting: list[Job] = []
        self._busy = False

    @property
    def figures(self) -> EngineFigures:
        """How the engine does."""
        return self._thinker.figures

    async def close(self) -> None:
        """Waits for the batch that runs."""
        await asyncio.to_thread(self._worker.shutdown)

    def _take(self, job: Job) -> None:
        loop = asyncio.get_running_loop()
        self._waiting.append(job)
        wait_s = self._company.wait_s(job.order, loop.time())
        if not self._busy:
            self._busy = True
            loop.call_later(wait_s, self._start, loop)

    def _drop(self, job: Job) -> bool:
        if job not in self._waiting:
            return False
        self._waiting.remove(job)
        return True

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        batch, self._waiting = self._waiting, []
        self._busy = bool(batch)
        if batch:
            orders = [job.order for job in batch]
            running = loop.run_in_executor(self._worker, self._thinker, orders)
            running.add_done_callback(lambda ran: self._finish(loop, batch, ran))

    def _finish(
        self,
        loop: asyncio.AbstractEventLoop,
        batch: list[Job],
        ran: "asyncio.Future[list[Answer]]",
    ) -> None:
        error = ran.exception()
        for job, answer in zip(batch, [error] * len(batch) if error else ran.result(), strict=True):
            job.answer(answer)
        self._start(loop)

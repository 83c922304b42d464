"""All streams' estimators on one thread: whoever waits when a batch ends is in the next one.

A thread per stream would fight with the others, and with the event loop, over Python's lock for
every little product. And four persons together cost half of what they cost one by one: where
frames come in quick succession, the first waits a moment for others.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from genmo_rt.estimate import Advanced, Step, advance_groups

PATIENCE_S = 0.005  # the longest that a frame waits for those of other streams ...
COMPANY = 0.5  # ... where so many are expected in that time
LONGEST_S = 0.1  # a pause between two frames counts for that much at most
KEEP = 0.9  # of the running mean of the time between frames


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    steps: Sequence[Step]
    done: "asyncio.Future[list[Advanced]]"


class Mind:
    """Event-loop only; for streams of one device."""

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        """Serves nobody yet; no frame waits longer for others than patience_s."""
        self._patience_s = patience_s
        self._between_s = LONGEST_S  # frames, of all streams; a running mean
        self._came = 0.0
        self._worker = ThreadPoolExecutor(1, "model")
        self._waiting: list[_Job] = []
        self._busy = False

    async def advance(self, steps: Sequence[Step]) -> list[Advanced]:
        """Advances one stream's persons; who is cancelled still waits until it isn't touched.

        Args:
            steps: of one frame; no person may be in two calls at once.
        Raises:
            Exception: what failed in this stream; others in the batch don't notice.
        """
        if not steps:
            return []
        loop = asyncio.get_running_loop()
        job = _Job(steps, loop.create_future())
        self._waiting.append(job)
        between_s, self._came = loop.time() - self._came, loop.time()
        self._between_s += (1 - KEEP) * (min(between_s, LONGEST_S) - self._between_s)
        if not self._busy:
            self._busy = True
            company = self._patience_s >= COMPANY * self._between_s
            loop.call_later(self._patience_s if company else 0.0, self._start, loop)
        try:
            return await asyncio.shield(job.done)
        except asyncio.CancelledError:
            if job in self._waiting:
                self._waiting.remove(job)
            else:
                await asyncio.wait((job.done,))
                job.done.exception()  # nobody else looks
            raise

    def close(self) -> None:
        """Waits for the batch that runs."""
        self._worker.shutdown()

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        batch, self._waiting = self._waiting, []
        self._busy = bool(batch)
        if batch:
            groups = [job.steps for job in batch]
            running = loop.run_in_executor(self._worker, advance_groups, groups)
            running.add_done_callback(lambda ran: self._finish(loop, batch, ran))

    def _finish(
        self,
        loop: asyncio.AbstractEventLoop,
        batch: list[_Job],
        ran: "asyncio.Future[list[list[Advanced] | Exception]]",
    ) -> None:
        error = ran.exception()
        results = [error] * len(batch) if error else ran.result()
        for job, result in zip(batch, results, strict=True):
            if isinstance(result, BaseException):
                job.done.set_exception(result)
            else:
                job.done.set_result(result)
        self._start(loop)

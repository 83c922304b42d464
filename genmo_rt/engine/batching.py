"""Callers from many threads hand in one item each; whoever is waiting is served in one batch.

No thread of its own: the first caller who finds nobody at work takes the others' items along.
While a batch runs the next one gathers by itself, so under load batches grow as they must; the
leader waits for company only as long as a batch of its own would cost.
"""

import threading
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

Item = TypeVar("Item")
Result = TypeVar("Result")

MAX_PERIOD_S = 0.2  # who comes less often than that is not waited for
SLACK_S = 0.004  # a caller this late is still expected
KEEP_COST = 0.9  # of the running mean of what a batch costs


@dataclass(slots=True, eq=False)
class _Ticket(Generic[Item, Result]):
    key: Hashable
    item: Item
    done: bool = False
    result: Result | None = None
    error: BaseException | None = None


class Batcher(Generic[Item, Result]):
    """Runs items of many threads together, at most one per key in a batch.

    Attributes:
        batches: how many ran.
        items: how many items they held.
        busy_s: seconds they took.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Item]], Sequence[Result]],
        *,
        limit: int,
        patience_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Serves nobody yet.

        Args:
            run: turns a batch into results in its order; called by one thread at a time.
            limit: items in a batch at most.
            patience_s: the longest that a leader ever waits for others.
            clock: seconds, steady.
        """
        self.batches = self.items = 0
        self.busy_s = 0.0
        self._run = run
        self._limit = limit
        self._clock = clock
        self._rhythm = Rhythm(patience_s)
        self._changed = threading.Condition()
        self._waiting: list[_Ticket[Item, Result]] = []
        self._led = False  # somebody gathers or runs a batch

    @property
    def waiting(self) -> int:
        """Items that no batch has taken yet."""
        return len(self._waiting)

    def submit(self, key: Hashable, item: Item) -> Result:
        """Hands in an item and blocks until it is done.

        Raises:
            BaseException: what `run` raised for the batch that the item was in.
        """
        return self.submit_all([(key, item)])[0]

    def submit_all(self, items: Sequence[tuple[Hashable, Item]]) -> list[Result]:
        """As `submit` for items of several keys that one caller has at once.

        Raises:
            BaseException: what `run` raised for a batch that one of them was in.
        """
        tickets: list[_Ticket[Item, Result]] = [_Ticket(key, item) for key, item in items]
        with self._changed:
            self._waiting += tickets
            for ticket in tickets:
                self._rhythm.arrived(ticket.key, self._clock())
            self._changed.notify_all()
            while not all(ticket.done for ticket in tickets):
                if self._led:
                    self._changed.wait()
                else:
                    self._lead()
        for ticket in tickets:
            if ticket.error is not None:
                raise ticket.error
        return [cast(Result, ticket.result) for ticket in tickets]

    def forget(self, key: Hashable) -> None:
        """Nobody of this key is expected any more."""
        with self._changed:
            self._rhythm.forget(key)

    def _lead(self) -> None:
        """Gathers a batch and runs it; called and left with the lock held."""
        self._led = True
        batch: list[_Ticket[Item, Result]] = []
        started = self._clock()
        try:
            self._gather()
            batch = self._take()
            self._changed.release()
            started = self._clock()
            try:
                results = self._run([ticket.item for ticket in batch])
            finally:
                self._changed.acquire()
            for ticket, result in zip(batch, results, strict=True):
                ticket.result = result
        except BaseException as error:
            for ticket in batch:
                ticket.error = error
            if not batch:
                raise
        finally:
            took = self._clock() - started
            self._rhythm.ran(took)
            self.batches, self.items = self.batches + 1, self.items + len(batch)
            self.busy_s += took
            for ticket in batch:
                ticket.done = True
            self._led = False
            self._changed.notify_all()

    def _gather(self) -> None:
        """Waits for those who are about to come."""
        keys = {ticket.key for ticket in self._waiting}
        now = self._clock()
        until, company = self._rhythm.expects(now, keys)
        enough = min(len(keys) + company, self._limit)
        while company and len(self._waiting) < enough and now < until:
            self._changed.wait(until - now)
            now = self._clock()

    def _take(self) -> list[_Ticket[Item, Result]]:
        """The oldest items, one per key, up to the limit."""
        batch: dict[Hashable, _Ticket[Item, Result]] = {}
        for ticket in self._waiting:
            if len(batch) < self._limit:
                batch.setdefault(ticket.key, ticket)
        chosen = list(batch.values())
        self._waiting = [ticket for ticket in self._waiting if ticket not in chosen]
        return chosen


class Rhythm:
    """When each caller is due next, and how long waiting for it may pay."""

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._last: dict[Hashable, float] = {}
        self._due: dict[Hashable, float] = {}
        self._cost_s = 0.0

    def arrived(self, key: Hashable, now: float) -> None:
        """A caller came; it is due again after as long as since its last time."""
        period = now - self._last.get(key, -MAX_PERIOD_S)
        self._last[key] = now
        if period < MAX_PERIOD_S:
            self._due[key] = now + period
        else:
            self._due.pop(key, None)

    def forget(self, key: Hashable) -> None:
        """A caller won't come again."""
        self._last.pop(key, None)
        self._due.pop(key, None)

    def ran(self, took_s: float) -> None:
        """A batch took that long."""
        kept = KEEP_COST if self._cost_s else 0.0
        self._cost_s = kept * self._cost_s + (1 - kept) * took_s

    def expects(self, now: float, here: set[Hashable]) -> tuple[float, int]:
        """Until when to wait, and for how many who aren't here.

        Waiting longer than a batch of one's own costs is slower than running two.
        """
        until = now + min(self._patience_s, self._cost_s)
        due = sum(now - SLACK_S <= t <= until for key, t in self._due.items() if key not in here)
        return until, due

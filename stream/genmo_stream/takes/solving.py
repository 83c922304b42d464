"""Second solves in the background: one take at a time, on a thread, with progress to ask for."""

import json
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Literal

from genmo_rt.errors import GenmoError
from genmo_rt.estimate import Estimator
from genmo_stream.errors import TakeBusy
from genmo_stream.takes.solve import COMPARISON_NAME, count_steps, solve_take
from genmo_stream.takes.store import Takes

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SolveState:
    """Where a take's second solve stands.

    Attributes:
        state: "queued", "running", "done" or "failed".
        progress: 0..1 of the frames.
        error: why it failed.
    """

    state: Literal["queued", "running", "done", "failed"]
    progress: float = 0.0
    error: str | None = None


class _Stopped(Exception):
    """The server stops: the solve is given up."""


class SecondSolver:
    """Solves takes again, the one that was asked for first first."""

    def __init__(self, takes: Takes, estimator: Estimator) -> None:
        self._takes = takes
        self._estimator = estimator
        self._states: dict[str, SolveState] = {}
        self._pool = ThreadPoolExecutor(1, "second solve")
        self._stopping = threading.Event()

    def start(self, take: str) -> SolveState:
        """Puts a take into the queue.

        Raises:
            UnknownTake: there is no such take.
            TakeBusy: it is being recorded or waits already.
        """
        if self._takes.get(take).recording:
            raise TakeBusy(f"take {take} is being recorded; stop it first")
        known = self._states.get(take)
        if known is not None and known.state in ("queued", "running"):
            raise TakeBusy(f"take {take} is being solved already ({known.state})")
        self._states[take] = SolveState("queued")
        self._pool.submit(self._solve, take)
        return self._states[take]

    def state(self, take: str) -> SolveState | None:
        """Where it stands; None for a take that nobody asked to solve since the server started."""
        return self._states.get(take)

    def comparison(self, take: str) -> list[dict[str, Any]] | None:
        """The figures of both solves by person; None until there is a second one.

        Raises:
            UnknownTake: there is no such take.
        """
        try:
            text = (self._takes.path(take) / COMPARISON_NAME).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        found: list[dict[str, Any]] = json.loads(text)
        return found

    def close(self) -> None:
        """Gives up what is not done."""
        self._stopping.set()
        self._pool.shutdown(cancel_futures=True)

    def _solve(self, take: str) -> None:
        try:
            content = self._takes.read(take)
            total, done = max(count_steps(content), 1), 0

            def watch() -> None:
                nonlocal done
                if self._stopping.is_set():
                    raise _Stopped
                done += 1
                self._states[take] = SolveState("running", round(min(done / total, 1.0), 3))

            solve_take(content, self._takes.path(take), self._estimator, watch)
            self._states[take] = SolveState("done", 1.0)
        except _Stopped:
            self._fail(take, "the server stopped")
        except (GenmoError, OSError) as error:
            self._fail(take, str(error))
        except Exception:
            logger.exception("the second solve of take %s failed", take)
            self._fail(take, "the server failed on it; its log says where")

    def _fail(self, take: str, reason: str) -> None:
        state = self._states.get(take, SolveState("failed"))
        self._states[take] = replace(state, state="failed", error=reason)

"""Several persons' ticks at once: what their estimators ask for is done in common batches.

An estimator's tick is a generator that asks for conditions, for what the model says of them, and
for poses. Who drives many of them waits until all have asked and answers those at the earliest
stage in one batch: an array operation for twenty persons costs hardly more than one for one.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

import torch
from torch import Tensor

from genmo_rt.between import Gap, poses_between
from genmo_rt.camera import Intrinsics
from genmo_rt.conditions import Conditions, from_keypoints_together
from genmo_rt.engine.engine import Engine, Slot
from genmo_rt.keypoints import Keypoints
from genmo_rt.motion import View
from genmo_rt.pose import Pose
from genmo_rt.posing import Posing, pose_together

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """Asks for the Conditions of one tick, (1, 1), as conditions.from_keypoints makes them."""

    keypoints: Keypoints | None
    intrinsics: Intrinsics
    previous: View | None


@dataclass(frozen=True, slots=True, eq=False)
class Think:
    """Asks for what the model says of the next ticks of a slot, (N, 181), as Slot.step tells it."""

    engine: Engine
    slot: Slot
    conditions: Conditions


Ask: TypeAlias = Look | Think | Posing | Gap
Answer: TypeAlias = Conditions | Tensor | Pose | list[Pose] | Exception
Work: TypeAlias = Generator[Ask, Any, Result]
"""One person's tick, or several: asks, gets answers, and returns a result."""


def run(work: "Work[Result]") -> Result:
    """One person's work alone."""
    (results,) = run_together([[work]])
    if isinstance(results, Exception):
        raise results
    return results[0]


@torch.inference_mode()
def run_together(groups: Sequence[Sequence["Work[Result]"]]) -> list[list[Result] | Exception]:
    """Runs everybody's work to its end; what fails in one group fails there alone.

    Args:
        groups: each stream's persons, one piece of work each; those who share a world move it in
            this order.
    Returns:
        what each stream's work returned, or why it failed.
    """
    crews = [_Crew(list(group)) for group in groups]
    waiting = [worker for crew in crews for worker in crew.start()]
    while waiting:
        kind = next(k for k in _STAGES if any(isinstance(w.ask, k) for w in waiting))
        now = [worker for worker in waiting if isinstance(worker.ask, kind)]
        answers = _answers(_STAGES[kind], [worker.ask for worker in now])
        for worker, answer in zip(now, answers, strict=True):
            worker.go_on(answer)
        waiting = [worker for worker in waiting if worker.ask is not None]
    return [crew.results for crew in crews]


class _Crew(Generic[Result]):
    """The work of one stream: when one fails, nobody goes on."""

    def __init__(self, work: list["Work[Result]"]) -> None:
        self._workers = [_Worker(one, self) for one in work]
        self._error: Exception | None = None

    def start(self) -> list["_Worker[Result]"]:
        """Those who ask for something."""
        for worker in self._workers:
            worker.go_on(None)
        return [worker for worker in self._workers if worker.ask is not None]

    def fail(self, error: Exception) -> None:
        self._error = self._error or error
        for worker in self._workers:
            worker.ask = None

    @property
    def failed(self) -> bool:
        return self._error is not None

    @property
    def results(self) -> list[Result] | Exception:
        return self._error or [result for worker in self._workers for result in worker.result]


class _Worker(Generic[Result]):
    """One person's work between two answers."""

    def __init__(self, work: "Work[Result]", crew: _Crew[Result]) -> None:
        self.ask: Ask | None = None
        self.result: list[Result] = []
        self._work = work
        self._crew = crew

    def go_on(self, answer: "Answer | None") -> None:
        if self._crew.failed:
            return
        if isinstance(answer, Exception):
            self._crew.fail(answer)
            return
        try:
            self.ask = self._work.send(answer)
        except StopIteration as done:
            self.ask = None
            self.result.append(done.value)
        except Exception as error:
            self._crew.fail(error)


def _answers(
    stage: Callable[[Sequence[Ask | None]], Sequence[Answer]], asks: Sequence[Ask | None]
) -> Sequence[Answer]:
    """What a stage says to all; where it fails, to each alone, to find whom it fails for."""
    try:
        return stage(asks)
    except Exception as error:
        if len(asks) == 1:
            return [error]
    return [answer for ask in asks for answer in _answers(stage, [ask])]


def _look(asks: Sequence[Look]) -> list[Conditions]:
    return from_keypoints_together([(ask.keypoints, ask.intrinsics, ask.previous) for ask in asks])


def _think(asks: Sequence[Think]) -> list[Tensor]:
    engine = asks[0].engine
    if len(asks) == 1:  # others' threads may have company for it
        return [asks[0].slot.step(asks[0].conditions)]
    return engine.step_together([ask.slot for ask in asks], [ask.conditions for ask in asks])


_STAGES: dict[type[Ask], Callable[[Any], Sequence[Any]]] = {
    Look: _look,
    Think: _think,
    Posing: pose_together,
    Gap: poses_between,
}

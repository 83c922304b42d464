"""Frames of many streams in, their persons' poses out: runs all estimators, one batch at a time.

It knows nothing of events or sockets: it works on a thread of the server's (mind.py) or in a
process of its own (thinker_process.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genmo_rt.engine.engine import EngineFigures
from genmo_rt.estimate import Advanced, Estimator, advance_groups
from genmo_stream.publish_options import PublishOptions
from genmo_stream.solvers import Followed, Solver, Solvers, steps

PATIENCE_S = 0.005  # the longest that a frame waits for those of other streams ...
COMPANY = 0.5  # ... where so many are expected in that time
LONGEST_S = 0.1  # a pause between two frames counts for that much at most
KEEP = 0.9  # of the running mean of the time between frames
FEWEST = 8  # frames that a batch may always have


@dataclass(frozen=True, slots=True)
class Advance:
    """Asks for the poses that come with a stream's next frame.

    Attributes:
        stream: whose; streams don't share a number, however they are named.
        publisher: counts the stream's publishers: what waited for an earlier one is dropped.
        options: what the publisher says of its camera.
        followed: the frame.
    """

    stream: int
    publisher: int
    options: PublishOptions
    followed: Followed


@dataclass(frozen=True, slots=True)
class Forget:
    """Tells that nobody comes back to a stream's persons and world."""

    stream: int


Order = Advance | Forget


@dataclass(frozen=True, slots=True)
class Posed:
    """One person's poses that came with a frame.

    Attributes:
        person: their id.
        poses: of every tick, each with whether it had a frame; as StreamEstimator.advance gives.
        shape: (10,) coefficients of the body, the running estimate.
        rest_joints: (24, 3) the T-pose skeleton of that shape, metres.
        height_m: standing height of that shape, metres.
    """

    person: int
    poses: Advanced
    shape: NDArray[np.float32]
    rest_joints: NDArray[np.float32]
    height_m: float


@dataclass(frozen=True, slots=True)
class Thought:
    """The answer to an Advance.

    Attributes:
        persons: everybody who has an estimator and is in the frame or in one still to come.
        due: numbers of the frames whose poses are all there now.
        places: that the stream's persons hold in the engine.
    """

    persons: tuple[Posed, ...]
    due: tuple[int, ...]
    places: int


Answer = Thought | Exception | None


class Company:
    """How long the first frame of a batch waits for those of other streams."""

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        """No frame waits longer than patience_s."""
        self._patience_s = patience_s
        self._between_s = LONGEST_S  # frames, of all streams; a running mean
        self._came = 0.0

    def wait_s(self, order: Order, now: float) -> float:
        """Takes note of an order that comes now, seconds; how long it should wait."""
        if isinstance(order, Forget):
            return 0.0
        between_s, self._came = now - self._came, now
        self._between_s += (1 - KEEP) * (min(between_s, LONGEST_S) - self._between_s)
        return self._patience_s if self._patience_s >= COMPANY * self._between_s else 0.0


class Thinker:
    """All streams' estimators."""

    def __init__(self, estimator: Estimator) -> None:
        """Serves nobody yet."""
        self._estimator = estimator
        self._streams: dict[int, _Served] = {}

    @property
    def figures(self) -> EngineFigures:
        """How the engine does."""
        return self._estimator.engine.figures

    @property
    def most(self) -> int:
        """How many orders should be carried out together at most, where more of them wait.

        Half of the streams: all of them in one batch would be answered at once, send their next
        frames at once, and leave this idle meanwhile; and so on for ever.
        """
        return max(FEWEST, (len(self._streams) + 1) // 2)

    def __call__(self, orders: Sequence[Order]) -> list[Answer]:
        """Carries out orders; frames that follow each other are advanced together.

        Args:
            orders: in this order where they are of one stream.
        """
        answers: list[Answer] = []
        together: list[Advance] = []
        for order in orders:
            alone = any(order.stream == frame.stream for frame in together)
            if isinstance(order, Forget) or alone:
                answers += self._advance(together)
                together = []
            if isinstance(order, Forget):
                self._forget(order.stream)
                answers.append(None)
            else:
                together.append(order)
        return answers + self._advance(together)

    def _advance(self, frames: Sequence[Advance]) -> list[Answer]:
        """Frames of distinct streams."""
        begun = [self._begin(frame) for frame in frames]
        good = [one for one in begun if not isinstance(one, Exception)]
        advanced = iter(advance_groups([steps(one.persons, one.frame.followed) for one in good]))
        return [one if isinstance(one, Exception) else one.end(next(advanced)) for one in begun]

    def _begin(self, frame: Advance) -> "_Begun | Exception":
        """Finds out who is to be advanced."""
        try:
            served = self._streams.get(frame.stream)
            if served is None:
                served = _Served(Solvers(self._estimator), frame.publisher)
                served.solvers.adopt(frame.options)
                self._streams[frame.stream] = served
            elif served.publisher != frame.publisher:
                served.publisher = frame.publisher
                served.solvers.adopt(frame.options)
            return _Begun(frame, served.solvers, served.solvers.of(frame.followed))
        except Exception as error:
            return error

    def _forget(self, stream: int) -> None:
        served = self._streams.pop(stream, None)
        if served is not None:
            served.solvers.forget()


@dataclass(slots=True)
class _Served:
    """A stream and the publisher that its last frame was from."""

    solvers: Solvers
    publisher: int


@dataclass(frozen=True, slots=True)
class _Begun:
    """A frame with whom to advance."""

    frame: Advance
    solvers: Solvers
    persons: list[Solver]

    def end(self, advanced: list[Advanced] | Exception) -> Answer:
        if isinstance(advanced, Exception):
            return advanced
        return Thought(
            tuple(
                _posed(solver, poses) for solver, poses in zip(self.persons, advanced, strict=True)
            ),
            tuple(due.number for due in self.solvers.due(self.frame.followed)),
            self.solvers.places,
        )


def _posed(solver: Solver, poses: Advanced) -> Posed:
    body = solver.estimator
    return Posed(solver.person, poses, body.shape, body.rest_joints, body.height_m)

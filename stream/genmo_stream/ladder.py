"""How much of each camera's video is looked at: the rungs full and half, and refusal below them.

full: every tick's frame goes through the 2D stage. half: one of every two; the others are dropped
before their colours are even converted, and their ticks run masked. Where half isn't enough
either, newcomers are refused; whoever is there stays.
"""

import time
from collections.abc import Callable
from typing import Literal

Rung = Literal["full", "half"]

OVERLOADED = 0.5  # share of frames that streams are late for, from which they can't keep up
CALM = 0.1  # up to which they can
DOWN_S = 2.0  # so long overloaded, and the rung goes down
REFUSE_S = 5.0  # so long overloaded at half, and newcomers are refused
UP_S = 5.0  # so long calm, and the rung goes up
UP_MOST_S = 160.0  # the wait doubles up to this, each time that full turned out too much
RELAPSE_S = 30.0  # full was too much if it lasted for less than this
ROOM = 0.8  # of the workers' time that full may be expected to take


class Ladder:
    """The rung of all cameras of a server. Event-loop only.

    Attributes:
        rung: what the 2D stage does now.
        refusing: newcomers would slow down those who are there, though the rung is half.
    """

    def __init__(
        self, full: int | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """On the rung full.

        Args:
            full: cameras that this machine carries at full, as measured; None = not known.
            clock: seconds, steady.
        """
        self.rung: Rung = "full"
        self.refusing = False
        self._full = full
        self._clock = clock
        self._overloaded_since: float | None = None
        self._calm_since: float | None = None
        self._full_since = clock()
        self._up_s = UP_S
        self._used = self._late = 0  # frames since the last look at them

    def note(self, *, late: bool) -> None:
        """A frame was used; late: it would have been used sooner on an idle machine."""
        self._used += 1
        self._late += late

    def expect(self, cameras: int) -> None:
        """So many cameras are about to be live: more than fit at full start at half."""
        if self._full is not None and cameras > self._full:
            self._descend()

    def climb(self, cameras: int, busy: float) -> None:
        """Takes the rung that suits how things went since the last time; once a second.

        Args:
            cameras: live ones.
            busy: share of the 2D workers' time that was used.
        """
        now = self._clock()
        late = self._late / self._used if self._used else 0.0
        self._used = self._late = 0
        overloaded, calm = late >= OVERLOADED, late <= CALM
        self._overloaded_since = (self._overloaded_since or now) if overloaded else None
        self._calm_since = (self._calm_since or now) if calm else None
        long = 0.0 if self._overloaded_since is None else now - self._overloaded_since
        if self.rung == "full":
            self.refusing = False
            if long >= DOWN_S:
                failed = now - self._full_since < RELAPSE_S
                self._up_s = min(2 * self._up_s, UP_MOST_S) if failed else UP_S
                self._descend()
            else:
                self.expect(cameras)
        else:
            self.refusing = long >= REFUSE_S
            rested = self._calm_since is not None and now - self._calm_since >= self._up_s
            if rested and self._would_fit(cameras, busy):
                self.rung, self._full_since = "full", now

    def _would_fit(self, cameras: int, busy: float) -> bool:
        """Whether looking at every frame is likely to go well."""
        return (self._full is None or cameras <= self._full) and 2 * busy <= ROOM

    def _descend(self) -> None:
        if self.rung == "full":
            self.rung = "half"
            self._overloaded_since = self._calm_since = None

"""Capture time becomes 30 Hz ticks: the model's clock, right at any frame rate."""

from dataclasses import dataclass

TICK_HZ = 30
MAX_CATCH_UP = 45  # missed ticks that are run masked; after more the caches restart
KEEP_S = 10.0  # ids, world and shape outlive a gap of this length


@dataclass(frozen=True, slots=True)
class Tick:
    """One frame's place on the tick grid.

    Attributes:
        index: tick number since the stream's anchor; grows strictly.
        t: capture time in seconds since the anchor (the frame's own, not the grid's).
        missed: masked ticks to run just before this one.
        restart: the gap was over MAX_CATCH_UP ticks: caches restart, ids and world stay.
        reset: the gap was over KEEP_S: everything starts anew.
    """

    index: int
    t: float
    missed: int
    restart: bool
    reset: bool


class TickClock:
    """Assigns frames to ticks; anchored at the first frame's capture time."""

    def __init__(self) -> None:
        self._anchor_us: int | None = None
        self._last: Tick | None = None

    def admit(self, t_capture_us: int) -> Tick | None:
        """Takes the next frame's capture time; None means the frame is to be dropped.

        A frame belongs to tick round((t − t0)·30). The first frame to reach a tick is used;
        a later one, or one whose time went backwards, is dropped.

        Args:
            t_capture_us: capture time in microseconds, on any steady clock.
        """
        if self._anchor_us is None:
            self._anchor_us = t_capture_us
        t = (t_capture_us - self._anchor_us) / 1e6
        index = round(t * TICK_HZ)
        if self._last is None:
            tick = Tick(index=index, t=t, missed=0, restart=True, reset=True)
        else:
            gap = index - self._last.index - 1
            if gap < 0:
                return None
            restart = gap > MAX_CATCH_UP
            tick = Tick(
                index=index,
                t=t,
                missed=0 if restart else gap,
                restart=restart,
                reset=t - self._last.t > KEEP_S,
            )
        self._last = tick
        return tick

"""Capture time becomes 30 Hz ticks: the model's clock, right at any frame rate."""

from dataclasses import dataclass

TICK_HZ = 30
MAX_CATCH_UP = 45  # missed ticks that are run masked; after more the caches restart
KEEP_S = 10.0  # ids, world and shape outlive a gap of this length
SLACK_US = 1500  # a frame this little past the middle of two ticks still belongs to the earlier one
BACK_US = 1_000_000  # a time further back than this is no late frame but a clock set anew


@dataclass(frozen=True, slots=True)
class Tick:
    """One frame's place on the tick grid.

    Attributes:
        index: tick number since the clock's anchor; grows strictly.
        t: capture time in seconds since the anchor (the frame's own, not the grid's); grows
            strictly.
        missed: masked ticks to run just before this one.
        restart: the gap was over MAX_CATCH_UP ticks, or the capture clock was set back: caches
            restart, ids and world stay.
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
        self._last_us = 0  # its capture time

    def admit(self, t_capture_us: int) -> Tick | None:
        """Takes the next frame's capture time; None means the frame is to be dropped.

        A frame belongs to tick round((t − t0)·30), halves downwards. The first frame to reach a
        tick is used; a later one, or one whose time went back a little, is dropped. Time that went
        back by over BACK_US is a clock set anew (another publisher, say): how long the gap was
        can't be known, and ticks go on as if as much time had passed forwards.

        Args:
            t_capture_us: capture time in microseconds, on any steady clock.
        """
        if self._anchor_us is None:
            self._anchor_us = t_capture_us
        back_us = max(0, self._last_us - t_capture_us) if self._last is not None else 0
        set_anew = back_us > BACK_US
        if set_anew:
            self._anchor_us -= 2 * back_us
        since_us = t_capture_us - self._anchor_us
        t = since_us / 1e6
        # At 60 fps every other frame sits on a half. If those went up or down as the capture
        # clock's rounding has it, the used frames would be 17, 33 and 50 ms apart; with halves
        # down and some slack they are the ones on the grid.
        index = ((since_us - SLACK_US) * TICK_HZ + 500_000) // 1_000_000
        if self._last is None:
            tick = Tick(index=index, t=t, missed=0, restart=True, reset=True)
        else:
            gap = index - self._last.index - 1
            if gap < 0:
                return None
            restart = set_anew or gap > MAX_CATCH_UP
            tick = Tick(
                index=index,
                t=t,
                missed=0 if restart else gap,
                restart=restart,
                reset=t - self._last.t > KEEP_S,
            )
        self._last, self._last_us = tick, t_capture_us
        return tick

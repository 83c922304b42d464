"""RTP timestamps become capture times on the server's Unix clock, steadily.

A frame's time is its RTP time plus one offset, so frames keep the spacing the camera gave them,
whatever the network does to their arrival. The offset comes from the arrival of the frames' first
packets until a sender report (RFC 3550, section 6.4.1) tells the sender's own clock. It then moves
over at SLEW of the elapsed time: the switch happens once, early, and time never runs backwards.
"""

from genmo_stream.frame import CaptureClock

SLEW = 20  # the offset moves by at most 1/20 of the elapsed time
SETTLED_US = 1_000  # closer than this to the sender's clock: `clock` says "sender"
AGREE_US = (-10_000, 100_000)  # report delays with which two clocks pass as the same
AHEAD_US = 1_000_000  # an RTP time further ahead of its arrival means: the sender started anew
BEHIND_US = 10_000_000  # the same for one further behind
BELIEVABLE_US = 5_000_000  # a report that puts frames longer before their arrival is ignored
NTP_TO_UNIX_S = 2_208_988_800


class Unwrapper:
    """Continues a counter of few bits (RTP timestamps, sequence numbers) past its wrap."""

    def __init__(self, bits: int) -> None:
        self._period = 1 << bits
        self._last: int | None = None

    def near(self, value: int) -> int:
        """The continued value nearest to the last one; the state stays as it is."""
        if self._last is None:
            return value
        half = self._period // 2
        return self._last + (value - self._last + half) % self._period - half

    def next(self, value: int) -> int:
        """As `near`, and the next value is taken relative to this one."""
        self._last = self.near(value)
        return self._last


class Floor:
    """The smallest value of the last one to two `span_us`."""

    def __init__(self, span_us: int) -> None:
        self._span_us = span_us
        self._since_us: int | None = None
        self._current: int | None = None
        self._previous: int | None = None

    def add(self, now_us: int, value: int) -> int:
        """Takes a value; returns the floor with it."""
        if self._since_us is None or now_us - self._since_us > self._span_us:
            self._since_us, self._previous, self._current = now_us, self._current, None
        self._current = value if self._current is None else min(value, self._current)
        if self._previous is None:
            return self._current
        return min(self._current, self._previous)


class CaptureTimeline:
    """Capture times of one video track; event-loop only.

    With sender reports (`clock` "sender"): the sender's wall clock is used as it is when reports
    arrive −10 to 100 ms after the time they name, as they do between clocks that agree.
    Else the smallest delay of the last 30 to 60 s is taken for the clocks' difference and
    subtracted; the fastest way through the network then counts as no time.
    Without (`clock` "arrival"): RTP time is anchored at the fastest first packet of the last 5 to
    10 s.

    A sender that restarts its RTP clock is anchored anew at the arrival of its next frame.
    """

    clock: CaptureClock
    _offset: int | None  # server time minus RTP time, as used
    _steered_at_us: int
    _arrival_offset: int | None  # the same as arrivals tell it
    _arrival_floor: Floor
    _sender_offset: int | None  # and as the sender's reports tell it
    _report_delay: Floor

    def __init__(self) -> None:
        self._rtp = Unwrapper(32)
        self._last_t_us = 0
        self._start_anew()

    def frame(self, rtp_time: int, arrival_us: int) -> int:
        """The capture time of the next frame in Unix µs: grows strictly, never after arrival
        (but for the microsecond that keeps frames of one burst apart).

        Args:
            rtp_time: RTP timestamp, 90 kHz, 32 bits.
            arrival_us: when the frame's first packet came, Unix µs.
        """
        rtp_us = self._rtp.next(rtp_time) * 100 // 9
        offset = self._steer(rtp_us, arrival_us)
        if not -BEHIND_US < rtp_us + offset - arrival_us < AHEAD_US:
            self._start_anew()
            offset = self._steer(rtp_us, arrival_us)
        t_us = max(min(rtp_us + offset, arrival_us), self._last_t_us + 1)
        self._last_t_us = t_us
        return t_us

    def report(self, ntp_time: int, rtp_time: int, arrival_us: int) -> None:
        """Takes a sender report: the RTP clock showed rtp_time at ntp_time.

        Args:
            ntp_time: 32.32 fixed-point seconds since 1900; 0 means the sender has no clock.
            rtp_time: RTP timestamp, 90 kHz, 32 bits.
            arrival_us: when the report came, Unix µs.
        """
        if ntp_time == 0 or self._arrival_offset is None:
            return
        ntp_us = ntp_time * 1_000_000 // (1 << 32) - NTP_TO_UNIX_S * 1_000_000
        delay_us = self._report_delay.add(arrival_us, arrival_us - ntp_us)
        difference_us = 0 if AGREE_US[0] <= delay_us <= AGREE_US[1] else delay_us
        offset = ntp_us + difference_us - self._rtp.near(rtp_time) * 100 // 9
        if -AGREE_US[1] <= self._arrival_offset - offset <= BELIEVABLE_US:
            self._sender_offset = offset

    def _start_anew(self) -> None:
        self.clock = "arrival"
        self._offset = None
        self._steered_at_us = 0
        self._arrival_offset = None
        self._sender_offset = None
        self._arrival_floor = Floor(span_us=5_000_000)
        self._report_delay = Floor(span_us=30_000_000)

    def _steer(self, rtp_us: int, arrival_us: int) -> int:
        """Moves the offset towards where it should be, as far as the elapsed time allows."""
        self._arrival_offset = self._arrival_floor.add(arrival_us, arrival_us - rtp_us)
        target = self._arrival_offset if self._sender_offset is None else self._sender_offset
        if self._offset is None:
            self._offset, self._steered_at_us = target, rtp_us
        reach = max(0, rtp_us - self._steered_at_us) // SLEW
        self._offset += max(-reach, min(reach, target - self._offset))
        self._steered_at_us = max(self._steered_at_us, rtp_us)
        if self._sender_offset is not None and abs(target - self._offset) < SETTLED_US:
            self.clock = "sender"
        return self._offset

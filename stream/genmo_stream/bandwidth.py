"""Tells a publisher how fast it may send (REMB), by how long its packets queue on the way.

Stands where aiortc has its delay-gradient estimator, which takes the server's own hiccups for
congestion: on a loopback it led a browser from 640 × 480 down to 320 × 240 at 0.2 Mbit/s. Here only
a queue that lasts counts: the fastest packet of a whole PERIOD_MS was QUEUE_MS late.
"""

from genmo_stream.capture import Floor, Unwrapper

START_BPS = 2_500_000  # browsers take the first word at once, later ones at 8 % a second
LEAST_BPS = 150_000
PERIOD_MS = 250
QUEUE_MS = 80
TELL_MS = 1_000  # the limit is repeated this often
HOLD_MS = 1_000  # after a step down, time for it to show
STEP_DOWN = 0.85  # of what came through
STEP_UP = 1.02  # each period
FLOOR_US = 10_000_000  # the shortest way is that of the last 10 to 20 s


class BandwidthGuide:
    """One sender's limit, as RTCRtpReceiver asks for it.

    Args:
        most_bps: the limit never exceeds this.
    """

    def __init__(self, most_bps: int) -> None:
        self._most_bps = most_bps
        self._limit_bps = float(min(START_BPS, most_bps))
        self._send_time = Unwrapper(24)
        self._shortest = Floor(FLOOR_US)
        self._since_ms: int | None = None
        self._bytes = 0
        self._least_us: int | None = None
        self._told_ms = 0
        self._held_until_ms = 0

    def add(
        self, arrival_time_ms: int, abs_send_time: int, payload_size: int, ssrc: int
    ) -> tuple[int, list[int]] | None:
        """Takes a packet; returns the limit in bit/s and whom it is for, when it is time to tell.

        Args:
            arrival_time_ms: on any steady clock.
            abs_send_time: the sender's clock, 6.18 fixed-point seconds, 24 bits.
            payload_size: bytes.
        """
        sent_us = self._send_time.next(abs_send_time) * 1_000_000 >> 18
        way_us = arrival_time_ms * 1_000 - sent_us
        self._least_us = way_us if self._least_us is None else min(way_us, self._least_us)
        self._bytes += payload_size
        if self._since_ms is None:
            self._since_ms = self._told_ms = arrival_time_ms
            return int(self._limit_bps), [ssrc]
        elapsed_ms = arrival_time_ms - self._since_ms
        if elapsed_ms < PERIOD_MS:
            return None
        stepped_down = self._judge(arrival_time_ms, elapsed_ms, self._least_us)
        self._since_ms, self._bytes, self._least_us = arrival_time_ms, 0, None
        if not stepped_down and arrival_time_ms - self._told_ms < TELL_MS:
            return None
        self._told_ms = arrival_time_ms
        return int(self._limit_bps), [ssrc]

    def _judge(self, now_ms: int, elapsed_ms: int, least_us: int) -> bool:
        """Moves the limit at the end of a period; returns whether down."""
        queued_us = least_us - self._shortest.add(now_ms * 1_000, least_us)
        if queued_us <= QUEUE_MS * 1_000:
            self._limit_bps = min(self._limit_bps * STEP_UP, self._most_bps)
            return False
        if now_ms < self._held_until_ms:
            return False
        came_bps = self._bytes * 8_000 / elapsed_ms
        self._limit_bps = max(LEAST_BPS, min(self._limit_bps, came_bps * STEP_DOWN))
        self._held_until_ms = now_ms + HOLD_MS
        return True

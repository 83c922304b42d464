"""The server's clock as seen from here, from pings and pongs."""

from collections import deque
from dataclasses import dataclass

from genmo_client.control import Pong


@dataclass(frozen=True, slots=True)
class Sample:
    """One ping's outcome, microseconds."""

    rtt_us: int
    offset_us: float


class ClockSync:
    """Keeps the last eight pings and trusts the quickest (as NTP's clock filter, RFC 5905)."""

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque(maxlen=8)

    def add(self, pong: Pong, t3_us: int) -> None:
        """Takes a pong that was received at t3, on the clock that stamped t0."""
        rtt_us = (t3_us - pong.t0) - (pong.t2 - pong.t1)
        offset_us = ((pong.t1 - pong.t0) + (pong.t2 - t3_us)) / 2
        self._samples.append(Sample(rtt_us, offset_us))

    @property
    def best(self) -> Sample | None:
        """The sample with the shortest round trip; None before the first pong."""
        return min(self._samples, key=lambda sample: sample.rtt_us, default=None)

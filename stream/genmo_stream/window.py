"""What one viewer may be sent, and when: the credit window that keeps poses fresh. No I/O."""

import asyncio
import math
from collections import deque
from dataclasses import dataclass, replace

from genmo_rt.clock import TICK_HZ
from genmo_stream.hub import PublishedPose, View
from genmo_stream.wire import ErrorMessage, Limits, Pong, Set, WireError, encode_control

CLOSE_BACKLOG = 4008  # too many control messages wait
CLOSE_STALE = 4009  # the oldest unacked pose is too old
CLOSE_POLICY = 1008  # a flood of messages that can't be used


@dataclass(frozen=True, slots=True)
class Closing:
    """Why the server ends a connection."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class _Sent:
    seq: int
    at: float


class Viewer:
    """One viewer's queue, slot and window; every time is passed in, seconds on a steady clock.

    Poses: one slot for the newest, and a window of K = clamp(⌈rate·RTT⌉ + 2, 4, 8) messages sent
    and not yet covered by a cumulative ack. Control messages: a queue that is never thinned.
    """

    def __init__(self, view: View, rate: float, limits: Limits) -> None:
        self.view = view
        self.dropped = 0
        self.closing: Closing | None = None
        self.woken = asyncio.Event()  # something may be sent
        self.ending = asyncio.Event()  # closing is set
        self._rate = rate
        self._limits = limits
        self._control: deque[str | Pong] = deque()
        self._slot: PublishedPose | None = None
        self._unacked: deque[_Sent] = deque()
        self._last_sent = 0
        self._rtt_s: float | None = None
        self._due = -math.inf  # when the next pose is wanted, at a rate below the stream's
        self._errors: deque[float] = deque(maxlen=limits.max_errors)

    @property
    def window(self) -> int:
        """K: how many poses may be on their way."""
        in_flight = math.ceil(self._rate * (self._rtt_s or 0.0)) + 2
        return min(max(in_flight, self._limits.window_min), self._limits.window_max)

    @property
    def unacked(self) -> int:
        """Poses sent and not yet covered by an ack."""
        return len(self._unacked)

    def offer(self, pose: PublishedPose, now: float) -> None:
        """Puts the newest pose into the slot, unless the viewer's rate skips it."""
        if not self._wanted(now):
            return
        if self._slot is not None:
            self.dropped += 1
        self._slot = pose
        self.woken.set()

    def tell(self, message: str | Pong) -> None:
        """Queues a control message; one too many ends the connection with 4008."""
        if self.closing:
            return
        if len(self._control) >= self._limits.max_control:
            self.close(CLOSE_BACKLOG, f"over {self._limits.max_control} control messages wait")
            return
        self._control.append(message)
        self.woken.set()

    def take(self, now: float) -> str | bytes | Pong | None:
        """Hands out what is to be sent next; a pose counts as sent from here on."""
        if self._control:
            return self._control.popleft()
        if self._slot is None or self.closing or len(self._unacked) >= self.window:
            return None
        pose, self._slot = self._slot, None
        self._last_sent = pose.message.seq
        self._unacked.append(_Sent(self._last_sent, now))
        return pose.encoded(self.view)

    def ack(self, seq: int, now: float) -> None:
        """Covers every pose up to and with seq; an ack that says nothing new is fine.

        Raises:
            WireError: no pose with so high a seq was sent.
        """
        if seq > self._last_sent:
            raise WireError(f"ack of {seq}; the last pose sent has seq {self._last_sent}")
        covered = None
        while self._unacked and self._unacked[0].seq <= seq:
            covered = self._unacked.popleft()
        if covered:
            sample = now - covered.at
            # RFC 6298's smoothing
            self._rtt_s = (
                sample if self._rtt_s is None else self._rtt_s + (sample - self._rtt_s) / 8
            )
            if self._slot is not None:  # which the window may have held back
                self.woken.set()

    def set(self, change: Set) -> None:
        """Changes rate or persons, from the next pose on."""
        if change.rate is not None:
            self._rate = change.rate
            self._due = -math.inf
        if change.persons is not None:
            self.view = replace(self.view, persons=change.persons)
        self.woken.set()

    def refuse(self, error: WireError, now: float) -> None:
        """Answers a message that can't be used; too many in a short time end the connection."""
        message = ErrorMessage(code="bad_message", message=str(error))
        self.tell(encode_control(message, self.view.space))
        errors, limits = self._errors, self._limits
        if len(errors) == limits.max_errors and now - errors[0] < limits.error_span_s:
            reason = f"over {limits.max_errors} bad messages in {limits.error_span_s:g} s"
            self.close(CLOSE_POLICY, reason)
        errors.append(now)

    def seconds_left(self, now: float) -> float:
        """Until the oldest unacked pose is too old; the whole limit while none is unacked."""
        waited = now - self._unacked[0].at if self._unacked else 0.0
        return self._limits.ack_timeout_s - waited

    def close(self, code: int, reason: str) -> None:
        """Ends the connection; what is queued still leaves. The first reason stays."""
        if self.closing is None:
            self.closing = Closing(code, reason)
        self.ending.set()
        self.woken.set()

    def _wanted(self, now: float) -> bool:
        """Thins poses to the rate: one is due once every period, give or take half a tick."""
        if self._rate >= TICK_HZ:
            return True
        if now < self._due - 0.5 / TICK_HZ:
            return False
        period = 1 / self._rate
        self._due = self._due + period if self._due + period > now else now + period
        return True

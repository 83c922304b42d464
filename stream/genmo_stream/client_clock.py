"""A client's own clock becomes the server's: capture times that grow and are never in the future.

A frame's time is the client's plus one offset, so frames keep the spacing the client gave them,
whatever the network does to their arrival.

- `clock` "arrival": the offset is the smallest difference of arrival and capture time in the last
  5 to 10 s. The fastest way through the network counts as no time. A clock that drifts by 200 ppm
  is followed within 2 ms.
- `clock` "sender": from answered pings that the client told about, the one with the shortest way
  of the last 10 s (NTP's four times, RFC 5905, section 8); wrong by at most half of that way.

The offset moves by SLEW of the elapsed time, but at once where a frame would be from the future.
A clock that is set anew shows as times that don't fit; they are refused until they have gone
their new way steadily for SETTLED_US. One that hardly goes, frame after frame, counts in another
unit.
"""

from collections import deque
from dataclasses import dataclass

from genmo_stream.capture import Floor
from genmo_stream.frame import CaptureClock
from genmo_stream.wire import WireError

SLEW = 20  # the offset moves by at most 1/20 of the elapsed time
FLOOR_US = 5_000_000
PINGS_US = 10_000_000  # answered pings are compared over this time ...
PING_LIFE_US = 30_000_000  # ... and without a new one the newest counts for so long
AGE_COST = 2_500  # a ping 2.5 ms older is as good as one with a way 1 µs longer: 200 ppm
LONGEST_TRIP_US = 5_000_000
AHEAD_US = 2_000_000  # a capture time further ahead of the server's clock doesn't fit
BEHIND_US = 10_000_000  # nor does one further behind
NEAR_US = 1_000  # closer than this to where pings say: `clock` is "sender"
SETTLED_US = 500_000
STEADY_US = 250_000  # how far times may be from steady meanwhile
SLOW = 100  # a clock that goes by less than 1/100 of the time between two frames ...
SLOW_FRAMES = 10  # ... so often in a row


class TimeError(WireError):
    """A frame's time can't be used; the frame is dropped."""


@dataclass(frozen=True, slots=True)
class _Trip:
    """An answered ping."""

    at_us: int
    round_trip_us: float
    offset_us: float  # server minus client


@dataclass(frozen=True, slots=True)
class _Stamp:
    client_us: int
    arrival_us: int


class ClientTimeline:
    """Capture times of one client; every time is passed in, Unix microseconds of the server."""

    clock: CaptureClock
    _last: _Stamp | None  # the newest frame that was taken
    _odd_since: _Stamp | None  # since when times don't fit, but agree with each other
    _odd_last: _Stamp | None
    _offset: int | None  # server minus client, as used
    _steered_us: int

    def __init__(self) -> None:
        self.clock = "arrival"
        self._asked: tuple[float, int, int] | None = None  # t0, t1, t2 of the last pong
        self._trips: deque[_Trip] = deque(maxlen=32)
        self._last_t_us = 0
        self._slow = 0  # frames in a row between which the clock hardly went
        self._start_anew()

    def pong(self, t0_us: float, t1_us: int, t2_us: int) -> None:
        """Notes an answer: the ping's time, when it came and when it was answered."""
        self._asked = (t0_us, t1_us, t2_us)

    def ponged(self, t3_us: float, now_us: int) -> None:
        """Takes the client's word for when the last answer reached it."""
        if self._asked is None:
            return
        t0, t1, t2 = self._asked
        self._asked = None
        round_trip = (t3_us - t0) - (t2 - t1)
        if 0 <= round_trip <= LONGEST_TRIP_US:
            self._trips.append(_Trip(now_us, round_trip, ((t1 - t0) + (t2 - t3_us)) / 2))

    def frame(self, client_us: int, arrival_us: int) -> int:
        """The capture time of the next frame, Unix microseconds.

        It grows strictly, and is never after arrival but for the microsecond that keeps frames of
        one burst apart.

        Args:
            client_us: as the client has it, on its own clock.
            arrival_us: when the frame came.
        Raises:
            TimeError: the time went back, or is far from what the client's clock showed so far.
        """
        odd = self._odd(client_us, arrival_us)
        if odd is None:
            self._odd_since = None
        elif not self._settled(_Stamp(client_us, arrival_us)):
            raise TimeError(odd)
        else:
            self._start_anew()
        self._last = _Stamp(client_us, arrival_us)
        t_us = client_us + self._steer(client_us, arrival_us)
        self._last_t_us = max(min(t_us, arrival_us), self._last_t_us + 1)
        return self._last_t_us

    def _start_anew(self) -> None:
        self._last = self._odd_since = self._odd_last = None
        self._offset = None
        self._steered_us = 0
        self._floor = Floor(FLOOR_US)
        self._trips.clear()

    def _odd(self, client_us: int, arrival_us: int) -> str | None:
        """What is wrong with a time; None where it fits."""
        named = f"t_capture_us {client_us}"
        if self._last is not None and client_us == self._last.client_us:
            return f"{named} is the last frame's; expected it to grow: send a picture once"
        if self._last is not None and client_us < self._last.client_us:
            back_s = (self._last.client_us - client_us) / 1e6
            return (
                f"{named} is {back_s:.3f} s before the last frame's; expected it to grow from "
                "frame to frame: leave out pictures that come late"
            )
        if self._last is not None and self._is_slow(self._last, client_us, arrival_us):
            went, passed_s = client_us - self._last.client_us, arrival_us - self._last.arrival_us
            return (
                f"{named} is {went} more than the last one that fitted, {passed_s / 1e6:.2f} s "
                "before; expected microseconds: a clock in milliseconds wants 1000 times as much"
            )
        offset = self._offset
        if offset is None:
            trip = self._best_trip(arrival_us)
            if trip is None:
                return None  # nothing is known of its clock yet
            offset = round(trip.offset_us)
        ahead = client_us + offset - arrival_us
        if ahead > AHEAD_US:
            return (
                f"{named} is {ahead / 1e6:.1f} s in the future, as your clock went so far; "
                "expected when the picture was taken, in microseconds on the clock of your pings"
            )
        if -ahead > BEHIND_US:
            return (
                f"{named} is {-ahead / 1e6:.1f} s old, as your clock went so far; expected "
                "pictures as they are taken, in microseconds: leave out those that waited"
            )
        return None

    def _is_slow(self, last: _Stamp, client_us: int, arrival_us: int) -> bool:
        """Whether the clock hardly goes, and not only since the network kept a frame waiting."""
        hardly = (client_us - last.client_us) * SLOW < arrival_us - last.arrival_us
        self._slow = self._slow + 1 if hardly else 0
        return self._slow >= SLOW_FRAMES

    def _settled(self, stamp: _Stamp) -> bool:
        """Whether times that don't fit have agreed with each other for long enough."""
        since, last = self._odd_since, self._odd_last
        self._odd_last = stamp
        if since is None or last is None or stamp.client_us <= last.client_us:
            self._odd_since = stamp
            return False
        arrived_us = stamp.arrival_us - since.arrival_us
        if abs(stamp.client_us - since.client_us - arrived_us) > STEADY_US:
            self._odd_since = stamp
            return False
        return arrived_us >= SETTLED_US

    def _steer(self, client_us: int, arrival_us: int) -> int:
        """The offset for a frame, moved towards where it should be."""
        floor = self._floor.add(arrival_us, arrival_us - client_us)
        trip = self._best_trip(arrival_us)
        target = floor if trip is None else round(trip.offset_us)
        if self._offset is None:
            self._offset, self._steered_us = target, client_us
        reach = (client_us - self._steered_us) // SLEW
        self._offset += max(-reach, min(reach, target - self._offset))
        self._offset = min(self._offset, arrival_us - client_us)  # it was captured before it came
        self._steered_us = client_us
        if trip is None:
            self.clock = "arrival"
        elif abs(target - self._offset) < NEAR_US:
            self.clock = "sender"
        return self._offset

    def _best_trip(self, now_us: int) -> _Trip | None:
        if not self._trips or now_us - self._trips[-1].at_us > PING_LIFE_US:
            return None
        newest = self._trips[-1].at_us
        recent = [trip for trip in self._trips if newest - trip.at_us <= PINGS_US]
        return min(recent, key=lambda trip: trip.round_trip_us + (newest - trip.at_us) / AGE_COST)

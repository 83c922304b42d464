"""The motion sensors of a publisher's device: samples in, the camera's rotation at any time out."""

import threading
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genmo_rt.camera_motion import rotation, rotation_vector
from genmo_rt.gravity import angle_between
from genmo_stream.client_clock import ClientTimeline, TimeError
from genmo_stream.wire import WireError
from genmo_stream.wire.sensors import MAX_RATE, SensorSample, parse_sample

KEPT = 256  # samples: two to four seconds
MAX_PER_S = 250
FRESH_US = 300_000  # a frame this much later than the newest sample isn't told of
LONGEST_STEP_S = 0.25  # a rate says nothing of a longer gap
JUMP = np.radians(20.0)  # gravity that turns by more than this, and faster than MAX_RATE, jumps ...
MAX_JUMPS = 3  # ... which it does when the screen turns, but not so often in JUMPS_US
JUMPS_US = 1_000_000

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Attitude:
    """The device at one time.

    Attributes:
        t_us: Unix microseconds on the server's clock.
        R_now2first: (3, 3) rotation of the camera to what it was at the first sample.
        up_cam: (3,) unit vector "up" in the camera; None where gravity isn't measured.
    """

    t_us: int
    R_now2first: Array
    up_cam: Array | None


class Sensors:
    """Takes samples on the event loop and answers in any thread.

    What isn't a sample, or says what no device measures, ends the trust in this publisher's
    sensors for good: `complaint` says why, once.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._timeline = ClientTimeline()
        self._attitudes: deque[Attitude] = deque(maxlen=KEPT)
        self._last_us: int | None = None  # the last sample, on the client's clock
        self._jumps: deque[int] = deque(maxlen=MAX_JUMPS)  # when gravity did
        self._arrivals: deque[int] = deque(maxlen=MAX_PER_S)
        self._complaint: str | None = None  # for viewers
        self._untold: str | None = None  # for the sender
        self._told_of_time = False
        self.trusted = True

    def take(self, message: str | bytes, arrival_us: int) -> str | None:
        """Takes one message of the data channel; returns what there is to tell its sender, once."""
        if not self.trusted:
            said, self._untold = self._untold, None
            return said
        try:
            if len(self._arrivals) == MAX_PER_S and arrival_us - self._arrivals[0] < 1_000_000:
                raise WireError(f"over {MAX_PER_S} samples in a second; send 60")
            self._arrivals.append(arrival_us)
            sample = parse_sample(message)
            t_us = self._timeline.frame(sample.t_us, arrival_us)
            up_cam = self._up(sample, t_us)
        except TimeError as error:
            if self._told_of_time:
                return None
            self._told_of_time = True
            return self._complain(f"{error}; such samples are left out")
        except WireError as error:
            self.distrust(str(error))
            said, self._untold = self._untold, None
            return said
        with self._lock:
            before = self._attitudes[-1] if self._attitudes else None
            turned = np.eye(3) if before is None else before.R_now2first
            if sample.rotation_rate is not None and self._last_us is not None:
                dt = min((sample.t_us - self._last_us) / 1e6, LONGEST_STEP_S)
                turned = turned @ rotation(sample.rotation_rate * dt)
            self._last_us = sample.t_us
            self._attitudes.append(Attitude(t_us, turned, up_cam))
        return None

    def distrust(self, reason: str) -> None:
        """Ignores the sensors from now on: viewers are told, and the sender at its next message."""
        if not self.trusted:
            return
        self.trusted = False
        with self._lock:
            self._attitudes.clear()
        self._untold = self._complain(f"{reason}. The sensors of this camera are ignored")

    def complaint(self) -> str | None:
        """What there is to say to viewers, once."""
        with self._lock:
            said, self._complaint = self._complaint, None
        return said

    def at(self, t_us: int) -> Attitude | None:
        """The attitude at a time; None where no sample is near.

        Between samples it is on the shortest way, after the newest it is that one's.
        """
        with self._lock:
            attitudes = list(self._attitudes)
        if not attitudes or not -FRESH_US <= attitudes[-1].t_us - t_us:
            return None
        after = next((i for i, one in enumerate(attitudes) if one.t_us >= t_us), None)
        if after is None:
            return attitudes[-1]
        if after == 0:
            return attitudes[0]
        one, other = attitudes[after - 1], attitudes[after]
        share = (t_us - one.t_us) / max(other.t_us - one.t_us, 1)
        way = rotation_vector(one.R_now2first.T @ other.R_now2first)
        turned = one.R_now2first @ rotation(share * way)
        return Attitude(t_us, turned, one.up_cam if share < 0.5 else other.up_cam)

    def _up(self, sample: SensorSample, t_us: int) -> Array | None:
        """ "Up" in the camera as a sample says; None where it doesn't.

        Raises:
            WireError: it keeps jumping.
        """
        if sample.gravity is None:
            return None
        up = -sample.gravity / np.linalg.norm(sample.gravity)
        with self._lock:
            before = self._attitudes[-1] if self._attitudes else None
        if before is not None and before.up_cam is not None and self._last_us is not None:
            turned = angle_between(before.up_cam, up)
            if turned > max(JUMP, MAX_RATE * (sample.t_us - self._last_us) / 1e6):
                self._jumps.append(t_us)
            if len(self._jumps) == MAX_JUMPS and t_us - self._jumps[0] < JUMPS_US:
                raise WireError(
                    f"gravity turned by {np.degrees(turned):.0f}° from one sample to the next, "
                    f"and not for the first time in a second; expected at most {MAX_RATE:g} rad/s"
                )
        return up

    def _complain(self, reason: str) -> str:
        with self._lock:
            self._complaint = reason
        return reason

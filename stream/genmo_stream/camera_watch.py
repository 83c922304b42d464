"""How a publisher's camera moves: its device's sensors checked against the background."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from genmo_rt.camera import Intrinsics
from genmo_rt.camera_motion import STILL, CameraMotion, rotation_vector
from genmo_rt.keypoints import Keypoints
from genmo_stream.background import Background, Turned
from genmo_stream.people_check import PeopleCheck
from genmo_stream.seen import SeenPerson
from genmo_stream.sensors import Attitude, Sensors

SURE = 0.5  # share of the background's corners that agree; then it can contradict a sensor
CHECKED_US = 1_000_000  # over which a sensor and the background are compared
MAX_APART = np.radians(30.0)  # ... and may disagree: near things pass by when a camera walks
MAX_SHARE = 0.6  # ... of the larger of the two turns
TREMBLE = np.radians(0.2)  # without a picture, less isn't taken for a turn: sensors tremble
CARRIED_US = 2_000_000  # for so long after a turn somebody may be carrying the camera

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class _Checked:
    t_us: int
    by_sensor: Array
    by_background: Array


class SensorWatch:
    """Watches a camera of which no picture comes: its sensors are all there is."""

    def __init__(self, sensors: Sensors) -> None:
        self._sensors = sensors
        self._people = PeopleCheck(sensors)
        self._held: Array | None = None  # rotation at the last turn that was told
        self._moved_us: int | None = None

    def look(self, t_us: int, people: Sequence[Keypoints] = ()) -> CameraMotion:
        """Says how the camera moved since the frame before.

        Args:
            t_us: the frame's capture time, Unix microseconds.
            people: who is in it.
        """
        attitude = self._sensors.at(t_us)
        if attitude is None:
            self._held = None
            return STILL
        if self._held is None:
            self._held = attitude.R_now2first
        turn = rotation_vector(self._held.T @ attitude.R_now2first)
        if np.linalg.norm(turn) < TREMBLE:
            turn = np.zeros(3)
        else:
            self._held, self._moved_us = attitude.R_now2first, t_us
        self._people.watch_turn(turn, people, t_us)
        up_cam = attitude.up_cam
        if up_cam is not None:
            up_cam = self._people.believe(up_cam, people, t_us)
        if not self._sensors.trusted:
            return STILL
        carried = self._moved_us is not None and t_us - self._moved_us < CARRIED_US
        return CameraMotion(turn, 1.0, up_cam, carried)


class CameraWatch:
    """Watches one publisher's camera; blocking, in one thread at a time."""

    def __init__(self, fov: float | None = None, sensors: Sensors | None = None) -> None:
        """Starts with the next picture.

        Args:
            fov: field of view along the longer side, degrees; None for the usual guess.
            sensors: of the device.
        """
        camera = Intrinsics.of_picture(1000, 1000, fov)
        self._background = Background(camera.fx / 1000)
        self._sensors = sensors
        self._people = None if sensors is None else PeopleCheck(sensors)
        self._R_background = np.eye(3)
        self._R_sensor: Array | None = None
        self._checked: deque[_Checked] = deque()
        self._moved_us: int | None = None

    def look(
        self, image: NDArray[np.uint8], t_us: int, people: Sequence[SeenPerson]
    ) -> CameraMotion:
        """Says how the camera moved since the picture before.

        Args:
            image: (H, W, 3) uint8 RGB.
            t_us: its capture time, Unix microseconds.
            people: who is in it.
        """
        turned = self._background.look(image, [one.keypoints.pixels for one in people])
        attitude = self._sensors.at(t_us) if self._sensors is not None else None
        motion = self._by_background(turned)
        if attitude is not None:
            motion = self._by_sensor(attitude, turned, t_us)
            if self._people is not None and motion.up_cam is not None:
                seen = [one.keypoints for one in people]
                motion = replace(motion, up_cam=self._people.believe(motion.up_cam, seen, t_us))
        else:
            self._R_sensor = None
        if motion.turn.any():
            self._moved_us = t_us
        carried = self._moved_us is not None and t_us - self._moved_us < CARRIED_US
        return replace(motion, carried=carried) if carried else motion

    def complaint(self) -> str | None:
        """What is wrong with the sensors, once."""
        return None if self._sensors is None else self._sensors.complaint()

    def _by_background(self, turned: Turned) -> CameraMotion:
        if turned.cut:
            self._R_background = turned.R_now2first
            self._checked.clear()
            return CameraMotion(np.zeros(3), 0.0, cut=True)
        before, self._R_background = self._R_background, turned.R_now2first
        if not turned.moving and np.array_equal(before, turned.R_now2first):
            return STILL
        return CameraMotion(rotation_vector(before.T @ turned.R_now2first), turned.sure)

    def _by_sensor(self, attitude: Attitude, turned: Turned, t_us: int) -> CameraMotion:
        """The sensor's turn; none where the background is seen to stand."""
        before, self._R_sensor = self._R_sensor, attitude.R_now2first
        self._compare(attitude, turned, t_us)
        stands = turned.sure >= SURE and not turned.moving
        if before is None or stands:
            return replace(STILL, up_cam=attitude.up_cam)
        turn = rotation_vector(before.T @ attitude.R_now2first)
        return CameraMotion(turn, 1.0, up_cam=attitude.up_cam)

    def _compare(self, attitude: Attitude, turned: Turned, t_us: int) -> None:
        """Distrusts a sensor that the background contradicts."""
        if turned.sure < SURE or turned.cut:
            self._checked.clear()
            return
        checked = self._checked
        checked.append(_Checked(t_us, attitude.R_now2first, turned.R_now2first))
        while len(checked) > 1 and t_us - checked[1].t_us >= CHECKED_US:
            checked.popleft()
        first = checked[0]
        if t_us - first.t_us < CHECKED_US:
            return
        by_sensor = first.by_sensor.T @ attitude.R_now2first
        by_background = first.by_background.T @ turned.R_now2first
        apart = _degrees(by_sensor.T @ by_background)
        most = max(_degrees(by_sensor), _degrees(by_background))
        if apart > max(np.degrees(MAX_APART), MAX_SHARE * most) and self._sensors is not None:
            self._sensors.distrust(
                f"the sensors say that the camera turned by {_degrees(by_sensor):.0f}° in a "
                f"second, the background by {_degrees(by_background):.0f}°, {apart:.0f}° apart; "
                "expected rotation_rate in the camera's axes, rad/s"
            )


def _degrees(rotmat: Array) -> float:
    return float(np.degrees(np.linalg.norm(rotation_vector(rotmat))))

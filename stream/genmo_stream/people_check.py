"""What people in the picture say of the device's sensors: feet are down, and nobody is whirled."""

from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from genmo_rt.keypoints import Keypoints
from genmo_stream.sensors import Sensors

SHOULDERS, HIPS, ANKLES = (11, 12), (23, 24), (27, 28)
SEEN = 0.5  # confidence of a landmark that is seen, rather than guessed
LEVEL_SHARE = 0.7  # of "up" lies in the picture, or the camera looks too steeply to tell
ALONG = 0.7  # cosine of 45 degrees: legs and back go along "up", or against it
LIE_US = 1_000_000  # against everybody for so long, gravity is a lie
WHIRL_US = 1_000_000
WHIRL = np.pi  # radians in that time, with somebody in the picture all along

Array = NDArray[np.float64]


class PeopleCheck:
    """Distrusts sensors that people contradict; one publisher's."""

    def __init__(self, sensors: Sensors) -> None:
        """Has seen nobody yet."""
        self._sensors = sensors
        self._agreed: Array | None = None  # "up" in the camera when people last agreed with it
        self._against_us: int | None = None  # since when they don't
        self._turns: deque[tuple[int, Array]] = deque()

    def believe(self, up_cam: Array, people: Sequence[Keypoints], t_us: int) -> Array | None:
        """Gravity if it may be used: not while everybody would hang from the floor.

        Who stands on their hands later is no contradiction: gravity is as it was.

        Args:
            up_cam: (3,) as the sensor has it.
            people: who is in the picture.
            t_us: its capture time.
        Returns:
            `up_cam` or None.
        """
        along = _along(up_cam, people)
        if along == 1:
            self._agreed, self._against_us = up_cam, None
        if self._agreed is not None and self._agreed @ up_cam > 0:
            return up_cam
        if along == -1 and self._against_us is None:
            self._against_us = t_us
        if self._against_us is None:
            return up_cam
        if t_us - self._against_us >= LIE_US:
            self._sensors.distrust(
                "gravity points from people's feet to their heads; expected it to point down, "
                "(0, 9.81, 0) in a level camera: an accelerometer at rest says the opposite"
            )
        return None

    def watch_turn(self, turn: Array, people: Sequence[Keypoints], t_us: int) -> None:
        """Takes the sensor's turn since the frame before, where no background can check it.

        Args:
            turn: (3,) rotation vector.
            people: who is in the picture.
            t_us: its capture time.
        """
        turns = self._turns
        if not people:
            turns.clear()
            return
        turns.append((t_us, turn))
        while t_us - turns[0][0] > WHIRL_US:
            turns.popleft()
        angle = float(np.linalg.norm(np.sum([one for _, one in turns], axis=0)))
        if angle > WHIRL:
            self._sensors.distrust(
                f"the sensors say that the camera turned by {np.degrees(angle):.0f}° within a "
                "second, while somebody stayed in the picture; expected rotation_rate in rad/s"
            )


def _along(up_cam: Array, people: Sequence[Keypoints]) -> int:
    """1 where everybody is upright, −1 where everybody is upside down; 0 where it isn't clear."""
    size = np.linalg.norm(up_cam[:2])
    if size < LEVEL_SHARE:
        return 0
    sides = {_side(up_cam[:2] / size, person) for person in people}
    return sides.pop() if len(sides) == 1 else 0


def _side(up: Array, person: Keypoints) -> int:
    """1 where legs and back go along (2,) "up" in the picture, −1 where both go against it."""
    if person.confidence[[*SHOULDERS, *HIPS, *ANKLES]].min() < SEEN:
        return 0
    pixels = person.pixels.astype(np.float64)
    shoulders, hips, ankles = (
        pixels[list(pair)].mean(axis=0) for pair in (SHOULDERS, HIPS, ANKLES)
    )
    cosines = [
        way @ up / max(float(np.linalg.norm(way)), 1.0) for way in (hips - ankles, shoulders - hips)
    ]
    if min(cosines) > ALONG:
        return 1
    return -1 if max(cosines) < -ALONG else 0

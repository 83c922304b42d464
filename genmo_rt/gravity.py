"""Which way is up, as a camera sees it: what poses tell of gravity, gathered over time.

There are two witnesses. The model says "up" of every tick; it was trained before cameras that
hardly roll, so it knows how far one looks down, and says of every one that it doesn't roll. And
people keep their balance: whatever they do, their centre of mass stays over what they stand on,
give or take what a second or two average away. That tells both, where feet are seen that carry
somebody.

Most cameras don't roll, and a few roll a lot: a small roll is taken for noise, a large one is not.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genmo_rt.skeleton import JOINT_NAMES

Array = NDArray[np.float64]
Vector = tuple[float, float, float]

_LEVEL = (0.0, -1.0, 0.0)
LEVEL_UP_CAM = np.array(_LEVEL)
PRIOR_TICKS = 0.3  # what a level camera counts for in how far a camera looks down
MEMORY_TICKS = 450.0  # later observations replace those of 15 s ago
TURN_SCALE = math.radians(25.0)  # gravity further from the mean than this counts less
ROLLING = 0.25  # share of cameras that roll by ROLL rather than by LEVEL_ROLL
LEVEL_ROLL, ROLL = math.radians(2.0), math.radians(15.0)
BALANCE, BALANCE_OF_A_TICK = (
    math.radians(2.0),
    math.radians(5.0),
)  # how wrong balance is in the end ...
UNTRAINED_ROLL = math.radians(6.0)  # of a camera that rolls by so much the model knows half as much
WRONG, WRONG_AT_ONCE = math.radians(3.0), math.radians(8.0)  # how wrong all of it is
LASTS_TICKS = 6.0  # ... and at once; for so long people lean to one side
BENT, STRAIGHT = 0.42, 0.5  # the centre of mass over the feet, in statures: who sits is carried by
# something else than feet
CARRIES = (0.2, 0.5)  # of the surest sole: whether a foot carries somebody at all

_MASS = {  # of the body, near each joint (Winter 2009, table 4.1; half of a limb at either end)
    "head": 0.08,
    "spine3": 0.16,
    "spine2": 0.1,
    "spine1": 0.1,
    "pelvis": 0.14,
    "shoulder": 0.014,
    "elbow": 0.022,
    "wrist": 0.014,
    "hip": 0.05,
    "knee": 0.073,
    "ankle": 0.037,
}
MASSES = np.array([_MASS.get(name.split("_")[-1], 0.0) for name in JOINT_NAMES])
MASSES /= MASSES.sum()


@dataclass(frozen=True, slots=True, eq=False)
class Balance:
    """What one tick's pose tells of gravity by the feet that carry it.

    Attributes:
        up_cam: (3,) unit vector from what carries somebody to their centre of mass.
        sure: 0..1, how surely that is what carries them.
    """

    up_cam: Array
    sure: float

    @classmethod
    def of(cls, joints: Array, soles: Array, carries: Array, stature: float) -> "Balance":
        """Of a pose in the camera.

        Args:
            joints: (24, 3) metres.
            soles: (N, 3) points under the feet.
            carries: (N,) 0..1 how surely each rests and is seen to.
            stature: standing height, metres.
        """
        total = float(carries.sum())
        if total < 1e-3:
            return cls(LEVEL_UP_CAM, 0.0)
        lever = MASSES @ joints - carries @ soles / total
        length = math.sqrt(lever @ lever)
        upright = (length / stature - BENT) / (STRAIGHT - BENT)
        on_feet = (float(carries.max()) - CARRIES[0]) / (CARRIES[1] - CARRIES[0])
        sure = max(0.0, min(upright, 1.0)) * max(0.0, min(on_feet, 1.0))
        return cls(lever / max(length, 1e-6), sure)


class Gravity:
    """The running estimate of "up", in a frame of reference that stands still.

    Attributes:
        up: (3,) unit vector, the best estimate.
    """

    up: Array

    def __init__(self, up: Array) -> None:
        """Starts from a prior: the device's sensor, or a level camera."""
        self._told_ticks = self._balance_ticks = 0.0
        self.face(up)

    def face(self, up: Array) -> None:
        """Goes on in another frame of reference, where up, (3,), is known to be."""
        self.up = up
        self._to_prior = np.diag([1.0, -1.0, -1.0]) @ camera_to_world(up)  # where `up` is −y
        self._told = self._balanced = self._best = _LEVEL  # in there

    @property
    def across(self) -> Array:
        """(2, 3) unit vectors across "up": to the camera's side, and forwards."""
        axes = camera_to_world(self.up)
        return axes[[0, 2]] * [[1.0], [-1.0]]

    @property
    def spread(self) -> Array:
        """(2,) by how much "up" may be off along `across`, radians (standard deviations)."""
        side = self._balance_ticks / LASTS_TICKS
        down = side + self._told_ticks / LASTS_TICKS
        return np.asarray(np.sqrt(WRONG**2 + WRONG_AT_ONCE**2 / (1 + np.array([side, down]))))

    def remember(
        self, told: Array, balance: Balance | None = None, turn: Array | None = None
    ) -> None:
        """Takes what one person's pose says; what is far off counts less (Cauchy weights).

        Args:
            told: (3,) unit vector, "up" as the model says.
            balance: as their balance says; None where that isn't known.
            turn: (3, 3) from their frame of reference to this one; None where it is this one.
        """
        to_prior = self._to_prior if turn is None else self._to_prior @ turn
        seen = _vector(to_prior @ told)
        weight = _trust(seen, self._best)
        self._told_ticks = min(self._told_ticks + weight, MEMORY_TICKS)
        self._told = _towards(self._told, seen, weight / self._told_ticks)
        if balance is not None and balance.sure > 0:
            seen = _vector(to_prior @ balance.up_cam)
            weight = balance.sure * _trust(seen, self._best)
            self._balance_ticks = min(self._balance_ticks + weight, MEMORY_TICKS)
            self._balanced = _towards(self._balanced, seen, weight / self._balance_ticks)
        self._best = self._mean()
        self.up = np.array(self._best) @ self._to_prior

    def know(self, up: Array) -> None:
        """Takes over what a sensor says, (3,)."""
        self.face(up)
        self._told_ticks = self._balance_ticks = MEMORY_TICKS

    def _mean(self) -> Vector:
        """Where the prior is −y and x is to the side."""
        x, y, z = (self._told_ticks * of for of in self._told)
        y -= PRIOR_TICKS
        if self._balance_ticks == 0:
            return _unit(x, y, z)
        _, upwards, backwards = (self._balance_ticks * of for of in self._balanced)
        roll = self._roll(math.asin(max(-1.0, min(self._balanced[0], 1.0))))
        word = 1 / (1 + (roll / UNTRAINED_ROLL) ** 2)
        _, y, z = _unit(0.0, word * y + upwards, word * z + backwards)
        return math.sin(roll), math.cos(roll) * y, math.cos(roll) * z

    def _roll(self, seen: float) -> float:
        """The camera's roll, radians: as balance has it, or nearly none. A mixture's mean."""
        variance = BALANCE**2 + BALANCE_OF_A_TICK**2 / (1 + self._balance_ticks / LASTS_TICKS)
        total = roll = 0.0
        for share, usual in ((1 - ROLLING, LEVEL_ROLL), (ROLLING, ROLL)):
            spread = usual**2 + variance
            likely = share * math.exp(-(seen**2) / (2 * spread)) / math.sqrt(spread)
            total += likely
            roll += likely * seen * usual**2 / spread
        return roll / max(total, 1e-300)


def camera_to_world(up_cam: Array) -> Array:
    """The rotation of a camera that sees "up" at up_cam and looks along −z, seen from above.

    Args:
        up_cam: (3,) unit vector.
    Returns:
        (3, 3) R_c2w. A camera that looks straight up or down has no heading: the top or bottom
        of its picture counts as its front.
    """
    x, y, z = up_cam.tolist()
    ahead = (0.0, math.copysign(1.0, z), 0.0) if abs(z) > 0.999 else (0.0, 0.0, 1.0)
    along = ahead[1] * y + ahead[2] * z
    fx, fy, fz = (of - along * own for of, own in zip(ahead, (x, y, z), strict=True))
    length = math.sqrt(fx * fx + fy * fy + fz * fz)
    fx, fy, fz = fx / length, fy / length, fz / length
    side = (fy * z - fz * y, fz * x - fx * z, fx * y - fy * x)
    return np.array((side, (x, y, z), (-fx, -fy, -fz)))


def angle_between(a: Array, b: Array) -> float:
    """Radians between two directions, (3,) each."""
    ax, ay, az = a.tolist()
    bx, by, bz = b.tolist()
    x, y, z = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
    return math.atan2(math.sqrt(x * x + y * y + z * z), ax * bx + ay * by + az * bz)


def unit(vector: Array) -> Array:
    """(3,) of length 1."""
    return np.asarray(vector / math.sqrt(vector @ vector))


def _trust(seen: Vector, mean: Vector) -> float:
    x, y, z = seen
    u, v, w = mean
    across = math.sqrt((y * w - z * v) ** 2 + (z * u - x * w) ** 2 + (x * v - y * u) ** 2)
    off = math.atan2(across, x * u + y * v + z * w) / TURN_SCALE
    return 1.0 / (1.0 + off * off)


def _towards(mean: Vector, seen: Vector, share: float) -> Vector:
    (x, y, z), (u, v, w) = mean, seen
    return _unit(x + share * (u - x), y + share * (v - y), z + share * (w - z))


def _unit(x: float, y: float, z: float) -> Vector:
    length = max(math.sqrt(x * x + y * y + z * z), 1e-9)
    return x / length, y / length, z / length


def _vector(array: Array) -> Vector:
    x, y, z = array.tolist()
    return x, y, z

"""Everybody's size, from the floor that all of them stand on.

A camera that stands sees how large people are in its picture, not how large they are: whoever is
twice as large and twice as far away looks the same. The model says adults' sizes of everybody. But
feet that rest are on one floor. Somebody's size and distance grow together, and with them how far
the camera seems to be over their soles: by the logarithm,

    height of the camera = size + its height over the soles at the model's size.

So the sizes of several people hang together. How large all of them are is not told by that; here it
is known of people that few are much larger than the model says, while children are much smaller.
Soles that are seen a few centimetres off, somebody who stands on something, gravity that is a few
degrees off: all of that is weighed, by least squares whose weights follow the residuals.
"""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from genmo_rt.clock import KEEP_S
from genmo_rt.gravity import Gravity

Array = NDArray[np.float64]

SIZE = 0.05  # of the logarithm of an adult's size, next to the model's (standard deviation)
SMALLEST_M, LARGEST_M = 0.8, 2.1  # statures
STATED = 1e-3  # the same of somebody whose height is stated
FLAT = 0.02  # of the logarithm of the camera's height over somebody's soles ...
SOLE_M = 0.04  # ... where these are seen so far off ...
SOLE_OF_A_TICK_M = 0.06  # ... and so far in a single tick
LASTS_TICKS = 3.0  # neighbours err alike
RESTS = 0.5  # a sole that rests less surely tells nothing
LOWEST_M = 0.2  # a camera under this height sees no floor
ELSEWHERE = 0.1  # soles that are so far from the floor of before (logarithm) count half
MEMORY_TICKS = 300.0
EVERY_S = 0.1
FREE_S = 1.0  # so long after somebody came their size may still change quickly:
FREE_PER_S = 0.5  # the logarithm of it
SLEW_M_S = 0.05  # later the floor under them moves no faster ...
WORTH_IT = 0.02  # ... and not for so little (logarithm), which would only make feet slide
ITERATIONS = 8


@dataclass(slots=True, eq=False)
class Standing:
    """One person on the floor.

    Attributes:
        stated: whether the size is known from elsewhere.
        size: by how much they are larger, and further away, than the model says.
        target: by how much they should be.
        stature: metres at the model's size, like the sole.
        sole: (3,) the place of soles that rest, on average.
        ticks: what it is averaged over.
        seen: seconds, when they were seen last.
        shown: seconds, when `size` moved last; None before the first time, which is `since`.
    """

    stated: bool
    size: float = 1.0
    target: float = 1.0
    stature: float = 0.0
    sole: Array = field(default_factory=lambda: np.zeros(3))
    ticks: float = 0.0
    seen: float = -math.inf
    shown: float | None = None
    since: float = 0.0

    def show(self, t: float, up: Array) -> None:
        """Moves `size` on: at first it is what it should be, later it slews.

        Args:
            t: seconds.
            up: (3,) of the sole's frame of reference.
        """
        if self.shown is None:
            self.size, self.since = self.target, t
        elif self.size != self.target:
            below = max(-float(self.sole @ up) * self.size, LOWEST_M)
            rate = FREE_PER_S if t - self.since < FREE_S else SLEW_M_S / below
            most = rate * max(t - self.shown, 0.0)
            change = math.log(self.target / self.size)
            self.size *= math.exp(max(-most, min(change, most)))
        self.shown = t


class Sizes:
    """Who stands on the floor of one world."""

    def __init__(self) -> None:
        self._people: list[Standing] = []
        self._settled = -math.inf

    def forget(self) -> None:
        """The camera is elsewhere: people keep their sizes, the floor is another."""
        self._people.clear()

    def see(
        self,
        t: float,
        person: Standing,
        stature: float,
        soles: Array,
        rests: Array,
        gravity: Gravity,
    ) -> None:
        """Takes one tick of one person.

        Args:
            t: seconds.
            person: who it is.
            stature: metres at the model's size, like the soles.
            soles: (N, 3) points under the feet, in the frame of reference of gravity.
            rests: (N,) 0..1 how surely each rests, and is seen to.
            gravity: as far as it is known.
        """
        self._people = [one for one in self._people if t - one.seen <= KEEP_S]
        if person not in self._people:
            person.ticks = 0.0
            self._people.append(person)
            self._settled = -math.inf
        person.seen, person.stature = t, stature
        _remember(person, soles, rests, gravity.up)
        if t - self._settled >= EVERY_S:
            standing = [one for one in self._people if one.ticks > 0]
            if len(standing) > 1:
                self._settled = t
                _settle(standing, gravity)


def _remember(person: Standing, soles: Array, rests: Array, up: Array) -> None:
    """Averages where the lowest sole is that rests."""
    heights, sure = (soles @ up).tolist(), rests.tolist()
    resting = [n for n, rest in enumerate(sure) if rest > RESTS]
    lowest = min(resting, key=heights.__getitem__, default=0)
    if not resting or not heights[lowest] < -LOWEST_M:
        return
    weight = sure[lowest]
    if person.ticks > 0:
        before = min(float(person.sole @ up), -LOWEST_M)
        weight /= 1 + (math.log(heights[lowest] / before) / ELSEWHERE) ** 2
    person.ticks = min(person.ticks + weight, MEMORY_TICKS)
    person.sole = person.sole + (soles[lowest] - person.sole) * (weight / person.ticks)


def _settle(people: list[Standing], gravity: Gravity) -> None:
    """Says what everybody's size should be.

    The unknowns are N logarithms of sizes, that of the camera's height, and by how much gravity is
    off to the side and forwards, radians. Residuals that are too large lose their say: of soles
    that are not on the floor (Cauchy weights), and of people who are smaller than adults (Geman and
    McClure's, which let go of them).
    """
    count = len(people)
    soles = np.stack([one.sole for one in people])
    below = np.maximum(-soles @ gravity.up, LOWEST_M)
    lean = -(soles @ gravity.across.T) / below[:, None]  # of log below, per radian
    floor = np.hstack((np.eye(count), -np.ones((count, 1)), lean))
    ticks = np.array([one.ticks for one in people])
    off = SOLE_M**2 + SOLE_OF_A_TICK_M**2 / (1 + ticks / LASTS_TICKS)
    variance = FLAT**2 + off / below**2
    usual = np.array([STATED if one.stated else SIZE for one in people])
    prior = np.hstack((usual**-2, 0.0, gravity.spread**-2))
    on_floor = np.ones(count)
    for _ in range(ITERATIONS):
        weight = on_floor / variance
        slope = floor.T * weight
        found = np.linalg.solve(slope @ floor + np.diag(prior), -slope @ np.log(below))
        on_floor = 1 / (1 + (floor @ found + np.log(below)) ** 2 / variance)
        smaller = np.minimum(found[:count] / usual, 0.0)
        prior[:count] = (usual * (1 + smaller**2)) ** -2
    for one, size in zip(people, np.exp(found[:count]), strict=True):
        stature = max(SMALLEST_M, min(one.stature * float(size), LARGEST_M))
        wanted = 1.0 if one.stated else stature / one.stature
        new = one.shown is None or one.seen - one.since < FREE_S
        if new or abs(math.log(wanted / one.target)) > WORTH_IT:
            one.target = wanted

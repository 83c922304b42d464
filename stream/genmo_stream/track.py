"""One person over time, and what speaks for somebody being them: place, pose, clothes, size."""

import math
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from genmo_rt.keypoints import Keypoints
from genmo_stream.keypoints.colours import blend, distance
from genmo_stream.keypoints.measure import pixels_per_metre, shoulder_centre, torso_size
from genmo_stream.seen import SeenPerson

MAX_JUMP = 2.5  # torsos, at once ...
JUMP_PER_S = 6.0  # ... and more per second between two sights
MAX_GROWTH = 2.0  # at once ...
GROWTH_PER_S = 2.0  # ... and more per second between two sights
STEP, STEP_PER_S = 0.5, 2.0  # torsos that landmarks move: the unit of the cost of place and pose
GAP_COST = 2.0  # of the logarithm of that unit
CLOTHES_COST = 4.0  # of wholly different clothes, in that unit
STEADY_GAP_S = 0.3  # for so long somebody goes on as they went
NEAR = 1.5  # torsos between shoulders: two people may hide or be taken for each other
SPEED_SHARE = 0.5  # of a new velocity in the running one
CLOTHES_SHARE = 0.05  # of a new sight in what is remembered of the clothes
FRESH_SHARE = 0.3  # the same since two people met
TELLING_SIZE = 0.2  # difference of sizes (logarithms) that tells two people apart
SIZE_SHARE = 0.05  # of a new sight in the remembered size
SIZE_STEP, SIZE_STEP_PER_S = 0.2, 0.4  # that sizes (logarithms) change: the unit of their cost
BODY = slice(11, 29)  # shoulders to ankles, hands included

Floats = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Form:
    """Somebody in one frame, in shares of the picture's longer edge.

    A sender may change its resolution at any time; shares stay.

    Attributes:
        seen: who this is the form of.
        points: (33, 2) landmarks.
        centre: (2,) middle of the shoulders.
        torso: size.
    """

    seen: SeenPerson
    points: Floats
    centre: Floats
    torso: float

    @classmethod
    def of(cls, seen: SeenPerson) -> Self:
        keypoints = seen.keypoints
        edge = max(keypoints.image_size)
        centre = shoulder_centre(keypoints.pixels) / edge
        return cls(seen, keypoints.pixels / edge, centre, torso_size(keypoints.pixels) / edge)

    @property
    def keypoints(self) -> Keypoints:
        return self.seen.keypoints

    @property
    def size(self) -> float:
        """Logarithm of how long a metre of them is, in picture edges."""
        return math.log(pixels_per_metre(self.keypoints) / max(self.keypoints.image_size))

    def near(self, other: "Form") -> bool:
        """Whether one of the two may hide the other, or be taken for them.

        Without a picture nothing but landmarks is hidden: whoever's size is clear is apart.
        """
        apart = math.dist(self.centre.tolist(), other.centre.tolist())
        if apart >= NEAR * max(self.torso, other.torso):
            return False
        return self.seen.colours is not None or abs(self.size - other.size) <= TELLING_SIZE


@dataclass(slots=True, eq=False)
class Track:
    """A person.

    Attributes:
        person: their id.
        since: time at which they came in.
        seen_at: time of the last sight.
        form: as seen then.
        clothes: what they wear, as seen when nobody else was near.
        velocity: (2,) of the shoulders, picture edges per second.
        present: whether they are in the picture, seen or bridged.
        met: those they may have been mixed up with, and not told apart from since.
        fresh: clothes seen since then.
        apart_s: seconds seen with nobody near since then.
        met_at: time at which they met the first of them.
        size: logarithm of how big they were when seen among others, before they met any.
        fresh_size: the same since they met.
    """

    person: int
    since: float
    seen_at: float
    form: Form
    clothes: Floats | None
    velocity: Floats = field(default_factory=lambda: np.zeros(2))
    present: bool = True
    met: set[int] = field(default_factory=set)
    fresh: Floats | None = None
    apart_s: float = 0.0
    met_at: float = 0.0
    size: float | None = None
    fresh_size: float | None = None

    def could_be(self, form: Form, t: float) -> bool:
        """Tells whether this can be the same person, as far as place and size go."""
        gap = t - self.seen_at
        torso, last = form.torso, self.form.torso
        jump = math.dist(form.centre.tolist(), self.form.centre.tolist())
        growth = max(torso / last, last / torso)
        if jump > (MAX_JUMP + JUMP_PER_S * gap) * max(torso, last):
            return False
        most = MAX_GROWTH + GROWTH_PER_S * gap
        return growth <= most or abs(form.size - self.form.size) <= math.log(most)

    def gap_cost(self, t: float) -> float:
        """What speaks against whoever was away: where they could be is less and less known.

        The logarithm of a normal density's width, which place_cost measures by.
        """
        return GAP_COST * math.log1p(STEP_PER_S * (t - self.seen_at) / STEP)

    def place_cost(self, form: Form, t: float) -> float:
        """How far the landmarks are from where they should be now, in expected steps."""
        gap = t - self.seen_at
        ahead = self.form.points[BODY] + self.velocity * min(gap, STEADY_GAP_S)
        way = form.points[BODY] - ahead
        apart = float(np.hypot(way[:, 0], way[:, 1]).sum()) / len(way)
        return apart / max(form.torso, self.form.torso) / (STEP + STEP_PER_S * gap)

    def clothes_distance(self, form: Form) -> float:
        """0 for the same clothes to 1; in between where they can't be compared."""
        return distance(self.clothes, form.seen.colours)

    def growth(self, form: Form) -> float | None:
        """How much bigger or smaller than remembered, a logarithm; None where clothes are known."""
        if self.size is None or (self.clothes is not None and form.seen.colours is not None):
            return None
        return abs(form.size - self.size)

    def size_cost(self, form: Form, t: float) -> float:
        """How far off their size is, in expected steps; 0 where clothes are known."""
        return (self.growth(form) or 0.0) / (SIZE_STEP + SIZE_STEP_PER_S * (t - self.seen_at))

    def follow(self, form: Form, t: float, *, alone: bool) -> None:
        """Takes the next sight of this person; `alone`: nobody else is near."""
        gap = t - self.seen_at
        moved = (form.centre - self.form.centre) / max(gap, 1e-3)
        share = SPEED_SHARE if gap <= STEADY_GAP_S else 0.0
        self.velocity = (1 - share) * self.velocity * (gap <= STEADY_GAP_S) + share * moved
        self.form, self.seen_at = form, t
        if alone and self.met:
            self.fresh = blend(self.fresh, form.seen.colours, FRESH_SHARE)
            self.apart_s += min(gap, STEADY_GAP_S)
        elif alone:
            self.clothes = blend(self.clothes, form.seen.colours, CLOTHES_SHARE)

    def measure(self, *, alone: bool) -> None:
        """Remembers how big they are in this sight; for who isn't the only one known."""
        if not self.met:
            self.size = _mixed(self.size, self.form.size, SIZE_SHARE)
        elif alone:
            self.fresh_size = _mixed(self.fresh_size, self.form.size, FRESH_SHARE)

    def anew(self, form: Form, t: float) -> "Track":
        """The same id for somebody whom all sights so far had wrong."""
        return Track(self.person, t, t, form, form.seen.colours)

    def meet(self, other: "Track", t: float) -> None:
        """From here on it is doubtful which of the two is which."""
        for one, two in ((self, other), (other, self)):
            one.met_at = one.met_at if one.met else t
            one.met.add(two.person)
            one.fresh, one.fresh_size, one.apart_s = None, None, 0.0

    def settle(self) -> None:
        """It is them: nothing is doubtful any more."""
        if self.fresh_size is not None:
            self.size = self.fresh_size
        self.met, self.fresh, self.fresh_size, self.apart_s = set(), None, None, 0.0

    def looks_like(self, other: "Track") -> float:
        """How far the clothes seen since are from the other's (or the own) remembered ones."""
        return distance(other.clothes, self.fresh)

    def growth_to(self, other: "Track") -> float | None:
        """How much bigger or smaller than the other's (or the own) size they are since they met.

        A logarithm, at least 0; None where one of the two isn't known.
        """
        if self.fresh_size is None or other.size is None:
            return None
        return abs(self.fresh_size - other.size)


def _mixed(known: float | None, new: float, share: float) -> float:
    return new if known is None else known + share * (new - known)

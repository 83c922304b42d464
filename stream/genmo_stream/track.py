"""One person over time, and what speaks for somebody seen being them: place, pose, clothes."""

import math
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from genmo_rt.keypoints import Keypoints
from genmo_stream.keypoints.colours import blend, distance
from genmo_stream.keypoints.measure import shoulder_centre, torso_size
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

    def near(self, other: "Form") -> bool:
        """Whether one of the two may hide the other."""
        apart = math.dist(self.centre.tolist(), other.centre.tolist())
        return apart < NEAR * max(self.torso, other.torso)


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

    def could_be(self, form: Form, t: float) -> bool:
        """Tells whether this can be the same person, as far as place and size go."""
        gap = t - self.seen_at
        torso, last = form.torso, self.form.torso
        jump = math.dist(form.centre.tolist(), self.form.centre.tolist())
        growth = max(torso / last, last / torso)
        near = jump <= (MAX_JUMP + JUMP_PER_S * gap) * max(torso, last)
        return near and growth <= MAX_GROWTH + GROWTH_PER_S * gap

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

    def follow(self, form: Form, t: float, *, alone: bool) -> None:
        """Takes the next sight of this person."""
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

    def anew(self, form: Form, t: float) -> "Track":
        """The same id for somebody whom all sights so far had wrong."""
        return Track(self.person, t, t, form, form.seen.colours)

    def meet(self, other: "Track") -> None:
        """From here on it is doubtful which of the two is which."""
        for one, two in ((self, other), (other, self)):
            one.met.add(two.person)
            one.fresh, one.apart_s = None, 0.0

    def settle(self) -> None:
        """It is them: nothing is doubtful any more."""
        self.met, self.fresh, self.apart_s = set(), None, 0.0

    def looks_like(self, other: "Track") -> float:
        """How far the clothes seen since are from the other's (or the own) remembered ones."""
        return distance(other.clothes, self.fresh)

"""Who is followed, and who of them is on somebody else's body: by place, clothes and who moved."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from genmo_stream.keypoints.colours import blend, distance
from genmo_stream.keypoints.cover import Pixels, covered_share
from genmo_stream.keypoints.follower import Follower, Glimpse
from genmo_stream.keypoints.measure import shoulder_centre, torso_size
from genmo_stream.keypoints.scout import Lost

SAME_BODY = 0.35  # torsos between two followers' landmarks, on average: they are on one body
SURE = 0.5  # visibility of landmarks that tell bodies apart
NEAR = 1.5  # torsos between shoulders: one of the two may hide the other
KEEP_CLOTHES = 0.1  # of a new sight in what is remembered of somebody's clothes
OWN_CLOTHES = 0.5  # distance up to which clothes are taken for the same person's
CHANGED = 0.1  # the follower whose clothes changed by so much more is on the other's body ...
TAKEN_OVER = 0.2  # ... and one near another, whose clothes by so much rather are that one's
SPEED_SHARE = 0.3  # of a new velocity in the running one
MAX_COVERED = 0.5  # of the body's landmarks where another is painted over, or nothing is known
MAX_GROWTH = 1.4  # of a torso while somebody is hidden
EXPECTED = 0.7  # torsos from where somebody behind another should be, to be surely them
MAX_STEP_US = 500_000  # between two sights that tell a velocity


@dataclass(slots=True, eq=False)
class Held:
    """Somebody who is followed.

    Attributes:
        follower: who holds them.
        looks: that they must still stand before they are told of.
        pixels: (33, 2) where they were seen last.
        clothes: what they wear.
        at_us: when they were surely seen last.
        home: (33, 2) where they were then.
        velocity: (2,) pixels per second, when nobody was near.
        behind: who hides them.
        slips: how often the follower slid onto the one who hides them.
        sights: frames in which they were seen.
        is_back: whether they were lost before, by the place and the clothes they were found in.
    """

    follower: Follower
    looks: int
    pixels: Pixels
    clothes: Pixels | None
    at_us: int
    home: Pixels
    velocity: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))
    behind: "Held | None" = None
    slips: int = 0
    sights: int = 1
    is_back: bool = False

    @property
    def hider(self) -> "Held | None":
        """Who is painted over for them: who hides them, but with every other slip nobody.

        Who slid onto somebody's body may also be before that one.
        """
        return self.behind if self.slips % 2 else None

    @property
    def hiders(self) -> tuple[Pixels, ...]:
        """(33, 2) landmarks of those."""
        return () if self.hider is None else (self.hider.pixels,)

    def go_on(self, sight: "Sight", t_us: int, *, alone: bool) -> None:
        """Takes the next sight of them."""
        self.pixels, self.sights = sight.seen.pixels, self.sights + 1
        gap_us = t_us - self.at_us
        if alone:
            self.behind, self.slips = None, 0
            self.clothes = blend(self.clothes, sight.clothes, KEEP_CLOTHES)
            if 0 < gap_us <= MAX_STEP_US:
                moved = (_middle(self.pixels) - _middle(self.home)) / gap_us * 1e6
                self.velocity = self.velocity + SPEED_SHARE * (moved - self.velocity)
        off = np.linalg.norm(_middle(self.pixels) - _middle(self.lost().place(t_us)))
        as_expected = off < EXPECTED * torso_size(self.pixels)
        if as_expected if self.hider is not None else sight.changed <= OWN_CLOTHES:
            self.home, self.at_us = self.pixels, t_us

    def rescale(self, factor: float) -> None:
        """The picture has `factor` times the resolution from now on."""
        self.follower.rescale(factor)
        self.pixels = self.pixels * np.float32(factor)
        self.home = self.home * np.float32(factor)
        self.velocity = self.velocity * factor

    def lost(self, others: Sequence["Held"] = ()) -> Lost:
        """What is known of them once they aren't seen any more; one of the others may hide them."""
        hidden = self.behind is not None or any(
            are_near(self.pixels, other.pixels) for other in others
        )
        return Lost(self.home, self.velocity, self.at_us, self.clothes, hidden)


@dataclass(frozen=True, slots=True)
class Sight:
    """Somebody who is followed, in this frame."""

    held: Held
    seen: Glimpse
    clothes: Pixels | None

    @property
    def changed(self) -> float:
        """How far the clothes are from what is remembered of them."""
        return distance(self.held.clothes, self.clothes)

    @property
    def is_guessed(self) -> bool:
        """Whether little is seen of somebody whose follower slid onto another body before.

        The landmarks lie where that one is painted over, or have another size than the person had,
        or other clothes: MediaPipe is as sure of these as of any.
        """
        held = self.held
        if held.slips == 0:
            return False
        growth = torso_size(self.seen.pixels) / torso_size(held.home)
        if max(growth, 1 / growth) > MAX_GROWTH:
            return True
        if held.hider is None:
            return self.changed > OWN_CLOTHES
        return covered_share(self.seen.pixels, held.hider.pixels) > MAX_COVERED

    @property
    def step(self) -> float:
        """How far the landmarks moved since the frame before, torsos."""
        moved = np.linalg.norm(self.seen.pixels - self.held.pixels, axis=1).mean()
        return float(moved / torso_size(self.held.pixels))

    def near(self, other: "Sight") -> bool:
        """Whether one of the two may hide the other."""
        return are_near(self.seen.pixels, other.seen.pixels)


def on_others(sights: Sequence[Sight]) -> list[tuple[Held, Held]]:
    """Whose follower is on a body that another one holds with better right, and which other."""
    off: dict[Held, Held] = {}
    for i, one in enumerate(sights):
        for other in sights[i + 1 :]:
            if one.held in off or other.held in off or not one.near(other):
                continue
            jumped = [(a, b) for a, b in ((one, other), (other, one)) if _is_taken_over(a, b)]
            if len(jumped) == 1:
                off[jumped[0][0].held] = jumped[0][1].held
            elif same_body(one.seen, other.seen):
                intruder = _intruder(one, other)
                off[intruder.held] = (other if intruder is one else one).held
    return list(off.items())


def _is_taken_over(one: Sight, other: Sight) -> bool:
    """Whether a follower is on the other's body, as far as clothes tell.

    Who is known to be behind the other has landmarks on the other's clothes with good reason.
    """
    if one.held.hider is other.held:
        return False
    return one.changed - distance(other.held.clothes, one.clothes) > TAKEN_OVER


def _intruder(one: Sight, other: Sight) -> Sight:
    """Which of two on one body doesn't belong there.

    It is who still must stand, who is known to be behind, whose clothes changed, or who jumped.
    """
    if bool(one.held.looks) != bool(other.held.looks):
        return one if one.held.looks else other
    if (one.held.hider is other.held) != (other.held.hider is one.held):
        return one if one.held.hider is other.held else other
    if abs(one.changed - other.changed) > CHANGED:
        return one if one.changed > other.changed else other
    return one if one.step > other.step else other


def same_body(one: Glimpse, other: Glimpse) -> bool:
    """Whether two glimpses are of one body: the landmarks that both are sure of coincide."""
    sure = (one.landmarks.visibility >= SURE) & (other.landmarks.visibility >= SURE)
    if sure.sum() < 6:
        sure = np.ones_like(sure)
    apart = np.linalg.norm(one.pixels - other.pixels, axis=1)[sure].mean()
    return bool(apart < SAME_BODY * max(torso_size(one.pixels), torso_size(other.pixels)))


def is_left_over(pixels: Pixels, held: Pixels) -> bool:
    """Whether a find is what is left to see of somebody who is painted over."""
    apart = np.linalg.norm(pixels[11:29] - held[11:29], axis=1).mean()
    return bool(apart < 2 * SAME_BODY * max(torso_size(pixels), torso_size(held)))


def are_near(one: Pixels, other: Pixels) -> bool:
    """Whether one of the two may hide the other."""
    apart = np.linalg.norm(shoulder_centre(one) - shoulder_centre(other))
    return bool(apart < NEAR * max(torso_size(one), torso_size(other)))


def _middle(pixels: Pixels) -> NDArray[np.float64]:
    return np.asarray(pixels[[11, 12, 23, 24]].mean(axis=0), np.float64)

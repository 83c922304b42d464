"""Feet that rest stay where they are: heels and toes held in place, legs brought there by IK.

A resting foot trembles by centimetres from tick to tick, most of all in depth, because one camera
says little of it. How far a heel or toe is held from where it is seen changes smoothly with how
sure it is that it rests (rests.py): a share of its seen motion that large is taken for noise and
does not show. The difference fades in seconds while it rests, and in a tenth of one when it
moves, so nothing pops. What both feet say together is the root's error, not the legs': the root
follows.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genmo_rt.live_math import cross, turn
from genmo_rt.refine import Figure
from genmo_rt.skeleton import JOINT_NAMES

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class HoldRule:
    """How firmly heels and toes are held.

    Attributes:
        settle: seconds in which 63 % of the difference is gone while a point surely rests.
        fade: the same while it surely moves.
        across: most that a point is held across its viewing ray, metres.
        along: most that it is held along the ray, metres.
        apart: most that heel and toe of a foot are held apart, metres: it turns by so much.
        root: seconds in which the root makes up 63 % of what resting feet say of its depth.
    """

    settle: float = 3.0
    fade: float = 0.12
    across: float = 0.08
    along: float = 0.3
    apart: float = 0.06
    root: float = 0.15


@dataclass(frozen=True, slots=True)
class Leg:
    """Joint numbers of a leg."""

    hip: int
    knee: int
    ankle: int
    foot: int


LEGS = tuple(
    Leg(*(JOINT_NAMES.index(f"{side}_{part}") for part in ("hip", "knee", "ankle", "foot")))
    for side in ("left", "right")
)
NEARLY_NOTHING_M = 1e-4


class FootHold:
    """Holds one person's resting feet before a steady camera."""

    def __init__(self, rule: HoldRule | None = None) -> None:
        self._rule = rule or HoldRule()
        self._t: float | None = None
        self._seen = np.zeros((4, 3))
        self._shift = np.zeros((4, 3))  # from where heels and toes are seen to where they are held

    def shifts(self, t: float, seen: Array, rests: Array) -> Array:
        """How far heels and toes are held from where they are seen; `placed` puts them there.

        Args:
            t: seconds, later than the step before.
            seen: (4, 3) the points of rests.POINTS in the camera, metres.
            rests: (4,) probability that each rests.
        Returns:
            (4, 3) metres.
        """
        rule = self._rule
        if self._t is not None:
            rate = rule.fade ** (rests - 1) * rule.settle**-rests  # between the two, by logarithm
            shift = self._shift - rests[:, None] * (seen - self._seen)
            self._shift = _limited(shift * np.exp((self._t - t) * rate)[:, None], seen, rule)
        self._t, self._seen = t, seen
        return self._shift

    def root_error(self, dt: float, root: Array, rests: Array) -> Array:
        """How far the root is to go along its ray now, so that legs needn't make up for it.

        Args:
            dt: seconds since the step before.
            root: (3,) in the camera.
            rests: as in shifts, which comes first.
        Returns:
            (3,) metres; what is held counts on the root to go there before the next step.
        """
        weight = rests * rests
        sure = min(1.0, float(weight.sum()) / 2)  # one foot that rests tells it all
        mean = weight @ self._shift / max(float(weight.sum()), 1e-6)
        ray = root / max(float(np.linalg.norm(root)), 1e-6)
        moved: Array = (1 - np.exp(-dt * sure / self._rule.root)) * float(mean @ ray) * ray
        self._shift = self._shift - moved
        self._seen = self._seen + moved
        return moved

    def turn(self, rotmat: Array) -> None:
        """Goes on in another camera at the same place: rotmat (3, 3), old to new."""
        self._seen, self._shift = self._seen @ rotmat.T, self._shift @ rotmat.T

    def carry(self, moved: Array) -> None:
        """What rests is seen `moved` (3,) metres from where it was: the camera went on."""
        self._seen = self._seen + moved


def hold_clip(
    t: Array, figures: list[Figure], seen: Array, rests: Array, rule: HoldRule | None = None
) -> Array:
    """Holds the resting feet of a whole clip: half way between FootHold forwards and backwards.

    Args:
        t: (L,) seconds.
        figures: L of them, in the camera.
        seen: (L, 4, 3) their points of rests.POINTS.
        rests: (L, 4) probability that the points of rests.POINTS rest.
    Returns:
        (L, 24, 3, 3) rotations of all joints in the camera.
    """
    ahead, back = FootHold(rule), FootHold(rule)
    ways = [
        [hold.shifts(float(order * t[i]), seen[i], rests[i]) for i in range(len(t))[::order]]
        for hold, order in ((ahead, 1), (back, -1))
    ]
    shifts = (np.stack(ways[0]) + np.stack(ways[1][::-1])) / 2
    return np.stack([placed(*of) for of in zip(figures, seen, shifts, rests, strict=True)])


def placed(figure: Figure, seen: Array, shifts: Array, rests: Array) -> Array:
    """Legs and feet turned so that heels and toes are shifted.

    A foot turns as its heel and toe say; its place is rather that of the one that rests.

    Args:
        figure: in the camera.
        seen: (4, 3) its points of rests.POINTS.
        shifts: (4, 3) metres.
        rests: (4,) as in FootHold.apply.
    Returns:
        (24, 3, 3) rotations of all joints in the camera.
    """
    if float(np.abs(shifts).max()) < NEARLY_NOTHING_M:
        return figure.rotmat
    rotmat = figure.rotmat
    for number, leg in enumerate(LEGS):
        own = slice(2 * number, 2 * number + 2)
        (heel, toe), (at_heel, at_toe) = seen[own], shifts[own]
        weight = (rests[own] + 1e-3) / (rests[own] + 1e-3).sum()
        sole = _between(toe - heel, toe + at_toe - heel - at_heel)
        ankle = figure.joints[leg.ankle]
        stays = weight @ (seen[own] - ankle)  # turns about the ankle, and is brought back
        target = ankle + stays + weight @ shifts[own] - sole @ stays
        rotmat = reach(rotmat, figure.joints, leg, target)
        rotmat[leg.ankle] = sole @ rotmat[leg.ankle]
        rotmat[leg.foot] = sole @ rotmat[leg.foot]
    return rotmat


def reach(rotmat: Array, joints: Array, leg: Leg, target: Array) -> Array:
    """Two-bone IK: bends the knee to the target's distance, then swings the hip towards it.

    Args:
        rotmat: (24, 3, 3) rotations of all joints in one frame of reference.
        joints: (24, 3) in it.
        leg: which.
        target: (3,) where the ankle is to be; out of reach, the leg stretches towards it.
    Returns:
        (24, 3, 3) rotations; only the hip's and the knee's differ.
    """
    hip, knee, ankle = joints[leg.hip], joints[leg.knee], joints[leg.ankle]
    thigh, shin = knee - hip, ankle - knee
    long, short = float(np.linalg.norm(thigh)), float(np.linalg.norm(shin))
    distance = float(
        np.clip(np.linalg.norm(target - hip), abs(long - short) + 0.01, long + short - 1e-4)
    )
    # Law of cosines; the angle is 0 for a straight leg.
    cosine = (distance**2 - long**2 - short**2) / (2 * long * short)
    now = thigh @ shin / (long * short)
    bend = np.arccos(np.clip(cosine, -1, 1)) - np.arccos(np.clip(now, -1, 1))
    # A straight leg has no bend of its own: then the knee's axis is the thigh's x.
    axis = cross(thigh, shin) / (long * short) + 0.05 * rotmat[leg.hip][:, 0]
    flex = turn(bend * axis / np.linalg.norm(axis))
    swing = _between(thigh + flex @ shin, target - hip)
    turned = rotmat.copy()
    turned[leg.hip] = swing @ rotmat[leg.hip]
    turned[leg.knee] = swing @ flex @ rotmat[leg.knee]
    return turned


def _limited(shift: Array, seen: Array, rule: HoldRule) -> Array:
    """(4, 3) shifts cut to what the rule allows along and across their viewing rays, and apart."""
    ray = seen / np.maximum(_length(seen), 1e-6)
    along = (shift * ray).sum(-1, keepdims=True)
    across = shift - along * ray
    across *= np.minimum(1.0, rule.across / np.maximum(_length(across), 1e-9))
    feet = (np.clip(along, -rule.along, rule.along) * ray + across).reshape(2, 2, 3)
    half = (feet[:, :1] - feet[:, 1:]) / 2
    middle = feet.mean(1, keepdims=True)
    half *= np.minimum(1.0, rule.apart / 2 / np.maximum(_length(half), 1e-9))
    return np.asarray(np.concatenate((middle + half, middle - half), axis=1).reshape(4, 3))


def _length(vector: Array) -> Array:
    """(..., 1)"""
    return np.asarray(np.sqrt((vector * vector).sum(-1, keepdims=True)))


def _between(start: Array, end: Array) -> Array:
    """(3, 3) the smallest rotation from one direction to another."""
    axis = cross(start, end)
    sine = float(np.linalg.norm(axis))
    if sine < 1e-12:
        return np.eye(3)
    return turn(np.arctan2(sine, float(start @ end)) * axis / sine)

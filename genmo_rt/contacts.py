"""Feet that rest stay where they are: heels and toes held in place, legs brought there by IK.

A resting foot trembles by centimetres from tick to tick, most of all in depth, because one camera
says little of it. How far a heel or toe is held from where it is seen changes smoothly with how
sure it is that it rests (rests.py): a share of its seen motion that large is taken for noise and
does not show. The difference fades in seconds while it rests, and in a tenth of one when it
moves, so nothing pops. What both feet say together is the root's error, not the legs': the root
follows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genmo_rt.live_math import axis_angle_to_rotmat, cross_rows
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
    fade: float = 0.09
    across: float = 0.08
    along: float = 0.3
    apart: float = 0.06
    root: float = 0.12


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
_HIPS, _KNEES, _ANKLES, _FEET = (
    np.array([getattr(leg, part) for leg in LEGS]) for part in ("hip", "knee", "ankle", "foot")
)
_LEGS = np.stack((_HIPS, _KNEES, _ANKLES))


class FootHold:
    """Holds one person's resting feet before a steady camera.

    Attributes:
        rule: how firmly.
        t: seconds, of the last step; None before the first.
        seen: (4, 3) where the points of rests.POINTS were then, in the camera, metres.
        shift: (4, 3) from there to where they are held.
    """

    def __init__(self, rule: HoldRule | None = None) -> None:
        self.rule = rule or HoldRule()
        self.t: float | None = None
        self.seen = np.zeros((4, 3))
        self.shift = np.zeros((4, 3))

    def shifts(self, t: float, seen: Array, rests: Array) -> Array:
        """How far heels and toes are held from where they are seen; `placed` puts them there.

        Args:
            t: seconds, later than the step before.
            seen: (4, 3) the points of rests.POINTS in the camera, metres.
            rests: (4,) probability that each rests.
        Returns:
            (4, 3) metres.
        """
        return np.asarray(hold_together([self], np.array([t]), seen[None], rests[None])[0])

    def root_error(self, dt: float, root: Array, rests: Array) -> Array:
        """How far the root is to go along its ray now, so that legs needn't make up for it.

        Args:
            dt: seconds since the step before.
            root: (3,) in the camera.
            rests: as in shifts, which comes first.
        Returns:
            (3,) metres; what is held counts on the root to go there before the next step.
        """
        return np.asarray(root_errors([self], np.array([dt]), root[None], rests[None])[0])

    def turn(self, rotmat: Array) -> None:
        """Goes on in another camera at the same place: rotmat (3, 3), old to new."""
        self.seen, self.shift = self.seen @ rotmat.T, self.shift @ rotmat.T

    def carry(self, moved: Array) -> None:
        """What rests is seen `moved` (3,) metres from where it was: the camera went on."""
        self.seen = self.seen + moved


def hold_together(holds: Sequence[FootHold], t: Array, seen: Array, rests: Array) -> Array:
    """FootHold.shifts of several persons at once.

    Args:
        holds: P distinct ones, of one HoldRule.
        t: (P,) seconds, each later than the step before.
        seen: (P, 4, 3).
        rests: (P, 4).
    Returns:
        (P, 4, 3).
    """
    rule, share = holds[0].rule, rests[..., None]
    before = np.array([now if of.t is None else of.t for of, now in zip(holds, t, strict=True)])
    there = np.stack(
        [now if of.t is None else of.seen for of, now in zip(holds, seen, strict=True)]
    )
    shift = np.stack([of.shift for of in holds]) - share * (seen - there)
    rate = rule.fade ** (share - 1) * rule.settle**-share  # between the two, by logarithm
    shift = _limited(shift * np.exp((before - t)[:, None, None] * rate), seen, rule)
    for n, (of, now) in enumerate(zip(holds, t.tolist(), strict=True)):
        of.t, of.seen, of.shift = now, seen[n], shift[n]
    return shift


def root_errors(holds: Sequence[FootHold], dt: Array, root: Array, rests: Array) -> Array:
    """FootHold.root_error of several persons at once.

    Args:
        holds: P distinct ones, of one HoldRule.
        dt: (P,) seconds since the step before.
        root: (P, 3) in their cameras.
        rests: (P, 4).
    Returns:
        (P, 3).
    """
    rule, weight = holds[0].rule, rests * rests
    total = weight.sum(-1, keepdims=True)
    sure = np.minimum(1.0, total / 2)  # one foot that rests tells it all
    shift = np.stack([of.shift for of in holds])
    mean = (weight[..., None] * shift).sum(1) / np.maximum(total, 1e-6)
    ray = root / np.maximum(_length(root), 1e-6)
    back = 1 - np.exp(-dt[:, None] * sure / rule.root)
    moved = back * (mean * ray).sum(-1, keepdims=True) * ray
    for of, own in zip(holds, moved, strict=True):
        of.shift, of.seen = of.shift - own, of.seen + own
    return np.asarray(moved)


def hold_clip(
    t: Array,
    figures: list[Figure],
    seen: Array,
    rests: Array,
    rule: HoldRule | None = None,
    moved: Array | None = None,
) -> Array:
    """Holds the resting feet of a whole clip: half way between FootHold forwards and backwards.

    Args:
        t: (L,) seconds.
        figures: L of them, in the camera.
        seen: (L, 4, 3) their points of rests.POINTS.
        rests: (L, 4) probability that the points of rests.POINTS rest.
        moved: (L, 3) how far what rests is seen to go until each tick, as the camera goes the
            other way; left out where it stands.
    Returns:
        (L, 24, 3, 3) rotations of all joints in the camera.
    """
    moved = np.zeros((len(t), 3)) if moved is None else moved
    ways = []
    for order, gone in ((1, moved), (-1, -np.roll(moved, -1, axis=0))):
        hold, shifted = FootHold(rule), []
        for i in range(len(t))[::order]:
            hold.carry(gone[i])
            shifted.append(hold.shifts(float(order * t[i]), seen[i], rests[i]))
        ways.append(shifted[::order])
    shifts = np.mean(ways, axis=0)
    parts = ("rotmat", "joints", "landmark_offsets")
    together = Figure(*(np.stack([getattr(of, part) for of in figures]) for part in parts))
    return placed(together, seen, shifts, rests)


def placed(figures: Figure, seen: Array, shifts: Array, rests: Array) -> Array:
    """Legs and feet turned so that heels and toes are shifted.

    A foot turns as its heel and toe say; its place is rather that of the one that rests.

    Args:
        figures: P of them, in their cameras.
        seen: (P, 4, 3) their points of rests.POINTS.
        shifts: (P, 4, 3) metres.
        rests: (P, 4) as in FootHold.shifts.
    Returns:
        (P, 24, 3, 3) rotations of all joints in the camera.
    """
    held = np.flatnonzero(np.abs(shifts).max((1, 2)) >= NEARLY_NOTHING_M)
    if not len(held):
        return figures.rotmat
    rotmat, joints = figures.rotmat[held], figures.joints[held]
    points, moves = (of[held].reshape(-1, 2, 2, 3) for of in (seen, shifts))  # leg, heel or toe
    weight = rests[held].reshape(-1, 2, 2, 1) + 1e-3
    weight /= weight.sum(2, keepdims=True)
    straight = points[:, :, 1] - points[:, :, 0]
    sole = _between(straight, straight + moves[:, :, 1] - moves[:, :, 0])  # (P, 2, 3, 3)
    ankle = joints[:, _ANKLES]
    stays = (weight * (points - ankle[:, :, None])).sum(2)  # turns about the ankle, is brought back
    target = ankle + stays + (weight * moves).sum(2) - (sole @ stays[..., None])[..., 0]
    swing, flex = _bend(joints, rotmat[:, _HIPS][..., 0], _LEGS, target)
    rotmat[:, _HIPS] = swing @ rotmat[:, _HIPS]
    rotmat[:, _KNEES] = swing @ flex @ rotmat[:, _KNEES]
    for part in (_ANKLES, _FEET):
        rotmat[:, part] = sole @ rotmat[:, part]
    turned = figures.rotmat.copy()
    turned[held] = rotmat
    return turned


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
    chain = np.array([[leg.hip], [leg.knee], [leg.ankle]])
    swing, flex = _bend(joints, rotmat[[leg.hip]][..., 0], chain, target[None])
    turned = rotmat.copy()
    turned[leg.hip] = swing[0] @ rotmat[leg.hip]
    turned[leg.knee] = swing[0] @ flex[0] @ rotmat[leg.knee]
    return turned


def _bend(
    joints: Array, sideways: Array, legs: NDArray[np.intp], target: Array
) -> tuple[Array, Array]:
    """How hips swing and knees bend so that ankles get to their targets.

    Args:
        joints: (..., 24, 3).
        sideways: (..., L, 3) the thighs' own x axes: a straight leg bends about them.
        legs: (3, L) hips, knees, ankles.
        target: (..., L, 3) where the ankles are to be.
    Returns:
        (..., L, 3, 3) rotations of the hips, and of the knees before that.
    """
    hip, knee, ankle = (joints[..., part, :] for part in legs)
    thigh, shin, way = knee - hip, ankle - knee, target - hip
    long, short = _length(thigh), _length(shin)
    distance = np.clip(_length(way), np.abs(long - short) + 0.01, long + short - 1e-4)
    # Law of cosines; the angle is 0 for a straight leg.
    cosine = (distance**2 - long**2 - short**2) / (2 * long * short)
    now = (thigh * shin).sum(-1, keepdims=True) / (long * short)
    angle = np.arccos(np.clip(cosine, -1, 1)) - np.arccos(np.clip(now, -1, 1))
    axis = cross_rows(thigh, shin) / (long * short) + 0.05 * sideways
    flex = axis_angle_to_rotmat(angle * axis / _length(axis))
    swing = _between(thigh + (flex @ shin[..., None])[..., 0], way)
    return swing, flex


def _limited(shift: Array, seen: Array, rule: HoldRule) -> Array:
    """(P, 4, 3) shifts cut to what the rule allows along and across their rays, and apart."""
    ray = seen / np.maximum(_length(seen), 1e-6)
    along = (shift * ray).sum(-1, keepdims=True)
    across = shift - along * ray
    across *= np.minimum(1.0, rule.across / np.maximum(_length(across), 1e-9))
    feet = (np.clip(along, -rule.along, rule.along) * ray + across).reshape(-1, 2, 2, 3)
    half = (feet[:, :, :1] - feet[:, :, 1:]) / 2
    middle = feet.mean(2, keepdims=True)
    half *= np.minimum(1.0, rule.apart / 2 / np.maximum(_length(half), 1e-9))
    return np.asarray(np.concatenate((middle + half, middle - half), axis=2).reshape(-1, 4, 3))


def _length(vector: Array) -> Array:
    """(..., 1)"""
    return np.asarray(np.sqrt((vector * vector).sum(-1, keepdims=True)))


def _between(start: Array, end: Array) -> Array:
    """(..., 3, 3) the smallest rotations from directions to others."""
    axis = cross_rows(start, end)
    sine = _length(axis)
    angle = np.arctan2(sine, (start * end).sum(-1, keepdims=True))
    return axis_angle_to_rotmat(np.where(sine < 1e-12, 0.0, angle / np.maximum(sine, 1e-12)) * axis)

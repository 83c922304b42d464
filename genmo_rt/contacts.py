"""Feet that rest stay where they are: ankles held in place by two-bone IK.

A resting foot's depth trembles by centimetres from tick to tick, because one camera says little of
it. While the model says that a foot rests, its ankle is drawn to a slow mean of where it was seen:
far along the viewing ray, where little is known, and little across it, where the picture knows
better. When it leaves, the difference fades.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genmo_rt.live_math import cross, turn
from genmo_rt.pose import CONTACT_NAMES
from genmo_rt.skeleton import JOINT_NAMES

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class HoldRule:
    """When and how firmly feet are held.

    Attributes:
        begin: contact probability from which a foot is held.
        end: probability under which it is let go.
        follow: seconds in which the place moves 63 % of the way to where the foot is seen.
        fade: seconds in which 63 % of the difference fades once it is let go.
        across: most that an ankle is moved across its viewing ray, metres.
        along: most that it is moved along the ray, metres.
    """

    begin: float = 0.45
    end: float = 0.35
    follow: float = 0.5
    fade: float = 0.1
    across: float = 0.03
    along: float = 0.15


@dataclass(frozen=True, slots=True)
class Leg:
    """Joint numbers of a leg, and the contacts that say that its foot rests."""

    hip: int
    knee: int
    ankle: int
    contacts: tuple[int, int]


LEGS = tuple(
    Leg(
        hip=JOINT_NAMES.index(f"{side}_hip"),
        knee=JOINT_NAMES.index(f"{side}_knee"),
        ankle=JOINT_NAMES.index(f"{side}_ankle"),
        contacts=(CONTACT_NAMES.index(f"{side}_ankle"), CONTACT_NAMES.index(f"{side}_foot")),
    )
    for side in ("left", "right")
)


class FootHold:
    """Holds one person's resting feet in a static camera."""

    def __init__(self, rule: HoldRule | None = None) -> None:
        self._rule = rule or HoldRule()
        self._held = [False for _ in LEGS]
        self._shift = [np.zeros(3) for _ in LEGS]  # from where the ankle is seen
        self._place = [np.zeros(3) for _ in LEGS]
        self._t: float | None = None

    def apply(self, t: float, rotmat: Array, joints: Array, contacts: Array) -> Array:
        """Turns hips and knees so that resting ankles stay in place.

        Args:
            t: seconds, later than the step before.
            rotmat: (24, 3, 3) rotations of all joints in the camera.
            joints: (24, 3) in the camera, metres.
            contacts: (6,) probability.
        Returns:
            (24, 3, 3) rotations of all joints in the camera; feet keep theirs.
        """
        rule = self._rule
        dt = 0.0 if self._t is None else t - self._t
        self._t = t
        held = rotmat
        for i, leg in enumerate(LEGS):
            seen = joints[leg.ankle]
            rests = contacts[list(leg.contacts)].max()
            if rests < (rule.end if self._held[i] else rule.begin):
                self._held[i] = False
                self._shift[i] = self._shift[i] * np.exp(-dt / rule.fade)
            else:
                if not self._held[i]:
                    self._place[i] = seen + self._shift[i]
                self._held[i] = True
                self._place[i] += (1 - np.exp(-dt / rule.follow)) * (seen - self._place[i])
                self._shift[i] = _limited(self._place[i] - seen, seen, rule)
                self._place[i] = seen + self._shift[i]
            if self._shift[i].any():
                held = reach(held, joints, leg, seen + self._shift[i])
        return held


    def turn(self, rotmat: Array) -> None:
        """Goes on in another camera at the same place: rotmat (3, 3), old to new."""
        self._place = [rotmat @ place for place in self._place]
        self._shift = [rotmat @ shift for shift in self._shift]

    def carry(self, moved: Array) -> None:
        """What rests is seen `moved` (3,) metres from where it was: the camera went on."""
        self._place = [place + moved for place in self._place]


def hold_clip(
    t: Array, rotmat: Array, joints: Array, contacts: Array, rule: HoldRule | None = None
) -> Array:
    """Holds the resting feet of a whole clip: FootHold's rule, with what follows known.

    An ankle rests where it is seen in the middle of its rest (the median), and the difference
    fades before it arrives as it does after it leaves.

    Args:
        t: (L,) seconds.
        rotmat: (L, 24, 3, 3) rotations of all joints in the camera.
        joints: (L, 24, 3) in the camera, metres.
        contacts: (L, 6) probability.
    Returns:
        (L, 24, 3, 3) rotations of all joints in the camera; feet keep theirs.
    """
    rule = rule or HoldRule()
    held = rotmat
    for leg in LEGS:
        seen = joints[:, leg.ankle]
        shift = np.zeros_like(seen)
        for rest in _rests(contacts[:, list(leg.contacts)].max(1), rule):
            place = np.median(seen[rest], axis=0)
            own = np.array([_limited(place - one, one, rule) for one in seen[rest]])
            before = np.exp(np.minimum(t - t[rest][0], 0) / rule.fade)[:, None] * own[0]
            after = np.exp(np.minimum(t[rest][-1] - t, 0) / rule.fade)[:, None] * own[-1]
            shift[: rest.start] += before[: rest.start]
            shift[rest.stop :] += after[rest.stop :]
            shift[rest] += own
        held = np.stack(
            [
                reach(one, points, leg, ankle + off)
                for one, points, ankle, off in zip(held, joints, seen, shift, strict=True)
            ]
        )
    return held


def _rests(contact: Array, rule: HoldRule) -> list[slice]:
    """Where a foot rests, with the rule's hysteresis."""
    rests, start = [], None
    for index, probability in enumerate(contact):
        if start is None and probability >= rule.begin:
            start = index
        elif start is not None and probability < rule.end:
            rests.append(slice(start, index))
            start = None
    return rests if start is None else [*rests, slice(start, len(contact))]


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
    """A shift of an ankle, cut to what the rule allows across and along its viewing ray."""
    ray = seen / max(float(np.linalg.norm(seen)), 1e-6)
    along = float(np.clip(shift @ ray, -rule.along, rule.along))
    across = shift - (shift @ ray) * ray
    length = float(np.linalg.norm(across))
    return np.asarray(along * ray + across * min(1.0, rule.across / max(length, 1e-9)))


def _between(start: Array, end: Array) -> Array:
    """(3, 3) the smallest rotation from one direction to another."""
    axis = cross(start, end)
    sine = float(np.linalg.norm(axis))
    if sine < 1e-12:
        return np.eye(3)
    return turn(np.arctan2(sine, float(start @ end)) * axis / sine)

"""Limbs that were hidden come back without a jump.

Where a limb's landmarks come back into sight, it goes in one tick from where it was guessed to
where it is seen. The difference is kept as a turn of each of its joints on top of what is seen, and
taken away at a steady pace ("inertialization", Bollo 2018): what the limb does meanwhile shows at
once.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genmo_rt.keypoints import LANDMARK_NAMES, NUM_LANDMARKS, Keypoints
from genmo_rt.live_math import axis_angle_to_rotmat, rotmat_to_axis_angle
from genmo_rt.skeleton import JOINT_NAMES, NUM_JOINTS

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class EaseRule:
    """When a landmark comes back, and how fast its limb does.

    Attributes:
        hidden: confidence under which a landmark is out of sight ...
        shown: ... until it is over this.
        after: seconds out of sight from which the way back is eased.
        speed: of the way back at the limb's end, metres per second.
        longest: seconds that the way back takes at most.
    """

    hidden: float = 0.25
    shown: float = 0.4
    after: float = 0.2
    speed: float = 1.0
    longest: float = 0.5


_TRUNK = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
_LIMBS: dict[str, tuple[tuple[str, ...], float]] = {
    "collar": (("shoulder",), 0.7),
    "shoulder": (("elbow", "wrist"), 0.6),
    "elbow": (("elbow", "wrist"), 0.3),
    "wrist": (("wrist", "index"), 0.1),
    "hip": (("knee", "ankle"), 0.85),
    "knee": (("knee", "ankle"), 0.45),
    "ankle": (("ankle", "heel", "foot_index"), 0.2),
    "foot": (("foot_index",), 0.1),
}
_MIDDLE: dict[str, tuple[tuple[str, ...], float]] = {
    "pelvis": (_TRUNK, 0.9),
    "spine1": (_TRUNK, 0.7),
    "spine2": (_TRUNK, 0.7),
    "spine3": (_TRUNK, 0.7),
    "neck": (("nose",), 0.2),
    "head": (("nose",), 0.2),
}


class Easing:
    """Eases one person's joints, tick after tick."""

    def __init__(self, rule: EaseRule | None = None) -> None:
        self._rule = rule or EaseRule()
        self._t = 0.0
        self._before: Array | None = None
        self._hidden_s = np.zeros(NUM_LANDMARKS)
        self._apart = np.zeros((NUM_JOINTS, 3))  # turns on top of what is seen, axis times angle
        self._pace = np.zeros(NUM_JOINTS)  # radians per second
        self._eased = False

    def turn(self, rotmat: Array) -> None:
        """Goes on in another camera at the same place: rotmat (3, 3), old to new."""
        self._apart[0] = rotmat @ self._apart[0]
        if self._before is not None:
            self._before = self._before.copy()
            self._before[0] = rotmat @ self._before[0]

    def step(self, t: float, local: Array, keypoints: Keypoints | None) -> Array:
        """Takes one tick.

        Args:
            t: seconds, later than the step before.
            local: (24, 3, 3) joint 0 in the camera, 1..23 relative to the parent.
            keypoints: that they were made from.
        Returns:
            (24, 3, 3).
        """
        before, dt = self._before, t - self._t
        self._t, self._before = t, local
        if before is None:
            return local
        back = self._come_back(dt, keypoints)
        if self._eased:
            self._go_on(dt)
        if back.any():
            joints = np.flatnonzero((_SHOWN_BY & back).any(1))
            apart = rotmat_to_axis_angle(before[joints] @ local[joints].transpose(0, 2, 1))
            self._apart[joints] = apart
            self._pace[joints] = np.maximum(
                self._rule.speed / _LEVER_M[joints], _length(apart) / self._rule.longest
            )
            self._eased = True
        if self._eased:
            self._before = axis_angle_to_rotmat(self._apart) @ local
        return self._before

    def _come_back(self, dt: float, keypoints: Keypoints | None) -> NDArray[np.bool_]:
        """(33,) the landmarks that were out of sight for a while and are not now."""
        rule = self._rule
        if keypoints is None:
            self._hidden_s += dt
            return np.zeros(NUM_LANDMARKS, np.bool_)
        shown = keypoints.confidence > rule.shown
        back = shown & (self._hidden_s >= rule.after)
        self._hidden_s[keypoints.confidence < rule.hidden] += dt
        self._hidden_s[shown] = 0.0
        return back

    def _go_on(self, dt: float) -> None:
        angle = _length(self._apart)
        left = np.maximum(angle - self._pace * dt, 0.0)
        self._apart *= (left / np.maximum(angle, 1e-9))[:, None]
        self._eased = bool(left.any())


def _tables() -> tuple[NDArray[np.bool_], Array]:
    """(24, 33) which landmarks show a joint's turn, and (24,) how far its limb's end is, metres."""
    limbs = dict(_MIDDLE)
    for side in ("left", "right"):
        for name, (landmarks, lever) in _LIMBS.items():
            limbs[f"{side}_{name}"] = tuple(f"{side}_{one}" for one in landmarks), lever
    shown_by = np.zeros((NUM_JOINTS, NUM_LANDMARKS), np.bool_)
    levers = np.ones(NUM_JOINTS)
    for name, (landmarks, lever) in limbs.items():
        shown_by[JOINT_NAMES.index(name), [LANDMARK_NAMES.index(one) for one in landmarks]] = True
        levers[JOINT_NAMES.index(name)] = lever
    return shown_by, levers


def _length(vector: Array) -> Array:
    return np.asarray(np.sqrt((vector * vector).sum(-1)))


_SHOWN_BY, _LEVER_M = _tables()

"""Which heels and toes rest: what the model says of contacts, and what the picture shows of them.

A resting point stays where it is in the picture of a steady camera, up to the noise of the 2D
stage; that is often surer than the model, which says of a long stand on one leg only "perhaps".
Both kinds of evidence are log odds, gathered over time by a hidden Markov model of two states.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genmo_rt.camera import Intrinsics
from genmo_rt.clock import TICK_HZ
from genmo_rt.keypoints import LANDMARK_NAMES, Keypoints

Array = NDArray[np.float64]

POINTS = np.array(
    [
        LANDMARK_NAMES.index(f"{side}_{part}")
        for side in ("left", "right")
        for part in ("heel", "foot_index")
    ]
)
"""The landmarks of what may rest, in the order of the first four contacts."""

_ANKLES = np.array([LANDMARK_NAMES.index(f"{side}_ankle") for side in ("left", "right")])
SLACK_S = 0.01  # a frame that is this much too near in time still counts
LONGEST_S = 0.2  # evidence of one tick counts for no more time than this
GAP_S = 0.3  # a foot that was not seen for longer may have gone, and rest again


@dataclass(frozen=True, slots=True)
class RestRule:
    """How evidence is weighed. Fitted to held-out clips, and the same on real video (log.md).

    Attributes:
        contact: weight of the model's log odds.
        speed: weight of the logarithm of how much slower than `still` a point is seen to move.
        still: metres per second at the person's distance.
        floor: metres per second that no landmark falls below.
        short, long: seconds over which that speed is measured.
        share: weight of the short one.
        along: what an estimated metre per second along the viewing ray counts in the long one.
        sure: confidence from which the picture counts in full.
        bias: log odds; a foot that rests and is not held is worse than the other way round.
        gather: share of a tick's evidence that is new, next to its neighbours'.
        begin, end: times per second that a point comes to rest, and leaves.
        most: log odds are kept within plus and minus this.
        sharp: factor on them in the end: evidence that is left out makes them too small.
    """

    contact: float = 0.75
    speed: float = 1.3
    still: float = 0.5
    floor: float = 0.02
    short: float = 0.1
    long: float = 0.2
    share: float = 0.45
    along: float = 0.8
    sure: float = 0.8
    bias: float = 0.5
    gather: float = 0.8
    begin: float = 2.0
    end: float = 1.5
    most: float = 2.5
    sharp: float = 2.0


Timed = tuple[float, Keypoints | None]
"""Capture time in seconds, and the landmarks seen then."""


class RestDetector:
    """Follows one person's feet, tick after tick."""

    def __init__(self, intrinsics: Intrinsics, rule: RestRule | None = None) -> None:
        self._rule = rule or RestRule()
        self._focal = np.array([intrinsics.fx, intrinsics.fy])
        self._log_odds = np.zeros(4)
        self._t: float | None = None
        self._past: deque[tuple[float, Array, Array]] = deque(maxlen=16)

    def turn(self) -> None:
        """Goes on in another camera: what was seen before can't be compared."""
        self._past.clear()

    def step(
        self,
        t: float,
        contacts: Array,
        keypoints: Keypoints | None,
        depth: Array,
        ahead: Sequence[Timed] = (),
    ) -> Array:
        """Takes one tick's evidence.

        Args:
            t: seconds, later than the step before.
            contacts: (6,) the model's probabilities.
            keypoints: as a camera at rest sees them; None where there are none.
            depth: (4,) of POINTS as they are estimated, metres.
            ahead: what is known already of the ticks after, in order.
        Returns:
            (4,) probability that each of POINTS rests and has rested since the step before.
        """
        rule = self._rule
        told = np.clip(contacts[:4], 0.01, 0.99)
        evidence = rule.contact * np.log(told / (1 - told)) + rule.bias
        gap = self._t is not None and t - self._t > GAP_S
        if keypoints is not None:
            evidence += self._seen(t, keypoints, depth, ahead)
        elif gap:
            evidence[:] = -rule.most  # contacts are of now: they don't tell where it was before
        if self._t is None:
            self._log_odds = evidence
        dt = 0.0 if self._t is None else min(t - self._t, LONGEST_S)
        self._t = t
        rests = 1 / (1 + np.exp(-self._log_odds))
        rests = rests * np.exp(-dt * rule.end) + (1 - rests) * (1 - np.exp(-dt * rule.begin))
        odds = np.log(rests / (1 - rests)) + rule.gather * TICK_HZ * dt * evidence
        self._log_odds = np.clip(odds, -rule.most, rule.most)
        return np.asarray(1 / (1 + np.exp(-rule.sharp * self._log_odds)))

    def _seen(self, t: float, keypoints: Keypoints, depth: Array, ahead: Sequence[Timed]) -> Array:
        """(4,) log odds of what the picture shows."""
        rule = self._rule
        here = self._places(keypoints)
        after = [(then, seen) for then, seen in ahead if seen is not None]
        past = self._past
        if len(past) > 1 and past[-1][0] - past[-2][0] > GAP_S:
            past = self._past = deque([past[-1]], maxlen=past.maxlen)
        if past and past[-1][0] == t:  # a tick that is taken again
            past.pop()
        past.append((t, here, depth))
        if len(past) == 1:
            return np.zeros(4)
        speeds = []
        for window, along in ((rule.short, 0.0), (rule.long, rule.along)):
            then, there, deep = next(
                (p for p in reversed(past) if _apart(t, p[0], window)), past[0]
            )
            dt = min(t - then, GAP_S)  # whatever moved in a gap did so at once, for all we know
            speed = _length(here - there) / dt
            later = next((p for p in after if _apart(p[0], t, window)), None)
            if later is not None:
                # What has just come or is about to go rests on one side in time only.
                gone = _length(self._places(later[1]) - here) / (later[0] - t)
                speed = np.minimum(speed, gone)
            speed = np.hypot(speed * depth, along * (depth - deep) / dt)
            speeds.append(np.log(speed + rule.floor))
        slow = np.log(rule.still) - rule.share * speeds[0] - (1 - rule.share) * speeds[1]
        sure = np.minimum(keypoints.confidence[POINTS] / rule.sure, 1.0) ** 2
        return np.asarray(rule.speed * sure * slow)

    def _places(self, keypoints: Keypoints) -> Array:
        """(4, 2) halfway between ankle and heel or toe, which trembles less than either; rays."""
        pixels = keypoints.pixels
        middle = (pixels[POINTS].reshape(2, 2, 2) + pixels[_ANKLES][:, None]) / 2
        return np.asarray(middle.reshape(4, 2) / self._focal)


def _apart(later: float, earlier: float, window: float) -> bool:
    return later - earlier >= window - SLACK_S


def _length(vector: Array) -> Array:
    return np.asarray(np.sqrt((vector * vector).sum(-1)))

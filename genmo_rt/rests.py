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
    """Follows one person's feet, tick after tick.

    Attributes:
        rule: how evidence is weighed.
        focal: (2,) of the camera, pixels.
        t: seconds, of the last step; None before the first.
        log_odds: (4,) that POINTS rested then.
    """

    def __init__(self, intrinsics: Intrinsics, rule: RestRule | None = None) -> None:
        self.rule = rule or RestRule()
        self.focal = np.array([intrinsics.fx, intrinsics.fy])
        self.t: float | None = None
        self.log_odds = np.zeros(4)
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
        taken = rest_together(
            [self], np.array([t]), contacts[None], [keypoints], depth[None], [ahead]
        )
        return np.asarray(taken[0])

    def remember(self, t: float, here: Array, depth: Array) -> None:
        """Notes where the points are seen, (4, 2) rays, and how far they are, (4,) metres."""
        past = self._past
        if len(past) > 1 and past[-1][0] - past[-2][0] > GAP_S:
            past = self._past = deque([past[-1]], maxlen=past.maxlen)
        if past and past[-1][0] == t:  # a tick that is taken again
            past.pop()
        past.append((t, here, depth))

    def before(self, t: float, window: float) -> tuple[float, Array, Array]:
        """What is remembered of so many seconds before t, or of the longest ago."""
        past = self._past
        return next((p for p in reversed(past) if _apart(t, p[0], window)), past[0])

    @property
    def followed(self) -> bool:
        """Whether there is something to compare what was remembered last with."""
        return len(self._past) > 1


def rest_together(
    detectors: Sequence[RestDetector],
    t: Array,
    contacts: Array,
    keypoints: Sequence[Keypoints | None],
    depth: Array,
    ahead: Sequence[Sequence[Timed]],
) -> Array:
    """RestDetector.step of several persons at once.

    Args:
        detectors: P distinct ones, of one RestRule.
        t: (P,) seconds, each later than the step before.
        contacts: (P, 6).
        keypoints: of each.
        depth: (P, 4).
        ahead: of each.
    Returns:
        (P, 4).
    """
    rule = detectors[0].rule
    told = np.clip(contacts[:, :4], 0.01, 0.99)
    evidence = rule.contact * np.log(told / (1 - told)) + rule.bias
    seen = [n for n, one in enumerate(keypoints) if one is not None]
    if seen:
        evidence[seen] += _seen_together(detectors, t, keypoints, depth, ahead, seen)
    begun = np.array([of.t is not None for of in detectors])
    before = np.array([now if of.t is None else of.t for of, now in zip(detectors, t, strict=True)])
    gap = t - before > GAP_S
    gap[seen] = False
    evidence[gap] = -rule.most  # contacts are of now: they don't tell where it was before
    known = np.stack([of.log_odds for of in detectors])
    log_odds = np.where(begun[:, None], known, evidence)
    dt = np.minimum(t - before, LONGEST_S)[:, None]
    rests = 1 / (1 + np.exp(-log_odds))
    rests = rests * np.exp(-dt * rule.end) + (1 - rests) * (1 - np.exp(-dt * rule.begin))
    odds = np.log(rests / (1 - rests)) + rule.gather * TICK_HZ * dt * evidence
    log_odds = np.clip(odds, -rule.most, rule.most)
    for of, now, row in zip(detectors, t.tolist(), log_odds, strict=True):
        of.t, of.log_odds = now, row
    return np.asarray(1 / (1 + np.exp(-rule.sharp * log_odds)))


def _seen_together(
    detectors: Sequence[RestDetector],
    t: Array,
    keypoints: Sequence[Keypoints | None],
    depth: Array,
    ahead: Sequence[Sequence[Timed]],
    seen: Sequence[int],
) -> Array:
    """(S, 4) log odds of what the pictures show of those that are seen."""
    rule = detectors[0].rule
    there_are = [one for one in keypoints if one is not None]
    focal = np.stack([detectors[n].focal for n in seen])
    here = _places(np.stack([one.pixels for one in there_are]), focal)  # (S, 4, 2)
    now, deep = t[seen], depth[seen]
    for row, n in enumerate(seen):
        detectors[n].remember(float(now[row]), here[row], deep[row])
    speeds = []
    for window, along in ((rule.short, 0.0), (rule.long, rule.along)):
        found = [detectors[n].before(float(t[n]), window) for n in seen]
        then = np.array([at for at, _, _ in found])
        there, deeper = (np.stack([one[k] for one in found]) for k in (1, 2))
        dt = np.minimum(
            now - then, GAP_S
        )  # whatever moved in a gap did so at once, for all we know
        dt = np.where(dt > 0, dt, 1.0)[:, None]
        speed = _length(here - there) / dt
        for row, n in enumerate(seen):
            after = ((at, one) for at, one in ahead[n] if _apart(at, now[row], window))
            later, there_then = next((p for p in after if p[1] is not None), (0.0, None))
            if there_then is not None:
                # What has just come or is about to go rests on one side in time only.
                place = _places(there_then.pixels[None], focal[row, None])[0]
                gone = _length(place - here[row]) / (later - now[row])
                speed[row] = np.minimum(speed[row], gone)
        speed = np.hypot(speed * deep, along * (deep - deeper) / dt)
        speeds.append(np.log(speed + rule.floor))
    slow = np.log(rule.still) - rule.share * speeds[0] - (1 - rule.share) * speeds[1]
    confidence = np.stack([one.confidence for one in there_are])[:, POINTS]
    sure = np.minimum(confidence / rule.sure, 1.0) ** 2
    followed = np.array([detectors[n].followed for n in seen])
    return np.where(followed[:, None], rule.speed * sure * slow, 0.0)


def _places(pixels: NDArray[np.float32], focal: Array) -> Array:
    """(S, 4, 2) halfway between ankle and heel or toe, which trembles less than either; rays.

    Args:
        pixels: (S, 33, 2).
        focal: (S, 2).
    """
    points = pixels[:, POINTS].reshape(-1, 2, 2, 2)  # foot, heel or toe
    middle = (points + pixels[:, _ANKLES][:, :, None]) / 2
    return np.asarray(middle.reshape(-1, 4, 2) / focal[:, None])


def _apart(later: float, earlier: float, window: float) -> bool:
    return later - earlier >= window - SLACK_S


def _length(vector: Array) -> Array:
    return np.asarray(np.sqrt((vector * vector).sum(-1)))

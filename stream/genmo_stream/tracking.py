"""Who is in the picture: stable ids and states for the person that the 2D stage sees.

One person for now. Their id outlives being hidden or away; a clearly different person gets a
new one. Time is passed in: nothing here knows a clock.

- warmup: the first WARMUP_S seconds of a person who came in.
- tracked: seen.
- occluded: seen but mostly hidden, or not seen for up to BRIDGE_S (the estimator goes on alone).
- lost: not seen for longer; nobody is in the picture. Whoever comes in within RESUME_S of the
  last sight gets the id back, after that a new id is given.

Somebody else is seen when the torso jumps by more than MAX_JUMP of its size, or grows or shrinks
by more than MAX_GROWTH, from one sight to the next (the longer between, the more is allowed): the
2D stage has let go of one person and found another, who gets a new id, or the last one's who left
when found in the same place.
"""

from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from genmo_rt.clock import KEEP_S
from genmo_rt.keypoints import Keypoints
from genmo_stream.keypoints.measure import shoulder_centre, torso_size

WARMUP_S = 0.15
BRIDGE_S = 1.0
RESUME_S = KEEP_S

BODY = (11, 12, 23, 24, 25, 26, 27, 28)  # shoulders, hips, knees, ankles
SEEN_CONFIDENCE = 0.5  # a landmark seen, rather than guessed
MIN_SEEN = 2  # of BODY, or the person is mostly hidden: a head and shoulders are enough
MAX_JUMP = 2.5  # torsos, at once ...
JUMP_PER_S = 6.0  # ... and more per second between two sights
MAX_GROWTH = 2.0  # at once ...
GROWTH_PER_S = 2.0  # ... and more per second between two sights


class PersonState(IntEnum):
    """The wire's numbers."""

    LOST = 0
    WARMUP = 1
    TRACKED = 2
    OCCLUDED = 3
    GENERATED = 4


@dataclass(frozen=True, slots=True)
class Observation:
    """Who is in one frame.

    Attributes:
        person: id, counted from 1; None when nobody is in the picture.
        state: LOST exactly when person is None.
        keypoints: the landmarks seen, None while the person is bridged or away.
        entered: person comes into the picture with this frame (new, or back after being lost).
        left: id of the person who left it with this frame, None if nobody did.
    """

    person: int | None
    state: PersonState
    keypoints: Keypoints | None
    entered: bool
    left: int | None


@dataclass(frozen=True, slots=True)
class _Track:
    """A person, with the time and landmarks of the last sight.

    Attributes:
        person: their id.
        since: time at which they came in.
        seen: time of the last sight.
        keypoints: the landmarks then.
    """

    person: int
    since: float
    seen: float
    keypoints: Keypoints

    def could_be(self, keypoints: Keypoints, t: float) -> bool:
        """Tells whether these landmarks can be the same person, as far as place and size go."""
        gap = t - self.seen
        centre, torso = _place(keypoints)
        last_centre, last_torso = _place(self.keypoints)
        jump = np.linalg.norm(centre - last_centre)
        growth = max(torso / last_torso, last_torso / torso)
        return bool(
            jump <= (MAX_JUMP + JUMP_PER_S * gap) * max(torso, last_torso)
            and growth <= MAX_GROWTH + GROWTH_PER_S * gap
        )


class PersonTracker:
    """Turns the 2D stage's landmarks, frame by frame, into a person with an id and a state."""

    def __init__(self) -> None:
        self._present: _Track | None = None
        self._away: _Track | None = None
        self._ids_given = 0

    def update(self, keypoints: Keypoints | None, t: float) -> Observation:
        """Takes what the 2D stage saw in the next frame.

        Args:
            keypoints: the landmarks of the person seen, None when nobody was.
            t: the frame's capture time in seconds; grows from call to call.
        """
        if keypoints is None:
            return self._unseen(t)
        return self._seen(keypoints, t)

    def _unseen(self, t: float) -> Observation:
        track = self._present
        if track is not None and t - track.seen <= BRIDGE_S:
            return Observation(track.person, PersonState.OCCLUDED, None, entered=False, left=None)
        self._present, self._away = None, track or self._away
        left = None if track is None else track.person
        return Observation(None, PersonState.LOST, None, entered=False, left=left)

    def _seen(self, keypoints: Keypoints, t: float) -> Observation:
        track = self._present
        stays = track is not None and t - track.seen <= RESUME_S and track.could_be(keypoints, t)
        if track is not None and stays:
            self._present = replace(track, seen=t, keypoints=keypoints)
        else:
            self._present = _Track(self._id_of_newcomer(keypoints, t), t, t, keypoints)
            self._away = track
        left = None if track is None or stays else track.person
        return Observation(
            self._present.person, self._state(keypoints, t), keypoints, not stays, left
        )

    def _id_of_newcomer(self, keypoints: Keypoints, t: float) -> int:
        """The id of who is away, if this can be them, else a new one."""
        away = self._away
        if away is not None and t - away.seen <= RESUME_S:
            replaces_somebody = self._present is not None
            if not replaces_somebody or away.could_be(keypoints, t):
                return away.person
        self._ids_given += 1
        return self._ids_given

    def _state(self, keypoints: Keypoints, t: float) -> PersonState:
        assert self._present is not None  # only asked about a person just seen
        if t - self._present.since < WARMUP_S:
            return PersonState.WARMUP
        return PersonState.OCCLUDED if _is_mostly_hidden(keypoints) else PersonState.TRACKED


def _place(keypoints: Keypoints) -> tuple[NDArray[np.floating], float]:
    """Shoulder centre and torso size, as shares of the picture's longer edge."""
    edge = max(keypoints.image_size)  # a sender may change its resolution at any time
    return shoulder_centre(keypoints.pixels) / edge, torso_size(keypoints.pixels) / edge


def _is_mostly_hidden(keypoints: Keypoints) -> bool:
    body = keypoints.pixels[list(BODY)]
    inside = ((body >= 0) & (body <= keypoints.image_size)).all(axis=1)
    seen = inside & (keypoints.confidence[list(BODY)] >= SEEN_CONFIDENCE)
    return int(seen.sum()) < MIN_SEEN

"""Who is in a frame, once it is known who is who."""

from dataclasses import dataclass
from enum import IntEnum

from genmo_rt.keypoints import Keypoints


class PersonState(IntEnum):
    """The wire's numbers."""

    LOST = 0
    WARMUP = 1
    TRACKED = 2
    OCCLUDED = 3
    GENERATED = 4


@dataclass(frozen=True, slots=True)
class Observation:
    """One person who is in one frame.

    Attributes:
        person: id, counted from 1.
        state: never LOST: who is lost isn't observed.
        keypoints: the landmarks seen, None while the person is bridged.
        moved: somebody else was taken for them until now: their path doesn't go on from there.
    """

    person: int
    state: PersonState
    keypoints: Keypoints | None
    moved: bool = False

"""Tells viewers of a stream's persons and their bones: enter, update, leave."""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from genmo_stream.hub import Hub
from genmo_stream.thinker import Posed
from genmo_stream.wire import Skeleton, Subject, bone_offsets

BONE_CHANGE_M = 0.005  # a smaller change of every bone is not worth an update
UPDATE_PERIOD_S = 1.0

Floats = NDArray[np.float32]


class Subjects:
    """The persons viewers know of, with the bones they were last told."""

    def __init__(
        self,
        hub: Hub,
        body: Literal["builtin", "smpl"],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hub = hub
        self._body: Literal["builtin", "smpl"] = body
        self._clock = clock
        self._rev = 0
        self._told: dict[int, Subject] = {}
        self._told_at: dict[int, float] = {}

    def __len__(self) -> int:
        return len(self._told)

    def update(self, there: Collection[int], bodies: Mapping[int, Posed]) -> None:
        """Tells who came, left or has another body now.

        Args:
            there: everybody in the picture.
            bodies: the running shapes of those who have poses; others are told of later.
        """
        for gone in [known for known in self._told if known not in there]:
            self._leave(gone)
        for person, body in sorted(bodies.items()):
            known = self._told.get(person)
            if known is None:
                self._tell(person, "enter", body, bone_offsets(body.rest_joints))
            elif self._clock() - self._told_at[person] >= UPDATE_PERIOD_S:
                offsets = bone_offsets(body.rest_joints)
                if np.linalg.norm(offsets - known.offsets, axis=1).max() > BONE_CHANGE_M:
                    self._tell(person, "update", body, offsets)

    def clear(self) -> None:
        """Everyone leaves: the stream ended."""
        for person in tuple(self._told):
            self._leave(person)

    def _tell(
        self,
        person: int,
        state: Literal["enter", "update"],
        body: Posed,
        offsets: Floats,
    ) -> None:
        self._told_at[person] = self._clock()
        shape = body.shape
        subject = Subject(
            person=person,
            state=state,
            body=self._body,
            betas=shape if self._body == "smpl" else np.zeros_like(shape),
            shape=shape,
            height_m=body.height_m,
            offsets=offsets,
        )
        self._told[person] = subject
        if person == min(self._told):
            self._tell_skeleton()
        self._hub.set_subject(subject)

    def _leave(self, person: int) -> None:
        was_oldest = person == min(self._told)
        self._told_at.pop(person)
        self._hub.set_subject(replace(self._told.pop(person), state="leave"))
        if was_oldest and self._told:
            self._tell_skeleton()

    def _tell_skeleton(self) -> None:
        """The stream's skeleton is the oldest person's; everybody's bones are in `subject`."""
        self._rev += 1
        self._hub.set_skeleton(Skeleton(self._rev, self._told[min(self._told)].offsets))

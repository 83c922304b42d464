"""Who publishes which stream: one at a time, whatever way they send."""

import math
from dataclasses import dataclass
from typing import Protocol

from genmo_stream.problem import Problem

TAKEN_OVER = "another publisher took the stream over"


class Publisher(Protocol):
    """What is asked of a source of frames."""

    @property
    def live(self) -> bool:
        """Whether frames came during the last seconds."""

    @property
    def ended(self) -> bool:
        """Whether the publisher is gone."""

    async def close(self, reason: str = ...) -> None:
        """Lets the publisher go and tells it why."""


@dataclass(frozen=True, slots=True)
class _Place:
    identity: str | None
    publisher: Publisher


class Publishers:
    """The present publisher of each stream, shared by all ways in. Event-loop only."""

    def __init__(self, stalled_after_s: float = 3.0) -> None:
        """Nobody yet; who was silent for stalled_after_s (their `live` says so) may be replaced."""
        self._stalled_after_s = stalled_after_s
        self._places: dict[str, _Place] = {}

    def check_free(self, stream: str, identity: str | None) -> None:
        """Whether somebody of this identity may publish now.

        Raises:
            Problem: 409, another is live and has another token or none.
        """
        current = self._places.get(stream)
        if current is None or not current.publisher.live:
            return
        if identity is None or identity != current.identity:
            raise Problem(
                409,
                f"stream {stream} has a publisher; stop it, wait until it has been silent for "
                f"{self._stalled_after_s:g} s, or use its token to take over",
                {"Retry-After": str(math.ceil(self._stalled_after_s))},
            )

    def take(self, stream: str, identity: str | None, publisher: Publisher) -> Publisher | None:
        """Gives the stream's place to a publisher whose frames are on their way to it.

        Returns:
            Who had it before: close them, with TAKEN_OVER. Viewers see no end then.
        """
        before = self._places.get(stream)
        self._places[stream] = _Place(identity, publisher)
        self.forget_ended()
        return None if before is None else before.publisher

    def forget_ended(self) -> None:
        """Lets go of all that held the publishers who are gone."""
        ended = [name for name, place in self._places.items() if place.publisher.ended]
        for name in ended:
            del self._places[name]

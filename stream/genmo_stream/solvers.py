"""Which estimator a frame goes to: one person's at a time, all in the world of one camera."""

from collections import deque
from dataclasses import dataclass

from genmo_rt.camera import Intrinsics
from genmo_rt.estimate import Estimator, StreamEstimator
from genmo_rt.world import World
from genmo_stream.seen import Seen
from genmo_stream.tracking import Observation
from genmo_stream.whip import PublishOptions

ASPECT_TOLERANCE = 0.01  # encoders round sides to even numbers when they scale a picture


@dataclass(frozen=True, slots=True)
class Followed:
    """A frame with who is in it.

    Attributes:
        seen: the frame.
        observation: the person in it.
    """

    seen: Seen
    observation: Observation


class Solvers:
    """A stream's estimators, one after the other, and its world; event-loop only."""

    def __init__(self, estimator: Estimator) -> None:
        self._estimator = estimator
        self._options = PublishOptions()
        self._solver: StreamEstimator | None = None
        self._world: World | None = None  # handed from person to person
        self._person: int | None = None  # whose pose the solver estimates
        self._image_size = (0, 0)
        self._pending: deque[Followed] = deque()  # frames whose poses are still to come

    @property
    def person(self) -> int | None:
        """Whose poses the estimator gives now; None before anybody was seen."""
        return self._person

    @property
    def solving(self) -> bool:
        """Whether a person has a place in the engine."""
        return self._solver is not None

    def adopt(self, options: PublishOptions) -> None:
        """Takes over what a new publisher says about its camera."""
        self._pending.clear()
        if options.fov != self._options.fov:
            self._world = None  # another camera, in another world
        if options != self._options:
            self._end()
        self._options = options

    def of(self, followed: Followed) -> StreamEstimator:
        """The estimator of who is seen; a new one for a new person or another camera.

        Raises:
            EngineFull: there is no place for one more.
        """
        seen, person = followed.seen, followed.observation.person
        if self._solver is not None and self._turned(seen.image_size):
            self._end()
            self._world = None  # a turned phone is another camera
        same = person is None or self._person is None or person == self._person
        self._person = person or self._person
        if self._solver is None or not same:
            self._end()
            self._image_size = seen.image_size
            self._solver = self._estimator.stream(
                seen.intrinsics or Intrinsics.of_picture(*seen.image_size, self._options.fov),
                height_m=self._options.height_m,
                delay=self._options.delay,
                world=self._world,
            )
            self._world = self._solver.world
        return self._solver

    def due(self, followed: Followed) -> list[Followed]:
        """The frames whose poses come with this one: itself, or those `delay` ticks ago."""
        self._pending.append(followed)
        last = followed.seen.tick.index - self._options.delay
        due = []
        while self._pending and self._pending[0].seen.tick.index <= last:
            due.append(self._pending.popleft())
        return due

    def forget(self) -> None:
        """Drops the estimator with its world."""
        self._end()
        self._world = None
        self._pending.clear()

    def _end(self) -> None:
        """The person's place in the engine is free for another."""
        if self._solver is not None:
            self._solver.close()
            self._solver = None

    def _turned(self, image_size: tuple[int, int]) -> bool:
        """Whether the picture's proportions are others than the solver's."""
        width, height = image_size
        known_width, known_height = self._image_size
        return abs(width * known_height / (height * known_width) - 1) > ASPECT_TOLERANCE

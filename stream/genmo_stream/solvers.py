"""Which estimator a frame's persons go to: one each, all in the world of one camera."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from genmo_rt.camera import Intrinsics
from genmo_rt.clock import KEEP_S, MAX_CATCH_UP, Tick
from genmo_rt.errors import EngineFull
from genmo_rt.estimate import Estimator, Step, StreamEstimator, advance_together
from genmo_rt.keypoints import Keypoints
from genmo_rt.pose import Pose
from genmo_rt.world import World
from genmo_stream.observation import Observation
from genmo_stream.publish_options import PublishOptions
from genmo_stream.seen import Seen

ASPECT_TOLERANCE = 0.01  # encoders round sides to even numbers when they scale a picture
FOCAL_TOLERANCE = 0.05  # a sender may refine what it knows of its camera


@dataclass(frozen=True, slots=True)
class Followed:
    """A frame with who is in it.

    Attributes:
        seen: the frame.
        persons: who is in it, oldest id first.
        number: of the stream's frames that were followed, whoever published them.
    """

    seen: Seen
    persons: tuple[Observation, ...]
    number: int = 0

    def keypoints_of(self, person: int) -> Keypoints | None:
        """What was seen of a person; None where nothing was."""
        return next((p.keypoints for p in self.persons if p.person == person), None)


@dataclass(slots=True)
class Solver:
    """One person's estimator.

    Attributes:
        person: whose.
        estimator: in the stream's world.
        last: the tick that it was advanced to; None before the first.
        used_t: when the person was in the picture last, seconds.
        afresh: the next tick doesn't go on from the last one, and the floor stays where it is.
    """

    person: int
    estimator: StreamEstimator
    last: Tick | None
    used_t: float
    afresh: bool

    def own(self, tick: Tick) -> Tick:
        """The tick as this person's estimator must take it: what it missed is its own matter.

        The world is the stream's: no single person resets it.
        """
        last, self.last = self.last, tick
        missed = 0 if last is None else tick.index - last.index - 1
        set_back = last is not None and tick.restart
        restart, self.afresh = self.afresh or set_back or missed > MAX_CATCH_UP, False
        return replace(tick, missed=0 if restart else missed, restart=restart, reset=False)


def steps(solvers: Sequence[Solver], followed: Followed) -> list[Step]:
    """What every person's estimator is to be advanced with, for a frame; to be asked once."""
    tick = followed.seen.tick
    return [(s.estimator, s.own(tick), followed.keypoints_of(s.person)) for s in solvers]


def advance_all(solvers: Sequence[Solver], followed: Followed) -> list[list[tuple[Pose, bool]]]:
    """Every person's poses that come with a frame; blocks for some ms."""
    return advance_together(steps(solvers, followed))


class Solvers:
    """A stream's estimators and its world; event-loop only."""

    def __init__(self, estimator: Estimator) -> None:
        self._estimator = estimator
        self._options = PublishOptions()
        self._solvers: dict[int, Solver] = {}  # by person
        self._world: World | None = None
        self._image_size = (0, 0)
        self._intrinsics: Intrinsics | None = None  # of the persons' camera
        self._pending: deque[Followed] = deque()  # frames whose poses are still to come

    @property
    def places(self) -> int:
        """How many places in the engine its persons have, those away for a moment included."""
        return len(self._solvers)

    @property
    def delay(self) -> int:
        """Ticks by which poses come later than their frames."""
        return self._options.delay

    def adopt(self, options: PublishOptions) -> None:
        """Takes over what a new publisher says about its camera."""
        self._pending.clear()
        if options.fov != self._options.fov:
            self._world = None  # another camera, in another world
        if options != self._options:
            self._end(tuple(self._solvers))
        self._options = options

    def of(self, followed: Followed) -> list[Solver]:
        """The estimators to advance with this frame: of all in it or in a pose still to come.

        Raises:
            EngineFull: there is no place for one more.
        """
        seen = followed.seen
        is_another_camera = bool(self._solvers) and self._is_another_camera(seen)  # a turned phone
        if seen.tick.reset or is_another_camera:
            self.forget()
        self._world = self._world or World()
        self._world.move_camera(seen.tick.t, seen.camera)
        self._pending.append(followed)
        t = seen.tick.t
        self._end([s.person for s in self._solvers.values() if t - s.used_t > KEEP_S])
        active = sorted({p.person for frame in self._pending for p in frame.persons})
        others = any(person in self._solvers for person in active)
        for person in active:
            if person in self._solvers:
                self._solvers[person].used_t = t
        for observation in followed.persons:
            if observation.person not in self._solvers:
                self._place(observation, seen, beside_others=others)
                others |= observation.person in self._solvers
            elif observation.moved:
                self._solvers[observation.person].afresh = True
        return [self._solvers[person] for person in active if person in self._solvers]

    def _place(self, newcomer: Observation, seen: Seen, *, beside_others: bool) -> None:
        """Gives somebody an estimator; beside others, one who finds no place goes without."""
        if newcomer.keypoints is None:
            return
        t = seen.tick.t
        away = [solver for solver in self._solvers.values() if solver.used_t < t]
        try:
            estimator = self._start(seen)
        except EngineFull:
            if away:  # who is in the picture goes before who may come back
                self._end([min(away, key=lambda solver: solver.used_t).person])
            elif self._solvers:
                return
            estimator = self._start(seen)
        self._solvers[newcomer.person] = Solver(
            newcomer.person, estimator, None, t, afresh=beside_others
        )

    def due(self, followed: Followed) -> list[Followed]:
        """The frames whose poses come with this one: itself, or those `delay` ticks ago."""
        last = followed.seen.tick.index - self._options.delay
        due = []
        while self._pending and self._pending[0].seen.tick.index <= last:
            due.append(self._pending.popleft())
        return due

    def forget(self) -> None:
        """Drops the estimators with their world."""
        self._end(tuple(self._solvers))
        self._world = None
        self._pending.clear()

    def _start(self, seen: Seen) -> StreamEstimator:
        self._image_size, self._intrinsics = seen.image_size, self._camera_of(seen)
        estimator = self._estimator.stream(
            self._intrinsics,
            height_m=self._options.height_m,
            delay=self._options.delay,
            world=self._world,
        )
        self._world = estimator.world
        return estimator

    def _end(self, persons: Iterable[int]) -> None:
        """These persons' places in the engine are free for others."""
        for person in persons:
            self._solvers.pop(person).estimator.close()

    def _is_another_camera(self, seen: Seen) -> bool:
        """Whether the picture's proportions or its focal length are others than the world's."""
        width, height = seen.image_size
        known_width, known_height = self._image_size
        turned = abs(width * known_height / (height * known_width) - 1) > ASPECT_TOLERANCE
        if turned or self._intrinsics is None:
            return True
        focal, known_focal = self._camera_of(seen).fx / width, self._intrinsics.fx / known_width
        return abs(focal / known_focal - 1) > FOCAL_TOLERANCE

    def _camera_of(self, seen: Seen) -> Intrinsics:
        """As the sender gave it, or as its field of view says."""
        return seen.intrinsics or Intrinsics.of_picture(*seen.image_size, self._options.fov)

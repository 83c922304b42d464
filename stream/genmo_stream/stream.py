"""One camera: frames seen → who is who → estimators → poses, and its orderly end.

Two tasks hand along one item at a time, so that the 2D stage works on the next frame while the
estimators work on this one; frames that come meanwhile wait in the source, where the newest wins.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace

from genmo_rt.clock import KEEP_S, Tick, TickClock
from genmo_rt.estimate import Estimator
from genmo_rt.pose import Pose
from genmo_stream.eye import Eye, FrameTap
from genmo_stream.frame import CaptureClock
from genmo_stream.hub import Hub
from genmo_stream.ingest import FrameSource, SourceEnded
from genmo_stream.keypoints import KeypointStage
from genmo_stream.ladder import Ladder, Rung
from genmo_stream.ledger import Ledger, Rate
from genmo_stream.listener import SightedPerson, Sighting, Solved
from genmo_stream.memory import trim
from genmo_stream.mind import Mind, ThreadMind
from genmo_stream.observation import PersonState
from genmo_stream.publish_options import PublishOptions
from genmo_stream.seen import Seen, SeenSource, SourceKind
from genmo_stream.solvers import Followed
from genmo_stream.subjects import Subjects
from genmo_stream.thinker import Advance, Posed, Thinker, Thought
from genmo_stream.tracking import MAX_PERSONS, PersonTracker
from genmo_stream.turns import Turns
from genmo_stream.wire import (
    ErrorMessage,
    LatencyMs,
    PoseFlag,
    PoseMessage,
    PosePerson,
    Stages,
    Stats,
    StreamState,
)
from genmo_stream.wire.sensors import BAD_SENSOR

STALL_S = 3.0  # without media for this long a stream is stalled

logger = logging.getLogger(__name__)

Poses = Mapping[int, tuple[Posed, Pose]]
"""The poses of one frame by person, each with the body it is of."""


class Stream:
    """A named stream; it outlives its publishers by KEEP_S, so that a reconnect resumes.

    Not thread-safe: lives on the event loop. The blocking stages run in other threads.

    Attributes:
        takes_publishers: whether a camera may publish to it.
    """

    takes_publishers = True

    def __init__(
        self,
        name: str,
        hub: Hub,
        estimator: Estimator,
        make_stage: Callable[[], KeypointStage],
        *,
        max_persons: int = MAX_PERSONS,
        mind: Mind | None = None,
        turns: Turns | None = None,
        ladder: Ladder | None = None,
        tap: FrameTap | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Starts a stream that nobody publishes yet.

        Args:
            name: as in its URLs.
            hub: its viewers.
            estimator: weights and body.
            make_stage: makes a 2D stage for each publisher; called in a thread.
            max_persons: in the picture at once; more aren't followed.
            mind: runs the estimators, those of the server's other streams with them; None: one
                of its own, in this process.
            turns: at the 2D workers, which the server's other streams use too; None: workers of
                its own.
            ladder: how much of the video is looked at; None: all that fits.
            tap: sees every frame that is used.
            clock: seconds, steady; the same that sources use.
        """
        self.name = name
        self.hub = hub
        self.ledger = Ledger()
        self.subjects = Subjects(hub, estimator.body.name)
        self._make_stage = make_stage
        self._mind = mind or ThreadMind(Thinker(estimator))
        self._number = self._mind.new_stream()
        self._publisher = 0
        self._options = PublishOptions()
        self._places = 0
        self._thought_of = False  # the mind knows this stream
        self._waiting: dict[int, Followed] = {}  # frames whose poses are still to come, by number
        self._followed = 0
        self._turns = turns or Turns()
        self._ladder = ladder or Ladder()
        self._tap = tap
        self._now = clock
        self._clock = TickClock()
        self._tracker = PersonTracker(max_persons)
        self._source: SeenSource | None = None
        self._tasks: set[asyncio.Task[None]] = set()  # of this publisher, and of one that ends
        self._turn = asyncio.Lock()  # held by the publisher that is served
        self._used_at = clock()
        self._fps_out = Rate(clock)
        self._past_received = 0
        self._past_dropped = 0
        self._late = 0

    @property
    def live(self) -> bool:
        """Whether a publisher is connected."""
        return self._source is not None

    @property
    def source(self) -> SourceKind | None:
        """What the publisher sends; None without one."""
        return self._source.kind if self._source else None

    @property
    def rung(self) -> Rung | None:
        """How much of what the publisher sends is used; None without one."""
        if self.source is None:
            return None
        return self._ladder.rung if self.source == "video" else "full"

    @property
    def persons(self) -> int:
        """How many viewers know of now."""
        return len(self.subjects)

    @property
    def places(self) -> int:
        """Places it holds in the engine, live or for those who may come back."""
        return self._places

    @property
    def rested_s(self) -> float:
        """Seconds since a publisher left it or somebody asked for it."""
        return self._now() - self._used_at

    @property
    def idle(self) -> bool:
        """Whether nothing would be lost by forgetting this stream."""
        return not self.live and self.rested_s >= KEEP_S and self.hub.viewer_count == 0

    @property
    def received(self) -> int:
        """Frames that arrived, over all publishers."""
        return self._past_received + (self._source.received if self._source else 0)

    @property
    def dropped(self) -> int:
        """Frames that became no pose: overtaken by newer ones, or on a tick already taken."""
        dropped = self._past_dropped + (self._source.dropped if self._source else 0)
        return dropped + self._late

    @property
    def fps_in(self) -> float:
        """Frames per second that arrive now."""
        return round(self._source.fps_in, 1) if self._source else 0.0

    @property
    def fps_out(self) -> float:
        """Pose messages per second published now."""
        return self._fps_out.per_second()

    def touch(self) -> None:
        """Keeps the stream for KEEP_S more: somebody is about to use it."""
        self._used_at = self._now()

    def start(self, source: FrameSource, options: PublishOptions) -> None:
        """Takes a publisher's video; the publisher before it is ended first."""
        eye = Eye(source, self._make_stage, self._turns, self._ladder, self._tap, options.fov)
        self.watch(eye, options)

    def watch(self, source: SeenSource, options: PublishOptions) -> None:
        """Takes a publisher's frames, seen; the publisher before it is ended first."""
        self._cancel()
        self._count_past()
        self._source = source
        task = asyncio.create_task(self._run(source, options), name=f"stream {self.name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def forget(self) -> None:
        """Drops the persons and the world: nobody comes back to them."""
        if self._thought_of:
            self._mind.forget(self._number)
        self._places, self._thought_of = 0, False
        self._waiting.clear()

    async def close(self) -> None:
        """Ends the publisher, if any, and waits for the stream's tasks."""
        self._cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def report(self) -> None:
        """Tells viewers how the stream goes; to be called once a second."""
        state, source = self.hub.state, self._source
        if source is not None and state.state == "live":
            silent = self._now() - source.last_media_monotonic > STALL_S
            state = replace(state, state="stalled" if silent else "live")
        self.hub.set_state(replace(state, fps_in=self.fps_in))
        total = self.ledger.percentiles().get("total")
        latency = LatencyMs(total.p50, total.p95) if total else LatencyMs(0.0, 0.0)
        stats = Stats(self.fps_in, self.fps_out, self.dropped, latency, self.source, self.rung)
        self.hub.set_stats(stats)

    async def _run(self, source: SeenSource, options: PublishOptions) -> None:
        try:
            async with self._turn:
                await self._serve(source, options)
        except* Exception:
            logger.exception("stream %s: a stage failed; its publisher is disconnected", self.name)
            self.forget()  # whatever broke in there is not kept
            self.hub.send(ErrorMessage("internal", "a stage of this stream failed; publish again"))
        finally:
            self.touch()
            if self._source is source:
                self._count_past()
                self._source = None
                self.subjects.clear()
                self.hub.set_state(replace(self.hub.state, state="ended", fps_in=0.0))
            await source.close()

    def _cancel(self) -> None:
        for task in self._tasks:
            if not task.cancelling():  # else it is closing what it holds: let it
                task.cancel()

    def _count_past(self) -> None:
        """Adds up what the publisher that ends now has sent."""
        if self._source is not None:
            self._past_received += self._source.received
            self._past_dropped += self._source.dropped

    async def _serve(self, source: SeenSource, options: PublishOptions) -> None:
        """Frames → poses, until the publisher is gone."""
        self._publisher += 1
        self._options = options
        self._waiting.clear()
        try:
            if source.kind == "keypoints":  # nothing is gained by seeing ahead
                with suppress(SourceEnded):
                    while True:
                        await self._estimate(await self._observe(source))
            else:
                await self._side_by_side(source)
        finally:
            # The next publisher has the same solver, and two 2D stages would hold 100 MB.
            await source.release()
            await asyncio.to_thread(trim)

    async def _side_by_side(self, source: SeenSource) -> None:
        """Sees the next frame while the estimators work on this one."""
        handoff: asyncio.Queue[Followed] = asyncio.Queue(maxsize=1)

        async def estimate() -> None:
            while True:
                followed = await handoff.get()
                try:
                    await self._estimate(followed)
                finally:
                    handoff.task_done()

        async with asyncio.TaskGroup() as group:
            estimating = group.create_task(estimate())
            with suppress(SourceEnded):
                while True:
                    await handoff.put(await self._observe(source))
            await handoff.join()
            estimating.cancel()

    async def _observe(self, source: SeenSource) -> Followed:
        """Landmarks → persons and their states.

        Raises:
            SourceEnded: the publisher is gone.
        """
        seen = await source.next(self._admit)
        if seen.complaint is not None:
            self.hub.send(ErrorMessage(BAD_SENSOR, seen.complaint))
        persons = self._tracker.update(seen.people, seen.tick.t)
        self._followed += 1
        followed = Followed(replace(seen, people=()), persons, self._followed)
        self.hub.note(_sighting(followed, self._options))
        return followed

    def _admit(self, t_capture_us: int, clock: CaptureClock) -> Tick | None:
        """A frame came: the stream is live, with its clock; its tick, if it is to be used."""
        live = StreamState("live", clock, self.hub.state.fps_in, self._options.delay)
        if live != self.hub.state:
            self.hub.set_state(replace(live, fps_in=self.fps_in))
        tick = self._clock.admit(t_capture_us)
        self._late += tick is None
        return tick

    async def _estimate(self, followed: Followed) -> None:
        """Persons → poses → viewers."""
        self._waiting[followed.number] = followed
        started = time.perf_counter()
        thought = await self._think(followed)
        model_ms = (time.perf_counter() - started) * 1e3
        for posed in thought.persons:
            for pose, framed in posed.poses:
                self.hub.note(_solved(followed.seen, posed, pose, framed))
        for number in thought.due:
            due = self._waiting.pop(number)
            self._publish(due, _poses(due, thought), model_ms)

    async def _think(self, followed: Followed) -> Thought:
        """The poses that come with a frame."""
        self._thought_of = True
        frame = Advance(self._number, self._publisher, self._options, followed)
        thought = await self._mind.advance(frame)
        self._places = thought.places
        return thought

    def _publish(self, followed: Followed, posed: Poses, model_ms: float) -> None:
        seen = followed.seen
        there = {p.person for p in followed.persons}
        bodies = {person: body for person, (body, _) in posed.items()}
        self.subjects.update(there, bodies)
        persons = tuple(
            PosePerson.from_pose(p.person, p.state, posed[p.person][1], p.keypoints)
            for p in followed.persons
            if p.person in posed
        )
        warming_up = bool(persons) and all(p.state == PersonState.WARMUP for p in persons)
        self.hub.publish(
            PoseMessage(
                frame=seen.number,
                t_capture_us=seen.t_capture_us,
                persons=persons,
                stages=Stages(seen.decode_ms, seen.keypoints_ms, model_ms),
                flags=PoseFlag.WARMUP if warming_up else PoseFlag.NONE,
            )
        )
        self._fps_out.tick()
        total_ms = (time.time() * 1e6 - seen.t_capture_us) / 1e3
        self.ledger.add(seen.decode_ms, seen.keypoints_ms, model_ms, total_ms)


def _poses(due: Followed, thought: Thought) -> Poses:
    """The poses that belong to a frame, by person."""
    return {
        posed.person: (posed, pose)
        for posed in thought.persons
        for pose, _ in posed.poses
        if pose.t == due.seen.tick.t
    }


def _sighting(followed: Followed, options: PublishOptions) -> Sighting:
    seen = followed.seen
    return Sighting(
        number=seen.number,
        t_capture_us=seen.t_capture_us,
        tick=seen.tick,
        image_size=seen.image_size,
        fov=options.fov if seen.intrinsics is None else seen.intrinsics.fov_degrees,
        height_m=options.height_m,
        delay=options.delay,
        persons=tuple(SightedPerson(p.person, p.state, p.keypoints) for p in followed.persons),
        camera=seen.camera,
    )


def _solved(seen: Seen, posed: Posed, pose: Pose, framed: bool) -> Solved:
    return Solved(
        person=posed.person,
        t_capture_us=seen.t_capture_us + round((pose.t - seen.tick.t) * 1e6),
        framed=framed,
        pose=pose,
        rest_joints=posed.rest_joints,
    )

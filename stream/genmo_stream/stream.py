"""One camera: frames → keypoints → estimator → poses, and its orderly end.

Two tasks hand along one item at a time, so that the 2D stage works on the next frame while the
estimator works on this one; frames that come meanwhile wait in the source, where the newest wins.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from genmo_rt.camera import Intrinsics
from genmo_rt.clock import KEEP_S, Tick, TickClock
from genmo_rt.estimate import Estimator, StreamEstimator
from genmo_rt.keypoints import Keypoints
from genmo_rt.pose import Pose
from genmo_stream.frame import Frame
from genmo_stream.hub import Hub
from genmo_stream.ingest import FrameSource, SourceEnded
from genmo_stream.keypoints import KeypointStage
from genmo_stream.metrics import Ledger, Rate
from genmo_stream.subjects import Subjects
from genmo_stream.tracking import Observation, PersonState, PersonTracker
from genmo_stream.whip import PublishOptions
from genmo_stream.wire import (
    ErrorMessage,
    LatencyMs,
    PoseFlag,
    PoseMessage,
    PosePerson,
    Stages,
    StateName,
    Stats,
    StreamState,
)

STALL_S = 3.0  # without a frame for this long a stream is stalled
REPORT_PERIOD_S = 1.0
ASPECT_TOLERANCE = 0.01  # encoders round sides to even numbers when they scale a picture

logger = logging.getLogger(__name__)

FrameTap = Callable[[Frame], None]
"""Called with every frame that is used, in the 2D stage's thread (the bench reads barcodes)."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A frame after the 2D stage; the picture itself is gone."""

    number: int
    t_capture_us: int
    decode_ms: float
    keypoints_ms: float
    image_size: tuple[int, int]
    tick: Tick
    observation: Observation


class Stream:
    """A named stream; it outlives its publishers by KEEP_S, so that a reconnect resumes.

    Not thread-safe: lives on the event loop. The blocking stages run in threads of their own.
    """

    def __init__(
        self,
        name: str,
        hub: Hub,
        estimator: Estimator,
        make_stage: Callable[[], KeypointStage],
        *,
        tap: FrameTap | None = None,
    ) -> None:
        self.name = name
        self.hub = hub
        self.ledger = Ledger()
        self.subjects = Subjects(hub, estimator.body.name)
        self._estimator = estimator
        self._make_stage = make_stage
        self._tap = tap
        self._clock = TickClock()
        self._tracker = PersonTracker()
        self._solver: StreamEstimator | None = None
        self._person: int | None = None  # whose pose the solver estimates
        self._image_size = (0, 0)
        self._pending: deque[Seen] = deque()  # frames whose poses are still to come
        self._options = PublishOptions()
        self._source: FrameSource | None = None
        self._task: asyncio.Task[None] | None = None
        self._ended_at = time.monotonic() - KEEP_S
        self._fps_in = Rate(time.monotonic)
        self._fps_out = Rate(time.monotonic)
        self._past_received = 0
        self._past_dropped = 0
        self._late = 0

    @property
    def live(self) -> bool:
        """Whether a publisher is connected."""
        return self._source is not None

    @property
    def idle(self) -> bool:
        """Whether nothing would be lost by forgetting this stream."""
        rested = time.monotonic() - self._ended_at >= KEEP_S
        return not self.live and rested and self.hub.viewer_count == 0

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
        return self._fps_in.per_second()

    @property
    def fps_out(self) -> float:
        """Pose messages per second published now."""
        return self._fps_out.per_second()

    def start(self, source: FrameSource, options: PublishOptions) -> None:
        """Takes a publisher's frames; the publisher before it is ended first."""
        previous, self._source = self._task, source
        self._task = asyncio.create_task(
            self._run(source, options, previous), name=f"stream {self.name}"
        )

    async def close(self) -> None:
        """Ends the publisher, if any, and waits for the stream's tasks."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(
        self, source: FrameSource, options: PublishOptions, previous: asyncio.Task[None] | None
    ) -> None:
        if previous is not None:
            previous.cancel()
            await asyncio.gather(previous, return_exceptions=True)
        if options != self._options:
            self._solver, self._options = None, options
        self._pending.clear()
        handoff: asyncio.Queue[Seen] = asyncio.Queue(maxsize=1)
        try:
            async with asyncio.TaskGroup() as group:
                others = (
                    group.create_task(self._estimate(handoff)),
                    group.create_task(self._report(source)),
                )
                await self._observe(source, handoff)
                await handoff.join()
                for task in others:
                    task.cancel()
        except* Exception:
            logger.exception("stream %s: a stage failed; its publisher is disconnected", self.name)
            self.hub.send(ErrorMessage("internal", "a stage of this stream failed; publish again"))
        finally:
            self._past_received += source.received
            self._past_dropped += source.dropped
            self._ended_at = time.monotonic()
            if self._source is source:
                self._source = None
                self.subjects.clear()
                self._set_state("ended", source)
            await source.close()

    async def _observe(self, source: FrameSource, handoff: asyncio.Queue[Seen]) -> None:
        """Frames → keypoints → states, until the publisher is gone."""
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, f"{self.name} 2D") as eye:
            stage = await loop.run_in_executor(eye, self._make_stage)
            try:
                while True:
                    frame = await source.next()
                    self._fps_in.tick()
                    if self.hub.state.state != "live":
                        self._set_state("live", source)
                    tick = self._clock.admit(frame.t_capture_us)
                    if tick is None:
                        self._late += 1
                        continue
                    started = time.perf_counter()
                    keypoints = await loop.run_in_executor(eye, self._look, stage, frame)
                    height, width = frame.image.shape[:2]
                    seen = Seen(
                        number=frame.number,
                        t_capture_us=frame.t_capture_us,
                        decode_ms=frame.decode_ms,
                        keypoints_ms=(time.perf_counter() - started) * 1e3,
                        image_size=(width, height),
                        tick=tick,
                        observation=self._tracker.update(keypoints, tick.t),
                    )
                    del frame  # the picture ends here
                    await handoff.put(seen)
            except SourceEnded:
                return
            finally:
                stage.close()

    def _look(self, stage: KeypointStage, frame: Frame) -> Keypoints | None:
        if self._tap is not None:
            self._tap(frame)
        return stage.detect(frame.image, frame.t_capture_us)

    async def _estimate(self, handoff: asyncio.Queue[Seen]) -> None:
        """Keypoints → poses → viewers."""
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, f"{self.name} model") as mind:
            while True:
                seen = await handoff.get()
                try:
                    solver = self._solver_for(seen)
                    started = time.perf_counter()
                    poses = await loop.run_in_executor(
                        mind, solver.advance, seen.tick, seen.observation.keypoints
                    )
                    model_ms = (time.perf_counter() - started) * 1e3
                    by_time = {pose.t: pose for pose, _ in poses}
                    for due in self._due(seen):
                        self._publish(due, solver, by_time.get(due.tick.t), model_ms)
                finally:
                    handoff.task_done()

    def _solver_for(self, seen: Seen) -> StreamEstimator:
        """The estimator of who is seen; a new one for a new person or another camera."""
        width, height = seen.image_size
        person = seen.observation.person
        known = self._solver
        if known is not None:
            turned = (width / height) / (self._image_size[0] / self._image_size[1]) - 1
            if abs(turned) > ASPECT_TOLERANCE:
                known = None  # a turned phone is another camera, in another world
            elif person in (None, self._person) or self._person is None:
                self._person = person or self._person
                return known
        self._person = person
        self._image_size = seen.image_size
        options = self._options
        self._solver = self._estimator.stream(
            Intrinsics.of_picture(width, height, options.fov),
            height_m=options.height_m,
            delay=options.delay,
            world=known.world if known is not None else None,
        )
        return self._solver

    def _due(self, seen: Seen) -> list[Seen]:
        """The frames whose poses come with this one: itself, or those `delay` ticks ago."""
        self._pending.append(seen)
        due = []
        while (
            self._pending and self._pending[0].tick.index <= seen.tick.index - self._options.delay
        ):
            due.append(self._pending.popleft())
        return due

    def _publish(
        self, seen: Seen, solver: StreamEstimator, pose: Pose | None, model_ms: float
    ) -> None:
        observation = seen.observation
        self.subjects.update(observation.person, solver)
        persons: tuple[PosePerson, ...] = ()
        flags = PoseFlag(0)
        if observation.person is not None and pose is not None:
            person = PosePerson.from_pose(
                observation.person, observation.state, pose, observation.keypoints
            )
            persons = (person,)
            if observation.state is PersonState.WARMUP:
                flags = PoseFlag.WARMUP
        self.hub.publish(
            PoseMessage(
                frame=seen.number,
                t_capture_us=seen.t_capture_us,
                persons=persons,
                stages=Stages(seen.decode_ms, seen.keypoints_ms, model_ms),
                flags=flags,
            )
        )
        self._fps_out.tick()
        total_ms = (time.time() * 1e6 - seen.t_capture_us) / 1e3
        self.ledger.add(seen.decode_ms, seen.keypoints_ms, model_ms, total_ms)

    def _set_state(self, state: StateName, source: FrameSource) -> None:
        self.hub.set_state(StreamState(state, source.clock, self.fps_in))

    async def _report(self, source: FrameSource) -> None:
        """State changes and stats, once a second, while a publisher is connected."""
        self._set_state("waiting", source)
        while True:
            await asyncio.sleep(REPORT_PERIOD_S)
            if time.monotonic() - source.last_media_monotonic > STALL_S and source.received:
                self._set_state("stalled", source)
            total = self.ledger.percentiles().get("total")
            latency = LatencyMs(total.p50, total.p95) if total else LatencyMs(0.0, 0.0)
            self.hub.set_stats(Stats(self.fps_in, self.fps_out, self.dropped, latency))

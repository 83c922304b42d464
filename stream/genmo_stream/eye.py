"""A camera's pictures become frames with people's landmarks: video → 2D stage → Seen."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from genmo_rt.camera_motion import CameraMotion
from genmo_rt.clock import TICK_HZ
from genmo_stream.camera_watch import CameraWatch
from genmo_stream.decoder import Picture
from genmo_stream.frame import Frame
from genmo_stream.ingest import FrameSource
from genmo_stream.keypoints import KeypointStage
from genmo_stream.ladder import Ladder
from genmo_stream.seen import Admit, Seen, SeenPerson, SourceKind
from genmo_stream.turns import Turns

FrameTap = Callable[[Frame], None]
"""Called with every frame that is used, in the 2D stage's thread (the bench reads barcodes)."""

HALF_SPACING_US = 1.6e6 / TICK_HZ  # on the rung half, a frame this much later is the next one
LATE_S = 0.5 / TICK_HZ  # who was kept waiting for longer would have been on time on an idle machine


class Eye:
    """A SeenSource that looks at a publisher's video when it is its turn."""

    def __init__(
        self,
        source: FrameSource,
        make_stage: Callable[[], KeypointStage],
        turns: Turns,
        ladder: Ladder,
        tap: FrameTap | None = None,
        fov: float | None = None,
    ) -> None:
        """Opens it; the 2D stage is made when the first frame is asked for.

        Args:
            source: the pictures.
            make_stage: makes the 2D stage; called in a thread.
            turns: at the 2D workers.
            ladder: says whether every tick's picture is looked at, or one of every two; hears
                who was kept waiting.
            tap: sees every frame that is used.
            fov: of the camera, degrees along the longer side; None where it isn't known.
        """
        self._source = source
        self._make_stage = make_stage
        self._seat = turns.seat()
        self._ladder = ladder
        self._tap = tap
        self._camera = CameraWatch(fov, source.sensors)
        self._stage: asyncio.Task[KeypointStage] | None = None
        self._look: asyncio.Future[_Look] | None = None
        self._passed = 0  # pictures that weren't looked at: left out on half, or overtaken here
        self._used_us: int | None = None  # capture time of the last frame used
        self._returned = time.perf_counter()

    @property
    def kind(self) -> SourceKind:
        return "video"

    @property
    def received(self) -> int:
        return self._source.received

    @property
    def dropped(self) -> int:
        return self._source.dropped + self._passed

    @property
    def fps_in(self) -> float:
        return self._source.fps_in

    @property
    def last_media_monotonic(self) -> float:
        return self._source.last_media_monotonic

    async def next(self, admit: Admit) -> Seen:
        asked = time.perf_counter()
        held_up = asked - self._returned > LATE_S  # what comes behind us can't keep up
        if self._stage is None:
            self._stage = asyncio.create_task(asyncio.to_thread(self._make_stage))
        stage = await asyncio.shield(self._stage)
        while True:
            picture = await self._source.next()
            if not self._is_due(picture):
                self._passed += 1
                continue
            wanted = time.perf_counter()
            async with self._seat.turn():
                waited = time.perf_counter() - wanted > LATE_S
                newer = self._source.newest()
                if newer is not None:
                    self._passed += 1
                    picture = newer
                tick = admit(picture.t_capture_us, picture.clock)
                if tick is None:
                    continue
                self._used_us = picture.t_capture_us
                started = time.perf_counter()
                self._look = self._seat.run(partial(self._see, stage, picture))
                frame, people, camera = await asyncio.shield(self._look)
                self._seat.weight = max(1, len(people))
            self._ladder.note(late=held_up or waited)
            self._returned = time.perf_counter()
            height, width = frame.image.shape[:2]
            return Seen(
                number=frame.number,
                t_capture_us=frame.t_capture_us,
                decode_ms=frame.decode_ms,
                keypoints_ms=(self._returned - started) * 1e3,
                image_size=(width, height),
                tick=tick,
                people=people,
                camera=camera,
                complaint=self._camera.complaint(),
            )

    async def release(self) -> None:
        if self._stage is None:
            return
        with suppress(Exception):  # said where it was awaited
            stage = await self._stage
            if self._look is not None:
                await asyncio.wait([self._look])
            await asyncio.to_thread(stage.close)

    async def close(self) -> None:
        await self._source.close()

    def _is_due(self, picture: Picture) -> bool:
        """Whether the rung lets this picture be looked at."""
        if self._ladder.rung == "full" or self._used_us is None:
            return True
        since_us = picture.t_capture_us - self._used_us
        return since_us < 0 or since_us >= HALF_SPACING_US  # below 0 the clock was set anew

    def _see(self, stage: KeypointStage, picture: Picture) -> "_Look":
        """In a worker's thread."""
        frame = self._source.develop(picture)
        if self._tap is not None:
            self._tap(frame)
        people = stage.look(frame.image, frame.t_capture_us)
        return frame, people, self._camera.look(frame.image, frame.t_capture_us, people)


_Look = tuple[Frame, tuple[SeenPerson, ...], CameraMotion]
"""A frame, who is in it, and how its camera moved."""

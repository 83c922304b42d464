"""A camera's pictures become frames with people's landmarks: video → 2D stage → Seen."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from genmo_stream.frame import Frame
from genmo_stream.ingest import FrameSource
from genmo_stream.keypoints import KeypointStage
from genmo_stream.seen import Admit, Seen, SeenPerson, SourceKind

FrameTap = Callable[[Frame], None]
"""Called with every frame that is used, in the 2D stage's thread (the bench reads barcodes)."""


class Eye:
    """A SeenSource that looks at a publisher's video, in a thread of its own."""

    def __init__(
        self,
        source: FrameSource,
        make_stage: Callable[[], KeypointStage],
        name: str,
        tap: FrameTap | None = None,
    ) -> None:
        """Opens it; the 2D stage is made when the first frame is asked for.

        Args:
            source: the pictures.
            make_stage: makes the 2D stage; called in the eye's thread.
            name: of the stream, for the thread.
            tap: sees every frame that is used.
        """
        self._source = source
        self._make_stage = make_stage
        self._tap = tap
        self._thread = ThreadPoolExecutor(1, f"{name} 2D")
        self._stage: Future[KeypointStage] | None = None

    @property
    def kind(self) -> SourceKind:
        return "video"

    @property
    def received(self) -> int:
        return self._source.received

    @property
    def dropped(self) -> int:
        return self._source.dropped

    @property
    def fps_in(self) -> float:
        return self._source.fps_in

    @property
    def last_media_monotonic(self) -> float:
        return self._source.last_media_monotonic

    async def next(self, admit: Admit) -> Seen:
        if self._stage is None:
            self._stage = self._thread.submit(self._make_stage)
        stage = await asyncio.wrap_future(self._stage)
        while True:
            frame = await self._source.next()
            tick = admit(frame.t_capture_us, frame.clock)
            if tick is None:
                continue
            started = time.perf_counter()
            loop = asyncio.get_running_loop()
            people = await loop.run_in_executor(self._thread, self._look, stage, frame)
            height, width = frame.image.shape[:2]
            return Seen(
                number=frame.number,
                t_capture_us=frame.t_capture_us,
                decode_ms=frame.decode_ms,
                keypoints_ms=(time.perf_counter() - started) * 1e3,
                image_size=(width, height),
                tick=tick,
                people=people,
            )

    async def release(self) -> None:
        if self._stage is not None:
            stage = self._stage
            self._thread.submit(_close_made, stage)
        await asyncio.to_thread(self._thread.shutdown)

    async def close(self) -> None:
        await self._source.close()

    def _look(self, stage: KeypointStage, frame: Frame) -> tuple[SeenPerson, ...]:
        if self._tap is not None:
            self._tap(frame)
        return stage.look(frame.image, frame.t_capture_us)


def _close_made(stage: Future[KeypointStage]) -> None:
    """Closes a stage after what it still works on; one that couldn't be made has nothing open."""
    if stage.exception() is None:
        stage.result().close()

"""Encoded frames become pictures in a thread of its own, with a bounded queue before it.

Stands where aiortc has its decoder thread, whose queues on both sides grow without bound.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from genmo_stream.assembler import EncodedFrame
from genmo_stream.frame import CaptureClock

MAX_QUEUED = 8  # encoded frames that may wait for the decoder
MAX_PIXELS = 8192 * 4320  # larger pictures are not decoded
DECODERS = {"VP8": "vp8", "H264": "h264"}

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded frame, still as the codec stores it."""

    encoded: EncodedFrame
    frame: VideoFrame
    decode_ms: float

    @property
    def t_capture_us(self) -> int:
        """When it was captured, Unix µs."""
        return self.encoded.t_capture_us

    @property
    def clock(self) -> CaptureClock:
        """Where that is known from."""
        return self.encoded.clock


class DecoderThread:
    """Decodes one track's frames.

    When the decoder is slower than the stream, the frames that wait are decoded to the last one,
    newer ones are refused up to the next keyframe, and it takes the place of all that still wait.

    Args:
        show: takes each picture; called in the decoder's thread.
        ask_keyframe: called in any thread when only a keyframe helps.
    """

    def __init__(self, show: Callable[[Picture], None], ask_keyframe: Callable[[], None]) -> None:
        self.dropped = 0  # encoded frames that were not decoded
        self.failed = 0  # of these, those the decoder refused
        self._show = show
        self._ask_keyframe = ask_keyframe
        self._queue: deque[EncodedFrame] = deque()
        self._change = threading.Condition()
        self._closed = False
        self._broken = False  # only a keyframe can go on
        self._codec: VideoCodecContext | None = None
        self._codec_name = ""
        self._thread = threading.Thread(target=self._run, name="decoder", daemon=True)
        self._thread.start()

    @property
    def queued(self) -> int:
        """Encoded frames that wait."""
        return len(self._queue)

    def put(self, frame: EncodedFrame) -> None:
        """Queues a frame; never blocks."""
        with self._change:
            if frame.keyframe and (self._broken or len(self._queue) >= MAX_QUEUED):
                self.dropped += len(self._queue)
                self._queue.clear()
                self._broken = False
            if self._broken or len(self._queue) >= MAX_QUEUED:
                self._broken = True
                self.dropped += 1
            else:
                self._queue.append(frame)
                self._change.notify()
                return
        self._ask_keyframe()

    def close(self) -> None:
        """Stops the thread and waits for it: at most as long as one frame decodes."""
        with self._change:
            self._closed = True
            self._change.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._closed or self._queue)
                if self._closed:
                    return
                encoded = self._queue.popleft()
            started = time.perf_counter()
            try:
                frames = self._decode(encoded)
            except av.FFmpegError as error:
                self._give_up(encoded, error)
                continue
            decode_ms = (time.perf_counter() - started) * 1e3
            if frames:
                self._show(Picture(encoded, frames[-1], decode_ms))

    def _decode(self, encoded: EncodedFrame) -> list[VideoFrame]:
        if self._codec is None or encoded.codec != self._codec_name:
            self._codec = create_decoder(encoded.codec)
            self._codec_name = encoded.codec
        frames = self._codec.decode(av.Packet(encoded.data))
        if any(frame.is_corrupt for frame in frames):
            raise av.InvalidDataError(0, "the picture is damaged")
        return frames

    def _give_up(self, encoded: EncodedFrame, error: Exception) -> None:
        logger.info("%s frame %d can't be decoded: %s", encoded.codec, encoded.number, error)
        with self._change:
            self.failed += 1
            self.dropped += 1
            while self._queue and not self._queue[0].keyframe:
                self._queue.popleft()
                self.dropped += 1
            self._broken = not self._queue
        if self._broken:
            self._ask_keyframe()


def to_rgb(frame: VideoFrame, max_side: int) -> NDArray[np.uint8]:
    """A decoded frame as the (H, W, 3) uint8 RGB picture a viewer would see.

    Pictures larger than max_side are scaled down to it; the frame's rotation is applied.
    """
    scale = min(1.0, max_side / max(frame.width, frame.height))
    small = frame.reformat(
        width=round(frame.width * scale), height=round(frame.height * scale), format="rgb24"
    )
    image = small.to_ndarray().astype(np.uint8, copy=False)
    turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image


def create_decoder(codec: str) -> VideoCodecContext:
    """A decoder of "VP8" or "H264" that holds no frame back."""
    context = av.CodecContext.create(DECODERS[codec], "r")
    assert isinstance(context, VideoCodecContext)
    context.thread_count = 1  # more frame threads would each hold a frame back
    context.options = {"max_pixels": str(MAX_PIXELS), "flags": "low_delay"}
    return context

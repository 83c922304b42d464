"""A video file as a camera sees the world: pictures on a fixed beat, at the size asked for.

A thread decodes and scales ahead by at most AHEAD pictures. A clip that plays in a loop and fits
into LOOP_BYTES stays in memory after its first pass (18 s of 640 × 480 at 30 fps); a longer one is
decoded again each time.
"""

import queue
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from genmo_rt.errors import FileFormatError, InputError

AHEAD = 8  # pictures
LOOP_BYTES = 256 << 20
MAX_FPS = 120
MIN_SIDE, MAX_SIDE = 16, 8192  # pixels
SHORT_S = 0.5  # a video that ends this much before it says it does was cut off

Luma420 = NDArray[np.uint8]
"""A yuv420p picture: (H · 3/2, W), luma over both chroma planes, as PyAV lays it out."""


class Playback:
    """Plays a file once or for ever.

    Attributes:
        width, height: size of the pictures, even. With a size asked for, the video is fitted into
            it and the rest is black, so that people keep their proportions.
        fps: pictures per second.
    Raises:
        InputError: size or fps can't be played.
        FileFormatError: the file can't be opened or holds no video.
    """

    def __init__(
        self, path: Path, *, size: tuple[int, int] | None, fps: float | None, loop: bool
    ) -> None:
        if size is not None and not all(MIN_SIDE <= side <= MAX_SIDE for side in size):
            raise InputError(f"size is {size}; expected sides from {MIN_SIDE} to {MAX_SIDE} px")
        if fps is not None and not 1 <= fps <= MAX_FPS:
            raise InputError(f"fps is {fps:g}; expected 1 to {MAX_FPS}")
        self._path = path
        self._loop = loop
        with _open(path) as container:
            stream = container.streams.video[0]
            first = _first_frame(path, container)
            width, height = first.width, first.height
            if round(first.rotation / 90) % 2:
                width, height = height, width
            rate = stream.average_rate or stream.guessed_rate or Fraction(30)
            self.fps = float(fps or min(Fraction(rate), Fraction(MAX_FPS)))
        self.width, self.height = (
            (size[0] & ~1, size[1] & ~1) if size else (width & ~1, height & ~1)
        )
        self._queue: queue.Queue[Luma420 | Exception | None] = queue.Queue(AHEAD)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="playback", daemon=True)
        self._thread.start()

    def take(self) -> Luma420 | None:
        """The next picture, or None after the last; blocks while none is ready.

        Raises:
            FileFormatError: the file breaks off here.
        """
        picture = self._queue.get()
        if isinstance(picture, Exception):
            raise picture
        return picture

    def close(self) -> None:
        """Stops reading."""
        self._closed.set()
        while not self._queue.empty():
            self._queue.get_nowait()
        self._thread.join()
        self._queue.put_nowait(None)  # for who still waits in take()

    def _run(self) -> None:
        try:
            for picture in self._pictures():
                if not self._put(picture):
                    return
            self._put(None)
        except Exception as error:
            self._put(error)

    def _put(self, item: Luma420 | Exception | None) -> bool:
        while not self._closed.is_set():
            try:
                self._queue.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def _pictures(self) -> Iterator[Luma420]:
        memory: list[Luma420] | None = [] if self._loop else None
        while True:
            for picture in self._one_pass():
                if memory is not None:
                    memory.append(picture)
                    if len(memory) * picture.nbytes > LOOP_BYTES:
                        memory = None
                yield picture
            if not self._loop:
                return
            while memory:
                yield from memory

    def _one_pass(self) -> Iterator[Luma420]:
        """The file's pictures on the beat: at each, the newest that the file shows by then."""
        with _open(self._path) as container:
            shown: VideoFrame | None = None
            due, start, end = 0, 0.0, 0.0
            try:
                for frame in container.decode(video=0):
                    if shown is None:
                        start = frame.time or 0.0
                    frame_s = (frame.time - start) if frame.time is not None else end
                    while shown is not None and due / self.fps < frame_s - 1e-6:
                        yield self._fit(shown)
                        due += 1
                    shown, end = frame, frame_s + _duration_s(frame, self.fps)
            except av.FFmpegError as error:
                raise FileFormatError(
                    f"{self._path} breaks off after {end:.1f} s ({error.strerror}); "
                    "expected a whole video file"
                ) from error
            while shown is not None and due / self.fps < end - 1e-6:
                yield self._fit(shown)
                due += 1
            if end < _declared_s(container) - SHORT_S:
                raise FileFormatError(
                    f"{self._path} breaks off after {end:.1f} of {_declared_s(container):.1f} s; "
                    "expected a whole video file"
                )

    def _fit(self, frame: VideoFrame) -> Luma420:
        turns = round(frame.rotation / 90) % 4
        if turns:
            picture = frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
            upright = np.ascontiguousarray(np.rot90(picture, turns))
            frame = VideoFrame.from_ndarray(upright, format="rgb24")
        scale = min(self.width / frame.width, self.height / frame.height)
        width = max(2, min(self.width, 2 * round(frame.width * scale / 2)))
        height = max(2, min(self.height, 2 * round(frame.height * scale / 2)))
        fitted = frame.reformat(width=width, height=height, format="yuv420p")
        picture = fitted.to_ndarray().astype(np.uint8, copy=False)
        if (width, height) == (self.width, self.height):
            return picture
        canvas = np.empty((self.height * 3 // 2, self.width), np.uint8)
        left, top = (self.width - width) // 4 * 2, (self.height - height) // 4 * 2
        for plane, source, black in zip(
            planes(canvas), planes(picture), (16, 128, 128), strict=True
        ):
            plane[:] = black
            half = 1 if black == 16 else 2
            rows = slice(top // half, (top + height) // half)
            plane[rows, left // half : (left + width) // half] = source
        return canvas


def planes(picture: Luma420) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """Views of a yuv420p picture's luma (H, W) and its two chroma planes (H/2, W/2)."""
    rows, width = picture.shape
    height = rows * 2 // 3
    chroma = picture[height:].reshape(2, height // 2, width // 2)
    return picture[:height], chroma[0], chroma[1]


def _open(path: Path) -> InputContainer:
    expected = "expected a video file such as .mp4, .webm or .mov"
    try:
        container = av.open(str(path))
    except (av.FFmpegError, OSError) as error:
        raise FileFormatError(f"{path} can't be read: {error.strerror}; {expected}") from error
    if not container.streams.video:
        container.close()
        raise FileFormatError(f"{path} holds no video; {expected}")
    container.streams.video[0].thread_type = "AUTO"
    return container


def _first_frame(path: Path, container: InputContainer) -> VideoFrame:
    try:
        return next(container.decode(video=0))
    except (av.FFmpegError, StopIteration) as error:
        raise FileFormatError(
            f"{path} has no picture that can be decoded; expected a whole video file"
        ) from error


def _declared_s(container: InputContainer) -> float:
    """How long the file says its video is; 0 if it doesn't."""
    stream = container.streams.video[0]
    if stream.duration and stream.time_base:
        return float(stream.duration * Fraction(stream.time_base))
    if container.duration and not container.streams.audio:  # sound may last longer
        return container.duration / av.time_base
    return 0.0


def _duration_s(frame: VideoFrame, fps: float) -> float:
    if frame.duration and frame.time_base:
        return float(frame.duration * Fraction(frame.time_base))
    return 1 / fps

"""A video file as a camera's pictures: read, stamped and encoded as they are taken."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from av.video.frame import PictureType, VideoFrame

from genmo_stream import barcode
from genmo_stream.encoding import Codec, beat_length, make_encoder
from genmo_stream.playback import Luma420, Playback, planes


class Film:
    """A file's pictures, encoded as they are taken, in a thread."""

    def __init__(self, playback: Playback, codec: Codec, *, stamp: bool) -> None:
        self._playback = playback
        self._stamp = stamp
        size = (playback.width, playback.height)
        self._encoder = make_encoder(codec, size, playback.fps)
        self._worker = ThreadPoolExecutor(1, "camera")
        self._beat = -1

    @property
    def fps(self) -> float:
        return self._playback.fps

    async def shoot(self, missed: int, t_us: int, *, keyframe: bool) -> bytes | None:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._worker, self._shoot, missed, t_us, keyframe)

    async def close(self) -> None:
        """Stops reading and encoding."""
        await asyncio.to_thread(self._playback.close)
        await asyncio.to_thread(self._worker.shutdown)

    def _shoot(self, missed: int, t_us: int, keyframe: bool) -> bytes | None:
        """The next picture, stamped and encoded; None after the last. In the worker's thread."""
        self._beat += missed + 1
        for _ in range(missed):
            if self._playback.take() is None:
                return None
        picture = self._playback.take()
        if picture is None:
            return None
        if self._stamp:
            picture = _stamped(picture, t_us)
        frame = VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts = self._beat
        frame.time_base = beat_length(self._playback.fps)
        if keyframe:
            frame.pict_type = PictureType.I
        return b"".join(bytes(packet) for packet in self._encoder.encode(frame))


def _stamped(picture: Luma420, t_us: int) -> Luma420:
    picture = picture.copy()  # a looped clip's picture is played again
    luma, *chroma = planes(picture)
    barcode.stamp(luma, t_us)
    for plane in chroma:
        plane[: barcode.stripe_height(len(luma)) // 2] = 128
    return picture

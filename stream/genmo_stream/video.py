"""Video files become frames at the file's own times, upright; pictures become video files."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from genmo_rt.errors import FileFormatError
from genmo_stream.frame import Frame

EXPECTED = "expected a video file that ffmpeg can read, for example H.264 in .mp4"
NOT_VIDEO = {"tty"}  # ffmpeg plays text files with this one
MISSING_SHARE = 0.05  # of the frames the file's header promises; headers may be off by a few


def count_frames(path: Path | str) -> int:
    """About how many frames read_video will give, from the file's header; 0 if it doesn't say.

    Raises:
        FileFormatError: see read_video.
    """
    with _open(Path(path)) as (container, stream):
        return _promised_frames(container, stream)


def read_video(path: Path | str) -> Iterator[Frame]:
    """Decodes a file's first video stream; sound and everything else is ignored.

    Frames carry the file's own presentation times (variable frame rates included) on the clock
    "sender", and are turned upright by the rotation that phones write beside the picture.

    Raises:
        FileFormatError: at the first frame: the file is missing, no video, or has no picture
            that can be decoded. After the last good frame: the file is damaged or ends early
            (the frames given before are right and can be used).
    """
    path = Path(path)
    with _open(path) as (container, stream):
        stream.thread_type = "AUTO"
        number = 0
        start = time.perf_counter()
        for picture in _decode(path, container, stream):
            image = _upright(picture)
            yield Frame(
                image=image,
                number=number,
                t_capture_us=_time_us(picture, number, stream),
                clock="sender",
                decode_ms=(time.perf_counter() - start) * 1e3,
            )
            number += 1
            start = time.perf_counter()
        promised = _promised_frames(container, stream) if stream.frames else 0
        if number == 0:
            raise _error(path, "has no picture that can be decoded")
        if number < promised * (1 - MISSING_SHARE) - 1:
            raise _error(path, f"ends early: {number} of {promised} frames could be read")


def write_video(path: Path, pictures: Iterable[NDArray[np.uint8]], fps: int) -> int:
    """Writes pictures as H.264 that browsers play.

    Args:
        path: ends in .mp4; an existing file is replaced.
        pictures: (H, W, 3) RGB, all of one size, both sides even.
        fps: pictures per second.
    Returns:
        How many there were.
    Raises:
        OSError: the file can't be written.
    """
    count = 0
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": "20"})
        stream.pix_fmt = "yuv420p"
        for picture in pictures:
            if count == 0:
                stream.height, stream.width = picture.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            count += 1
        container.mux(stream.encode())
    return count


@contextmanager
def _open(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    try:
        container = av.open(str(path))
    except (OSError, av.FFmpegError) as error:
        raise _error(path, f"can't be opened as video ({error.strerror})") from error
    with container:
        streams = [
            stream
            for stream in container.streams.video
            if not stream.disposition & av.stream.Disposition.attached_pic
        ]
        if not streams or container.format.name in NOT_VIDEO:
            raise _error(path, "has no video in it")
        yield container, streams[0]


def _decode(path: Path, container: InputContainer, stream: VideoStream) -> Iterator[av.VideoFrame]:
    broken = 0
    try:
        for packet in container.demux(stream):
            try:
                pictures = packet.decode()
            except av.InvalidDataError:
                broken += 1
                continue
            yield from pictures
    except av.FFmpegError as error:
        raise _error(path, f"is damaged or ends early ({error.strerror})") from error
    if broken:
        raise _error(path, f"is damaged: {broken} of its packets can't be decoded")


def _promised_frames(container: InputContainer, stream: VideoStream) -> int:
    if stream.frames:
        return int(stream.frames)
    if container.duration and stream.average_rate:
        return round(container.duration / av.time_base * float(stream.average_rate))
    return 0


def _time_us(picture: av.VideoFrame, number: int, stream: VideoStream) -> int:
    if picture.pts is None or picture.time_base is None:  # raw streams carry no times
        return round(number * 1e6 / float(stream.average_rate or 30))
    return round(picture.pts * picture.time_base * 1_000_000)


def _upright(picture: av.VideoFrame) -> NDArray[np.uint8]:
    """The (H, W, 3) RGB picture, turned as the file says it is to be shown."""
    image = picture.to_ndarray(format="rgb24")
    quarter_turns = round(picture.rotation / 90)  # counter-clockwise, as np.rot90 turns
    return np.ascontiguousarray(np.rot90(image, quarter_turns), dtype=np.uint8)


def _error(path: Path, reason: str) -> FileFormatError:
    return FileFormatError(f"{path} {reason}; {EXPECTED}")

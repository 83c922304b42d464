"""What the load's cameras show, made before anything is measured: a loop of pictures, encoded.

With one person it is the video itself. With several, one person of the video stands P times side
by side: the longest stretch in which somebody is seen, cut out, forwards and backwards so that
the loop has no jump, every copy at another moment of it and every second one mirrored.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from av.video.frame import PictureType, VideoFrame
from numpy.typing import NDArray

from genmo_rt.errors import InputError
from genmo_rt.keypoints import Keypoints
from genmo_stream.encoding import Codec, beat_length, make_encoder
from genmo_stream.keypoints import PeopleStage
from genmo_stream.playback import Luma420, Playback
from genmo_stream.wire.keypoints import KeypointsMessage, encode_keypoints

MAX_LOOP_S = 20.0  # of a video, from its start
MAX_COPIED_S = 3.0  # of the stretch that is copied; a loop is twice that
MIN_COPIED_S = 0.5
MARGIN = 0.15  # of a person's box, on every side
STAMP = '"frame":0,"t_capture_us":0,'  # in an encoded message: what is filled in when it is sent

Picture = NDArray[np.uint8]
"""(H, W, 3) RGB."""


@dataclass(frozen=True, slots=True)
class Footage:
    """A loop of pictures.

    Attributes:
        size: (width, height), even.
        fps: pictures per second.
        pictures: in their order; after the last comes the first.
    """

    size: tuple[int, int]
    fps: float
    pictures: tuple[Luma420, ...]


@dataclass(frozen=True, slots=True)
class EncodedLoop:
    """Footage as a camera sends it; the first packet is a keyframe.

    Attributes:
        codec: how it is encoded.
        fps: pictures per second.
        packets: one per picture.
        keyframes: places of those that need none before them.
    """

    codec: Codec
    fps: float
    packets: tuple[bytes, ...]
    keyframes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class KeypointLoop:
    """Footage as a client sends it that finds people itself.

    Attributes:
        fps: messages per second.
        messages: JSON around its frame number and its capture time: what goes before, and after.
    """

    fps: float
    messages: tuple[tuple[str, str], ...]


def film(video: Path, persons: int, *, size: tuple[int, int] | None, fps: float | None) -> Footage:
    """Makes the footage.

    Args:
        video: a file with somebody in view.
        persons: how many are to be in the picture at once.
        size: (width, height) of the pictures; None = the file's.
        fps: pictures per second; None = the file's.
    Raises:
        FileFormatError: the file is no video, or breaks off.
        InputError: nobody is seen in it long enough to be copied; or size or fps can't be played.
    """
    if persons == 1:
        footage = _play(video, size, fps)
        return footage
    source = _play(video, None, fps)
    pictures = [_rgb(picture) for picture in source.pictures]
    first, box = _stretch(pictures, source.fps, video)
    size = size or source.size
    width, height = size[0] & ~1, size[1] & ~1
    cut = [_cut_out(picture, box, (width // persons, height)) for picture in first]
    loop = [*cut, *cut[-2:0:-1]]
    shots = []
    for number in range(len(loop)):
        canvas = np.zeros((height, width, 3), np.uint8)
        for copy in range(persons):
            strip = loop[(number + copy * len(loop) // persons) % len(loop)]
            left = copy * (width // persons)
            canvas[:, left : left + strip.shape[1]] = strip[:, ::-1] if copy % 2 else strip
        shots.append(_luma(canvas))
    return Footage((width, height), source.fps, tuple(shots))


def encode(footage: Footage, codec: Codec) -> EncodedLoop:
    """Encodes a loop once, with a keyframe every second."""
    encoder = make_encoder(codec, footage.size, footage.fps)
    every = max(1, round(footage.fps))
    packets, keyframes = [], []
    for number, picture in enumerate(footage.pictures):
        frame = VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts, frame.time_base = number, beat_length(footage.fps)
        if number % every == 0:
            frame.pict_type = PictureType.I
        encoded = encoder.encode(frame)
        if any(packet.is_keyframe for packet in encoded):
            keyframes.append(number)
        packets.append(b"".join(bytes(packet) for packet in encoded))
    return EncodedLoop(codec, footage.fps, tuple(packets), tuple(keyframes))


def watch(footage: Footage, persons: int) -> KeypointLoop:
    """Finds everybody in a loop once, and writes down what a client would send.

    Raises:
        InputError: nobody is seen in it.
    """
    stage = PeopleStage(limit=persons)
    seen: list[tuple[Keypoints, ...]] = []
    try:
        passes = 1 if persons == 1 else 2  # people are found one by one: all are by the second
        for number in range(passes * len(footage.pictures)):
            picture = footage.pictures[number % len(footage.pictures)]
            people = stage.look(_rgb(picture), round(number * 1e6 / footage.fps))
            seen.append(tuple(person.keypoints for person in people))
    finally:
        stage.close()
    seen = seen[-len(footage.pictures) :]
    if not any(seen):
        raise InputError("nobody is seen in the video; give one with a person in view")
    return KeypointLoop(footage.fps, tuple(_message(people, footage.size) for people in seen))


def _message(people: Sequence[Keypoints], size: tuple[int, int]) -> tuple[str, str]:
    text = encode_keypoints(KeypointsMessage(0, 0, size, None, tuple(people)))
    before, stamp, after = text.partition(STAMP)
    assert stamp, text[:80]
    return before, after


def _play(video: Path, size: tuple[int, int] | None, fps: float | None) -> Footage:
    playback = Playback(video, size=size, fps=fps, loop=False)
    pictures = []
    try:
        while (picture := playback.take()) is not None:
            pictures.append(picture)
            if len(pictures) >= MAX_LOOP_S * playback.fps:
                break
    finally:
        playback.close()
    return Footage((playback.width, playback.height), playback.fps, tuple(pictures))


def _stretch(
    pictures: Sequence[Picture], fps: float, video: Path
) -> tuple[Sequence[Picture], NDArray[np.float64]]:
    """The pictures in which one person is seen for longest, and the box they stay in.

    Returns:
        the pictures; left, top, right, bottom in pixels.
    """
    stage = PeopleStage(limit=1)
    try:
        seen = [stage.look(p, round(number * 1e6 / fps)) for number, p in enumerate(pictures)]
    finally:
        stage.close()
    runs = [list(run) for there, run in groupby(range(len(seen)), lambda n: bool(seen[n])) if there]
    longest = max(runs, key=len, default=[])[: round(MAX_COPIED_S * fps)]
    if len(longest) < MIN_COPIED_S * fps:
        raise InputError(
            f"{video}: nobody is seen for {MIN_COPIED_S:g} s on end, so nobody can be copied; "
            "give a video with a person in view, or --persons 1"
        )
    points = np.concatenate([seen[n][0].keypoints.pixels for n in longest]).astype(np.float64)
    low, high = points.min(0), points.max(0)
    margin = MARGIN * (high - low).max()
    return [pictures[n] for n in longest], np.concatenate((low - margin, high + margin))


def _cut_out(picture: Picture, box: NDArray[np.float64], size: tuple[int, int]) -> Picture:
    """The box, widened to the proportions of `size` and scaled to it; black beyond the picture."""
    width, height = size
    middle, extent = (box[:2] + box[2:]) / 2, box[2:] - box[:2]
    scale = max(extent[0] / width, extent[1] / height)
    left, top = (int(v) for v in np.floor(middle - scale * np.array(size) / 2))
    across, down = round(scale * width), round(scale * height)
    wide = np.zeros((down, across, 3), np.uint8)
    rows = slice(max(top, 0), min(top + down, picture.shape[0]))
    columns = slice(max(left, 0), min(left + across, picture.shape[1]))
    wide[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = picture[
        rows, columns
    ]
    frame = VideoFrame.from_ndarray(wide, format="rgb24")
    scaled = frame.reformat(width=width, height=height, format="rgb24")
    return scaled.to_ndarray().astype(np.uint8, copy=False)


def _rgb(picture: Luma420) -> Picture:
    frame = VideoFrame.from_ndarray(picture, format="yuv420p")
    return frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)


def _luma(picture: Picture) -> Luma420:
    frame = VideoFrame.from_ndarray(picture, format="rgb24")
    return frame.to_ndarray(format="yuv420p").astype(np.uint8, copy=False)

"""The decoder's thread with real bitstreams: bounded when slow, whole again after damage."""

import io
import threading
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest
from av.bitstream import BitStreamFilterContext
from av.video.codeccontext import VideoCodecContext

from genmo_stream.assembler import EncodedFrame, is_keyframe
from genmo_stream.decoder import MAX_QUEUED, DecoderThread, Picture, to_rgb
from tests.camera_server import bar_picture

SIZE = (160, 96)


def encode(codec: str, count: int, *, keyframes: tuple[int, ...] = ()) -> list[EncodedFrame]:
    """`count` frames of the moving bar, the first and those named decodable by themselves."""
    encoder = av.CodecContext.create({"VP8": "libvpx", "H264": "libx264"}[codec], "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = *SIZE, "yuv420p"
    encoder.bit_rate, encoder.time_base, encoder.gop_size = 400_000, Fraction(1, 30), 1000
    live = {"VP8": {"deadline": "realtime", "lag-in-frames": "0"}}
    encoder.options = live.get(codec, {"tune": "zerolatency", "forced-idr": "1"})
    frames = []
    for index in range(count):
        frame = av.VideoFrame.from_ndarray(bar_picture(index, SIZE), format="rgb24")
        frame.pts, frame.time_base = index, Fraction(1, 30)
        if index in keyframes:
            frame.pict_type = av.video.frame.PictureType.I
        data = b"".join(bytes(packet) for packet in encoder.encode(frame))
        key = is_keyframe(codec, data)
        assert key == (index == 0 or index in keyframes)
        frames.append(EncodedFrame(codec, data, key, index, index * 33_333, "arrival"))
    return frames


class Screen:
    """Keeps what a decoder shows; can hold the decoder up."""

    def __init__(self) -> None:
        self.pictures: list[Picture] = []
        self.asks = 0
        self.held = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()
        self.decoder = DecoderThread(self.show, self.ask)

    def show(self, picture: Picture) -> None:
        self.pictures.append(picture)
        self.held.set()
        assert self.go_on.wait(20)

    def ask(self) -> None:
        self.asks += 1

    def numbers(self, count: int) -> list[int]:
        """The numbers of the pictures, when there are `count`; then the decoder is closed."""
        done = threading.Event()
        for _ in range(2_000):
            if len(self.pictures) >= count:
                break
            done.wait(0.01)
        self.decoder.close()
        return [picture.encoded.number for picture in self.pictures]


@pytest.mark.parametrize("codec", ["VP8", "H264"])
def test_every_frame_is_shown_at_once_and_looks_as_it_was(codec: str) -> None:
    screen = Screen()
    for frame in encode(codec, 12):
        screen.decoder.put(frame)
        while len(screen.pictures) <= frame.number:
            screen.held.wait(0.01)
    assert screen.numbers(12) == list(range(12))
    assert screen.asks == screen.decoder.dropped == 0
    for picture in screen.pictures:
        shown = to_rgb(picture.frame, 4096)
        expected = bar_picture(picture.encoded.number, SIZE)
        assert shown.shape == expected.shape
        assert np.abs(shown.astype(int) - expected).mean() < 8
        assert picture.decode_ms > 0


def test_a_slow_decoder_refuses_newer_frames_up_to_a_keyframe_and_takes_that() -> None:
    frames = encode("VP8", 40, keyframes=(30,))
    screen = Screen()
    screen.go_on.clear()
    screen.decoder.put(frames[0])
    assert screen.held.wait(20)
    for frame in frames[1:30]:
        screen.decoder.put(frame)
        assert screen.decoder.queued <= MAX_QUEUED
    assert screen.decoder.queued == MAX_QUEUED  # the oldest, which can be decoded
    assert screen.asks == screen.decoder.dropped == 29 - MAX_QUEUED
    for frame in frames[30:34]:
        screen.decoder.put(frame)
    assert screen.decoder.dropped == 29
    screen.go_on.set()
    assert screen.numbers(5) == [0, 30, 31, 32, 33]


def test_damaged_frames_are_counted_and_the_next_keyframe_goes_on() -> None:
    frames = encode("VP8", 12, keyframes=(6,))
    screen = Screen()
    screen.decoder.put(replace(frames[0], data=frames[0].data[:12]))
    for frame in frames[1:]:
        while screen.decoder.queued:
            screen.held.wait(0.01)
        screen.decoder.put(frame)
    assert screen.numbers(6) == list(range(6, 12))
    assert screen.asks >= 1
    assert screen.decoder.failed == 1
    assert screen.decoder.dropped == 6


def test_a_picture_of_absurd_size_is_refused_without_memory_for_it() -> None:
    frame = encode("VP8", 1)[0]
    absurd = frame.data[:6] + b"\xff\x3f\xff\x3f" + frame.data[10:]  # 16383 × 16383
    screen = Screen()
    screen.decoder.put(replace(frame, data=absurd))
    screen.decoder.put(frame)
    assert screen.numbers(1) == [0]
    assert screen.decoder.failed == 1


def test_pictures_larger_than_the_limit_are_scaled_down_to_it() -> None:
    frame = av.VideoFrame.from_ndarray(np.zeros((300, 4000, 3), np.uint8), format="rgb24")
    assert to_rgb(frame, 4096).shape == (300, 4000, 3)
    assert to_rgb(frame, 1000).shape == (75, 1000, 3)


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_picture_that_says_how_to_turn_it_is_turned(turn: int) -> None:
    """H.264 display orientation counts degrees counter-clockwise (annex D.2.26), as np.rot90."""
    frame = encode("H264", 1)[0]
    with av.open(io.BytesIO(frame.data), format="h264") as container:
        turn_by = BitStreamFilterContext(
            f"h264_metadata=display_orientation=insert:rotate={turn}", container.streams.video[0]
        )
        turned = [*turn_by.filter(av.Packet(frame.data)), *turn_by.filter(None)]
    data = b"".join(bytes(packet) for packet in turned)
    screen = Screen()
    screen.decoder.put(replace(frame, data=data))
    assert screen.numbers(1) == [0]
    expected = np.rot90(bar_picture(0, SIZE), turn // 90)
    shown = to_rgb(screen.pictures[0].frame, 4096)
    assert shown.shape == expected.shape
    assert np.abs(shown.astype(int) - expected).mean() < 8

"""Packets to frames: order, losses, keyframes; with packets made by hand and by real encoders."""

from collections.abc import Callable

import av
import numpy as np
import pytest
from aiortc.codecs.h264 import H264Encoder, h264_depayload
from aiortc.codecs.vpx import Vp8Encoder, vp8_depayload
from aiortc.mediastreams import VIDEO_TIME_BASE
from aiortc.rtp import RtpPacket

from genmo_stream.assembler import (
    ASK_PERIOD_US,
    LOSS_WAIT_US,
    MAX_WAITING,
    EncodedFrame,
    FrameAssembler,
    is_keyframe,
)
from genmo_stream.capture import CaptureTimeline

VP8 = 96
KEY = b"\x10\x00\x00\x9d\x01\x2a\x80\x02\xe0\x01"
DELTA = b"\x11\x00\x00later"


class Wire:
    """An assembler with a clock in hand."""

    def __init__(self) -> None:
        self.now_us = 1_000_000_000
        self.frames: list[EncodedFrame] = []
        self.asks = 0
        self.assembler = FrameAssembler(
            {VP8: "VP8"}, CaptureTimeline(), self.frames.append, lambda: self.now_us
        )

    def send(self, sequence: int, frame: int, data: bytes, *, marker: bool) -> None:
        """Delivers one packet; time goes on by 1 ms."""
        packet = RtpPacket(VP8, int(marker), sequence % 65536, frame * 3000 % 2**32)
        packet._data = data  # type: ignore[attr-defined]
        ask, nothing = self.assembler.add(packet)
        assert nothing is None
        self.asks += ask
        self.now_us += 1_000

    def numbers(self) -> list[int]:
        return [frame.number for frame in self.frames]


def test_a_frame_is_whole_at_its_marker() -> None:
    wire = Wire()
    wire.send(1, 0, KEY, marker=False)
    assert wire.frames == []
    wire.send(2, 0, b"rest", marker=True)
    assert [frame.data for frame in wire.frames] == [KEY + b"rest"]
    assert wire.frames[0].keyframe
    assert wire.assembler.waiting == 0


def test_without_markers_a_frame_is_whole_when_the_next_begins() -> None:
    wire = Wire()
    wire.send(1, 0, KEY, marker=False)
    wire.send(2, 1, DELTA, marker=False)
    assert [frame.data for frame in wire.frames] == [KEY]


def test_packets_out_of_order_and_twice_are_put_right() -> None:
    wire = Wire()
    for sequence in (65534, 0, 65535, 65535, 2, 1):  # over the wrap
        index = sequence if sequence < 65534 else sequence - 65536
        first = index in (-2, 0, 2)
        frame = {-2: 0, -1: 0, 0: 1, 1: 1, 2: 2}[index]
        wire.send(
            sequence, frame, (KEY if index == -2 else DELTA) if first else b"x", marker=not first
        )
    wire.send(3, 2, b"x", marker=True)
    assert wire.numbers() == [0, 1, 2]
    assert wire.asks == 0


def test_capture_time_is_that_of_the_first_packet() -> None:
    wire = Wire()
    first_us = wire.now_us
    wire.send(1, 0, KEY, marker=False)
    wire.now_us += 9_000
    wire.send(2, 0, b"rest", marker=True)
    assert wire.frames[0].t_capture_us == first_us
    assert wire.frames[0].clock == "arrival"


def test_a_lost_packet_that_comes_again_in_time_loses_nothing() -> None:
    wire = Wire()
    wire.send(1, 0, KEY, marker=True)
    wire.send(3, 2, DELTA, marker=True)  # 2 is missing
    assert wire.numbers() == [0]
    wire.now_us += LOSS_WAIT_US // 2
    wire.send(2, 1, DELTA, marker=True)
    assert wire.numbers() == [0, 1, 2]
    assert wire.asks == 0


def test_after_a_loss_nothing_is_delivered_up_to_the_next_keyframe() -> None:
    wire = Wire()
    wire.send(1, 0, KEY, marker=True)
    wire.send(3, 2, DELTA, marker=True)
    wire.now_us += LOSS_WAIT_US
    wire.send(4, 3, DELTA, marker=True)
    assert wire.asks == 1
    wire.send(5, 4, KEY, marker=True)
    wire.send(6, 5, DELTA, marker=True)
    assert [frame.data for frame in wire.frames] == [KEY, KEY, DELTA]
    assert wire.assembler.undecodable == 2
    assert wire.assembler.received == wire.assembler.undecodable + len(wire.frames)


def test_the_rest_of_a_keyframe_with_a_lost_beginning_is_not_taken_for_one() -> None:
    wire = Wire()
    wire.send(2, 0, b"the middle of a keyframe", marker=False)
    wire.send(3, 0, b"its end", marker=True)
    assert wire.frames == []
    assert wire.asks == 1


def test_a_keyframe_is_asked_for_at_the_start_and_again_until_it_comes() -> None:
    wire = Wire()
    for frame in range(100):
        wire.send(frame, frame, DELTA, marker=True)
        wire.now_us += 33_000
    assert wire.frames == []
    assert wire.asks == pytest.approx(100 * 34_000 / ASK_PERIOD_US, abs=1)
    wire.send(100, 100, KEY, marker=True)
    asked = wire.asks
    wire.now_us += ASK_PERIOD_US
    wire.send(101, 101, DELTA, marker=True)
    assert wire.asks == asked


def test_a_keyframe_asked_for_from_elsewhere_goes_out_with_the_next_packet() -> None:
    wire = Wire()
    wire.send(1, 0, KEY, marker=True)
    wire.assembler.ask_keyframe()
    wire.send(2, 1, DELTA, marker=True)
    assert wire.asks == 1


def test_padding_packets_are_no_frames_and_no_holes() -> None:
    wire = Wire()
    wire.send(1, 0, KEY, marker=True)
    wire.send(2, 0, b"", marker=False)
    wire.send(3, 1, DELTA, marker=False)
    wire.send(4, 1, b"", marker=False)
    wire.send(5, 1, b"x", marker=True)
    assert [frame.data for frame in wire.frames] == [KEY, DELTA + b"x"]


def test_a_sender_that_starts_anew_far_away_is_followed() -> None:
    wire = Wire()
    wire.send(100, 0, KEY, marker=True)
    wire.send(30_000, 1, KEY, marker=True)
    wire.send(30_001, 2, DELTA, marker=True)
    assert wire.numbers() == [0, 1, 2]


def test_memory_is_bounded_behind_a_hole_and_in_an_endless_frame() -> None:
    wire = Wire()
    wire.send(1, 0, KEY, marker=True)
    most = 0
    for sequence in range(3, 20_000):
        wire.now_us -= 1_000  # all in one moment: no hole times out
        wire.send(sequence, 1, b"x" * 10, marker=False)
        most = max(most, wire.assembler.waiting)
    assert most <= 4 * MAX_WAITING + 1
    assert wire.numbers() == [0]


@pytest.mark.parametrize(
    ("name", "make", "depayload"),
    [("VP8", Vp8Encoder, vp8_depayload), ("H264", H264Encoder, h264_depayload)],
)
def test_keyframes_of_real_encoders_are_known(
    name: str,
    make: Callable[[], Vp8Encoder | H264Encoder],
    depayload: Callable[[bytes], bytes],
) -> None:
    encoder, picture = make(), np.full((96, 64), 90, np.uint8)
    keys = []
    for index in range(6):
        picture[:, index * 8] = 200
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts, frame.time_base = index * 3000, VIDEO_TIME_BASE
        payloads, _ = encoder.encode(frame, force_keyframe=index == 3)
        keys.append(is_keyframe(name, b"".join(depayload(p) for p in payloads)))
    assert keys == [True, False, False, True, False, False]

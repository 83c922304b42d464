"""Times written into pictures, through scaling-free codecs and damage."""

from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from genmo_stream import barcode

T_US = 1_790_000_123_456_789


def noise(height: int, width: int, channels: int) -> NDArray[np.uint8]:
    shape = (height, width, channels) if channels > 1 else (height, width)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@given(st.integers(0, 2**51), st.integers(-(6 * 86_400 * 10**6), 6 * 86_400 * 10**6))
def test_a_stamp_reads_back_from_any_clock_within_six_days(t_us: int, off_us: int) -> None:
    image = np.zeros((240, 320), np.uint8)
    barcode.stamp(image, t_us)
    assert barcode.read(image, t_us + off_us) == t_us


@pytest.mark.parametrize("width", [barcode.MIN_WIDTH, 320, 641, 4000])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_width_and_colour_layout_carries_a_stamp(width: int, channels: int) -> None:
    image = noise(480, width, channels)
    below = image[barcode.stripe_height(480) :].copy()
    barcode.stamp(image, T_US)
    assert barcode.read(image, T_US) == T_US
    assert np.array_equal(image[barcode.stripe_height(480) :], below)


@pytest.mark.parametrize("codec", ["libvpx", "libx264"])
def test_a_stamp_survives_a_webcams_bit_rate(codec: str) -> None:
    encoder = av.CodecContext.create(codec, "w")
    decoder = av.CodecContext.create("vp8" if codec == "libvpx" else "h264", "r")
    assert isinstance(encoder, av.VideoCodecContext)
    assert isinstance(decoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = 640, 480, "yuv420p"
    encoder.bit_rate, encoder.time_base = 500_000, Fraction(1, 30)
    live = {"libvpx": {"deadline": "realtime", "cpu-used": "16", "lag-in-frames": "0"}}
    encoder.options = live.get(codec, {"preset": "ultrafast", "tune": "zerolatency"})
    decoder.thread_count = 1
    sent, read = [], []
    for index in range(20):
        picture = np.roll(noise(480, 640, 3) // 4 + 60, index * 7, axis=1)
        sent.append(T_US + index * 33_333)
        barcode.stamp(picture, sent[-1])
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts = index
        for packet in encoder.encode(frame.reformat(format="yuv420p")):
            for shown in decoder.decode(packet):
                rgb = shown.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
                read.append(barcode.read(rgb, T_US))
    assert read == sent


def test_pictures_without_a_stamp_give_none() -> None:
    grey = np.full((480, 640, 3), 128, np.uint8)
    assert barcode.read(grey, T_US) is None
    assert barcode.read(noise(480, 640, 3), T_US) is None
    assert barcode.read(np.zeros((48, 64), np.uint8), T_US) is None


@pytest.mark.parametrize("cell", range(4, barcode.CELLS))
def test_a_flipped_cell_is_noticed(cell: int) -> None:
    image = np.zeros((480, 52 * 12), np.uint8)
    barcode.stamp(image, T_US)
    columns = slice(cell * 12, (cell + 1) * 12)
    image[: barcode.stripe_height(480), columns] = 251 - image[0, cell * 12]
    assert barcode.read(image, T_US) is None


def test_a_picture_too_narrow_is_refused() -> None:
    with pytest.raises(ValueError, match=r"100 px wide; expected at least 208"):
        barcode.stamp(np.zeros((100, 100), np.uint8), T_US)

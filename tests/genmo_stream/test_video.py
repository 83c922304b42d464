"""Files become upright frames at the file's times; what can't be read says so."""

import struct
import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from genmo_rt.errors import FileFormatError
from genmo_stream.frame import Frame
from genmo_stream.video import count_frames, read_video

VIDEO = Path(__file__).parents[1] / "fixtures" / "video"
DEMO = VIDEO / "demo.mp4"
MILLISECONDS = Fraction(1, 1000)


def corner_red(width: int = 96, height: int = 64) -> NDArray[np.uint8]:
    """A blue picture with a red top left quarter."""
    image = np.zeros((height, width, 3), np.uint8)
    image[:, :, 2] = 200
    image[: height // 2, : width // 2] = (200, 0, 0)
    return image


def write_video(path: Path, times_ms: list[int]) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=30)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.bit_rate = 2_000_000
        stream.time_base = stream.codec_context.time_base = MILLISECONDS
        for time_ms in times_ms:
            picture = av.VideoFrame.from_ndarray(corner_red(), format="rgb24")
            picture.pts, picture.time_base = time_ms, MILLISECONDS
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def write_sound(path: Path) -> Path:
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(16000))
    return path


def rotate(path: Path, matrix: tuple[int, int, int, int]) -> None:
    """Writes a display rotation (a, b, c, d of the track header's matrix) into an .mp4."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40  # ISO 14496-12, 8.3.2
    a, b, c, d = (v << 16 for v in matrix)
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)


def test_demo_is_read_whole_at_its_own_times() -> None:
    frames = list(read_video(DEMO))
    assert count_frames(DEMO) == len(frames) == 230
    assert [f.number for f in frames] == list(range(230))
    assert frames[0].image.shape == (540, 960, 3)
    assert {f.clock for f in frames} == {"sender"}
    np.testing.assert_allclose([f.t_capture_us for f in frames], np.arange(230) * 1e6 / 30, atol=35)


def test_variable_frame_rate_is_respected(tmp_path: Path) -> None:
    times = [0, 33, 67, 200, 210, 480, 1000]
    path = write_video(tmp_path / "variable.mkv", times)
    assert [round(f.t_capture_us / 1000) for f in read_video(path)] == times


@pytest.mark.parametrize(
    ("matrix", "red_row", "red_column"),
    [
        ((1, 0, 0, 1), 0, 0),
        ((0, 1, -1, 0), 0, 1),  # a quarter turn clockwise, as phones held upright write
        ((-1, 0, 0, -1), 1, 1),
        ((0, -1, 1, 0), 1, 0),
    ],
    ids=["upright", "clockwise", "upside down", "counter-clockwise"],
)
def test_rotation_of_the_file_is_applied(
    tmp_path: Path, matrix: tuple[int, int, int, int], red_row: int, red_column: int
) -> None:
    path = write_video(tmp_path / "phone.mp4", [0, 40])
    rotate(path, matrix)
    image = next(read_video(path)).image
    assert image.shape == ((64, 96, 3) if matrix[0] else (96, 64, 3))
    assert image.flags.c_contiguous
    quarters = [q for half in np.array_split(image, 2) for q in np.array_split(half, 2, axis=1)]
    redness = np.array([quarter[:, :, 0].mean() for quarter in quarters])
    assert redness.argmax() == 2 * red_row + red_column
    assert redness.max() > 150
    assert np.sort(redness)[-2] < 60


def test_missing_file_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere.mp4"
    with pytest.raises(FileFormatError, match=r"nowhere\.mp4 can't be opened.*No such file"):
        next(read_video(missing))
    with pytest.raises(FileFormatError, match="No such file"):
        count_frames(missing)


def test_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="can't be opened"):
        next(read_video(tmp_path))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.mp4", b""),
        ("text.mp4", b"these are words\n" * 100),
        ("notes.txt", b"\x1b[31mwords for a terminal\n" * 100),
        ("noise.mp4", bytes(np.random.default_rng(0).integers(0, 256, 5000, np.uint8))),
    ],
)
def test_file_that_is_no_video_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=r"expected a video file"):
        next(read_video(path))


def test_sound_without_pictures_is_refused(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "song.wav")
    with pytest.raises(FileFormatError, match=r"song\.wav has no video in it"):
        next(read_video(path))


def test_truncated_file_gives_its_frames_then_says_where_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "cut.mp4"
    path.write_bytes(DEMO.read_bytes()[:600_000])
    frames = read_video(path)
    good: list[Frame] = []
    with pytest.raises(FileFormatError, match=r"ends early: (\d+) of 230 frames"):
        good.extend(frames)
    assert 50 < len(good) < 200


def test_file_cut_before_its_index_is_refused(tmp_path: Path) -> None:
    path = write_video(tmp_path / "cut.mp4", list(range(0, 2000, 40)))
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"moov") - 4])  # cameras write the index last
    with pytest.raises(FileFormatError, match=r"cut\.mp4 can't be opened"):
        next(read_video(path))


def test_damage_in_the_middle_costs_only_the_frames_there(tmp_path: Path) -> None:
    data = bytearray(DEMO.read_bytes())
    data[500_000:520_000] = bytes(20_000)
    path = tmp_path / "scratched.mp4"
    path.write_bytes(data)
    frames = read_video(path)
    times: list[int] = []
    with pytest.raises(FileFormatError, match=r"is damaged: \d+ of its packets"):
        times.extend(frame.t_capture_us for frame in frames)
    assert len(times) > 180
    assert times[-1] > 7_500_000
    assert (np.diff(times) > 0).all()

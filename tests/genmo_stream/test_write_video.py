"""Pictures to a video file and back."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from genmo_stream.video import read_video, write_video


def _pictures() -> Iterator[np.ndarray]:
    for number in range(20):
        picture = np.zeros((64, 96, 3), np.uint8)
        picture[:, : 4 * number, 0] = 200
        yield picture


def test_written_pictures_come_back_in_time_and_colour(tmp_path: Path) -> None:
    path = tmp_path / "bars.mp4"
    assert write_video(path, _pictures(), 30) == 20
    frames = list(read_video(path))
    assert len(frames) == 20
    np.testing.assert_allclose(
        [frame.t_capture_us for frame in frames], np.arange(20) / 30 * 1e6, atol=1
    )
    for number, frame in enumerate(frames):
        red = (frame.image[..., 0] > 100).mean(0) > 0.5
        assert abs(int(red.sum()) - 4 * number) <= 2
        assert frame.image[..., 2].max() < 60


def test_a_folder_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        write_video(tmp_path / "none" / "bars.mp4", _pictures(), 30)

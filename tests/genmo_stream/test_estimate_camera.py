"""`genmo-rt estimate` follows the camera of a file by its background, on real pictures."""

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from genmo_rt.camera_motion import rotation, rotation_vector
from genmo_rt.cli.estimate import _Video, _watch
from genmo_rt.estimate import Estimator
from genmo_rt.recording import whole_poses
from genmo_stream.video import read_video, write_video

SOURCE = Path(__file__).parents[1] / "fixtures" / "video" / "pose2sim_cam03.mp4"
SIZE = (360, 640)
PAN = np.radians([0.0, -10.0, 0.0])  # a second
FPS = 30

Array = NDArray[np.float64]


def _turned(turn: Callable[[float], Array]) -> Iterator[NDArray[np.uint8]]:
    """What the camera would have seen if it had turned by these rotation vectors meanwhile."""
    focal, (width, height) = max(SIZE), SIZE
    K = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]])
    for n, frame in enumerate(read_video(SOURCE)):
        if n % 2 == 0 and n < 64:
            small = cv2.resize(frame.image, SIZE, interpolation=cv2.INTER_AREA)
            back = K @ rotation(turn(n / 60)) @ np.linalg.inv(K)
            seen = cv2.warpPerspective(
                small,
                back,
                SIZE,
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_REFLECT,
            )
            yield np.asarray(seen, np.uint8)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> tuple[_Video, _Video]:
    """The same recording by a camera that stood, and by one that panned."""
    folder = tmp_path_factory.mktemp("videos")
    turns: dict[str, Callable[[float], Array]] = {
        "stood": lambda t: np.zeros(3),
        "panned": lambda t: t * PAN,
    }
    seen = []
    for name, turn in turns.items():
        write_video(folder / f"{name}.mp4", _turned(turn), FPS)
        seen.append(_watch(folder / f"{name}.mp4", "full", None))
    return seen[0], seen[1]


def test_a_file_s_background_tells_how_its_camera_turned(videos: tuple[_Video, _Video]) -> None:
    stood, panned = videos
    assert len(panned.frames) == len(panned.motions) == 32
    assert not any(motion.turn.any() or motion.cut for motion in stood.motions)
    total = np.eye(3)
    for motion in panned.motions:
        total = total @ rotation(motion.turn)
    truth = rotation(31 / FPS * PAN)
    assert np.degrees(np.linalg.norm(rotation_vector(total.T @ truth))) < 1.0


def test_a_pan_does_not_carry_the_person_away(videos: tuple[_Video, _Video]) -> None:
    stood, panned = videos
    estimator = Estimator.load()

    def path(video: _Video, *, told: bool) -> Array:
        motions = video.motions if told else []
        poses = whole_poses(estimator, video.frames, video.intrinsics, motions=motions)
        places = np.stack([pose.pelvis for pose in poses]).astype(np.float64)
        return np.asarray(places - places[:8].mean(0))

    truth = path(stood, told=True)
    known, unknown = (path(panned, told=told) - truth for told in (True, False))
    assert np.linalg.norm(known, axis=1).mean() < 0.06
    assert np.linalg.norm(unknown, axis=1).mean() > 0.2

"""The 2D stage with the real MediaPipe on real people, small people, clutter and nobody."""

import itertools
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from mediapipe.tasks.python import BaseOptions
from numpy.typing import NDArray

from genmo_rt.errors import InputError
from genmo_rt.keypoints import LANDMARK_NAMES, Keypoints
from genmo_stream.frame import Frame
from genmo_stream.keypoints import MediaPipeStage
from genmo_stream.keypoints.landmarker import Landmarker, PrivateOptions, quiet_stderr
from genmo_stream.keypoints.measure import box_size
from genmo_stream.keypoints.offline import watch_video
from genmo_stream.keypoints.search import EAGER_LOOKS
from genmo_stream.video import read_video

VIDEO = Path(__file__).parents[1] / "fixtures" / "video"
DEMO = VIDEO / "demo.mp4"
CAM01 = VIDEO / "pose2sim_cam01.mp4"
WRISTS_ANKLES = [15, 16, 27, 28]
BY_EYE_27 = {  # pixels in the demo's frame 27, read off the picture by eye
    "nose": (342, 66),
    "left_wrist": (386, 35),
    "right_wrist": (303, 32),
    "left_ankle": (387, 233),
    "right_ankle": (294, 232),
}

Image = NDArray[np.uint8]


def frames(path: Path, count: int, first: int = 0) -> list[Frame]:
    return list(itertools.islice(read_video(path), first, first + count))


@pytest.fixture(scope="module")
def demo() -> list[Frame]:
    return frames(DEMO, 230)


@pytest.fixture(scope="module")
def park(demo: list[Frame]) -> Image:
    """The demo's place without people: each pixel's median over the last frames."""
    median = np.median(np.stack([f.image for f in demo[168:230:3]]), axis=0)
    return np.asarray(median, np.uint8)


@pytest.fixture
def stage() -> Iterator[MediaPipeStage]:
    with MediaPipeStage() as stage:
        yield stage


def small_in(width: int, height: int, image: Image, edge: int) -> Image:
    """The picture at `edge` pixels' longer edge, in the lower right of a grey one."""
    scale = edge / max(image.shape)
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    canvas = np.full((height, width, 3), 90, np.uint8)
    h, w = small.shape[:2]
    canvas[height - h - 20 : height - 20, width - w - 30 : width - 30] = small
    return canvas


def clutter(seed: int) -> Image:
    """Forty coloured rectangles, ellipses and lines on a plain wall."""
    rng = np.random.default_rng(seed)
    image = np.full((480, 640, 3), rng.integers(60, 220, 3), np.uint8)
    for kind in rng.integers(0, 3, 40):
        x, y, w, h = (int(v) for v in rng.integers((0, 0, 10, 10), (640, 480, 160, 160)))
        colour = tuple(int(v) for v in rng.integers(0, 256, 3))
        if kind == 0:
            cv2.rectangle(image, (x, y), (x + w, y + h), colour, -1)
        elif kind == 1:
            cv2.ellipse(image, (x, y), (w // 2, h // 2), float(w), 0, 360, colour, -1)
        else:
            cv2.line(image, (x, y), (x + w - 80, y + h - 80), colour, 3 + w // 16)
    return image


def noise(seed: int, cell: int) -> Image:
    """Random colours in blurred cells of this many pixels."""
    grid = np.random.default_rng(seed).integers(0, 256, (480 // cell, 640 // cell, 3), np.uint8)
    return np.asarray(cv2.resize(grid, (640, 480), interpolation=cv2.INTER_CUBIC), np.uint8)


def test_landmarks_lie_on_the_person(stage: MediaPipeStage, demo: list[Frame]) -> None:
    keypoints = stage.detect(demo[27].image, demo[27].t_capture_us)
    assert keypoints is not None
    assert keypoints.image_size == (960, 540)
    named = dict(zip(LANDMARK_NAMES, keypoints.pixels, strict=True))
    for name, place in BY_EYE_27.items():
        assert np.linalg.norm(named[name] - place) < 12, name
    assert keypoints.confidence[WRISTS_ANKLES].min() > 0.8


def test_world_landmarks_are_metres_around_the_hips(
    stage: MediaPipeStage, demo: list[Frame]
) -> None:
    keypoints = stage.detect(demo[10].image, 0)
    assert keypoints is not None
    assert keypoints.world is not None
    np.testing.assert_allclose(keypoints.world[[23, 24]].mean(axis=0), 0, atol=0.03)
    nose_above_ankles = keypoints.world[[27, 28], 1].mean() - keypoints.world[0, 1]
    assert 1.1 < nose_above_ankles < 1.8


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pose2sim_cam01.mp4", "pose2sim_cam02.mp4"])
def test_man_with_blurred_face_is_found_in_95_of_100_frames(name: str) -> None:
    seen = [frame.keypoints for frame in watch_video(VIDEO / name)]
    found = [k for k in seen if k is not None]
    assert len(seen) == 100
    assert len(found) >= 95
    assert_follows_one_person(found)


@pytest.mark.slow
def test_somebody_is_found_in_most_of_the_demo(demo: list[Frame]) -> None:
    with MediaPipeStage() as stage:
        seen = [stage.detect(f.image, f.t_capture_us) for f in demo]
    assert sum(k is not None for k in seen) >= 221  # plain MediaPipe, tracking: 221 of 230


def assert_follows_one_person(found: list[Keypoints]) -> None:
    """Sides held and no jumps: landmarks move by a few percent of the person per frame."""
    for last, now in itertools.pairwise(found):
        step = np.linalg.norm(now.pixels[11:13] - last.pixels[11:13], axis=1).mean()
        assert step < 0.15 * box_size(last.pixels)


def test_first_person_is_seen_within_ten_frames(demo: list[Frame]) -> None:
    with MediaPipeStage() as stage:
        seen = [stage.detect(f.image, f.t_capture_us) is not None for f in demo[:10]]
    assert any(seen)


@pytest.mark.parametrize(
    ("width", "height", "edge"),
    [(1280, 720, 560), (640, 480, 420), (4000, 2250, 1700)],
    ids=["720p", "480p", "4000 wide"],
)
def test_small_person_is_found_within_ten_frames(
    demo: list[Frame], width: int, height: int, edge: int
) -> None:
    with MediaPipeStage() as stage:
        seen = [
            stage.detect(small_in(width, height, f.image, edge), f.t_capture_us)
            for f in demo[20:30]
        ]
    found = [k for k in seen if k is not None]
    assert found
    scale = edge / 960
    corner = np.array([width - 30 - 960 * scale, height - 20 - 540 * scale])
    nose = (found[-1].pixels[0] - corner) / scale
    assert np.linalg.norm(nose - BY_EYE_27["nose"]) < 40  # he moves a little in those frames


def test_full_search_finds_a_small_person_in_one_frame(demo: list[Frame]) -> None:
    image = small_in(1280, 720, demo[27].image, 500)
    with MediaPipeStage(search="full") as stage:
        assert stage.detect(image, 0) is not None


def test_person_in_portrait_video_is_found() -> None:
    frame = frames(CAM01, 1)[0]
    assert frame.image.shape[0] > frame.image.shape[1]
    with MediaPipeStage() as stage:
        keypoints = stage.detect(frame.image, 0)
    assert keypoints is not None
    assert keypoints.image_size == (1080, 1920)


def test_person_is_kept_when_the_sender_changes_its_resolution(demo: list[Frame]) -> None:
    with MediaPipeStage() as stage:
        for f in demo[:5]:
            before = stage.detect(f.image, f.t_capture_us)
        half = cv2.resize(demo[5].image, (480, 270), interpolation=cv2.INTER_AREA)
        after = stage.detect(np.asarray(half, np.uint8), demo[5].t_capture_us)
    assert before is not None
    assert after is not None
    np.testing.assert_allclose(after.pixels[11:13] * 2, before.pixels[11:13], atol=8)


def test_nobody_is_seen_in_clutter_and_noise() -> None:
    scenes = [
        np.zeros((480, 640, 3), np.uint8),
        *(clutter(seed) for seed in range(4)),
        *(noise(seed, cell) for seed, cell in enumerate((1, 8, 32, 96))),
    ]
    for scene in scenes:
        with MediaPipeStage("lite", search="full") as stage:
            assert stage.detect(scene, 0) is None


def test_nobody_is_seen_when_they_have_left(demo: list[Frame], park: Image) -> None:
    with MediaPipeStage() as stage:
        there = [stage.detect(f.image, f.t_capture_us) for f in demo[:8]]
        gone = [stage.detect(park, demo[8 + i].t_capture_us) for i in range(20)]
    assert there[-1] is not None
    assert gone == [None] * 20


def test_full_search_of_an_empty_park_sees_nobody(park: Image) -> None:
    with MediaPipeStage(search="full") as stage:
        assert stage.detect(park, 0) is None


@pytest.mark.parametrize("shape", [(16, 16), (1, 1), (2, 300), (300, 2)])
def test_tiny_pictures_show_nobody(stage: MediaPipeStage, shape: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    assert [stage.detect(picture, 33_333 * i) for i in range(2)] == [None, None]


@pytest.mark.parametrize(
    "picture",
    [np.zeros((480, 640), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3), float)],
    ids=["grey", "RGBA", "float"],
)
def test_picture_that_is_not_rgb_is_refused(stage: MediaPipeStage, picture: Image) -> None:
    with pytest.raises(InputError, match=r"expected \(H, W, 3\) uint8 RGB"):
        stage.detect(picture, 0)


def test_steady_state_costs_one_look_and_a_search_a_few(
    monkeypatch: pytest.MonkeyPatch, demo: list[Frame], park: Image
) -> None:
    looks = 0
    look = Landmarker.look

    def counted(self: Landmarker, crop: Image) -> object:
        nonlocal looks
        looks += 1
        return look(self, crop)

    monkeypatch.setattr(Landmarker, "look", counted)
    per_frame = []
    with MediaPipeStage("lite") as stage:
        for i, image in enumerate([f.image for f in demo[20:26]] + [park] * 40):
            before = looks
            stage.detect(image, 33_333 * i)
            per_frame.append(looks - before)
    assert per_frame[1:6] == [1] * 5  # followed
    assert max(per_frame[6:]) <= 2 + EAGER_LOOKS  # searching; one more lets go of a false find
    assert per_frame[-5:] == [2] * 5  # nobody for a while


def test_two_streams_run_side_by_side() -> None:
    seen: dict[str, list[Keypoints | None]] = {}

    def watch(name: str) -> None:
        with MediaPipeStage("lite") as stage:
            seen[name] = [
                stage.detect(f.image, f.t_capture_us) for f in frames(VIDEO / name, 6, first=20)
            ]

    names = ["pose2sim_cam01.mp4", "demo.mp4"]
    threads = [threading.Thread(target=watch, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    at_once = seen.copy()
    for name in names:
        watch(name)
        for together, by_itself in zip(at_once[name], seen[name], strict=True):
            assert together is not None
            assert by_itself is not None
            np.testing.assert_array_equal(together.pixels, by_itself.pixels)


@pytest.mark.parametrize("end", ["stage.close()", "pass"], ids=["closed", "left open"])
def test_stage_is_silent_from_creation_to_exit(tmp_path: Path, end: str) -> None:
    script = tmp_path / "watch.py"
    script.write_text(
        "import sys\n"
        "from genmo_stream.keypoints import MediaPipeStage\n"
        "from genmo_stream.video import read_video\n"
        "stage = MediaPipeStage()\n"
        "frame = next(read_video(sys.argv[1]))\n"
        "assert stage.detect(frame.image, 0) is not None\n"
        "print('seen', file=sys.stderr)\n"
        f"{end}\n"
    )
    run = subprocess.run(
        [sys.executable, "-W", "error", "-X", "dev", str(script), str(CAM01)],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert (run.returncode, run.stderr) == (0, "seen\n")


def test_lines_of_others_on_stderr_come_through(capfd: pytest.CaptureFixture[str]) -> None:
    with quiet_stderr():
        os.write(2, b"W0000 00:00:1795362416.044934 19005 native.cc:1] chatter\n")
        os.write(2, b"a line of ours\n")
    assert capfd.readouterr().err == "a line of ours\n"


def test_mediapipes_usage_reports_cannot_be_sent() -> None:
    plain = BaseOptions(model_asset_path="x.task").to_ctypes()
    private = PrivateOptions(model_asset_path="x.task").to_ctypes()
    assert plain.ca_bundle_path != os.devnull.encode()
    assert private.ca_bundle_path == os.devnull.encode()


def test_closed_stage_may_be_closed_again() -> None:
    stage = MediaPipeStage("lite")
    stage.close()
    stage.close()

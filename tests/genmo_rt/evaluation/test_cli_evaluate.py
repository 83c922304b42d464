"""`genmo-rt evaluate real FOLDER` and the streams of `genmo-rt evaluate CKPT`, from the outside."""

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from genmo_rt.cli import main
from genmo_rt.data.dataset import save_dataset
from genmo_rt.evaluation.recorded import read_keypoints, write_keypoints
from genmo_stream.video import read_video
from tests.genmo_rt.data.tiny_dataset import tiny_dataset

LANDMARKS = Path(__file__).parents[2] / "fixtures" / "landmarks"


@pytest.fixture
def folder(tmp_path: Path, videos: Path) -> Path:
    """Camera 2 as ../pose2sim has it, and what was seen of it in `scores`."""
    folder = tmp_path / "pose2sim"
    folder.mkdir()
    video = Path(shutil.copy(videos / "pose2sim_cam02.mp4", folder / "cam02.mp4"))
    shutil.copy(LANDMARKS / "pose2sim_reference.npz", folder / "reference.npz")
    (folder / "two_persons_cam03.mp4").write_bytes(b"not one of the cameras")
    (tmp_path / "scores").mkdir()
    source = hashlib.sha256(video.read_bytes()).hexdigest()
    seen = read_keypoints(LANDMARKS / "pose2sim_cam02.npz")[:15]
    write_keypoints(tmp_path / "scores" / "cam02.landmarks.npz", seen, (1080, 1920), source)
    return folder


def test_a_folder_is_scored_beside_mediapipe_and_shown(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = folder.parent / "scores"
    argv = ["evaluate", "real", str(folder), "--out", str(out), "--video", str(out / "b.mp4")]
    assert main(argv) == 0
    said = capsys.readouterr().out
    rows = [line.split("|")[1].strip() for line in said.splitlines() if "camera 2," in line]
    assert rows == [
        f"camera 2, {how}"
        for how in (
            *(
                f"{how}, {told}"
                for told in ("true f", "guessed f")
                for how in ("streaming R=0", "streaming R=4", "whole clip")
            ),
            "MediaPipe",
        )
    ]
    assert (out / "real.md").read_text().splitlines()[2:] == said.splitlines()[4:-1]
    frames = list(read_video(out / "b.mp4"))
    assert len(frames) == 15
    assert frames[0].image.shape == (640, 360 + 800, 3)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("real",), "expected evaluate real FOLDER"),
        (("real", "FOLDER", "--cameras", "2", "7"), "lacks camera 7"),
        (("real", "FOLDER", "--video", "beside.avi"), "ends in .mp4"),
        (("real", "FOLDER", "--motions", "motions.npz"), "expected it without real"),
        (("real", "."), "has no reference.npz"),
        (("weights.safetensors", "FOLDER"), "expected `real` before a folder"),
        ((), "--motions is missing"),
    ],
)
def test_wrong_use_is_said(
    folder: Path, capsys: pytest.CaptureFixture[str], argv: tuple[str, ...], said: str
) -> None:
    assert main(["evaluate", *(str(folder) if a == "FOLDER" else a for a in argv)]) == 2
    assert said in capsys.readouterr().err


def test_streams_are_scored_and_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A single clip with the shipped weights, most of which no test could run for long."""
    dataset = replace(tiny_dataset(clips=2, frames=200), held_out=np.array([True, False]))
    save_dataset(dataset, tmp_path / "motions.npz")
    argv = ["evaluate", "--motions", str(tmp_path / "motions.npz"), "--only", "streams"]
    assert main([*argv, "--stream-frames", "60", "--out", str(tmp_path / "figures")]) == 0
    said = capsys.readouterr().out
    for row in ("| half the joints hidden", "| legs hidden", "| true streaming", "| one windowed"):
        assert row in said
    assert {p.name for p in (tmp_path / "figures").iterdir()} == {"occlusion.svg", "drift.svg"}

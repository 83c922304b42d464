"""Looking at a dataset: the table, the clips' provenance, the picture; and the command."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from genmo_rt.cli import main
from genmo_rt.data.dataset import save_dataset
from genmo_rt.data.families import ASF
from genmo_rt.data.picture import POSES, draw_samples
from genmo_rt.data.summary import clip_summaries, set_summaries
from tests.genmo_rt.data.tiny_clips import BODY, walking_clip, write_set
from tests.genmo_rt.data.tiny_dataset import tiny_dataset


def test_the_table_adds_up() -> None:
    tiny, total = set_summaries(tiny_dataset(clips=4, frames=90))
    assert (tiny.name, total.name) == ("tiny", "all")
    assert total.clips == tiny.clips == 4
    assert total.performers == 4
    assert abs(total.hours - 4 * 90 / 30 / 3600) < 1e-9
    assert abs(total.held_out_hours - total.hours / 4) < 1e-9
    assert abs(total.music_hours - total.hours / 4) < 1e-9
    assert total.texts == 2


def test_every_clip_says_where_it_is_from() -> None:
    first, *_, last = clip_summaries(tiny_dataset())
    assert first.name == "tiny/clip_0"
    assert first.licence == first.music == "made in code"
    assert last.held_out
    assert last.music == ""


def test_the_picture_has_a_row_for_each_sample_and_draws_no_unknown_joint() -> None:
    root = ET.fromstring(draw_samples(tiny_dataset(), BODY, per_set=4))
    rows = root.findall("{*}g")
    assert len(rows) == 4
    bones = [len(row.findall(".//{*}g/{*}path")) for row in rows]
    assert bones == [POSES * 23] * 3 + [POSES * 19]  # the last clip lacks wrists and hands


def _captures(folder: Path) -> Path:
    write_set(folder / "cmu.npz", [walking_clip("07_01", "", ASF)])
    return folder


def test_the_command_builds_shows_and_draws(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    captures, out = str(_captures(tmp_path)), str(tmp_path / "m.npz")
    assert main(["data", "build", captures, "-o", out, "--no-texts", "--no-music"]) == 0
    assert "1 clips" in capsys.readouterr().out
    assert main(["data", "show", out]) == 0
    assert "cmu/07_01: 4.0 s, no label, 1 texts; mocap.cs.cmu.edu" in capsys.readouterr().out
    assert main(["data", "picture", out, "-o", str(tmp_path / "m.svg")]) == 0
    assert "cmu / 07_01" in (tmp_path / "m.svg").read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["build", "-o", "x.npz"], "nothing to build from"),
        (["build", "-o", "x.npz", "--humanml3d", "h"], "--amass too"),
        (["picture", "FILE", "-o", "x.gif"], "ends in .svg"),
    ],
)
def test_wrong_use_says_what_was_expected(
    arguments: list[str], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_dataset(tiny_dataset(), tmp_path / "tiny.npz")
    given = [str(tmp_path / "tiny.npz") if a == "FILE" else a for a in arguments]
    assert main(["data", *given]) == 2
    assert reason in capsys.readouterr().err


def test_an_empty_folder_of_a_set_is_refused_with_its_layout(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "build", "-o", "x.npz", "--amass", str(tmp_path)]) == 1
    assert "expected AMASS: SET/SUBJECT/TRIAL_poses.npz" in capsys.readouterr().err

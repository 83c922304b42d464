"""`genmo-rt export`: takes as files from the command line."""

from pathlib import Path

import pytest

from genmo_rt.cli import main
from genmo_rt.estimate import Estimator
from genmo_rt.formats.npz import read_npz
from tests.genmo_stream.recorded import record_walk


@pytest.fixture(scope="module")
def take(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a take of one walker, in a folder of takes."""
    takes, info, _ = record_walk(
        tmp_path_factory.mktemp("takes"), Estimator.load(), seconds=1.0, persons=1
    )
    return takes.path(info.id)


@pytest.mark.parametrize("ending", ["npz", "bvh", "glb", "jsonl"])
def test_a_take_is_exported_by_its_id(take: Path, tmp_path: Path, ending: str) -> None:
    out = tmp_path / f"walk.{ending}"
    assert main(["export", take.name, "--takes-dir", str(take.parent), "-o", str(out)]) == 0
    assert out.stat().st_size > 1000


def test_the_second_solve_is_made_printed_and_written(
    take: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for solve in ("live", "second"):
        out = str(tmp_path / f"{solve}.npz")
        assert main(["export", str(take), "--solve", solve, "-o", out]) == 0
    live, second = (read_npz(tmp_path / f"{solve}.npz") for solve in ("live", "second"))
    assert len(live.pelvis) == len(second.pelvis) == 31
    assert (live.axis_angle != second.axis_angle).any()
    printed = capsys.readouterr().out
    assert "jitter" in printed
    assert "second" in printed
    assert [path.name for path in take.iterdir() if "second" in path.name] == []


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["nowhere", "-o", "x.npz"], "there is no take 'nowhere'"),
        ([".", "-o", "x.fbx"], "ends in .npz"),
        ([".", "-o", "nofolder/x.npz"], "folder that exists"),
    ],
)
def test_wrong_use_is_said(
    arguments: list[str],
    reason: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["export", *arguments]) == 2
    assert reason in capsys.readouterr().err

"""`genmo-rt train` and `genmo-rt evaluate` from the outside."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from genmo_rt.checkpoint import load_checkpoint
from genmo_rt.cli import main
from genmo_rt.data.dataset import save_dataset
from genmo_rt.model import PRESETS
from tests.genmo_rt.data.tiny_dataset import tiny_dataset
from tests.genmo_rt.training.tiny_run import TINY


@pytest.fixture
def motions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A dataset file whose held-out clip has all joints; the small preset is tiny."""
    monkeypatch.setitem(PRESETS, "small", TINY)
    dataset = tiny_dataset(frames=100)
    save_dataset(
        replace(dataset, held_out=np.arange(len(dataset.names)) == 0), tmp_path / "motions.npz"
    )
    return tmp_path / "motions.npz"


def _train(motions: Path, *more: str) -> int:
    out = motions.parent / "run"
    size = ("--clips", "1", "--frames", "16")
    return main(["train", "--motions", str(motions), "--out", str(out), *size, *more])


def test_training_leaves_a_checkpoint_goes_on_and_is_scored(
    motions: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _train(motions, "--steps", "4") == 0
    out = motions.parent / "run"
    assert {"state.pt", "model.safetensors", "log.jsonl"} <= {p.name for p in out.iterdir()}
    assert _train(motions, "--steps", "6", "--resume") == 0
    assert load_checkpoint(out / "model.safetensors").note.startswith("6 steps")
    capsys.readouterr()

    scored = ["evaluate", str(out / "model.safetensors"), "--motions", str(motions)]
    assert main([*scored, "--only", "estimation"]) == 0
    said = capsys.readouterr().out
    assert "| streaming |" in said
    assert "| centred |" in said
    assert "pa_mpjpe" in said


def test_a_share_of_captured_clips_that_is_none_is_refused(
    motions: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _train(motions, "--steps", "1", "--captured", "1.5") == 2
    assert "captured is 1.5; expected a share, 0 to 1" in capsys.readouterr().err


def test_generation_is_scored_with_a_row_for_each_seed(
    motions: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("librosa")
    assert _train(motions, "--steps", "2") == 0
    checkpoint = str(motions.parent / "run" / "model.safetensors")
    few = ("--texts", "1", "--variations", "2", "--frames", "30", "--steps", "2", "--seeds", "2")
    argv = ["evaluate", checkpoint, "--motions", str(motions), "--only", "generation", *few]
    assert main(argv) == 0
    said = capsys.readouterr().out
    for part in ("Held-out texts", "Music at 6 tempos", "Keyframes", "| seed 1 |", "| spread |"):
        assert part in said


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--steps", "2", "--preset", "huge"), "--preset is huge; expected one of"),
        (("--steps", "2", "--guided", "7"), "guided is 7.0; expected a share"),
        (("--steps", "2", "--resume"), "state.pt: no such file"),
        (("--steps", "2", "--resume", "--init", "x"), "--resume and --init"),
        (("--steps", "2", "--init", "x"), "x: no such checkpoint"),
        (("--minutes", "-3"), "the budget is -3.0"),
    ],
)
def test_what_can_not_be_trained_is_said_in_one_line(
    motions: Path, capsys: pytest.CaptureFixture[str], flags: tuple[str, ...], said: str
) -> None:
    assert _train(motions, *flags) in (1, 2)
    error = capsys.readouterr().err.splitlines()
    assert said in error[-1]


def test_training_needs_a_budget(motions: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        _train(motions)
    assert ended.value.code == 2
    assert "--minutes --steps is required" in capsys.readouterr().err

"""The `generate` command and its benchmark, with a tiny random checkpoint."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from genmo_rt.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from genmo_rt.cli import main
from genmo_rt.cli.common import wait_asleep
from genmo_rt.formats.npz import read_npz
from genmo_rt.model import Model, ModelConfig

DEMO = Path(__file__).parents[1] / "fixtures" / "video" / "demo.mp4"


class Words:
    """An encoder without weights."""

    width = 384

    def encode(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        lengths = torch.tensor([[float(len(text))] for text in texts])
        return (lengths * torch.arange(384)).sin()[:, None], torch.ones(len(texts), 1).bool()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    model = Model(ModelConfig(width=24, layers=2, heads=2, head_dim=8, window=8))
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_checkpoint(path, Checkpoint(model, load_checkpoint().stats, "builtin", "random"))
    return path


@pytest.fixture(autouse=True)
def _words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genmo_rt.generation.generator.MiniLM", Words)
    monkeypatch.setattr("genmo_rt.text.MiniLM", Words)


def _run(checkpoint: Path, *flags: object) -> int:
    return main(["generate", "--checkpoint", str(checkpoint), "--steps", "2", *map(str, flags)])


def test_texts_become_all_four_files(checkpoint: Path, tmp_path: Path) -> None:
    outs = [tmp_path / f"walk{suffix}" for suffix in (".npz", ".bvh", ".glb", ".mp4")]
    assert _run(checkpoint, "--text", "walk@0-0.5", "--text", "jump@0.5-1", "-o", *outs) == 0
    assert all(out.stat().st_size > 1000 for out in outs)
    clip = read_npz(outs[0])
    assert len(clip.pelvis) == 30
    assert clip.camera is None


@pytest.mark.parametrize("command", [["generate"], ["bench", "generate"]])
def test_help_has_an_example_and_no_blots(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([*command, "--help"])
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    assert f"example: genmo-rt {' '.join(command)}" in text
    assert not any(blot in text for blot in ("SUPPRESS", "default: None", "default: ["))


def test_variations_are_numbered_and_a_seed_repeats_them(checkpoint: Path, tmp_path: Path) -> None:
    flags = ("--text", "walk@0-1", "--variations", "2", "--seed", "7", "-o")
    assert _run(checkpoint, *flags, tmp_path / "a.npz") == 0
    assert _run(checkpoint, *flags, tmp_path / "b.npz") == 0
    first, second = (read_npz(tmp_path / f"a-{number}.npz") for number in (1, 2))
    again = read_npz(tmp_path / "b-1.npz")
    np.testing.assert_array_equal(first.joints, again.joints)
    assert np.abs(first.joints - second.joints).max() > 1e-3


def test_a_timeline_mixes_video_text_and_keyframes(checkpoint: Path, tmp_path: Path) -> None:
    table = {
        "video": [{"file": str(DEMO), "start": 0.2, "end": 0.6, "from": 1.0}],
        "text": [{"text": "walk", "start": 0.6, "end": 1.2}],
        "keyframe": [{"at": 1.1, "pelvis": [0, 0.93, 2], "rotations": [[0, 0, 0, 1]] * 24}],
    }
    path = tmp_path / "mix.json"
    path.write_text(json.dumps(table))
    out = tmp_path / "mix.npz"
    assert _run(checkpoint, "--timeline", path, "-o", out) == 0
    clip = read_npz(out)
    assert len(clip.pelvis) == 36
    assert clip.confidence.nonzero()[0].tolist() == list(range(6, 18))
    np.testing.assert_allclose(clip.pelvis[33], (0, 0.93, 2), atol=1e-4)


@pytest.mark.parametrize(
    ("flags", "code", "expected"),
    [
        ([], 2, "nothing is asked for; expected --text"),
        (["--text", " "], 2, "expected words"),
        (["--text", "walk@2-1"], 2, "2 to 1 s; expected its end after its start"),
        (["--text", "a@0-2", "--text", "b@1-3"], 2, "they overlap; set blend"),
        (["--timeline", "t.toml", "--text", "walk"], 2, "--text beside --timeline"),
        (["--timeline", "none.toml"], 1, "none.toml: No such file"),
        (["--music", "none.wav"], 1, "none.wav: no such file; expected a sound file"),
        (["--text", "walk", "--seconds", "0"], 2, "the clip is 0 s long"),
        (["--text", "walk", "--seconds", "nan"], 2, "a time is nan s; expected 0 to 3600 s"),
        (["--text", f"walk@0-{'9' * 400}"], 2, "a time is inf s; expected 0 to 3600 s"),
        (["--text", "walk", "--guidance", "-1"], 2, "guidance is -1.0; expected 0 to 20"),
    ],
)
def test_wrong_use_is_said(
    checkpoint: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    flags: list[str],
    code: int,
    expected: str,
) -> None:
    assert _run(checkpoint, *flags, "-o", tmp_path / "out.npz") == code
    assert expected in capsys.readouterr().err


@pytest.mark.parametrize(
    ("out", "expected"),
    [("out.fbx", "expected a name that ends in .npz"), ("none/out.npz", "a folder that exists")],
)
def test_an_output_that_cannot_be_is_refused_first(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], out: str, expected: str
) -> None:
    assert _run(checkpoint, "--text", "walk", "-o", tmp_path / out) == 2
    assert expected in capsys.readouterr().err


def test_a_video_that_is_too_short_is_refused(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "t.json"
    interval = {"file": str(DEMO), "end": 3, "from": 7.2}
    path.write_text(json.dumps({"video": [interval]}))
    assert _run(checkpoint, "--timeline", path, "-o", tmp_path / "out.npz") == 2
    assert "from 7.2 s on; expected 3.00 s" in capsys.readouterr().err


def test_threads_are_told_to_sleep_before_torch_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    wait_asleep()
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"  # who says so is obeyed
    monkeypatch.delenv("OMP_WAIT_POLICY")
    wait_asleep()
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"
    early = "import sys, genmo_rt.cli; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", early], check=False).returncode == 0


def test_bench_prints_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--size", "small", "--seconds", "1", "--steps", "2", "--threads", "1"]
    assert main(["bench", "generate", *flags]) == 0
    row = capsys.readouterr().out.splitlines()[-1].split("|")
    assert [cell.strip() for cell in row[1:5]] == ["small", "1", "2", "1"]
    assert float(row[6]) > 0
    assert float(row[7]) > 0

"""Checkpoints come back as they were written; others are refused with the reason."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from genmo_rt import checkpoint as checkpoints
from genmo_rt.checkpoint import (
    DEFAULT_CHECKPOINT,
    Checkpoint,
    load_checkpoint,
    save_checkpoint,
)
from genmo_rt.conditions import Observed
from genmo_rt.errors import FileFormatError
from genmo_rt.metrics import mpjpe
from genmo_rt.model import Model, ModelConfig, Texts
from genmo_rt.motion import MotionStats
from genmo_rt.smpl import load_body
from genmo_rt.training.validation import SCORED, conditions_of, validate
from tests.genmo_rt.tiny_batch import tiny_batch

CONFIG = ModelConfig(width=16, layers=1, heads=1, head_dim=16, window=5)


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, Checkpoint]:
    torch.manual_seed(0)
    stats = MotionStats(torch.randn(181), torch.rand(181))
    made = Checkpoint(Model(CONFIG), stats, body="builtin", note="untrained")
    path = tmp_path / "some.safetensors"
    save_checkpoint(path, made, dtype=torch.float32)
    return path, made


def test_checkpoint_comes_back(written: tuple[Path, Checkpoint]) -> None:
    path, made = written
    read = load_checkpoint(path)
    assert read.model.config == CONFIG
    assert (read.body, read.note) == ("builtin", "untrained")
    assert torch.equal(read.stats.mean, made.stats.mean)
    for name, weight in made.model.state_dict().items():
        assert torch.equal(read.model.state_dict()[name], weight)
    assert not read.model.training


def test_a_checkpoint_says_whether_it_was_trained_to_look_ahead(
    written: tuple[Path, Checkpoint], tmp_path: Path
) -> None:
    path, made = written
    assert not load_checkpoint(path).centred
    save_checkpoint(tmp_path / "centred.safetensors", replace(made, centred=True))
    assert load_checkpoint(tmp_path / "centred.safetensors").centred


def _as_format_1(path: Path) -> None:
    """Rewrites a checkpoint as it was before generation."""
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    later = ("level.", "noised.", "texts.", "observe.4.", "observe.5.", "observe.6.")
    tensors = {
        name: value
        for name, value in load_file(path).items()
        if not name.removeprefix("model.").startswith(later)
    }
    config = json.loads(metadata["config"])
    del config["text_width"], metadata["centred"]
    metadata |= {
        "format": "genmo-rt.1",
        "conditions": "keypoints2d:33x5+bbox:1x4+cam_angvel:1x6+features:33x4",
        "config": json.dumps(config),
    }
    save_file(tensors, path, metadata=metadata)


def test_a_checkpoint_from_before_generation_still_estimates_and_ignores_the_rest(
    written: tuple[Path, Checkpoint],
) -> None:
    path, made = written
    _as_format_1(path)
    read = load_checkpoint(path)
    for name, weight in read.model.state_dict().items():
        old = not name.startswith(("level.", "noised.", "texts.", "observe.4", "observe.5"))
        if old and not name.startswith("observe.6"):
            assert torch.equal(weight, made.model.state_dict()[name])
        else:
            assert not weight.any()
    batch = tiny_batch(2, 8)
    conditions, delay = conditions_of(batch), torch.zeros(2, dtype=torch.int64)
    music = Observed(torch.randn(2, 8, 1, 35), torch.ones(2, 8, 1, dtype=torch.bool))
    mask, span = torch.ones(2, 1, 3, dtype=torch.bool), torch.tensor([[[0, 8]]] * 2)
    texts = Texts(torch.randn(2, 1, 3, 384), mask, span)
    said = read.model(conditions, delay)
    told = read.model(replace(conditions, music=music), delay, texts=texts)
    assert torch.equal(said, told)


def test_a_checkpoint_from_before_generation_that_lacks_a_weight_is_refused(
    written: tuple[Path, Checkpoint],
) -> None:
    path, _ = written
    _as_format_1(path)
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    tensors = load_file(path)
    del tensors["model.stem.bias"]
    save_file(tensors, path, metadata=metadata)
    with pytest.raises(FileFormatError, match=r"(?s)do not fit its config .*stem\.bias"):
        load_checkpoint(path)


def test_other_modalities_are_refused(
    written: tuple[Path, Checkpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = written
    monkeypatch.setattr(checkpoints, "CONDITIONS", "keypoints2d:17x3")
    with pytest.raises(FileFormatError, match=r"its conditions is .*'keypoints2d:17x3'"):
        load_checkpoint(path)


def test_half_precision_keeps_the_weights_to_three_digits(
    written: tuple[Path, Checkpoint], tmp_path: Path
) -> None:
    _, made = written
    save_checkpoint(tmp_path / "half.safetensors", made)
    read = load_checkpoint(tmp_path / "half.safetensors")
    for name, weight in made.model.state_dict().items():
        torch.testing.assert_close(read.model.state_dict()[name], weight, rtol=1e-3, atol=1e-6)
        assert read.model.state_dict()[name].dtype == torch.float32


def test_another_motion_layout_is_refused(
    written: tuple[Path, Checkpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = written
    monkeypatch.setattr(checkpoints, "LAYOUT", "orient_gv:6+pose:151")
    with pytest.raises(FileFormatError, match=r"its motion is .*orient_gv:6\+pose:151"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("config", '{"depth": 3}', "unexpected keyword argument 'depth'"),
        ("config", "{", "Expecting property name"),
        ("body", None, "'body'"),
    ],
)
def test_a_checkpoint_whose_own_words_are_garbled_is_refused(
    written: tuple[Path, Checkpoint], key: str, value: str | None, reason: str
) -> None:
    path, _ = written
    with safe_open(path, "pt") as file:
        metadata = {name: said for name, said in file.metadata().items() if name != key}
    if value is not None:
        metadata[key] = value
    save_file(load_file(path), path, metadata=metadata)
    with pytest.raises(FileFormatError, match=f"(?s){reason}.*; expected a checkpoint that"):
        load_checkpoint(path)


def test_weights_of_another_size_are_refused(written: tuple[Path, Checkpoint]) -> None:
    path, _made = written
    tensors = load_file(path)
    tensors["model.norm.weight"] = torch.zeros(17)
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    save_file(tensors, path, metadata=metadata)
    with pytest.raises(FileFormatError, match="do not fit its config"):
        load_checkpoint(path)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="no such checkpoint"):
        load_checkpoint(tmp_path / "none.safetensors")


def test_a_file_of_something_else_is_said(tmp_path: Path) -> None:
    (tmp_path / "text.safetensors").write_text("this is no checkpoint, but long enough to try")
    with pytest.raises(FileFormatError, match="not a safetensors checkpoint"):
        load_checkpoint(tmp_path / "text.safetensors")


def test_tensors_of_another_program_are_refused(tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(FileFormatError, match="its format is None"):
        load_checkpoint(tmp_path / "other.safetensors")


def test_the_shipped_checkpoint_is_small_and_lifts_a_person_it_never_saw() -> None:
    """Poses made in code, far wilder than people's: much nearer than the rest pose."""
    files = list(DEFAULT_CHECKPOINT.parent.glob("default*"))
    assert DEFAULT_CHECKPOINT in files
    assert max(file.stat().st_size for file in files) < 16 << 20
    shipped = load_checkpoint()
    assert shipped.body == "builtin"
    batch, body = tiny_batch(8, 60), load_body()
    score = validate(shipped.model, shipped.stats, body, [batch])
    rest = body.rest_joints(batch.shape)[:, None, list(SCORED)]
    upright = rest * torch.tensor([1.0, -1.0, -1.0])  # facing the camera, OpenCV's axes
    still = mpjpe(upright, batch.joints_cam[:, :, list(SCORED)]).mean()
    assert score.mpjpe < 0.75 * still
    assert score.tilt_degrees < 15

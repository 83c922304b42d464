"""Checkpoints come back as they were written; others are refused with the reason."""

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
from genmo_rt.errors import FileFormatError
from genmo_rt.metrics import mpjpe
from genmo_rt.model import Model, ModelConfig
from genmo_rt.motion import MotionStats
from genmo_rt.smpl import load_body
from genmo_rt.validation import SCORED, validate
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
    """Poses made in code, far wilder than people's: half the error of the rest pose."""
    assert DEFAULT_CHECKPOINT.stat().st_size <= 16 << 20
    shipped = load_checkpoint()
    assert shipped.body == "builtin"
    batch, body = tiny_batch(8, 60), load_body()
    score = validate(shipped.model, shipped.stats, body, [batch])
    rest = body.rest_joints(batch.shape)[:, None, list(SCORED)]
    upright = rest * torch.tensor([1.0, -1.0, -1.0])  # facing the camera, OpenCV's axes
    still = mpjpe(upright, batch.joints_cam[:, :, list(SCORED)]).mean()
    assert score.mpjpe < 0.5 * still
    assert score.tilt_degrees < 15

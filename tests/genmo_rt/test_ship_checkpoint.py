"""scripts/ship_checkpoint.py: what is trained becomes what ships, and nothing else does."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import torch

from genmo_rt.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from genmo_rt.errors import GenmoError
from genmo_rt.motion import MotionStats
from tests.genmo_rt.tiny_model import tiny_model

SCRIPT = Path(__file__).parents[2] / "scripts" / "ship_checkpoint.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """scripts/ship_checkpoint.py as a module."""
    spec = importlib.util.spec_from_file_location("ship_checkpoint", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _trained(body: str = "builtin") -> Checkpoint:
    stats = MotionStats(torch.zeros(181), torch.ones(181))
    return Checkpoint(tiny_model(torch.float32), stats, body, note="some steps")


def test_a_trained_checkpoint_takes_the_place_of_the_one_before(
    script: ModuleType, tmp_path: Path
) -> None:
    save_checkpoint(tmp_path / "model.safetensors", _trained())
    index = tmp_path / "weights" / "default.safetensors.index.json"
    index.parent.mkdir()
    (index.parent / "default-00001-of-00007.safetensors").write_bytes(b"the one before")
    parts = script.ship(tmp_path / "model.safetensors", index, "all steps")
    assert {path.name for path in index.parent.iterdir()} == {
        "default-00001-of-00001.safetensors",
        index.name,
    }
    assert [path.parent for path in parts] == [index.parent]
    assert load_checkpoint(index).note == "all steps"


def test_what_mustnt_ship_is_refused_and_leaves_the_one_before(
    script: ModuleType, tmp_path: Path
) -> None:
    estimator, broken = _trained(), _trained()
    torch.nn.init.zeros_(estimator.model.noised.weight)
    broken.model.head.weight[0, 0] = torch.nan
    index = tmp_path / "default.safetensors.index.json"
    script.ship(_saved(tmp_path, _trained()), index)
    before = sorted(path.read_bytes() for path in tmp_path.glob("default*"))
    for made, reason in (
        (_trained("smpl"), "is of body 'smpl'"),
        (estimator, "can only estimate"),
        (broken, r"head\.weight has numbers that float16 can't hold"),
    ):
        with pytest.raises(GenmoError, match=reason):
            script.ship(_saved(tmp_path, made), index)
    assert sorted(path.read_bytes() for path in tmp_path.glob("default*")) == before


def _saved(folder: Path, made: Checkpoint) -> Path:
    save_checkpoint(folder / "model.safetensors", made)
    return folder / "model.safetensors"

"""Training in slices: motions travel packed, a run goes on where it stopped, weights come back."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from genmo_rt.checkpoint import load_checkpoint
from genmo_rt.data.storage import map_arrays, write_arrays
from genmo_rt.model import PRESETS, ModelConfig
from genmo_rt.training.config import TrainConfig
from genmo_rt.training.run import train
from genmo_rt.training.trainer import Trainer
from tests.genmo_rt.training.tiny_run import SOURCES

SCRIPT = Path(__file__).parents[2] / "scripts" / "gpu_train.py"
TINY = ModelConfig(width=32, layers=1, heads=1, head_dim=32)


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """scripts/gpu_train.py as a module."""
    spec = importlib.util.spec_from_file_location("gpu_train", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_slices_in_a_folder_that_stays_make_one_run(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PRESETS, "small", TINY)
    monkeypatch.setattr(script, "PART", 100_000)
    work, out = tmp_path / "work", tmp_path / "out"

    def run_slice() -> Trainer:
        ticks = iter(range(0, 1000, 6))
        trainer = train(
            TrainConfig(minutes=1.0, windows=(4, 8)),
            work,
            SOURCES,
            resume=(work / "state.pt").exists(),
            slice_s=30,
            clock=lambda: float(next(ticks)),
        )
        script.hand_back(work, out)
        return trainer

    assert run_slice().steps == 5
    assert run_slice().steps == 10
    assert run_slice().steps == 10  # the minute is over
    parts = sorted(out.glob("model.safetensors.*"))
    assert len(parts) > 1
    assert max(part.stat().st_size for part in parts) <= 100_000
    whole = tmp_path / "whole.safetensors"
    whole.write_bytes(b"".join(part.read_bytes() for part in parts))
    assert load_checkpoint(whole).note == "10 steps, 1.0 minutes"


def test_packed_motions_come_back_as_they_were(script: ModuleType, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    quat = np.cumsum(random.integers(-40, 40, (2000, 24, 4)), axis=0).clip(-32767, 32767)
    quat[1000] = -quat[999]  # another clip: the step doesn't fit 16 bits
    arrays = {
        "quat_xyzw": quat.astype(np.int16),
        "pelvis": random.standard_normal((2000, 3)).astype(np.float32),
        "texts/strings": np.array(["a person walks", "jumps"]),
    }
    write_arrays(tmp_path / "motions.npz", arrays)
    script.pack(tmp_path / "motions.npz", tmp_path / "packed")
    assert (tmp_path / "packed").stat().st_size < 0.7 * (tmp_path / "motions.npz").stat().st_size
    script.unpack(tmp_path / "packed", tmp_path / "again.npz")
    again = map_arrays(tmp_path / "again.npz")
    assert set(again) == set(arrays)
    for name, value in arrays.items():
        np.testing.assert_array_equal(again[name], value)


def test_a_part_fits_what_a_machine_sends_back(script: ModuleType) -> None:
    assert script.PART < 16 * 2**20

"""Training in slices: a run stops in time, its state travels in parts and goes on elsewhere."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from genmo_rt import train as training
from genmo_rt.model import PRESETS, ModelConfig
from genmo_rt.train import TrainConfig, Trainer
from tests.genmo_rt.tiny_batch import tiny_batch

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


def test_slices_joined_after_transport_make_one_run(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PRESETS, "small", TINY)
    monkeypatch.setattr(script, "PART", 100_000)
    carried = tmp_path / "carried"

    def run_slice(work: Path) -> Trainer:
        ticks = iter(range(0, 1000, 6))
        work.mkdir()
        trainer = training.train(
            TrainConfig(minutes=1.0, windows=(4, 8)),
            work,
            lambda number: tiny_batch(seed=number % 7),
            [tiny_batch(seed=100)],
            resume=script.join_state(carried, work),
            slice_s=30,
            clock=lambda: float(next(ticks)),
        )
        script.split_state(work, carried)
        return trainer

    assert run_slice(tmp_path / "one").steps == 5
    sizes = [part.stat().st_size for part in carried.glob("state.pt.*")]
    assert len(sizes) > 1
    assert max(sizes) <= 100_000
    assert run_slice(tmp_path / "two").steps == 10
    assert run_slice(tmp_path / "three").steps == 10  # the minute is over


def test_a_part_fits_what_a_machine_sends_back(script: ModuleType) -> None:
    assert script.PART < 16 * 2**20

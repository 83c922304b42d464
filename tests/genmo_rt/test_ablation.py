"""The ablation: who may see whose truth, equal budgets, a table that says mean and spread."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import torch

from genmo_rt.data.loader import LoaderConfig
from genmo_rt.smpl import load_body
from tests.genmo_rt.data.tiny_dataset import tiny_dataset
from tests.genmo_rt.training.tiny_run import CONFIG, tiny_trainer

SCRIPT = Path(__file__).parents[2] / "scripts" / "ablation.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """scripts/ablation.py as a module."""
    spec = importlib.util.spec_from_file_location("ablation", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_guided_steps_and_the_others_never_draw_the_same_clip(script: ModuleType) -> None:
    dataset = tiny_dataset(clips=5)  # the last one is held out
    clips = script.Clips(dataset, load_body(), LoaderConfig(batch_size=8, length=16))
    with_truth, pictures = clips._with_truth, clips._pictures
    assert (~with_truth.held_out).nonzero()[0].tolist() == [0, 2]
    assert (~pictures.held_out).nonzero()[0].tolist() == [1, 3]
    same = clips(3, "estimation", 0), clips(3, "estimation", 0)
    assert torch.equal(same[0].pixels, same[1].pixels)
    assert not torch.equal(same[0].pixels, clips(3, "guided", 0).pixels)


def test_variants_differ_in_what_they_train_and_in_nothing_else(script: ModuleType) -> None:
    shares = {name: (v.generation, v.guided) for name, v in script.VARIANTS.items()}
    assert len(set(shares.values())) == 4
    assert shares["estimation only"][0] == 0
    assert shares["generation only"] == (1, 0)
    others = {(v.peak_lr, v.steps, v.windows, v.seed) for v in script.VARIANTS.values()}
    assert len(others) == 1


def test_a_variant_takes_the_steps_it_is_given(script: ModuleType) -> None:
    clips = script.Clips(tiny_dataset(), load_body(), LoaderConfig(batch_size=1, length=16))
    assert script.train(tiny_trainer(CONFIG), clips, 7).steps == 7


def test_the_table_says_mean_and_half_the_range_and_leaves_out_what_is_unknown(
    script: ModuleType,
) -> None:
    nan = float("nan")
    rows = {"a": [script.Row(1, 2, 3, nan, 4, 5, 0.5, 6), script.Row(3, 2, 3, nan, 4, 5, 0.7, 6)]}
    last = list(script.table(rows))[-1]
    assert last.startswith("| a | 2.0 ± 1.0 | 2.0 ± 0.0 | 3.0 ± 0.0 | – |")
    assert "0.60 ± 0.10" in last

"""A run: its budget, what it looks at, what it leaves and how it goes on."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from genmo_rt import motion
from genmo_rt.checkpoint import load_checkpoint
from genmo_rt.errors import FileFormatError, InputError
from genmo_rt.keypoints import LANDMARK_NAMES
from genmo_rt.model import PRESETS, Model
from genmo_rt.smpl import load_body
from genmo_rt.training.config import TrainConfig
from genmo_rt.training.disturb import drop_landmarks, mistake_sides
from genmo_rt.training.losses import true_motion, true_view
from genmo_rt.training.run import measure_stats, train
from genmo_rt.training.trainer import Trainer
from genmo_rt.training.validation import conditions_of, validate, validate_generation
from tests.genmo_rt.tiny_batch import tiny_batch
from tests.genmo_rt.training.tiny_run import CONFIG, SOURCES, TINY


def test_learning_rate_follows_the_progress_to_one_percent() -> None:
    config = TrainConfig(minutes=10, peak_lr=1e-3, warmup=0.1)
    rates = [config.learning_rate(config.progress(0, s)) for s in (30, 60, 330, 600, 700)]
    assert rates == pytest.approx([5e-4, 1e-3, 5.05e-4, 1e-5, 1e-5])


def test_a_run_of_steps_goes_by_steps_whatever_the_clock_says() -> None:
    config = TrainConfig(steps=200)
    assert config.progress(50, 1e6) == 0.25


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "None minutes and None steps"),
        ({"minutes": 1.0, "steps": 5}, "1.0 minutes and 5 steps"),
        ({"minutes": -1.0}, "-1.0"),
        ({"steps": 5, "generation": 1.5}, "generation is 1.5"),
    ],
)
def test_a_run_that_makes_no_sense_is_refused(given: dict[str, float], said: str) -> None:
    with pytest.raises(InputError, match=said):
        TrainConfig(**given)  # type: ignore[arg-type]


def test_validation_is_zero_for_a_model_that_knows() -> None:
    """A model whose answer is the truth scores nothing on every measure."""
    batch = tiny_batch()
    stats = measure_stats(iter([batch]))
    view = true_view(batch, conditions_of(batch))
    vector = stats.normalise(motion.encode(true_motion(batch), view))

    class Knows(Model):
        def forward(self, *_: object) -> torch.Tensor:
            return vector

    score = validate(Knows(TINY), stats, load_body(), [batch])
    assert score.mpjpe < 0.01
    assert score.pa_mpjpe < 0.01
    assert score.root < 0.05
    assert score.tilt_degrees < 0.1
    assert score.acceleration < 0.1


def test_a_model_that_knows_the_motion_denoises_without_error() -> None:
    batch = tiny_batch()
    stats = measure_stats(iter([batch]))
    view = true_view(batch, conditions_of(batch))
    vector = stats.normalise(motion.encode(true_motion(batch), view))

    class Knows(Model):
        def forward(self, *_: object, **__: object) -> torch.Tensor:
            return vector

    score = validate_generation(Knows(TINY), stats, load_body(), [batch])
    assert max(score.slight, score.half, score.deep) < 0.01


def _ticking(seconds: float) -> Callable[[], float]:
    """A clock that goes on by so much at every look."""
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += seconds
        return now

    return clock


@pytest.fixture
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRESETS, "small", TINY)


@pytest.mark.usefixtures("_tiny")
def test_a_run_ends_on_time_resumes_and_leaves_a_checkpoint(tmp_path: Path) -> None:
    config = replace(CONFIG, steps=None, minutes=1.0, validate_s=30)

    def run(minutes: float, resume: bool) -> Trainer:
        chosen = replace(config, minutes=minutes)
        return train(chosen, tmp_path, SOURCES, resume=resume, clock=_ticking(6.0))

    assert run(1.0, resume=False).steps == 10
    resumed = run(2.0, resume=True)
    assert resumed.steps == 20
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    numbers = [v for row in rows for v in row.values() if not isinstance(v, str)]
    assert all(math.isfinite(value) for value in numbers)
    assert rows[-1]["step"] == 20
    assert {"estimation", "generation", "streaming", "centred", "denoising"} <= {
        row["of"] for row in rows
    }
    read = load_checkpoint(tmp_path / "model.safetensors")
    assert read.note == "20 steps, 2.0 minutes"
    assert read.centred
    torch.testing.assert_close(
        read.model.norm.weight, resumed.ema.norm.weight, rtol=1e-3, atol=1e-6
    )


@pytest.mark.usefixtures("_tiny")
def test_a_run_in_slices_is_the_run_in_one_go(tmp_path: Path) -> None:
    config = replace(CONFIG, steps=9)
    whole = train(config, tmp_path / "whole", SOURCES, clock=_ticking(1.0))
    for resume in (False, True, True):
        parts = train(
            config, tmp_path / "parts", SOURCES, resume=resume, slice_s=3, clock=_ticking(1.0)
        )
    assert parts.steps == 9
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, parts.model.state_dict()[name]), name


@pytest.mark.usefixtures("_tiny")
def test_a_run_leaves_curves_that_tensorboard_reads(tmp_path: Path) -> None:
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    train(replace(CONFIG, steps=12, log_s=0), tmp_path, SOURCES, clock=_ticking(1.0))
    read = events.EventAccumulator(str(tmp_path / "tensorboard"))
    read.Reload()
    curves = read.Tags()["scalars"]
    assert "estimation/total" in curves
    assert "generation/diffusion" in curves
    assert read.Scalars("streaming/mpjpe")[-1].step == 12


@pytest.mark.usefixtures("_tiny")
def test_a_run_may_begin_with_a_checkpoint(tmp_path: Path) -> None:
    first = train(replace(CONFIG, steps=3), tmp_path / "a", SOURCES)
    second = train(
        replace(CONFIG, steps=1, peak_lr=1e-9),
        tmp_path / "b",
        SOURCES,
        init=tmp_path / "a" / "model.safetensors",
    )
    torch.testing.assert_close(
        second.model.head.weight, first.ema.head.weight, rtol=1e-3, atol=1e-5
    )
    assert torch.equal(second.stats.mean, first.stats.mean)


def test_there_must_be_something_to_resume(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"state\.pt: no such file"):
        train(CONFIG, tmp_path, SOURCES, resume=True)


def test_dropping_hides_but_never_invents() -> None:
    confidence = tiny_batch(8, 60).confidence
    dropped = drop_landmarks(confidence, torch.Generator().manual_seed(0))
    assert ((dropped == confidence) | (dropped == 0)).all()
    assert (dropped == 0).sum() > (confidence == 0).sum()
    assert (dropped > 0).float().mean() > 0.5


def test_mistaken_sides_change_places_together() -> None:
    batch = tiny_batch(16, 60)
    pixels, confidence = mistake_sides(
        batch.pixels, batch.confidence, torch.Generator().manual_seed(0)
    )
    changed = (pixels != batch.pixels).any(-1).any(-1)
    assert 0 < changed.float().mean() < 0.2
    left, right = LANDMARK_NAMES.index("left_wrist"), LANDMARK_NAMES.index("right_wrist")
    assert torch.equal(pixels[changed][:, left], batch.pixels[changed][:, right])
    assert torch.equal(pixels[changed][:, 0], batch.pixels[changed][:, 0])  # the nose
    assert torch.equal(confidence[~changed], batch.confidence[~changed])

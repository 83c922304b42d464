"""Training: a step helps, a resumed run goes on as if nothing had happened."""

import io
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from genmo_rt import motion
from genmo_rt import train as training
from genmo_rt.checkpoint import load_checkpoint
from genmo_rt.disturb import drop_landmarks, mistake_sides
from genmo_rt.keypoints import LANDMARK_NAMES
from genmo_rt.losses import estimation_losses, true_motion, true_view
from genmo_rt.model import PRESETS, Model, ModelConfig
from genmo_rt.smpl import load_body
from genmo_rt.train import (
    TrainConfig,
    Trainer,
    measure_stats,
)
from genmo_rt.validation import conditions_of, validate
from tests.genmo_rt.tiny_batch import tiny_batch

TINY = ModelConfig(width=32, layers=2, heads=2, head_dim=16, window=12)
CONFIG = TrainConfig(minutes=1, peak_lr=2e-3, windows=(6, 12), bfloat16=False)


def _trainer() -> Trainer:
    batch = tiny_batch()
    trainer = Trainer(CONFIG, TINY, measure_stats(iter([batch])), load_body())
    trainer.elapsed_s = 2.0  # after warm-up
    return trainer


def test_steps_on_one_batch_lower_its_loss() -> None:
    trainer, batch = _trainer(), tiny_batch()
    conditions, now = conditions_of(batch), torch.zeros(2, dtype=torch.int64)

    def loss() -> float:
        with torch.no_grad():
            x = trainer.model(conditions, now)
            terms = estimation_losses(x, batch, conditions, now, trainer.stats, trainer.body)
        return terms.total().item()

    before = loss()
    for _ in range(30):
        trainer.step(batch)
    assert loss() < 0.7 * before


def test_a_resumed_run_takes_the_same_next_step() -> None:
    first, batch = _trainer(), tiny_batch()
    for _ in range(3):
        first.step(batch)
    second = _trainer()
    file = io.BytesIO()
    torch.save(first.state(), file)
    file.seek(0)
    second.restore(torch.load(file, weights_only=True))
    assert torch.equal(first.step(batch).total(), second.step(batch).total())
    for one, other in zip(first.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(one, other)
    for one, other in zip(first.ema.parameters(), second.ema.parameters(), strict=True):
        assert torch.equal(one, other)


def test_learning_rate_follows_the_clock_to_one_percent() -> None:
    config = TrainConfig(minutes=10, peak_lr=1e-3, warmup=0.1)
    assert config.learning_rate(30) == pytest.approx(5e-4)
    assert config.learning_rate(60) == pytest.approx(1e-3)
    assert config.learning_rate(330) == pytest.approx(5.05e-4)
    assert config.learning_rate(600) == pytest.approx(1e-5)
    assert config.learning_rate(700) == pytest.approx(1e-5)


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


def test_a_run_ends_on_time_resumes_and_leaves_a_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PRESETS, "small", TINY)
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += 6.0
        return now

    def run(minutes: float, resume: bool) -> Trainer:
        return training.train(
            replace(CONFIG, minutes=minutes, validate_s=30),
            tmp_path,
            lambda number: tiny_batch(seed=number % 7),
            [tiny_batch(seed=100)],
            resume=resume,
            clock=clock,
        )

    assert run(1.0, resume=False).steps == 10
    resumed = run(2.0, resume=True)
    assert resumed.steps == 20
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert all(math.isfinite(value) for row in rows for value in row.values())
    assert rows[-1]["step"] == 20
    assert "pa_mpjpe" in rows[-1]
    read = load_checkpoint(tmp_path / "model.safetensors")
    assert read.note == "20 steps, 2.0 minutes"
    torch.testing.assert_close(
        read.model.norm.weight, resumed.ema.norm.weight, rtol=1e-3, atol=1e-6
    )

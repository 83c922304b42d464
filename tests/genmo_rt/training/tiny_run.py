"""A model, a configuration and clips so small that a step takes milliseconds."""

from genmo_rt.model import ModelConfig
from genmo_rt.smpl import load_body
from genmo_rt.training.config import TrainConfig
from genmo_rt.training.run import Sources, measure_stats
from genmo_rt.training.trainer import Trainer
from tests.genmo_rt.tiny_batch import tiny_batch

TINY = ModelConfig(width=32, layers=2, heads=2, head_dim=16, window=12)
CONFIG = TrainConfig(steps=100, peak_lr=2e-3, windows=(6, 12), bfloat16=False)
SOURCES = Sources(
    estimation=lambda number: tiny_batch(seed=number % 7),
    generation=lambda number: tiny_batch(seed=number % 5),
    guided=lambda number: tiny_batch(seed=number % 3),
    held_out=[tiny_batch(seed=100)],
)


def tiny_trainer(config: TrainConfig = CONFIG) -> Trainer:
    """A new run, past its warm-up."""
    trainer = Trainer(config, TINY, measure_stats(iter([tiny_batch()])), load_body())
    trainer.steps = 4
    return trainer

"""What a streaming step costs beside recomputing its window, measured in one run."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from genmo_rt.camera import Intrinsics
from genmo_rt.conditions import Conditions, from_landmarks
from genmo_rt.keypoints import NUM_LANDMARKS
from genmo_rt.model import PRESETS, Model, ModelConfig

REPEATS = 30
RECOMPUTED_WINDOW = 120  # frames, what NVIDIA's demo recomputes per frame


@dataclass(frozen=True, slots=True)
class StepCost:
    """Median times of one configuration, milliseconds."""

    size: str
    window: int
    threads: int
    step_ms: float
    recompute_ms: float

    @property
    def ratio(self) -> float:
        """How many streaming steps fit into one recomputed window."""
        return self.recompute_ms / self.step_ms


def bench_step(
    size: str, threads: int, windows: tuple[int, ...] | None = None, seed: int = 0
) -> list[StepCost]:
    """Times the model alone, random weights, one stream, float32 on the CPU.

    Args:
        size: a preset's name.
        threads: torch's intra-op threads.
        windows: W to try; the shipped one and RECOMPUTED_WINDOW if None.
    Returns:
        One row per window; step and recompute are timed in turn, so that both see the same
        machine.
    """
    config = PRESETS[size]
    torch.manual_seed(seed)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        model = Model(config).eval()
        return [
            _time(model, config, size, window, threads)
            for window in windows or (config.window, RECOMPUTED_WINDOW)
        ]
    finally:
        torch.set_num_threads(before)


@torch.inference_mode()
def _time(model: Model, config: ModelConfig, size: str, window: int, threads: int) -> StepCost:
    frames = _conditions(window)
    newest = _conditions(1)
    delay = torch.zeros(1, dtype=torch.int64)
    cache = model.new_cache(window=window)
    for _ in range(window):  # a full ring costs what a long stream costs
        model.step(newest, cache)
    steps, recomputes = [], []
    for _ in range(REPEATS):
        steps.append(_milliseconds(lambda: model.step(newest, cache)))
        recomputes.append(_milliseconds(lambda: model.forward(frames, delay, (window - 1, 0))))
    return StepCost(size, window, threads, float(np.median(steps)), float(np.median(recomputes)))


def _milliseconds(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return (time.perf_counter() - started) * 1e3


def _conditions(length: int) -> Conditions:
    camera = Intrinsics.default(640, 480)
    return from_landmarks(
        torch.rand(1, length, NUM_LANDMARKS, 2) * 400,
        torch.ones(1, length, NUM_LANDMARKS),
        torch.tensor([[camera.fx, camera.fy, camera.cx, camera.cy]]),
        torch.tensor([[640.0, 480.0]]),
        None,
    )

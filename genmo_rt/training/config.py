"""What one training run is: its budget, its mixture of modes and everything that is drawn."""

import math
from dataclasses import dataclass

from genmo_rt.errors import InputError


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """One run.

    Sequences are several windows long and begin with a stream's first frame, so no step carries a
    cache: over a whole sequence the windowed pass equals cached streaming, and trained on clips of
    48 to 160 frames the error is flat to 10,000.

    Attributes:
        minutes: wall time; the learning rate reaches its end then. None: `steps` is the budget.
        steps: updates; None: `minutes` is the budget.
        preset: of model.PRESETS.
        peak_lr: learning rate after warm-up.
        warmup: share of the run.
        weight_decay: of the blocks' matrices.
        clip: largest norm of the gradient.
        ema: decay of the averaged weights, which are what ships.
        generation: share of steps in generation mode, the others estimate.
        guided: share of the generation steps that are estimation-guided: they learn from the
            picture alone.
        causal: share of estimation steps with the live window (W − 1, 0); the others, and all
            generation, see (W // 2, W // 2 − 1).
        windows: smallest and largest W.
        no_delay: share of clips of causal steps with R = 0; the others draw 1..8.
        drop_text: share of clips of generation steps that aren't told their text.
        drop_music: the same of the music.
        video: share of clips of generation steps that see the person, half of them throughout,
            half of them during one span.
        keyframes: share of clips of generation steps that are given part of the motion.
        bfloat16: run matrix products in bfloat16.
        log_s: seconds between rows of losses in the log.
        save_s: seconds between saves.
        validate_s: seconds between looks at held-out clips.
        seed: of weights, windows, delays, noise and everything that is hidden.
    """

    minutes: float | None = None
    steps: int | None = None
    preset: str = "small"
    peak_lr: float = 2e-3
    warmup: float = 0.03
    weight_decay: float = 0.05
    clip: float = 1.0
    ema: float = 0.998
    generation: float = 0.5
    guided: float = 0.1
    causal: float = 0.6
    windows: tuple[int, int] = (24, 64)
    no_delay: float = 0.65
    drop_text: float = 0.1
    drop_music: float = 0.1
    video: float = 0.3
    keyframes: float = 0.3
    bfloat16: bool = True
    log_s: float = 10.0
    save_s: float = 180.0
    validate_s: float = 300.0
    seed: int = 0

    def __post_init__(self) -> None:
        if (self.minutes is None) == (self.steps is None):
            raise InputError(
                f"the budget is {self.minutes} minutes and {self.steps} steps; give one of them"
            )
        if (self.minutes or self.steps or 0) <= 0:
            raise InputError(
                f"the budget is {self.minutes or self.steps or 0}; expected more than 0"
            )
        for name in ("generation", "guided", "causal", "drop_text", "drop_music"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} is {getattr(self, name)}; expected a share, 0 to 1")

    def progress(self, steps: int, elapsed_s: float) -> float:
        """How much of the run is done, 0 to 1."""
        if self.steps is not None:
            return min(steps / self.steps, 1.0)
        assert self.minutes is not None
        return min(elapsed_s / (self.minutes * 60), 1.0)

    def learning_rate(self, progress: float) -> float:
        """Linear warm-up, then half a cosine to one percent."""
        if progress < self.warmup:
            return self.peak_lr * max(progress / self.warmup, 0.01)
        fall = (progress - self.warmup) / (1 - self.warmup)
        return self.peak_lr * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * fall)))

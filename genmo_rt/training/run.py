"""A whole training run: batches in, log, state and weights out; stops in time and goes on later."""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import distributed

from genmo_rt import motion
from genmo_rt.checkpoint import load_checkpoint, save_checkpoint
from genmo_rt.data.batch import TrainingBatch
from genmo_rt.errors import FileFormatError
from genmo_rt.model import PRESETS, ModelConfig
from genmo_rt.motion import MOTION_WIDTH, SLICES, MotionStats
from genmo_rt.smpl import load_body
from genmo_rt.training.config import TrainConfig
from genmo_rt.training.logs import RunLog
from genmo_rt.training.losses import true_motion, true_view
from genmo_rt.training.plan import Mode
from genmo_rt.training.trainer import Place, Step, Trainer
from genmo_rt.training.validation import conditions_of, validate, validate_generation

Batches = Callable[[int], TrainingBatch]
"""Batch number to batch: the same number is always the same batch, so that a run can resume."""

STATS_BATCHES = 1 << 40  # batch numbers that training never reaches
HELD_OUT_FRAMES = 160  # of each clip that is scored, whatever is trained on
CAPTURED = 0.85  # of a generation step's clips: only of captured motion is anything said
MIN_STD = 0.1  # of a field in its own unit; a nearly constant one must not outweigh the rest


@dataclass(frozen=True, slots=True)
class Sources:
    """Where a run's clips come from.

    Attributes:
        estimation: clips for estimation steps.
        generation: clips for generation steps.
        guided: clips that the guided steps learn from, whose 3D truth is never looked at.
        held_out: clips that are scored.
    """

    estimation: Batches
    generation: Batches
    guided: Batches
    held_out: list[TrainingBatch]

    def of(self, mode: Mode) -> Batches:
        """The clips for a step of a mode."""
        of_mode: Batches = getattr(self, mode.value)
        return of_mode


def train(
    config: TrainConfig,
    out: Path,
    sources: Sources,
    *,
    resume: bool = False,
    init: Path | None = None,
    device: str = "cpu",
    slice_s: float = math.inf,
    clock: Callable[[], float] = time.monotonic,
    show: Callable[[Trainer, Step], None] = lambda *_: None,
) -> Trainer:
    """Runs until the budget is used up; `out` gets state.pt, model.safetensors, log.jsonl, curves.

    Batches are made on the CPU. A run on borrowed time stops after `slice_s` seconds, saves, and
    goes on with `resume`.

    Args:
        resume: go on from state.pt in `out`.
        init: checkpoint whose weights and statistics a new run begins with.
        show: called after each step, in the first process.
    Raises:
        FileFormatError: there is no state to resume, or `init` can't be read.
    """
    out.mkdir(parents=True, exist_ok=True)
    trainer = _resumed(config, out, device) if resume else _new(config, sources, init, device)
    place = Place.here()
    log = RunLog(out)
    last = clock()
    begun = trainer.elapsed_s
    saved = validated = begun
    logged = dict.fromkeys(Mode, begun)

    while trainer.progress < 1 and trainer.elapsed_s - begun < slice_s:
        mode = trainer.next_mode()
        number = trainer.steps * place.processes + place.rank
        step = trainer.step(sources.of(mode)(number))
        now = clock()
        trainer.elapsed_s = _same_everywhere(trainer.elapsed_s + now - last)
        last = now
        if place.rank > 0:
            continue
        show(trainer, step)
        if trainer.elapsed_s - logged[mode] >= config.log_s:
            logged[mode] = trainer.elapsed_s
            log.write(mode.value, trainer.steps, trainer.elapsed_s, step.terms)
        if trainer.elapsed_s - validated >= config.validate_s:
            validated = trainer.elapsed_s
            look(trainer, sources.held_out, log)
        if trainer.elapsed_s - saved >= config.save_s:
            saved = trainer.elapsed_s
            save(trainer, out)
    if place.rank == 0:
        look(trainer, sources.held_out, log)
        save(trainer, out)
        log.close()
    return trainer


def look(trainer: Trainer, held_out: list[TrainingBatch], log: RunLog) -> None:
    """Scores the averaged weights on held-out clips, as they stream, centred, and denoising."""
    model, stats, body = trainer.ema.eval(), trainer.stats, trainer.body
    at = trainer.steps, trainer.elapsed_s
    log.write("streaming", *at, asdict(validate(model, stats, body, held_out)))
    centred = validate(model, stats, body, held_out, window=model.centred_window)
    log.write("centred", *at, asdict(centred))
    log.write("denoising", *at, asdict(validate_generation(model, stats, body, held_out)))


def save(trainer: Trainer, out: Path) -> None:
    """The state to resume from and the weights to run; a kill while writing loses neither."""
    torch.save(trainer.state(), out / "state.pt.part")
    (out / "state.pt.part").replace(out / "state.pt")
    note = f"{trainer.steps} steps, {trainer.elapsed_s / 60:.1f} minutes"
    save_checkpoint(out / "model.safetensors.part", trainer.checkpoint(note))
    (out / "model.safetensors.part").replace(out / "model.safetensors")


def measure_stats(batches: Iterable[TrainingBatch]) -> MotionStats:
    """Mean and standard deviation of the true motion vectors; contacts stay as logits."""
    rows = []
    for batch in batches:
        conditions = conditions_of(batch)
        vector = motion.encode(true_motion(batch), true_view(batch, conditions))
        rows.append(vector[batch.valid & conditions.present])
    vectors = torch.cat(rows)
    mean, std = vectors.mean(0), vectors.std(0).clamp_min(MIN_STD)
    mean[SLICES["contacts"]], std[SLICES["contacts"]] = 0, 1
    assert mean.shape == (MOTION_WIDTH,)
    return MotionStats(mean, std)


def _new(config: TrainConfig, sources: Sources, init: Path | None, device: str) -> Trainer:
    body = load_body()
    if init is not None:
        checkpoint = load_checkpoint(init)
        trainer = Trainer(config, checkpoint.model.config, checkpoint.stats, body, device)
        trainer.start_from(checkpoint)
        return trainer
    stats = measure_stats(sources.estimation(STATS_BATCHES + i) for i in range(12))
    return Trainer(config, PRESETS[config.preset], stats, body, device)


def _resumed(config: TrainConfig, out: Path, device: str) -> Trainer:
    path = out / "state.pt"
    if not path.exists():
        raise FileFormatError(f"{path}: no such file; a run that is to be resumed leaves one")
    state = torch.load(path, map_location=device, weights_only=True)
    model = ModelConfig(**state["config"])
    trainer = Trainer(config, model, MotionStats(*state["stats"]), load_body(), device)
    trainer.restore(state)
    return trainer


def _same_everywhere(elapsed_s: float) -> float:
    """All processes go by the first one's clock, or they would stop at different steps."""
    if not distributed.is_initialized():
        return elapsed_s
    seconds = torch.tensor(elapsed_s, dtype=torch.float64)
    distributed.broadcast(seconds, src=0)
    return seconds.item()

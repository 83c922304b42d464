"""Trains the estimator: `python -m genmo_rt.train --minutes 75 --mocap DIR --out runs/first`.

The schedule follows elapsed time, not steps: a run of any length warms up, anneals fully and ends.
A killed run goes on from its last save with --resume, with the same next step. Under torchrun the
processes share every step: `torchrun --nproc-per-node 2 -m genmo_rt.train ...`.
"""

import argparse
import json
import math
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import distributed, nn

from genmo_rt import motion
from genmo_rt.checkpoint import Checkpoint, save_checkpoint
from genmo_rt.data.batch import TrainingBatch
from genmo_rt.data.dataset import Dataset, build_dataset, load_dataset
from genmo_rt.data.loader import LoaderConfig, heldout
from genmo_rt.data.loader import batches as draw_batches
from genmo_rt.disturb import drop_landmarks, mistake_sides
from genmo_rt.losses import Losses, estimation_losses, true_motion, true_view
from genmo_rt.model import MAX_DELAY, PRESETS, Model, ModelConfig
from genmo_rt.motion import MOTION_WIDTH, SLICES, MotionStats
from genmo_rt.smpl import Body, load_body
from genmo_rt.validation import conditions_of, validate

Batches = Callable[[int], TrainingBatch]
"""Batch number to batch: the same number is always the same batch, so that a run can resume."""

STATS_BATCHES = 1 << 40  # batch numbers that training never reaches
HELD_OUT_FRAMES = 160  # of each clip that is scored, whatever is trained on
MIN_STD = 0.1  # of a field in its own unit; a nearly constant one must not outweigh the rest


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """One run.

    Attributes:
        minutes: wall time; the learning rate reaches its end then.
        preset: of model.PRESETS.
        peak_lr: learning rate after warm-up.
        warmup: share of the run.
        weight_decay: of the blocks' matrices.
        clip: largest norm of the gradient.
        ema: decay of the averaged weights, which are what ships.
        windows: smallest and largest W.
        no_delay: share of clips with R = 0; the others draw 1..8.
        bfloat16: run matrix products in bfloat16.
        log_s: seconds between rows of losses in the log.
        save_s: seconds between saves.
        validate_s: seconds between looks at held-out clips.
        seed: of weights, windows, delays and drop-outs.
    """

    minutes: float
    preset: str = "small"
    peak_lr: float = 2e-3
    warmup: float = 0.03
    weight_decay: float = 0.05
    clip: float = 1.0
    ema: float = 0.998
    windows: tuple[int, int] = (24, 64)
    no_delay: float = 0.65
    bfloat16: bool = True
    log_s: float = 10.0
    save_s: float = 180.0
    validate_s: float = 300.0
    seed: int = 0

    def learning_rate(self, elapsed_s: float) -> float:
        """Linear warm-up, then half a cosine to one percent."""
        progress = min(elapsed_s / (self.minutes * 60), 1.0)
        if progress < self.warmup:
            return self.peak_lr * max(progress / self.warmup, 0.01)
        fall = (progress - self.warmup) / (1 - self.warmup)
        return self.peak_lr * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * fall)))


class Trainer:
    """Everything that changes during a run; `state` and `restore` carry it over a restart."""

    def __init__(
        self,
        config: TrainConfig,
        model_config: ModelConfig,
        stats: MotionStats,
        body: Body,
        device: str = "cpu",
    ) -> None:
        torch.manual_seed(config.seed)
        self.config = config
        self.device = torch.device(device)
        self.stats = MotionStats(stats.mean.to(device), stats.std.to(device))
        self.body = body.to(device)
        self.model = Model(model_config).to(device)
        with torch.no_grad():
            self.model.head.bias.zero_()
        self.ema = Model(model_config).to(device).requires_grad_(False)
        self.ema.load_state_dict(self.model.state_dict())
        self.optimizers = _optimizers(self.model, config.weight_decay)
        self.steps = 0
        self.elapsed_s = 0.0

    def step(self, batch: TrainingBatch) -> Losses:
        """One update; windows, delays and drop-outs depend on seed and step number alone."""
        generator = torch.Generator().manual_seed(self.config.seed * 1_000_003 + self.steps)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self.config.learning_rate(self.elapsed_s)
        low, high = self.config.windows
        window = int(torch.randint(low, high + 1, (), generator=generator))
        clips = batch.present.shape[0]
        delay = torch.randint(1, MAX_DELAY + 1, (clips,), generator=generator)
        delay[torch.rand(clips, generator=generator) < self.config.no_delay] = 0
        pixels, confidence = mistake_sides(batch.pixels, batch.confidence, generator)
        seen = replace(batch, pixels=pixels, confidence=drop_landmarks(confidence, generator))
        conditions = conditions_of(seen).to(self.device)
        batch, delay = batch.to(self.device), delay.to(self.device)

        self.model.train()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.bfloat16):
            x = self.model(conditions, delay, (window - 1, 0))
        losses = estimation_losses(x.float(), batch, conditions, delay, self.stats, self.body)
        self.model.zero_grad()
        losses.total().backward()  # type: ignore[no-untyped-call]
        average_gradients(self.model)
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        for optimizer in self.optimizers:
            optimizer.step()
        self.steps += 1
        decay = min(self.config.ema, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(list(self.ema.parameters()), list(self.model.parameters()), 1 - decay)
        return losses

    def state(self) -> dict[str, Any]:
        """For torch.save."""
        return {
            "model": self.model.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "stats": (self.stats.mean, self.stats.std),
            "steps": self.steps,
            "elapsed_s": self.elapsed_s,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on where `state` was taken."""
        self.model.load_state_dict(state["model"])
        self.ema.load_state_dict(state["ema"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.stats = MotionStats(*state["stats"])
        self.steps = state["steps"]
        self.elapsed_s = state["elapsed_s"]

    def checkpoint(self, note: str) -> Checkpoint:
        """What ships: the averaged weights."""
        return Checkpoint(model=self.ema, stats=self.stats, body=self.body.name, note=note)


def average_gradients(model: Model) -> None:
    """Makes the gradients of all processes of a torchrun their mean; nothing to do for one."""
    if not distributed.is_initialized():
        return
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    flat = torch.cat([g.flatten() for g in gradients])
    distributed.all_reduce(flat)
    flat /= distributed.get_world_size()
    start = 0
    for gradient in gradients:
        gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
        start += gradient.numel()


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


def train(
    config: TrainConfig,
    out: Path,
    batches: Batches,
    held_out: list[TrainingBatch],
    *,
    resume: bool = False,
    device: str = "cpu",
    slice_s: float = math.inf,
    clock: Callable[[], float] = time.monotonic,
) -> Trainer:
    """Runs until the minutes are over; `out` gets state.pt, model.safetensors and log.jsonl.

    Batches are made on the CPU. A run on borrowed time stops after `slice_s` seconds, saves, and
    goes on with `resume`.
    """
    out.mkdir(parents=True, exist_ok=True)
    body = load_body()
    if resume:
        state = torch.load(out / "state.pt", map_location=device, weights_only=True)
        stats = MotionStats(*state["stats"])
        trainer = Trainer(config, PRESETS[config.preset], stats, body, device)
        trainer.restore(state)
    else:
        stats = measure_stats(batches(STATS_BATCHES + i) for i in range(12))
        trainer = Trainer(config, PRESETS[config.preset], stats, body, device)
    rank, processes = _place()
    last = clock()
    saved = validated = logged = trainer.elapsed_s
    end_s = min(config.minutes * 60, trainer.elapsed_s + slice_s)

    def write(row: dict[str, float]) -> None:
        at = {"step": trainer.steps, "minutes": round(trainer.elapsed_s / 60, 2)}
        with (out / "log.jsonl").open("a") as log:
            log.write(json.dumps(at | {k: round(v, 5) for k, v in row.items()}) + "\n")

    while trainer.elapsed_s < end_s:
        losses = trainer.step(batches(trainer.steps * processes + rank))
        now = clock()
        trainer.elapsed_s = _same_everywhere(trainer.elapsed_s + now - last)
        last = now
        if rank > 0:
            continue
        if trainer.elapsed_s - logged > config.log_s:
            logged = trainer.elapsed_s
            write({f.name: getattr(losses, f.name).item() for f in fields(losses)})
        if trainer.elapsed_s - validated > config.validate_s:
            validated = trainer.elapsed_s
            write(asdict(validate(trainer.ema, trainer.stats, trainer.body, held_out)))
        if trainer.elapsed_s - saved > config.save_s:
            saved = trainer.elapsed_s
            save(trainer, out)
    if rank == 0:
        write(asdict(validate(trainer.ema, trainer.stats, trainer.body, held_out)))
        save(trainer, out)
    return trainer


def main(arguments: list[str] | None = None) -> None:
    """Reads the command line and trains."""
    parser = argparse.ArgumentParser(prog="python -m genmo_rt.train", description=__doc__)
    parser.add_argument("--mocap", type=Path, required=True, help="folder of packed captures")
    parser.add_argument("--out", type=Path, required=True, help="of motions, state, log, weights")
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--preset", choices=sorted(PRESETS))
    parser.add_argument("--clips", type=int, default=8, help="per step and process")
    parser.add_argument("--frames", type=int, default=160, help="of each clip")
    parser.add_argument("--resume", action="store_true", help="go on from the last save")
    parser.add_argument("--peak-lr", type=float)
    parser.add_argument("--seed", type=int)
    chosen = parser.parse_args(arguments)
    if "RANK" in os.environ:
        torch.set_num_threads(1)
        distributed.init_process_group("gloo")
    flags = ("minutes", "preset", "peak_lr", "seed")
    given = {name: value for name in flags if (value := getattr(chosen, name)) is not None}
    config = TrainConfig(**given)
    dataset, body = _dataset(chosen.mocap, chosen.out / "motions.npz"), load_body()
    loading = LoaderConfig(batch_size=chosen.clips, length=chosen.frames)
    first = config.seed << 42

    def numbered(number: int) -> TrainingBatch:
        return next(draw_batches(dataset, loading, seed=first + number, body=body))

    train(
        config,
        chosen.out,
        numbered,
        heldout(dataset, LoaderConfig(batch_size=16, length=HELD_OUT_FRAMES), body=body),
        resume=chosen.resume,
    )


def _dataset(mocap: Path, path: Path) -> Dataset:
    """Builds the motions once per run; the first process does it for all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() and _place()[0] == 0:
        build_dataset(mocap, path)
    if distributed.is_initialized():
        distributed.barrier()
    return load_dataset(path)


def _place() -> tuple[int, int]:
    """This process's number, and how many there are."""
    if distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def _same_everywhere(elapsed_s: float) -> float:
    """All processes go by the first one's clock, or they would stop at different steps."""
    if not distributed.is_initialized():
        return elapsed_s
    seconds = torch.tensor(elapsed_s, dtype=torch.float64)
    distributed.broadcast(seconds, src=0)
    return seconds.item()


def save(trainer: Trainer, out: Path) -> None:
    """The state to resume from and the weights to run; a kill while writing loses neither."""
    torch.save(trainer.state(), out / "state.pt.part")
    (out / "state.pt.part").replace(out / "state.pt")
    note = f"{trainer.steps} steps, {trainer.elapsed_s / 60:.1f} minutes"
    save_checkpoint(out / "model.safetensors.part", trainer.checkpoint(note))
    (out / "model.safetensors.part").replace(out / "model.safetensors")


def _optimizers(model: Model, weight_decay: float) -> tuple[torch.optim.Optimizer, ...]:
    """Muon (Jordan et al. 2024) for the blocks' matrices, AdamW for all else; one learning rate.

    Muon's steps are scaled to the size of AdamW's (Liu et al. 2025, section 2.2).
    """
    matrices = [p for p in model.blocks.parameters() if p.ndim == 2]
    of_blocks = {id(p) for p in matrices}
    others = [p for p in model.parameters() if id(p) not in of_blocks]
    return (
        torch.optim.Muon(matrices, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, betas=(0.9, 0.98), weight_decay=0.0, fused=True),
    )


if __name__ == "__main__":
    main()

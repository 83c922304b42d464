"""Does the training objective do what GENMO's paper says? Four ways to train, at equal budget.

    scripts/ablation.py runs/first/motions.npz runs/ablation --minutes 32

trains each variant with each seed for equally many steps on one CPU thread and prints a Markdown
table for docs/log.md. Half of the training clips keep their 3D truth; of the other half only the
2D landmarks exist, and only the last variant learns from them. The model is smaller than the
small preset, so that minutes say something.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from genmo_rt.checkpoint import Checkpoint
from genmo_rt.data.batch import TrainingBatch
from genmo_rt.data.dataset import Dataset, load_dataset
from genmo_rt.data.loader import LoaderConfig, batches, heldout
from genmo_rt.diffusion import Schedule, sampling_levels
from genmo_rt.evaluation.generation import GenerationConfig, GenerationJudge
from genmo_rt.metrics import pa_mpjpe
from genmo_rt.model import Model, ModelConfig, Noised
from genmo_rt.motion import MOTION_WIDTH, MotionStats, decode
from genmo_rt.smpl import Body, load_body
from genmo_rt.training.config import TrainConfig
from genmo_rt.training.losses import true_view
from genmo_rt.training.run import CAPTURED, STATS_BATCHES, measure_stats
from genmo_rt.training.trainer import Trainer
from genmo_rt.training.validation import SCORED, conditions_of, validate, validate_generation

SIZE = ModelConfig(width=128, layers=4, heads=2)
VARIANTS = {
    "estimation only": TrainConfig(steps=1, generation=0.0, peak_lr=3e-3),
    "generation only": TrainConfig(steps=1, generation=1.0, guided=0.0, peak_lr=3e-3),
    "dual-mode": TrainConfig(steps=1, generation=0.5, guided=0.0, peak_lr=3e-3),
    "dual-mode, 2D-guided": TrainConfig(steps=1, generation=0.5, guided=0.3, peak_lr=3e-3),
}
TRIAL_STEPS = 12  # that tell how long a step takes
SCORING = 0.2  # share of the time that the scores get
SAMPLED_STEPS = 10


@dataclass(frozen=True, slots=True)
class Row:
    """A trained variant on held-out clips; distances in millimetres.

    Attributes:
        streaming, centred: PA-MPJPE of the estimation mode with the live and the offline window.
        acceleration: error of the centred one, metres per second squared.
        sampled: PA-MPJPE of motion sampled in ten steps with the whole video given.
        half, deep: distance of joints denoised from levels 500 and 900, told texts and music.
        texts: share of motions of held-out texts nearest to a capture of their action.
        diversity: of those motions, in spreads of the captures.
    """

    streaming: float
    centred: float
    acceleration: float
    sampled: float
    half: float
    deep: float
    texts: float
    diversity: float


class Clips:
    """Batches by number, of the clips with 3D truth or of the others."""

    def __init__(self, dataset: Dataset, body: Body, loading: LoaderConfig) -> None:
        odd = np.arange(len(dataset.names)) % 2 == 1
        self._with_truth = replace(dataset, held_out=dataset.held_out | odd)
        self._pictures = replace(dataset, held_out=dataset.held_out | ~odd)
        self._body, self._loading = body, loading

    def __call__(self, number: int, mode: str, seed: int) -> TrainingBatch:
        """The batch of a step."""
        dataset = self._pictures if mode == "guided" else self._with_truth
        described = mode != "estimation"
        loading = replace(self._loading, captured=CAPTURED) if described else self._loading
        return next(batches(dataset, loading, seed=(seed << 42) + number, body=self._body))


def train(
    trainer: Trainer, clips: Clips, steps: int, log: Callable[[str], None] = lambda _: None
) -> Trainer:
    """Runs the variant's steps."""
    while trainer.steps < steps:
        mode = trainer.next_mode().value
        done = trainer.step(clips(trainer.steps, mode, trainer.config.seed))
        if trainer.steps % 50 == 0:
            log(f"  step {trainer.steps}: {mode} {done.terms['total']:.3f}")
    return trainer


def score(trainer: Trainer, dataset: Dataset, held_out: list[TrainingBatch]) -> Row:
    """Looks at a trained variant."""
    model, stats, body = trainer.ema.eval(), trainer.stats, trainer.body
    live = validate(model, stats, body, held_out)
    centred = validate(model, stats, body, held_out, window=model.centred_window)
    denoised = validate_generation(model, stats, body, held_out)
    nan = float("nan")
    texts, diversity = nan, nan
    if trainer.config.generation > 0:
        config = GenerationConfig(
            length=90, texts=2, variations=4, steps=SAMPLED_STEPS, seed=trainer.config.seed
        )
        checkpoint = Checkpoint(model, stats, body.name, "")
        said = GenerationJudge(checkpoint, body, dataset, config).texts()
        texts, diversity = said.accuracy, said.diversity
    generates = trainer.config.generation > 0
    return Row(
        streaming=live.pa_mpjpe,
        centred=centred.pa_mpjpe,
        acceleration=centred.acceleration,
        sampled=sampled(model, stats, body, held_out) if generates else nan,
        half=denoised.half if generates else nan,
        deep=denoised.deep if generates else nan,
        texts=texts,
        diversity=diversity,
    )


@torch.inference_mode()
def sampled(model: Model, stats: MotionStats, body: Body, held_out: list[TrainingBatch]) -> float:
    """PA-MPJPE of estimates that are sampled from noise, the video given, not taken in one step."""
    schedule, levels = Schedule(), sampling_levels(SAMPLED_STEPS)
    errors: list[Tensor] = []
    for number, batch in enumerate(held_out):
        conditions = conditions_of(batch)
        clips, length = batch.present.shape
        now = torch.zeros(clips, dtype=torch.int64)
        random = torch.Generator().manual_seed(number)
        x = torch.randn(clips, length, MOTION_WIDTH, generator=random)
        for i, at in enumerate(levels):
            level = torch.full((clips,), at)
            x0 = model(conditions, now, model.centred_window, noised=Noised(x, level))
            after = torch.full((clips,), levels[i + 1]) if i + 1 < len(levels) else None
            x = schedule.ddim_step(x, x0, level, after)
        guess = decode(stats.denormalise(x), true_view(batch, conditions))
        rest = body.rest_joints(guess.shape)
        _, joints = body.forward_kinematics(guess.rotmat_cam, guess.root_cam, rest)
        real = batch.joint_mask[:, list(SCORED)].all(1)[:, None] & batch.valid
        scored = list(SCORED)
        errors.append(pa_mpjpe(joints[:, :, scored][real], batch.joints_cam[:, :, scored][real]))
    return float(torch.cat(errors).mean())


def table(rows: dict[str, list[Row]]) -> Iterator[str]:
    """Markdown: mean ± half the range over the seeds."""
    names = [field.name for field in fields(Row)]
    yield f"| | {' | '.join(names)} |"
    yield "|---" * (len(names) + 1) + "|"
    for variant, scored in rows.items():
        cells = []
        for name in names:
            values = [asdict(row)[name] for row in scored]
            mean, half = statistics.fmean(values), (max(values) - min(values)) / 2
            digits = 2 if name in ("texts", "diversity") else 1
            known = mean == mean
            cells.append(f"{mean:.{digits}f} ± {half:.{digits}f}" if known else "–")
        yield f"| {variant} | {' | '.join(cells)} |"


def main() -> None:
    """Trains and scores every variant with every seed."""
    parser = argparse.ArgumentParser(
        prog="scripts/ablation.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("motions", type=Path, help="motions.npz of a run of genmo-rt train")
    parser.add_argument("out", type=Path, help="folder that gets table.md")
    budget = parser.add_mutually_exclusive_group(required=True)
    budget.add_argument("--minutes", type=float, help="that all of it takes, about")
    budget.add_argument("--steps", type=int, help="of each run")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--clips", type=int, default=8, help="per step")
    parser.add_argument("--frames", type=int, default=96, help="of each clip")
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    dataset, body = load_dataset(args.motions), load_body()
    loading = LoaderConfig(batch_size=args.clips, length=args.frames)
    clips = Clips(dataset, body, loading)
    held_out = heldout(dataset, LoaderConfig(batch_size=16, length=160), body=body)
    stats = measure_stats(clips(STATS_BATCHES + i, "estimation", 0) for i in range(12))

    def say(text: str) -> None:
        print(text, flush=True)

    steps = args.steps
    if steps is None:
        trial = Trainer(replace(VARIANTS["dual-mode"], steps=TRIAL_STEPS), SIZE, stats, body)
        begun = time.monotonic()
        train(trial, clips, TRIAL_STEPS)
        one = (time.monotonic() - begun) / TRIAL_STEPS
        whole = args.minutes * 60 * (1 - SCORING)
        steps = max(int(whole / one / len(VARIANTS) / args.seeds), TRIAL_STEPS)
        say(f"{one:.2f} s a step: {steps} steps for each of {len(VARIANTS)} × {args.seeds} runs")
    rows: dict[str, list[Row]] = {name: [] for name in VARIANTS}
    for seed in range(args.seeds):
        for name, config in VARIANTS.items():
            say(f"{name}, seed {seed}")
            chosen = replace(config, steps=steps, seed=seed)
            trainer = train(Trainer(chosen, SIZE, stats, body), clips, steps, say)
            rows[name].append(score(trainer, dataset, held_out))
            say(f"  {rows[name][-1]}")
    lines = [
        f"{steps} steps of {args.clips} × {args.frames} frames, {args.seeds} seeds, "
        f"{sum(p.numel() for p in Model(SIZE).parameters()) / 1e6:.1f} M parameters\n",
        *table(rows),
    ]
    (args.out / "table.md").write_text("\n".join(lines) + "\n")
    say("\n".join(lines))


if __name__ == "__main__":
    main()

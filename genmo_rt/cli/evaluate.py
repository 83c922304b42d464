"""`genmo-rt evaluate`: how good a checkpoint is, as Markdown tables."""

import argparse
import statistics
from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from rich.console import Console
from rich.progress import Progress

from genmo_rt.arguments import Commands, command, positive
from genmo_rt.cli.evaluate_published import evaluate_published
from genmo_rt.cli.evaluate_real import evaluate_real
from genmo_rt.cli.evaluate_streams import evaluate_streams
from genmo_rt.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from genmo_rt.checkpoint import Checkpoint
    from genmo_rt.data.dataset import Dataset

Scores = TypeVar("Scores")
REAL = "real"
PARTS = ("estimation", "published", "streams", "generation")
TEMPOS = (80, 92, 104, 116, 128, 140)  # beats a minute of the music that is played


def add(commands: Commands) -> None:
    """Registers the command."""
    parser = command(
        commands,
        "evaluate",
        _evaluate,
        "Score a checkpoint: CKPT on held-out clips, texts, music and keyframes; or, as `evaluate "
        "real FOLDER`, the poses it publishes for calibrated video, beside MediaPipe's own 3D.",
        "genmo-rt evaluate runs/first/model.safetensors --motions motions.npz, "
        "or genmo-rt evaluate real FOLDER --out scores --video beside.mp4",
    )
    parser.add_argument(
        "checkpoint",
        type=Path,
        nargs="?",
        metavar="CKPT|real",
        help="the one that ships if left out",
    )
    parser.add_argument(
        "folder",
        type=Path,
        nargs="?",
        metavar="FOLDER",
        help="after real: cam01.mp4, cam02.mp4, ... and their reference.npz",
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="keep figures, the table of real and its landmarks"
    )
    _add_held_out_flags(parser)
    real = parser.add_argument_group("evaluate real")
    real.add_argument(
        "--checkpoint", type=Path, dest="of", metavar="CKPT", help="the one that ships"
    )
    real.add_argument(
        "--cameras", type=positive, nargs="+", metavar="N", help="by the files' numbers (all)"
    )
    real.add_argument(
        "--video",
        type=Path,
        metavar="OUT.mp4",
        help="show the first camera with its body, which is seen from the side, and MediaPipe's",
    )


def _add_held_out_flags(parser: argparse.ArgumentParser) -> None:
    held = parser.add_argument_group("evaluate CKPT")
    held.add_argument(
        "--motions", type=Path, metavar="FILE", help="built by genmo-rt data build; needed"
    )
    held.add_argument("--only", choices=PARTS, help="one of the parts (all)")
    held.add_argument(
        "--clips", type=positive, default=16, help="held-out clips whose published poses count"
    )
    held.add_argument("--texts", type=positive, default=3, help="held-out texts of each action")
    held.add_argument("--variations", type=positive, default=4, help="motions of each prompt")
    held.add_argument("--frames", type=positive, default=120, help="of each motion, at 30 Hz")
    held.add_argument("--steps", type=positive, default=50, help="of denoising")
    held.add_argument("--guidance", type=float, default=2.5, help="of texts and music")
    held.add_argument("--seeds", type=positive, default=1, help="how often generation is scored")
    held.add_argument(
        "--stream-frames", type=positive, default=10_000, help="of the longest stream, at 30 Hz"
    )


def _evaluate(args: argparse.Namespace) -> int:
    if str(args.checkpoint) == REAL:
        if args.folder is None:
            raise InputError("evaluate real lacks its folder; expected evaluate real FOLDER")
        if args.motions is not None:
            raise InputError("--motions is given; expected it without real")
        return evaluate_real(args)
    if args.folder is not None:
        raise InputError(
            f"{args.folder} follows {args.checkpoint}; expected `real` before a folder"
        )
    if args.motions is None:
        raise InputError("--motions is missing; expected the file that genmo-rt data build made")
    from genmo_rt.checkpoint import DEFAULT_CHECKPOINT, load_checkpoint
    from genmo_rt.data.dataset import load_dataset

    path = args.checkpoint or DEFAULT_CHECKPOINT
    checkpoint = load_checkpoint(path)
    dataset = load_dataset(args.motions)
    print(f"{args.checkpoint or 'the default checkpoint'}: {checkpoint.note}\n")
    if args.only in (None, "estimation"):
        _estimation(checkpoint, dataset)
    if args.only in (None, "published"):
        from genmo_rt.estimate import Estimator

        evaluate_published(Estimator.load(path), dataset, args.clips)
    if args.only in (None, "streams"):
        evaluate_streams(checkpoint, path, dataset, args.stream_frames, args.out)
    if args.only in (None, "generation"):
        _generation(checkpoint, dataset, args)
    return 0


def _estimation(checkpoint: "Checkpoint", dataset: "Dataset") -> None:
    from genmo_rt.data.loader import LoaderConfig, heldout
    from genmo_rt.evaluation.estimation import score_estimation
    from genmo_rt.evaluation.tables import table
    from genmo_rt.model import MAX_DELAY
    from genmo_rt.smpl import load_body
    from genmo_rt.training.run import HELD_OUT_FRAMES

    body = load_body()
    batches = heldout(dataset, LoaderConfig(batch_size=8, length=HELD_OUT_FRAMES), body=body)
    runs = (
        *((_delayed(delay), None, delay) for delay in range(MAX_DELAY + 1)),
        ("centred", checkpoint.model.centred_window, 0),
    )
    rows = []
    with Progress(console=Console(stderr=True), transient=True) as bar:
        for name, window, delay in bar.track(runs, description="estimating"):
            rows.append((name, score_estimation(checkpoint, body, batches, window, delay)))
    print(f"Estimation, {sum(len(b.present) for b in batches)} held-out clips of 5.3 s\n")
    print(table(rows) + "\n", flush=True)


def _delayed(delay: int) -> str:
    return f"streaming, R={delay}" if delay else "streaming"


def _generation(checkpoint: "Checkpoint", dataset: "Dataset", args: argparse.Namespace) -> None:
    from genmo_rt.evaluation.generation import GenerationConfig, GenerationJudge
    from genmo_rt.evaluation.same_noise import score_same_noise
    from genmo_rt.evaluation.tables import table
    from genmo_rt.smpl import load_body

    pieces = _music(args.frames)
    texts, music, unheard, keyframes = [], [], [], []
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("generating")

        def show(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        for seed in range(args.seeds):
            config = GenerationConfig(
                args.frames, args.texts, args.variations, args.steps, args.guidance, seed
            )
            judge = GenerationJudge(checkpoint, load_body(), dataset, config)
            texts.append(judge.texts(show))
            music.append(judge.music(pieces, show))
            unheard.append(judge.music(pieces, show, retime=False))
            keyframes.append(judge.keyframes(show=show))
            if seed == 0:
                same = score_same_noise(judge, dataset.texts)
    of = f"{args.variations} motions of {args.frames} frames each"
    print(f"Held-out texts, {of}\n\n{table(_by_seed(texts))}\n")
    if same:
        heads = ("path m", "rise m", "hands m/s", "from the first mm")
        print(f"The same noise under held-out texts, {of}\n\n{table(same, heads)}\n")
    own = [(f"{name}, not re-timed", scores) for name, scores in _by_seed(unheard)]
    print(f"Music at {len(TEMPOS)} tempos, {of}\n\n{table([*_by_seed(music), *own])}\n")
    print(f"Keyframes of held-out captures, {of}\n\n{table(_by_seed(keyframes))}\n")


def _music(frames: int) -> list["Tensor"]:
    """(frames, 35) of a synthetic band that keeps a steady tempo, one piece for each of TEMPOS."""
    import numpy as np
    import torch

    from genmo_rt.data.music import render_music
    from genmo_rt.data.synth import SAMPLE_RATE
    from genmo_rt.music import music_features

    pieces = []
    for number, tempo in enumerate(TEMPOS):
        beats = np.round(np.arange(5, frames, 30 * 60 / tempo)).astype(np.int64)
        sound = render_music(beats, frames + 30, seed=7_000 + number)
        features = music_features(sound, sample_rate=SAMPLE_RATE)
        pieces.append(torch.from_numpy(features[:frames]))
    return pieces


def _by_seed(scores: list[Scores]) -> list[tuple[str, Scores]]:
    """A row for each seed; with several, their mean and standard deviation too."""
    rows = [(f"seed {seed}", one) for seed, one in enumerate(scores)]
    if len(scores) > 1:
        columns = list(zip(*(astuple(one) for one in scores), strict=True))  # type: ignore[call-overload]
        kind = type(scores[0])
        rows.append(("mean", kind(*map(statistics.fmean, columns))))
        rows.append(("spread", kind(*map(statistics.stdev, columns))))
    return rows

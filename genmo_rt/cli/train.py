"""`genmo-rt train`: motion capture in, a checkpoint out."""

import argparse
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from genmo_rt.arguments import Commands, command, positive
from genmo_rt.errors import InputError

if TYPE_CHECKING:
    from genmo_rt.data.dataset import Dataset
    from genmo_rt.data.loader import LoaderConfig
    from genmo_rt.training.config import TrainConfig
    from genmo_rt.training.run import Batches, Sources
    from genmo_rt.training.trainer import Step, Trainer

FLAGS = ("minutes", "steps", "preset", "peak_lr", "generation", "guided", "causal", "seed")


def add(commands: Commands) -> None:
    """Registers the command."""
    parser = command(
        commands,
        "train",
        _train,
        "Train the model in both modes, estimation and generation.",
        "genmo-rt train --mocap captures --out runs/first --minutes 70; on two GPUs: "
        "torchrun --nproc-per-node 2 -m genmo_rt.cli train --mocap captures --out runs/first "
        "--minutes 70",
    )
    motions = parser.add_mutually_exclusive_group(required=True)
    motions.add_argument(
        "--mocap", type=Path, metavar="DIR", help="packed captures; built into OUT/motions.npz once"
    )
    motions.add_argument(
        "--motions", type=Path, metavar="FILE", help="a motions.npz that was built before"
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of state, log, curves and weights"
    )
    budget = parser.add_mutually_exclusive_group(required=True)
    budget.add_argument("--minutes", type=float, help="of wall time that the run takes")
    budget.add_argument("--steps", type=positive, help="updates that the run takes")
    parser.add_argument("--resume", action="store_true", help="go on from the last save in OUT")
    parser.add_argument(
        "--init", type=Path, metavar="CKPT", help="begin with a checkpoint's weights"
    )
    parser.add_argument("--preset", help="the model's size: small (the default), base or large")
    parser.add_argument("--clips", type=positive, default=8, help="per step and process")
    parser.add_argument("--frames", type=positive, default=160, help="of each clip, at 30 Hz")
    parser.add_argument("--peak-lr", type=float, help="learning rate after warm-up (0.002)")
    parser.add_argument(
        "--generation",
        type=float,
        metavar="SHARE",
        help="of steps that generate, the others estimate; 0 needs no texts and no music (0.5)",
    )
    parser.add_argument(
        "--guided",
        type=float,
        metavar="SHARE",
        help="of generation steps that learn from the picture alone (0.1)",
    )
    parser.add_argument(
        "--causal",
        type=float,
        metavar="SHARE",
        help="of estimation steps that don't see ahead (0.6)",
    )
    parser.add_argument(
        "--captured",
        type=float,
        default=0.4,
        metavar="SHARE",
        help="of estimation clips that move as they were captured, the others are recombined and "
        "deformed: more for ordinary motion, less for rare poses (0.4)",
    )
    parser.add_argument("--seed", type=int, help="of all that is drawn (0)")
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="where the model trains"
    )


def _train(args: argparse.Namespace) -> int:
    import torch

    from genmo_rt.device import resolve_device
    from genmo_rt.model import PRESETS
    from genmo_rt.training.config import TrainConfig
    from genmo_rt.training.processes import process_group

    if args.preset is not None and args.preset not in PRESETS:
        raise InputError(f"--preset is {args.preset}; expected one of {', '.join(PRESETS)}")
    if args.resume and args.init:
        raise InputError("--resume and --init: a resumed run has its weights; give one of them")
    given = {name: value for name in FLAGS if (value := getattr(args, name)) is not None}
    config = TrainConfig(**given)
    local = int(os.environ.get("LOCAL_RANK", "0"))
    device = resolve_device(args.device, None)
    if "RANK" not in os.environ:
        return _run(args, config, device)
    torch.set_num_threads(1)
    device = f"cuda:{local}" if device.startswith("cuda") else device
    with process_group("cpu:gloo,cuda:nccl" if "cuda" in device else "gloo"):
        return _run(args, config, device)


def _run(args: argparse.Namespace, config: "TrainConfig", device: str) -> int:
    from genmo_rt.data.loader import LoaderConfig
    from genmo_rt.training.logs import draws_curves
    from genmo_rt.training.run import train
    from genmo_rt.training.trainer import Place

    dataset = _dataset(args, config.generation > 0)
    loading = LoaderConfig(args.clips, args.frames, captured=args.captured)
    sources = _sources(dataset, loading, config.seed)
    columns = (BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    first = Place.here().rank == 0
    with Progress(*columns, console=Console(stderr=True), disable=not first) as bar:
        task = bar.add_task("training", total=1.0)

        def show(trainer: "Trainer", step: "Step") -> None:
            total = step.terms["total"]
            said = f"step {trainer.steps}  {step.mode.value} {total:.3f}"
            bar.update(task, completed=trainer.progress, description=said)

        trainer = train(
            config,
            args.out,
            sources,
            resume=args.resume,
            init=args.init,
            device=device,
            show=show,
        )
    if not first:
        return 0
    print(f"{args.out / 'model.safetensors'}: {trainer.steps} steps")
    print(
        f"curves: tensorboard --logdir {args.out}"
        if draws_curves()
        else f"{args.out / 'log.jsonl'} has the losses; pip install 'genmo-rt[train]' for curves"
    )
    return 0


def _dataset(args: argparse.Namespace, generates: bool) -> "Dataset":
    """The motions; built once per run, by the first process for all."""
    from torch import distributed

    from genmo_rt.data.dataset import build_dataset, load_dataset
    from genmo_rt.training.trainer import Place

    if args.motions is not None:
        return load_dataset(args.motions)
    path = args.out / "motions.npz"
    if not path.exists() and Place.here().rank == 0:
        args.out.mkdir(parents=True, exist_ok=True)
        with Console(stderr=True).status("building the motions"):
            build_dataset(args.mocap, path, texts=generates, music=generates)
    if distributed.is_initialized():
        distributed.barrier()
    return load_dataset(path)


def _sources(dataset: "Dataset", loading: "LoaderConfig", seed: int) -> "Sources":
    """Numbered batches of the training clips, and the held-out ones."""
    from genmo_rt.data.loader import LoaderConfig, batches, heldout
    from genmo_rt.smpl import load_body
    from genmo_rt.training.run import CAPTURED, HELD_OUT_FRAMES, Sources
    from genmo_rt.training.trainer import Place

    body = load_body()

    def numbered(config: LoaderConfig) -> "Batches":
        return lambda number: next(batches(dataset, config, seed=(seed << 42) + number, body=body))

    described = replace(loading, captured=CAPTURED)
    scored = LoaderConfig(batch_size=16, length=HELD_OUT_FRAMES)
    return Sources(
        estimation=numbered(loading),
        generation=numbered(described),
        guided=numbered(described),
        held_out=heldout(dataset, scored, body=body) if Place.here().rank == 0 else [],
    )

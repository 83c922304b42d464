"""What scripts/gpu_train.sh runs: one slice of a training run on a machine that is lent."""

import argparse
import multiprocessing
import os
import shutil
import sys
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from genmo_rt.data.batch import TrainingBatch
from genmo_rt.data.dataset import Dataset, load_dataset
from genmo_rt.data.loader import LoaderConfig, batches, heldout
from genmo_rt.data.storage import write_arrays
from genmo_rt.smpl import load_body
from genmo_rt.training.config import TrainConfig
from genmo_rt.training.plan import Dice, Mode
from genmo_rt.training.run import CAPTURED, HELD_OUT_FRAMES, Sources, train

PART = 15 * 2**20  # bytes of one file that travels back
ROTATIONS = "quat_xyzw"  # of the dataset's arrays the one that is worth packing


@dataclass(frozen=True, slots=True)
class Size:
    """Of a batch: how many clips, and frames of each."""

    clips: int
    frames: int

    def loading(self, described: bool) -> LoaderConfig:
        """How such a batch is drawn; a described one is mostly motion as it was captured."""
        config = LoaderConfig(batch_size=self.clips, length=self.frames)
        return replace(config, captured=CAPTURED) if described else config


class BatchesAhead:
    """Batches by number, made by other processes before they are asked for."""

    def __init__(
        self, pool: ProcessPoolExecutor, ahead: int, motions: Path, config: TrainConfig, size: Size
    ) -> None:
        self._pool = pool
        self._ahead = ahead
        self._motions, self._config, self._size = motions, config, size
        self._coming: dict[int, Future[TrainingBatch]] = {}

    def __call__(self, number: int) -> TrainingBatch:
        for soon in range(number, number + self._ahead):
            if soon not in self._coming:
                mode = Dice(self._config, soon, 0, 0).mode()
                loading = self._size.loading(mode is not Mode.ESTIMATION)
                self._coming[soon] = self._pool.submit(_batch, self._motions, loading, soon)
        return self._coming.pop(number).result()


def _batch(motions: Path, loading: LoaderConfig, number: int) -> TrainingBatch:
    torch.set_num_threads(1)
    return next(batches(_loaded(motions), loading, seed=number, body=load_body()))


@lru_cache(maxsize=1)
def _loaded(motions: Path) -> Dataset:
    return load_dataset(motions)


def pack(motions: Path, packed: Path) -> None:
    """Makes a dataset file travel: rotations as differences, all of it compressed."""
    with np.load(motions) as arrays:
        small = {name: arrays[name] for name in arrays.files}
    turned = small[ROTATIONS]
    small[ROTATIONS] = np.ascontiguousarray(
        np.diff(turned, axis=0, prepend=np.zeros_like(turned[:1])).reshape(len(turned), -1).T
    )
    with packed.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **small)


def unpack(packed: Path, motions: Path) -> None:
    """The way back: the same arrays, as genmo_rt.data reads them."""
    with np.load(packed) as arrays:
        whole = {name: arrays[name] for name in arrays.files}
    steps = whole[ROTATIONS].T
    whole[ROTATIONS] = np.cumsum(steps, axis=0, dtype=np.int16).reshape(len(steps), -1, 4)
    write_arrays(motions, whole)


def hand_back(work: Path, out: Path) -> None:
    """Puts log and weights into `out`, the weights in parts."""
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob("model.safetensors.*"):
        old.unlink()
    with (work / "model.safetensors").open("rb") as whole:
        for number, part in enumerate(iter(lambda: whole.read(PART), b"")):
            (out / f"model.safetensors.{number:02}").write_bytes(part)
    shutil.copy(work / "log.jsonl", out)


def train_slice(args: argparse.Namespace) -> None:
    """Goes on with the run in `work`, or begins it."""
    if args.device == "cuda" and not torch.cuda.is_available():
        sys.exit("no CUDA GPU here; --device cpu tries this script on the CPU")
    args.work.mkdir(parents=True, exist_ok=True)
    motions = args.work / "motions.npz"
    if not motions.exists():
        unpack(args.packed, motions)
    config = TrainConfig(minutes=args.minutes, preset=args.preset)
    scored = LoaderConfig(batch_size=16, length=HELD_OUT_FRAMES)
    resume = (args.work / "state.pt").exists()
    spawn = multiprocessing.get_context("spawn")  # a fork would inherit the GPU's state
    with ProcessPoolExecutor(args.processes, mp_context=spawn) as pool:
        ahead = BatchesAhead(
            pool, 2 * args.processes, motions, config, Size(args.clips, args.frames)
        )
        trainer = train(
            config,
            args.work,
            Sources(ahead, ahead, ahead, heldout(load_dataset(motions), scored, body=load_body())),
            resume=resume,
            init=None if resume else args.init,
            device=args.device,
            slice_s=args.slice_minutes * 60,
        )
        pool.shutdown(cancel_futures=True)
    hand_back(args.work, args.out)
    print(f"{trainer.steps} steps, {trainer.elapsed_s / 60:.1f} of {args.minutes:g} minutes")
    print("\n".join((args.out / "log.jsonl").read_text().splitlines()[-3:]))


def main() -> None:
    """Packs the motions, or trains one slice."""
    parser = argparse.ArgumentParser(prog="scripts/gpu_train.py", description=__doc__)
    commands = parser.add_subparsers(required=True)
    packing = commands.add_parser("pack", help="make the motions small enough to travel")
    packing.add_argument("motions", type=Path, help="motions.npz of a run of genmo-rt train")
    packing.add_argument("packed", type=Path)
    packing.set_defaults(run=lambda args: pack(args.motions, args.packed))
    slicing = commands.add_parser("train", help="train one slice")
    slicing.set_defaults(run=train_slice)
    slicing.add_argument("packed", type=Path, help="what `pack` made")
    slicing.add_argument("work", type=Path, help="folder of the state; stays on the machine")
    slicing.add_argument("out", type=Path, help="gets the log and the weights")
    slicing.add_argument("--minutes", type=float, required=True, help="of the whole run")
    slicing.add_argument("--slice-minutes", type=float, default=9.0)
    slicing.add_argument("--init", type=Path, help="weights to begin with")
    slicing.add_argument("--preset", default="small")
    slicing.add_argument("--clips", type=int, default=64, help="per step")
    slicing.add_argument("--frames", type=int, default=160, help="of each clip")
    slicing.add_argument("--device", default="cuda")
    slicing.add_argument("--processes", type=int, default=max((os.cpu_count() or 2) - 1, 1))
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()

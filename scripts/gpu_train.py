"""What scripts/gpu_train.sh runs: one slice of a training run, its state in transportable parts."""

import argparse
import multiprocessing
import os
import shutil
import sys
import tempfile
from concurrent.futures import Future, ProcessPoolExecutor
from functools import lru_cache
from pathlib import Path

import torch

from genmo_rt.data.batch import TrainingBatch
from genmo_rt.data.dataset import Dataset, load_dataset
from genmo_rt.data.loader import LoaderConfig, batches, heldout
from genmo_rt.smpl import load_body
from genmo_rt.train import HELD_OUT_FRAMES, TrainConfig, train

MOST_MOTIONS = 64 * 2**20  # bytes that may travel to a borrowed machine
PART = 15 * 2**20  # bytes of one file that travels back
LOGS = ("log.jsonl", "model.safetensors")


class BatchesAhead:
    """Batches by number, made by other processes before they are asked for."""

    def __init__(self, motions: Path, loading: LoaderConfig, processes: int) -> None:
        spawn = multiprocessing.get_context("spawn")  # a fork would inherit the GPU's state
        self._pool = ProcessPoolExecutor(processes, mp_context=spawn)
        self._ahead = 2 * processes
        self._arguments = motions, loading
        self._coming: dict[int, Future[TrainingBatch]] = {}

    def __call__(self, number: int) -> TrainingBatch:
        for soon in range(number, number + self._ahead):
            if soon not in self._coming:
                self._coming[soon] = self._pool.submit(_batch, *self._arguments, soon)
        return self._coming.pop(number).result()

    def close(self) -> None:
        """Ends the processes."""
        self._pool.shutdown(cancel_futures=True)


def _batch(motions: Path, loading: LoaderConfig, number: int) -> TrainingBatch:
    torch.set_num_threads(1)
    return next(batches(_loaded(motions), loading, seed=number, body=load_body()))


@lru_cache(maxsize=1)
def _loaded(motions: Path) -> Dataset:
    return load_dataset(motions)


def join_state(folder: Path, work: Path) -> bool:
    """Puts the parts of an earlier slice together; False if there are none."""
    parts = sorted(folder.glob("state.pt.*"))
    if not parts:
        return False
    with (work / "state.pt").open("wb") as whole:
        for part in parts:
            whole.write(part.read_bytes())
    if (folder / "log.jsonl").exists():
        shutil.copy(folder / "log.jsonl", work)
    return True


def split_state(work: Path, folder: Path) -> None:
    """Writes state, log and weights to `folder`, the state in parts."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("state.pt.*"):
        old.unlink()
    with (work / "state.pt").open("rb") as whole:
        for number, part in enumerate(iter(lambda: whole.read(PART), b"")):
            (folder / f"state.pt.{number:02}").write_bytes(part)
    for name in LOGS:
        shutil.copy(work / name, folder)


def main() -> None:
    """Trains one slice."""
    parser = argparse.ArgumentParser(prog="scripts/gpu_train.sh", description=__doc__)
    parser.add_argument("motions", type=Path, help="motions.npz, built by genmo_rt.train")
    parser.add_argument("state", type=Path, help="what the slice before wrote; may be empty")
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, required=True, help="of the whole run")
    parser.add_argument("--slice-minutes", type=float, default=9.0)
    parser.add_argument("--preset", default="small")
    parser.add_argument("--clips", type=int, default=64, help="per step")
    parser.add_argument("--frames", type=int, default=160, help="of each clip")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--processes", type=int, default=max((os.cpu_count() or 2) - 1, 1))
    chosen = parser.parse_args()
    if chosen.motions.stat().st_size > MOST_MOTIONS:
        sys.exit(f"{chosen.motions} is larger than the 64 MiB that travel")
    if chosen.device == "cuda" and not torch.cuda.is_available():
        sys.exit("no CUDA GPU here; --device cpu tries this script on the CPU")
    loading = LoaderConfig(batch_size=chosen.clips, length=chosen.frames)
    scored = LoaderConfig(batch_size=16, length=HELD_OUT_FRAMES)
    ahead = BatchesAhead(chosen.motions, loading, chosen.processes)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        try:
            trainer = train(
                TrainConfig(minutes=chosen.minutes, preset=chosen.preset),
                work,
                ahead,
                heldout(load_dataset(chosen.motions), scored, body=load_body()),
                resume=join_state(chosen.state, work),
                device=chosen.device,
                slice_s=chosen.slice_minutes * 60,
            )
        finally:
            ahead.close()
        split_state(work, chosen.out)
    done = trainer.elapsed_s / 60
    print(f"{trainer.steps} steps, {done:.1f} of {chosen.minutes:g} minutes")
    print((chosen.out / "log.jsonl").read_text().splitlines()[-1])


if __name__ == "__main__":
    main()

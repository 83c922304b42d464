"""Processor time of a pose on the model's thread, by how many streams come together in a batch.

    .venv/bin/python scripts/bench_poses.py [1 10 20 40] [--profile]

Walkers at different moments of a synthetic walk, one in each stream, with the noise of a 2D stage;
30 frames a second of capture time. Prints the median of a pose's share in its batch, so compare two
trees in turns where other programs share the cores.
"""

import argparse
import cProfile
import pstats
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT)]

from genmo_rt.clock import TICK_HZ, Tick  # noqa: E402
from genmo_rt.engine.folding import live_precision  # noqa: E402
from genmo_rt.estimate import Estimator, advance_groups  # noqa: E402
from genmo_rt.keypoints import Keypoints  # noqa: E402
from tests.genmo_rt.walk import INTRINSICS, seen  # noqa: E402

TICKS, FIRST = 80, 12  # frames in all, and those that aren't counted
APART_S = 0.37  # of the walk, between two walkers
NOISE_PX = 2.0


def walker(number: int) -> list[Keypoints]:
    """One walker's landmarks, tick by tick."""
    random = np.random.default_rng(number)
    places = [seen(APART_S * number + tick / TICK_HZ) for tick in range(TICKS)]
    noise = random.normal(0, NOISE_PX, (TICKS, 33, 2)).astype(np.float32)
    return [
        Keypoints(one.pixels + off, one.confidence, None, one.image_size)
        for one, off in zip(places, noise, strict=True)
    ]


def pose_ms(
    estimator: Estimator, walkers: list[list[Keypoints]], profile: cProfile.Profile | None
) -> float:
    """The median of a pose's processor time, milliseconds."""
    persons = [estimator.stream(INTRINSICS) for _ in walkers]
    took = []
    for index in range(TICKS):
        tick = Tick(index, index / TICK_HZ, 0, restart=index == 0, reset=index == 0)
        groups = [[(one, tick, of[index])] for one, of in zip(persons, walkers, strict=True)]
        with profile if profile and index >= FIRST else nullcontext():
            started = time.thread_time()
            advanced = advance_groups(groups)
            took.append((time.thread_time() - started) * 1e3 / len(walkers))
        for one in advanced:
            if isinstance(one, Exception):
                raise one
    for person in persons:
        person.close()
    return float(np.median(took[FIRST:]))


def main() -> None:
    """Measures every batch in turn."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("batches", nargs="*", type=int, default=[1, 10, 20, 40])
    parser.add_argument("--profile", action="store_true", help="say where the time goes")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    most = max(arguments.batches)
    estimator = Estimator.load(streams=most, precision=live_precision("cpu"))
    walkers = [walker(number) for number in range(most)]
    profile = cProfile.Profile() if arguments.profile else None
    print("| streams in a batch | ms a pose |\n|---|---|")
    for size in arguments.batches:
        print(f"| {size} | {pose_ms(estimator, walkers[:size], profile):.2f} |", flush=True)
    if profile:
        pstats.Stats(profile).sort_stats("tottime").print_stats(30)


if __name__ == "__main__":
    main()

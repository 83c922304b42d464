"""Prints how far paths in the world go astray before cameras that move, by what is known of them.

python scripts/moving_camera.py --motions motions.npz     (from `genmo-rt data build`)

With --whole each walk is estimated as a whole clip, else as a live stream.
"""

import argparse
from pathlib import Path

import numpy as np

from genmo_rt.data.dataset import load_dataset
from genmo_rt.estimate import Estimator
from genmo_rt.evaluation.moving_camera import CAMERAS, Known, Walk, score_path
from genmo_rt.evaluation.tables import grid

KNOWN: tuple[Known, ...] = ("sensor", "tracks", "neither")
WALKS = ("12_01", "12_02", "49_01", "39_04", "06_01")  # held out, and long enough
AWAY_M = {"pan": 2.5}  # near, so that it has far to turn
USUAL_AWAY_M = 4.5


def main() -> None:
    """Estimates every walk before every camera."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--motions", type=Path, required=True)
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--whole", action="store_true")
    args = parser.parse_args()
    dataset, estimator = load_dataset(args.motions), Estimator.load(args.checkpoint)
    rows = []
    for name, camera in CAMERAS.items():
        scores: list[list[tuple[float, float]]] = []
        for clip in (dataset.names.index(walk) for walk in WALKS):
            walk = Walk.of(dataset, clip, AWAY_M.get(name, USUAL_AWAY_M), sideways=True)
            path = camera(walk.pelvis.double().numpy(), np.random.default_rng(3))
            found = [score_path(estimator, walk, path, known, whole=args.whole) for known in KNOWN]
            scores.append([(one.path_cm, one.end_cm) for one in found])
        rows.append((name, np.mean(scores, axis=0).ravel().tolist()))
        print(rows[-1], flush=True)
    heads = [f"{known}, {what}" for known in KNOWN for what in ("path cm", "end cm")]
    print(grid(heads, rows))


if __name__ == "__main__":
    main()

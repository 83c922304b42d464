"""Runs the real 2D stage over rendered people and keeps what it saw beside what is true.

    scripts/measure_landmarks.py motions.npz seen/ --clips 96

writes one .npz per clip; scripts/fit_landmark_noise.py makes the noise table of them, and
scripts/score_rendered.py scores the product on those made with `--held-out --ordinary`. With
`--sheet sheet.png` it draws the landmarks into a picture of each clip. On one core a clip of three
seconds takes about five; clips that are there already are not made again.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from render_people import draw_sheet, fine_mesh, render_clip, scale_of

from genmo_rt.data.batch import TrainingBatch
from genmo_rt.data.cameras import CameraConfig
from genmo_rt.data.clips import FPS
from genmo_rt.data.dataset import load_dataset
from genmo_rt.data.loader import LoaderConfig, Split, batches
from genmo_rt.data.observe import CLEAN
from genmo_rt.keypoints import Keypoints
from genmo_rt.smpl import load_body
from genmo_stream.keypoints import MediaPipeStage

BATCH = 8
BONES = [
    *((11, 12), (11, 23), (12, 24), (23, 24), (0, 7), (0, 8)),
    *((11, 13), (13, 15), (15, 19), (23, 25), (25, 27), (27, 31), (27, 29)),
    *((12, 14), (14, 16), (16, 20), (24, 26), (26, 28), (28, 32), (28, 30)),
]

SPOILED = LoaderConfig(batch_size=BATCH, captured=0.5, noise=CLEAN)
ORDINARY = LoaderConfig(
    batch_size=BATCH, captured=1, camera=CameraConfig(close=0), noise=CLEAN, told_intrinsics=1
)

Picture = NDArray[np.uint8]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("motions", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--clips", type=int, default=96)
    parser.add_argument("--ticks", type=int, default=90, help="of each clip, at 30 Hz")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--held-out", action="store_true", help="only whom training never saw")
    parser.add_argument(
        "--ordinary", action="store_true", help="motion as it was captured, nobody near by"
    )
    parser.add_argument("--sheet", type=Path)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    body = load_body()
    mesh = fine_mesh(body)
    config = replace(ORDINARY if args.ordinary else SPOILED, length=args.ticks)
    split: Split = "held_out" if args.held_out else "train"
    source = batches(load_dataset(args.motions), config, args.seed, split)
    tiles: list[Picture] = []
    for number in range(args.clips):
        if number % BATCH == 0:
            batch = next(source)
        out = args.out / f"{args.seed:03d}-{number:04d}.npz"
        if out.exists():
            continue
        start = time.process_time()
        seen: list[Keypoints | None] = []
        with MediaPipeStage("full") as stage:
            for shot in render_clip(batch, number % BATCH, body, mesh, args.seed * 1000 + number):
                seen.append(stage.detect(shot.image, round(shot.tick * 1e6 / FPS)))
                if shot.tick == args.ticks // 2:
                    tiles.append(with_landmarks(shot.image, seen[-1]))
        keep(out, batch, number % BATCH, seen)
        print(f"{out.name}: {sum(k is not None for k in seen)} of {args.ticks} seen,", end=" ")
        print(
            f"{1000 * (time.process_time() - start) / args.ticks:.0f} ms of CPU a frame", flush=True
        )
    if args.sheet:
        draw_sheet(tiles, args.sheet)


def keep(out: Path, batch: TrainingBatch, clip: int, seen: list[Keypoints | None]) -> None:
    """Writes what was seen and what was posed in a clip, in the batch's pixels and metres."""
    scale = scale_of(batch.image_size[clip].numpy())
    nothing = np.zeros((33, 4), np.float32)
    np.savez_compressed(
        out,
        present=np.array([k is not None for k in seen]),
        pixels=np.stack([nothing[:, :2] if k is None else k.pixels / scale for k in seen]),
        confidence=np.stack([nothing[:, 0] if k is None else k.confidence for k in seen]),
        world=np.stack([nothing[:, :3] if k is None or k.world is None else k.world for k in seen]),
        rotmat_cam=batch.rotmat_cam[clip].numpy(),
        root_cam=batch.root_cam[clip].numpy(),
        shape=batch.shape[clip].numpy(),
        gravity_cam=batch.gravity_cam[clip].numpy(),
        intrinsics=batch.intrinsics_true[clip].numpy(),
        image_size=batch.image_size[clip].numpy(),
    )


def with_landmarks(image: Picture, seen: Keypoints | None) -> Picture:
    """The picture with bones and landmarks; the person's left is orange, doubt is thin."""
    drawn = image.copy()
    if seen is None:
        return drawn
    at = [(round(float(x)), round(float(y))) for x, y in np.clip(seen.pixels, -9999, 9999)]
    for a, b in BONES:
        colour = (255, 140, 0) if a % 2 and b % 2 else (70, 130, 255)
        sure = min(seen.confidence[a], seen.confidence[b]) > 0.5
        cv2.line(drawn, at[a], at[b], colour, 3 if sure else 1, cv2.LINE_AA)
    for point in at:
        cv2.circle(drawn, point, 3, (255, 255, 255), -1, cv2.LINE_AA)
    return drawn


if __name__ == "__main__":
    main()

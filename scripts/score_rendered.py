"""Scores the product on rendered people whom the real 2D stage looked at, beside MediaPipe alone.

    scripts/measure_landmarks.py motions.npz seen/ --clips 24 --seed 102 --held-out --ordinary
    scripts/score_rendered.py seen/ [--checkpoint CKPT]

prints the mean and the median of the clips in which somebody is whole in the picture and found in
most frames; the others are counted. Landmarks are compared with landmarks, as on real video.
"""

import argparse
import warnings
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from genmo_rt.camera import Intrinsics
from genmo_rt.clock import TICK_HZ
from genmo_rt.estimate import Estimator
from genmo_rt.evaluation.real import (
    HEADS,
    SCORED,
    Footage,
    RealScores,
    score_live,
    score_mediapipe,
    score_whole,
)
from genmo_rt.evaluation.recorded import Reference, TimedKeypoints
from genmo_rt.evaluation.tables import table
from genmo_rt.keypoints import Keypoints
from genmo_rt.smpl import Body

INSIDE = 0.95  # of the scored landmarks: who is less in the picture isn't scored
FOUND = 0.8  # of the frames
NEAREST = 0.2  # metres

Arrays = dict[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Clip:
    """Somebody who was rendered and looked at.

    Attributes:
        footage: what was seen, and the truth.
        camera: that made the pictures.
        whole: whether the person is in the picture and was found.
    """

    footage: Footage
    camera: Intrinsics
    whole: bool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seen", type=Path)
    parser.add_argument("--checkpoint", type=Path, help="the one that ships")
    args = parser.parse_args()
    torch.set_num_threads(1)
    estimator = Estimator.load(args.checkpoint)
    scores: dict[str, list[RealScores]] = {}
    clips = list(read(args.seen, estimator.body))
    whole = [clip for clip in clips if clip.whole]
    if not whole:
        raise SystemExit(
            f"{args.seen}: nobody is whole in the picture in any of {len(clips)} clips"
        )
    for clip in whole:
        for method, score in _score(estimator, clip):
            scores.setdefault(method, []).append(score)
    print(f"{len(whole)} of {len(clips)} clips")
    warnings.simplefilter("ignore", RuntimeWarning)  # MediaPipe has no root to be scored
    for name, over in (("mean", np.nanmean), ("median", np.nanmedian)):
        rows = [
            (f"{method}, {name}", RealScores(*over([astuple(one) for one in many], axis=0)))
            for method, many in scores.items()
        ]
        print(table(rows, HEADS))


def read(folder: Path, body: Body) -> Iterator[Clip]:
    """The clips of a folder that scripts/measure_landmarks.py wrote."""
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as file:
            kept: Arrays = dict(file)
        width, height = (int(side) for side in kept["image_size"])
        camera = Intrinsics(*map(float, kept["intrinsics"]), width, height)
        truth = _landmarks(kept, body)
        frames = list(_frames(kept, (width, height)))
        reference = Reference(np.arange(len(truth)) / TICK_HZ, truth, camera)
        found = float(kept["present"].mean()) >= FOUND
        whole = found and _inside(truth, camera) >= INSIDE
        yield Clip(Footage.of(frames, reference), camera, whole)


def _score(estimator: Estimator, clip: Clip) -> Iterator[tuple[str, RealScores]]:
    footage, camera = clip.footage, clip.camera
    guessed = Intrinsics.default(camera.width, camera.height)
    yield "R = 0", score_live(estimator, footage, camera)
    yield "R = 4", score_live(estimator, footage, camera, 4)
    yield "R = 0, guessed f", score_live(estimator, footage, guessed)
    yield "whole clip", score_whole(estimator, footage, camera)
    yield "MediaPipe", score_mediapipe(footage)


def _landmarks(kept: Arrays, body: Body) -> NDArray[np.float64]:
    """(T, 33, 3) metres in the camera."""
    shape = torch.from_numpy(kept["shape"])[None]
    turned, joints = body.forward_kinematics(
        torch.from_numpy(kept["rotmat_cam"]),
        torch.from_numpy(kept["root_cam"]),
        body.rest_joints(shape),
    )
    landmarks: NDArray[np.float64] = body.landmarks(turned, joints, shape).double().numpy()
    return landmarks


def _frames(kept: Arrays, size: tuple[int, int]) -> TimedKeypoints:
    rows = zip(*(kept[name] for name in ("present", "pixels", "confidence", "world")), strict=True)
    return [
        (t / TICK_HZ, Keypoints(*map(np.float32, seen), size) if present else None)
        for t, (present, *seen) in enumerate(rows)
    ]


def _inside(landmarks: NDArray[np.float64], camera: Intrinsics) -> float:
    """The share of the scored landmarks that the picture holds."""
    scored = landmarks[:, SCORED]
    image = scored @ camera.matrix(torch.float64).numpy().T
    pixels = image[..., :2] / np.maximum(image[..., 2:], NEAREST)
    held = (pixels > 0) & (pixels < (camera.width, camera.height))
    return float((held.all(-1) & (scored[..., 2] > NEAREST)).mean())


if __name__ == "__main__":
    main()

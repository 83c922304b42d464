"""Six actions as the product sees them: rendered video, the real 2D stage, a live stream's poses.

    scripts/gallery.py motions.npz docs/images [--checkpoint CKPT]

draws action-sit.jpg, action-squat.jpg, … (the picture, the body on it, the body from the side and
MediaPipe's own 3D from there; the truth is green) and prints a table of all of them: the
built-in body is rendered in captured motion, so that the truth is known.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from render_people import Mesh, fine_mesh, render_clip, scale_of
from torch import Tensor

from genmo_rt.camera import Intrinsics
from genmo_rt.clock import TICK_HZ
from genmo_rt.conditions import Observed
from genmo_rt.data.augment import Motions
from genmo_rt.data.batch import TrainingBatch
from genmo_rt.data.cameras import CameraConfig
from genmo_rt.data.dataset import Dataset, load_dataset
from genmo_rt.data.loader import LoaderConfig, Told, render
from genmo_rt.data.observe import CLEAN
from genmo_rt.estimate import Estimator
from genmo_rt.evaluation.real import (
    HEADS,
    Footage,
    RealScores,
    live_poses,
    mean,
    score_live,
    score_mediapipe,
    score_whole,
)
from genmo_rt.evaluation.recorded import Reference
from genmo_rt.evaluation.side_by_side import Scene, draw_side_by_side
from genmo_rt.evaluation.tables import table
from genmo_rt.model import Texts
from genmo_rt.rotation import quat_xyzw_to_rotmat
from genmo_rt.skeleton import JOINT_NAMES
from genmo_rt.smpl import Body
from genmo_stream.keypoints import MediaPipeStage

BEFORE, AFTER = 75, 30  # frames around the one that is shown
HEIGHT = 360  # pixels of the pictures
QUALITY = 82
LOOKS = LoaderConfig(
    camera=CameraConfig(focal=(0.75, 1.1), height=(0.9, 1.7), close=0, follow_path=1, towards=1),
    noise=CLEAN,
    told_intrinsics=1.0,
)
J = {name: index for index, name in enumerate(JOINT_NAMES)}
Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Action:
    """What is shown.

    Attributes:
        name: of the picture.
        clip: of the dataset.
        how_much: (L, 24, 3) joints in the world and (L,) heading to (L,) how much each frame
            shows it.
        seed: of camera, clothes and room.
    """

    name: str
    clip: str
    how_much: Callable[[Tensor, Tensor], Tensor]
    seed: int


def _low(joint: str) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda joints, heading: -joints[:, J[joint], 1]


def _turning(joints: Tensor, heading: Tensor) -> Tensor:
    ahead, behind = torch.arange(len(heading)) + 20, torch.arange(len(heading)) - 20
    last = len(heading) - 1
    return (heading[ahead.clamp_max(last)] - heading[behind.clamp_min(0)]).abs()


def _arms(joints: Tensor, heading: Tensor) -> Tensor:
    return joints[:, [J["left_wrist"], J["right_wrist"]], 1].amin(1) - joints[:, J["head"], 1]


def _foot(joints: Tensor, heading: Tensor) -> Tensor:
    return (joints[:, J["left_ankle"], 1] - joints[:, J["right_ankle"], 1]).abs()


ACTIONS = (
    Action("sit", "Sitting_Enter", _low("pelvis"), 1),
    Action("squat", "martial_10", _low("pelvis"), 2),
    Action("turn-around", "06_11", _turning, 3),
    Action("arms-overhead", "13_10", _arms, 4),
    Action("one-foot-up", "49_18", _foot, 5),
    Action("lying-down", "Death01", _low("head"), 6),
)


@dataclass(frozen=True, slots=True)
class Watched:
    """An action that was rendered and looked at.

    Attributes:
        footage: what the 2D stage saw, and the truth.
        camera: that made the pictures.
        shown: the picture of the frame that shows the action, and its number in the footage.
        held_out: whether training never saw the clip's performer.
    """

    footage: Footage
    camera: Intrinsics
    shown: tuple[Picture, int]
    held_out: bool


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("motions", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--checkpoint", type=Path, help="the one that ships")
    parser.add_argument("--only", choices=[action.name for action in ACTIONS])
    args = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    estimator = Estimator.load(args.checkpoint)
    dataset, mesh = load_dataset(args.motions), fine_mesh(estimator.body)
    rows: list[tuple[str, RealScores]] = []
    methods: dict[str, list[RealScores]] = {}
    for action in ACTIONS:
        if args.only not in (None, action.name):
            continue
        watched = watch(action, dataset, estimator.body, mesh)
        path = args.out / f"action-{action.name}.jpg"
        cv2.imwrite(str(path), _picture(estimator, watched)[..., ::-1], _JPEG)
        print(f"{path}: {path.stat().st_size // 1000} kB", file=sys.stderr, flush=True)
        held = "held out" if watched.held_out else "trained on"
        for method, scores in _score(estimator, watched):
            rows.append((f"{action.name} ({held}), {method}", scores))
            methods.setdefault(method, []).append(scores)
    rows += [(f"**mean, {method}**", mean(scores)) for method, scores in methods.items()]
    print(table(rows, HEADS))
    return 0


_JPEG = [cv2.IMWRITE_JPEG_QUALITY, QUALITY]


def watch(action: Action, dataset: Dataset, body: Body, mesh: Mesh) -> Watched:
    """Renders an action and runs the 2D stage over it."""
    motions, best, held_out = _find(action, dataset, body)
    batch = render(motions, _silence(), body, LOOKS, torch.Generator().manual_seed(action.seed))
    camera = _camera(batch)
    frames, shown = [], None
    with MediaPipeStage("full") as stage:
        for shot in render_clip(batch, 0, body, mesh, action.seed):
            t = shot.tick / TICK_HZ
            frames.append((t, stage.detect(shot.image, round(t * 1e6))))
            if shot.tick == best:
                shown = (shot.image, best)
    assert shown is not None
    truth = batch.landmarks_cam[0].double().numpy()
    reference = Reference(np.arange(len(truth)) / TICK_HZ, truth, camera)
    return Watched(Footage.of(frames, reference), camera, shown, held_out)


def _find(action: Action, dataset: Dataset, body: Body) -> tuple[Motions, int, bool]:
    """The frames around the one that shows the action best, its number, and whether held out."""
    found = []
    for number, name in enumerate(dataset.names):
        if name != action.clip:
            continue
        frames = np.arange(dataset.lengths[number]) + dataset.starts[number]
        motions = _motions(dataset, number, frames)
        rest = body.rest_joints(motions.shape)[:, None]
        _, joints = body.forward_kinematics(motions.rotmat, motions.pelvis, rest)
        forward = motions.rotmat[0, :, 0, :, 2].numpy()
        heading = torch.from_numpy(np.unwrap(np.arctan2(forward[:, 0], forward[:, 2])))
        much = action.how_much(joints[0], heading)
        found.append((float(much.max()), number, int(much.argmax())))
    if not found:
        raise SystemExit(f"the motions have no clip {action.clip!r}; build them of all sets")
    _, clip, best = max(found)
    last = int(dataset.lengths[clip]) - 1
    frames = np.arange(best - BEFORE, best + AFTER).clip(0, last) + dataset.starts[clip]
    return _motions(dataset, clip, frames), BEFORE, bool(dataset.held_out[clip])


def _motions(dataset: Dataset, clip: int, frames: NDArray[np.int64]) -> Motions:
    """Frames of a clip as they were captured; one that is asked for again is held."""
    row = slice(clip, clip + 1)
    return Motions(
        rotmat=quat_xyzw_to_rotmat(torch.from_numpy(dataset.quat_xyzw[frames]).float())[None],
        pelvis=torch.from_numpy(dataset.pelvis[frames])[None],
        shape=torch.from_numpy(dataset.shape[row]),
        contacts=torch.from_numpy(dataset.contacts[frames]).float()[None],
        valid=torch.ones(1, len(frames), dtype=torch.bool),
        joint_mask=torch.from_numpy(dataset.joint_mask[row]),
        contact_mask=torch.from_numpy(dataset.contact_mask[row]),
        source=torch.from_numpy(frames).float()[None],
    )


def _silence() -> Told:
    nothing = torch.zeros(1, 1, 1, dtype=torch.bool)
    texts = Texts(torch.zeros(1, 1, 1, 384), nothing, torch.zeros(1, 1, 2, dtype=torch.int64))
    count = BEFORE + AFTER
    music = Observed(torch.zeros(1, count, 1, 35), nothing.expand(1, count, 1))
    return Told(texts, music)


def _camera(batch: TrainingBatch) -> Intrinsics:
    """Of the pictures."""
    size = batch.image_size[0].numpy()
    scale = scale_of(size)
    fx, fy, cx, cy = (batch.intrinsics_true[0] * scale).tolist()
    width, height = (round(float(side) * scale) for side in size)
    return Intrinsics(fx, fy, cx, cy, width, height)


def _score(estimator: Estimator, watched: Watched) -> list[tuple[str, RealScores]]:
    footage, camera = watched.footage, watched.camera
    guess = Intrinsics.default(camera.width, camera.height)
    return [
        ("streaming", score_live(estimator, footage, camera)),
        ("streaming, guessed f", score_live(estimator, footage, guess)),
        ("whole clip", score_whole(estimator, footage, camera)),
        ("MediaPipe", score_mediapipe(footage)),
    ]


def _picture(estimator: Estimator, watched: Watched) -> Picture:
    """The frame that shows the action, as the live stream posed it."""
    image, number = watched.shown
    poses = live_poses(estimator, watched.footage, watched.camera)
    frame = watched.footage.frames[number]
    scene = Scene(
        replace(watched.footage, frames=(frame,)),
        {pose.t: pose for pose in poses},
        watched.camera,
        estimator.body,
    )
    drawn = next(draw_side_by_side(scene, [image]), image)  # nobody was found: the picture alone
    return np.concatenate([_scaled(image), _scaled(drawn)], axis=1)


def _scaled(image: Picture) -> Picture:
    width = round(image.shape[1] * HEIGHT / image.shape[0])
    return np.asarray(cv2.resize(image, (width, HEIGHT), interpolation=cv2.INTER_AREA), np.uint8)


if __name__ == "__main__":
    sys.exit(main())

"""Measures how wrong a checkpoint's figures are, for the refinement that puts them on landmarks.

    scripts/fit_prediction_error.py CKPT motions.npz genmo_rt/prediction_error.npz

estimates training clips before synthetic cameras, as a live stream would, and prints how much each
joint is turned wrong. Mirror images count as well as what was drawn; errors over OUTLIER standard
deviations are left out. Half a minute of one core.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genmo_rt import motion
from genmo_rt.checkpoint import load_checkpoint
from genmo_rt.data.cameras import CameraConfig
from genmo_rt.data.dataset import load_dataset
from genmo_rt.data.loader import LoaderConfig, batches
from genmo_rt.motion import Motion
from genmo_rt.prediction_error import view_axes
from genmo_rt.refine import TURNING
from genmo_rt.rotation import rotmat_to_axis_angle
from genmo_rt.skeleton import JOINT_NAMES, PARENTS
from genmo_rt.smpl import Body, load_body
from genmo_rt.training.losses import true_motion, true_view
from genmo_rt.training.validation import conditions_of

LOOKS = LoaderConfig(16, 128, told_intrinsics=1, captured=0.8, camera=CameraConfig(close=0))
SETTLED = 20  # frames after which a stream knows whom it sees
APART = 3  # frames between those that count
OUTLIER = 4.0
ACROSS = 0.05  # of the root's distance, added: where it is in the picture, landmarks say
ALONG = 0.02  # of it, in all: the rest is a wrong size, which lasts and which no landmark tells
SEED = 777
ITEMS = ("root", *TURNING)
MIRROR = [
    ITEMS.index(name.replace("left", "?").replace("right", "left").replace("?", "right"))
    for name in ITEMS
]
NUMBERS = [JOINT_NAMES.index(name) for name in TURNING]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("motions", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--batches", type=int, default=60, help="of 16 clips")
    args = parser.parse_args()
    torch.set_num_threads(1)
    errors = torch.cat(list(measure(args.checkpoint, args.motions, args.batches))).double().numpy()
    covariance = fit(errors)
    np.savez(args.out, covariance=covariance.astype(np.float32))
    spread = np.sqrt(np.diag(covariance)).reshape(3, -1).T
    print(f"{len(errors)} figures\n\n| | x | y | along the ray |\n|---|---|---|---|")
    print(
        "| root, % of its distance | " + " | ".join(f"{100 * one:.1f}" for one in spread[0]) + " |"
    )
    for name, row in zip(TURNING, np.degrees(spread[1:]), strict=True):
        print(f"| {name}, degrees | " + " | ".join(f"{one:.1f}" for one in row) + " |")


@torch.inference_mode()
def measure(checkpoint: Path, motions: Path, count: int) -> Iterator[Tensor]:
    """(N, 3, 16) errors by axes of the view, of root and turns, a batch at a time."""
    loaded, body = load_checkpoint(checkpoint), load_body()
    model = loaded.model.eval()
    source = batches(load_dataset(motions), LOOKS, SEED, body=body)
    for _ in range(count):
        batch = next(source)
        conditions = conditions_of(batch)
        said = model(conditions, torch.zeros(len(batch.present), dtype=torch.int64)).float()
        view = true_view(batch, conditions)
        guess = motion.decode(loaded.stats.denormalise(said), view)
        truth = true_motion(batch)
        axes = torch.from_numpy(view_axes(guess.root_cam.double().numpy())).float().mT
        off = (truth.root_cam - guess.root_cam) / guess.root_cam.norm(dim=-1, keepdim=True)
        turns = own_turns(_turned(truth, body) @ _turned(guess, body).mT)
        errors = (axes @ torch.cat((off[..., None, :], turns), -2).mT).float()  # (B, L, 3, 16)
        counts = batch.valid & conditions.present.cummax(1).values
        counts &= batch.joint_mask.all(1)[:, None]
        counts[:, :SETTLED] = False
        yield errors[counts][::APART]


def own_turns(turned: Tensor) -> Tensor:
    """(..., 24, 3, 3) how joints are turned in all to (..., 15, 3) each one's own turn of that."""
    own = []
    for joint in NUMBERS:
        above = joint
        while above > 0:
            above = PARENTS[above]
            if above in NUMBERS:
                break
        turn = turned[..., joint, :, :]
        own.append(turn if joint == 0 else turned[..., above, :, :].mT @ turn)
    return rotmat_to_axis_angle(torch.stack(own, -3))


def fit(errors: NDArray[np.float64]) -> NDArray[np.float64]:
    """(48, 48) the covariance of errors (N, 3, 16) and of their mirror images."""
    mirrored = errors[:, :, MIRROR].copy()
    mirrored[:, 0, 0] *= -1  # a place changes its side, a turn all but its axis to the side
    mirrored[:, 1:, 1:] *= -1
    both = np.concatenate((errors, mirrored)).reshape(2 * len(errors), -1)
    usual = (np.abs(both) < OUTLIER * both.std(axis=0)).all(axis=1)
    covariance: NDArray[np.float64] = both[usual].T @ both[usual] / usual.sum()
    x, y, z = (axis * len(ITEMS) for axis in range(3))  # of the root
    covariance[[x, y], [x, y]] += ACROSS**2
    narrower = ALONG / np.sqrt(covariance[z, z])
    covariance[z] *= narrower
    covariance[:, z] *= narrower
    return covariance


def _turned(said: Motion, body: Body) -> Tensor:
    rest = body.rest_joints(said.shape)
    turned, _ = body.forward_kinematics(said.rotmat_cam, said.root_cam, rest)
    return turned


if __name__ == "__main__":
    main()

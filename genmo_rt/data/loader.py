"""Endless seeded training batches, and the held-out set that stays the same for ever."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genmo_rt.conditions import Observed
from genmo_rt.data.augment import (
    PLAIN,
    AugmentConfig,
    Motions,
    draw_motions,
    mirror,
    recombine,
)
from genmo_rt.data.batch import TrainingBatch
from genmo_rt.data.cameras import CameraConfig, Cameras, place_cameras
from genmo_rt.data.clips import FPS
from genmo_rt.data.dataset import Dataset
from genmo_rt.data.deform import deform
from genmo_rt.data.music import draw_music
from genmo_rt.data.observe import NoiseConfig, observe
from genmo_rt.data.texts import draw_texts
from genmo_rt.data.waves import chance
from genmo_rt.errors import InputError
from genmo_rt.model import Texts
from genmo_rt.smpl import Body, load_body

Split = Literal["train", "held_out"]


@dataclass(frozen=True, slots=True)
class LoaderConfig:
    """What a batch looks like.

    Attributes:
        batch_size: B sequences.
        length: L ticks of each.
        told_intrinsics: share that is given the camera's true intrinsics, else the default guess.
        captured: share whose motion stays as it was captured but for mirroring, speed and shape.
            Only of these is anything said, and only to these does music play: what the others do
            is no longer what their clip shows.
        rare: how much more often captured samples show rare actions than frames do: 0 as often,
            1 each action as often as any other.
    """

    batch_size: int = 32
    length: int = 180
    told_intrinsics: float = 0.5
    captured: float = 0.4
    rare: float = 0.5
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    camera: CameraConfig = field(default_factory=CameraConfig)
    noise: NoiseConfig = field(default_factory=NoiseConfig)

    def __post_init__(self) -> None:
        for name in ("told_intrinsics", "captured"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} is {getattr(self, name)}; expected a share, 0 to 1")


def batches(
    dataset: Dataset,
    config: LoaderConfig,
    seed: int,
    split: Split = "train",
    body: Body | None = None,
) -> Iterator[TrainingBatch]:
    """Yields batches for ever; the same seed gives the same batches.

    Raises:
        InputError: the split has no clips.
    """
    body = body or load_body()
    chosen = np.flatnonzero(dataset.held_out == (split == "held_out"))
    if not len(chosen):
        raise InputError(f"the dataset has no clips in the {split} split")
    mass: NDArray[np.float64] = dataset.lengths[chosen] * dataset.weights[chosen].astype(float)
    evened = _evened(mass, [dataset.labels[clip] for clip in chosen], config.rare)
    random = torch.Generator().manual_seed(seed)
    numpy_random = np.random.default_rng(seed)

    def clips(count: int, weigh: NDArray[np.float64]) -> NDArray[np.int64]:
        return chosen[numpy_random.choice(len(chosen), count, p=weigh / weigh.sum())]

    while True:
        captured = chance(config.batch_size, config.captured, random)
        chosen_clips = np.where(
            captured.numpy(), clips(config.batch_size, evened), clips(config.batch_size, mass)
        )
        motions = draw_motions(dataset, chosen_clips, config.length, config.augment, random)
        if config.augment.recombine > 0:
            upper = draw_motions(
                dataset, clips(config.batch_size, mass), config.length, config.augment, random
            )
            mixed = chance(config.batch_size, config.augment.recombine, random)
            motions = recombine(motions, upper, mixed & ~captured)
        mirrored = chance(config.batch_size, config.augment.mirror, random)
        motions = mirror(motions, mirrored)
        motions = deform(motions, body, config.augment, random, spared=captured)
        told = _tell(dataset, chosen_clips, motions, mirrored, captured, random)
        yield render(motions, told, body, config, random)


def _evened(mass: NDArray[np.float64], labels: Sequence[str], rare: float) -> NDArray[np.float64]:
    """What clips weigh when the share of an action is raised to the power of 1 − rare."""
    names = np.array(labels)
    total = np.array([mass[names == name].sum() for name in labels])
    evened: NDArray[np.float64] = mass * (total / mass.sum()) ** -rare
    return evened


def heldout(
    dataset: Dataset, config: LoaderConfig, seed: int = 0, body: Body | None = None
) -> list[TrainingBatch]:
    """Every held-out clip once, in windows, unchanged but for camera and noise.

    The same dataset, config and seed give the same batches on every machine of one torch version.
    """
    body = body or load_body()
    random = torch.Generator().manual_seed(seed)
    others = torch.Generator().manual_seed(seed)  # cameras and noise don't hang on texts
    found = []
    clips = [
        int(clip)
        for clip in np.flatnonzero(dataset.held_out)
        for _ in range(max(1, round(_windows(dataset, int(clip), config.length))))
    ]
    for first in range(0, len(clips), config.batch_size):
        part = np.array(clips[first : first + config.batch_size])
        motions = draw_motions(dataset, part, config.length, PLAIN, random)
        everyone = torch.ones(len(part), dtype=torch.bool)
        told = _tell(dataset, part, motions, ~everyone, everyone, others)
        found.append(render(motions, told, body, config, random))
    return found


def _windows(dataset: Dataset, clip: int, length: int) -> float:
    """How many windows stand for a clip; the sets' weights thin out people who stand still."""
    return float(dataset.lengths[clip] / length * min(1.0, float(dataset.weights[clip])))


@dataclass(frozen=True, slots=True)
class Told:
    """What is said of a batch and what plays to it."""

    texts: Texts
    music: Observed


def _tell(
    dataset: Dataset,
    clips: NDArray[np.int64],
    motions: Motions,
    mirrored: Tensor,
    captured: Tensor,
    random: torch.Generator,
) -> Told:
    texts = draw_texts(dataset.texts, clips, motions.source, mirrored, captured, random)
    return Told(texts, draw_music(dataset.music, clips, motions.source, captured, random))


def render(
    motions: Motions, told: Told, body: Body, config: LoaderConfig, random: torch.Generator
) -> TrainingBatch:
    """Puts motions before cameras and observes them."""
    global_rotmat, joints = body.forward_kinematics(
        motions.rotmat, motions.pelvis, body.rest_joints(motions.shape)[:, None]
    )
    landmarks = body.landmarks(global_rotmat, joints, motions.shape[:, None])
    middle = motions.rotmat[:, motions.rotmat.shape[1] // 2, 0]
    heading = torch.atan2(middle[:, 0, 2], middle[:, 2, 2])
    cameras = place_cameras(heading, motions.pelvis, config.camera, random)
    joints_world = cameras.to_world(joints)
    joints_cam = cameras.to_camera(joints_world)
    landmarks_cam = cameras.to_camera(cameras.to_world(landmarks))
    landmarks_px = cameras.project(landmarks_cam)
    seen = observe(
        landmarks_cam,
        landmarks_px,
        joints_cam,
        cameras.intrinsics[:, 0],
        cameras.image_size,
        config.noise,
        random,
    )
    rotmat_cam = motions.rotmat.clone()
    turn = cameras.R_c2w.mT @ cameras.yaw
    rotmat_cam[:, :, 0] = turn[:, None] @ motions.rotmat[:, :, 0]
    root_world = joints_world[:, :, 0]
    known = chance(len(turn), config.told_intrinsics, random)[:, None]
    return TrainingBatch(
        pixels=seen.pixels,
        confidence=seen.confidence,
        present=seen.present & motions.valid,
        valid=motions.valid,
        image_size=cameras.image_size,
        intrinsics_true=cameras.intrinsics,
        intrinsics_given=torch.where(known, cameras.intrinsics, _guess(cameras)),
        rotmat_cam=rotmat_cam,
        root_cam=joints_cam[:, :, 0],
        joints_cam=joints_cam,
        landmarks_cam=landmarks_cam,
        landmarks_px=landmarks_px,
        gravity_cam=cameras.R_c2w[:, 1],
        root_world=root_world,
        root_vel_world=_velocity(root_world),
        R_c2w=cameras.R_c2w,
        shape=motions.shape,
        contacts=motions.contacts,
        contact_mask=motions.contact_mask,
        joint_mask=motions.joint_mask,
        texts=told.texts,
        music=told.music,
    )


def _guess(cameras: Cameras) -> Tensor:
    """(B, 4) what is assumed of an unknown camera: Intrinsics.default."""
    focal = cameras.image_size.amax(-1, keepdim=True)
    return torch.cat((focal, focal, cameras.image_size / 2), dim=-1)


def _velocity(path: Tensor) -> Tensor:
    """(B, L, 3) metres to metres per second, backward; the first repeats the next."""
    steps = (path[:, 1:] - path[:, :-1]) * FPS
    return torch.cat((steps[:, :1], steps), dim=1)

"""A dataset of a few walks of the mean body, made in code."""

import numpy as np
import torch
from numpy.typing import NDArray

from genmo_rt.data.clips import TimedText
from genmo_rt.data.dataset import INT16, Dataset
from genmo_rt.data.music import MUSIC_WIDTH, VARIANTS, MusicTable
from genmo_rt.data.texts import build_table
from genmo_rt.rotation import axis_angle_to_rotmat, rotmat_to_quat_xyzw
from genmo_rt.skeleton import JOINT_NAMES
from tests.genmo_rt.data.tiny_clips import BODY
from tests.genmo_rt.data.tiny_words import CountingEncoder

J = {name: joint for joint, name in enumerate(JOINT_NAMES)}


def tiny_dataset(clips: int = 4, frames: int = 90) -> Dataset:
    """Walks at 0.9 m/s with texts and music; the last clip is held out and lacks wrists and hands.

    Music row t of the first clip says t / 100 everywhere but in its flags; every tenth is a beat.
    """
    joint_mask = np.ones((clips, 24), np.bool_)
    joint_mask[-1, 20:] = False
    contact_mask = np.ones((clips, 6), np.bool_)
    contact_mask[-1, 4:] = False
    floor = -float(BODY.joint_mean[:, 1].min())
    pelvis = np.zeros((clips, frames, 3), np.float32)
    pelvis[..., 1] = floor + 0.02
    pelvis[..., 2] = 0.9 * np.arange(frames) / 30
    contacts = np.zeros((clips, frames, 6), np.bool_)
    contacts[:, :, 0] = True
    said = [(TimedText("a person walks", 0, frames), TimedText("left, right, left", 0, frames))]
    return Dataset(
        quat_xyzw=np.concatenate([_walk(frames, clip) for clip in range(clips)]),
        pelvis=pelvis.reshape(-1, 3),
        contacts=contacts.reshape(-1, 6),
        starts=np.arange(clips + 1) * frames,
        names=tuple(f"clip_{clip}" for clip in range(clips)),
        sets=("tiny",) * clips,
        subjects=tuple(f"tiny/{clip}" for clip in range(clips)),
        licences=("made in code",) * clips,
        labels=("walk",) * clips,
        held_out=np.arange(clips) == clips - 1,
        weights=np.ones(clips, np.float32),
        shape=np.linspace(-0.5, 0.5, clips, dtype=np.float32)[:, None] * np.ones(10, np.float32),
        joint_mask=joint_mask,
        contact_mask=contact_mask,
        texts=build_table(said * clips, ["walk"] * clips, CountingEncoder()),
        music=_music(clips, frames),
    )


def _music(clips: int, frames: int) -> MusicTable:
    features = np.zeros((VARIANTS, frames, MUSIC_WIDTH), np.float16)
    features[:, :, :33] = np.arange(frames)[:, None] / 100
    features[:, ::10, 34] = 1
    first = np.full(clips, -1, np.int64)
    first[0] = 0
    return MusicTable(features, first, ("made in code",) + ("",) * (clips - 1))


def _walk(frames: int, clip: int) -> NDArray[np.int16]:
    time = torch.arange(frames) / 30 + 0.37 * clip
    swing = 0.4 * torch.sin(2 * torch.pi * time)
    turns = torch.zeros(frames, 24, 3)
    turns[:, J["left_hip"], 0], turns[:, J["right_hip"], 0] = swing, -swing
    turns[:, J["left_knee"], 0] = 0.3 + 0.2 * torch.cos(2 * torch.pi * time)
    turns[:, J["right_knee"], 0] = 0.3 - 0.2 * torch.cos(2 * torch.pi * time)
    turns[:, J["left_shoulder"], 2] = -1.2
    turns[:, J["right_shoulder"], 2] = 1.2 + 0.2 * clip
    quat_xyzw = rotmat_to_quat_xyzw(axis_angle_to_rotmat(turns))
    return (quat_xyzw * INT16).round().to(torch.int16).numpy()

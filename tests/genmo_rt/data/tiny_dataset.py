"""A dataset of a few walks of the mean body, made in code."""

import numpy as np
import torch

from genmo_rt.data.dataset import INT16, Dataset
from genmo_rt.rotation import axis_angle_to_rotmat, rotmat_to_rot6d
from genmo_rt.skeleton import JOINT_NAMES
from tests.genmo_rt.data.tiny_clips import BODY

J = {name: joint for joint, name in enumerate(JOINT_NAMES)}


def tiny_dataset(clips: int = 4, frames: int = 90) -> Dataset:
    """Walks at 0.9 m/s; the last clip is held out and lacks wrists and hands."""
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
    return Dataset(
        rot6d=np.concatenate([_walk(frames, clip) for clip in range(clips)]),
        pelvis=pelvis.reshape(-1, 3),
        contacts=contacts.reshape(-1, 6),
        starts=np.arange(clips + 1) * frames,
        names=tuple(f"clip_{clip}" for clip in range(clips)),
        sets=("tiny",) * clips,
        subjects=tuple(f"tiny/{clip}" for clip in range(clips)),
        licences=("made in code",) * clips,
        held_out=np.arange(clips) == clips - 1,
        weights=np.ones(clips, np.float32),
        shape=np.linspace(-0.5, 0.5, clips, dtype=np.float32)[:, None] * np.ones(10, np.float32),
        joint_mask=joint_mask,
        contact_mask=contact_mask,
    )


def _walk(frames: int, clip: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    time = torch.arange(frames) / 30 + 0.37 * clip
    swing = 0.4 * torch.sin(2 * torch.pi * time)
    turns = torch.zeros(frames, 24, 3)
    turns[:, J["left_hip"], 0], turns[:, J["right_hip"], 0] = swing, -swing
    turns[:, J["left_knee"], 0] = 0.3 + 0.2 * torch.cos(2 * torch.pi * time)
    turns[:, J["right_knee"], 0] = 0.3 - 0.2 * torch.cos(2 * torch.pi * time)
    turns[:, J["left_shoulder"], 2] = -1.2
    turns[:, J["right_shoulder"], 2] = 1.2 + 0.2 * clip
    rot6d = rotmat_to_rot6d(axis_angle_to_rotmat(turns))
    return (rot6d * INT16).round().to(torch.int16).numpy()

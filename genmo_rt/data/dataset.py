"""The motions in one compact file: built once from packed captures, loaded at once for training."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray

from genmo_rt.data.clean import clean, unreliable_wrists
from genmo_rt.data.clips import Clip, FloatArray, read_set
from genmo_rt.data.contacts import (
    CONTACT_JOINTS,
    contact_points,
    floor_height,
    label_contacts,
)
from genmo_rt.data.retarget import BodyMotion, SubjectFit, fit_subject, retarget
from genmo_rt.errors import FileFormatError
from genmo_rt.rotation import rot6d_to_rotmat, rotmat_to_rot6d
from genmo_rt.smpl import Body, load_body

FORMAT = 1
INT16 = 32767


@dataclass(frozen=True, slots=True)
class MotionSet:
    """How one packed set is used.

    Attributes:
        weight: how often a frame is drawn, relative to the others.
        licence: its terms, kept with every clip.
    """

    weight: float
    licence: str


CMU_TERMS = (
    "mocap.cs.cmu.edu (NSF EIA-0196217): free to use, modify, redistribute; not to be resold"
)
MOTION_SETS = {
    "cmu": MotionSet(1.0, CMU_TERMS),
    "cmu_indian_martial": MotionSet(1.5, CMU_TERMS),
    "cmu_gestures": MotionSet(2.0, CMU_TERMS),
    "reactidle": MotionSet(0.08, "MIT, copyright (c) 2025 RSAIT"),  # people who stand still
}
# Climbing is a quarter of the varied frames, salsa another; neither is what a webcam mostly sees.
SUBJECT_WEIGHTS = {"cmu/01": 0.4, "cmu/60": 0.5, "cmu/61": 0.5}
# Salsa by two dancers: 4.1 steps and 3.5 turns a second as packed; half of that is a dance.
DOUBLE_SPEED = ("cmu/60", "cmu/61")
# Walks, bends, swordplay, washing, dribbling, balance on one leg, two who stand idle: about a
# tenth of the varied motion, and nobody of whom another clip is trained on.
HELD_OUT = ("cmu/02", "cmu/06", "cmu/12", "cmu/39", "cmu/49", "reactidle/007", "reactidle/010")


@dataclass(frozen=True, slots=True)
class Dataset:
    """All motions end to end; clip c is frames starts[c] .. starts[c + 1].

    Attributes:
        rot6d: (F, 24, 6) int16, value / 32767; joint 0 in the world, 1..23 relative.
        pelvis: (F, 3) float32 metres, the floor at 0, y up.
        contacts: (F, 6) bool.
        starts: (C + 1,) int64.
        names, sets, subjects, licences: C strings each.
        held_out: (C,) bool.
        weights: (C,) how often a frame of the clip is drawn.
        shape: (C, 10) the performer's.
        joint_mask: (C, 24) bool, False where the source lacks the joint.
        contact_mask: (C, 6) bool.
    """

    rot6d: NDArray[np.int16]
    pelvis: FloatArray
    contacts: NDArray[np.bool_]
    starts: NDArray[np.int64]
    names: tuple[str, ...]
    sets: tuple[str, ...]
    subjects: tuple[str, ...]
    licences: tuple[str, ...]
    held_out: NDArray[np.bool_]
    weights: FloatArray
    shape: FloatArray
    joint_mask: NDArray[np.bool_]
    contact_mask: NDArray[np.bool_]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(C,) frames of each clip."""
        return np.diff(self.starts)


def build_dataset(
    mocap_dir: Path,
    out: Path,
    *,
    body: Body | None = None,
    held_out: Sequence[str] = HELD_OUT,
    motion_sets: dict[str, MotionSet] = MOTION_SETS,
) -> Dataset:
    """Retargets, repairs and labels every packed set of a folder and writes one file.

    Args:
        mocap_dir: holds the sets named in `motion_sets` as .npz with .csv; missing ones are
            skipped.
        out: the .npz to write.
        body: None for the built-in one.
        held_out: subjects that are never trained on.
        motion_sets: which sets, and how they are weighted.
    Raises:
        FileFormatError: the folder has none of the sets, or a set can't be read.
    """
    body = body or load_body()
    paths = [path for name in motion_sets if (path := mocap_dir / f"{name}.npz").exists()]
    if not paths:
        raise FileFormatError(
            f"{mocap_dir}: none of {', '.join(motion_sets)} found; expected packed .npz sets"
        )
    performers: dict[tuple[str, int], list[Clip]] = defaultdict(list)
    for path in paths:
        for clip in read_set(path):
            performers[clip.subject, id(clip.skeleton)].append(clip)
    pieces = [
        piece
        for clips in performers.values()
        for fit in [fit_subject(clips, body)]
        for clip in clips
        for piece in _pieces(clip, fit, body)
    ]
    dataset = _assemble(pieces, held_out, motion_sets)
    save_dataset(dataset, out)
    return dataset


@dataclass(frozen=True, slots=True)
class _Piece:
    clip: Clip
    motion: BodyMotion
    contacts: NDArray[np.bool_]
    shape: FloatArray
    joint_mask: NDArray[np.bool_]


def _pieces(clip: Clip, fit: SubjectFit, body: Body) -> list[_Piece]:
    motion = retarget(clip, fit)
    joint_mask = fit.joint_mask & ~unreliable_wrists(motion)
    pieces = []
    for part in clean(motion, fit.rest_joints):
        played = half_speed(part) if clip.subject in DOUBLE_SPEED else part
        rotmat, pelvis = played.rotmat.copy(), played.pelvis.copy()
        rotmat[:, ~joint_mask] = np.eye(3, dtype=np.float32)
        points = contact_points(BodyMotion(rotmat, pelvis), body, fit.shape)
        floor = np.float32(floor_height(points))
        pelvis[:, 1] -= floor
        points[..., 1] -= floor
        contacts = label_contacts(points, pelvis)
        pieces.append(_Piece(clip, BodyMotion(rotmat, pelvis), contacts, fit.shape, joint_mask))
    return pieces


def half_speed(motion: BodyMotion) -> BodyMotion:
    """Puts a frame between every two, on the cubic through four."""
    rot6d = _between_frames(rotmat_to_rot6d(torch.from_numpy(motion.rotmat)).numpy())
    return BodyMotion(
        rotmat=rot6d_to_rotmat(torch.from_numpy(rot6d)).numpy(),
        pelvis=_between_frames(motion.pelvis),
    )


def _between_frames(values: FloatArray) -> FloatArray:
    """(N, ...) to (2N − 1, ...), Catmull–Rom."""
    padded = np.concatenate((values[:1], values, values[-1:]))
    between = (9 * (padded[1:-2] + padded[2:-1]) - padded[:-3] - padded[3:]) / 16
    out = np.empty((2 * len(values) - 1, *values.shape[1:]), np.float32)
    out[::2], out[1::2] = values, between
    return out


def _assemble(
    pieces: Sequence[_Piece], held_out: Sequence[str], motion_sets: dict[str, MotionSet]
) -> Dataset:
    rotmat = np.concatenate([piece.motion.rotmat for piece in pieces])
    rot6d = rotmat_to_rot6d(torch.from_numpy(rotmat)).numpy()
    sets = tuple(piece.clip.set_name for piece in pieces)
    joint_mask = np.stack([piece.joint_mask for piece in pieces])
    contact_mask = np.ones((len(pieces), len(CONTACT_JOINTS)), np.bool_)
    contact_mask[:, 4:] = joint_mask[:, list(CONTACT_JOINTS[4:])]
    return Dataset(
        rot6d=np.round(rot6d * INT16).astype(np.int16),
        pelvis=np.concatenate([piece.motion.pelvis for piece in pieces]),
        contacts=np.concatenate([piece.contacts for piece in pieces]),
        starts=np.cumsum([0, *(len(piece.contacts) for piece in pieces)], dtype=np.int64),
        names=tuple(piece.clip.name for piece in pieces),
        sets=sets,
        subjects=tuple(piece.clip.subject for piece in pieces),
        licences=tuple(motion_sets[name].licence for name in sets),
        held_out=np.array([piece.clip.subject in held_out for piece in pieces]),
        weights=np.array(
            [
                motion_sets[piece.clip.set_name].weight
                * SUBJECT_WEIGHTS.get(piece.clip.subject, 1.0)
                for piece in pieces
            ],
            np.float32,
        ),
        shape=np.stack([piece.shape for piece in pieces]),
        joint_mask=joint_mask,
        contact_mask=contact_mask,
    )


def save_dataset(dataset: Dataset, path: Path) -> None:
    """Writes one .npz, compressed."""
    arrays = {field.name: np.asarray(getattr(dataset, field.name)) for field in fields(Dataset)}
    with open(path, "wb") as file:
        np.savez_compressed(file, allow_pickle=False, format=np.array(FORMAT), **arrays)


def load_dataset(path: Path) -> Dataset:
    """Loads what build_dataset wrote.

    Raises:
        FileFormatError: the file is missing, isn't a motion dataset, or is of another version.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            if int(file["format"]) != FORMAT:
                raise ValueError(f"format {int(file['format'])}, this version reads {FORMAT}")
            return Dataset(
                rot6d=file["rot6d"],
                pelvis=file["pelvis"],
                contacts=file["contacts"],
                starts=file["starts"],
                names=_strings(file["names"]),
                sets=_strings(file["sets"]),
                subjects=_strings(file["subjects"]),
                licences=_strings(file["licences"]),
                held_out=file["held_out"],
                weights=file["weights"],
                shape=file["shape"],
                joint_mask=file["joint_mask"],
                contact_mask=file["contact_mask"],
            )
    except (OSError, KeyError, ValueError, BadZipFile) as error:
        raise FileFormatError(
            f"{path}: {error}; expected a motion dataset written by build_dataset"
        ) from error


def _strings(array: NDArray[np.str_]) -> tuple[str, ...]:
    return tuple(str(value) for value in array)

"""The motions in one compact file: built once from captures, mapped into memory for training."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from genmo_rt.data.clips import Clip, FloatArray, read_set
from genmo_rt.data.contacts import CONTACT_JOINTS
from genmo_rt.data.loaders.gltf import read_glb
from genmo_rt.data.music import Features, MusicTable, build_music
from genmo_rt.data.pieces import Piece, aligned_quaternions, pieces_of
from genmo_rt.data.retarget import fit_subject
from genmo_rt.data.sets import (
    DOUBLE_SPEED,
    HELD_OUT,
    HELD_OUT_SETS,
    LEFT_OUT,
    MOTION_SETS,
    OTHER_SET,
    SUBJECT_WEIGHTS,
    MotionSet,
    is_held_out,
)
from genmo_rt.data.storage import Arrays, map_arrays, write_arrays
from genmo_rt.data.synth import SAMPLE_RATE
from genmo_rt.data.texts import TextTable, build_table
from genmo_rt.data.wording import wording_of
from genmo_rt.errors import FileFormatError
from genmo_rt.smpl import Body, load_body

if TYPE_CHECKING:
    from genmo_rt.text import TextEncoder

FORMAT = 2
INT16 = 32767


@dataclass(frozen=True, slots=True)
class Dataset:
    """All motions end to end; clip c is frames starts[c] .. starts[c + 1].

    Attributes:
        quat_xyzw: (F, 24, 4) int16, value / 32767; joint 0 in the world, 1..23 relative; the sign
            doesn't jump within a clip.
        pelvis: (F, 3) float32 metres, the floor at 0, y up.
        contacts: (F, 6) bool.
        starts: (C + 1,) int64.
        names, sets, subjects, licences, labels: C strings each; a label is the action, or "".
        held_out: (C,) bool.
        weights: (C,) how often a frame of the clip is drawn.
        shape: (C, 10) the performer's.
        joint_mask: (C, 24) bool, False where the source lacks the joint.
        contact_mask: (C, 6) bool.
        texts: what may be said of the clips.
        music: what plays to them.
    """

    quat_xyzw: NDArray[np.int16]
    pelvis: FloatArray
    contacts: NDArray[np.bool_]
    starts: NDArray[np.int64]
    names: tuple[str, ...]
    sets: tuple[str, ...]
    subjects: tuple[str, ...]
    licences: tuple[str, ...]
    labels: tuple[str, ...]
    held_out: NDArray[np.bool_]
    weights: FloatArray
    shape: FloatArray
    joint_mask: NDArray[np.bool_]
    contact_mask: NDArray[np.bool_]
    texts: TextTable
    music: MusicTable

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(C,) frames of each clip."""
        return np.diff(self.starts)


def build_dataset(
    mocap_dir: Path | None,
    out: Path,
    *,
    more: Iterable[Clip] = (),
    body: Body | None = None,
    held_out: Sequence[str] = (*HELD_OUT, *HELD_OUT_SETS),
    motion_sets: dict[str, MotionSet] = MOTION_SETS,
    texts: bool = True,
    music: bool = True,
    encoder: "TextEncoder | None" = None,
    features: Features | None = None,
) -> Dataset:
    """Retargets, repairs, labels and describes every clip and writes one file.

    Args:
        mocap_dir: holds the sets named in `motion_sets` as .npz with .csv, and a folder glb of
            animations; missing ones are skipped. None: `more` is all there is.
        out: the .npz to write.
        more: clips of other sets, from data.loaders.
        body: None for the built-in one.
        held_out: performers, or sets and splits of them, that are never trained on.
        motion_sets: which sets, and how they are weighted; others get OTHER_SET.
        texts, music: False leaves the texts' embeddings or the music out, for where the extra
            `generate` isn't installed; such a file trains estimation only.
        encoder: of texts; None for text.MiniLM.
        features: of music; None for those of music.music_features.
    Raises:
        FileFormatError: the folder has none of the sets, or a set can't be read.
        GenmoError: what texts or music need isn't installed.
    """
    body = body or load_body()
    if texts and encoder is None:
        from genmo_rt.text import MiniLM

        encoder = MiniLM()
    if music and features is None:
        from genmo_rt.music import music_features

        features = partial(music_features, sample_rate=SAMPLE_RATE)
    performers: dict[tuple[str, int], list[Clip]] = defaultdict(list)
    for clip in (*_packed(mocap_dir, motion_sets), *more):
        performers[clip.subject, id(clip.skeleton)].append(clip)
    pieces = [
        piece
        for clips in performers.values()
        for fit in [fit_subject(clips, body)]
        for clip in clips
        for piece in pieces_of(clip, fit, body, halve=clip.subject in DOUBLE_SPEED)
    ]
    if not pieces:
        raise FileFormatError(
            f"{mocap_dir}: no clip has enough good frames; expected runs of 20 at 30 fps"
        )
    dataset = _assemble(
        pieces,
        held_out,
        motion_sets,
        build_table(
            [piece.captions for piece in pieces],
            [piece.clip.description for piece in pieces],
            encoder if texts else None,
        ),
        _music(pieces, features if music else None),
    )
    save_dataset(dataset, out)
    return dataset


def _packed(mocap_dir: Path | None, motion_sets: dict[str, MotionSet]) -> list[Clip]:
    if mocap_dir is None:
        return []
    paths = [path for name in motion_sets if (path := mocap_dir / f"{name}.npz").exists()]
    animated = sorted((mocap_dir / "glb").glob("*.glb")) if "glb" in motion_sets else []
    if not paths and not animated:
        raise FileFormatError(
            f"{mocap_dir}: none of {', '.join(motion_sets)} found; expected packed .npz sets"
        )
    packed = [clip for path in paths for clip in read_set(path)]
    return packed + [
        clip for path in animated for clip in read_glb(path) if clip.name not in LEFT_OUT
    ]


def _music(pieces: Sequence[Piece], features: Features | None) -> MusicTable:
    """Music for the pieces that are dances; for none where there are no features."""

    def dances(piece: Piece) -> bool:
        return features is not None and wording_of(piece.clip.description).label == "dance"

    return build_music(
        [piece.joints if dances(piece) else None for piece in pieces],
        [f"{piece.clip.name}/{piece.motion.first}" for piece in pieces],
        features,
    )


def _assemble(
    pieces: Sequence[Piece],
    held_out: Sequence[str],
    motion_sets: dict[str, MotionSet],
    texts: TextTable,
    music: MusicTable,
) -> Dataset:
    sets = tuple(piece.clip.set_name for piece in pieces)
    joint_mask = np.stack([piece.joint_mask for piece in pieces])
    contact_mask = np.ones((len(pieces), len(CONTACT_JOINTS)), np.bool_)
    contact_mask[:, 4:] = joint_mask[:, list(CONTACT_JOINTS[4:])]
    quat = np.concatenate([aligned_quaternions(piece.motion.rotmat) for piece in pieces])
    return Dataset(
        quat_xyzw=np.round(quat * INT16).astype(np.int16),
        pelvis=np.concatenate([piece.motion.pelvis for piece in pieces]),
        contacts=np.concatenate([piece.contacts for piece in pieces]),
        starts=np.cumsum([0, *(len(piece.contacts) for piece in pieces)], dtype=np.int64),
        names=tuple(piece.clip.name for piece in pieces),
        sets=sets,
        subjects=tuple(piece.clip.subject for piece in pieces),
        licences=tuple(motion_sets.get(name, OTHER_SET).licence for name in sets),
        labels=tuple(wording_of(piece.clip.description).label for piece in pieces),
        held_out=np.array([is_held_out(piece.clip.subject, held_out) for piece in pieces]),
        weights=np.array(
            [
                motion_sets.get(piece.clip.set_name, OTHER_SET).weight
                * SUBJECT_WEIGHTS.get(piece.clip.subject, 1.0)
                for piece in pieces
            ],
            np.float32,
        ),
        shape=np.stack([piece.shape for piece in pieces]),
        joint_mask=joint_mask,
        contact_mask=contact_mask,
        texts=texts,
        music=music,
    )


PARTS = {"texts": TextTable, "music": MusicTable}


def save_dataset(dataset: Dataset, path: Path) -> None:
    """Writes one .npz whose arrays can be mapped."""
    arrays: Arrays = {"format": np.array([FORMAT])}
    for field in fields(Dataset):
        value = getattr(dataset, field.name)
        if field.name in PARTS:
            for part in fields(value):
                arrays[f"{field.name}/{part.name}"] = np.asarray(getattr(value, part.name))
        else:
            arrays[field.name] = np.asarray(value)
    write_arrays(path, arrays)


def load_dataset(path: Path) -> Dataset:
    """Maps what build_dataset wrote.

    Raises:
        FileFormatError: the file is missing, isn't a motion dataset, or is of another version.
    """
    try:
        arrays = map_arrays(path)
        if int(arrays["format"][0]) != FORMAT:
            raise ValueError(f"format {int(arrays['format'][0])}, this version reads {FORMAT}")
        parts = {
            name: kind(**{f.name: _value(arrays[f"{name}/{f.name}"]) for f in fields(kind)})
            for name, kind in PARTS.items()
        }
        whole = {f.name: _value(arrays[f.name]) for f in fields(Dataset) if f.name not in PARTS}
        return Dataset(**whole, **parts)
    except (OSError, KeyError, ValueError, BadZipFile) as error:
        raise FileFormatError(
            f"{path}: {error}; expected a motion dataset written by genmo-rt data build"
        ) from error


def _value(array: NDArray[Any]) -> Any:
    """An array, or strings as a tuple."""
    if array.dtype.kind == "U":
        return tuple(str(value) for value in array)
    return np.asarray(array)

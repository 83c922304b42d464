"""Reads RICH: bodies/SPLIT/SCENE_SUBJECTS_ACTION/FRAME/SUBJECT.pkl, SMPL-X in a camera's axes.

The scene's multicam2world/SCENE_multicam2world.json (R, t, c: p_world = c · p R + t) turns them
into the scanner's world, whose ground is level; without it a sequence can't be stood upright.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from genmo_rt.bodies.smpl_file import read_pickle
from genmo_rt.data.clips import FPS, Clip
from genmo_rt.data.loaders.smpl import Bodies, SmplMotion, smpl_clip, upright
from genmo_rt.errors import FileFormatError

EXPECTED = (
    "expected RICH: bodies/{train,val,test}/SEQUENCE/FRAME/SUBJECT.pkl and "
    "multicam2world/SCENE_multicam2world.json"
)


def read_rich(folder: Path, bodies: Bodies) -> Iterator[Clip]:
    """Everybody in every sequence, cut where frames are missing.

    Raises:
        FileFormatError: there is no sequence, or one can't be read.
    """
    sequences = sorted(path for path in folder.glob("bodies/*/*") if path.is_dir())
    if not sequences:
        raise FileFormatError(f"{folder}: no sequence found; {EXPECTED}")
    for sequence in sequences:
        people: dict[str, dict[int, Path]] = defaultdict(dict)
        for path in sorted(sequence.glob("*/*.pkl")):
            if path.parent.name.isdigit():
                people[path.stem][int(path.parent.name)] = path
        to_world = _to_world(folder, sequence.name)
        for person, frames in people.items():
            numbers = np.array(sorted(frames))
            for part in np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1):
                fits = [_fit(frames[int(number)]) for number in part]
                name = f"{sequence.name}/{person}/{int(part[0])}"
                subject = f"rich/{sequence.parent.name}/{person}"
                yield smpl_clip(name, "rich", subject, _motion(fits, *to_world), bodies)


def _to_world(folder: Path, sequence: str) -> tuple[Any, Any]:
    """(3, 3) R and (3,) t with p_world = R @ p + t, metres."""
    scene = sequence.split("_")[0]
    if scene == "LectureHall":
        scene += "_chair" if "chair" in sequence else "_yoga"
    path = folder / "multicam2world" / f"{scene}_multicam2world.json"
    try:
        values = json.loads(path.read_text())
        return np.array(values["R"], float).T, np.array(values["t"], float).reshape(3)
    except (OSError, KeyError, ValueError) as error:
        raise FileFormatError(f"{path}: {error}; {EXPECTED}") from error


def _fit(path: Path) -> tuple[Any, Any, Any]:
    """(66,) pose, (3,) translation and (10,) betas of one frame."""
    values = read_pickle(path, EXPECTED)
    try:
        turn, pose, transl, betas = (
            np.asarray(values[name], float).reshape(-1)
            for name in ("global_orient", "body_pose", "transl", "betas")
        )
        return np.concatenate((turn[:3], pose[:63])), transl[:3], betas[:10]
    except (KeyError, TypeError, ValueError) as error:
        raise FileFormatError(f"{path}: {error}; {EXPECTED}") from error


def _motion(fits: list[tuple[Any, Any, Any]], R_w: Any, t_w: Any) -> SmplMotion:
    """One run of frames; the scanner's world is stood upright by the people in it."""
    poses, trans, betas = (np.stack(values) for values in zip(*fits, strict=True))
    level = upright(poses, R_w)
    return SmplMotion(poses, trans, betas.mean(0), FPS, level @ R_w, level @ t_w)

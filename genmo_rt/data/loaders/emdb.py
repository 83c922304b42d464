"""Reads EMDB: P0/00_NAME/P0_00_NAME_data.pkl, SMPL at 30 fps, y up, with frames to leave out."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from genmo_rt.bodies.smpl_file import read_pickle
from genmo_rt.data.clips import FPS, Clip
from genmo_rt.data.loaders.smpl import UP, Bodies, SmplMotion, smpl_clip
from genmo_rt.errors import FileFormatError

EXPECTED = "expected EMDB: P*/*/*_data.pkl with smpl and good_frames_mask"


def read_emdb(folder: Path, bodies: Bodies) -> Iterator[Clip]:
    """Every run of good frames of every sequence.

    Raises:
        FileFormatError: there is no sequence, or one can't be read.
    """
    paths = sorted(folder.rglob("P*/*/*_data.pkl"))
    if not paths:
        raise FileFormatError(f"{folder}: no sequence found; {EXPECTED}")
    for path in paths:
        values = read_pickle(path, EXPECTED)
        try:
            smpl = values["smpl"]
            poses = np.concatenate((smpl["poses_root"], smpl["poses_body"]), axis=1)
            trans, betas = np.asarray(smpl["trans"]), np.asarray(smpl["betas"])
            good = np.asarray(values["good_frames_mask"], np.bool_)
        except (KeyError, TypeError, ValueError) as error:
            raise FileFormatError(f"{path}: {error}; {EXPECTED}") from error
        edges = np.flatnonzero(np.diff(good, prepend=False, append=False)).reshape(-1, 2)
        for number, (start, end) in enumerate(edges):
            part = slice(int(start), int(end))
            motion = SmplMotion(poses[part], trans[part], betas, FPS, UP["y"], np.zeros(3))
            name = f"{path.stem.removesuffix('_data')}/{number}"
            yield smpl_clip(name, "emdb", f"emdb/{path.parts[-3]}", motion, bodies)

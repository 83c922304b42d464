"""Reads AIST++: motions/gBR_sBM_cAll_d04_mBR0_ch01.pkl, SMPL at 60 fps, y up, centimetres."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from genmo_rt.bodies.smpl_file import read_pickle
from genmo_rt.data.clips import Clip
from genmo_rt.data.loaders.smpl import UP, Bodies, SmplMotion, smpl_clip
from genmo_rt.errors import FileFormatError

EXPECTED = "expected AIST++: motions/*.pkl with smpl_poses, smpl_trans and smpl_scaling"
FRAMES_PER_SECOND = 60
GENRES = {
    "BR": "break dance",
    "PO": "pop dance",
    "LO": "lock dance",
    "MH": "hip hop dance",
    "LH": "hip hop dance",
    "HO": "house dance",
    "WA": "waack dance",
    "KR": "krump dance",
    "JS": "street jazz dance",
    "JB": "ballet jazz dance",
}


def read_aist(folder: Path, bodies: Bodies) -> Iterator[Clip]:
    """Every dance of a folder, without AIST's recordings: music is played to its beats.

    Raises:
        FileFormatError: there is no dance, or one can't be read.
    """
    paths = sorted(folder.rglob("g*_s*_c*_d*_m*_ch*.pkl"))
    if not paths:
        raise FileFormatError(f"{folder}: no dance found; {EXPECTED}")
    for path in paths:
        values = read_pickle(path, EXPECTED)
        try:
            # The body is scaled about the origin: poses are those of a body of SMPL's size.
            scale = float(np.asarray(values["smpl_scaling"]).reshape(-1)[0])
            motion = SmplMotion(
                poses=values["smpl_poses"],
                trans=np.asarray(values["smpl_trans"]) / scale,
                betas=np.zeros(10),
                fps=FRAMES_PER_SECOND,
                R_w=UP["y"],
                t_w=np.zeros(3),
            )
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise FileFormatError(f"{path}: {error}; {EXPECTED}") from error
        genre, *_, dancer, _, _ = path.stem.split("_")
        description = GENRES.get(genre[1:], "dance")
        yield smpl_clip(path.stem, "aist", f"aist/{dancer}", motion, bodies, description)

"""Reads 3DPW: sequenceFiles/{train,validation,test}/NAME.pkl, one or two people with SMPL."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from genmo_rt.bodies.smpl_file import read_pickle
from genmo_rt.data.clips import Clip
from genmo_rt.data.loaders.smpl import Bodies, SmplMotion, smpl_clip, upright
from genmo_rt.errors import FileFormatError

EXPECTED = "expected 3DPW: sequenceFiles/{train,validation,test}/*.pkl with poses, trans and betas"


def read_3dpw(folder: Path, bodies: Bodies) -> Iterator[Clip]:
    """Everybody in every sequence, at 60 fps where the file has it, else at 30.

    Raises:
        FileFormatError: there is no sequence, or one can't be read.
    """
    paths = sorted(folder.rglob("sequenceFiles/*/*.pkl"))
    if not paths:
        raise FileFormatError(f"{folder}: no sequence found; {EXPECTED}")
    for path in paths:
        values = read_pickle(path, EXPECTED)
        fine = "poses_60Hz" in values and "trans_60Hz" in values
        suffix, fps = ("_60Hz", 60.0) if fine else ("", 30.0)
        try:
            people = list(
                zip(
                    values[f"poses{suffix}"], values[f"trans{suffix}"], values["betas"], strict=True
                )
            )
        except (KeyError, TypeError, ValueError) as error:
            raise FileFormatError(f"{path}: {error}; {EXPECTED}") from error
        for person, (poses, trans, betas) in enumerate(people):
            turned = upright(poses)
            motion = SmplMotion(poses, trans, betas, fps, turned, np.zeros(3))
            name = f"{path.stem}/{person}"
            yield smpl_clip(name, "3dpw", f"3dpw/{path.parent.name}/{name}", motion, bodies)

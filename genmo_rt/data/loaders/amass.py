"""Reads AMASS: SET/SUBJECT/TRIAL_poses.npz (SMPL-H) or TRIAL_stageii.npz (SMPL-X), z up."""

from collections.abc import Iterator
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from genmo_rt.data.clips import FPS, Clip, TimedText
from genmo_rt.data.loaders.humanml3d import Descriptions, trial_key
from genmo_rt.data.loaders.smpl import UP, Bodies, SmplMotion, smpl_clip
from genmo_rt.errors import FileFormatError

EXPECTED = "expected AMASS: SET/SUBJECT/TRIAL_poses.npz with poses, trans, betas, mocap_framerate"


def read_amass(
    folder: Path, bodies: Bodies, descriptions: Descriptions | None = None
) -> Iterator[Clip]:
    """Every trial of a folder, with HumanML3D's texts where there are any.

    Raises:
        FileFormatError: there is no trial, or one can't be read.
    """
    paths = sorted((*folder.rglob("*_poses.npz"), *folder.rglob("*_stageii.npz")))
    if not paths:
        raise FileFormatError(f"{folder}: no trial found; {EXPECTED}")
    for path in paths:
        parts = path.relative_to(folder).parts
        try:
            with np.load(path, allow_pickle=False) as file:
                rate = next(k for k in ("mocap_framerate", "mocap_frame_rate") if k in file.files)
                fps = float(file[rate])
                motion = SmplMotion(
                    file["poses"], file["trans"], file["betas"], fps, UP["z"], np.zeros(3)
                )
        except (OSError, KeyError, ValueError, StopIteration, BadZipFile) as error:
            raise FileFormatError(f"{path}: {error or 'no frame rate'}; {EXPECTED}") from error
        said = descriptions.of(trial_key("/".join(parts))) if descriptions else ()
        length = int((len(motion.poses) - 1) * FPS / fps) + 1
        texts = tuple(
            TimedText(text, round(start * FPS), min(round(end * FPS), length))
            for text, start, end in said
        )
        subject = "/".join(("amass", *parts[:-1]))
        yield smpl_clip("/".join(parts)[:-4], "amass", subject, motion, bodies, texts=texts)

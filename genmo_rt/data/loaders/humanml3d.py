"""Reads HumanML3D's descriptions of AMASS' trials: index.csv and texts/NUMBER.txt.

The index says which seconds of a trial a numbered motion is, at 20 fps, after leaving out the
beginning of trials of some sets (its raw_pose_processing). A line of a text file is
`caption#tokens#start#end`, seconds within the motion, 0 and 0 for all of it.
"""

import csv
import math
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from genmo_rt.errors import FileFormatError

EXPECTED = "expected HumanML3D: index.csv and texts/000000.txt, or HumanML3D/texts/000000.txt"
INDEX_FPS = 20
LEFT_OUT_S = {
    "Eyes_Japan_Dataset": 3.0,
    "MPI_HDM05": 3.0,
    "TotalCapture": 1.0,
    "MPI_Limits": 1.0,
    "Transitions_mocap": 0.5,
}
# What AMASS' archives call the sets now, and what the index calls them.
RENAMED = {
    "BMLrub": "BioMotionLab_NTroje",
    "DFaust": "DFaust_67",
    "HDM05": "MPI_HDM05",
    "MoSh": "MPI_mosh",
    "PosePrior": "MPI_Limits",
    "SSM": "SSM_synced",
    "TCDHands": "TCD_handMocap",
    "Transitions": "Transitions_mocap",
}

Said = tuple[str, float, float]
"""A text, and the seconds of the trial that it is said of."""


@dataclass(frozen=True, slots=True)
class Descriptions:
    """What is said of AMASS' trials, by trial_key."""

    _said: dict[str, list[Said]] = field(default_factory=dict)

    def of(self, key: str) -> tuple[Said, ...]:
        """Everything that is said of a trial; empty where nothing is."""
        return tuple(self._said.get(key, ()))


def trial_key(path: str) -> str:
    """One name for a trial, whichever archive or index names it."""
    parts = path.removeprefix("./").removeprefix("pose_data/").replace(" ", "_").split("/")
    parts[0] = RENAMED.get(parts[0], parts[0])
    last = parts[-1].rsplit(".", 1)[0]
    return "/".join((*parts[:-1], last.removesuffix("_poses").removesuffix("_stageii")))


def read_humanml3d(folder: Path) -> Descriptions:
    """Reads all descriptions; motions that are not AMASS' are passed over.

    Raises:
        FileFormatError: the index or the texts are missing or can't be read.
    """
    texts = next(
        (at for at in (folder / "texts", folder / "HumanML3D" / "texts") if at.is_dir()), None
    )
    if texts is None or not (folder / "index.csv").is_file():
        raise FileFormatError(f"{folder}: no index.csv or no texts; {EXPECTED}")
    said: dict[str, list[Said]] = defaultdict(list)
    try:
        with (folder / "index.csv").open(newline="") as table:
            for row in csv.DictReader(table):
                path = texts / f"{Path(row['new_name']).stem}.txt"
                if "humanact12" in row["source_path"] or not path.is_file():
                    continue
                key = trial_key(row["source_path"])
                left_out = LEFT_OUT_S.get(key.split("/")[0], 0.0)
                begin, end = (
                    left_out + int(row[name]) / INDEX_FPS for name in ("start_frame", "end_frame")
                )
                for line in path.read_text("utf-8").splitlines():
                    if line.strip():
                        said[key].append(_line(line, begin, end))
    except (OSError, KeyError, ValueError) as error:
        raise FileFormatError(f"{folder}: {error}; {EXPECTED}") from error
    return Descriptions(dict(said))


def _line(line: str, begin: float, end: float) -> Said:
    parts = line.strip().split("#")
    if len(parts) != 4:
        raise ValueError(f"the line {line!r} has {len(parts)} parts, not 4")
    first, last = (0.0 if math.isnan(float(s)) else float(s) for s in parts[2:])
    if first == last == 0:
        return parts[0], begin, end
    return parts[0], begin + first, min(begin + last, end)

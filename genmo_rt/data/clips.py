"""Reads packed motion capture: one .npz per set becomes clips on their own skeletons.

A packed set holds, per skeleton s, `skeleton/{s}/names`, `parents` and `offsets` (J,3) metres,
y up; per clip, `{clip}/rotvec` int16 (N,J,3) local rotation vectors (radians = value·π/32767) and
`{clip}/root` (N,3) metres. The table beside it (.csv: clip, skeleton, frames, text) says which
clip uses which skeleton. All clips run at 30 fps.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genmo_rt.errors import FileFormatError

FPS = 30
FloatArray = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class SourceSkeleton:
    """A skeleton as it was captured; zero rotation is its own rest pose.

    Attributes:
        names: J joint names; those that end in `_end` are bone ends.
        parents: J parent indices, −1 for the root, parents before children.
        offsets: (J, 3) metres from the parent in the rest pose, y up.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: FloatArray

    def rest_joints(self) -> FloatArray:
        """(J, 3) joint positions in the rest pose, metres."""
        rest = self.offsets.copy()
        for joint, parent in enumerate(self.parents):
            if parent >= 0:
                rest[joint] += rest[parent]
        return rest

    def forward_kinematics(
        self, rotmat: FloatArray, root: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Global rotations (N, J, 3, 3) and joint positions (N, J, 3) metres.

        Args:
            rotmat: (N, J, 3, 3) local rotations.
            root: (N, 3) metres; the root joint stands at root + offsets[0].
        """
        global_rotmat = rotmat.copy()
        joints = np.empty((*rotmat.shape[:2], 3), np.float32)
        for joint, parent in enumerate(self.parents):
            if parent < 0:
                joints[:, joint] = root + self.offsets[joint]
                continue
            global_rotmat[:, joint] = global_rotmat[:, parent] @ rotmat[:, joint]
            joints[:, joint] = joints[:, parent] + global_rotmat[:, parent] @ self.offsets[joint]
        return global_rotmat, joints


@dataclass(frozen=True, slots=True)
class TimedText:
    """A text that is said of frames [start, end) of a clip."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Clip:
    """One captured motion at 30 fps.

    Attributes:
        name: as in the set's table, unique within the set.
        set_name: the packed file's stem.
        subject: who moved; clips whose performer is unknown share the set's name.
        skeleton: what `rotvec` turns.
        rotvec: (N, J, 3) local rotation vectors, radians.
        root: (N, 3) root translation, metres.
        description: what its set's index says it shows, "" where it says nothing.
        texts: what else its set says of it.
    """

    name: str
    set_name: str
    subject: str
    skeleton: SourceSkeleton
    rotvec: FloatArray
    root: FloatArray
    description: str = ""
    texts: tuple[TimedText, ...] = ()


def subject_of(set_name: str, clip_name: str) -> str:
    """Who moved: CMU trials and the idle recordings name the performer before or in the number."""
    parts = clip_name.split("_")
    if set_name == "cmu":
        return f"cmu/{parts[0]}"
    if set_name == "reactidle":
        return f"reactidle/{parts[1]}"
    return set_name if set_name != "cmu_indian_martial" else f"{set_name}/{parts[0]}"


def read_set(path: Path) -> Iterator[Clip]:
    """Yields every clip of one packed set, in the order of its table.

    Args:
        path: the .npz; its table lies beside it with the suffix .csv.

    Raises:
        FileFormatError: a file is missing, can't be read, or lacks a clip or skeleton.
    """
    try:
        with np.load(path, allow_pickle=False) as packed, open(path.with_suffix(".csv")) as table:
            skeletons: dict[str, SourceSkeleton] = {}
            for row in csv.DictReader(table):
                key = row["skeleton"]
                if key not in skeletons:
                    skeletons[key] = SourceSkeleton(
                        names=tuple(str(name) for name in packed[f"skeleton/{key}/names"]),
                        parents=tuple(int(p) for p in packed[f"skeleton/{key}/parents"]),
                        offsets=packed[f"skeleton/{key}/offsets"].astype(np.float32),
                    )
                name = row["clip"]
                yield Clip(
                    name=name,
                    set_name=path.stem,
                    subject=subject_of(path.stem, name),
                    skeleton=skeletons[key],
                    rotvec=packed[f"{name}/rotvec"].astype(np.float32) * np.float32(np.pi / 32767),
                    root=packed[f"{name}/root"].astype(np.float32),
                    description=row["text"],
                )
    except (OSError, KeyError, ValueError) as error:
        raise FileFormatError(
            f"{path}: {error}; expected a packed motion capture set with its .csv beside it"
        ) from error

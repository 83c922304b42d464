"""Reads Acclaim's ASF skeletons and AMC motions, as the CMU database publishes them.

A bone has axes C of its own, in which its degrees of freedom M are told; in the skeleton's rest
pose, which is zero rotation, a bone turns by C · M · C⁻¹ against its parent.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from genmo_rt.data.clips import Clip, SourceSkeleton
from genmo_rt.data.loaders.smpl import at_30_fps
from genmo_rt.errors import FileFormatError
from genmo_rt.rotation import axis_angle_to_rotmat

EXPECTED = "expected SUBJECT.asf (Acclaim skeleton) and SUBJECT_TRIAL.amc (its motions) beside it"
CMU_FPS = 120.0
INCH_M = 0.0254

Floats = NDArray[np.float64]


@dataclass(slots=True)
class _Bone:
    """One bone; the root has neither direction nor length."""

    direction: Floats = field(default_factory=lambda: np.zeros(3))
    length: float = 0.0
    axes: Floats = field(default_factory=lambda: np.eye(3))
    freedoms: tuple[str, ...] = ()
    parent: str = ""


@dataclass(frozen=True, slots=True)
class _Skeleton:
    """An .asf; `bones` begins with the root, parents before children.

    Attributes:
        metres: per unit of length.
        radians: per unit of angle.
    """

    bones: dict[str, _Bone]
    metres: float
    radians: float


def read_asf(folder: Path, set_name: str = "asf", fps: float = CMU_FPS) -> Iterator[Clip]:
    """Every .amc of a folder and its subfolders, on the one .asf that lies beside it.

    Args:
        fps: of the motions; the files don't say.
    Raises:
        FileFormatError: there is no skeleton, or a file can't be read.
    """
    skeletons = sorted(folder.rglob("*.asf"))
    if not skeletons:
        raise FileFormatError(f"{folder}: no skeleton found; {EXPECTED}")
    for path in skeletons:
        with _naming(path):
            skeleton = _skeleton(_lines(path))
        source = _source(skeleton)
        for motion in sorted(path.parent.glob("*.amc")):
            with _naming(motion):
                rotmat, root = _motion(_lines(motion), skeleton)
            rotvec, places = at_30_fps(rotmat, root, fps)
            subject = f"{set_name}/{path.stem}"
            yield Clip(motion.stem, set_name, subject, source, rotvec, places)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise FileFormatError(f"{path}: {error}; {EXPECTED}") from error


def _lines(path: Path) -> list[list[str]]:
    """The words of every line that has any, without comments."""
    lines = path.read_text("utf-8", errors="replace").splitlines()
    return [line.split() for line in lines if line.split() and not line.lstrip().startswith("#")]


def _source(skeleton: _Skeleton) -> SourceSkeleton:
    """A joint where each bone begins, and one where a bone without children ends."""
    names = list(skeleton.bones)
    parents = [names.index(bone.parent) if bone.parent else -1 for bone in skeleton.bones.values()]
    ends = [bone.direction * bone.length * skeleton.metres for bone in skeleton.bones.values()]
    offsets = [ends[parent] if parent >= 0 else np.zeros(3) for parent in parents]
    for joint in [j for j in range(len(names)) if j not in parents]:
        parents.append(joint)
        offsets.append(ends[joint])
        names.append(f"{names[joint]}_end")
    return SourceSkeleton(tuple(names), tuple(parents), np.array(offsets, np.float32))


def _skeleton(lines: list[list[str]]) -> _Skeleton:
    bones: dict[str, _Bone] = {"root": _Bone(freedoms=("tx", "ty", "tz", "rx", "ry", "rz"))}
    section, name = "", ""
    length, degrees = 1.0, False
    for words in lines:
        key = words[0].lower()
        if key.startswith(":"):
            section = key
        elif section == ":units" and key == "length":
            length = float(words[1])
        elif section == ":units" and key == "angle":
            degrees = words[1] == "deg"
        elif section == ":root" and key == "order":
            bones["root"].freedoms = tuple(word.lower() for word in words[1:])
        elif section == ":bonedata" and key == "name":
            name = words[1]
            bones[name] = _Bone()
        elif section == ":bonedata" and key == "direction":
            bones[name].direction = np.array(words[1:4], np.float64)
        elif section == ":bonedata" and key == "length":
            bones[name].length = float(words[1])
        elif section == ":bonedata" and key == "axis":
            turn = np.array(words[1:4], np.float64) * (np.pi / 180 if degrees else 1)
            bones[name].axes = _turned(words[4].lower(), turn[None])[0]
        elif section == ":bonedata" and key == "dof":
            bones[name].freedoms = tuple(word.lower() for word in words[1:])
        elif section == ":hierarchy" and key not in ("begin", "end"):
            for child in words[1:]:
                bones[child].parent = words[0]
    ordered = ["root"]
    for above in ordered:
        ordered += [bone for bone in bones if bones[bone].parent == above]
    if len(ordered) != len(bones):
        raise ValueError(f"has bones that hang on nothing: {sorted(set(bones) - set(ordered))}")
    return _Skeleton(
        {bone: bones[bone] for bone in ordered},
        metres=INCH_M / length,
        radians=np.pi / 180 if degrees else 1.0,
    )


def _motion(lines: list[list[str]], skeleton: _Skeleton) -> tuple[Floats, Floats]:
    """(N, J, 3, 3) local rotations, ends of bones included, and (N, 3) root, metres."""
    frames: list[dict[str, list[float]]] = []
    for words in lines:
        if words[0].isdigit() and len(words) == 1:
            frames.append({})
        elif not words[0].startswith(":"):
            if words[0] not in skeleton.bones:
                raise ValueError(f"moves {words[0]!r}, which its skeleton doesn't have")
            frames[-1][words[0]] = [float(word) for word in words[1:]]
    if not frames:
        raise ValueError("has no frame")
    joints = len(_source(skeleton).names)
    rotmat = np.tile(np.eye(3), (len(frames), joints, 1, 1))
    root = np.zeros((len(frames), 3))
    for joint, (name, bone) in enumerate(skeleton.bones.items()):
        if not bone.freedoms or not all(name in frame for frame in frames):
            continue
        values = np.array([frame[name] for frame in frames])  # (N, freedoms)
        if values.shape[1] != len(bone.freedoms):
            raise ValueError(f"gives {name} {values.shape[1]} values, not {len(bone.freedoms)}")
        turns = [n for n, freedom in enumerate(bone.freedoms) if freedom.startswith("r")]
        order = "".join(bone.freedoms[n][1] for n in turns)
        own = _turned(order, values[:, turns] * skeleton.radians)
        rotmat[:, joint] = bone.axes @ own @ bone.axes.T
        for n, freedom in enumerate(bone.freedoms):
            if joint == 0 and freedom.startswith("t"):
                root[:, "xyz".index(freedom[1])] = values[:, n] * skeleton.metres
    return rotmat, root


def _turned(order: str, angles: Floats) -> Floats:
    """(N, 3, 3): the turns about fixed axes one after the other, the first of `order` first."""
    rotmat = np.tile(np.eye(3), (len(angles), 1, 1))
    for column, axis in enumerate(order):
        turn = np.zeros((len(angles), 3))
        turn[:, "xyz".index(axis)] = angles[:, column]
        rotmat = axis_angle_to_rotmat(torch.from_numpy(turn)).numpy() @ rotmat
    return rotmat

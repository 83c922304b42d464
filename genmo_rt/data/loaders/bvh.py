"""Reads a .bvh as a clip: any skeleton whose joints a family of ours names."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from genmo_rt.data.clips import Clip, SourceSkeleton
from genmo_rt.data.loaders.smpl import at_30_fps
from genmo_rt.errors import FileFormatError
from genmo_rt.rotation import axis_angle_to_rotmat

EXPECTED = "expected a BVH file: HIERARCHY, then MOTION"
UNITS = (1.0, 0.01, 0.0254, 0.001)  # metres: metres, centimetres, inches, millimetres
TALL = (0.9, 2.6)  # metres from the lowest to the highest joint at rest
PREFIXES = ("mixamorig:", "mixamorig_")

Floats = NDArray[np.float64]


@dataclass(slots=True)
class _Hierarchy:
    """What the head of the file says; `channels` are those of each joint, in the file's order."""

    names: list[str] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    offsets: list[list[float]] = field(default_factory=list)
    channels: list[list[str]] = field(default_factory=list)


def read_bvh(path: Path, set_name: str = "bvh", unit_m: float | None = None) -> Clip:
    """Reads one file at any rate and in any unit; the clip is at 30 fps in metres.

    Args:
        unit_m: metres per unit of the file; None takes the one with which the skeleton is about
            as tall as a person.
    Raises:
        FileFormatError: the file can't be read or isn't BVH, or no unit fits.
    """
    try:
        words = iter(path.read_text("utf-8", errors="replace").split())
        hierarchy = _hierarchy(words)
        rows, fps = _rows(words, sum(len(c) for c in hierarchy.channels))
    except (OSError, ValueError, StopIteration) as error:
        raise FileFormatError(f"{path}: {error or 'it ends too early'}; {EXPECTED}") from error
    offsets = np.array(hierarchy.offsets)
    unit = unit_m or _unit(path, offsets, hierarchy.parents)
    rotmat, root = _decoded(hierarchy, rows)
    rotvec, places = at_30_fps(rotmat, root * unit - offsets[0] * unit, fps)
    skeleton = SourceSkeleton(
        tuple(_plain(name) for name in hierarchy.names),
        tuple(hierarchy.parents),
        (offsets * unit).astype(np.float32),
    )
    return Clip(path.stem, set_name, f"{set_name}/{path.parent.name}", skeleton, rotvec, places)


def _plain(name: str) -> str:
    for prefix in PREFIXES:
        name = name.removeprefix(prefix)
    return name


def _hierarchy(words: Iterator[str]) -> _Hierarchy:
    if next(words) != "HIERARCHY":
        raise ValueError("doesn't begin with HIERARCHY")
    found = _Hierarchy()
    above: list[int] = []
    current = -1
    for word in words:
        if word in ("ROOT", "JOINT", "End"):
            name = next(words)
            found.names.append(name if word != "End" else f"{found.names[current]}_end")
            found.parents.append(current)
            found.offsets.append([0.0, 0.0, 0.0])
            found.channels.append([])
        elif word == "{":
            above.append(current)
            current = len(found.names) - 1
        elif word == "}":
            current = above.pop()
        elif word == "OFFSET":
            found.offsets[current] = [float(next(words)) for _ in range(3)]
        elif word == "CHANNELS":
            found.channels[current] = [next(words).lower() for _ in range(int(next(words)))]
        elif word == "MOTION":
            if not found.names or above or found.parents.count(-1) != 1:
                raise ValueError("has a hierarchy that doesn't close, or not one root")
            return found
        else:
            raise ValueError(f"has {word!r} in its hierarchy")
    raise ValueError("has no MOTION")


def _rows(words: Iterator[str], width: int) -> tuple[Floats, float]:
    """(N, width) values and frames per second."""
    if next(words) != "Frames:":
        raise ValueError("has no number of frames")
    count = int(next(words))
    if (next(words), next(words)) != ("Frame", "Time:"):
        raise ValueError("has no frame time")
    step = float(next(words))
    values = np.array(list(words), dtype=np.float64)
    if step <= 0 or count < 1 or values.size != count * width:
        raise ValueError(
            f"has {values.size} values at {step} s a frame where {count} × {width} belong"
        )
    return values.reshape(count, width), 1 / step


def _decoded(hierarchy: _Hierarchy, rows: Floats) -> tuple[Floats, Floats]:
    """(N, J, 3, 3) local rotations and (N, 3) place of the root, in the file's unit."""
    rotmat = np.tile(np.eye(3), (len(rows), len(hierarchy.names), 1, 1))
    root = np.tile(np.array(hierarchy.offsets[0]), (len(rows), 1))
    column = 0
    for joint, channels in enumerate(hierarchy.channels):
        for channel in channels:
            axis = "xyz".index(channel[0])
            values = rows[:, column]
            column += 1
            if channel.endswith("rotation"):
                turn = np.zeros((len(rows), 3))
                turn[:, axis] = np.radians(values)
                rotmat[:, joint] @= axis_angle_to_rotmat(torch.from_numpy(turn)).numpy()
            elif joint == 0:
                root[:, axis] = values
    return rotmat, root


def _unit(path: Path, offsets: Floats, parents: list[int]) -> float:
    rest = offsets.copy()
    for joint, parent in enumerate(parents):
        if parent >= 0:
            rest[joint] += rest[parent]
    tall = float(np.ptp(rest, axis=0).max())  # the arms of a T-pose are as wide as people are tall
    for unit in UNITS:
        if TALL[0] < tall * unit < TALL[1]:
            return unit
    raise FileFormatError(
        f"{path}: the skeleton measures {tall:g} units; expected a person in metres, centimetres, "
        "inches or millimetres: say what a unit is with --bvh-unit"
    )

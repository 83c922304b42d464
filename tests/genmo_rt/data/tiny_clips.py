"""Tiny skeletons and clips of every family, made in code."""

import csv
from pathlib import Path

import numpy as np

from genmo_rt.data.clips import Clip, FloatArray, SourceSkeleton
from genmo_rt.data.families import Family
from genmo_rt.skeleton import JOINT_NAMES, PARENTS
from genmo_rt.smpl import Body, load_body

BODY: Body = load_body()
# How far each family's rest legs are spread, degrees: ASF rests with legs apart.
SPREAD = {"ASF": 20.0, "ASF with a root called hip": 20.0, "BVH with LeftUpLeg": 20.0}


def skeleton_of(family: Family) -> SourceSkeleton:
    """A skeleton with the family's joint names and the mean body's bones, legs spread."""
    rest = BODY.joint_mean.numpy().astype(np.float32)
    spread = np.radians(SPREAD.get(family.name, 0.0))
    drivers = family.drivers()
    names: list[str] = []
    parents: list[int] = []
    offsets: list[FloatArray] = []
    place: dict[str, int] = {}
    for joint, driver in enumerate(drivers):
        if driver.joint in place:
            continue
        parent = PARENTS[joint]
        while parent >= 0 and drivers[parent].joint == driver.joint:
            parent = PARENTS[parent]
        offset = rest[joint] - (rest[parent] if parent >= 0 else rest[joint])
        name = JOINT_NAMES[joint]
        if name.endswith(("knee", "ankle", "foot")):
            offset = _turned_about_z(offset, spread if "left" in name else -spread)
        place[driver.joint] = len(names)
        names.append(driver.joint)
        parents.append(place[drivers[parent].joint] if parent >= 0 else -1)
        offsets.append(offset)
    for joint, driver in enumerate(drivers):
        if driver.tail is not None and driver.tail not in place:
            child = PARENTS.index(joint)
            place[driver.tail] = len(names)
            names.append(driver.tail)
            parents.append(place[driver.joint])
            offsets.append(rest[child] - rest[joint])
    return SourceSkeleton(tuple(names), tuple(parents), np.array(offsets, np.float32))


def _turned_about_z(vector: FloatArray, angle: float) -> FloatArray:
    c, s = np.cos(angle), np.sin(angle)
    x, y, z = vector
    return np.array([c * x - s * y, s * x + c * y, z], np.float32)


def still_clip(
    family: Family, turns: dict[str, tuple[float, float, float]], frames: int = 60
) -> Clip:
    """A pose that is held; `turns` are rotation vectors in degrees by SMPL joint name."""
    skeleton = skeleton_of(family)
    rotvec = np.zeros((frames, len(skeleton.names), 3), np.float32)
    drivers = family.drivers()
    for name, turn in turns.items():
        joint = drivers[JOINT_NAMES.index(name)].joint
        rotvec[:, skeleton.names.index(joint)] = np.radians(turn)
    root = np.zeros((frames, 3), np.float32)
    root[:, 1] = 0.95
    return Clip("still", "tiny", "tiny/1", skeleton, rotvec, root)


def write_set(path: Path, clips: list[Clip]) -> None:
    """Packs clips of one skeleton each as the README of the packed sets describes."""
    arrays: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]] = {}
    rows = []
    for key, clip in enumerate(clips):
        arrays[f"skeleton/{key}/names"] = np.array(clip.skeleton.names)
        arrays[f"skeleton/{key}/parents"] = np.array(clip.skeleton.parents)
        arrays[f"skeleton/{key}/offsets"] = clip.skeleton.offsets
        packed = np.round(clip.rotvec * 32767 / np.pi)
        arrays[f"{clip.name}/rotvec"] = packed.astype(np.int16)
        arrays[f"{clip.name}/root"] = clip.root
        rows.append((clip.name, key, len(clip.root), "text"))
    with open(path, "wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
    with open(path.with_suffix(".csv"), "w", newline="") as table:
        writer = csv.writer(table)
        writer.writerow(("clip", "skeleton", "frames", "text"))
        writer.writerows(rows)


def walking_clip(name: str, subject: str, family: Family, frames: int = 120, seed: int = 0) -> Clip:
    """Swings legs and arms and moves on: not a good walk, but a varied motion."""
    phase = np.random.default_rng(seed).uniform(0, 6)
    time = np.arange(frames) / 30
    swing = 25 * np.sin(2 * np.pi * time + phase)
    clip = still_clip(family, {}, frames)
    drivers = family.drivers()
    for joint, x in (("left_hip", swing), ("right_hip", -swing), ("left_shoulder", -swing)):
        index = clip.skeleton.names.index(drivers[JOINT_NAMES.index(joint)].joint)
        clip.rotvec[:, index, 0] = np.radians(x)
    for side, sign in (("left", -1), ("right", 1)):
        index = clip.skeleton.names.index(drivers[JOINT_NAMES.index(f"{side}_shoulder")].joint)
        clip.rotvec[:, index, 2] = np.radians(70 * sign)
    clip.root[:, 2] = 0.9 * time
    return Clip(name, "tiny", subject, clip.skeleton, clip.rotvec, clip.root)

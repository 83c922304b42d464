"""Reads the animations of a glTF binary (.glb) as clips: any skinned figure in glTF 2.0.

A node's rotation is relative to its parent and to nothing else, so a bone at rest is turned
already. A clip's rotations are relative to the rest pose: with G the global rotations at a time
and G0 those at rest (the nodes' own values), D = G · G0⁻¹ turns a bone in the world, and a joint's
rotation is D_parent⁻¹ · D.
"""

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from genmo_rt.data.clips import FPS, Clip, FloatArray, SourceSkeleton
from genmo_rt.errors import FileFormatError
from genmo_rt.rotation import (
    angle_between,
    axis_angle_to_rotmat,
    quat_xyzw_to_rotmat,
    rotmat_to_axis_angle,
)

EXPECTED = "expected a glTF 2.0 binary (.glb) with a skin and animations"
COMPONENTS = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}
LOOP_ANGLE = np.radians(4)  # the first and last pose of a loop differ by no more
LOOP_PATH = 0.01  # metres, the same of the root
LOOPED = 4 * FPS  # frames; a loop is repeated until it is as long

Floats = NDArray[np.float64]


def read_glb(path: Path, set_name: str = "glb") -> list[Clip]:
    """All animations of a file at 30 fps; loops are repeated to four seconds.

    Raises:
        FileFormatError: the file isn't such a .glb; the text says why.
    """
    try:
        document, binary = _chunks(path.read_bytes())
        figure = _Figure.of(document)
        clips = []
        for animation in document.get("animations", ()):
            tracks = _tracks(document, binary, animation, figure)
            clips.append(_clip(str(animation.get("name", "")), path, set_name, figure, tracks))
    except (OSError, ValueError, KeyError, IndexError, TypeError, struct.error) as error:
        raise FileFormatError(f"{path}: {error}; {EXPECTED}") from error
    if not clips:
        raise FileFormatError(f"{path}: has no animation; {EXPECTED}")
    return clips


def description_of(animation: str) -> str:
    """An animation's name in words: "Sitting_Idle_Loop" becomes "sitting idle"."""
    words = animation.replace("_", " ").replace("-", " ").split()
    return " ".join(word.lower() for word in words if word not in ("Loop", "RM"))


def _chunks(blob: bytes) -> tuple[dict[str, Any], bytes]:
    """The JSON and the binary chunk."""
    if blob[:4] != b"glTF" or struct.unpack_from("<I", blob, 4)[0] != 2:
        raise ValueError("doesn't begin as a glTF 2.0 binary")
    length, kind = struct.unpack_from("<I4s", blob, 12)
    if kind != b"JSON":
        raise ValueError("has no JSON chunk")
    document = json.loads(blob[20 : 20 + length])
    return document, blob[20 + length + 8 :]


@dataclass(frozen=True, slots=True)
class _Figure:
    """The skin's joints and what they hang on, parents first.

    Attributes:
        names: of the nodes.
        nodes: node number of each joint, and of everything above them.
        parents: index of each joint's parent, −1 for the first.
        translation, rotation: (J, 3) metres and (J, 4) x, y, z, w at rest, relative to the parent.
    """

    names: tuple[str, ...]
    nodes: tuple[int, ...]
    parents: tuple[int, ...]
    translation: Floats
    rotation: Floats

    @classmethod
    def of(cls, document: dict[str, Any]) -> "_Figure":
        nodes = document["nodes"]
        above = {child: n for n, node in enumerate(nodes) for child in node.get("children", ())}
        joints = set(document["skins"][0]["joints"])
        for joint in list(joints):  # everything up to the scene turns and moves the figure
            while joint in above:
                joint = above[joint]
                joints.add(joint)
        roots = [joint for joint in sorted(joints) if joint not in above]
        if len(roots) != 1:
            raise ValueError(f"has a skeleton with {len(roots)} roots")
        order, parents = [roots[0]], [-1]
        for at, joint in enumerate(order):
            for child in nodes[joint].get("children", ()):
                if child in joints:
                    order.append(child)
                    parents.append(at)
        return cls(
            names=tuple(str(nodes[joint].get("name", joint)) for joint in order),
            nodes=tuple(order),
            parents=tuple(parents),
            translation=np.array([nodes[j].get("translation", (0, 0, 0)) for j in order], float),
            rotation=np.array([nodes[j].get("rotation", (0, 0, 0, 1)) for j in order], float),
        )


@dataclass(frozen=True, slots=True)
class _Tracks:
    """(N, J, 3) and (N, J, 4): every node's place and turn at 30 fps."""

    translation: Floats
    rotation: Floats


def _tracks(
    document: dict[str, Any], binary: bytes, animation: dict[str, Any], figure: _Figure
) -> _Tracks:
    def values(accessor: int) -> Floats:
        return _accessor(document, binary, accessor)

    samplers = animation["samplers"]
    duration = max(float(values(s["input"]).max()) for s in samplers)
    times = np.arange(int(duration * FPS + 1e-3) + 1) / FPS
    translation = np.tile(figure.translation, (len(times), 1, 1))
    rotation = np.tile(figure.rotation, (len(times), 1, 1))
    place = {node: joint for joint, node in enumerate(figure.nodes)}
    for channel in animation["channels"]:
        joint = place.get(channel["target"].get("node", -1))
        if joint is None or channel["target"]["path"] not in ("translation", "rotation"):
            continue
        sampler = samplers[channel["sampler"]]
        how = sampler.get("interpolation", "LINEAR")
        keys, found = values(sampler["input"])[:, 0], values(sampler["output"])
        if how == "CUBICSPLINE":
            found = found[1::3]  # in-tangent, value, out-tangent; straight lines between the values
        if channel["target"]["path"] == "translation":
            translation[:, joint] = _sampled(keys, found, times, how == "STEP")
        else:
            rotation[:, joint] = _sampled(keys, _continued(found), times, how == "STEP")
    return _Tracks(translation, rotation)


def _accessor(document: dict[str, Any], binary: bytes, number: int) -> Floats:
    accessor = document["accessors"][number]
    if accessor["componentType"] != 5126:
        raise ValueError(f"has an animation of component type {accessor['componentType']}")
    view = document["bufferViews"][accessor["bufferView"]]
    width = COMPONENTS[accessor["type"]]
    if view.get("byteStride", 4 * width) != 4 * width:
        raise ValueError("has interleaved animation values")
    start = view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
    flat = np.frombuffer(binary, "<f4", accessor["count"] * width, start)
    return flat.reshape(-1, width).astype(np.float64)


def _continued(quat_xyzw: Floats) -> Floats:
    """The same rotations with signs that don't jump, so that they interpolate."""
    flips = (quat_xyzw[1:] * quat_xyzw[:-1]).sum(1) < 0
    sign = np.concatenate(([1.0], np.where(np.cumsum(flips) % 2 == 1, -1.0, 1.0)))
    return quat_xyzw * sign[:, None]


def _sampled(keys: Floats, values: Floats, times: Floats, held: bool) -> Floats:
    if held:
        index = np.clip(np.searchsorted(keys, times + 1e-6) - 1, 0, len(values) - 1)
        return np.asarray(values[index])
    return np.stack([np.interp(times, keys, column) for column in values.T], axis=-1)


def _clip(name: str, path: Path, set_name: str, figure: _Figure, tracks: _Tracks) -> Clip:
    rest, rest_joints = _global(figure, figure.translation[None], figure.rotation[None])
    moved, joints = _global(figure, tracks.translation, tracks.rotation)
    turned = moved @ rest.swapaxes(-1, -2)  # D of the module's formula
    local = turned.copy()
    for joint, parent in enumerate(figure.parents):
        if parent >= 0:
            local[:, joint] = turned[:, parent].swapaxes(1, 2) @ turned[:, joint]
    # The hips carry the path, whatever node above them is animated: shift the first joint.
    hips = _hips(figure)
    offsets = rest_joints[0] - rest_joints[0][[max(p, 0) for p in figure.parents]]
    skeleton = SourceSkeleton(figure.names, figure.parents, offsets.astype(np.float32))
    rotvec = rotmat_to_axis_angle(torch.from_numpy(local)).float().numpy()
    still = Clip(name, set_name, "", skeleton, rotvec, np.zeros((len(local), 3), np.float32))
    _, fixed = skeleton.forward_kinematics(local.astype(np.float32), still.root)
    root = (joints[:, hips] - fixed[:, hips]).astype(np.float32)
    rotvec, root = _looped(rotvec, root)
    return Clip(
        name=name,
        set_name=set_name,
        subject=f"{set_name}/{path.stem}",
        skeleton=skeleton,
        rotvec=rotvec,
        root=root,
        description=description_of(name),
    )


def _hips(figure: _Figure) -> int:
    """The first joint with several children that are joints: where legs and trunk meet."""
    for joint in range(len(figure.parents)):
        if figure.parents.count(joint) >= 3:
            return joint
    raise ValueError("has no joint where two legs and a trunk meet")


def _global(figure: _Figure, translation: Floats, rotation: Floats) -> tuple[Floats, Floats]:
    """(N, J, 3, 3) and (N, J, 3) in the scene."""
    rotmat = quat_xyzw_to_rotmat(torch.from_numpy(rotation)).numpy().copy()
    joints = translation.copy()
    for joint, parent in enumerate(figure.parents):
        if parent >= 0:
            joints[:, joint] = joints[:, parent] + (
                rotmat[:, parent] @ translation[:, joint, :, None]
            ).squeeze(-1)
            rotmat[:, joint] = rotmat[:, parent] @ rotmat[:, joint]
    return rotmat, joints


def _looped(rotvec: FloatArray, root: FloatArray) -> tuple[FloatArray, FloatArray]:
    """A motion that ends as it begins, repeated; any other as it is."""
    ends = torch.from_numpy(rotvec[[0, -1]])
    first, last = axis_angle_to_rotmat(ends)
    apart = float(angle_between(first, last).max())
    if apart > LOOP_ANGLE or np.linalg.norm(root[-1] - root[0]) > LOOP_PATH or len(root) < 6:
        return rotvec, root
    times = -(-LOOPED // (len(root) - 1))
    return np.tile(rotvec[:-1], (times, 1, 1)), np.tile(root[:-1], (times, 1))

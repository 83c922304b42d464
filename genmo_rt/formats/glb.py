"""Writes the body as .glb (glTF 2.0, binary): a skinned mesh with 24 joint nodes, still or moving.

Joint frames are axis-aligned at rest, so a pose's quaternions are the joint nodes' rotations as
they are, and the pelvis's position is the pelvis node's translation.
"""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genmo_rt.errors import InputError
from genmo_rt.formats.bones import BoneNames, joint_names
from genmo_rt.formats.clip import Clip
from genmo_rt.rotation import axis_angle_to_rotmat, rotmat_to_quat_xyzw
from genmo_rt.skeleton import NUM_JOINTS, PARENTS
from genmo_rt.smpl import Body

FLOAT, UNSIGNED_BYTE, UNSIGNED_SHORT = 5126, 5121, 5123  # glTF component types
VERTICES, INDICES = 34962, 34963  # glTF buffer view targets
INFLUENCES = 4  # joints per vertex that every viewer supports
MATERIAL = {
    "name": "body",
    "pbrMetallicRoughness": {
        "baseColorFactor": [0.62, 0.6, 0.58, 1.0],
        "metallicFactor": 0.0,
        "roughnessFactor": 0.85,
    },
}


def body_glb(body: Body, shape: Tensor) -> bytes:
    """Makes a .glb of one person, still.

    Args:
        body: whose mesh and joints.
        shape: (10,) coefficients.
    Returns:
        The file: node 0 is the mesh, nodes 1..24 are the joints in SMPL's order.
    """
    buffer = _Buffer()
    document = _skinned(body, shape, joint_names("smpl"), buffer)
    return _glb(document, buffer)


def write_glb(path: Path, clip: Clip, body: Body, names: BoneNames = "smpl") -> None:
    """Writes a clip: the body in the clip's shape, and one animation.

    The T-pose stays the rest pose. Nodes are those of `body_glb`; `names` is what joints are
    called.

    Raises:
        InputError: the clip is of another body than this one.
    """
    path.write_bytes(clip_glb(clip, body, names))


def clip_glb(clip: Clip, body: Body, names: BoneNames = "smpl") -> bytes:
    """The content of the file that `write_glb` writes."""
    if clip.body != body.name:
        raise InputError(
            f"the clip is of body '{clip.body}' and the mesh is '{body.name}'; load the body "
            "that the clip was made with (--body)"
        )
    buffer = _Buffer()
    shape = torch.as_tensor(clip.shape)
    document = _skinned(body, shape, joint_names(names), buffer)
    document["animations"] = [_animation(clip, buffer)]
    return _glb(document, buffer)


def _skinned(
    body: Body, shape: Tensor, names: tuple[str, ...], buffer: "_Buffer"
) -> dict[str, Any]:
    """The document of the body in the T-pose."""
    with torch.no_grad():
        joints = body.rest_joints(shape).cpu().numpy().astype(np.float32)
        vertices = body.rest_vertices(shape).cpu().numpy().astype(np.float32)
    faces = body.faces.cpu().numpy()
    carriers, shares = _strongest(body.weights.cpu().numpy())
    inverse_bind = np.tile(np.eye(4, dtype=np.float32), (NUM_JOINTS, 1, 1))
    inverse_bind[:, 3, :3] = -joints  # glTF stores columns first: this row is the translation
    attributes = {
        "POSITION": buffer.add(vertices, "VEC3", VERTICES, bounds=True),
        "NORMAL": buffer.add(_normals(vertices, faces), "VEC3", VERTICES),
        "JOINTS_0": buffer.add(carriers, "VEC4", VERTICES),
        "WEIGHTS_0": buffer.add(shares, "VEC4", VERTICES),
    }
    triangles = buffer.add(faces.astype(np.uint16).ravel(), "SCALAR", INDICES)
    inverse_bind_accessor = buffer.add(inverse_bind.reshape(NUM_JOINTS, 16), "MAT4", None)
    return {
        "asset": {"version": "2.0", "generator": "genmo-rt"},
        "scene": 0,
        "scenes": [{"nodes": [0, 1]}],
        "nodes": [{"name": "body", "mesh": 0, "skin": 0}, *_joint_nodes(joints, names)],
        "meshes": [
            {
                "name": "body",
                "primitives": [{"attributes": attributes, "indices": triangles, "material": 0}],
            }
        ],
        "skins": [
            {
                "joints": list(range(1, NUM_JOINTS + 1)),
                "skeleton": 1,
                "inverseBindMatrices": inverse_bind_accessor,
            }
        ],
        "materials": [MATERIAL],
        "accessors": buffer.accessors,
        "bufferViews": buffer.views,
    }


def _animation(clip: Clip, buffer: "_Buffer") -> dict[str, Any]:
    """Rotations of all joints and the pelvis's place, a key per pose, in between linear."""
    seconds = (np.arange(len(clip.pelvis)) / clip.fps).astype(np.float32)
    times = buffer.add(seconds, "SCALAR", None, bounds=True)
    outputs = [("translation", 0, buffer.add(clip.pelvis.astype(np.float32), "VEC3", None))]
    rotmat = axis_angle_to_rotmat(torch.as_tensor(clip.axis_angle))
    quat_xyzw = _same_side(rotmat_to_quat_xyzw(rotmat).numpy()).astype(np.float32)
    for joint in range(NUM_JOINTS):
        keys = np.ascontiguousarray(quat_xyzw[:, joint])
        outputs.append(("rotation", joint, buffer.add(keys, "VEC4", None)))
    return {
        "name": "take",
        "samplers": [
            {"input": times, "output": output, "interpolation": "LINEAR"}
            for _, _, output in outputs
        ],
        "channels": [
            {"sampler": sampler, "target": {"node": joint + 1, "path": path}}
            for sampler, (path, joint, _) in enumerate(outputs)
        ],
    }


def _same_side(quat_xyzw: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 24, 4) with each key on its predecessor's side, so that no player takes the long way."""
    turned = (quat_xyzw[1:] * quat_xyzw[:-1]).sum(-1) < 0
    signs = np.cumprod(np.where(turned, -1.0, 1.0), axis=0)
    result = quat_xyzw.copy()
    result[1:] *= signs[..., None]
    return result


class _Buffer:
    """The binary chunk: each array becomes one buffer view and one accessor."""

    def __init__(self) -> None:
        self.content = bytearray()
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def add(
        self, array: NDArray[Any], kind: str, target: int | None, *, bounds: bool = False
    ) -> int:
        """Appends an array and returns its accessor's index.

        Args:
            array: float32, uint8 or uint16; one element of the accessor a row.
            kind: "SCALAR", "VEC3", "VEC4" or "MAT4".
            target: VERTICES or INDICES; None for what the graphics card doesn't read.
            bounds: whether min and max are written, as positions and times must have them.
        """
        component = {np.float32: FLOAT, np.uint8: UNSIGNED_BYTE, np.uint16: UNSIGNED_SHORT}
        view = {"buffer": 0, "byteOffset": len(self.content), "byteLength": array.nbytes}
        self.views.append(view if target is None else {**view, "target": target})
        accessor: dict[str, Any] = {
            "bufferView": len(self.views) - 1,
            "componentType": component[array.dtype.type],
            "count": len(array),
            "type": kind,
        }
        if bounds:
            accessor["min"] = np.atleast_1d(array.min(0)).tolist()
            accessor["max"] = np.atleast_1d(array.max(0)).tolist()
        self.accessors.append(accessor)
        self.content += array.tobytes()
        self.content += bytes(-len(self.content) % 4)
        return len(self.accessors) - 1


def _joint_nodes(joints: NDArray[np.float32], names: tuple[str, ...]) -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = []
    for joint, (name, parent) in enumerate(zip(names, PARENTS, strict=True)):
        place = joints[joint] if parent < 0 else joints[joint] - joints[parent]
        node: dict[str, Any] = {"name": name, "translation": place.tolist()}
        children = [child + 1 for child in range(NUM_JOINTS) if PARENTS[child] == joint]
        nodes.append({**node, "children": children} if children else node)
    return nodes


def _strongest(weights: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """(V, 4) joints and their shares, strongest first; what is left out is shared out again."""
    carriers = np.argsort(-weights, axis=1, kind="stable")[:, :INFLUENCES]
    shares = np.take_along_axis(weights, carriers, axis=1)
    shares = shares / shares.sum(1, keepdims=True)
    # A joint with no share must be 0 (validators warn otherwise).
    return np.where(shares > 0, carriers, 0).astype(np.uint8), shares.astype(np.float32)


def _normals(vertices: NDArray[np.float32], faces: NDArray[np.int64]) -> NDArray[np.float32]:
    """(V, 3) unit normals, smooth: each face counts by its area."""
    a, b, c = (vertices[faces[:, corner]].astype(np.float64) for corner in range(3))
    of_face = np.cross(b - a, c - a)
    normals = np.zeros(vertices.shape)
    for corner in range(3):
        np.add.at(normals, faces[:, corner], of_face)
    unit: NDArray[np.float32] = (normals / np.linalg.norm(normals, axis=1, keepdims=True)).astype(
        np.float32
    )
    return unit


def _glb(document: dict[str, Any], buffer: _Buffer) -> bytes:
    """The container: a header, the JSON chunk padded with spaces, the binary chunk."""
    content = bytes(buffer.content)
    document["buffers"] = [{"byteLength": len(content)}]
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    chunks = (
        struct.pack("<II", len(text), 0x4E4F534A) + text,
        struct.pack("<II", len(content), 0x004E4942) + content,
    )
    total = 12 + sum(map(len, chunks))
    return struct.pack("<III", 0x46546C67, 2, total) + b"".join(chunks)

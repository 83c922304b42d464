"""A little VRM avatar made here: a box for every human bone, sized as the golden body."""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genmo_rt.formats.bones import joint_names
from genmo_rt.skeleton import JOINT_NAMES, PARENTS
from tests import golden

SCALE = 0.75  # of the golden body: hips must be scaled
HANDS = ("left_hand", "right_hand")  # VRM has none of SMPL's
RED, SKIN, BLUE = (0.75, 0.25, 0.2, 1.0), (0.9, 0.75, 0.6, 1.0), (0.2, 0.35, 0.75, 1.0)
_BOX = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float32)
_SIDES = (0, 1, 3, 0, 3, 2, 4, 6, 7, 4, 7, 5, 0, 4, 5, 0, 5, 1, 2, 3, 7, 2, 7, 6, 0, 2, 6, 0, 6, 4)
_FACES = np.array((*_SIDES, 1, 5, 7, 1, 7, 3), np.uint16)


def write_vrm(path: Path, version: int = 1) -> None:
    """Writes the avatar, in VRM 1.0 or in VRM 0 (where it looks along -z).

    Its bones lie each in a way of its own, as in avatars from the wild, so that only a reader that
    goes by VRM's normalized pose gets them right. Left is red, right is blue.
    """
    facing = 1 if version == 1 else -1
    places = _places() * (facing, 1, facing)
    turns = [_turn_about_y(0.5 * joint) for joint in range(len(JOINT_NAMES))]
    chunks: list[bytes] = [_FACES.tobytes()]
    gltf: dict[str, Any] = {
        "asset": {"version": "2.0", "generator": "genmo-rt tests"},
        "extensionsUsed": ["VRMC_vrm" if version == 1 else "VRM"],
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [],
        "meshes": [],
        "materials": [_material(colour) for colour in (RED, SKIN, BLUE)],
        "accessors": [
            {"bufferView": 0, "componentType": 5123, "count": len(_FACES), "type": "SCALAR"}
        ],
    }
    bones: dict[str, dict[str, int]] = {}
    for joint, name in enumerate(JOINT_NAMES):
        parent = PARENTS[joint]
        above = turns[parent] if parent >= 0 else np.eye(3)
        origin = places[parent] if parent >= 0 else np.zeros(3)
        local = above.T @ turns[joint]
        node: dict[str, Any] = {
            "name": f"bone {joint}",
            "translation": (above.T @ (places[joint] - origin)).tolist(),
            "rotation": [0.0, _half_sine(local), 0.0, _half_cosine(local)],
        }
        children = [child for child, above in enumerate(PARENTS) if above == joint]
        if children:
            node["children"] = children
        gltf["nodes"].append(node)
        if name in HANDS:
            continue
        bones[joint_names("vrm")[joint]] = {"node": joint}
        corners = (_corners(joint, places, facing) @ turns[joint]).astype(np.float32)
        node["mesh"] = len(gltf["meshes"])
        gltf["accessors"].append(
            {
                "bufferView": len(chunks),
                "componentType": 5126,
                "count": len(corners),
                "type": "VEC3",
                "min": corners.min(0).tolist(),
                "max": corners.max(0).tolist(),
            }
        )
        chunks.append(corners.tobytes())
        side = 0 if name.startswith("left") else 2 if name.startswith("right") else 1
        part = {"attributes": {"POSITION": len(chunks) - 1}, "indices": 0, "material": side}
        gltf["meshes"].append({"primitives": [part]})
    gltf["extensions"] = _vrm1(bones) if version == 1 else _vrm0(bones)
    path.write_bytes(_pack(gltf, chunks))


def _places() -> NDArray[np.float64]:
    """(24, 3) joints of the avatar's T-pose, metres, its soles on the floor."""
    expected = json.loads(golden.read("expected.json"))
    offsets = np.array(expected["targets"]["smpl"]["offsets"])
    places = np.zeros((len(JOINT_NAMES), 3))
    for joint, parent in enumerate(PARENTS):
        places[joint] = offsets[joint] + (places[parent] if parent >= 0 else 0)
    places *= SCALE
    places[:, 1] -= places[:, 1].min() - 0.02
    return places


def _corners(joint: int, places: NDArray[np.float64], facing: int) -> NDArray[np.float64]:
    """(8, 3) a box from the joint to the one after it, about the joint, before it is turned."""
    children = [child for child, above in enumerate(PARENTS) if above == joint]
    name = JOINT_NAMES[joint]
    ahead = places[children].mean(0) - places[joint] if children else np.zeros(3)
    if name == "head":
        ahead = np.array([0.0, 0.16, 0.0])
    elif name.endswith("foot"):
        ahead = np.array([0.0, 0.0, 0.06 * facing])
    thick = 0.08 if name.startswith(("pelvis", "spine", "head")) else 0.035
    return ahead / 2 + _BOX * (np.abs(ahead) / 2 + thick)


def _turn_about_y(angle: float) -> NDArray[np.float64]:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def _half_sine(turn: NDArray[np.float64]) -> float:
    return float(np.sin(np.arctan2(turn[0, 2], turn[0, 0]) / 2))


def _half_cosine(turn: NDArray[np.float64]) -> float:
    return float(np.cos(np.arctan2(turn[0, 2], turn[0, 0]) / 2))


def _material(colour: tuple[float, ...]) -> dict[str, Any]:
    surface = {"baseColorFactor": colour, "metallicFactor": 0.0, "roughnessFactor": 1.0}
    return {"pbrMetallicRoughness": surface, "doubleSided": True}


def _vrm1(bones: dict[str, dict[str, int]]) -> dict[str, Any]:
    meta = {
        "name": "Boxes",
        "version": "1",
        "authors": ["genmo-rt"],
        "licenseUrl": "https://vrm.dev/licenses/1.0/",
    }
    vrm = {"specVersion": "1.0", "meta": meta, "humanoid": {"humanBones": bones}}
    return {"VRMC_vrm": vrm}


def _vrm0(bones: dict[str, dict[str, int]]) -> dict[str, Any]:
    listed = [{"bone": name, **bone} for name, bone in bones.items()]
    meta = {"title": "Boxes", "author": "genmo-rt", "version": "1"}
    vrm = {"specVersion": "0.0", "meta": meta, "humanoid": {"humanBones": listed}}
    return {"VRM": {**vrm, "materialProperties": []}}


def _pack(gltf: dict[str, Any], chunks: list[bytes]) -> bytes:
    """A .glb (glTF 2.0, section 4) with one buffer view per chunk."""
    views, binary = [], b""
    for chunk in chunks:
        views.append({"buffer": 0, "byteOffset": len(binary), "byteLength": len(chunk)})
        binary += chunk + b"\0" * (-len(chunk) % 4)
    gltf |= {"bufferViews": views, "buffers": [{"byteLength": len(binary)}]}
    text = json.dumps(gltf).encode()
    text += b" " * (-len(text) % 4)
    length = 12 + 8 + len(text) + 8 + len(binary)
    head = struct.pack("<4sII", b"glTF", 2, length)
    head += struct.pack("<I4s", len(text), b"JSON") + text
    return head + struct.pack("<I4s", len(binary), b"BIN\0") + binary

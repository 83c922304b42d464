"""The .glb read back by hand, as glTF 2.0 says, and posed as a viewer would."""

import json
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from genmo_rt.formats.glb import body_glb
from genmo_rt.rotation import axis_angle_to_rotmat
from genmo_rt.skeleton import JOINT_NAMES, PARENTS
from genmo_rt.smpl import Body, load_body

COMPONENTS = {5126: np.float32, 5121: np.uint8, 5123: np.uint16}
COUNTS = {"SCALAR": 1, "VEC3": 3, "VEC4": 4, "MAT4": 16}


@dataclass
class Gltf:
    document: dict[str, Any]
    binary: bytes

    @classmethod
    def parse(cls, content: bytes) -> "Gltf":
        magic, version, length = struct.unpack_from("<4sII", content)
        assert (magic, version, length) == (b"glTF", 2, len(content))
        chunks, at = {}, 12
        while at < length:
            size, kind = struct.unpack_from("<I4s", content, at)
            assert size % 4 == 0
            chunks[kind] = content[at + 8 : at + 8 + size]
            at += 8 + size
        return cls(json.loads(chunks[b"JSON"]), chunks[b"BIN\0"])

    def array(self, index: int) -> NDArray[Any]:
        accessor = self.document["accessors"][index]
        view = self.document["bufferViews"][accessor["bufferView"]]
        columns = COUNTS[accessor["type"]]
        component = COMPONENTS[accessor["componentType"]]
        count = accessor["count"] * columns
        assert view["byteOffset"] % 4 == 0
        assert view["byteLength"] == count * np.dtype(component).itemsize
        array = np.frombuffer(self.binary, component, count, view["byteOffset"])
        return array.reshape(-1, columns)

    def attribute(self, name: str) -> NDArray[Any]:
        return self.array(self.document["meshes"][0]["primitives"][0]["attributes"][name])


@pytest.fixture(scope="module")
def body() -> Body:
    return load_body()


@pytest.fixture(scope="module")
def shape() -> torch.Tensor:
    return torch.randn(10, generator=torch.Generator().manual_seed(3))


@pytest.fixture(scope="module")
def gltf(body: Body, shape: torch.Tensor) -> Gltf:
    return Gltf.parse(body_glb(body, shape))


def test_joint_nodes_form_smpls_tree_with_its_names(gltf: Gltf) -> None:
    nodes, skin = gltf.document["nodes"], gltf.document["skins"][0]
    assert [nodes[j]["name"] for j in skin["joints"]] == list(JOINT_NAMES)
    for joint, parent in enumerate(PARENTS[1:], start=1):
        assert joint + 1 in nodes[parent + 1]["children"]
    assert not any("rotation" in node or "scale" in node for node in nodes)


def test_inverse_bind_matrices_undo_the_rest_pose(
    gltf: Gltf, body: Body, shape: torch.Tensor
) -> None:
    inverse = gltf.array(gltf.document["skins"][0]["inverseBindMatrices"])
    matrices = inverse.reshape(24, 4, 4).transpose(0, 2, 1)  # stored by columns
    rest = np.concatenate((body.rest_joints(shape).numpy(), np.ones((24, 1))), axis=1)
    expected = np.tile([0.0, 0, 0, 1], (24, 1))
    assert np.abs(np.einsum("jab,jb->ja", matrices, rest) - expected).max() < 1e-6


def test_a_viewer_that_sets_quaternions_sees_what_skin_returns(
    gltf: Gltf, body: Body, shape: torch.Tensor
) -> None:
    axis_angle = torch.randn(24, 3, generator=torch.Generator().manual_seed(0)) * 0.5
    rotmat, pelvis = axis_angle_to_rotmat(axis_angle), torch.tensor([0.3, 1.0, -2.0])
    nodes = gltf.document["nodes"]
    world: list[NDArray[np.float64]] = []
    for joint, parent in enumerate(PARENTS):
        local = np.eye(4)
        local[:3, :3] = rotmat[joint].numpy()
        local[:3, 3] = pelvis.numpy() if parent < 0 else nodes[joint + 1]["translation"]
        world.append(local if parent < 0 else world[parent] @ local)
    inverse = gltf.array(gltf.document["skins"][0]["inverseBindMatrices"])
    skin = np.array(world) @ inverse.reshape(24, 4, 4).transpose(0, 2, 1)
    carriers, shares = gltf.attribute("JOINTS_0"), gltf.attribute("WEIGHTS_0")
    blended = np.einsum("vk,vkab->vab", shares, skin[carriers])
    positions = gltf.attribute("POSITION")
    seen = np.einsum("vab,vb->va", blended[:, :3, :3], positions) + blended[:, :3, 3]
    assert np.abs(seen - body.skin(rotmat, pelvis, shape).numpy()).max() < 1e-4


def test_positions_state_their_bounds(gltf: Gltf, body: Body, shape: torch.Tensor) -> None:
    positions = gltf.attribute("POSITION")
    assert np.array_equal(positions, body.rest_vertices(shape).numpy())
    index = gltf.document["meshes"][0]["primitives"][0]["attributes"]["POSITION"]
    accessor = gltf.document["accessors"][index]
    assert accessor["min"] == positions.min(0).tolist()
    assert accessor["max"] == positions.max(0).tolist()


def test_normals_have_unit_length_and_point_outwards(gltf: Gltf) -> None:
    normals, positions = gltf.attribute("NORMAL"), gltf.attribute("POSITION")
    assert np.abs(np.linalg.norm(normals, axis=1) - 1).max() < 1e-5
    assert normals[positions[:, 1].argmax(), 1] > 0.9  # the top of the head looks up
    assert normals[positions[:, 2].argmax(), 2] > 0.3  # the foremost point looks forwards


def test_weights_are_shares_and_indices_are_the_faces(gltf: Gltf, body: Body) -> None:
    shares, carriers = gltf.attribute("WEIGHTS_0"), gltf.attribute("JOINTS_0")
    assert np.abs(shares.sum(1) - 1).max() < 1e-6
    assert carriers.max() < 24
    assert (carriers[shares == 0] == 0).all()
    indices = gltf.array(gltf.document["meshes"][0]["primitives"][0]["indices"])
    assert np.array_equal(indices.reshape(-1, 3), body.faces.numpy())


def test_one_matte_material_and_no_animation(gltf: Gltf) -> None:
    (material,) = gltf.document["materials"]
    assert material["pbrMetallicRoughness"]["metallicFactor"] == 0
    assert material["pbrMetallicRoughness"]["roughnessFactor"] > 0.7
    assert "animations" not in gltf.document


def test_the_file_is_small_enough_for_a_phone(body: Body, shape: torch.Tensor) -> None:
    assert len(body_glb(body, shape)) < 500_000

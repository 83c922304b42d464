"""BVH and glTF: what one program writes, the loaders read as it was meant."""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from genmo_rt.data.clips import Clip
from genmo_rt.data.loaders.bvh import read_bvh
from genmo_rt.data.loaders.gltf import description_of, read_glb
from genmo_rt.errors import FileFormatError
from genmo_rt.formats import clip as motion_clip
from genmo_rt.formats.bvh import write_bvh
from genmo_rt.rotation import axis_angle_to_rotmat, rotmat_to_quat_xyzw
from genmo_rt.skeleton import JOINT_NAMES, PARENTS
from tests.genmo_rt.data.tiny_clips import BODY

REST = BODY.joint_mean.numpy().astype(np.float64)
FRAMES = 31


def _turns(frames: int = FRAMES) -> NDArray[np.float64]:
    """(N, 24, 3) smooth rotation vectors."""
    random = np.random.default_rng(0)
    time = np.arange(frames)[:, None, None] / 30
    turns: NDArray[np.float64] = 0.4 * np.sin(2 * time + random.uniform(0, 6, (24, 3)))
    return turns


def _path(frames: int = FRAMES) -> NDArray[np.float64]:
    time = np.arange(frames) / 30
    return np.stack((0.2 * time, 0.95 + 0 * time, time), axis=1)


def _posed() -> NDArray[np.float32]:
    """(N, 24, 3) where the joints are, by the body's own kinematics."""
    rotmat = axis_angle_to_rotmat(torch.from_numpy(_turns()).float())
    pelvis = torch.from_numpy(_path()).float()
    joints: NDArray[np.float32] = BODY.forward_kinematics(
        rotmat, pelvis, torch.from_numpy(REST).float()
    )[1].numpy()
    return joints


def _joints(clip: Clip) -> NDArray[np.float32]:
    """(N, 24, 3) where the clip's joints are that SMPL names."""
    rotmat = axis_angle_to_rotmat(torch.from_numpy(clip.rotvec)).numpy()
    joints = clip.skeleton.forward_kinematics(rotmat, clip.root)[1]
    return joints[:, [clip.skeleton.names.index(name) for name in JOINT_NAMES]]


def _bvh(path: Path, fps: float = 30.0) -> None:
    written = motion_clip.Clip(
        fps=fps,
        body="builtin",
        shape=np.zeros(10),
        rest_joints=REST,
        axis_angle=_turns(),
        pelvis=_path(),
        joints=np.zeros((FRAMES, 24, 3)),
        contacts=np.zeros((FRAMES, 6)),
        confidence=np.ones(FRAMES),
        t_capture_us=np.arange(FRAMES) * 33_333,
        camera=None,
    )
    write_bvh(path, written)


def test_a_bvh_in_centimetres_puts_every_joint_where_it_was(tmp_path: Path) -> None:
    _bvh(tmp_path / "x.bvh")
    clip = read_bvh(tmp_path / "x.bvh")
    np.testing.assert_allclose(_joints(clip), _posed(), atol=1e-4)


def test_a_bvh_at_60_fps_comes_out_at_30(tmp_path: Path) -> None:
    _bvh(tmp_path / "x.bvh", fps=60.0)
    clip = read_bvh(tmp_path / "x.bvh")
    np.testing.assert_allclose(_joints(clip), _posed()[::2], atol=1e-4)


def test_a_bvh_in_no_known_unit_is_refused_and_can_be_told(tmp_path: Path) -> None:
    _bvh(tmp_path / "x.bvh")
    text = (tmp_path / "x.bvh").read_text()
    lines = [
        " ".join(["OFFSET", *(str(float(v) * 5) for v in line.split()[1:])])
        if line.strip().startswith("OFFSET")
        else line
        for line in text.splitlines()
    ]
    (tmp_path / "x.bvh").write_text("\n".join(lines))
    with pytest.raises(FileFormatError, match="--bvh-unit"):
        read_bvh(tmp_path / "x.bvh")
    clip = read_bvh(tmp_path / "x.bvh", unit_m=0.01 / 5)
    knee, ankle = (JOINT_NAMES.index(name) for name in ("left_knee", "left_ankle"))
    shin = np.linalg.norm(_joints(clip)[0, knee] - _joints(clip)[0, ankle])
    assert abs(shin - np.linalg.norm(REST[knee] - REST[ankle])) < 1e-4


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("HIERARCHY", "GEOMETRY", "begin with HIERARCHY"),
        ("MOTION", "MOTIONS", "'MOTIONS' in its hierarchy"),
        ("Frames: 31", "Frames: 40", "where 40 × 75 belong"),
        ("Frame Time", "Frame Rate", "no frame time"),
    ],
)
def test_a_broken_bvh_is_refused_with_the_reason(
    old: str, new: str, reason: str, tmp_path: Path
) -> None:
    _bvh(tmp_path / "x.bvh")
    (tmp_path / "x.bvh").write_text((tmp_path / "x.bvh").read_text().replace(old, new, 1))
    with pytest.raises(FileFormatError, match=rf"x\.bvh: .*{reason}"):
        read_bvh(tmp_path / "x.bvh")


def _glb(path: Path, frames: int = FRAMES, keys_fps: float = 30.0) -> None:
    """A figure whose bones are turned at rest, as modelling programs leave them.

    With F the rest frames and D the turns in the world, nodes are relative: F_parentᵀ F_joint at
    rest, (D_parent F_parent)ᵀ D_joint F_joint while moving.
    """
    random = np.random.default_rng(1)
    F = axis_angle_to_rotmat(torch.from_numpy(random.uniform(-1, 1, (24, 3)))).numpy()
    local = axis_angle_to_rotmat(torch.from_numpy(_turns(frames))).numpy()
    D = local.copy()
    for joint, parent in enumerate(PARENTS[1:], start=1):
        D[:, joint] = D[:, parent] @ local[:, joint]
    G = D @ F
    binary = b""
    views: list[dict[str, Any]] = []
    accessors: list[dict[str, Any]] = []

    def add(values: NDArray[np.floating], kind: str) -> int:
        nonlocal binary
        blob = np.ascontiguousarray(values, "<f4").tobytes()
        views.append({"buffer": 0, "byteOffset": len(binary), "byteLength": len(blob)})
        accessors.append(
            {
                "bufferView": len(views) - 1,
                "componentType": 5126,
                "count": len(values),
                "type": kind,
            }
        )
        binary += blob
        return len(accessors) - 1

    times = add(np.arange(frames)[:, None] / keys_fps, "SCALAR")
    nodes, channels, samplers = [], [], []
    for joint, parent in enumerate(PARENTS):
        up, moving_up = (np.eye(3), np.eye(3)) if parent < 0 else (F[parent], G[:, parent])
        offset = REST[joint] - (REST[parent] if parent >= 0 else 0)
        rest = rotmat_to_quat_xyzw(torch.from_numpy(up.T @ F[joint])).tolist()
        children = [child for child, p in enumerate(PARENTS) if p == joint]
        node = {
            "name": JOINT_NAMES[joint],
            "rotation": rest,
            "translation": (up.T @ offset).tolist(),
        }
        nodes.append(node | ({"children": children} if children else {}))
        moved = np.swapaxes(moving_up, -1, -2) @ G[:, joint]
        samplers.append(
            {
                "input": times,
                "output": add(rotmat_to_quat_xyzw(torch.from_numpy(moved)).numpy(), "VEC4"),
            }
        )
        channels.append(
            {"sampler": len(samplers) - 1, "target": {"node": joint, "path": "rotation"}}
        )
    samplers.append({"input": times, "output": add(_path(frames), "VEC3")})
    channels.append({"sampler": len(samplers) - 1, "target": {"node": 0, "path": "translation"}})
    document = {
        "asset": {"version": "2.0"},
        "nodes": nodes,
        "skins": [{"joints": list(range(24))}],
        "animations": [{"name": "Spin_Kick_Loop", "channels": channels, "samplers": samplers}],
        "accessors": accessors,
        "bufferViews": views,
        "buffers": [{"byteLength": len(binary)}],
    }
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text
    chunks += struct.pack("<I4s", len(binary), b"BIN\0") + binary
    path.write_bytes(b"glTF" + struct.pack("<II", 2, 12 + len(chunks)) + chunks)


def test_a_glb_with_turned_bones_puts_every_joint_where_it_was(tmp_path: Path) -> None:
    _glb(tmp_path / "x.glb")
    (clip,) = read_glb(tmp_path / "x.glb")
    np.testing.assert_allclose(_joints(clip), _posed(), atol=1e-4)
    assert clip.description == "spin kick"


def test_a_glb_at_another_rate_comes_out_at_30_fps(tmp_path: Path) -> None:
    _glb(tmp_path / "x.glb", keys_fps=15.0)
    (clip,) = read_glb(tmp_path / "x.glb")
    assert len(clip.root) == 2 * (FRAMES - 1) + 1
    np.testing.assert_allclose(_joints(clip)[::2], _posed(), atol=1e-3)


def test_animation_names_become_words() -> None:
    assert description_of("Sitting_Idle_Loop") == "sitting idle"
    assert description_of("Roll_RM") == "roll"


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"OBJ", "glTF 2.0 binary"), (b"glTF" + struct.pack("<III4s", 2, 20, 2, b"JSON") + b"{}", "")],
)
def test_another_file_is_refused_by_name(content: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "x.glb").write_bytes(content)
    with pytest.raises(FileFormatError, match=rf"x\.glb: .*{reason}"):
        read_glb(tmp_path / "x.glb")

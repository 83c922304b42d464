"""The golden messages of clients/protocol, and kinematics that share no code with the product."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

FOLDER = Path(__file__).parent.parent / "clients" / "protocol"
POSES = ("t_pose", "right_hand_up", "step_forward", "turn_left")
SPACES = ("smpl", "unity", "unreal")


def read(path: str) -> bytes:
    """One golden file."""
    return (FOLDER / path).read_bytes()


def read_json(path: str) -> Any:
    """One golden JSON file."""
    return json.loads(read(path))


def generator() -> ModuleType:
    """The script that writes the golden files."""
    spec = importlib.util.spec_from_file_location("golden_generate", FOLDER / "generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    # dataclasses look their module up by name
    import sys

    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def rotmat(quat_xyzw: NDArray[np.float64]) -> NDArray[np.float64]:
    """The textbook matrix of a unit quaternion; the same in left- and right-handed frames."""
    x, y, z, w = quat_xyzw / np.linalg.norm(quat_xyzw)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def world_joints(
    pelvis: NDArray[np.float64], quats: NDArray[np.float64], offsets: list[list[float]]
) -> NDArray[np.float64]:
    """(24, 3) joint positions of a posed skeleton, by matrices."""
    parents = read_json("expected.json")["parents"]
    spins = [rotmat(quats[0])]
    places = [np.asarray(pelvis, np.float64)]
    for joint in range(1, 24):
        parent = parents[joint]
        spins.append(spins[parent] @ rotmat(quats[joint]))
        places.append(places[parent] + spins[parent] @ np.asarray(offsets[joint]))
    return np.array(places)


def check_facts(pose: str, target: str, joints: NDArray[np.float64]) -> int:
    """Asserts what expected.json says in words of this pose; returns how many facts there were."""
    expected = read_json("expected.json")
    names = expected["names"]
    goal = expected["targets"][target]
    facts = expected["poses"][pose]["facts"]
    for fact in facts:
        way = joints[names.index(fact["to"])] - joints[names.index(fact["start"])]
        metres = float(way @ np.asarray(goal["directions"][fact["direction"]])) / goal["metre"]
        if fact["at_least"] is not None:
            assert metres >= fact["at_least"], (pose, target, fact["say"], metres)
        if fact["at_most"] is not None:
            assert metres <= fact["at_most"], (pose, target, fact["say"], metres)
    return len(facts)

"""Files as others read them: bvhio and pybvh, Khronos' validator and three.js, smplx."""

import json
import pickle
import subprocess
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation, Slerp

from genmo_rt.errors import InputError
from genmo_rt.formats.bones import BONES, joint_names
from genmo_rt.formats.bvh import write_bvh
from genmo_rt.formats.clip import Clip
from genmo_rt.formats.glb import write_glb
from genmo_rt.formats.npz import write_npz
from genmo_rt.pose import Pose
from genmo_rt.skeleton import JOINT_NAMES, PARENTS
from genmo_rt.smpl import load_body
from tests.genmo_rt.test_formats import K, poses

ROOT = Path(__file__).parents[2]
NODE_MODULES = ROOT / "clients" / "web" / "node_modules"
READ_GLB = ROOT / "tests" / "fixtures" / "outputs" / "read_glb.mjs"


@pytest.fixture(scope="module")
def clip() -> Clip:
    ticks, rest = poses(8, seed=4)
    return Clip.from_poses(ticks, body="builtin", rest_joints=rest, K=K)


# ---- bvh -----------------------------------------------------------------------------------------


def read_bvhio(path: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that its own import is deprecated
        import bvhio

        return bvhio.readAsHierarchy(str(path))


def bvhio_joints(path: Path) -> NDArray[np.float64]:
    """(N, 24, 3) metres where bvhio has the joints; the last row is the rest pose."""
    root = read_bvhio(path)
    first, last = root.getKeyframeRange()
    rows = []
    for frame in (*range(first, last + 1), None):
        _ = root.loadRestPose() if frame is None else root.loadPose(frame)
        found = {joint.Name: joint.PositionWorld.to_tuple() for joint, _, _ in root.layout()}
        rows.append([found[name] for name in JOINT_NAMES])
    return np.array(rows) / 100


def pybvh_joints(path: Path) -> NDArray[np.float64]:
    """The same from pybvh."""
    import pybvh

    file = pybvh.read_bvh_file(path)
    index = [file.node_index[name] for name in JOINT_NAMES]
    rows = np.concatenate((file.node_positions(), file.rest_pose_positions()[None]))
    return rows[:, index] / 100


@pytest.mark.parametrize("read", [bvhio_joints, pybvh_joints])
def test_two_libraries_see_the_bvhs_joints_within_a_millimetre_of_the_npzs(
    tmp_path: Path, clip: Clip, read: Any
) -> None:
    write_bvh(tmp_path / "take.bvh", clip)
    write_npz(tmp_path / "take.npz", clip)
    with np.load(tmp_path / "take.npz") as file:
        found = read(tmp_path / "take.bvh")[:-1]
        assert np.abs(found - file["joints"]).max() < 1e-3


@pytest.mark.parametrize("read", [bvhio_joints, pybvh_joints])
def test_the_bvh_rests_in_a_t_pose(tmp_path: Path, clip: Clip, read: Any) -> None:
    write_bvh(tmp_path / "take.bvh", clip)
    rest = read(tmp_path / "take.bvh")[-1]
    assert np.abs(rest - (clip.rest_joints - clip.rest_joints[0])).max() < 1e-5
    place = {name: rest[joint] for joint, name in enumerate(JOINT_NAMES)}
    arm = place["left_wrist"] - place["left_shoulder"]
    assert arm[0] > 0.3
    assert abs(arm[1]) < 0.1 * arm[0]  # level, to the side
    assert place["head"][1] > 0.4
    assert place["left_ankle"][1] < -0.5
    assert place["left_foot"][2] > place["left_ankle"][2]  # facing +z


def test_a_bvh_can_have_another_rigs_names(tmp_path: Path, clip: Clip) -> None:
    write_bvh(tmp_path / "take.bvh", clip, "mixamo")
    names = {joint.Name for joint, _, _ in read_bvhio(tmp_path / "take.bvh").layout()}
    assert {"mixamorig:Hips", "mixamorig:LeftForeArm", "mixamorig:RightToeBase"} <= names


def test_bone_tables_name_every_joint_once_and_keep_sides_and_chains() -> None:
    assert [JOINT_NAMES[joint] for joint in range(24) if joint not in BONES] == [
        "left_hand",
        "right_hand",
    ]
    for rig in ("unity", "vrm", "manny", "mixamo"):
        names = joint_names(rig)
        assert len(set(names)) == 24
    assert joint_names("unity")[JOINT_NAMES.index("right_knee")] == "RightLowerLeg"
    assert joint_names("vrm")[JOINT_NAMES.index("spine3")] == "upperChest"
    assert joint_names("manny")[JOINT_NAMES.index("left_collar")] == "clavicle_l"
    assert joint_names("mixamo")[JOINT_NAMES.index("spine2")] == "mixamorig:Spine1"


# ---- glb -----------------------------------------------------------------------------------------


def read_glb(path: Path, names: tuple[str, ...], seconds: list[float]) -> dict[str, Any]:
    """What Khronos' validator and three.js say of a file."""
    times = ",".join(f"{value:.6f}" for value in seconds)
    command = ["node", str(READ_GLB), str(path), str(NODE_MODULES), ",".join(names), times]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 0, result.stderr
    report: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return report


def test_the_glb_is_valid_and_plays_in_three_js_with_the_clips_joints(
    tmp_path: Path, clip: Clip
) -> None:
    write_glb(tmp_path / "take.glb", clip, load_body())
    frames = len(clip.pelvis)
    report = read_glb(tmp_path / "take.glb", JOINT_NAMES, [n / 30 for n in range(frames - 1)])
    assert report["issues"]["numErrors"] == 0, report["issues"]["messages"]
    assert report["issues"]["numWarnings"] == 0, report["issues"]["messages"]
    assert report["animations"] == pytest.approx([(frames - 1) / 30], abs=1e-6)
    # three.js is asked for times, so the keys are met within a microsecond of motion
    assert np.abs(np.array(report["joints"]) - clip.joints[:-1]).max() < 1e-3


def test_between_keys_three_js_turns_joints_the_short_way(tmp_path: Path) -> None:
    ticks, rest = poses(2, seed=1)
    still = Clip.from_poses(ticks, body="builtin", rest_joints=rest, K=None)
    turns = np.zeros((2, 24, 3))
    turns[:, 0, 1] = np.radians((170, 190))  # w changes sign in between
    turning = with_rotations(still, turns)
    write_glb(tmp_path / "turn.glb", turning, load_body())
    joints = np.array(read_glb(tmp_path / "turn.glb", JOINT_NAMES, [0.5 / 30])["joints"])[0]
    half = Slerp([0, 1], Rotation.from_rotvec(turns[:, 0]))(0.5)
    bone = turning.rest_joints[16] - turning.rest_joints[0]
    pelvis = turning.pelvis.mean(0)
    assert joints[16] == pytest.approx(pelvis + half.apply(bone), abs=1e-3)


def test_a_glb_wants_the_body_that_the_clip_was_made_with(tmp_path: Path) -> None:
    ticks, rest = poses(2)
    clip = Clip.from_poses(ticks, body="smpl", rest_joints=rest, K=None)
    with pytest.raises(InputError, match="body 'smpl'"):
        write_glb(tmp_path / "take.glb", clip, load_body())


def with_rotations(clip: Clip, axis_angle: NDArray[np.float64]) -> Clip:
    return Clip(
        fps=clip.fps,
        body=clip.body,
        shape=clip.shape,
        rest_joints=clip.rest_joints,
        axis_angle=axis_angle,
        pelvis=clip.pelvis,
        joints=clip.joints,
        contacts=clip.contacts,
        confidence=clip.confidence,
        t_capture_us=clip.t_capture_us,
        camera=None,
    )


# ---- smplx ---------------------------------------------------------------------------------------


def synthetic_smpl(path: Path) -> None:
    """A file in SMPL's format and size, of a made-up body: nothing of SMPL's own is in it."""
    rng = np.random.default_rng(0)
    body = load_body()
    rest = body.joint_mean.double().numpy() + np.array([0.01, -0.2, 0.03])  # off the origin
    carriers = np.arange(6890) % 24
    vertices = rest[carriers] + rng.normal(size=(6890, 3)) * 0.03
    weights = np.zeros((6890, 24))
    weights[np.arange(6890), carriers] = 1
    regressor = weights.T / weights.sum(0)[:, None]
    tree = np.array([[2**32 - 1, *PARENTS[1:]], range(24)], dtype=np.uint32)
    content = {
        "v_template": vertices,
        "shapedirs": rng.normal(size=(6890, 3, 10)) * 0.01,
        "posedirs": np.zeros((6890, 3, 207)),
        "J_regressor": regressor,
        "weights": weights,
        "kintree_table": tree,
        "f": np.column_stack((np.arange(0, 6888, 3),) * 3).astype(np.uint32) + np.arange(3),
        "bs_type": "lrotmin",
        "bs_style": "lbs",
    }
    path.write_bytes(pickle.dumps(content))


def test_smplx_poses_our_npz_to_our_joints(tmp_path: Path) -> None:
    synthetic_smpl(tmp_path / "SMPL_NEUTRAL.pkl")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import smplx

        theirs = smplx.SMPL(str(tmp_path / "SMPL_NEUTRAL.pkl"), num_betas=10).double()
    body = load_body(tmp_path / "SMPL_NEUTRAL.pkl")
    write_npz(tmp_path / "take.npz", smpl_clip(tmp_path, body))
    with np.load(tmp_path / "take.npz") as file:
        arrays = {key: torch.as_tensor(file[key]).double() for key in ("poses", "trans", "betas")}
        joints, pelvis_rest = file["joints"], file["pelvis_rest"]
    assert np.abs(pelvis_rest).max() > 0.1  # so that a forgotten rest pelvis shows
    count = len(joints)
    posed = theirs(
        betas=arrays["betas"].expand(count, 10),
        global_orient=arrays["poses"][:, :3],
        body_pose=arrays["poses"][:, 3:],
        transl=arrays["trans"],
    )
    assert np.abs(posed.joints[:, :24].detach().numpy() - joints).max() < 1e-4


def smpl_clip(folder: Path, body: Any) -> Clip:
    """Random poses of the body in this file."""
    from dataclasses import replace

    from genmo_rt.rotation import quat_xyzw_to_rotmat

    ticks, _ = poses(5, seed=2)
    shape = torch.as_tensor(ticks[0].shape, dtype=torch.float64)
    rest = body.rest_joints(shape)
    posed: list[Pose] = []
    for pose in ticks:
        rotmat = quat_xyzw_to_rotmat(torch.as_tensor(pose.quat_xyzw, dtype=torch.float64))
        _, joints = body.forward_kinematics(rotmat, torch.as_tensor(pose.pelvis).double(), rest)
        posed.append(replace(pose, joints=joints.float().numpy()))
    return Clip.from_poses(posed, body="smpl", rest_joints=rest.float().numpy(), K=None)

"""Clips as .npz and .bvh: what is in them, and that nothing is lost on the way."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from genmo_rt.errors import FileFormatError, InputError
from genmo_rt.formats.bvh import write_bvh
from genmo_rt.formats.clip import Clip
from genmo_rt.formats.npz import read_npz, write_npz
from genmo_rt.pose import Pose
from genmo_rt.rotation import axis_angle_to_rotmat, rotmat_to_axis_angle, rotmat_to_quat_xyzw
from genmo_rt.skeleton import JOINT_NAMES, PARENTS
from genmo_rt.smpl import load_body

K = np.array([[640.0, 0, 320], [0, 640, 240], [0, 0, 1]])


def poses(count: int = 7, seed: int = 0) -> tuple[list[Pose], NDArray[np.float32]]:
    """Random poses of one person, with the estimator's types, and the person's rest joints."""
    body, rng = load_body(), np.random.default_rng(seed)
    shape = torch.as_tensor(rng.normal(size=10), dtype=torch.float64)
    rest = body.rest_joints(shape)
    axis_angle = torch.as_tensor(rng.normal(size=(count, 24, 3)) * 0.8)
    axis_angle[0, 4] = torch.tensor([np.pi / 2, 0, 0])  # where Euler angles lock
    axis_angle[0, 0] = torch.tensor([0.0, np.pi, 0])
    rotmat = axis_angle_to_rotmat(axis_angle)
    pelvis = torch.as_tensor(rng.normal(size=(count, 3)))
    _, joints = body.forward_kinematics(rotmat, pelvis, rest)
    R_w2c = torch.diag(torch.tensor([1.0, -1.0, -1.0], dtype=torch.float64))
    joints_cam = joints @ R_w2c.T + torch.tensor([0.0, 1.0, 4.0], dtype=torch.float64)
    quat, quat_cam = rotmat_to_quat_xyzw(rotmat), rotmat_to_quat_xyzw(R_w2c @ rotmat[:, 0])
    result = [
        Pose(
            t=n / 30,
            quat_xyzw=quat[n].float().numpy(),
            pelvis=pelvis[n].float().numpy(),
            velocity=np.zeros(3, np.float32),
            joints=joints[n].float().numpy(),
            contacts=rng.random(6).astype(np.float32),
            confidence=float(rng.random()),
            shape=shape.float().numpy(),
            joints_cam=joints_cam[n].float().numpy(),
            root_quat_xyzw_cam=quat_cam[n].float().numpy(),
        )
        for n in range(count)
    ]
    return result, rest.float().numpy()


@pytest.fixture
def clip() -> Clip:
    ticks, rest = poses()
    return Clip.from_poses(ticks, body="builtin", rest_joints=rest, K=K, start_us=5_000_000)


def assert_same(a: Clip, b: Clip, angle_degrees: float) -> None:
    rotations = [Rotation.from_rotvec(c.axis_angle.reshape(-1, 3)) for c in (a, b)]
    apart = np.degrees((rotations[0].inv() * rotations[1]).magnitude())
    assert apart.max() < angle_degrees
    for name in ("pelvis", "joints", "rest_joints"):
        assert np.abs(getattr(a, name) - getattr(b, name)).max() < 1e-4, name


# --- npz -----------------------------------------------------------------------------------------


def test_npz_has_exactly_the_promised_keys_and_shapes(tmp_path: Path, clip: Clip) -> None:
    write_npz(tmp_path / "take.npz", clip)
    with np.load(tmp_path / "take.npz") as file:
        shapes = {key: file[key].shape for key in file.files}
        words = {key: str(file[key]) for key in ("gender", "up_axis", "body")}
        rate = float(file["mocap_framerate"])
    assert shapes == {
        "poses": (7, 72),
        "trans": (7, 3),
        "betas": (10,),
        "gender": (),
        "mocap_framerate": (),
        "up_axis": (),
        "body": (),
        "shape": (10,),
        "pelvis_rest": (3,),
        "joints": (7, 24, 3),
        "contacts": (7, 6),
        "confidence": (7,),
        "t_capture_us": (7,),
        "joints_cam": (7, 24, 3),
        "poses_cam": (7, 72),
        "trans_cam": (7, 3),
        "K": (3, 3),
    }
    assert words == {"gender": "neutral", "up_axis": "y", "body": "builtin"}
    assert rate == 30


def test_posing_smpl_with_poses_and_trans_gives_joints_in_world_and_camera(
    tmp_path: Path, clip: Clip
) -> None:
    write_npz(tmp_path / "take.npz", clip)
    body = load_body()
    with np.load(tmp_path / "take.npz") as file:
        rest = body.rest_joints(torch.as_tensor(file["shape"]))
        for poses_key, trans_key, joints_key in (
            ("poses", "trans", "joints"),
            ("poses_cam", "trans_cam", "joints_cam"),
        ):
            axis_angle = torch.as_tensor(file[poses_key].reshape(-1, 24, 3))
            pelvis = torch.as_tensor(file[trans_key] + file["pelvis_rest"])
            _, joints = body.forward_kinematics(axis_angle_to_rotmat(axis_angle), pelvis, rest)
            assert np.abs(joints.numpy() - file[joints_key]).max() < 1e-5


def test_betas_are_zero_unless_the_body_is_smpl(tmp_path: Path) -> None:
    ticks, rest = poses()
    for body, expected in (("builtin", np.zeros(10)), ("smpl", ticks[0].shape)):
        clip = Clip.from_poses(
            ticks, body="smpl" if body == "smpl" else "builtin", rest_joints=rest, K=None
        )
        write_npz(tmp_path / f"{body}.npz", clip)
        with np.load(tmp_path / f"{body}.npz") as file:
            assert np.array_equal(file["betas"], expected)
            assert np.array_equal(file["shape"], ticks[0].shape)


def test_npz_reads_back_what_was_written(tmp_path: Path, clip: Clip) -> None:
    write_npz(tmp_path / "take.npz", clip)
    back = read_npz(tmp_path / "take.npz")
    assert_same(back, clip, 1e-4)
    assert back.fps == 30
    assert back.camera is not None
    assert clip.camera is not None
    assert np.allclose(back.camera.root_axis_angle, clip.camera.root_axis_angle)
    assert np.allclose(back.camera.joints, clip.camera.joints)
    assert np.array_equal(back.camera.K, K)
    for name in ("shape", "contacts", "confidence", "t_capture_us"):
        assert np.array_equal(getattr(back, name), getattr(clip, name)), name
    assert back.t_capture_us[3] == 5_100_000


def test_another_bodys_bones_are_read_off_its_poses(tmp_path: Path) -> None:
    ticks, rest = poses()
    clip = Clip.from_poses(ticks, body="smpl", rest_joints=rest + 0.25, K=None)
    write_npz(tmp_path / "take.npz", clip)
    assert np.abs(read_npz(tmp_path / "take.npz").rest_joints - clip.rest_joints).max() < 1e-5


def test_without_a_camera_there_are_no_camera_keys(tmp_path: Path) -> None:
    ticks, rest = poses()
    write_npz(tmp_path / "t.npz", Clip.from_poses(ticks, body="builtin", rest_joints=rest, K=None))
    with np.load(tmp_path / "t.npz") as file:
        assert not {"joints_cam", "poses_cam", "trans_cam", "K"} & set(file.files)
    assert read_npz(tmp_path / "t.npz").camera is None


@pytest.mark.parametrize(
    "content", [b"", b"no archive", b"PK\x03\x04 truncated", b"\x93NUMPY\x01\x00"]
)
def test_a_file_that_is_no_npz_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "take.npz"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=r"take\.npz can't be read") as refused:
        read_npz(path)
    assert "pickle" not in str(refused.value)  # nobody should be told to try it unsafely


def test_a_missing_npz_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"nowhere\.npz can't be read"):
        read_npz(tmp_path / "nowhere.npz")


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("contacts", None, "has no contacts"),
        ("trans", np.zeros((3, 3)), "pelvis of shape"),
        ("up_axis", "z", "up_axis is 'z'"),
        ("body", "mannequin", "body is 'mannequin'"),
        ("poses", np.zeros((7, 71)), "doesn't fit together"),
    ],
)
def test_an_npz_with_something_else_in_it_is_refused(
    tmp_path: Path, clip: Clip, key: str, value: object, reason: str
) -> None:
    path = tmp_path / "take.npz"
    write_npz(path, clip)
    with np.load(path) as file:
        arrays: dict[str, Any] = {name: file[name] for name in file.files if name != key}
    np.savez(path, **(arrays if value is None else {**arrays, key: value}))
    with pytest.raises(FileFormatError, match=reason):
        read_npz(path)


def test_a_clip_without_poses_is_refused(clip: Clip) -> None:
    with pytest.raises(InputError, match="no pose"):
        Clip(
            fps=30,
            body="builtin",
            shape=np.zeros(10),
            rest_joints=np.zeros((24, 3)),
            axis_angle=np.zeros((0, 24, 3)),
            pelvis=np.zeros((0, 3)),
            joints=np.zeros((0, 24, 3)),
            contacts=np.zeros((0, 6)),
            confidence=np.zeros(0),
            t_capture_us=np.zeros(0, np.int64),
            camera=None,
        )


# --- bvh -----------------------------------------------------------------------------------------


class BvhFile:
    """What any BVH reader makes of a file, written from the format's description alone."""

    def __init__(self, path: Path) -> None:
        words = path.read_text().split()
        self.names: list[str] = []
        self.parents: list[int] = []
        self.offsets: list[list[float]] = []
        self.channels: list[tuple[int, str]] = []
        stack: list[int] = []
        i = words.index("HIERARCHY") + 1
        while words[i] != "MOTION":
            word = words[i]
            if word in ("ROOT", "JOINT", "End"):
                self.names.append(words[i + 1])
                self.parents.append(stack[-1] if stack else -1)
                self.offsets.append([])
                stack.append(len(self.names) - 1)
                i += 3  # and the opening brace
            elif word == "OFFSET":
                self.offsets[stack[-1]] = [float(w) for w in words[i + 1 : i + 4]]
                i += 4
            elif word == "CHANNELS":
                count = int(words[i + 1])
                self.channels += [(stack[-1], c) for c in words[i + 2 : i + 2 + count]]
                i += 2 + count
            else:
                assert word == "}"
                stack.pop()
                i += 1
        assert not stack
        count = int(words[i + 2])
        self.frame_time = float(words[i + 5])
        self.rows = np.array(words[i + 6 :], dtype=float).reshape(count, len(self.channels))

    def rotation(self, joint: int) -> Rotation:
        columns = [k for k, (j, c) in enumerate(self.channels) if j == joint and "rot" in c]
        order = "".join(self.channels[k][1][0] for k in columns)  # upper case: intrinsic
        return Rotation.from_euler(order, self.rows[:, columns], degrees=True)

    def positions_cm(self) -> NDArray[np.float64]:
        """(N, joints and ends, 3) by the format's kinematics."""
        places: list[NDArray[np.float64]] = []
        turns: list[Rotation] = []
        for joint, parent in enumerate(self.parents):
            end = self.names[joint] == "Site"
            local = Rotation.identity(len(self.rows)) if end else self.rotation(joint)
            if parent < 0:
                places.append(self.rows[:, :3] + self.offsets[joint])
                turns.append(local)
            else:
                places.append(places[parent] + turns[parent].apply(self.offsets[joint]))
                turns.append(turns[parent] * local)
        return np.stack(places, axis=1)


def test_bvh_puts_every_joint_where_the_clip_has_it(tmp_path: Path, clip: Clip) -> None:
    write_bvh(tmp_path / "take.bvh", clip)
    file = BvhFile(tmp_path / "take.bvh")
    positions = file.positions_cm()
    for joint, name in enumerate(JOINT_NAMES):
        found = positions[:, file.names.index(name)] / 100
        assert np.abs(found - clip.joints[:, joint]).max() < 1e-4, name


def test_bvh_has_one_moving_root_24_joints_and_the_takes_frame_time(
    tmp_path: Path, clip: Clip
) -> None:
    write_bvh(tmp_path / "take.bvh", clip)
    file = BvhFile(tmp_path / "take.bvh")
    assert sorted(n for n in file.names if n != "Site") == sorted(JOINT_NAMES)
    assert file.names.count("Site") == 5
    assert [c for j, c in file.channels if "position" in c] == [
        "Xposition",
        "Yposition",
        "Zposition",
    ]
    assert len(file.channels) == 3 + 3 * 24
    assert file.frame_time == pytest.approx(1 / 30, abs=1e-8)
    for joint, name in enumerate(JOINT_NAMES[1:], start=1):
        found = file.names.index(name)
        assert file.names[file.parents[found]] == JOINT_NAMES[PARENTS[joint]]
        bone = (clip.rest_joints[joint] - clip.rest_joints[PARENTS[joint]]) * 100
        assert file.offsets[found] == pytest.approx(bone, abs=1e-5)


def test_npz_to_bvh_to_npz_keeps_rotations_within_a_tenth_of_a_degree(
    tmp_path: Path, clip: Clip
) -> None:
    write_npz(tmp_path / "a.npz", clip)
    first = read_npz(tmp_path / "a.npz")
    write_bvh(tmp_path / "b.bvh", first)
    file = BvhFile(tmp_path / "b.bvh")
    index = [file.names.index(name) for name in JOINT_NAMES]
    rotmat = np.stack([file.rotation(j).as_matrix() for j in index], axis=1)
    rest = np.zeros((24, 3))
    for joint in range(1, 24):
        rest[joint] = rest[PARENTS[joint]] + np.array(file.offsets[index[joint]]) / 100
    second = Clip(
        fps=1 / file.frame_time,
        body=first.body,
        shape=first.shape,
        rest_joints=rest,
        axis_angle=rotmat_to_axis_angle(torch.as_tensor(rotmat)).numpy(),
        pelvis=file.rows[:, :3] / 100,
        joints=file.positions_cm()[:, index] / 100,
        contacts=first.contacts,
        confidence=first.confidence,
        t_capture_us=first.t_capture_us,
        camera=None,
    )
    write_npz(tmp_path / "c.npz", second)
    assert_same(read_npz(tmp_path / "c.npz"), clip, 0.1)


def test_bvh_curves_have_no_jumps_of_a_turn(tmp_path: Path) -> None:
    ticks, rest = poses(40)
    clip = Clip.from_poses(ticks, body="builtin", rest_joints=rest, K=None)
    turning = np.zeros((40, 24, 3))
    angle = np.linspace(0, 4 * np.pi, 40)  # two turns about y
    turning[:, 0, 1] = (angle + np.pi) % (2 * np.pi) - np.pi
    spinning = Clip(
        fps=30,
        body="builtin",
        shape=clip.shape,
        rest_joints=clip.rest_joints,
        axis_angle=turning,
        pelvis=clip.pelvis,
        joints=clip.joints,
        contacts=clip.contacts,
        confidence=clip.confidence,
        t_capture_us=clip.t_capture_us,
        camera=None,
    )
    write_bvh(tmp_path / "spin.bvh", spinning)
    y = BvhFile(tmp_path / "spin.bvh").rows[:, 5]
    assert np.abs(np.diff(y)).max() < 30
    assert y[-1] - y[0] == pytest.approx(720, abs=1e-3)

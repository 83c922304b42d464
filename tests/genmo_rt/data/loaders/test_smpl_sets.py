"""Loaders of published sets, on tiny files in their layouts that are made here."""

import csv
import json
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from genmo_rt.data.clips import Clip
from genmo_rt.data.dataset import build_dataset
from genmo_rt.data.loaders.aist import read_aist
from genmo_rt.data.loaders.amass import read_amass
from genmo_rt.data.loaders.emdb import read_emdb
from genmo_rt.data.loaders.humanml3d import read_humanml3d, trial_key
from genmo_rt.data.loaders.rich import read_rich
from genmo_rt.data.loaders.smpl import Bodies
from genmo_rt.data.loaders.threedpw import read_3dpw
from genmo_rt.errors import FileFormatError
from genmo_rt.rotation import axis_angle_to_rotmat
from tests.genmo_rt.data.tiny_clips import BODY
from tests.genmo_rt.data.tiny_words import CountingEncoder

SECONDS = 3
Z_UP = axis_angle_to_rotmat(torch.tensor([np.pi / 2, 0, 0])).double().numpy()  # y up to z up
Arrays = dict[str, Any]


def _walk(fps: float, up: NDArray[np.float64] | None = None) -> tuple[Any, Any]:
    """(N, 72) and (N, 3): somebody who swings the legs and goes along z at 1 m/s, y up."""
    time = np.arange(round(SECONDS * fps) + 1) / fps
    poses = np.zeros((len(time), 72))
    poses[:, 3] = 0.4 * np.sin(2 * np.pi * time)
    poses[:, 6] = -poses[:, 3]
    poses[:, 3 * 16 + 2], poses[:, 3 * 17 + 2] = -1.2, 1.2
    pelvis = np.stack((0 * time, 0 * time + 0.95, time), axis=1)
    if up is not None:
        poses[:, :3] = _axis_angle(up)
        pelvis = pelvis @ up.T
    return poses, pelvis - BODY.joint_mean[0].numpy()


def _axis_angle(rotmat: NDArray[np.float64]) -> NDArray[np.float64]:
    angle = np.arccos((np.trace(rotmat) - 1) / 2)
    axis = np.array(
        [rotmat[2, 1] - rotmat[1, 2], rotmat[0, 2] - rotmat[2, 0], rotmat[1, 0] - rotmat[0, 1]]
    )
    turn: NDArray[np.float64] = angle * axis / np.linalg.norm(axis)
    return turn


def _joints(clip: Clip) -> NDArray[np.float32]:
    rotmat = axis_angle_to_rotmat(torch.from_numpy(clip.rotvec)).numpy()
    return clip.skeleton.forward_kinematics(rotmat, clip.root)[1]


def _is_the_walk(clip: Clip) -> bool:
    """Whether head is above feet, at 30 fps, going 1 m/s in a level direction."""
    joints = _joints(clip)
    path = joints[-1, 0] - joints[0, 0]
    speed = np.linalg.norm(path) * 30 / (len(joints) - 1)
    head, foot = clip.skeleton.names.index("head"), clip.skeleton.names.index("left_foot")
    tall = (joints[:, head, 1] - joints[:, foot, 1]).min()
    return bool(abs(speed - 1) < 0.02 and abs(path[1]) < 0.02 and tall > 1.2)


def _pickled(path: Path, values: Arrays) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(values, protocol=2))


def _amass(folder: Path) -> None:
    poses, trans = _walk(120, Z_UP)
    path = folder / "CMU" / "07" / "07_01_poses.npz"
    path.parent.mkdir(parents=True)
    fingers = np.zeros((len(poses), 90))
    np.savez(
        path,
        poses=np.concatenate((poses[:, :66], fingers), axis=1),
        trans=trans,
        betas=np.zeros(16),
        mocap_framerate=np.array(120.0),
        gender=np.array("male"),
    )


def _aist(folder: Path) -> None:
    poses, trans = _walk(60)
    values = {"smpl_poses": poses, "smpl_trans": trans * 93.0, "smpl_scaling": np.array([93.0])}
    _pickled(folder / "motions" / "gBR_sBM_cAll_d04_mBR0_ch01.pkl", values)


def _3dpw(folder: Path) -> None:
    poses, trans = _walk(60)
    _pickled(
        folder / "sequenceFiles" / "test" / "downtown_walking_00.pkl",
        {
            "sequence": "downtown_walking_00",
            "poses": [poses[::2]],
            "trans": [trans[::2]],
            "poses_60Hz": [poses],
            "trans_60Hz": [trans],
            "betas": [np.zeros(10)],
            "genders": ["m"],
        },
    )


def _emdb(folder: Path) -> None:
    poses, trans = _walk(30)
    _pickled(
        folder / "P1" / "14_outdoor_walk" / "P1_14_outdoor_walk_data.pkl",
        {
            "name": "P1_14_outdoor_walk",
            "emdb1": np.bool_(True),
            "n_frames": len(poses),
            "good_frames_mask": np.ones(len(poses), np.bool_),
            "smpl": {
                "poses_root": poses[:, :3],
                "poses_body": poses[:, 3:],
                "trans": trans,
                "betas": np.zeros(10),
            },
        },
    )


def _rich(folder: Path) -> None:
    """The camera looks along the walk, tilted; the scanner's world is z up."""
    tilt = axis_angle_to_rotmat(torch.tensor([2.8, 0.1, 0.0])).double().numpy()  # y up to camera
    poses, trans = _walk(30, tilt)
    to_world = Z_UP @ tilt.T
    world = {"R": to_world.T.tolist(), "t": [1.0, 2.0, 3.0], "c": 1.0}
    (folder / "multicam2world").mkdir(parents=True)
    (folder / "multicam2world" / "Gym_multicam2world.json").write_text(json.dumps(world))
    for frame, (pose, place) in enumerate(zip(poses, trans, strict=True)):
        _pickled(
            folder / "bodies" / "train" / "Gym_010_walk" / f"{frame + 7:05d}" / "010.pkl",
            {
                "global_orient": pose[None, :3],
                "body_pose": pose[None, 3:66],
                "transl": place[None],
                "betas": np.zeros((1, 10)),
            },
        )


Case = tuple[str, Callable[[Path], None], Callable[[Path, Bodies], Iterator[Clip]]]
CASES: tuple[Case, ...] = (
    ("amass", _amass, read_amass),
    ("aist", _aist, read_aist),
    ("3dpw", _3dpw, read_3dpw),
    ("emdb", _emdb, read_emdb),
    ("rich", _rich, read_rich),
)


@pytest.mark.parametrize(("name", "make", "read"), CASES, ids=[case[0] for case in CASES])
def test_a_walk_stays_a_walk_y_up_at_30_fps(
    name: str,
    make: Callable[[Path], None],
    read: Callable[[Path, Bodies], Iterator[Clip]],
    tmp_path: Path,
) -> None:
    make(tmp_path)
    (clip,) = read(tmp_path, Bodies())
    assert clip.set_name == name
    assert len(clip.root) == SECONDS * 30 + 1
    assert _is_the_walk(clip)


@pytest.mark.parametrize(("name", "make", "read"), CASES, ids=[case[0] for case in CASES])
def test_a_folder_without_the_set_is_refused_with_its_layout(
    name: str,
    make: Callable[[Path], None],
    read: Callable[[Path, Bodies], Iterator[Clip]],
    tmp_path: Path,
) -> None:
    with pytest.raises(FileFormatError, match=r"no .* found; expected"):
        list(read(tmp_path, Bodies()))


class _Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("ran",)


@pytest.mark.parametrize("read", [read_aist, read_3dpw, read_emdb])
def test_a_pickle_that_would_run_code_is_refused_by_what_it_asks_for(
    read: Callable[[Path, Bodies], Iterator[Clip]], tmp_path: Path
) -> None:
    for path in (
        "motions/gBR_sBM_cAll_d04_mBR0_ch01.pkl",
        "sequenceFiles/train/x.pkl",
        "P0/00_x/P0_00_x_data.pkl",
    ):
        _pickled(tmp_path / path, {"smpl": _Evil()})
    with pytest.raises(FileFormatError, match=r"asks for __builtin__\.print"):
        list(read(tmp_path, Bodies()))


def test_a_file_that_lacks_its_poses_is_refused_by_name(tmp_path: Path) -> None:
    _pickled(tmp_path / "motions" / "gBR_sBM_cAll_d04_mBR0_ch01.pkl", {"smpl_trans": np.zeros(3)})
    with pytest.raises(FileFormatError, match=r"mBR0_ch01\.pkl: 'smpl_scaling'; expected AIST"):
        list(read_aist(tmp_path, Bodies()))


def test_emdbs_bad_frames_cut_a_sequence(tmp_path: Path) -> None:
    _emdb(tmp_path)
    path = tmp_path / "P1" / "14_outdoor_walk" / "P1_14_outdoor_walk_data.pkl"
    values = pickle.loads(path.read_bytes())
    values["good_frames_mask"][40:50] = False
    _pickled(path, values)
    assert [len(clip.root) for clip in read_emdb(tmp_path, Bodies())] == [40, 41]


def test_richs_missing_frames_cut_a_sequence(tmp_path: Path) -> None:
    _rich(tmp_path)
    (tmp_path / "bodies" / "train" / "Gym_010_walk" / "00050" / "010.pkl").unlink()
    assert [len(clip.root) for clip in read_rich(tmp_path, Bodies())] == [43, 47]


def _humanml3d(folder: Path) -> None:
    (folder / "HumanML3D" / "texts").mkdir(parents=True)
    with (folder / "index.csv").open("w", newline="") as table:
        rows = csv.writer(table)
        rows.writerow(("source_path", "start_frame", "end_frame", "new_name"))
        rows.writerow(("./pose_data/CMU/07/07_01_poses.npy", 10, 50, "000000.npy"))
        rows.writerow(("./pose_data/humanact12/x.npy", 0, 50, "000001.npy"))
        rows.writerow(("./pose_data/MPI_HDM05/bk/a b_poses.npy", 20, 100, "000002.npy"))
    lines = "a man walks.#a/DET man/NOUN#0.0#0.0\nhe turns left.#he/PRON#0.5#1.5\n"
    (folder / "HumanML3D" / "texts" / "000000.txt").write_text(lines)
    (folder / "HumanML3D" / "texts" / "000002.txt").write_text("kicks.#kick/VERB#0.0#nan\n")


def test_humanml3ds_texts_are_said_of_their_seconds_of_a_trial(tmp_path: Path) -> None:
    _humanml3d(tmp_path)
    said = read_humanml3d(tmp_path)
    assert said.of("CMU/07/07_01") == (("a man walks.", 0.5, 2.5), ("he turns left.", 1.0, 2.0))
    assert said.of("MPI_HDM05/bk/a_b") == (("kicks.", 4.0, 8.0),)  # three seconds are left out
    _amass(tmp_path)
    (clip,) = read_amass(tmp_path, Bodies(), said)
    assert [(t.text, t.start, t.end) for t in clip.texts] == [
        ("a man walks.", 15, 75),
        ("he turns left.", 30, 60),
    ]


def test_a_trial_is_found_under_its_new_name_too() -> None:
    assert trial_key("HDM05/bk/a_b_stageii.npz") == trial_key(
        "./pose_data/MPI_HDM05/bk/a b_poses.npy"
    )


def test_a_line_that_is_no_description_is_refused(tmp_path: Path) -> None:
    _humanml3d(tmp_path)
    (tmp_path / "HumanML3D" / "texts" / "000000.txt").write_text("a man walks.\n")
    with pytest.raises(FileFormatError, match="has 1 parts, not 4"):
        read_humanml3d(tmp_path)


def test_a_dataset_of_others_sets_keeps_texts_joints_and_what_is_held_out(tmp_path: Path) -> None:
    _amass(tmp_path)
    _humanml3d(tmp_path)
    _emdb(tmp_path)
    bodies = Bodies()
    more = (
        *read_amass(tmp_path, bodies, read_humanml3d(tmp_path)),
        *read_emdb(tmp_path, bodies),
    )
    dataset = build_dataset(
        None, tmp_path / "out.npz", more=more, encoder=CountingEncoder(), music=False
    )
    assert dataset.sets == ("amass", "emdb")
    assert dataset.held_out.tolist() == [False, True]
    assert dataset.texts.caption_span.tolist() == [[15, 75], [30, 60]]
    assert dataset.joint_mask[:, 22:].tolist() == [[False, False], [True, True]]  # SMPL has hands
    speed = (dataset.pelvis[60] - dataset.pelvis[0]) / 2
    np.testing.assert_allclose(np.abs(speed), (0, 0, 1), atol=0.02)

"""The dataset: built from packed sets, split by subject, read back as written."""

from pathlib import Path

import numpy as np
import pytest
import torch

from genmo_rt.data.clips import read_set, subject_of
from genmo_rt.data.dataset import Dataset, build_dataset, load_dataset
from genmo_rt.data.families import ASF, RIG
from genmo_rt.data.pieces import half_speed
from genmo_rt.data.retarget import BodyMotion
from genmo_rt.errors import FileFormatError
from genmo_rt.rotation import quat_xyzw_to_rotmat
from genmo_rt.skeleton import JOINT_NAMES
from tests.genmo_rt.data.tiny_clips import walking_clip, write_set
from tests.genmo_rt.data.tiny_words import CountingEncoder


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Path]:
    """Three performers of one set and one of another, one of the first held out."""
    folder = tmp_path_factory.mktemp("mocap")
    names = ("02_01", "02_02", "07_01", "08_01")
    write_set(
        folder / "cmu.npz",
        [walking_clip(name, "", ASF, 90 + 10 * i, i) for i, name in enumerate(names)],
    )
    write_set(folder / "reactidle.npz", [walking_clip("acted_001_acted", "", RIG)])
    path = folder / "motions.npz"
    return build_dataset(folder, path, encoder=CountingEncoder(), music=False), path


def test_every_clip_is_there_with_its_frames_and_terms(built: tuple[Dataset, Path]) -> None:
    dataset, _ = built
    assert dict(zip(dataset.names, dataset.lengths.tolist(), strict=True)) == {
        "02_01": 90,
        "02_02": 100,
        "07_01": 110,
        "08_01": 120,
        "acted_001_acted": 120,
    }
    assert all(
        "MIT" in t for t, s in zip(dataset.licences, dataset.sets, strict=True) if s != "cmu"
    )
    assert dataset.quat_xyzw.shape == (540, 24, 4)


def test_nobody_is_in_both_splits(built: tuple[Dataset, Path]) -> None:
    dataset, _ = built
    held_out = {s for s, held in zip(dataset.subjects, dataset.held_out, strict=True) if held}
    trained = {s for s, held in zip(dataset.subjects, dataset.held_out, strict=True) if not held}
    assert held_out == {"cmu/02"}
    assert not held_out & trained


def test_feet_stand_on_the_floor_at_zero(built: tuple[Dataset, Path]) -> None:
    dataset, _ = built
    assert 0.8 < float(np.median(dataset.pelvis[:, 1])) < 1.1


def test_missing_joints_are_at_rest_and_masked(built: tuple[Dataset, Path]) -> None:
    dataset, _ = built
    clip = dataset.names.index("acted_001_acted")
    wrist = JOINT_NAMES.index("left_wrist")
    frame = dataset.starts[clip]
    rotmat = quat_xyzw_to_rotmat(torch.from_numpy(dataset.quat_xyzw[frame, wrist]).float())
    torch.testing.assert_close(rotmat, torch.eye(3))
    assert not dataset.joint_mask[clip, wrist]
    assert dataset.contact_mask[clip].tolist() == [True] * 4 + [False] * 2


def test_a_dataset_reads_back_as_it_was_written(built: tuple[Dataset, Path]) -> None:
    dataset, path = built
    again = load_dataset(path)
    assert again.names == dataset.names
    assert again.subjects == dataset.subjects
    np.testing.assert_array_equal(again.quat_xyzw, dataset.quat_xyzw)
    np.testing.assert_array_equal(again.contacts, dataset.contacts)


def test_another_file_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "other.npz"
    np.savez(path, poses=np.zeros(3))
    with pytest.raises(FileFormatError, match=r"other\.npz.*motion dataset"):
        load_dataset(path)
    (tmp_path / "text.npz").write_text("no zip")
    with pytest.raises(FileFormatError, match=r"text\.npz"):
        load_dataset(tmp_path / "text.npz")


def test_a_folder_without_sets_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="none of cmu"):
        build_dataset(tmp_path, tmp_path / "out.npz", texts=False, music=False)


def test_a_set_that_lacks_a_clip_is_refused(tmp_path: Path) -> None:
    write_set(tmp_path / "cmu.npz", [walking_clip("02_01", "", ASF)])
    with open(tmp_path / "cmu.csv", "a") as table:
        table.write("02_09,0,10,missing\n")
    with pytest.raises(FileFormatError, match="02_09"):
        list(read_set(tmp_path / "cmu.npz"))


def test_packed_clips_keep_their_angles(tmp_path: Path) -> None:
    clip = walking_clip("02_01", "", ASF)
    write_set(tmp_path / "cmu.npz", [clip])
    (again,) = read_set(tmp_path / "cmu.npz")
    np.testing.assert_allclose(again.rotvec, clip.rotvec, atol=1e-4)
    assert again.subject == "cmu/02"


@pytest.mark.parametrize(
    ("set_name", "clip", "subject"),
    [
        ("cmu", "131_02", "cmu/131"),
        ("reactidle", "genuine_007_genuine", "reactidle/007"),
        ("cmu_gestures", "train_soccer_1", "cmu_gestures"),
        ("cmu_indian_martial", "martial_03", "cmu_indian_martial/martial"),
    ],
)
def test_performers_are_told_apart_by_clip_name(set_name: str, clip: str, subject: str) -> None:
    assert subject_of(set_name, clip) == subject


def test_half_speed_keeps_the_frames_and_adds_their_middles() -> None:
    pelvis = np.stack([np.arange(6.0) ** 2, np.zeros(6), np.zeros(6)], -1).astype(np.float32)
    rotmat = np.tile(np.eye(3, dtype=np.float32), (6, 24, 1, 1))
    slow = half_speed(BodyMotion(rotmat, pelvis))
    np.testing.assert_allclose(slow.pelvis[::2], pelvis)
    np.testing.assert_allclose(slow.pelvis[3:8:2, 0], [1.5**2, 2.5**2, 3.5**2], atol=1e-5)

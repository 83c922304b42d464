"""ASF and AMC: a bone turns about axes of its own, worked out by hand for a leg of two bones."""

from pathlib import Path

import numpy as np
import pytest
import torch

from genmo_rt.data.clips import Clip
from genmo_rt.data.loaders.asf import read_asf
from genmo_rt.errors import FileFormatError
from genmo_rt.rotation import axis_angle_to_rotmat

UNIT_M = 0.0254 / 0.45
ASF = """# a leg
:version 1.10
:units
  mass 1.0
  length 0.45
  angle deg
:root
  order TX TY TZ RX RY RZ
  axis XYZ
  position 0 0 0
  orientation 0 0 0
:bonedata
  begin
    id 1
    name thigh
    direction 0 -1 0
    length 7
    axis 0 0 90 XYZ
    dof rx ry rz
    limits (-160 20) (-70 70) (-60 70)
  end
  begin
    id 2
    name shin
    direction 0 -1 0
    length 8
    axis 0 0 0 XYZ
    dof rx
  end
:hierarchy
  begin
    root thigh
    thigh shin
  end
"""
HEADER = "#!OML\n:FULLY-SPECIFIED\n:DEGREES\n"


def _read(folder: Path, *frames: str, asf: str = ASF, fps: float = 30.0) -> Clip:
    (folder / "07.asf").write_text(asf)
    numbered = "".join(f"{n}\n{frame}\n" for n, frame in enumerate(frames, start=1))
    (folder / "07_01.amc").write_text(HEADER + numbered)
    (clip,) = read_asf(folder, fps=fps)
    return clip


def _joint(clip: Clip, name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """(N, 3) in the file's unit."""
    rotmat = axis_angle_to_rotmat(torch.from_numpy(clip.rotvec)).numpy()
    joints = clip.skeleton.forward_kinematics(rotmat, clip.root)[1]
    return joints[:, clip.skeleton.names.index(name)] / np.float32(UNIT_M)


def test_at_rest_the_bones_hang_as_the_skeleton_says(tmp_path: Path) -> None:
    clip = _read(tmp_path, "root 1 20 3 0 0 0\nthigh 0 0 0\nshin 0")
    np.testing.assert_allclose(_joint(clip, "thigh"), [[1, 20, 3]], atol=1e-4)
    np.testing.assert_allclose(_joint(clip, "shin"), [[1, 13, 3]], atol=1e-4)
    np.testing.assert_allclose(_joint(clip, "shin_end"), [[1, 5, 3]], atol=1e-4)


def test_a_freedom_turns_about_the_bones_own_axis(tmp_path: Path) -> None:
    # The thigh's axes are turned by 90 degrees about z: its y axis lies along −x.
    clip = _read(tmp_path, "root 0 20 0 0 0 0\nthigh 0 90 0\nshin 0")
    np.testing.assert_allclose(_joint(clip, "shin"), [[0, 20, 7]], atol=1e-4)


def test_freedoms_turn_one_after_the_other_about_fixed_axes(tmp_path: Path) -> None:
    # The root: first about x, the leg then points along −z; then about y, it points along −x.
    clip = _read(tmp_path, "root 0 20 0 90 90 0\nthigh 0 0 0\nshin 0")
    np.testing.assert_allclose(_joint(clip, "shin"), [[-7, 20, 0]], atol=1e-4)


def test_a_childs_turn_comes_on_top_of_its_parents(tmp_path: Path) -> None:
    # Thigh and shin turn by a quarter in opposite senses: the shin hangs down again.
    clip = _read(tmp_path, "root 0 20 0 0 0 0\nthigh 0 90 0\nshin 90")
    np.testing.assert_allclose(_joint(clip, "shin_end"), [[0, 12, 7]], atol=1e-4)


def test_motion_at_120_fps_comes_out_at_30(tmp_path: Path) -> None:
    frames = [f"root {n} 20 0 0 0 0\nthigh 0 0 0\nshin 0" for n in range(9)]
    clip = _read(tmp_path, *frames, fps=120.0)
    np.testing.assert_allclose(_joint(clip, "root")[:, 0], [0, 4, 8], atol=1e-4)


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        ("root 0 20 0 0 0 0\nwing 0", "'wing', which its skeleton doesn't have"),
        ("root 0 20 0 0 0 0\nshin 0 0", "gives shin 2 values, not 1"),
        ("root 0 20 0 0 0 zero", "zero"),
    ],
)
def test_a_motion_of_another_skeleton_is_refused(frame: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=rf"07_01\.amc: .*{reason}"):
        _read(tmp_path, frame)


def test_a_bone_that_hangs_on_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"07\.asf: .*\['shin'\]"):
        _read(tmp_path, "root 0 0 0 0 0 0", asf=ASF.replace("    thigh shin\n", ""))


def test_a_folder_without_a_skeleton_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"no skeleton found; expected SUBJECT\.asf"):
        list(read_asf(tmp_path))

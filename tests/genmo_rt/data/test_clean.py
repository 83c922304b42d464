"""Cleaning: spikes are bridged, jumps cut, flipped thighs turned back."""

import numpy as np
import torch

from genmo_rt.data.clean import clean, unflip_thighs, unreliable_wrists
from genmo_rt.data.retarget import BodyMotion
from genmo_rt.rotation import axis_angle_to_rotmat
from genmo_rt.skeleton import JOINT_NAMES
from tests.genmo_rt.data.tiny_clips import BODY

J = {name: joint for joint, name in enumerate(JOINT_NAMES)}
REST = BODY.joint_mean.numpy()


def _rotation(x: float, y: float, z: float) -> np.ndarray:
    return axis_angle_to_rotmat(torch.tensor([x, y, z]).deg2rad()).numpy()


def _motion(frames: int = 100) -> BodyMotion:
    """Stands with hanging arms and walks along slowly."""
    rotmat = np.tile(np.eye(3, dtype=np.float32), (frames, 24, 1, 1))
    rotmat[:, J["left_shoulder"]] = _rotation(0, 0, -75)
    rotmat[:, J["right_shoulder"]] = _rotation(0, 0, 75)
    pelvis = np.zeros((frames, 3), np.float32)
    pelvis[:, 2] = np.arange(frames) * 0.02
    return BodyMotion(rotmat, pelvis)


def test_a_sound_motion_comes_back_whole_and_unchanged() -> None:
    motion = _motion()
    (piece,) = clean(motion, REST)
    np.testing.assert_allclose(piece.rotmat, motion.rotmat, atol=1e-5)


def test_a_spike_of_two_frames_is_bridged() -> None:
    motion = _motion()
    motion.rotmat[40:42, J["left_knee"]] = _rotation(90, 0, 0)
    (piece,) = clean(motion, REST)
    np.testing.assert_allclose(piece.rotmat[40:42, J["left_knee"]], [np.eye(3)] * 2, atol=1e-3)


def test_a_jump_that_lasts_cuts_the_motion() -> None:
    motion = _motion()
    motion.rotmat[50:, 0] = _rotation(0, 120, 0)
    assert [len(piece.pelvis) for piece in clean(motion, REST)] == [50, 50]


def test_a_jump_of_the_path_cuts_the_motion() -> None:
    motion = _motion()
    motion.pelvis[50:, 0] += 1
    assert len(clean(motion, REST)) == 2


def test_a_t_pose_lead_in_is_dropped() -> None:
    motion = _motion()
    motion.rotmat[:30, [J["left_shoulder"], J["right_shoulder"]]] = np.eye(3)
    pieces = clean(motion, REST)
    assert [len(piece.pelvis) for piece in pieces] == [70]


def test_a_pelvis_that_tips_over_within_a_frame_is_cut_out_with_its_neighbours() -> None:
    motion = _motion()
    motion.rotmat[50:52, 0] = _rotation(100, 0, 0)
    assert sum(len(piece.pelvis) for piece in clean(motion, REST)) <= 100
    assert all(piece.rotmat[:, 0, 1, 1].min() > 0.9 for piece in clean(motion, REST))


def test_a_flipped_thigh_is_turned_back_and_no_joint_moves() -> None:
    motion = _motion(5)
    thigh = REST[J["left_knee"]] - REST[J["left_hip"]]
    shin = REST[J["left_ankle"]] - REST[J["left_knee"]]
    half = [
        2 * np.outer(bone, bone) / (bone @ bone) - np.eye(3, dtype=np.float32)
        for bone in (thigh, shin)
    ]
    flipped = motion.rotmat.copy()
    flipped[:, J["left_hip"]] = half[0]
    flipped[:, J["left_knee"]] = half[0].T @ half[1]
    flipped[:, J["left_ankle"]] = half[1].T
    repaired = unflip_thighs(flipped.astype(np.float32), REST)
    np.testing.assert_allclose(repaired, motion.rotmat, atol=1e-5)


def test_wrists_that_point_backwards_are_reported() -> None:
    motion = _motion()
    motion.rotmat[:40, J["right_wrist"]] = _rotation(150, 0, 0)
    bad = unreliable_wrists(motion)
    assert {JOINT_NAMES[joint] for joint in np.flatnonzero(bad)} == {"right_wrist", "right_hand"}

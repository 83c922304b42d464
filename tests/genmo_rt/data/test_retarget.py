"""Retargeting: limbs point where they pointed, in every family of skeletons."""

import numpy as np
import pytest
import torch

from genmo_rt.data.clips import Clip, SourceSkeleton
from genmo_rt.data.families import FAMILIES, RIG, Family, family_of
from genmo_rt.data.retarget import LIMBS, fit_shape, fit_subject, retarget
from genmo_rt.errors import InputError
from genmo_rt.rotation import axis_angle_to_rotmat
from genmo_rt.skeleton import JOINT_NAMES
from tests.genmo_rt.data.tiny_clips import BODY, skeleton_of, still_clip

J = {name: joint for joint, name in enumerate(JOINT_NAMES)}
FAMILY = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
ARMS_DOWN = {"left_shoulder": (0.0, 0.0, -80.0), "right_shoulder": (0.0, 0.0, 80.0)}


def _joints(clip: Clip) -> np.ndarray:
    fit = fit_subject([clip], BODY)
    motion = retarget(clip, fit)
    _, joints = BODY.forward_kinematics(
        torch.from_numpy(motion.rotmat),
        torch.from_numpy(motion.pelvis),
        torch.from_numpy(fit.rest_joints),
    )
    return joints.numpy()


def _source_joints(clip: Clip) -> np.ndarray:
    rotmat = axis_angle_to_rotmat(torch.from_numpy(clip.rotvec)).numpy()
    return clip.skeleton.forward_kinematics(rotmat, clip.root)[1]


@FAMILY
def test_limbs_point_where_the_sources_limbs_point(family: Family) -> None:
    turns = ARMS_DOWN | {
        "left_hip": (-60.0, 10.0, 5.0),
        "left_knee": (70.0, 0.0, 0.0),
        "right_elbow": (0.0, 85.0, 0.0),
        "spine2": (15.0, 20.0, 0.0),
    }
    clip = still_clip(family, turns)
    joints, source = _joints(clip), _source_joints(clip)
    drivers = family.drivers()
    for joint, tail in LIMBS:
        ends = [drivers[joint].joint, drivers[joint].tail]
        a, b = (clip.skeleton.names.index(str(name)) for name in ends)
        got, want = joints[0, tail] - joints[0, joint], source[0, b] - source[0, a]
        cosine = got @ want / np.linalg.norm(got) / np.linalg.norm(want)
        assert np.degrees(np.arccos(min(cosine, 1.0))) < 0.5, JOINT_NAMES[joint]


@FAMILY
def test_left_stays_left_arms_hang_and_the_right_hand_goes_up(family: Family) -> None:
    turns = ARMS_DOWN | {"right_shoulder": (0.0, 0.0, -80.0)}
    joints = _joints(still_clip(family, turns))[0]
    assert joints[J["left_shoulder"], 0] > 0.1 > -0.1 > joints[J["right_shoulder"], 0]
    assert joints[J["left_wrist"], 1] < joints[J["left_shoulder"], 1] - 0.4
    assert joints[J["right_wrist"], 1] > joints[J["right_shoulder"], 1] + 0.4
    assert joints[J["left_foot"], 2] > joints[J["left_ankle"], 2] + 0.05  # toes in front
    assert joints[J["head"], 1] > joints[J["neck"], 1] > joints[J["pelvis"], 1] + 0.3


@FAMILY
def test_a_bent_knee_bends_backwards(family: Family) -> None:
    joints = _joints(still_clip(family, {"left_knee": (80.0, 0.0, 0.0)}))[0]
    assert joints[J["left_ankle"], 2] < joints[J["left_knee"], 2] - 0.25


@FAMILY
def test_standing_feet_of_spread_legs_are_flat_on_the_floor(family: Family) -> None:
    spread = 20.0 if family_rests_spread(family) else 0.0
    turns = {"left_hip": (0.0, 0.0, -spread), "right_hip": (0.0, 0.0, spread)}
    clip = still_clip(family, ARMS_DOWN | turns)
    fit = fit_subject([clip], BODY)
    motion = retarget(clip, fit)
    global_rotmat, _ = BODY.forward_kinematics(
        torch.from_numpy(motion.rotmat),
        torch.from_numpy(motion.pelvis),
        torch.from_numpy(fit.rest_joints),
    )
    up = global_rotmat[0, [J["left_ankle"], J["right_ankle"]], 1, 1]
    assert (up > np.cos(np.radians(4))).all()


def family_rests_spread(family: Family) -> bool:
    """Whether the tiny skeleton of the family has its legs apart."""
    skeleton = skeleton_of(family)
    knee = skeleton.names.index(family.drivers()[J["left_knee"]].joint)
    return bool(skeleton.offsets[knee, 0] > 0.1)


def test_the_pelvis_tilt_of_a_performer_is_taken_out() -> None:
    clip = still_clip(FAMILIES[0], ARMS_DOWN | {"pelvis": (0.0, 0.0, 0.0)})
    for joint in ("root", "lowerback"):
        index = clip.skeleton.names.index(joint)
        clip.rotvec[:, index, 0] = np.radians(12 if joint == "root" else -12)
    fit = fit_subject([clip], BODY)
    pelvis = retarget(clip, fit).rotmat[0, 0]
    assert pelvis[1, 1] > np.cos(np.radians(1))


def test_shape_fit_finds_bone_lengths_of_another_body() -> None:
    shape = torch.tensor([1.2, -0.8, 0.5, 0.4, -0.5, 0.3, 0.0, 0.0, 0.0, 0.0])
    rest = BODY.rest_joints(shape).numpy()
    _, fitted = fit_shape(rest, BODY)
    for joint, tail in LIMBS:
        want = np.linalg.norm(rest[tail] - rest[joint])
        assert np.linalg.norm(fitted[tail] - fitted[joint]) == pytest.approx(want, abs=0.012)


def test_joints_that_a_rig_lacks_are_masked() -> None:
    fit = fit_subject([still_clip(RIG, ARMS_DOWN)], BODY)
    missing = {JOINT_NAMES[joint] for joint in np.flatnonzero(~fit.joint_mask)}
    assert missing == {f"{s}_{j}" for s in ("left", "right") for j in ("wrist", "hand", "foot")}


@FAMILY
def test_a_skeleton_is_recognised_by_its_joint_names(family: Family) -> None:
    assert family_of(skeleton_of(family)) is family


def test_an_unknown_skeleton_is_refused_with_its_names() -> None:
    skeleton = SourceSkeleton(("bone_a", "bone_b"), (-1, 0), np.zeros((2, 3), np.float32))
    with pytest.raises(InputError, match="bone_a, bone_b"):
        family_of(skeleton)

"""Poses of ticks without a frame: on the way, and the same for many gaps at once."""

from dataclasses import replace

import numpy as np

from genmo_rt.between import Gap, pose_between, poses_between
from genmo_rt.pose import Pose
from genmo_rt.skeleton import NUM_JOINTS

REST = np.random.default_rng(9).normal(size=(NUM_JOINTS, 3)).astype(np.float32)


def pose(t: float, seed: int) -> Pose:
    random = np.random.default_rng(seed)

    def floats(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        return random.normal(size=shape).astype(np.float32)

    quat = floats(NUM_JOINTS + 1, 4)
    quat /= np.linalg.norm(quat, axis=1, keepdims=True)
    quat[quat[:, 3] < 0] *= -1
    return Pose(
        *(t, quat[1:], floats(3), floats(3), floats(24, 3), floats(6), 0.9),
        *(floats(10), floats(24, 3), quat[0]),
    )


def test_gaps_of_many_are_filled_as_each_alone() -> None:
    gaps = [
        Gap(pose(0.0, 1), pose(0.1, 2), (0.03, 0.07), REST),
        Gap(pose(1.0, 3), pose(1.1, 4), (), REST),
        Gap(pose(2.0, 5), pose(2.4, 6), (2.1, 2.2, 2.3), 2 * REST),
    ]
    together = poses_between(gaps)
    assert [len(poses) for poses in together] == [2, 0, 3]
    for gap, poses in zip(gaps, together, strict=True):
        for t, mine in zip(gap.times, poses, strict=True):
            alone = pose_between(gap.before, gap.after, t, gap.rest_joints)
            for name in Pose.__slots__:
                np.testing.assert_array_equal(getattr(mine, name), getattr(alone, name))


def test_nobody_has_a_gap() -> None:
    assert poses_between([]) == []


def test_the_way_begins_and_ends_at_the_frames() -> None:
    before, after = pose(0.0, 1), pose(1.0, 2)
    for t, end in ((0.0, before), (1.0, after)):
        there = pose_between(before, after, t, REST)
        for name in ("pelvis", "velocity", "contacts", "quat_xyzw", "root_quat_xyzw_cam"):
            np.testing.assert_allclose(getattr(there, name), getattr(end, name), atol=1e-5)
        assert there.confidence == 0
        assert there.shape is after.shape


def test_half_way_is_in_the_middle() -> None:
    before = pose(0.0, 1)
    after = replace(before, t=2.0, pelvis=before.pelvis + np.float32(2))
    there = pose_between(before, after, 1.0, REST)
    np.testing.assert_allclose(there.pelvis, before.pelvis + 1, atol=1e-6)
    np.testing.assert_allclose(there.joints[0], there.pelvis, atol=1e-6)

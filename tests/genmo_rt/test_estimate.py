"""The streaming estimator: states, time, determinism; with random weights where they suffice."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from walk import INTRINSICS, frames, seen

from genmo_rt.checkpoint import Checkpoint
from genmo_rt.clock import Tick
from genmo_rt.errors import InputError
from genmo_rt.estimate import Estimator, StreamEstimator
from genmo_rt.keypoints import Keypoints
from genmo_rt.model import Model, ModelConfig
from genmo_rt.motion import MOTION_WIDTH, MotionStats
from genmo_rt.pose import Pose
from genmo_rt.rotation import quat_xyzw_to_rotmat
from genmo_rt.smpl import load_body


@pytest.fixture(scope="module")
def estimator() -> Estimator:
    """Random weights: everything but the pose itself can be tested with them."""
    torch.manual_seed(0)
    model = Model(ModelConfig(width=32, layers=2, heads=2, head_dim=16, window=8))
    stats = MotionStats(torch.zeros(MOTION_WIDTH), torch.ones(MOTION_WIDTH))
    checkpoint = Checkpoint(model.eval().requires_grad_(False), stats, "builtin", "random")
    return Estimator(checkpoint, load_body())


def _run(stream: StreamEstimator, admitted: list[tuple[Tick, float]]) -> list[Pose | None]:
    return [stream.step(tick, seen(t)) for tick, t in admitted]


def _same(first: Pose, second: Pose) -> bool:
    return all(
        np.array_equal(getattr(first, name), getattr(second, name)) for name in Pose.__slots__
    )


def test_nobody_seen_yet_gives_no_pose(estimator: Estimator) -> None:
    stream = estimator.stream(INTRINSICS)
    assert [stream.step(tick, None) for tick, _ in frames(30, 1)] == [None] * 31


def test_landmarks_without_confidence_are_nobody(estimator: Estimator) -> None:
    stream = estimator.stream(INTRINSICS)
    nobody = replace(seen(0), confidence=np.full(33, 0.01, np.float32))
    assert [stream.step(tick, nobody) for tick, _ in frames(30, 0.2)] == [None] * 7


def test_every_frame_of_a_seen_person_gives_a_pose_at_its_own_time(estimator: Estimator) -> None:
    admitted = frames(24, 2)
    poses = _run(estimator.stream(INTRINSICS), admitted)
    assert [pose.t for pose in poses if pose is not None] == [t for _, t in admitted]


def test_a_person_who_is_out_of_sight_is_predicted_without_confidence(estimator: Estimator) -> None:
    stream = estimator.stream(INTRINSICS)
    for i, (tick, t) in enumerate(frames(30, 2)):
        pose = stream.step(tick, seen(t) if i < 30 else None)
        assert pose is not None
        assert np.isfinite(pose.joints).all()
        assert (pose.confidence > 0) == (i < 30)


def test_a_pose_is_complete_and_agrees_with_itself(estimator: Estimator) -> None:
    stream = estimator.stream(INTRINSICS)
    pose = _run(stream, frames(15, 1))[-1]
    assert pose is not None
    np.testing.assert_allclose(np.linalg.norm(pose.quat_xyzw, axis=1), 1, atol=1e-5)
    assert pose.quat_xyzw.dtype == np.float32
    _, joints = load_body().forward_kinematics(
        quat_xyzw_to_rotmat(torch.from_numpy(pose.quat_xyzw)),
        torch.from_numpy(pose.pelvis),
        torch.from_numpy(stream.rest_joints),
    )
    np.testing.assert_allclose(joints, pose.joints, atol=1e-4)
    np.testing.assert_array_equal(pose.joints[0], pose.pelvis)
    np.testing.assert_allclose(
        stream.world.points(pose.joints_cam.astype(np.float64)), pose.joints, atol=1e-4
    )
    turned = quat_xyzw_to_rotmat(torch.from_numpy(pose.root_quat_xyzw_cam)).numpy()
    expected = quat_xyzw_to_rotmat(torch.from_numpy(pose.quat_xyzw[0])).numpy()
    np.testing.assert_allclose(stream.world.R_c2w @ turned, expected, atol=1e-4)
    assert ((pose.contacts >= 0) & (pose.contacts <= 1)).all()


def test_the_same_frames_give_the_same_poses(estimator: Estimator) -> None:
    admitted = frames(30, 1, drop=0.2)
    first = _run(estimator.stream(INTRINSICS), admitted)
    second = _run(estimator.stream(INTRINSICS), admitted)
    assert all(
        a is not None and b is not None and _same(a, b) for a, b in zip(first, second, strict=True)
    )


def test_streams_do_not_disturb_each_other(estimator: Estimator) -> None:
    admitted = frames(30, 0.5)
    alone = _run(estimator.stream(INTRINSICS), admitted)[-1]
    stream, other = estimator.stream(INTRINSICS), estimator.stream(INTRINSICS)
    for tick, t in admitted:
        other.step(tick, seen(t + 1))
        beside = stream.step(tick, seen(t))
    assert alone is not None
    assert beside is not None
    assert _same(alone, beside)


def test_missed_ticks_run_masked_before_the_frame(estimator: Estimator) -> None:
    """A gap that the clock reports equals the same ticks given one by one without a person."""
    gap = estimator.stream(INTRINSICS)
    gap.step(Tick(0, 0.0, 0, restart=True, reset=True), seen(0))
    jumped = gap.step(Tick(4, 4 / 30, 3, restart=False, reset=False), seen(4 / 30))
    even = estimator.stream(INTRINSICS)
    even.step(Tick(0, 0.0, 0, restart=True, reset=True), seen(0))
    for i in (1, 2, 3):
        even.step(Tick(i, i / 30, 0, restart=False, reset=False), None)
    stepped = even.step(Tick(4, 4 / 30, 0, restart=False, reset=False), seen(4 / 30))
    assert jumped is not None
    assert stepped is not None
    assert _same(jumped, stepped)


def test_a_restart_keeps_world_and_shape_and_a_reset_does_not(estimator: Estimator) -> None:
    def after(restart: bool, reset: bool) -> tuple[StreamEstimator, float, float]:
        stream = estimator.stream(INTRINSICS)
        for i in range(60):
            stream.step(Tick(i, i / 30, 0, restart=i == 0, reset=i == 0), _tilted(seen(i / 30)))
        turn_before = float(stream.world.R_c2w[1, 2])
        count_before = float(stream._cache.betas_count)
        stream.step(Tick(500, 500 / 30, 0, restart=restart, reset=reset), seen(0))
        assert turn_before != 0
        return stream, turn_before, count_before

    kept, turn, count = after(restart=True, reset=False)
    assert kept.world.R_c2w[1, 2] == pytest.approx(turn, abs=0.3)
    assert kept._cache.betas_count == count + 1
    assert kept._cache.tick == 1
    anew, _, _ = after(restart=True, reset=True)
    np.testing.assert_array_equal(anew.world.R_c2w, np.diag([1.0, -1.0, -1.0]))
    assert anew._cache.betas_count == 1


def _tilted(keypoints: Keypoints) -> Keypoints:
    return replace(keypoints, pixels=keypoints.pixels + np.float32(5))


def test_after_a_restart_the_root_is_where_the_person_is_seen_now(estimator: Estimator) -> None:
    stream = estimator.stream(INTRINSICS)
    stream.step(Tick(0, 0.0, 0, restart=True, reset=True), seen(0))
    there = stream.step(Tick(100, 100 / 30, 0, restart=True, reset=False), seen(3))
    fresh = estimator.stream(INTRINSICS).step(Tick(0, 0.0, 0, restart=True, reset=True), seen(3))
    assert there is not None
    assert fresh is not None
    np.testing.assert_allclose(there.joints_cam[0], fresh.joints_cam[0], atol=0.05)


@pytest.mark.parametrize("delay", [1, 4])
def test_a_delay_gives_each_frames_pose_that_many_ticks_later(
    estimator: Estimator, delay: int
) -> None:
    stream = estimator.stream(INTRINSICS, delay=delay)
    admitted = frames(30, 0.5)
    poses = _run(stream, admitted)
    assert poses[:delay] == [None] * delay
    times = [pose.t for pose in poses[delay:] if pose is not None]
    assert times == [t for _, t in admitted[: len(admitted) - delay]]
    assert len(stream.finish()) == delay


def test_advance_also_gives_the_poses_of_ticks_without_a_frame(estimator: Estimator) -> None:
    stream = estimator.stream(INTRINSICS)
    poses = [pair for tick, t in frames(15, 1) for pair in stream.advance(tick, seen(t))]
    assert len(poses) == 31
    assert [framed for _, framed in poses] == [i % 2 == 0 for i in range(31)]


def test_a_stated_height_fixes_the_scale(estimator: Estimator) -> None:
    sizes, distances = [], []
    for height_m in (1.5, 1.9):
        stream = estimator.stream(INTRINSICS, height_m=height_m)
        pose = stream.step(Tick(0, 0.0, 0, restart=True, reset=True), seen(0))
        assert pose is not None
        body = load_body()
        assert float(body.stature(torch.from_numpy(pose.shape))) == pytest.approx(
            height_m, abs=0.02
        )
        sizes.append(np.ptp(stream.rest_joints[:, 1]))
        distances.append(np.linalg.norm(pose.joints_cam[0]))
    assert sizes[1] / sizes[0] == pytest.approx(1.9 / 1.5, rel=0.05)
    assert distances[1] > distances[0]


@pytest.mark.parametrize("height_m", [0.1, 17.0, float("nan")])
def test_a_height_that_is_no_persons_is_refused(estimator: Estimator, height_m: float) -> None:
    with pytest.raises(InputError, match="height_m"):
        estimator.stream(INTRINSICS, height_m=height_m)


def test_a_picture_of_half_the_size_gives_the_same_pose(estimator: Estimator) -> None:
    whole = seen(0)
    half = replace(whole, pixels=whole.pixels * np.float32(0.5), image_size=(640, 360))
    tick = Tick(0, 0.0, 0, restart=True, reset=True)
    first = estimator.stream(INTRINSICS).step(tick, whole)
    second = estimator.stream(INTRINSICS).step(tick, half)
    assert first is not None
    assert second is not None
    np.testing.assert_allclose(first.joints, second.joints, atol=1e-4)

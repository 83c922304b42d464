"""The streaming estimator: states, time, determinism; with random weights where they suffice."""

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import numpy as np
import pytest
import torch

from genmo_rt import together
from genmo_rt.checkpoint import Checkpoint
from genmo_rt.clock import Tick
from genmo_rt.conditions import Conditions
from genmo_rt.engine.engine import Engine
from genmo_rt.errors import EngineFull, GenmoError, InputError
from genmo_rt.estimate import (
    Advanced,
    Estimator,
    StreamEstimator,
    advance_groups,
    advance_together,
)
from genmo_rt.keypoints import Keypoints
from genmo_rt.model import Model, ModelConfig
from genmo_rt.motion import MOTION_WIDTH, Motion, MotionStats, View, encode
from genmo_rt.pose import Pose
from genmo_rt.posing import Posing, pose_together
from genmo_rt.recording import estimate_clip
from genmo_rt.rotation import quat_xyzw_to_rotmat
from genmo_rt.smpl import load_body
from tests.genmo_rt.walk import CAMERA_HEIGHT_M, INTRINSICS, frames, seen, walker


@pytest.fixture(scope="module")
def estimator() -> Estimator:
    """Random weights: everything but the pose itself can be tested with them."""
    stats = MotionStats(torch.zeros(MOTION_WIDTH), torch.ones(MOTION_WIDTH))
    checkpoint = _random(stats)
    return Estimator(checkpoint, load_body(), Engine(checkpoint.model, slots=64))


def _random(stats: MotionStats) -> Checkpoint:
    torch.manual_seed(0)
    model = Model(ModelConfig(width=32, layers=2, heads=2, head_dim=16, window=8))
    return Checkpoint(model.eval().requires_grad_(False), stats, "builtin", "random")


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


def test_persons_advanced_together_are_posed_as_each_alone(estimator: Estimator) -> None:
    """One of them later, one of known height, one who is lost and found; with ticks missed."""
    admitted = frames(30, 1.5, drop=0.3)

    def make() -> list[StreamEstimator]:
        return [
            estimator.stream(INTRINSICS),
            estimator.stream(INTRINSICS, delay=3),
            estimator.stream(INTRINSICS, height_m=1.6),
            estimator.stream(INTRINSICS),
        ]

    def evidence(person: int, t: float) -> Keypoints | None:
        return None if person == 3 and 0.4 < t < 0.9 else seen(t + person)

    beside: list[list[Advanced]] = []
    crowd = make()
    for tick, t in admitted:
        steps = [(one, tick, evidence(n, t)) for n, one in enumerate(crowd)]
        beside.append(advance_together(steps))
    for n, alone in enumerate(make()):
        for (tick, t), advanced in zip(admitted, beside, strict=True):
            posed = alone.advance(tick, evidence(n, t))
            assert [framed for _, framed in posed] == [framed for _, framed in advanced[n]]
            for (pose, _), (other, _) in zip(posed, advanced[n], strict=True):
                # A batch rounds otherwise than one person alone.
                np.testing.assert_allclose(pose.joints, other.joints, atol=1e-4)
                np.testing.assert_allclose(pose.contacts, other.contacts, atol=1e-4)
                assert pose.t == other.t


def test_what_fails_for_one_stream_costs_the_others_nothing(
    estimator: Estimator, monkeypatch: pytest.MonkeyPatch
) -> None:
    fine, broken, alone = (estimator.stream(INTRINSICS) for _ in range(3))

    def pose(asked: Sequence[Posing]) -> list[Pose]:
        poses = pose_together(asked)  # it fails late, when everybody has been posed
        assert all(of.poser is not broken._poser for of in asked)
        return poses

    monkeypatch.setitem(together._STAGES, Posing, pose)
    for tick, t in frames(30, 0.5):
        first, second = advance_groups([[(fine, tick, seen(t))], [(broken, tick, seen(t))]])
        assert isinstance(second, AssertionError)
        expected = alone.advance(tick, seen(t))
        assert not isinstance(first, Exception)
        for (pose_beside, _), (pose_alone, _) in zip(first[0], expected, strict=True):
            # Taken a second time, a tick pulls the body a little more to its landmarks.
            np.testing.assert_allclose(pose_beside.joints, pose_alone.joints, atol=0.1)


def test_missed_ticks_run_masked_before_the_frame(estimator: Estimator) -> None:
    """To the model a gap that the clock reports is the same ticks one by one without a person."""
    gap = estimator.stream(INTRINSICS)
    gap.step(Tick(0, 0.0, 0, restart=True, reset=True), seen(0))
    gap.step(Tick(4, 4 / 30, 3, restart=False, reset=False), seen(4 / 30))
    even = estimator.stream(INTRINSICS)
    even.step(Tick(0, 0.0, 0, restart=True, reset=True), seen(0))
    for i in (1, 2, 3):
        even.step(Tick(i, i / 30, 0, restart=False, reset=False), None)
    even.step(Tick(4, 4 / 30, 0, restart=False, reset=False), seen(4 / 30))
    jumped, stepped = gap._slot.save(), even._slot.save()
    assert jumped.tick == 5
    # One pass over four frames rounds otherwise than four passes.
    torch.testing.assert_close(jumped.keys, stepped.keys, atol=1e-5, rtol=0)
    torch.testing.assert_close(jumped.betas_sum, stepped.betas_sum, atol=1e-5, rtol=0)


def test_a_restart_keeps_world_and_shape_and_a_reset_does_not(estimator: Estimator) -> None:
    def after(restart: bool, reset: bool) -> tuple[StreamEstimator, float, float]:
        stream = estimator.stream(INTRINSICS)
        for i in range(60):
            stream.step(Tick(i, i / 30, 0, restart=i == 0, reset=i == 0), _tilted(seen(i / 30)))
        turn_before = float(stream.world.R_c2w[1, 2])
        count_before = float(stream._slot.save().betas_count)
        stream.step(Tick(100, 100 / 30, 0, restart=restart, reset=reset), seen(0))
        assert turn_before != 0
        return stream, turn_before, count_before

    kept, turn, count = after(restart=True, reset=False)
    assert kept.world.R_c2w[1, 2] == pytest.approx(turn, abs=0.05)  # 2 degrees a second
    assert kept._slot.save().betas_count == count + 1
    assert kept._slot.save().tick == 1
    anew, _, _ = after(restart=True, reset=True)
    np.testing.assert_array_equal(anew.world.R_c2w, np.diag([1.0, -1.0, -1.0]))
    assert anew._slot.save().betas_count == 1


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


def test_a_cut_in_the_video_starts_the_person_anew_at_once(estimator: Estimator) -> None:
    def shifted(t: float) -> Keypoints:
        keypoints = seen(t)
        return replace(keypoints, pixels=keypoints.pixels + np.array([600, 150], np.float32))

    stream = estimator.stream(INTRINSICS)
    _run(stream, frames(30, 1))
    after = stream.step(Tick(31, 31 / 30, 0, restart=False, reset=False), shifted(0))
    fresh = estimator.stream(INTRINSICS).step(Tick(0, 0.0, 0, restart=True, reset=True), shifted(0))
    assert after is not None
    assert fresh is not None
    assert stream._slot.save().tick == 1
    np.testing.assert_allclose(after.joints_cam[0], fresh.joints_cam[0], atol=0.05)


def test_ticks_without_a_frame_before_a_cut_hold_the_pose(estimator: Estimator) -> None:
    stream = estimator.stream(INTRINSICS)
    first = _run(stream, frames(30, 0.3))[-1]
    far = replace(seen(0), pixels=seen(0).pixels + np.array([600, 150], np.float32))
    poses = stream.advance(Tick(12, 0.4, 2, restart=False, reset=False), far)
    assert first is not None
    assert [framed for _, framed in poses] == [False, False, True]
    np.testing.assert_array_equal(poses[1][0].joints, first.joints)
    assert poses[1][0].t == pytest.approx(11 / 30)


def test_the_next_person_in_a_world_stands_on_its_floor(estimator: Estimator) -> None:
    first = estimator.stream(INTRINSICS)
    _run(first, frames(30, 0.3))
    tick = Tick(40, 40 / 30, 0, restart=False, reset=False)
    below = replace(seen(0), pixels=seen(0).pixels + np.array([0, 300], np.float32))
    second = estimator.stream(INTRINSICS, world=first.world)
    pose = second.step(tick, below)
    assert pose is not None
    assert second.world is first.world
    assert abs(pose.joints[:, 1].min()) < 0.4


def test_a_person_who_dashes_across_is_no_cut(estimator: Estimator) -> None:
    stream = estimator.stream(INTRINSICS)
    for i in range(15):
        keypoints = seen(0)
        pixels = keypoints.pixels + np.array([i * 30, 0], np.float32)  # at 5 m, 30 px are 4 m/s
        stream.step(
            Tick(i, i / 30, 0, restart=i == 0, reset=i == 0), replace(keypoints, pixels=pixels)
        )
    assert stream._slot.save().tick == 15


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


def test_a_tick_without_a_frame_lies_halfway_between_two_frames(estimator: Estimator) -> None:
    stream = estimator.stream(INTRINSICS)
    poses = [pose for tick, t in frames(15, 1) for pose, _ in stream.advance(tick, seen(t))]
    for before, between, after in zip(poses[10::2], poses[11::2], poses[12::2], strict=False):
        np.testing.assert_allclose(between.t, (before.t + after.t) / 2, atol=1e-5)
        np.testing.assert_allclose(between.pelvis, (before.pelvis + after.pelvis) / 2, atol=1e-5)
        turned = np.abs((between.quat_xyzw * before.quat_xyzw).sum(-1))
        np.testing.assert_allclose(
            turned, np.abs((between.quat_xyzw * after.quat_xyzw).sum(-1)), atol=1e-5
        )
        np.testing.assert_array_equal(between.joints[0], between.pelvis)
        assert between.confidence == 0


def test_a_stated_height_fixes_the_scale(estimator: Estimator) -> None:
    sizes, distances = [], []
    for height_m in (1.5, 1.9):
        stream = estimator.stream(INTRINSICS, height_m=height_m)
        pose = stream.step(Tick(0, 0.0, 0, restart=True, reset=True), seen(0))
        assert pose is not None
        assert stream.height_m == pytest.approx(height_m, abs=0.02)
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


class _Oracle:
    """An engine that is told the truth: what is left is everything around it."""

    def __init__(self, times: list[float], pitch_down: float, velocity_scale: float) -> None:
        self._times = iter(times)
        self._pitch_down = pitch_down
        self._velocity_scale = velocity_scale

    def open(self, delay: int) -> "_Oracle":
        return self

    def clear(self, *, keep_shape: bool = False) -> None:
        pass

    def step(self, conditions: Conditions) -> torch.Tensor:
        frames = conditions.present.shape[1]
        return torch.cat([self._truth(conditions.cut(slice(n, n + 1)).view) for n in range(frames)])

    def _truth(self, view: View) -> torch.Tensor:
        truth = walker(next(self._times), self._pitch_down)
        R_c2gv = torch.from_numpy(truth.R_c2w)
        velocity = truth.rotmat_world[0].T @ truth.velocity_world * self._velocity_scale
        return encode(
            Motion(
                rotmat_gv=torch.from_numpy(truth.rotmat_world[0])[None],
                root_vel=torch.from_numpy(velocity)[None],
                rotmat_cam=torch.from_numpy(truth.rotmat_cam)[None],
                shape=torch.zeros(1, 10),
                root_cam=torch.from_numpy(truth.joints_cam[0])[None],
                R_c2gv=R_c2gv[None],
                camera_pos=torch.tensor([[0.0, CAMERA_HEIGHT_M, 0.0]]),
                contacts=torch.full((1, 6), 0.1),
            ),
            View(view.centre[:, 0], view.scale[:, 0], view.intrinsics[:, 0]),
        ).float()


def _oracle(engine: _Oracle) -> Estimator:
    stats = MotionStats(torch.zeros(MOTION_WIDTH), torch.ones(MOTION_WIDTH))
    return Estimator(_random(stats), load_body(), cast(Engine, engine))


def _told_the_truth(
    admitted: list[tuple[Tick, float]], pitch_down: float = 0.0, velocity_scale: float = 1.0
) -> list[Pose]:
    """Poses of an estimator whose model is right, on the frames of a camera."""
    times = [
        t
        for tick, t_frame in admitted
        for t in [*((tick.index - tick.missed + k) / 30 for k in range(tick.missed)), t_frame]
    ]
    stream = _oracle(_Oracle(times, pitch_down, velocity_scale)).stream(INTRINSICS)
    poses = [stream.step(tick, seen(t, pitch_down)) for tick, t in admitted]
    return [pose for pose in poses if pose is not None]


@pytest.mark.parametrize(("fps", "drop"), [(15, 0), (24, 0), (30, 0), (60, 0), (30, 0.2)])
def test_a_model_that_is_right_gives_the_walk_in_the_world_at_any_frame_rate(
    fps: float, drop: float
) -> None:
    poses = _told_the_truth(frames(fps, 6, drop))
    assert len(poses) > 60
    errors = []
    # The floor is where the lowest sole of the first pose was.
    lift = np.array([0.0, poses[0].pelvis[1] - walker(0).joints_world[0, 1], 0.0])
    assert abs(lift[1]) < 0.03
    for pose in poses:
        truth = walker(pose.t)
        errors.append(np.linalg.norm(pose.joints - lift - truth.joints_world, axis=1))
        np.testing.assert_allclose(pose.pelvis - lift, truth.joints_world[0], atol=0.03)
        np.testing.assert_allclose(pose.velocity, truth.velocity_world, atol=0.05)
        rotmat = quat_xyzw_to_rotmat(torch.from_numpy(pose.quat_xyzw)).numpy()
        # A foot that slides along the ray seems to rest; a nearly straight knee turns far for it.
        np.testing.assert_allclose(rotmat, truth.rotmat_world, atol=0.2)
    assert np.mean(errors) < 0.012
    assert np.max(errors) < 0.08  # swinging feet, which smoothing cuts short


def test_the_path_bridges_half_a_second_without_the_person() -> None:
    admitted = frames(30, 3)
    times = [t for _, t in admitted]
    stream = _oracle(_Oracle(times, 0.0, 1.0)).stream(INTRINSICS)
    for tick, t in admitted:
        pose = stream.step(tick, None if 1.0 < t < 1.5 else seen(t))
        assert pose is not None
        assert np.linalg.norm((pose.joints_cam - walker(t).joints_cam)[0]) < 0.15


def test_a_camera_pitched_by_fifteen_degrees_is_found_while_somebody_walks() -> None:
    poses = _told_the_truth(frames(30, 12), pitch_down=15)
    truth = walker(poses[-1].t, 15)
    rotmat = quat_xyzw_to_rotmat(torch.from_numpy(poses[-1].quat_xyzw)).numpy()
    lean = rotmat[0] @ truth.rotmat_world[0].T
    assert np.degrees(np.arccos(np.clip(lean[1, 1], -1, 1))) < 2
    first = quat_xyzw_to_rotmat(torch.from_numpy(poses[0].quat_xyzw)).numpy()
    lean = first[0] @ walker(0, 15).rotmat_world[0].T
    assert np.degrees(np.arccos(lean[1, 1])) == pytest.approx(15, abs=1)


def test_a_model_whose_velocity_is_a_tenth_too_fast_does_not_drift() -> None:
    poses = _told_the_truth(frames(30, 10), velocity_scale=1.1)
    for pose in poses:
        assert np.linalg.norm(pose.joints_cam[0] - walker(pose.t).joints_cam[0]) < 0.12


@pytest.mark.parametrize(("streaming", "delay"), [(True, 0), (True, 3), (False, 0)])
def test_a_clip_holds_every_tick_from_the_first_sight_on_with_constant_bones(
    estimator: Estimator, streaming: bool, delay: int
) -> None:
    admitted = frames(15, 2)
    evidence = [(tick, seen(t) if t > 0.5 else None) for tick, t in admitted]
    clip = estimate_clip(
        estimator, evidence, INTRINSICS, delay=delay, start_us=10_000_000, streaming=streaming
    )
    np.testing.assert_allclose(np.diff(clip.t_capture_us), 1e6 / 30, atol=2)
    assert clip.t_capture_us[0] == 10_000_000 + round(admitted[8][1] * 1e6)
    assert clip.t_capture_us[-1] == 10_000_000 + round(admitted[-1][1] * 1e6)
    bones = np.linalg.norm(clip.joints[:, 7] - clip.joints[:, 4], axis=1)
    np.testing.assert_allclose(bones, bones[0], atol=1e-5)
    assert clip.camera is not None
    bones_cam = np.linalg.norm(clip.camera.joints[:, 7] - clip.camera.joints[:, 4], axis=1)
    np.testing.assert_allclose(bones_cam, bones[0], atol=1e-5)
    assert clip.camera.K[0, 0] == INTRINSICS.fx


@pytest.mark.parametrize("streaming", [True, False])
def test_a_video_with_nobody_in_it_is_said_to_have_nobody(
    estimator: Estimator, streaming: bool
) -> None:
    nobody = [(tick, None) for tick, _ in frames(30, 1)]
    with pytest.raises(GenmoError, match="nobody"):
        estimate_clip(estimator, nobody, INTRINSICS, streaming=streaming)


def test_a_closed_stream_makes_room_for_another() -> None:
    stats = MotionStats(torch.zeros(MOTION_WIDTH), torch.ones(MOTION_WIDTH))
    checkpoint = _random(stats)
    estimator = Estimator(checkpoint, load_body(), Engine(checkpoint.model, slots=2))
    streams = [estimator.stream(INTRINSICS) for _ in range(2)]
    with pytest.raises(EngineFull, match="all 2 slots"):
        estimator.stream(INTRINSICS)
    streams[0].close()
    assert _run(estimator.stream(INTRINSICS), frames(30, 0.1))[-1] is not None

"""The world of a whole recording is right from its first frame, whatever its camera does."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from genmo_rt.camera import Intrinsics
from genmo_rt.camera_motion import STILL, CameraMotion, rotation, rotation_vector
from genmo_rt.clip_posing import Settled
from genmo_rt.clip_world import gravity_of, in_their_worlds
from genmo_rt.estimate import Estimator
from genmo_rt.evaluation.recorded import read_keypoints
from genmo_rt.keypoints import Keypoints
from genmo_rt.pose import Pose
from genmo_rt.recording import estimate_clip, whole_people, whole_poses
from genmo_rt.rotation import quat_xyzw_to_rotmat
from genmo_rt.steady import STANDING, Steady, follow
from genmo_rt.whole_clip import Frame, stretches
from genmo_rt.world import as_steady
from tests.genmo_rt.walk import INTRINSICS, frames, seen, walker, walking

Array = NDArray[np.float64]
LANDMARKS = Path(__file__).parents[1] / "fixtures" / "landmarks"


@pytest.fixture(scope="module")
def estimator() -> Estimator:
    return Estimator.load()


def _rotmat(quat_xyzw: NDArray[np.float32]) -> Array:
    return quat_xyzw_to_rotmat(torch.from_numpy(quat_xyzw).double()).numpy()


def _up_cam(pose: Pose) -> Array:
    """(3,) "up" in the camera, as a pose has it."""
    return np.asarray((_rotmat(pose.quat_xyzw[0]) @ _rotmat(pose.root_quat_xyzw_cam).T)[1])


def _degrees(a: Array, b: Array) -> float:
    return float(np.degrees(np.arccos(np.clip(a @ b, -1, 1))))


def _pelvis(poses: list[Pose]) -> Array:
    return np.stack([pose.pelvis for pose in poses]).astype(np.float64)


# ---- gravity and floor ---------------------------------------------------------------------------


@pytest.mark.parametrize("roll", [0.0, 20.0])
def test_a_steep_and_rolled_camera_s_gravity_is_right_in_the_first_pose(
    estimator: Estimator, roll: float
) -> None:
    """A real recording, looking down by 18 degrees; then its picture turned about its middle."""
    with np.load(LANDMARKS / "pose2sim_reference.npz") as reference:
        up, K = reference["R_w2c"][1][:, 2], reference["K"][1]
    camera = Intrinsics(*(float(K[i]) for i in ((0, 0), (1, 1), (0, 2), (1, 2))), 1080, 1920)
    turned = rotation(np.array([0.0, 0.0, np.radians(roll)]))
    told = [
        (tick, keypoints and as_steady(keypoints, camera, turned))
        for (tick, _), (_, keypoints) in zip(
            frames(30, 49 / 30), read_keypoints(LANDMARKS / "pose2sim_cam02.npz"), strict=True
        )
    ]
    poses = whole_poses(estimator, told, camera)
    assert _degrees(_up_cam(poses[0]), turned @ up) < 7  # level it would be 18, and rolled 27
    np.testing.assert_allclose(_up_cam(poses[0]), _up_cam(poses[-1]), atol=1e-6)


class _Hashed(SimpleNamespace):
    """Told apart by identity, as Settled is."""

    __hash__ = object.__hash__


def _standing_about(up_cam: Array, soles: Array, contact: Array) -> Settled:
    """Somebody of whom only gravity's and the floor's evidence is known."""
    ticks = len(up_cam)
    return cast(
        Settled,
        _Hashed(
            person=SimpleNamespace(stature=1.7, soles=SimpleNamespace(contact=np.arange(4))),
            stretch=SimpleNamespace(
                t=np.arange(ticks) / 30, cameras=[STANDING] * ticks, place=(0, 0), shot=0
            ),
            seen=list(range(ticks)),
            up=up_cam,
            joints=np.zeros((ticks, 24, 3)),
            soles=soles,
            loose_soles=soles,
            contacts=contact,
            carries=np.zeros((ticks, 4)),
            feet_seen=np.ones(ticks),
        ),
    )


def test_a_settled_world_finds_tilt_and_floor_in_spite_of_wild_ticks() -> None:
    tilt = np.radians(12)
    up = np.array([0.0, -np.cos(tilt), np.sin(tilt)])
    generator = np.random.default_rng(2)
    up_cam = up + generator.normal(0, 0.05, (600, 3))
    up_cam[:60] = [1.0, 0.0, 0.0]
    up_cam /= np.linalg.norm(up_cam, axis=1, keepdims=True)
    soles = generator.normal(0, 0.4, (600, 4, 3))
    soles += np.array([0, 0, 4])
    soles -= up * (soles @ up + 1.3)[..., None]  # on a floor
    contact = np.full((600, 4), 0.9)
    lifted = generator.random((600, 4)) < 0.4
    soles[lifted] += 0.3 * up
    contact[lifted] = 0.1
    ((_, world),) = in_their_worlds([_standing_about(up_cam, soles, contact)])
    assert np.degrees(np.arccos(world.R_c2w[1] @ up)) < 1
    assert world.camera_height == pytest.approx(1.3, abs=0.05)
    points = world.points(np.arange(600) / 30, soles)
    assert np.abs(points[~lifted][:, 1]).mean() < 0.05


@pytest.mark.parametrize(("share", "by_sensor"), [(0.8, True), (0.2, False)])
def test_the_device_s_gravity_counts_alone_if_it_lasted(share: float, by_sensor: bool) -> None:
    """Sensors that are found to lie stop before long."""
    up, level = np.array([0.6, -0.8, 0.0]), np.array([0.0, -1.0, 0.0])
    one = _standing_about(np.tile(level, (30, 1)), np.zeros((30, 4, 3)), np.ones((30, 4)))
    for n in range(round(30 * share)):
        cast(list[Steady], one.stretch.cameras)[n] = Steady(np.eye(3), up=up)
    np.testing.assert_allclose(gravity_of([one]).up, up if by_sensor else level, atol=1e-9)


# ---- cameras that move ---------------------------------------------------------------------------


def _turning(
    total: Array, seconds: float, fps: float = 30
) -> tuple[list[Frame], list[CameraMotion]]:
    """The walker before a camera that turns evenly by a rotation vector, and its motion."""
    told, motions, ticks = list[Frame](), list[CameraMotion](), frames(fps, seconds)
    for n, (tick, t) in enumerate(ticks):
        share = n / (len(ticks) - 1)
        R_first2now = rotation(share * total).T
        told.append((tick, as_steady(seen(t), INTRINSICS, R_first2now)))
        motions.append(CameraMotion(total / (len(ticks) - 1) * (n > 0), 1.0))
    return told, motions


def test_a_turn_that_is_known_leaves_the_world_as_it_is(estimator: Estimator) -> None:
    total = np.radians([3.0, 12.0, 5.0])  # under that of a new steady camera
    still, _ = _turning(np.zeros(3), 1.5)
    told, motions = _turning(total, 1.5)
    standing = whole_poses(estimator, still, INTRINSICS)
    turning = whole_poses(estimator, told, INTRINSICS, motions=motions)
    apart = [np.abs(a.joints - b.joints).max() for a, b in zip(standing, turning, strict=True)]
    assert max(apart) < 0.01  # pixels are float32
    last = turning[-1].joints_cam @ rotation(total).T  # what the real camera sees, turned back
    np.testing.assert_allclose(last, standing[-1].joints_cam, atol=0.01)
    assert np.abs(turning[-1].joints_cam - standing[-1].joints_cam).max() > 0.5


@pytest.mark.parametrize("fps", [15, 30])
def test_a_long_pan_that_is_known_does_not_carry_the_walker_away(
    estimator: Estimator, fps: float
) -> None:
    told, motions = _turning(np.radians([0.0, 50.0, 0.0]), 2, fps)
    truth = np.stack([walker(tick.t).joints_world[0] for tick, _ in told])
    every = 30 // round(fps)

    def off(poses: list[Pose]) -> float:
        path = _pelvis(poses)[::every]
        path, there = path - path[:5].mean(0), truth - truth[:5].mean(0)
        return float(np.linalg.norm(path - there, axis=1).mean())

    known = off(whole_poses(estimator, told, INTRINSICS, motions=motions))
    assert known < 0.25
    assert off(whole_poses(estimator, told, INTRINSICS)) > 3 * known


def test_a_stream_s_estimate_of_a_file_follows_its_camera_too(estimator: Estimator) -> None:
    told, motions = _turning(np.radians([0.0, 50.0, 0.0]), 2)

    def length(streaming: bool, known: list[CameraMotion]) -> float:
        clip = estimate_clip(estimator, told, INTRINSICS, streaming=streaming, motions=known)
        return float(np.linalg.norm(clip.pelvis[-1] - clip.pelvis[0]))

    truth = walker(told[-1][0].t).joints_world[0] - walker(0).joints_world[0]
    for streaming in (True, False):
        assert abs(length(streaming, motions) - np.linalg.norm(truth)) < 0.4
        assert abs(length(streaming, []) - np.linalg.norm(truth)) > 0.8


def test_a_camera_that_is_known_to_stand_is_the_same_bits_as_one_that_is_not_known(
    estimator: Estimator,
) -> None:
    told, _ = _turning(np.zeros(3), 1)
    plain = whole_poses(estimator, told, INTRINSICS)
    stood = whole_poses(estimator, told, INTRINSICS, motions=[STILL] * len(told))
    for a, b in zip(plain, stood, strict=True):
        assert np.array_equal(a.joints, b.joints)
        assert np.array_equal(a.joints_cam, b.joints_cam)


def test_a_gyroscope_that_drifts_is_held_level_by_the_device_s_gravity() -> None:
    """Handheld for a minute: it says a tenth of a degree a second more than there is."""
    t, drift = np.arange(1800) / 30, np.radians([0.1, 0.0, -0.1]) / 30
    noise = np.random.default_rng(4)
    up = np.array([0.0, -0.9, -np.sqrt(1 - 0.81)])
    held = [np.radians(2) * np.sin(np.array([1.0, 0.7, 1.3]) * now) for now in t]
    motions = [STILL]
    for before, now in pairwise(rotation(turn) for turn in held):
        sensed = now.T @ up + np.radians(1) * noise.normal(size=3)
        turn = rotation_vector(before.T @ now @ rotation(drift))
        motions.append(CameraMotion(turn, 1.0, sensed / np.linalg.norm(sensed), carried=True))
    last = list(follow(list(t), motions))[-1].R_now2first
    assert _degrees(last @ rotation(held[-1]).T @ up, up) < 0.7  # by the turns alone 8
    without = [replace(motion, up_cam=None) for motion in motions]
    drifted = list(follow(list(t), without))[-1].R_now2first
    assert _degrees(drifted @ rotation(held[-1]).T @ up, up) > 5


def test_while_a_camera_stands_its_gravity_turns_nothing() -> None:
    up = np.array([[0.0, -1.0, 0.0], [0.1, -0.99, 0.0]])
    motions = [replace(STILL, up_cam=up[n % 2] / np.linalg.norm(up[n % 2])) for n in range(60)]
    cameras = list(follow(list(np.arange(60) / 30), motions))
    assert all(np.array_equal(camera.R_now2first, np.eye(3)) for camera in cameras)


def test_a_cut_that_the_background_tells_begins_another_place_for_everybody() -> None:
    told = [(tick, seen(t)) for tick, t in frames(30, 1)]
    motions = [STILL] * len(told)
    motions[12] = replace(STILL, cut=True)
    cameras = list(follow([tick.t for tick, _ in told], motions))
    parts = stretches(told, INTRINSICS, cameras)
    assert [(part.place, len(part.t)) for part in parts] == [((0, 0), 12), ((1, 0), 19)]


def test_who_jumps_before_a_camera_that_is_watched_stays_in_its_world() -> None:
    told = [
        (tick, seen(t) if t < 0.5 else replace(seen(t), pixels=seen(t).pixels + np.float32(700)))
        for tick, t in frames(30, 1)
    ]
    watched = list(follow([tick.t for tick, _ in told], [STILL] * len(told)))
    for cameras, places in ((watched, [(0, 0), (0, 0)]), (None, [(0, 0), (0, 1)])):
        parts = stretches(told, INTRINSICS, cameras)
        assert [part.place for part in parts] == places
        assert [part.shot for part in parts] == [0, 1]


def test_a_camera_that_is_carried_along_goes_where_resting_feet_say(estimator: Estimator) -> None:
    """Past somebody who stands still at 0.8 m/s: feet that rest go by."""
    there = walker(0.0).landmarks_cam
    told, motions = list[Frame](), list[CameraMotion]()
    for tick, t in frames(30, 3):
        points = there - np.array([0.8 * t - 1.2, 0.0, 0.0])
        pixels = points[:, :2] / points[:, 2:] * INTRINSICS.fx + (INTRINSICS.cx, INTRINSICS.cy)
        one = replace(seen(0.0), pixels=pixels.astype(np.float32))
        told.append((tick, one))
        motions.append(CameraMotion(np.zeros(3), 1.0, carried=True))
    ways = [
        np.linalg.norm(np.diff(_pelvis(poses)[[0, -1]], axis=0))
        for poses in (
            whole_poses(estimator, told, INTRINSICS, motions=motions),
            whole_poses(estimator, told, INTRINSICS),
        )
    ]
    assert ways[1] > 1.8  # seen by a camera that is taken to stand
    assert ways[0] < 0.6 * ways[1]


# ---- several people ------------------------------------------------------------------------------


def test_people_of_a_recording_share_its_floor_and_are_as_large_as_it_says(
    estimator: Estimator,
) -> None:
    size, offset = 0.75, np.array([1.2, 0.0, 0.8])  # of a child, further right and further away

    def told(offset: Array, size: float, enters: int) -> list[Frame]:
        rows: list[tuple[object, Keypoints | None]] = []
        for n, (tick, t) in enumerate(frames(30, 3)):
            rows.append((tick, walking(t, offset, size) if n >= enters else None))
        return cast(list[Frame], rows)

    adult, child = whole_people(
        estimator, [told(np.zeros(3), 1.0, 0), told(offset, size, 20)], INTRINSICS
    )
    assert (len(adult), len(child)) == (91, 71)
    apart = _pelvis(child) - _pelvis(adult)[20:]
    hips = (size - 1) * float(walker(0).joints_world[0, 1])
    error = np.linalg.norm(apart - (offset[0], hips, -offset[2]), axis=1)
    assert np.median(error) < 0.25  # 1.5 m by the model's sizes
    assert error[0] < 0.35
    feet = [np.median([pose.joints[[10, 11], 1].min() for pose in one]) for one in (adult, child)]
    assert abs(feet[1] - feet[0]) < 0.1
    assert len({pose.shape.tobytes() for pose in child}) == 1


def test_with_a_stated_height_everybody_has_it(estimator: Estimator) -> None:
    told = [
        [(tick, walking(t, np.array([x, 0.0, 0.0]), size)) for tick, t in frames(30, 1)]
        for x, size in ((0.0, 1.0), (1.2, 0.8))
    ]
    people = whole_people(estimator, told, INTRINSICS, height_m=1.8)
    spans = [np.ptp(poses[0].joints[:, 1]) for poses in people]
    assert spans[0] == pytest.approx(spans[1], abs=0.03)


def test_nobody_among_people_has_no_poses(estimator: Estimator) -> None:
    told = [(tick, seen(t)) for tick, t in frames(30, 0.5)]
    empty: list[Frame] = [(tick, None) for tick, _ in told]
    one, none = whole_people(estimator, [told, empty], INTRINSICS)
    assert (len(one), len(none)) == (16, 0)

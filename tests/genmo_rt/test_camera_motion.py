"""Turns from tracked points, and worlds that stay while their camera turns."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from genmo_rt.camera_motion import (
    STILL,
    CameraMotion,
    joined,
    rotation,
    rotation_vector,
    turn_between,
)
from genmo_rt.carried import BEGIN_M_S, Carrier, Passing
from genmo_rt.estimate import Estimator
from genmo_rt.keypoints import Keypoints
from genmo_rt.pose import Pose
from genmo_rt.world import World, as_steady
from tests.genmo_rt.walk import INTRINSICS, frames, seen

Array = NDArray[np.float64]
NOISE = 1e-3  # radians
SEEDS = st.integers(0, 2**32 - 1)
turns = st.lists(st.floats(-0.25, 0.25), min_size=3, max_size=3).map(np.array)


def panned(degrees: float) -> Array:
    """The turn of a camera that pans to the right."""
    return np.array([0.0, np.radians(degrees), 0.0])


def turned(turn: Array, **what: object) -> CameraMotion:
    return replace(CameraMotion(turn, 1.0), **what)  # type: ignore[arg-type]


def before_turned_camera(keypoints: Keypoints, R_now2static: Array) -> Keypoints:
    """What a camera that turned sees of what the static one sees."""
    return as_steady(keypoints, INTRINSICS, R_now2static.T)


def rays(random: np.random.Generator, count: int) -> Array:
    flat = random.uniform(-0.5, 0.5, (count, 2))
    points = np.concatenate((flat, np.ones((count, 1))), axis=1)
    return np.asarray(points / np.linalg.norm(points, axis=1, keepdims=True))


@given(turn=turns, seed=SEEDS)
@settings(max_examples=40, deadline=None)
def test_a_turn_is_found_though_a_third_of_the_points_go_their_own_way(
    turn: Array, seed: int
) -> None:
    random = np.random.default_rng(seed)
    now = rays(random, 90)
    before = now @ rotation(turn).T + NOISE / 3 * random.normal(size=(90, 3))
    before[:30] = before[:30] @ rotation(np.array([0.0, 0.08, 0.02])).T
    found = turn_between(before, now, NOISE)
    assert found is not None
    assert np.linalg.norm(found.turn - turn) < 1e-3
    assert found.agreeing == pytest.approx(2 / 3, abs=0.1)


def test_points_that_agree_on_nothing_tell_no_turn() -> None:
    random = np.random.default_rng(0)
    assert turn_between(rays(random, 60), rays(random, 60), NOISE) is None
    assert turn_between(rays(random, 5), rays(random, 5), NOISE) is None


@given(turn=turns)
@settings(max_examples=40, deadline=None)
def test_a_rotation_vector_comes_back(turn: Array) -> None:
    np.testing.assert_allclose(rotation_vector(rotation(turn)), turn, atol=1e-12)


@pytest.mark.parametrize(
    ("turn", "axis_cam", "expected"),
    [
        (panned(30), [0, 0, 1], [0.5, 0, -np.sqrt(0.75)]),  # to the right: looks towards +x
        (np.radians([30.0, 0, 0]), [0, 0, 1], [0, 0.5, -np.sqrt(0.75)]),  # up: looks upwards
        (np.radians([0, 0, 30.0]), [0, -1, 0], [0.5, np.sqrt(0.75), 0]),  # clockwise: leans right
    ],
)
def test_turns_have_the_signs_that_the_page_says(
    turn: Array, axis_cam: list[float], expected: list[float]
) -> None:
    world = World()
    for _ in range(10):
        world.move_camera(0.0, turned(turn / 10))
    to_steady = world.R_now2steady
    in_steady = np.array(axis_cam) if to_steady is None else to_steady @ axis_cam
    np.testing.assert_allclose(world.directions(in_steady), expected, atol=1e-9)


@given(steps=st.lists(turns, min_size=1, max_size=12), seed=SEEDS)
@settings(max_examples=40, deadline=None)
def test_a_point_keeps_its_place_in_the_world_however_the_camera_turns(
    steps: list[Array], seed: int
) -> None:
    point = np.random.default_rng(seed).normal(size=3)  # in the static camera
    world, now = World(), np.eye(3)
    at = world.points(point)
    for turn in steps:
        now = now @ rotation(turn)
        world.move_camera(0.0, turned(turn))
        to_steady = np.eye(3) if world.R_now2steady is None else world.R_now2steady
        np.testing.assert_allclose(world.points(to_steady @ (now.T @ point)), at, atol=1e-9)
        angle = np.linalg.norm(rotation_vector(to_steady))
        assert angle <= np.radians(20) + 1e-9


@given(turn=turns)
@settings(max_examples=20, deadline=None)
def test_landmarks_of_a_turned_camera_are_put_where_the_steady_one_sees_them(turn: Array) -> None:
    there = before_turned_camera(seen(1.0), rotation(turn))
    back = as_steady(there, INTRINSICS, rotation(turn))
    np.testing.assert_allclose(back.pixels, seen(1.0).pixels, atol=0.01)


def test_a_still_camera_is_the_steady_one() -> None:
    world = World()
    for i in range(5):
        world.move_camera(i / 30, STILL)
    assert world.R_now2steady is None
    np.testing.assert_array_equal(world.R_c2w, World().R_c2w)


def test_a_cut_forgets_the_turn_and_keeps_the_floor() -> None:
    world = World()
    world.start(0.0, np.array([[0.0, 1.5, 4.0]]))
    for _ in range(3):
        world.move_camera(0.0, turned(panned(25)))
    world.move_camera(0.1, turned(panned(80), cut=True))
    assert world.R_now2steady is None
    assert world.shot == 1
    np.testing.assert_allclose(world.R_c2w, World().R_c2w, atol=1e-9)
    assert world.camera_height == pytest.approx(1.5)


def test_the_sensors_gravity_is_there_with_the_first_pose_and_slews_afterwards() -> None:
    up = rotation(np.radians([-30.0, 0, 0])) @ [0, -1, 0]
    world = World()
    world.move_camera(0.0, turned(np.zeros(3), up_cam=up))
    np.testing.assert_allclose(world.R_c2w[1], up, atol=1e-9)
    soles = np.array([[0.0, 1.5, 4.0]])
    world.start(0.0, soles)
    before = world.R_c2w[1]
    for i in range(1, 91):
        world.move_camera(i / 30, turned(np.zeros(3), up_cam=np.array([0.0, -1, 0])))
        world.observe(i / 30, np.array([1.0, 0, 0]), soles, np.ones(1))
        step = np.degrees(np.arccos(np.clip(world.R_c2w[1] @ before, -1, 1)))
        assert step <= 2 / 30 + 1e-6
        before = world.R_c2w[1]
    assert np.degrees(np.arccos(before @ up)) == pytest.approx(6, abs=0.1)


def test_a_shaken_sensor_tilts_the_world_little() -> None:
    random = np.random.default_rng(4)
    world = World()
    soles = np.array([[0.0, 1.5, 4.0]])
    world.move_camera(0.0, turned(np.zeros(3), up_cam=np.array([0.0, -1, 0])))
    world.start(0.0, soles)
    for i in range(1, 301):
        shaken = np.array([0.0, -1, 0]) + 0.2 * random.normal(size=3)
        world.move_camera(i / 30, turned(np.zeros(3), up_cam=shaken / np.linalg.norm(shaken)))
        world.observe(i / 30, np.array([0.0, -1, 0]), soles, np.ones(1))
        assert np.degrees(np.arccos(np.clip(-world.R_c2w[1, 1], -1, 1))) < 5


def _carry(going: Array, person: Array, seconds: float) -> Array:
    """Velocity that is found of a camera before a person, one of whose two feet always rests."""
    carrier = Carrier()
    contact = np.array([0.9, 0.1])
    soles = np.stack((-going, 2 * person - going))
    for _ in range(round(seconds * 30)):
        carrier.step(1 / 30, Passing(soles, person - going), contact)
    return carrier.velocity


def test_a_camera_that_walks_along_goes_as_resting_feet_seem_to_go_backwards() -> None:
    walk = np.array([1.2, 0.0, -0.3])
    np.testing.assert_allclose(_carry(walk, walk, 6), walk, atol=0.01)


def test_a_camera_that_hardly_goes_stands() -> None:
    drift = np.array([0.8 * BEGIN_M_S, 0.0, 0.0])
    assert not _carry(drift, np.zeros(3), 6).any()
    assert not _carry(-drift, np.array([1.3, 0, 0]), 6).any()


@pytest.fixture(scope="module")
def estimator() -> Estimator:
    return Estimator.load()


def _poses(estimator: Estimator, pan: Array, *, told: bool = True, delay: int = 0) -> list[Pose]:
    """A walker before a camera that pans, degrees at each tick."""
    stream = estimator.stream(INTRINSICS, delay=delay)
    poses, last = [], 0.0
    for (tick, t), degrees in zip(frames(30, (len(pan) - 1) / 30), pan, strict=True):
        stream.world.move_camera(t, turned(panned(degrees - last)) if told else STILL)
        keypoints = before_turned_camera(seen(t), rotation(panned(degrees)))
        pose = stream.step(tick, keypoints)
        last = degrees
        if pose is not None:
            poses.append(pose)
    stream.close()
    return poses


@pytest.mark.parametrize("delay", [0, 3])
def test_a_person_stays_in_place_while_the_camera_pans_by_50_degrees(
    estimator: Estimator, delay: int
) -> None:
    pan = np.concatenate((np.zeros(10), np.linspace(0, 50, 40), np.full(10, 50.0)))
    still = _poses(estimator, 0 * pan, delay=delay)
    moving = _poses(estimator, pan, delay=delay)
    apart = [
        np.linalg.norm(a.joints - b.joints, axis=1).mean()
        for a, b in zip(still, moving, strict=True)
    ]
    assert len(moving) == len(still)
    assert max(apart) < 0.4
    pelvis = [np.linalg.norm(a.pelvis - b.pelvis) for a, b in zip(still, moving, strict=True)]
    assert max(pelvis) < 0.35
    untold = _poses(estimator, pan, told=False, delay=delay)
    assert np.linalg.norm(untold[-1].pelvis - still[-1].pelvis) > 1.0


def test_poses_in_the_camera_are_in_the_one_that_turned(estimator: Estimator) -> None:
    pan = np.linspace(0, 15, 20)
    still, moving = _poses(estimator, 0 * pan)[-1], _poses(estimator, pan)[-1]
    expected = still.joints_cam @ rotation(panned(15))
    np.testing.assert_allclose(moving.joints_cam, expected, atol=0.02)


def test_two_motions_joined_are_one_after_the_other() -> None:
    one = CameraMotion(np.array([0.1, 0.3, 0.0]), 0.9)
    other = CameraMotion(np.array([0.0, -0.1, 0.2]), 0.7, carried=True)
    both = joined(one, other)
    np.testing.assert_allclose(
        rotation(both.turn), rotation(one.turn) @ rotation(other.turn), atol=1e-12
    )
    assert (both.sure, both.carried, both.cut) == (0.7, True, False)
    assert not joined(STILL, STILL).turn.any()
    np.testing.assert_array_equal(joined(one, STILL).turn, one.turn)


def test_what_was_before_a_cut_is_gone_and_the_cut_is_not() -> None:
    cut = CameraMotion(np.zeros(3), 0.0, cut=True)
    turn = CameraMotion(np.array([0.1, 0.0, 0.0]), 1.0)
    assert not joined(turn, cut).turn.any()
    assert joined(turn, cut).cut
    assert joined(cut, turn).cut

"""The stream's world: its prior, its axes, and how gravity and the floor are refined."""

import numpy as np
import pytest
from numpy.typing import NDArray

from genmo_rt.gravity import camera_to_world
from genmo_rt.world import World

Array = NDArray[np.float64]
CAMERA_HEIGHT = 1.5


def _camera(pitch_down: float, roll: float = 0.0) -> Array:
    """R_c2w of a camera tilted down and rolled, heading along −z (degrees)."""
    p, r = np.radians([pitch_down, roll])
    level = np.diag([1.0, -1.0, -1.0])
    tilt = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    lean = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return np.asarray(level @ tilt.T @ lean)


def _to_cam(points_world: Array, R_c2w: Array) -> Array:
    return np.asarray((points_world - [0.0, CAMERA_HEIGHT, 0.0]) @ R_c2w)


SOLES = np.array([[-0.1, 0.0, -3.2], [-0.1, 0.0, -3.0], [0.1, 0.0, -3.2], [0.1, 0.0, -3.0]])
RESTING = np.ones(4)


def _watch(
    world: World, R_c2w: Array, seconds: float, noise_degrees: float = 0.0, outliers: float = 0.0
) -> list[tuple[Array, float]]:
    """Lets the world see a standing person; returns (R_c2w, height of the lowest sole)."""
    generator = np.random.default_rng(5)
    soles_cam = _to_cam(SOLES, R_c2w)
    if not world.started:
        world.start(0.0, soles_cam)
    seen = []
    for i in range(1, round(seconds * 30) + 1):
        up = R_c2w[1] + np.radians(noise_degrees) * generator.normal(size=3)
        if generator.random() < outliers:
            up = generator.normal(size=3)
        world.observe(i / 30, up, soles_cam, RESTING)
        seen.append((world.R_c2w, float(world.points(soles_cam)[:, 1].min())))
    return seen


def test_a_level_camera_is_the_prior_and_a_person_facing_it_faces_plus_z() -> None:
    world = World()
    np.testing.assert_allclose(world.R_c2w, np.diag([1, -1, -1]), atol=1e-12)
    np.testing.assert_allclose(world.directions(np.array([0.0, 0, -1])), [0, 0, 1], atol=1e-12)


@pytest.mark.parametrize(
    ("pitch", "roll"), [(0, 0), (15, 0), (-20, 5), (40, -30), (89.9, 0), (-90, 0)]
)
def test_the_camera_rotation_is_proper_and_has_its_axis_along_minus_z(
    pitch: float, roll: float
) -> None:
    R = camera_to_world(_camera(pitch, roll)[1])
    np.testing.assert_allclose(R @ R.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(R) == pytest.approx(1)
    axis = R @ [0, 0, 1]
    assert axis[0] == pytest.approx(0, abs=1e-9)
    assert axis[2] < 1e-9
    if abs(pitch) < 80:
        np.testing.assert_allclose(R, camera_to_world(R[1]), atol=1e-12)
        assert np.degrees(np.arcsin(-axis[1])) == pytest.approx(pitch)


def test_the_first_pose_stands_on_the_floor_below_the_camera() -> None:
    world = World()
    soles_cam = _to_cam(SOLES, _camera(0))
    world.start(0.0, soles_cam)
    np.testing.assert_allclose(world.points(soles_cam), SOLES, atol=1e-9)
    assert world.camera_height == pytest.approx(CAMERA_HEIGHT)


@pytest.mark.parametrize(("pitch", "roll"), [(15, 0), (-10, 0), (12, 8)])
def test_a_tilted_camera_is_found_while_the_person_keeps_to_the_floor(
    pitch: float, roll: float
) -> None:
    world = World()
    truth = camera_to_world(_camera(pitch, roll)[1])
    seen = _watch(world, truth, seconds=30, noise_degrees=4, outliers=0.1)
    error = np.degrees(np.arccos(np.clip(world.R_c2w[1] @ truth[1], -1, 1)))
    assert error < 1.0
    assert max(abs(height) for _, height in seen) < 0.03
    assert np.linalg.norm(world.points(_to_cam(SOLES, truth)) - SOLES, axis=1).max() < 0.1


def test_corrections_turn_by_at_most_two_degrees_a_second() -> None:
    seen = _watch(World(), _camera(25), seconds=10)
    ups = np.array([R[1] for R, _ in seen])
    turns = np.degrees(np.arccos(np.clip((ups[1:] * ups[:-1]).sum(1), -1, 1)))
    assert turns.max() == pytest.approx(2 / 30, rel=1e-3)


def test_a_wrong_floor_is_corrected_by_at_most_five_centimetres_a_second() -> None:
    """The first pose had one foot in the air and the other out of the picture."""
    R = _camera(0)
    world = World()
    world.start(0.0, _to_cam(SOLES + np.array([0, 0.3, 0]), R))
    heights = [height for _, height in _watch(world, R, seconds=15)]
    steps = np.abs(np.diff(heights))
    assert steps.max() <= 0.05 / 30 + 1e-9
    assert heights[0] == pytest.approx(-0.3, abs=0.01)
    assert abs(heights[-1]) < 0.005


def test_a_jump_does_not_move_the_floor() -> None:
    R = _camera(0)
    world = World()
    _watch(world, R, seconds=2)
    for i in range(60, 90):
        world.observe(i / 30, R[1], _to_cam(SOLES + np.array([0, 0.4, 0]), R), np.zeros(4))
    assert world.camera_height == pytest.approx(CAMERA_HEIGHT, abs=1e-6)


def test_feet_far_under_the_floor_lower_it_whatever_their_contacts_say() -> None:
    R = _camera(0)
    world = World()
    world.start(0.0, _to_cam(SOLES + np.array([0, 0.2, 0]), R))
    for i in range(1, 301):
        world.observe(i / 30, R[1], _to_cam(SOLES, R), np.zeros(4))
    assert world.points(_to_cam(SOLES, R))[:, 1].min() > -0.06


@pytest.mark.parametrize(("lift", "floor_at"), [(-1.7, 0.0), (0.8, 0.0), (0.1, 0.1), (-0.2, -0.2)])
def test_after_a_cut_a_person_far_off_the_floor_gets_a_new_one(
    lift: float, floor_at: float
) -> None:
    R = _camera(0)
    world = World()
    _watch(world, R, seconds=2)
    soles_cam = _to_cam(SOLES + np.array([0, lift, 0]), R)
    world.cut(2.1, soles_cam)
    assert world.points(soles_cam)[:, 1].min() == pytest.approx(floor_at, abs=0.01)


def test_two_persons_at_one_time_do_not_double_the_slew() -> None:
    soles_cam = _to_cam(SOLES, _camera(20))
    world = World()
    world.start(0.0, soles_cam)
    for i in range(1, 31):
        for _ in range(2):
            world.observe(i / 30, _camera(20)[1], soles_cam, RESTING)
    assert np.degrees(np.arccos(-world.R_c2w[1][1])) <= 2.0 + 1e-6


def test_the_sensors_gravity_replaces_the_level_prior() -> None:
    up = _camera(30)[1]
    np.testing.assert_allclose(World(up_cam=up).R_c2w[1], up, atol=1e-12)

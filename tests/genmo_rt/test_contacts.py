"""Resting feet that stay: the leg's inverse kinematics, and when feet are held."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from genmo_rt.contacts import (
    LEGS,
    FootHold,
    Leg,
    hold_clip,
    hold_together,
    placed,
    reach,
    root_errors,
)
from genmo_rt.refine import Figure
from genmo_rt.rests import POINTS
from genmo_rt.rotation import axis_angle_to_rotmat
from genmo_rt.skeleton import JOINT_NAMES, PARENTS
from genmo_rt.smpl import load_body

Array = NDArray[np.float64]
LEFT, RIGHT = LEGS
ALL_REST, NONE_RESTS = np.full(4, 0.999), np.full(4, 0.001)


def _posed(axis_angle: Array, depth: float = 4.0) -> tuple[Array, Array]:
    """(24, 3, 3) rotations and (24, 3) joints of a body that faces the camera."""
    body = load_body()
    rotmat = axis_angle_to_rotmat(torch.from_numpy(axis_angle))
    rotmat[0] = torch.diag(torch.tensor([1.0, -1.0, -1.0], dtype=torch.float64)) @ rotmat[0]
    rest = body.rest_joints(torch.zeros(10, dtype=torch.float64))
    pelvis = torch.tensor([0.3, 0.0, depth], dtype=torch.float64)
    turned, joints = body.forward_kinematics(rotmat, pelvis, rest)
    return turned.numpy(), joints.numpy()


def _crouch() -> Array:
    pose = np.zeros((24, 3))
    for side in ("left", "right"):
        pose[JOINT_NAMES.index(f"{side}_hip"), 0] = -0.4
        pose[JOINT_NAMES.index(f"{side}_knee"), 0] = 0.7
    return pose


def _ankle(rotmat: Array, before: Array, joints: Array, leg: Leg) -> Array:
    """The ankle after the leg's joints were turned from `before` to `rotmat`."""
    thigh = rotmat[leg.hip] @ before[leg.hip].T @ (joints[leg.knee] - joints[leg.hip])
    shin = rotmat[leg.knee] @ before[leg.knee].T @ (joints[leg.ankle] - joints[leg.knee])
    return np.asarray(joints[leg.hip] + thigh + shin)


@pytest.mark.parametrize("leg", LEGS)
@pytest.mark.parametrize("shift", [(0, 0, 0.1), (0.05, -0.05, -0.08), (0, 0.01, 0)])
def test_the_ankle_reaches_its_target(leg: Leg, shift: tuple[float, float, float]) -> None:
    rotmat, joints = _posed(_crouch())
    target = joints[leg.ankle] + shift
    turned = reach(rotmat, joints, leg, target)
    np.testing.assert_allclose(_ankle(turned, rotmat, joints, leg), target, atol=2e-3)


def test_only_hip_and_knee_of_the_leg_turn_and_stay_rotations() -> None:
    rotmat, joints = _posed(_crouch())
    turned = reach(rotmat, joints, LEFT, joints[LEFT.ankle] + np.array([0, 0, 0.1]))
    others = [j for j in range(24) if j not in (LEFT.hip, LEFT.knee)]
    np.testing.assert_array_equal(turned[others], rotmat[others])
    np.testing.assert_allclose(
        turned @ turned.transpose(0, 2, 1), np.tile(np.eye(3), (24, 1, 1)), atol=1e-9
    )


def test_a_target_out_of_reach_stretches_the_leg_towards_it() -> None:
    rotmat, joints = _posed(_crouch())
    target = joints[LEFT.ankle] + np.array([0, 0.6, 0])
    ankle = _ankle(reach(rotmat, joints, LEFT, target), rotmat, joints, LEFT)
    straight = (ankle - joints[LEFT.hip]) / np.linalg.norm(ankle - joints[LEFT.hip])
    wanted = (target - joints[LEFT.hip]) / np.linalg.norm(target - joints[LEFT.hip])
    np.testing.assert_allclose(straight, wanted, atol=1e-3)


def test_a_straight_knee_bends_backwards() -> None:
    rotmat, joints = _posed(np.zeros((24, 3)))
    target = joints[LEFT.ankle] + np.array([0, -0.15, 0])  # up, in the camera
    turned = reach(rotmat, joints, LEFT, target)
    shin = turned[LEFT.hip].T @ turned[LEFT.knee] @ np.array([0, -1.0, 0])
    assert shin[2] < -0.3  # behind the thigh, in the thigh's own frame


def _figure(shift: Array | None = None, pose: Array | None = None) -> Figure:
    """A crouching body that faces the camera, shifted."""
    rotmat, joints = _posed(_crouch() if pose is None else pose)
    offsets = load_body().landmark_offsets(torch.zeros(10, dtype=torch.float64)).numpy()
    return Figure(rotmat, joints + (np.zeros(3) if shift is None else shift), offsets)


def _held(figure: Figure, rotmat: Array) -> Array:
    """(4, 3) heels and toes with the legs turned to `rotmat`."""
    joints = figure.joints.copy()
    for child in range(1, 24):
        parent = PARENTS[child]
        bone = figure.rotmat[parent].T @ (figure.joints[child] - figure.joints[parent])
        joints[child] = joints[parent] + rotmat[parent] @ bone
    return Figure(rotmat, joints, figure.landmark_offsets).landmarks(POINTS)


def _step(hold: FootHold, t: float, figure: Figure, rests: Array) -> Array:
    """(4, 3) heels and toes after a step."""
    seen = figure.landmarks(POINTS)
    alone = Figure(figure.rotmat[None], figure.joints[None], figure.landmark_offsets[None])
    shifts = hold.shifts(t, seen, rests)
    return _held(figure, placed(alone, seen[None], shifts[None], rests[None])[0])


def _tremble(seconds: float, rests: Array, tremble: float) -> tuple[Array, Array]:
    """(L, 4, 3) heels and toes of a body whose place trembles, as seen and as held."""
    generator = np.random.default_rng(0)
    hold, seen, held = FootHold(), [], []
    for i in range(round(seconds * 30)):
        figure = _figure(generator.normal(0, tremble, 3) * [0.3, 0.3, 1])
        seen.append(figure.landmarks(POINTS))
        held.append(_step(hold, i / 30, figure, rests))
    return np.array(seen), np.array(held)


def _speed(points: Array) -> float:
    return float(np.linalg.norm(np.diff(points, axis=0), axis=-1).mean() * 30)


def test_resting_heels_and_toes_move_a_tenth_as_much() -> None:
    seen, held = _tremble(3.0, ALL_REST, tremble=0.02)
    assert _speed(held) < 0.1 * _speed(seen)


def test_feet_that_move_are_left_alone() -> None:
    seen, held = _tremble(0.5, NONE_RESTS, tremble=0.02)
    np.testing.assert_allclose(held, seen, atol=1e-3)


def test_a_toe_stays_while_its_heel_rises() -> None:
    hold, toe = FootHold(), []
    for i in range(15):
        pose = _crouch()
        pose[JOINT_NAMES.index("left_ankle"), 0] = 0.04 * i
        figure = _figure(pose=pose)
        seen = figure.landmarks(POINTS)
        held = _step(hold, i / 30, figure, np.array([0.001, 0.999, 0.001, 0.001]))
        assert np.linalg.norm(held[0] - seen[0]) < 0.05
        toe.append((seen[1], held[1]))
    (first, _), (last, kept) = toe[0], toe[-1]
    assert np.linalg.norm(last - first) > 0.08
    assert np.linalg.norm(kept - first) < 0.03


def test_a_foot_that_is_let_go_returns_without_a_jump() -> None:
    hold, off = FootHold(), []
    for i in range(40):
        figure = _figure(np.array([0, 0, 0.01 * min(i, 10)]))
        rests = ALL_REST if i < 12 else NONE_RESTS
        off.append(np.linalg.norm(_step(hold, i / 30, figure, rests) - figure.landmarks(POINTS)))
    assert off[11] / 2 > 0.08  # of four points; each is held back by nearly 10 cm
    assert np.abs(np.diff(off[11:])).max() / 2 < 0.03
    assert off[-1] < 0.01


def test_a_foot_wrongly_held_follows_the_picture() -> None:
    """Walking sideways at 1 m/s while everything is said to rest."""
    hold = FootHold()
    for i in range(30):
        figure = _figure(np.array([i / 30, 0, 0]))
        seen = figure.landmarks(POINTS)
        off = _step(hold, i / 30, figure, ALL_REST) - seen
        ray = seen / np.linalg.norm(seen, axis=1, keepdims=True)
        across = off - (off * ray).sum(1, keepdims=True) * ray
        assert np.linalg.norm(across, axis=1).max() < 0.1


def test_the_root_makes_up_for_what_both_feet_say_of_its_depth() -> None:
    hold = FootHold()
    root = np.array([0.3, 0.0, 4.0])
    _step(hold, 0.0, _figure(), ALL_REST)
    moved, left = np.zeros(3), []
    for i in range(1, 31):
        figure = _figure(np.array([0, 0, 0.1]) + moved)
        seen = figure.landmarks(POINTS)
        left.append(np.linalg.norm(hold.shifts(i / 30, seen, ALL_REST), axis=1).mean())
        moved = moved + hold.root_error(1 / 30, root, ALL_REST)
    np.testing.assert_allclose(moved, -0.1 * root / np.linalg.norm(root), atol=0.02)
    assert left[-1] < 0.3 * left[0]


def test_what_is_held_turns_with_the_camera() -> None:
    """Held feet seen from a camera that turned are where they were, in the room."""
    turned = axis_angle_to_rotmat(torch.tensor([0.0, 0.4, 0.0], dtype=torch.float64)).numpy()
    still, moving = FootHold(), FootHold()
    first, second = _figure().landmarks(POINTS), _figure(np.array([0, 0, 0.03])).landmarks(POINTS)
    still.shifts(0.0, first, ALL_REST)
    moving.shifts(0.0, first, ALL_REST)
    moving.turn(turned)
    expected = still.shifts(1 / 30, second, ALL_REST) @ turned.T
    np.testing.assert_allclose(
        moving.shifts(1 / 30, second @ turned.T, ALL_REST), expected, atol=1e-9
    )


def test_what_a_carried_camera_passes_by_is_not_held_back() -> None:
    hold = FootHold()
    for i in range(10):
        figure = _figure(np.array([0.03 * i, 0, 0]))
        seen = figure.landmarks(POINTS)
        assert np.abs(hold.shifts(i / 30, seen, ALL_REST)).max() < 1e-9
        hold.carry(np.array([0.03, 0, 0]))


def test_several_are_held_side_by_side_as_each_alone() -> None:
    """One of them comes later."""
    random = np.random.default_rng(3)
    together, alone = ([FootHold() for _ in range(3)] for _ in range(2))
    points = _figure().landmarks(POINTS)
    for i in range(20):
        there = [p for p in range(3) if p != 1 or i >= 5]
        t = np.array([i / 30 + 0.002 * p for p in there])
        seen = points + random.normal(0, 0.02, (len(there), 4, 3))
        rests = random.uniform(0.01, 0.99, (len(there), 4))
        root, dt = seen[:, 0] - 1, np.full(len(there), 1 / 30)
        holds = [together[p] for p in there]
        shifts, moved = hold_together(holds, t, seen, rests), root_errors(holds, dt, root, rests)
        for row, p in enumerate(there):
            own = alone[p].shifts(float(t[row]), seen[row], rests[row])
            np.testing.assert_array_equal(shifts[row], own)
            own = alone[p].root_error(1 / 30, root[row], rests[row])
            np.testing.assert_array_equal(moved[row], own)


def test_legs_are_chains_of_the_tree() -> None:
    for leg in LEGS:
        assert PARENTS[leg.knee] == leg.hip
        assert PARENTS[leg.ankle] == leg.knee


def test_a_clip_s_feet_stay_while_they_rest_and_are_let_go_on_both_sides() -> None:
    t = np.arange(60) / 30
    figures = [_figure(np.array([0, 0, 0.03 * np.sin(9 * now)])) for now in t]
    seen = np.stack([figure.landmarks(POINTS) for figure in figures])
    rests = np.full((60, 4), 0.001)
    rests[20:40, :2] = 0.999
    rotmat = hold_clip(t, figures, seen, rests)
    held = np.stack([_held(*pair) for pair in zip(figures, rotmat, strict=True)])
    assert _speed(held[20:40, :2]) < 0.15 * _speed(seen[20:40, :2])
    off = np.linalg.norm(held - seen, axis=-1)[:, 0]
    assert np.abs(np.diff(off)).max() < 0.02
    assert off[[0, 59]].max() < 0.005
    np.testing.assert_allclose(held[:, 2:], seen[:, 2:], atol=0.003)

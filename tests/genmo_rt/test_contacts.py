"""Resting feet that stay: the leg's inverse kinematics, and when feet are held."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from genmo_rt.contacts import LEGS, FootHold, HoldRule, Leg, hold_clip, reach
from genmo_rt.rotation import axis_angle_to_rotmat
from genmo_rt.skeleton import JOINT_NAMES, PARENTS
from genmo_rt.smpl import load_body

Array = NDArray[np.float64]
LEFT, RIGHT = LEGS
ALL_REST, NONE_RESTS = np.ones(6), np.zeros(6)


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


def _hold(contacts: Array, seconds: float, tremble: float) -> tuple[Array, Array]:
    """Ankles of a crouching body whose depth trembles, as seen and as held."""
    generator = np.random.default_rng(0)
    hold, seen, held = FootHold(), [], []
    for i in range(round(seconds * 30)):
        rotmat, joints = _posed(_crouch(), depth=4.0 + generator.normal(0, tremble))
        turned = hold.apply(i / 30, rotmat, joints, contacts)
        seen.append(joints[LEFT.ankle])
        held.append(_ankle(turned, rotmat, joints, LEFT))
    return np.array(seen), np.array(held)


def test_resting_feet_move_less_than_half_as_much() -> None:
    seen, held = _hold(ALL_REST, 3.0, tremble=0.02)
    assert (
        np.abs(np.diff(held[30:], axis=0)).mean() < 0.4 * np.abs(np.diff(seen[30:], axis=0)).mean()
    )


def test_feet_that_do_not_rest_are_left_alone() -> None:
    seen, held = _hold(NONE_RESTS, 0.5, tremble=0.02)
    np.testing.assert_allclose(held, seen, atol=1e-12)


def test_a_foot_that_is_let_go_returns_without_a_jump() -> None:
    rule = HoldRule()
    hold = FootHold(rule)
    rotmat, joints = _posed(_crouch(), depth=4.0)
    hold.apply(0.0, rotmat, joints, ALL_REST)
    apart = []
    for i in range(1, 31):
        rotmat, joints = _posed(_crouch(), depth=4.1)
        turned = hold.apply(i / 30, rotmat, joints, ALL_REST if i < 3 else NONE_RESTS)
        apart.append(np.linalg.norm(_ankle(turned, rotmat, joints, LEFT) - joints[LEFT.ankle]))
    assert apart[0] > 0.08
    assert np.abs(np.diff(apart[1:])).max() < 0.04
    assert apart[-1] < 0.001


def test_a_foot_wrongly_held_follows_the_picture() -> None:
    """Walking sideways at 1 m/s with contacts that never end."""
    hold = FootHold()
    for i in range(30):
        rotmat, joints = _posed(_crouch())
        joints = joints + np.array([i / 30, 0, 0])
        turned = hold.apply(i / 30, rotmat, joints, ALL_REST)
        ankle = _ankle(turned, rotmat, joints, LEFT)
        assert np.linalg.norm((ankle - joints[LEFT.ankle])[:2]) < 0.08


def test_legs_are_chains_of_the_tree() -> None:
    for leg in LEGS:
        assert PARENTS[leg.knee] == leg.hip
        assert PARENTS[leg.ankle] == leg.knee


def test_a_clip_s_ankle_stays_while_it_rests_and_fades_on_both_sides() -> None:
    rotmat, joints = _posed(_crouch())
    t = np.arange(60) / 30
    tremble = 0.05 * np.sin(7 * t)[:, None] * joints[LEFT.ankle] / 4  # along the ray
    moved = np.repeat(joints[None], 60, 0)
    moved += tremble[:, None]
    contacts = np.zeros((60, 6))
    contacts[20:40, :2] = 0.9
    held = hold_clip(t, np.repeat(rotmat[None], 60, 0), moved, contacts)
    ankles = np.stack([_ankle(held[i], rotmat, moved[i], LEFT) for i in range(60)])
    np.testing.assert_allclose(ankles[20:40], ankles[[20]].repeat(20, 0), atol=1e-3)
    off = np.linalg.norm(ankles - moved[:, LEFT.ankle], axis=1)
    assert off[19] > off[18] > off[17]
    assert off[40] > off[41] > off[42]
    assert off[[0, 59]].max() < 1e-3
    np.testing.assert_allclose(held[:, RIGHT.hip], rotmat[RIGHT.hip][None].repeat(60, 0), atol=1e-3)

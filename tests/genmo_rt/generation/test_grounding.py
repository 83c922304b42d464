"""From motion vectors to a clip on the floor."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from genmo_rt.contacts import LEGS
from genmo_rt.formats.clip import Clip
from genmo_rt.generation.grounding import ground, smooth
from genmo_rt.generation.keyframes import Keyframe
from genmo_rt.motion import MOTION_WIDTH, SLICES
from genmo_rt.rotation import axis_angle_to_rotmat, rotmat_to_rot6d
from genmo_rt.smpl import load_body
from genmo_rt.soles import Soles

BODY = load_body()
SOLES = Soles.of(BODY)
REST = BODY.rest_joints(torch.zeros(10, dtype=torch.float64)).numpy()
STANDING = 4.0  # logit of a contact


def _vectors(length: int, velocity: tuple[float, float, float], yaw: float = 0.0) -> Tensor:
    """Somebody in the T-pose who glides, every foot said to be in the air."""
    vector = torch.zeros(length, MOTION_WIDTH, dtype=torch.float64)
    rotmat = torch.eye(3, dtype=torch.float64).repeat(24, 1, 1)
    vector[:, SLICES["pose"]] = rotmat_to_rot6d(rotmat).flatten()
    turned = axis_angle_to_rotmat(torch.tensor([0.0, yaw, 0.0], dtype=torch.float64))
    vector[:, SLICES["orient_gv"]] = rotmat_to_rot6d(turned)
    vector[:, SLICES["root_vel"]] = torch.tensor(velocity, dtype=torch.float64)
    vector[:, SLICES["contacts"]] = -STANDING
    return vector


def _ground(vector: Tensor, *keyframes: Keyframe, seen: bool = False) -> Clip:
    return ground(vector, np.full(len(vector), seen), BODY, SOLES, keyframes)


def test_a_clip_starts_over_the_origin_and_faces_z() -> None:
    clip = _ground(_vectors(31, (0.0, 0.0, 1.5), yaw=2.0))
    np.testing.assert_allclose(clip.pelvis[0, [0, 2]], 0, atol=1e-12)
    np.testing.assert_allclose(clip.pelvis[30, [0, 2]], (0, 1.5), atol=1e-9)
    np.testing.assert_allclose(clip.axis_angle[:, 0], 0, atol=1e-7)


def test_what_a_picture_showed_keeps_its_heading() -> None:
    clip = _ground(_vectors(31, (0.0, 0.0, 1.5), yaw=2.0), seen=True)
    np.testing.assert_allclose(clip.axis_angle[:, 0, 1], 2.0, atol=1e-6)
    assert clip.confidence.all()


def test_resting_feet_stand_on_the_floor_however_the_height_drifts() -> None:
    vector = _vectors(600, (0.0, 0.05, 0.0))  # rises a metre in all
    vector[:, SLICES["contacts"]] = STANDING
    clip = _ground(vector)
    body_at_rest = BODY.rest_vertices(torch.zeros(10, dtype=torch.float64)).numpy()
    soles = clip.pelvis[:, 1] + body_at_rest[:, 1].min()
    assert np.abs(soles[30:-30]).max() < 0.015  # the soles' points lie 1 cm over the lowest skin


def test_a_jump_keeps_its_height() -> None:
    vector = _vectors(90, (0.0, 0.0, 0.0))
    vector[:, SLICES["contacts"]] = STANDING
    time = np.arange(12) / 30
    vector[40:52, SLICES["root_vel"].start + 1] = torch.from_numpy(2.0 - 10 * (time + 1 / 60))
    vector[40:52, SLICES["contacts"]] = -STANDING
    clip = _ground(vector)
    height = clip.pelvis[:, 1] - clip.pelvis[20, 1]
    assert 0.15 < height[40:52].max() < 0.25  # 2 m/s go 20 cm high
    assert np.abs(height[60:]).max() < 0.03


def test_nobody_flies_away_whose_feet_never_rest() -> None:
    clip = _ground(_vectors(300, (0.0, 0.5, 0.0)))  # five metres up
    lowest = BODY.rest_vertices(torch.zeros(10, dtype=torch.float64)).numpy()[:, 1].min()
    assert np.abs(clip.pelvis[:, 1] + lowest).max() < 0.05


def test_a_resting_foot_does_not_slide() -> None:
    vector = _vectors(60, (0.0, 0.0, 0.15))
    bend = axis_angle_to_rotmat(torch.tensor([[-0.5, 0, 0], [1.0, 0, 0], [-0.5, 0, 0]]).double())
    pose = vector[:, SLICES["pose"]].unflatten(-1, (24, 6))
    for leg in LEGS:  # a bent knee can reach either way
        pose[:, [leg.hip, leg.knee, leg.ankle]] = rotmat_to_rot6d(bend)
    left = LEGS[0]
    ankle_and_foot = slice(SLICES["contacts"].start, SLICES["contacts"].start + 2)
    vector[20:40, ankle_and_foot] = STANDING
    clip = _ground(vector)
    ankle = clip.joints[:, left.ankle]
    assert np.linalg.norm(ankle[22:38] - ankle[22], axis=-1).max() < 0.002
    other = clip.joints[:, LEGS[1].ankle]
    assert np.linalg.norm(other[38] - other[22]) == pytest.approx(0.15 * 16 / 30, abs=0.005)
    speed = np.linalg.norm(np.diff(ankle, axis=0), axis=1) * 30
    assert speed.max() < 1.0  # and it is let go and caught up with smoothly


def test_a_keyframes_place_is_met_on_the_floor_and_above_it() -> None:
    keyframes = [
        Keyframe(frame, np.tile(np.eye(3), (24, 1, 1)), np.array(place), np.ones(24, bool))
        for frame, place in ((10, (1.0, 0.95, 2.0)), (50, (2.0, 1.30, 2.0)))
    ]
    vector = _vectors(80, (0.0, 0.0, 0.5))
    vector[:, SLICES["contacts"]] = STANDING
    clip = _ground(vector, *keyframes)
    for keyframe in keyframes:
        np.testing.assert_allclose(clip.pelvis[keyframe.frame], keyframe.pelvis, atol=1e-6)
    unheld = _ground(vector, *(replace(k, joints=np.arange(24) > 0) for k in keyframes))
    np.testing.assert_allclose(unheld.pelvis[0, [0, 2]], 0, atol=1e-9)


@pytest.mark.parametrize("length", [1, 2, 3, 50])
def test_smooth_solves_its_normal_equations(length: int) -> None:
    random = np.random.default_rng(length)
    target, weight = (
        random.normal(size=length),
        random.random(length) * (random.random(length) > 0.3),
    )
    weight[0] = 1.0
    bend = np.diff(np.eye(length), 2, axis=0) if length > 2 else np.zeros((0, length))
    expected = np.linalg.solve(
        np.diag(weight + 1e-6) + 50 * bend.T @ bend,
        weight * target + 1e-6 * np.average(target, weights=weight),
    )
    np.testing.assert_allclose(smooth(target, weight, 50.0), expected, atol=1e-8)

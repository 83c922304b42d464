"""The points under the feet lie on the body's surface and move with it."""

import numpy as np
import torch
from numpy.typing import NDArray

from genmo_rt.pose import CONTACT_NAMES
from genmo_rt.rotation import axis_angle_to_rotmat
from genmo_rt.skeleton import JOINT_NAMES
from genmo_rt.smpl import load_body
from genmo_rt.soles import SOLE_THICKNESS_M, Soles

BODY = load_body()
SOLES = Soles.of(BODY)
REST = np.tile(np.eye(3), (24, 1, 1))


def _points(shape: NDArray[np.float64]) -> NDArray[np.float64]:
    return SOLES.points(REST, BODY.rest_joints(torch.from_numpy(shape)).numpy(), shape)


def test_at_rest_they_are_the_lowest_points_of_the_surface_for_any_shape() -> None:
    for seed in range(4):
        shape = np.random.default_rng(seed).normal(size=10)
        lowest = BODY.rest_vertices(torch.from_numpy(shape))[:, 1].min().item()
        heights = _points(shape)[:, 1]
        assert heights.min() < lowest + SOLE_THICKNESS_M
        assert heights.max() < lowest + SOLE_THICKNESS_M + 0.01


def test_each_foot_has_its_heel_and_its_toes() -> None:
    points = _points(np.zeros(10))
    for half in (points[:4], points[4:]):
        assert np.ptp(half[:, 2]) > 0.15  # a foot's length
        assert np.ptp(half[:, 0]) > 0.05  # and width
    assert (points[:4, 0] > 0).all()  # +x is the body's left
    assert (points[4:, 0] < 0).all()


def test_contacts_are_those_of_the_carrying_joint() -> None:
    names = [JOINT_NAMES[joint] for joint in SOLES.joint]
    assert names == [CONTACT_NAMES[contact] for contact in SOLES.contact]


def test_they_turn_with_the_foot() -> None:
    turn = axis_angle_to_rotmat(torch.tensor([0.5, 0.0, 0.0], dtype=torch.float64)).numpy()
    joints = BODY.rest_joints(torch.zeros(10, dtype=torch.float64)).numpy()
    turned = SOLES.points(np.tile(turn, (24, 1, 1)), joints, np.zeros(10))
    before = _points(np.zeros(10)) - joints[SOLES.joint]
    np.testing.assert_allclose(turned - joints[SOLES.joint], before @ turn.T, atol=1e-9)

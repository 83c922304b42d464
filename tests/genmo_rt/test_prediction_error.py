"""What predictions are trusted by: the same for everybody, wherever they are in the picture."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from genmo_rt.prediction_error import measured_precision, precision_at, view_axes
from genmo_rt.refine import TURNING
from genmo_rt.rotation import axis_angle_to_rotmat
from genmo_rt.skeleton import JOINT_NAMES, NUM_JOINTS, PARENTS

SCRIPT = Path(__file__).parents[2] / "scripts" / "fit_prediction_error.py"
ITEMS = 1 + len(TURNING)


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """scripts/fit_prediction_error.py as a module."""
    spec = importlib.util.spec_from_file_location("fit_prediction_error", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_views_axes_are_a_rotation_that_takes_the_cameras_axis_to_the_ray() -> None:
    roots = np.random.default_rng(0).normal((0, 0, 4), 2, (20, 3))
    axes = view_axes(roots)
    np.testing.assert_allclose(axes @ axes.swapaxes(1, 2), np.eye(3)[None].repeat(20, 0), atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(axes), 1)
    rays = roots / np.linalg.norm(roots, axis=1, keepdims=True)
    np.testing.assert_allclose(axes[:, :, 2], rays, atol=1e-12)
    assert np.isfinite(view_axes(np.array([[0.0, 0.0, -1.0], [0.0, 0.0, 0.0]]))).all()


def test_what_was_measured_is_a_precision_with_a_root_that_landmarks_can_move() -> None:
    known = measured_precision()
    assert known.shape == (3 * ITEMS, 3 * ITEMS)
    assert np.linalg.eigvalsh(known).min() > 0
    spread = np.sqrt(np.diag(np.linalg.inv(known))).reshape(3, ITEMS)
    np.testing.assert_allclose(spread[:, 0], [0.05, 0.05, 0.02], rtol=0.02)
    assert np.degrees(spread[:, 1:]).min() > 2
    assert np.degrees(spread[:, 1:]).max() < 30


def test_an_error_seen_from_elsewhere_is_as_unlikely() -> None:
    random = np.random.default_rng(1)
    before, after = np.array([[0.0, 0.0, 4.0]]), np.array([[1.5, -0.8, 3.0]])
    error = random.normal(0, 0.1, (3, ITEMS))
    turned = view_axes(after)[0] @ error  # `before` is on the axis: its view is the camera
    turned[:, 0] *= np.linalg.norm(after) / 4.0  # as far in parts of the distance
    costs = [
        (of.ravel() @ precision_at(root)[0] @ of.ravel())
        for root, of in ((before, error), (after, turned))
    ]
    assert costs[0] == pytest.approx(costs[1], rel=1e-4)


def test_the_script_finds_each_joints_own_turn(script: ModuleType) -> None:
    random = torch.Generator().manual_seed(2)
    own = torch.zeros(NUM_JOINTS, 3, dtype=torch.float64)
    numbers = [JOINT_NAMES.index(name) for name in TURNING]
    own[numbers] = 0.3 * torch.randn(len(numbers), 3, generator=random, dtype=torch.float64)
    turned = list(axis_angle_to_rotmat(own))
    for joint in range(1, NUM_JOINTS):
        turned[joint] = turned[PARENTS[joint]] @ turned[joint]
    found = script.own_turns(torch.stack(turned))
    torch.testing.assert_close(found, own[numbers], atol=1e-6, rtol=0)


def test_the_script_counts_mirror_images_as_much(script: ModuleType) -> None:
    errors = np.random.default_rng(3).normal(0, 0.1, (400, 3, ITEMS))
    errors[:, 0, 4] += 0.2 * errors[:, 1, 5]  # one side alone
    covariance = script.fit(errors).reshape(3, ITEMS, 3, ITEMS)
    signs = np.array([1.0, -1.0, -1.0])
    mirrored = covariance[:, script.MIRROR][:, :, :, script.MIRROR]
    turns = mirrored * signs[:, None, None, None] * signs[:, None]
    np.testing.assert_allclose(covariance[:, 1:, :, 1:], turns[:, 1:, :, 1:], atol=1e-12)

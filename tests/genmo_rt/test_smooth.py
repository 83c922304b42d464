"""The predicting rotation filter: what it smooths and that it doesn't lag."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from genmo_rt.rotation import angle_between, axis_angle_to_rotmat
from genmo_rt.smooth import RotationFilter, smooth_clip

Array = NDArray[np.float64]


def _turns(axis_angle: Array) -> Array:
    return np.asarray(axis_angle_to_rotmat(torch.from_numpy(axis_angle)).numpy())


def _degrees(a: Array, b: Array) -> Array:
    angles = angle_between(torch.from_numpy(a), torch.from_numpy(b)).numpy()
    return np.asarray(np.degrees(angles))


@pytest.mark.parametrize("fps", [15, 24, 30, 60])
def test_a_limb_that_turns_steadily_does_not_lag(fps: int) -> None:
    smooth = RotationFilter()
    speed = np.radians(np.array([[90.0, 0, 0], [0, -40, 60]]))
    for i in range(fps * 2):
        truth = _turns(speed * i / fps)
        out = smooth.step(i / fps, truth)
    # Behind by less than a hundredth of a second; a low-pass filter as smooth would be by 0.04 s.
    assert (_degrees(out, truth) < 0.01 * np.degrees(np.linalg.norm(speed, axis=1))).all()


def test_noise_on_a_limb_at_rest_is_lowered_by_a_quarter_and_its_jerks_by_half() -> None:
    generator = np.random.default_rng(0)
    noisy = _turns(np.radians(2) * generator.normal(size=(300, 3)))
    smooth = RotationFilter()
    out = np.array([smooth.step(i / 30, noisy[i : i + 1])[0] for i in range(300)])
    assert _degrees(out[30:], np.eye(3)).mean() < 0.75 * _degrees(noisy[30:], np.eye(3)).mean()
    before, after = (np.abs(np.diff(x, 3, axis=0)).mean() for x in (noisy[30:], out[30:]))
    assert after < 0.5 * before


def test_a_sudden_turn_is_followed_within_a_fifth_of_a_second() -> None:
    smooth = RotationFilter()
    start, end = _turns(np.zeros((1, 3))), _turns(np.array([[1.0, 0, 0]]))
    for i in range(30):
        smooth.step(i / 30, start)
    out = [smooth.step((30 + i) / 30, end) for i in range(30)]
    assert _degrees(out[5], end) < 10
    assert max(_degrees(o, start)[0] for o in out) < 1.25 * np.degrees(1.0)  # little overshoot
    assert _degrees(out[-1], end) < 1


def test_the_first_rotations_pass_unchanged() -> None:
    rotmat = _turns(np.array([[0.3, 1.0, -2.0]]))
    np.testing.assert_array_equal(RotationFilter().step(5.0, rotmat), rotmat)


def test_a_half_turn_gives_a_rotation() -> None:
    smooth = RotationFilter()
    smooth.step(0.0, _turns(np.zeros((1, 3))))
    out = smooth.step(1 / 30, _turns(np.array([[np.pi, 0, 0]])))
    np.testing.assert_allclose(out @ out.transpose(0, 2, 1), np.eye(3)[None], atol=1e-9)


def test_a_whole_clip_is_smoothed_the_same_from_both_ends() -> None:
    t = np.cumsum(np.random.default_rng(5).uniform(0.02, 0.05, 40))
    noisy = _turns(np.random.default_rng(6).normal(0, 0.3, (40, 2, 3)))
    backwards = smooth_clip(-t[::-1], noisy[::-1])[::-1]
    np.testing.assert_allclose(smooth_clip(t, noisy), backwards, atol=1e-9)


def test_a_whole_clip_s_turn_does_not_lag() -> None:
    t = np.arange(60) / 30
    swing = 0.8 * np.sin(2 * np.pi * t)  # one swing a second
    axis = np.array([0.0, 0.0, 1.0])
    smooth = smooth_clip(t, _turns(swing[:, None, None] * axis))
    angle = np.arctan2(smooth[:, 0, 1, 0], smooth[:, 0, 0, 0])[15:-15]
    lags = [np.abs(angle - 0.8 * np.sin(2 * np.pi * (t[15:-15] - lag))).sum() for lag in LAGS]
    assert LAGS[int(np.argmin(lags))] == 0.0


LAGS = (-0.02, -0.01, 0.0, 0.01, 0.02)


def _turns(rotvec: NDArray[np.float64]) -> NDArray[np.float64]:
    return axis_angle_to_rotmat(torch.from_numpy(rotvec)).numpy()

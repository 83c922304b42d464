"""Holding poses: the splines, the fading, poses of takes."""

from pathlib import Path

import numpy as np
import pytest
import torch

from genmo_rt.checkpoint import load_checkpoint
from genmo_rt.errors import InputError
from genmo_rt.formats.clip import Clip
from genmo_rt.formats.npz import write_npz
from genmo_rt.generation.keyframes import REACH, Held, Keyframe, ease, read_keyframe, spread
from genmo_rt.motion import SLICES
from genmo_rt.rotation import rot6d_to_rotmat
from genmo_rt.smpl import load_body

STATS = load_checkpoint().stats


def _keyframe(frame: int, place: tuple[float, float, float]) -> Keyframe:
    rotmat = np.tile(np.eye(3), (24, 1, 1))
    return Keyframe(frame, rotmat, np.array(place), np.ones(24, bool))


def test_ease_is_level_at_its_ends_and_constant_beyond_them() -> None:
    frames, values = [5, 20, 26, 60], np.array([[0.0], [2.0], [-1.0], [0.5]])
    path = ease(frames, values, 80)
    np.testing.assert_allclose(path[frames], values, atol=1e-12)
    assert np.ptp(path[:6]) == 0
    assert np.ptp(path[60:]) == 0


def test_ease_is_the_clamped_cubic_spline() -> None:
    interpolate = pytest.importorskip("scipy.interpolate")
    frames, values = [0, 9, 15, 40], np.random.default_rng(0).normal(size=(4, 3))
    spline = interpolate.CubicSpline(frames, values, bc_type="clamped")
    np.testing.assert_allclose(ease(frames, values, 41), spline(np.arange(41)), atol=1e-10)


def test_one_value_shifts_everything_and_none_nothing() -> None:
    np.testing.assert_array_equal(ease([3], np.array([[2.0]]), 5), np.full((5, 1), 2.0))
    np.testing.assert_array_equal(ease([], np.zeros((0, 2)), 5), np.zeros((5, 2)))


@pytest.mark.parametrize("frames", [[30], [30, 33], [0, 59], list(range(60))])
def test_spread_meets_its_values_and_fades(frames: list[int]) -> None:
    matrix = spread(torch.tensor(frames), 60)
    torch.testing.assert_close(matrix[frames], torch.eye(len(frames)), atol=1e-5, rtol=0)
    far = [t for t in range(60) if min(abs(t - frame) for frame in frames) >= REACH]
    assert not matrix[far].any()


def test_a_held_motion_is_held_and_its_path_goes_through_the_places() -> None:
    keyframes = [_keyframe(5, (0, 0.9, 0)), _keyframe(40, (1, 0.9, 2)), _keyframe(55, (0, 0.9, 2))]
    held = Held(keyframes, 70, STATS, level_camera=True)
    x0 = 0.3 * torch.randn(2, 70, 181, generator=torch.Generator().manual_seed(0))
    out = held.apply(x0)
    torch.testing.assert_close(out[:, held.mask], held.value[held.mask].expand(2, -1))
    vector = STATS.denormalise(out)
    R = rot6d_to_rotmat(vector[..., SLICES["orient_gv"]])
    path = ((R @ vector[..., SLICES["root_vel"], None]).squeeze(-1) / 30).cumsum(1)
    moved = path[:, [40, 55]] - path[:, [5]]
    expected = torch.tensor([[1.0, 2.0], [0.0, 2.0]])
    torch.testing.assert_close(moved[..., [0, 2]], expected.expand(2, -1, -1), atol=1e-3, rtol=0)
    assert torch.equal(out[:, :, SLICES["contacts"]], x0[:, :, SLICES["contacts"]])


def test_a_motion_that_holds_already_is_left_alone() -> None:
    held = Held(
        [_keyframe(5, (0, 0.9, 0)), _keyframe(40, (1, 0.9, 2))], 70, STATS, level_camera=True
    )
    once = held.apply(torch.zeros(1, 70, 181))
    torch.testing.assert_close(held.apply(once), once, atol=1e-4, rtol=0)


@pytest.fixture
def take(tmp_path: Path) -> Path:
    body = load_body()
    rest = body.rest_joints(torch.zeros(10, dtype=torch.float64)).numpy()
    count = 31
    turned = np.zeros((count, 24, 3))
    turned[:, 18, 1] = np.linspace(0, 1, count)
    path = tmp_path / "take.npz"
    clip = Clip(
        fps=30.0,
        body="builtin",
        shape=np.zeros(10),
        rest_joints=rest,
        axis_angle=turned,
        pelvis=np.linspace((0, 0.9, 0), (0, 0.9, 3), count),
        joints=np.zeros((count, 24, 3)),
        contacts=np.zeros((count, 6)),
        confidence=np.ones(count),
        t_capture_us=np.arange(count),
        camera=None,
    )
    write_npz(path, clip)
    return path


def test_a_keyframe_can_be_a_pose_of_a_take(take: Path) -> None:
    keyframe = read_keyframe({"at": 2, "take": "take.npz", "take_at": 0.5}, 60, take.parent)
    np.testing.assert_allclose(keyframe.pelvis, (0, 0.9, 1.5), atol=1e-6)
    assert keyframe.rotmat[18, 0, 0] == pytest.approx(np.cos(0.5))
    assert keyframe.body == "builtin"


def test_a_keyframe_without_the_root_needs_no_place(tmp_path: Path) -> None:
    arms = {"at": 2, "rotations": [[0, 0, 0, 1]] * 24, "joints": ["left_elbow", "right_elbow"]}
    keyframe = read_keyframe(arms, 60, tmp_path)
    assert keyframe.joints.nonzero()[0].tolist() == [18, 19]
    with pytest.raises(InputError, match="a keyframe has at, joints, rotations; expected a take"):
        read_keyframe(arms | {"joints": ["pelvis"]}, 60, tmp_path)


def test_a_pose_of_a_take_that_is_not_finite_is_refused(take: Path) -> None:
    with np.load(take) as file:
        arrays = dict(file)
    arrays["poses"][15, 7] = np.nan
    np.savez(take, **arrays)
    with pytest.raises(InputError, match=r"take\.npz at 0\.5 s, has numbers that are not finite"):
        read_keyframe({"at": 2, "take": "take.npz", "take_at": 0.5}, 60, take.parent)


@pytest.mark.parametrize("at", [-0.1, 1.2, "half", True])
def test_a_pose_outside_the_take_is_refused(take: Path, at: object) -> None:
    with pytest.raises(InputError, match=r"take_at = .*; .*take\.npz holds 0 to 1\.00 s"):
        read_keyframe({"at": 2, "take": "take.npz", "take_at": at}, 60, take.parent)

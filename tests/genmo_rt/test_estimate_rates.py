"""The shipped estimator sees one walk at many frame rates: the same path and the same pose."""

import numpy as np
import pytest
from numpy.typing import NDArray

from genmo_rt.estimate import Estimator
from genmo_rt.pose import Pose
from tests.genmo_rt.walk import CAMERA_HEIGHT_M, INTRINSICS, frames, seen, walker

Array = NDArray[np.float64]
SECONDS = 6.0
TIMES = np.arange(1.0, SECONDS - 0.2, 1 / 30)


@pytest.fixture(scope="module")
def estimator() -> Estimator:
    return Estimator.load()


@pytest.fixture(scope="module")
def at_30_fps(estimator: Estimator) -> list[Pose]:
    return _watch(estimator, 30)


def _watch(estimator: Estimator, fps: float, drop: float = 0.0) -> list[Pose]:
    stream = estimator.stream(INTRINSICS)
    poses = [stream.step(tick, seen(t)) for tick, t in frames(fps, SECONDS, drop)]
    return [pose for pose in poses if pose is not None]


def _joints(poses: list[Pose], t: Array) -> Array:
    """(len(t), 24, 3) joints in the world at other times, by interpolation."""
    times = [pose.t for pose in poses]
    joints = np.array([pose.joints for pose in poses]).reshape(len(poses), -1)
    columns = [np.interp(t, times, column) for column in joints.T]
    return np.stack(columns, axis=1).reshape(len(t), 24, 3)


@pytest.mark.parametrize(("fps", "drop"), [(15, 0.0), (24, 0.0), (60, 0.0), (30, 0.2)])
def test_the_root_takes_the_same_path_at_any_frame_rate(
    estimator: Estimator, at_30_fps: list[Pose], fps: float, drop: float
) -> None:
    path = _joints(_watch(estimator, fps, drop), TIMES)[:, 0]
    apart = np.linalg.norm(path - _joints(at_30_fps, TIMES)[:, 0], axis=1)
    assert apart.max() < 0.07
    assert apart.mean() < 0.02


def test_the_walk_is_seen_where_it_is(at_30_fps: list[Pose]) -> None:
    joints = _joints(at_30_fps, TIMES)
    truth = np.array([walker(t).joints_world for t in TIMES])
    assert np.linalg.norm((joints - truth)[:, 0], axis=1).mean() < 0.20
    aligned = (joints - joints[:, :1]) - (truth - truth[:, :1])
    assert np.linalg.norm(aligned, axis=-1).mean() < 0.07


def test_the_body_turns_with_the_walk(at_30_fps: list[Pose]) -> None:
    """Left is left: a mirrored person would face the other way half of the time."""
    joints = _joints(at_30_fps, TIMES)
    truth = np.array([walker(t).joints_world for t in TIMES])
    across, true_across = (points[:, 16] - points[:, 17] for points in (joints, truth))
    cosine = (across * true_across).sum(1) / (
        np.linalg.norm(across, axis=1) * np.linalg.norm(true_across, axis=1)
    )
    assert np.median(cosine) > 0.9
    assert cosine.min() > 0.5


def test_a_camera_pitched_by_fifteen_degrees_is_found(estimator: Estimator) -> None:
    stream = estimator.stream(INTRINSICS)
    for tick, t in frames(30, 10):
        stream.step(tick, seen(t, pitch_down=15))
    up_cam = stream.world.R_c2w[1]
    assert np.degrees(np.arcsin(-up_cam[2])) == pytest.approx(15, abs=4)
    assert stream.world.camera_height == pytest.approx(CAMERA_HEIGHT_M, abs=0.25)

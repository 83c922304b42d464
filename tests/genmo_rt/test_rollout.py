"""The root's path: integration over uneven time, and fusion with the root the camera sees."""

import numpy as np
import pytest
from numpy.typing import NDArray

from genmo_rt.clock import TickClock
from genmo_rt.rollout import PathIntegrator, Rollout, settle_path

Array = NDArray[np.float64]


def _circle(t: float) -> tuple[Array, Array]:
    """Position and velocity of a 1 m/s walk on a circle of 1 m radius."""
    return (
        np.array([np.sin(t), 0.0, 4.0 - np.cos(t)]),
        np.array([np.cos(t), 0.0, np.sin(t)]),
    )


def _frame_times(
    fps: float, seconds: float, drop: float = 0.0, jitter_s: float = 0.0
) -> list[float]:
    """Capture times that reach a tick, as the clock admits them."""
    generator = np.random.default_rng(3)
    clock = TickClock()
    times = []
    for i in range(round(seconds * fps) + 1):
        t_us = round((i / fps + jitter_s * generator.uniform(-1, 1)) * 1e6)
        if i > 0 and generator.random() < drop:
            continue
        tick = clock.admit(t_us)
        if tick is not None:
            times.append(tick.t)
    return times


@pytest.mark.parametrize(
    ("fps", "drop", "jitter_s"),
    [
        (15, 0.0, 0.0),
        (24, 0.0, 0.0),
        (30, 0.0, 0.0),
        (60, 0.0, 0.0),
        (30, 0.2, 0.0),
        (30, 0.2, 0.01),
    ],
)
def test_a_walk_on_a_circle_keeps_its_path_within_a_millimetre(
    fps: float, drop: float, jitter_s: float
) -> None:
    path = PathIntegrator()
    times = _frame_times(fps, 10.0, drop, jitter_s)
    position = _circle(times[0])[0]
    worst = 0.0
    for t in times:
        truth, velocity = _circle(t)
        position = position + path.advance(t, velocity)
        worst = max(worst, float(np.linalg.norm(position - truth)))
    assert times[-1] > 9.8
    assert worst < 1e-3


def test_noise_is_not_amplified_when_two_frames_come_close_together() -> None:
    """Frames at 0.49 and 0.51 ticks are neighbours on the grid, 0.7 ms apart."""
    generator = np.random.default_rng(0)
    moved = []
    for _ in range(200):
        path = PathIntegrator()
        for t in (0.0, 0.0163, 0.0170):
            path.advance(t, generator.normal(0, 0.1, 3))
        moved.append(path.advance(0.1503, generator.normal(0, 0.1, 3)))
    trapezoid = 0.1 * (0.1503 - 0.0170) / np.sqrt(2)
    assert np.std(moved) < 1.5 * trapezoid


def test_the_position_before_a_step_does_not_depend_on_later_samples() -> None:
    def run(last: Array) -> list[Array]:
        rollout = Rollout()
        rollout.start(0.0, np.array([0.0, 0.0, 4.0]), np.zeros(3))
        return [
            rollout.step(0.1, np.ones(3), np.array([0.1, 0.1, 4.1])),
            rollout.step(0.2, last, None),
        ]

    first, second = run(np.ones(3)), run(np.full(3, 9.0))
    np.testing.assert_array_equal(first[0], second[0])
    assert not np.array_equal(first[1], second[1])


def test_a_path_without_pictures_is_the_plain_integral() -> None:
    rollout = Rollout()
    truth, velocity = _circle(0.0)
    rollout.start(0.0, truth, velocity)
    for i in range(1, 301):
        truth, velocity = _circle(i / 30)
        position = rollout.step(i / 30, velocity, None)
    assert np.linalg.norm(position - truth) < 1e-3


def test_a_biased_velocity_does_not_drift_with_a_static_camera() -> None:
    rollout = Rollout()
    truth = np.array([0.5, 0.2, 4.0])
    rollout.start(0.0, truth, np.zeros(3))
    for i in range(1, 1801):
        position = rollout.step(i / 30, np.array([0.0, 0.0, 0.05]), truth)
    assert np.abs(position - truth).max() < 0.1  # unfused it would be 3 m away


def test_noisy_depth_is_smoothed_while_sideways_motion_follows_the_picture() -> None:
    generator = np.random.default_rng(1)
    rollout = Rollout()
    rollout.start(0.0, np.array([0.0, 0.0, 4.0]), np.zeros(3))
    positions, seen = [], []
    for i in range(1, 601):
        depth = 4.0 + generator.normal(0, 0.1)
        seen.append(np.array([0.075 * depth * np.sin(i / 30), 0.0, depth]))
        # The velocity knows nothing of the sideways motion.
        positions.append(rollout.step(i / 30, np.zeros(3), seen[-1]))
    fused, picture = np.array(positions)[60:], np.array(seen)[60:]
    assert np.std(fused[:, 2]) < 0.4 * np.std(picture[:, 2])
    bearing_error = fused[:, 0] / fused[:, 2] - picture[:, 0] / picture[:, 2]
    assert np.abs(bearing_error).max() < 0.002


def test_a_walk_in_depth_is_followed_though_the_velocity_says_half_of_it() -> None:
    rollout = Rollout()
    rollout.start(0.0, np.array([0.0, 0.0, 5.0]), np.zeros(3))
    for i in range(1, 301):
        depth = 5.0 + np.sin(i / 30)
        velocity = np.array([0.0, 0.0, 0.5 * np.cos(i / 30)])
        position = rollout.step(i / 30, velocity, np.array([0.0, 0.0, depth]))
        assert position[2] == pytest.approx(depth, abs=0.08)


def test_the_first_picture_after_a_gap_is_but_one_picture() -> None:
    """Its depth is off by 0.3 m; those that follow are right."""
    rollout, here = Rollout(), np.array([0.0, 0.0, 4.0])
    rollout.start(0.0, here, np.zeros(3))
    for i in range(1, 60):
        rollout.step(i / 30, np.zeros(3), here)
    off = [rollout.step(59 / 30 + 1, np.zeros(3), here + np.array([0, 0, 0.3]))[2] - 4]
    off += [rollout.step(3 + i / 30, np.zeros(3), here)[2] - 4 for i in range(15)]
    assert 0.1 < off[0] < 0.3
    assert off[5] < 0.19
    assert abs(off[-1]) < 0.05


def test_a_panning_camera_does_not_change_the_depth() -> None:
    """The person drifts sideways through the picture and the velocity knows nothing of it."""
    rollout = Rollout()
    rollout.start(0.0, np.array([-1.0, 0.0, 5.0]), np.zeros(3))
    for i in range(1, 61):
        seen = np.array([-1.0 + 3.0 * i / 30, 0.0, 5.0])
        position = rollout.step(i / 30, np.zeros(3), seen)
    assert position[2] == pytest.approx(5.0, abs=0.05)
    assert position[0] == pytest.approx(seen[0], abs=0.1)


def test_a_step_before_the_start_is_refused() -> None:
    with pytest.raises(RuntimeError, match="before start"):
        Rollout().step(0.0, np.zeros(3), None)


def test_a_whole_clip_s_path_joins_both_ends_of_a_gap() -> None:
    """Half a metre a second too fast while nobody is seen: neither end of the gap jumps."""
    t = np.arange(120) / 30
    places, velocities = (np.stack(column) for column in zip(*map(_circle, t), strict=True))
    is_seen = (t < 1.5) | (t > 2.5)
    path = settle_path(t, velocities + np.array([0.5, 0, 0]), places, is_seen)
    error = np.linalg.norm(path - places, axis=1)
    assert error[is_seen].max() < 0.03
    assert error.max() < 0.2  # forwards alone it would be half a metre off
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    assert steps.max() < 2 * np.median(steps)


def test_a_whole_clip_s_path_goes_on_after_the_last_sight() -> None:
    t = np.arange(60) / 30
    places, velocities = (np.stack(column) for column in zip(*map(_circle, t), strict=True))
    path = settle_path(t, velocities, places, t < 1.5)
    assert np.linalg.norm(path - places, axis=1).max() < 0.03

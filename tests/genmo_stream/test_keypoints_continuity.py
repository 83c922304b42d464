"""Left stays left over swaps of any length up to the trust, and jitter is halved without lag."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from genmo_rt.keypoints import LANDMARK_NAMES, NUM_LANDMARKS
from genmo_stream.keypoints.continuity import (
    DOUBT_CONFIDENCE,
    MAX_TRUST_S,
    MIRROR,
    Continuity,
    OneEuro,
    SideGuard,
)
from genmo_stream.keypoints.landmarker import Landmarks

DT = 1 / 30
SIZE = 400.0
FRAME_US = 33_333


def standing(seed: int = 0) -> NDArray[np.float32]:
    """A frontal figure of SIZE pixels: left landmarks on the right of the picture."""
    rng = np.random.default_rng(seed)
    points = np.zeros((NUM_LANDMARKS, 2), np.float32)
    for i, name in enumerate(LANDMARK_NAMES):
        side = 60 if name.startswith("left") or name.endswith("left") else -60
        points[i] = (320 + (0 if name == "nose" else side), 40 + SIZE * i / (NUM_LANDMARKS - 1))
    return points + rng.normal(0, 0.5, points.shape).astype(np.float32)


def seen(visibility: float = 0.9) -> Landmarks:
    return Landmarks(
        points=np.zeros((NUM_LANDMARKS, 2)),
        visibility=np.full(NUM_LANDMARKS, visibility, np.float32),
        presence=np.ones(NUM_LANDMARKS, np.float32),
        world=np.zeros((NUM_LANDMARKS, 3), np.float32),
    )


def test_mirror_exchanges_every_left_with_its_right() -> None:
    for i, name in enumerate(LANDMARK_NAMES):
        other = LANDMARK_NAMES[MIRROR[i]]
        assert other == name if name == "nose" else other != name
        assert MIRROR[MIRROR[i]] == i
        assert len(other) - len(name) in (-1, 0, 1)


@pytest.mark.parametrize("swapped_frames", [1, 5, 15])
def test_swap_of_the_whole_body_is_undone(swapped_frames: int) -> None:
    guard = SideGuard()
    for i in range(60):
        swap = 30 <= i < 30 + swapped_frames
        points = standing(i)[MIRROR] if swap else standing(i)
        sides = guard.check(points, SIZE, DT)
        np.testing.assert_allclose(points[sides.order], standing(i))


def test_swap_of_the_legs_alone_is_undone() -> None:
    guard = SideGuard()
    legs = np.arange(23, NUM_LANDMARKS)
    for i in range(60):
        points = standing(i)
        if 30 <= i < 40:
            points[legs] = points[MIRROR[legs]]
        sides = guard.check(points, SIZE, DT)
        np.testing.assert_allclose(points[sides.order], standing(i))


def test_model_is_believed_when_it_insists_longer_than_the_trust() -> None:
    guard = SideGuard()
    for i in range(60):
        guard.check(standing(i), SIZE, DT)
    insisting = [
        bool((guard.check(standing(i)[MIRROR], SIZE, DT).order == np.arange(33)).all())
        for i in range(60)
    ]
    believed_after = insisting.index(True) * DT
    assert MAX_TRUST_S <= believed_after <= MAX_TRUST_S + 3 * DT
    assert all(insisting[insisting.index(True) :])


def test_a_wrong_first_frame_is_corrected_at_once() -> None:
    guard = SideGuard()
    guard.check(standing(0)[MIRROR], SIZE, DT)
    orders = [guard.check(standing(i), SIZE, DT).order for i in range(1, 5)]
    np.testing.assert_array_equal(orders[-1], np.arange(NUM_LANDMARKS))


def test_turning_around_slowly_keeps_the_models_sides() -> None:
    guard = SideGuard()
    for i in range(91):  # half a turn in three seconds: left and right pass each other
        points = standing(i)
        points[:, 0] = 320 + (points[:, 0] - 320) * math.cos(math.pi * i / 90)
        sides = guard.check(points, SIZE, DT)
        np.testing.assert_array_equal(sides.order, np.arange(NUM_LANDMARKS))


def test_half_a_swap_is_held_at_low_confidence() -> None:
    continuity = Continuity()
    for i in range(10):
        continuity.join(standing(i), seen(), i * FRAME_US)
    mixed = standing(10)
    arms = np.array([11, 13, 15, 17, 19, 21])
    mixed[arms] = mixed[MIRROR[arms]]  # both arms at the same place
    mixed[:23, 1] += 0.15 * SIZE
    steady = continuity.join(mixed, seen(), 10 * FRAME_US)
    np.testing.assert_allclose(steady.confidence[:23], 0.9 * DOUBT_CONFIDENCE)
    np.testing.assert_allclose(steady.confidence[23:], 0.9)
    assert np.abs(steady.pixels[:23] - standing(10)[:23]).max() < 0.13 * SIZE
    after = continuity.join(standing(11), seen(), 11 * FRAME_US)
    np.testing.assert_allclose(after.confidence, 0.9)
    np.testing.assert_allclose(after.pixels, standing(11), atol=0.02 * SIZE)


def test_runner_crossing_the_picture_is_not_doubted() -> None:
    continuity = Continuity()
    for i in range(20):  # five body sizes a second
        running = standing(i) + np.array([5 * SIZE * i * DT, 0], np.float32)
        steady = continuity.join(running, seen(), i * FRAME_US)
        np.testing.assert_allclose(steady.confidence, 0.9)
        np.testing.assert_allclose(steady.pixels, running, atol=0.03 * SIZE)


def test_somebody_elses_landmarks_are_not_blended_with_the_last_ones() -> None:
    continuity = Continuity()
    for i in range(10):
        continuity.join(standing(i), seen(), i * FRAME_US)
    other = standing(10) + np.float32(900)
    np.testing.assert_array_equal(continuity.join(other, seen(), 10 * FRAME_US).pixels, other)


def test_landmarks_after_a_gap_are_taken_as_they_come() -> None:
    continuity = Continuity()
    continuity.join(standing(0), seen(), 0)
    later = standing(1) + np.float32(40)
    np.testing.assert_array_equal(continuity.join(later, seen(), 600_000).pixels, later)


def test_filter_halves_the_jitter_of_a_person_at_rest() -> None:
    rng = np.random.default_rng(0)
    smooth = OneEuro(2.0, 20.0, 3.0)
    noise = rng.normal(0, 0.004 * SIZE, (300, 5, 2)).astype(np.float32)
    out = np.array([smooth(points, SIZE, DT) for points in noise])
    assert out[30:].std() < 0.62 * noise[30:].std()
    assert np.diff(out, axis=0).std() < 0.5 * np.diff(noise, axis=0).std()


@pytest.mark.parametrize("fps", [15, 30, 60])
def test_filter_lags_less_than_half_a_tick_on_a_swinging_arm(fps: int) -> None:
    t = np.arange(0, 4, 1 / fps)
    swing = 0.2 * SIZE * np.sin(2 * np.pi * 0.9 * t)  # a wrist in walking
    path = np.stack([swing, np.zeros_like(t)], axis=1).astype(np.float32)[:, None]  # (L, 1, 2)
    smooth = OneEuro(2.0, 20.0, 3.0)
    out = np.array([smooth(points, SIZE, 1 / fps) for points in path])[:, 0, 0]
    lags = np.arange(0, 0.1, 0.001)
    shifted = [np.interp(t[fps:] - lag, t, swing) for lag in lags]
    lag = lags[np.argmin([np.abs(out[fps:] - s).sum() for s in shifted])]
    assert lag < 0.5 / 30

"""Landmarks smoothed with what follows: less tremble, no lag."""

import numpy as np

from genmo_rt.keypoints import Keypoints
from genmo_rt.lookahead import Timed, smoothed


def _timed(path: np.ndarray, confidence: np.ndarray | None = None) -> list[Timed]:
    """One tick per row: all landmarks at (x, 0)."""
    out = []
    for i, x in enumerate(path):
        pixels = np.zeros((33, 2), np.float32)
        pixels[:, 0] = x
        sure = np.full(33, 0.9 if confidence is None else confidence[i], np.float32)
        out.append((i / 30, Keypoints(pixels, sure, None, (640, 480))))
    return out


def _at(timed: list[Timed], i: int, reach: int = 4) -> float:
    before, after = timed[max(i - reach, 0) : i], timed[i + 1 : i + 1 + reach]
    return float(smoothed(before, timed[i], after).pixels[0, 0])


def test_accelerating_motion_goes_through_unchanged() -> None:
    t = np.arange(20) / 30
    path = 30 + 100 * t + 400 * t**2
    timed = _timed(path)
    for i in range(2, 17):
        assert abs(_at(timed, i) - path[i]) < 0.01


def test_tremble_is_halved() -> None:
    path = np.random.default_rng(0).normal(0, 1, 400)
    timed = _timed(path)
    assert np.std([_at(timed, i) for i in range(4, 396)]) < 0.65
    assert np.std(np.diff([_at(timed, i) for i in range(4, 396)])) < 0.5 * np.std(np.diff(path))


def test_a_landmark_that_is_unsure_for_a_tick_is_put_where_its_neighbours_say() -> None:
    path, confidence = np.zeros(9), np.full(9, 0.9)
    path[4], confidence[4] = 50.0, 0.05
    assert abs(_at(_timed(path, confidence), 4)) < 1.0


def test_nothing_changes_where_nothing_follows() -> None:
    timed = _timed(np.random.default_rng(0).normal(0, 1, 9))
    assert smoothed(timed[:8], timed[8], []) is timed[8][1]


def test_too_few_neighbours_change_nothing() -> None:
    timed = _timed(np.array([0.0, 5.0, 0.0]))
    assert smoothed(timed[:1], timed[1], timed[2:]) is timed[1][1]

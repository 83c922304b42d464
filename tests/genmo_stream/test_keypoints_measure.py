"""How big somebody is in the picture, whatever they do."""

import numpy as np
import pytest

from genmo_rt.keypoints import Keypoints
from genmo_stream.keypoints.measure import pixels_per_metre
from tests.genmo_rt import walk


@pytest.mark.parametrize("lean", [0.0, 0.6, 1.2, 3.0])
def test_a_turned_or_leaning_body_keeps_its_size(lean: float) -> None:
    body = walk.walker(0.3).landmarks_cam
    body = body - body[23:25].mean(axis=0)
    cos, sin = np.cos(lean), np.sin(lean)
    body = body @ np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])  # about the hips
    far = body + np.array([0.3, -0.2, 4.0])
    pixels = (600 * far[:, :2] / far[:, 2:]).astype(np.float32)
    seen = Keypoints(pixels, np.ones(33, np.float32), body.astype(np.float32), (640, 480))
    assert pixels_per_metre(seen) == pytest.approx(600 / 4.0, rel=0.1)


def test_without_metres_it_is_the_torso_that_tells() -> None:
    seen = walk.seen(0.3)
    flat = Keypoints(seen.pixels, seen.confidence, None, seen.image_size)
    twice = Keypoints(2 * seen.pixels, seen.confidence, None, seen.image_size)
    assert pixels_per_metre(twice) == pytest.approx(2 * pixels_per_metre(flat), rel=1e-3)


def test_landmarks_on_one_spot_have_a_size_too() -> None:
    spot = np.zeros((33, 3), np.float32)
    seen = Keypoints(spot[:, :2] + 5, np.ones(33, np.float32), spot, (640, 480))
    assert pixels_per_metre(seen) > 0

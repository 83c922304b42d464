"""Which joints are calm, as the picture shows them."""

import numpy as np
from numpy.typing import NDArray

from genmo_rt.calm import Calm
from genmo_rt.camera import Intrinsics
from genmo_rt.keypoints import LANDMARK_NAMES, Keypoints
from genmo_rt.skeleton import JOINT_NAMES

INTRINSICS = Intrinsics.default(720, 1280)
ELBOW, KNEE, PELVIS = (JOINT_NAMES.index(name) for name in ("left_elbow", "left_knee", "pelvis"))
WRIST = LANDMARK_NAMES.index("left_wrist")


def _watch(
    speed: float, confidence: float = 0.95, landmarks: slice = slice(None)
) -> NDArray[np.float64]:
    """(24,) after a second in which landmarks move at `speed` m/s, 4 m away, with noise."""
    random = np.random.default_rng(0)
    calm = Calm(INTRINSICS)
    for i in range(30):
        pixels = random.normal(500, 0.6, (33, 2)).astype(np.float32)
        pixels[landmarks, 0] += speed * i / 30 * INTRINSICS.fx / 4
        sure = np.full(33, confidence, np.float32)
        found = calm.step(i / 30, Keypoints(pixels, sure, None, (720, 1280)), 4.0)
    return found


def test_who_stays_is_calm_and_who_walks_is_not() -> None:
    assert _watch(0.0)[[ELBOW, KNEE, PELVIS]].min() > 0.9
    assert _watch(1.0)[[ELBOW, KNEE, PELVIS]].max() < 0.1


def test_a_moving_hand_leaves_legs_and_trunk_calm() -> None:
    found = _watch(1.0, landmarks=slice(WRIST, WRIST + 1))
    assert found[ELBOW] < 0.1
    assert found[[KNEE, PELVIS]].min() > 0.9


def test_what_is_unsure_or_not_seen_is_not_calm() -> None:
    assert _watch(0.0, confidence=0.1).max() < 0.2
    calm = Calm(INTRINSICS)
    assert not calm.step(0.0, None, 4.0).any()
    assert not _watch(0.0)[[JOINT_NAMES.index("left_hand"), JOINT_NAMES.index("right_hand")]].any()


def test_after_a_turn_of_the_camera_it_looks_anew() -> None:
    calm = Calm(INTRINSICS)
    seen = Keypoints(np.zeros((33, 2), np.float32), np.ones(33, np.float32), None, (720, 1280))
    for i in range(10):
        calm.step(i / 30, seen, 4.0)
    calm.turn()
    assert not calm.step(10 / 30, seen, 4.0).any()

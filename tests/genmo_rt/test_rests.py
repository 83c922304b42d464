"""Which heels and toes rest, from what the model says and what the picture shows."""

import numpy as np
from numpy.typing import NDArray

from genmo_rt.camera import Intrinsics
from genmo_rt.keypoints import Keypoints
from genmo_rt.rests import POINTS, RestDetector, rest_together

Array = NDArray[np.float64]
INTRINSICS = Intrinsics.default(720, 1280)
DEPTH = np.full(4, 4.0)
UNSURE = np.full(6, 0.35)
LEFT_LEG, RIGHT_LEG = [25, 27, 29, 31], [26, 28, 30, 32]


def _keypoints(moved_m: float, noise_m: float, random: np.random.Generator) -> Keypoints:
    """Somebody at 4 m whose right leg is `moved_m` from where it was."""
    pixels = np.full((33, 2), 500.0)
    pixels[RIGHT_LEG, 0] += moved_m * INTRINSICS.fx / 4
    pixels += random.normal(0, noise_m * INTRINSICS.fx / 4, pixels.shape)
    return Keypoints(pixels.astype(np.float32), np.full(33, 0.95, np.float32), None, (720, 1280))


def _watch(speed: float, contacts: Array = UNSURE, noise_m: float = 0.004) -> Array:
    """(60, 4) the right leg moves at `speed` m/s from the first second on."""
    random = np.random.default_rng(0)
    detector = RestDetector(INTRINSICS)
    return np.stack(
        [
            detector.step(
                i / 30, contacts, _keypoints(speed * max(i / 30 - 1, 0), noise_m, random), DEPTH
            )
            for i in range(60)
        ]
    )


def test_points_come_in_the_order_of_contacts() -> None:
    assert POINTS.tolist() == [29, 31, 30, 32]  # heel and toe, left and right


def test_a_foot_that_stays_in_the_picture_rests_though_the_model_is_unsure() -> None:
    assert _watch(0.0)[15:].min() > 0.9


def test_a_foot_that_moves_in_the_picture_does_not_rest_though_the_model_says_so() -> None:
    rests = _watch(2.0, np.full(6, 0.7))
    assert rests[15:30].min() > 0.9
    assert rests[38:, 2:].max() < 0.2
    assert rests[38:, :2].min() > 0.9


def test_leaving_is_noticed_within_a_tenth_of_a_second() -> None:
    assert _watch(2.0)[34, 2:].max() < 0.5


def test_without_a_picture_the_model_decides() -> None:
    for contact, rests in ((0.95, True), (0.05, False)):
        detector = RestDetector(INTRINSICS)
        for i in range(15):
            found = detector.step(i / 30, np.full(6, contact), None, DEPTH)
        assert ((found > 0.9) == rests).all()
        assert ((found < 0.1) != rests).all()


def test_unsure_landmarks_say_little() -> None:
    random = np.random.default_rng(0)
    detector = RestDetector(INTRINSICS)
    for i in range(30):
        sure = _keypoints(0, 0.004, random)
        unsure = Keypoints(sure.pixels, np.full(33, 0.1, np.float32), None, (720, 1280))
        found = detector.step(i / 30, np.full(6, 0.05), unsure, DEPTH)
    assert found.max() < 0.2


def test_a_foot_that_comes_nearer_along_the_ray_rests_only_if_the_model_says_so() -> None:
    """The picture hardly shows it; a foot that stays rests though the model says no."""
    for approach, rests in ((2.0, False), (0.0, True)):
        random = np.random.default_rng(0)
        detector = RestDetector(INTRINSICS)
        for i in range(30):
            depth = DEPTH - approach * i / 30
            found = detector.step(i / 30, np.full(6, 0.05), _keypoints(0, 0.004, random), depth)
        assert ((found > 0.5) == rests).all()


def test_what_follows_tells_of_an_arrival_at_once() -> None:
    """Landmarks that stay from now on rest now, however fast they came."""
    for known, rests in ((True, True), (False, False)):
        random = np.random.default_rng(0)
        seen = [(i / 30, _keypoints(2.0 * min(i / 30, 1.0), 0.002, random)) for i in range(40)]
        detector = RestDetector(INTRINSICS)
        for i in range(34):
            ahead = seen[i + 1 : i + 7] if known else ()
            found = detector.step(*(seen[i][0], UNSURE, seen[i][1]), DEPTH, ahead)
        assert ((found[2:] > 0.5) == rests).all()


def _before_and_after_a_gap(moved: float) -> tuple[Array, Array]:
    """(4,) rests at the first tick after a second unseen, and 0.3 s later: never seen to move."""
    random = np.random.default_rng(0)
    detector = RestDetector(INTRINSICS)
    times = [i / 30 for i in range(70) if not 30 <= i < 59]
    found = [
        detector.step(t, UNSURE, _keypoints(moved * (t > 1), 0.004, random), DEPTH) for t in times
    ]
    assert found[29].min() > 0.9
    return found[30], found[39]


def test_a_foot_that_is_elsewhere_after_a_gap_did_not_rest_through_it() -> None:
    first, later = _before_and_after_a_gap(0.4)
    assert first[2:].max() < 0.1
    assert later.min() > 0.9


def test_a_foot_in_the_same_place_after_a_gap_rests() -> None:
    first, later = _before_and_after_a_gap(0.0)
    assert first.min() > 0.9
    assert later.min() > 0.9


def test_contacts_alone_do_not_tell_of_a_gap() -> None:
    detector = RestDetector(INTRINSICS)
    times = [i / 30 for i in range(45) if not 15 <= i < 30]
    found = [detector.step(t, np.full(6, 0.95), None, DEPTH) for t in times]
    assert found[14].min() > 0.9
    assert found[15].max() < 0.1
    assert found[-1].min() > 0.9


def test_after_a_turn_of_the_camera_old_places_are_forgotten() -> None:
    random = np.random.default_rng(0)
    detector = RestDetector(INTRINSICS)
    for i in range(30):
        if i == 20:
            detector.turn()
        shifted = _keypoints(0, 0.004, random)
        pixels = shifted.pixels + (200 if i >= 20 else 0)
        found = detector.step(
            i / 30, UNSURE, Keypoints(pixels, shifted.confidence, None, (720, 1280)), DEPTH
        )
        assert i < 15 or found.min() > 0.8


def test_several_are_followed_side_by_side_as_each_alone() -> None:
    """One comes later, one is not seen for a while, and of one it is known what follows."""
    random = np.random.default_rng(0)
    seen = [[_keypoints(0.02 * p * i, 0.004, random) for i in range(46)] for p in range(4)]
    together, alone = ([RestDetector(INTRINSICS) for _ in range(4)] for _ in range(2))
    for i in range(45):
        there = [p for p in range(4) if p != 1 or i >= 8]
        t = np.array([i / 30 + 0.003 * p for p in there])
        shown = [None if p == 2 and 10 <= i < 25 else seen[p][i] for p in there]
        ahead = [
            [(now + 0.1, seen[3][i + 1])] if p == 3 else [] for p, now in zip(there, t, strict=True)
        ]
        contacts = np.full((len(there), 6), 0.4) + 0.1 * np.array(there)[:, None]
        depth = np.full((len(there), 4), 4.0) + 0.01 * i
        found = rest_together([together[p] for p in there], t, contacts, shown, depth, ahead)
        for row, p in enumerate(there):
            own = alone[p].step(float(t[row]), contacts[row], shown[row], depth[row], ahead[row])
            np.testing.assert_array_equal(found[row], own)

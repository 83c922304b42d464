"""Where others are looked for and how often: the scout, on drawn pictures and passed-in time."""

import numpy as np
import pytest
from numpy.typing import NDArray

from genmo_stream.keypoints.cover import covered_share
from genmo_stream.keypoints.crops import Window
from genmo_stream.keypoints.held import are_near
from genmo_stream.keypoints.scene import Scene
from genmo_stream.keypoints.scout import LOOKS_PER_S, SAVED_LOOKS, START_LOOKS, Lost, Scout
from tests.genmo_stream.test_tracking import person

Image = NDArray[np.uint8]
SIZE = (640, 480)
FRAME_US = 33_333
SOMEBODY = person(x=120, y=200, torso=60).pixels


def garden(seed: int = 0) -> Image:
    """A still picture with some structure."""
    coarse = np.random.default_rng(seed).integers(60, 190, (24, 32, 3), np.uint8)
    return np.kron(coarse, np.ones((20, 20, 1), np.uint8))


def with_block(image: Image, x: int, y: int, width: int = 60, height: int = 180) -> Image:
    """Something dark stands at (x, y), the middle of its foot."""
    changed = image.copy()
    changed[y - height : y, x - width // 2 : x + width // 2] = 20
    return changed


def contains(window: Window, x: float, y: float) -> bool:
    return window.x <= x <= window.x + window.side and window.y <= y <= window.y + window.side


def lost(t_us: int, *, hidden: bool, velocity: tuple[float, float] = (0.0, 0.0)) -> Lost:
    return Lost(person(x=400, torso=60).pixels, np.array(velocity), t_us, None, hidden)


class Watched:
    """A scout that finds nobody, with when it looked and where."""

    def __init__(self) -> None:
        self.scout = Scout()
        self.looks: list[tuple[int, Window]] = []

    def frame(self, number: int, image: Image) -> Window | None:
        window = self.scout.next_window(image, number * FRAME_US, [SOMEBODY])
        if window is not None:
            self.looks.append((number, window))
            self.scout.nobody()
        return window


# ---- what changed -------------------------------------------------------------------------------


def test_a_change_is_seen_where_it_is_until_it_was_looked_at() -> None:
    scene, empty = Scene(), garden()
    assert scene.changes(empty, []) == []
    changed = with_block(empty, 450, 400)
    (window,) = scene.changes(changed, [])
    assert contains(window, 450, 310)
    assert 180 <= window.side <= 400
    assert len(scene.changes(changed, [])) == 1
    scene.remember(window)
    assert scene.changes(changed, []) == []


def test_changes_of_people_who_are_known_and_of_light_are_none() -> None:
    scene, empty = Scene(), garden()
    scene.changes(empty, [])
    known = with_block(empty, 120, 320, 70, 150)
    assert len(scene.changes(known, [])) == 1
    assert scene.changes(known, [SOMEBODY]) == []
    brighter = (empty.astype(int) + 25).astype(np.uint8)
    assert scene.changes(brighter, []) == []


def test_a_picture_of_another_size_is_a_new_scene() -> None:
    scene = Scene()
    scene.changes(garden(), [])
    assert scene.changes(np.ascontiguousarray(garden(1)[:300]), []) == []
    assert len(scene.changes(garden(2)[:300], [])) >= 1


# ---- when and where -----------------------------------------------------------------------------


@pytest.mark.parametrize("busy", [False, True], ids=["a still picture", "leaves in the wind"])
def test_searching_stays_within_its_looks_per_second(busy: bool) -> None:
    watched, rng, empty = Watched(), np.random.default_rng(3), garden()
    seconds = 60
    for i in range(seconds * 30):
        x, y = rng.integers(240, 600), rng.integers(200, 470)
        watched.frame(i, with_block(empty, int(x), int(y)) if busy else empty)
    assert len(watched.looks) <= START_LOOKS + LOOKS_PER_S * seconds
    assert len(watched.looks) >= 0.4 * LOOKS_PER_S * seconds
    frames = np.diff([number for number, _ in watched.looks])
    assert frames.min() >= 3  # never in two frames in a row
    whole_pictures = [w for _, w in watched.looks if w.side >= max(SIZE)]
    assert len(whole_pictures) >= len(watched.looks) / 12


def test_who_comes_into_a_still_picture_is_looked_at_at_once() -> None:
    watched, empty = Watched(), garden()
    for i in range(300):
        watched.frame(i, empty)
    watched.looks.clear()
    for i in range(300, 330):
        watched.frame(i, with_block(empty, 640 - 3 * (i - 300), 400))
    at_them = [n for n, w in watched.looks if contains(w, 640 - 3 * (n - 300), 310)]
    assert at_them[0] <= 300 + 12
    assert len(at_them) >= 2
    assert len(watched.looks) <= SAVED_LOOKS + 2


def test_who_was_hidden_is_looked_for_every_third_frame_where_they_should_be() -> None:
    watched, empty = Watched(), garden()
    for i in range(200):
        watched.frame(i, empty)
    watched.looks.clear()
    watched.scout.lose(lost(200 * FRAME_US, hidden=True, velocity=(90.0, 0.0)), 4)
    for i in range(201, 261):
        watched.frame(i, empty)
    assert [n for n, _ in watched.looks] == list(range(201, 261, 3))
    assert all(contains(w, 400 + 3 * min(n - 200, 24), 260) for n, w in watched.looks)


def test_who_walked_out_of_the_picture_gets_no_looks_of_their_own() -> None:
    watched, empty = Watched(), garden()
    for i in range(200):
        watched.frame(i, empty)
    watched.looks.clear()
    watched.scout.lose(lost(200 * FRAME_US, hidden=False, velocity=(3000.0, 0.0)), 4)
    for i in range(203, 263):
        watched.frame(i, empty)
    assert len(watched.looks) <= 2 + 2 * LOOKS_PER_S


def test_lost_people_are_known_again_by_place_and_forgotten_once_found_or_long_gone() -> None:
    scout = Scout()
    scout.lose(lost(0, hidden=True), 4)
    there, elsewhere = person(x=420, torso=60).pixels, person(x=120, torso=60).pixels
    assert scout.who_is_back(there, None, 500_000) is not None
    assert scout.who_is_back(elsewhere, None, 500_000) is None
    scout.found(elsewhere, 500_000)
    assert len(scout.lost) == 1
    scout.found(there, 500_000)
    assert scout.lost == []
    scout.lose(lost(0, hidden=True), 4)
    scout.next_window(garden(), 10_100_000, [SOMEBODY])
    assert scout.lost == []


# ---- who hides whom -----------------------------------------------------------------------------


def test_landmarks_under_somebody_painted_over_are_covered() -> None:
    one = person(x=300, torso=80).pixels
    assert covered_share(one, one) > 0.9
    assert covered_share(person(x=500, torso=80).pixels, one) == 0.0
    half = covered_share(person(x=330, torso=80).pixels, one)
    assert 0.1 < half < 0.9


def test_people_a_torso_apart_are_near() -> None:
    one = person(x=300, torso=80).pixels
    assert are_near(one, person(x=380, torso=80).pixels)
    assert not are_near(one, person(x=450, torso=80).pixels)

"""Several people in one picture with the real MediaPipe: found, followed, lost and found again."""

import itertools
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from typing import Literal

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from genmo_stream.frame import Frame
from genmo_stream.keypoints import PeopleStage, people
from genmo_stream.keypoints.colours import clothes, distance
from genmo_stream.keypoints.follower import Follower
from genmo_stream.keypoints.landmarker import Landmarker, PoseModel
from genmo_stream.observation import Observation
from genmo_stream.tracking import PersonTracker
from genmo_stream.video import read_video
from tests.genmo_stream.staged import Layer, Stage, build
from tests.genmo_stream.test_keypoints_mediapipe import DEMO

Image = NDArray[np.uint8]
STEP_US = 100_000  # one picture every so often: little work for seconds of time
TICK_US = 33_333
MEET = 60  # frame of a staged crossing in which one is all hidden
LEFT, RIGHT = 160, 480  # about where the two stand in a stage picture, pixels


@pytest.fixture(scope="module")
def demo() -> list[Frame]:
    return list(itertools.islice(read_video(DEMO), 20, 90))


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[PeopleStage]:
    """With landmarkers that are there at once, so that frames needn't wait for them."""

    def make(model: PoseModel) -> Future[Follower]:
        made: Future[Follower] = Future()
        made.set_result(Follower(Landmarker(model)))
        return made

    monkeypatch.setattr(people, "_make_aside", make)
    stage = PeopleStage("lite", limit=3)
    yield stage
    stage.close()


def man(frame: Frame) -> Image:
    """The man on the box and what is around him, (280, 320, 3)."""
    return np.ascontiguousarray(frame.image[:280, 190:510])


def dressed_otherwise(image: Image) -> Image:
    """The same picture mirrored and in other colours."""
    return np.ascontiguousarray(image[:, ::-1, [2, 0, 1]])


def side_by_side(frame: Frame, other: Frame | None) -> Image:
    """Somebody on the left, and somebody else on the right, or nobody there."""
    right = np.full((280, 320, 3), 120, np.uint8)
    if other is not None:
        right = dressed_otherwise(man(other))
    return np.hstack((man(frame), right))


def test_two_people_one_of_whom_leaves_and_comes_back_have_two_ids(
    stage: PeopleStage, demo: list[Frame]
) -> None:
    tracker = PersonTracker()
    places: list[dict[int, float]] = []
    for i in range(60):
        gone = 25 <= i < 40  # for 1.5 s: longer than a person is bridged
        image = side_by_side(demo[i], None if gone else demo[i + 8])
        seen = stage.look(image, i * STEP_US)
        observed = tracker.update(seen, i * STEP_US / 1e6)
        places.append(
            {o.person: float(o.keypoints.pixels[11:13, 0].mean()) for o in observed if o.keypoints}
        )
    both = [p for p in places if len(p) == 2]
    assert len([p for p in places[:25] if len(p) == 2]) >= 12
    assert len([p for p in places[40:] if len(p) == 2]) >= 7
    assert {tuple(p) for p in both} == {(1, 2)}
    assert not [p for p in places[27:40] if len(p) != 1]
    first, second = ([p[k] for p in both] for k in (1, 2))
    on_the_left, on_the_right = sorted((first, second), key=lambda xs: xs[0])
    assert np.ptp(on_the_left) < 100
    assert np.ptp(on_the_right) < 100
    assert abs(np.median(on_the_left) - LEFT) < 60
    assert abs(np.median(on_the_right) - RIGHT) < 60


@pytest.fixture(scope="module")
def garden() -> Stage:
    return build()


WOMAN, TWIN = "woman", "twin"


def who_is_who(garden: Stage, observed: tuple[Observation, ...], i: int) -> dict[int, str]:
    """Whose body each id is on, of a frame of a crossing; ids on neither are left out."""
    woman = float(np.flatnonzero(garden.woman[i].mask.any(axis=0)).mean())
    twin = garden.backdrop.shape[1] - 1 - woman
    names = {}
    for o in observed:
        if o.keypoints is not None:
            x = float(o.keypoints.pixels[[11, 12, 23, 24], 0].mean())
            if min(abs(x - woman), abs(x - twin)) < 45:
                names[o.person] = WOMAN if abs(x - woman) < abs(x - twin) else TWIN
    return names


def watch_crossing(
    stage: PeopleStage, garden: Stage, pictures: Iterable[Image]
) -> list[dict[int, str]]:
    """Who is who in every frame of a crossing."""
    tracker = PersonTracker()
    return [
        who_is_who(garden, tracker.update(stage.look(image, i * TICK_US), i / 30), i)
        for i, image in enumerate(pictures)
    ]


@pytest.mark.parametrize("front", [WOMAN, TWIN])
def test_ids_survive_a_crossing_in_which_one_hides_the_other(
    stage: PeopleStage, garden: Stage, front: Literal["woman", "twin"]
) -> None:
    names = watch_crossing(stage, garden, garden.crossing(front=front))
    before, after = names[MEET - 10], names[-1]
    assert sorted(before) == [1, 2]
    assert sorted(before.values()) == [TWIN, WOMAN]
    assert after == before
    assert not {person for frame in names for person in frame} - {1, 2}
    apart = names[MEET + 15 :]
    assert sum(frame == before for frame in apart) >= 0.6 * len(apart)


def test_two_in_the_same_clothes_who_crossed_get_new_ids(stage: PeopleStage, garden: Stage) -> None:
    names = watch_crossing(stage, garden, garden.crossing(dye=(0, 1, 2)))
    assert sorted(names[MEET - 10]) == [1, 2]
    assert sorted(names[-1].values()) == [TWIN, WOMAN]
    assert not {1, 2} & set(names[-1])


def test_who_is_gone_for_five_seconds_and_comes_back_keeps_the_id(
    stage: PeopleStage, garden: Stage
) -> None:
    away = [None] * 50  # 5 s
    gone_and_back: list[Layer | None] = [*garden.woman[40::3], *away, *garden.woman[:40:-3]]
    twin = garden.woman[-1].mirrored((2, 0, 1))
    tracker, seen = PersonTracker(), []
    for i, woman in enumerate(gone_and_back):
        image = garden.show(twin) if woman is None else garden.show(twin, woman)
        observed = tracker.update(stage.look(image, i * STEP_US), i * STEP_US / 1e6)
        seen.append({o.person for o in observed if o.keypoints})
    assert seen[15] == seen[-1] == {1, 2}
    assert [len(people) for people in seen[-60:-25]] == [1] * 35
    assert set.union(*seen) == {1, 2}


def test_one_person_is_one_person_at_hardly_more_than_a_look_a_frame(
    stage: PeopleStage, demo: list[Frame], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    look = Landmarker.look

    def counted(self: Landmarker, crop: Image) -> object:
        nonlocal looks
        looks += 1
        return look(self, crop)

    monkeypatch.setattr(Landmarker, "look", counted)
    seen, per_frame = [], []
    for i in range(50):
        before = looks
        seen.append(stage.look(side_by_side(demo[i], None), i * STEP_US))
        per_frame.append(looks - before)
    assert [len(people) for people in seen[1:]] == [1] * 49
    assert np.mean(per_frame[20:]) <= 1.25
    assert max(per_frame[5:]) <= 2  # one that follows, one that looks


def test_no_more_people_than_the_limit_are_followed(
    demo: list[Frame], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(model: PoseModel) -> Future[Follower]:
        raise AssertionError("a landmarker for one too many")

    monkeypatch.setattr(people, "_make_aside", never)
    one = PeopleStage("lite", limit=1)
    try:
        counts = [len(one.look(side_by_side(f, f), i * STEP_US)) for i, f in enumerate(demo[:15])]
    finally:
        one.close()
    assert set(counts[2:]) == {1}


def figure(shirt: tuple[int, int, int], trousers: tuple[int, int, int]) -> Image:
    """A standing figure of two colours, with the shoulders' middle at (60, 40)."""
    image = np.full((220, 120, 3), 128, np.uint8)
    cv2.rectangle(image, (35, 35), (85, 110), shirt, -1)
    cv2.rectangle(image, (35, 110), (85, 200), trousers, -1)
    return image


PIXELS = np.full((33, 2), 60, np.float32)
PIXELS[[11, 12, 23, 24, 25, 26]] = [[80, 40], [40, 40], [75, 105], [45, 105], [75, 150], [45, 150]]
SURE = np.ones(33, np.float32)


def test_clothes_tell_people_apart_in_other_light_too() -> None:
    red = clothes(figure((200, 30, 30), (40, 40, 60)), PIXELS, SURE)
    darker = clothes(figure((170, 25, 25), (34, 34, 51)), PIXELS, SURE)
    blue = clothes(figure((30, 60, 200), (200, 190, 170)), PIXELS, SURE)
    assert distance(red, red) == pytest.approx(0, abs=1e-3)
    assert distance(red, darker) < 0.45
    assert distance(red, blue) > 0.6


def test_clothes_tell_people_apart_in_haze_where_all_colours_are_near_grey() -> None:
    brown = clothes(figure((118, 108, 100), (104, 104, 106)), PIXELS, SURE)
    green = clothes(figure((104, 114, 108), (110, 106, 118)), PIXELS, SURE)
    assert distance(brown, green) > 0.3


def test_clothes_that_are_hidden_say_nothing() -> None:
    image = figure((200, 30, 30), (40, 40, 60))
    no_hips = SURE.copy()
    no_hips[[23, 24]] = 0.1
    assert clothes(image, PIXELS, no_hips) is None
    assert clothes(image, PIXELS + 500, SURE) is None
    no_knees = SURE.copy()
    no_knees[[25, 26]] = 0.1
    shirt_only = clothes(image, PIXELS, no_knees)
    assert distance(shirt_only, clothes(image, PIXELS, SURE)) == pytest.approx(0, abs=1e-3)

"""Ids and states of the people in the picture, on passed-in time."""

import itertools
import math

import numpy as np
import pytest

from genmo_rt.keypoints import NUM_LANDMARKS, Keypoints
from genmo_stream.keypoints.colours import LIGHTNESS_BINS, PART_WIDTH
from genmo_stream.observation import Observation, PersonState
from genmo_stream.seen import SeenPerson
from genmo_stream.tracking import BRIDGE_S, RESUME_S, WARMUP_S, PersonTracker

DT = 1 / 30


def person(
    x: float = 300,
    y: float = 200,
    torso: float = 80,
    *,
    confidence: float = 0.9,
    image_size: tuple[int, int] = (640, 480),
) -> Keypoints:
    """A standing figure with the shoulders' middle at (x, y)."""
    pixels = np.zeros((NUM_LANDMARKS, 2), np.float32)
    pixels[:11] = (0, -0.5)
    pixels[11:23:2], pixels[12:23:2] = (0.35, 0.3), (-0.35, 0.3)
    pixels[11], pixels[12] = (0.35, 0), (-0.35, 0)
    pixels[23], pixels[24] = (0.2, 1), (-0.2, 1)
    pixels[25:] = (0, 2)
    return Keypoints(
        pixels=pixels * np.float32(torso) + np.array([x, y], np.float32),
        confidence=np.full(NUM_LANDMARKS, confidence, np.float32),
        world=None,
        image_size=image_size,
    )


def wearing(keypoints: Keypoints, *colours: int) -> SeenPerson:
    """Somebody whose torso and thighs are all of one colour each; without any: not seen."""
    if not colours:
        return SeenPerson(keypoints)
    parts = np.zeros((2, PART_WIDTH), np.float32)
    parts[[0, 1], [c % LIGHTNESS_BINS for c in colours]] = 0.5
    parts[[0, 1], [LIGHTNESS_BINS + c for c in colours]] = 0.5
    return SeenPerson(keypoints, parts)


RED, BLUE = (12, 44), (77, 51)


class Watched:
    """A tracker with who it was shown last."""

    def __init__(self, limit: int = 4) -> None:
        self.tracker = PersonTracker(limit)

    def see(self, t: float, *people: Keypoints | SeenPerson) -> dict[int, Observation]:
        seen = [p if isinstance(p, SeenPerson) else SeenPerson(p) for p in people]
        observed = self.tracker.update(seen, t)
        assert [o.person for o in observed] == sorted({o.person for o in observed})
        return {o.person: o for o in observed}

    def a_second_of(self, *people: Keypoints | SeenPerson) -> dict[int, Observation]:
        """Shows people from time 0 to 1; returns the last observation."""
        for i in range(31):
            observed = self.see(i * DT, *people)
        return observed


def test_nobody_is_observed_in_an_empty_picture() -> None:
    watched = Watched()
    assert [watched.see(t) for t in (0.0, 5.0)] == [{}, {}]


def test_new_person_comes_in_warmup_and_is_then_tracked() -> None:
    watched = Watched()
    seen = [watched.see(i * DT, person()) for i in range(30)]
    assert {tuple(o) for o in seen} == {(1,)}
    states = [o[1].state for o in seen]
    warm = sum(s is PersonState.WARMUP for s in states)
    assert states == [PersonState.WARMUP] * warm + [PersonState.TRACKED] * (30 - warm)
    assert warm == np.ceil(WARMUP_S / DT)
    assert seen[-1][1].keypoints is not None


def test_person_mostly_hidden_is_occluded_with_landmarks() -> None:
    watched = Watched()
    watched.a_second_of(person())
    hidden = watched.see(1 + DT, person(confidence=0.2))[1]
    assert hidden.state is PersonState.OCCLUDED
    assert hidden.keypoints is not None
    assert watched.see(1 + 2 * DT, person())[1].state is PersonState.TRACKED


def test_head_and_shoulders_are_enough_to_be_tracked() -> None:
    assert Watched().a_second_of(person(y=460, torso=300))[1].state is PersonState.TRACKED


def test_short_loss_is_bridged_as_occluded_without_landmarks() -> None:
    watched = Watched()
    watched.a_second_of(person())
    for i in range(1, round(BRIDGE_S / DT)):
        assert watched.see(1 + i * DT) == {1: Observation(1, PersonState.OCCLUDED, None)}
    assert watched.see(1 + BRIDGE_S, person())[1].state is PersonState.TRACKED


def test_person_unseen_for_longer_leaves() -> None:
    watched = Watched()
    watched.a_second_of(person())
    there = [1 in watched.see(1 + i * 0.1) for i in range(1, 40)]
    assert sum(there) == round(BRIDGE_S / 0.1)
    assert sorted(there, reverse=True) == there


def test_person_back_within_ten_seconds_gets_the_id_back_anywhere() -> None:
    watched = Watched()
    watched.a_second_of(person())
    watched.see(3.0)
    back = watched.see(1 + RESUME_S - 0.1, person(x=100, torso=40))
    assert back[1].state is PersonState.WARMUP


def test_person_after_ten_seconds_gets_a_new_id() -> None:
    watched = Watched()
    watched.a_second_of(person())
    watched.see(3.0)
    assert list(watched.see(1 + RESUME_S + 0.1, person())) == [2]


def test_a_stream_that_paused_for_over_ten_seconds_starts_a_new_person() -> None:
    watched = Watched()
    watched.a_second_of(person())
    assert list(watched.see(1 + RESUME_S + 0.1, person())) == [2]


def test_a_stream_that_paused_for_five_seconds_keeps_the_person() -> None:
    watched = Watched()
    watched.a_second_of(person())
    assert watched.see(6.0, person(x=350))[1].state is PersonState.TRACKED


@pytest.mark.parametrize(
    "somebody_else",
    [person(x=600), person(torso=30), person(x=120, y=380, torso=170)],
    ids=["elsewhere", "far away", "near"],
)
def test_jump_to_another_place_or_size_is_somebody_else(somebody_else: Keypoints) -> None:
    watched = Watched()
    watched.a_second_of(person())
    seen = watched.see(1 + DT, somebody_else)
    assert (seen[1].state, seen[2].state) == (PersonState.OCCLUDED, PersonState.WARMUP)
    for i in range(2, 40):
        seen = watched.see(1 + i * DT, somebody_else)
    assert list(seen) == [2]


@pytest.mark.parametrize("fps", [4, 30])
def test_who_was_first_seen_in_a_wrong_place_keeps_the_id_and_starts_anew(fps: int) -> None:
    watched = Watched()
    watched.see(0, wearing(person(x=600, torso=30), *BLUE))
    man = watched.see(1 / fps, wearing(person(), *RED))
    assert list(man) == [1]
    assert (man[1].state, man[1].moved) == (PersonState.WARMUP, True)
    later = watched.see(2 / fps, wearing(person(), *RED))
    assert (list(later), later[1].moved) == ([1], False)
    assert watched.see(2 / fps + WARMUP_S, wearing(person(), *RED))[1].state is PersonState.TRACKED


def test_who_is_known_isn_t_taken_for_somebody_elsewhere() -> None:
    watched = Watched()
    known = math.ceil(WARMUP_S / DT)
    for i in range(known + 1):
        watched.see(i * DT, person())
    assert list(watched.see((known + 1) * DT, person(x=600))) == [1, 2]


def test_a_second_person_at_once_is_new() -> None:
    watched = Watched()
    watched.see(0, person())
    assert list(watched.see(DT, person(), person(x=600))) == [1, 2]


def test_last_person_found_again_in_their_place_gets_their_id_back() -> None:
    watched = Watched()
    watched.a_second_of(person())
    watched.see(1 + DT, person(x=600))
    back = watched.see(1 + 2 * DT, person())
    assert list(back) == [1]
    assert back[1].keypoints is not None


@pytest.mark.parametrize("fps", [4, 30])
def test_wrong_landmarks_of_one_frame_leave_no_ghost(fps: int) -> None:
    watched = Watched()
    for i in range(fps + 1):
        watched.see(i / fps, wearing(person(), *RED))
    wrong = watched.see(1 + 1 / fps, wearing(person(x=600), *BLUE))
    assert [o.person for o in wrong.values() if o.keypoints] == [2]
    for i in range(2, fps):
        assert list(watched.see(1 + i / fps, wearing(person(), *RED))) == [1]


@pytest.mark.parametrize("fps", [10, 30, 60])
def test_running_through_the_picture_and_jumping_keep_the_id(fps: int) -> None:
    watched = Watched()
    for i in range(fps):  # 7 torsos a second is a sprint past the camera
        t = i / fps
        y = 200 - 90 * np.sin(np.pi * t)
        seen = watched.see(t, person(x=40 + 560 * t, y=y))
    assert list(seen) == [1]


def test_change_of_resolution_keeps_the_id() -> None:
    watched = Watched()
    watched.a_second_of(person())
    small = person(x=75, y=50, torso=20, image_size=(160, 120))
    assert list(watched.see(1 + DT, small)) == [1]


def test_nothing_is_tracked_while_nobody_is_seen() -> None:
    rng = np.random.default_rng(0)
    watched = Watched()
    for i in range(500):
        shown = [person(x=float(rng.uniform(0, 640)))] if rng.random() < 0.3 else []
        seen = watched.see(i * 0.2, *shown)
        assert sum(o.keypoints is not None for o in seen.values()) <= len(shown)
        assert all(o.state is PersonState.OCCLUDED for o in seen.values() if o.keypoints is None)


# ---- several people -----------------------------------------------------------------------------


def crossing(t: float) -> tuple[Keypoints, Keypoints]:
    """Two who walk past each other in 4 s, shoulders meeting at t = 2: from the left, the right."""
    return person(x=120 + 100 * t), person(x=520 - 100 * t, y=195)


def test_two_people_keep_their_ids_in_whatever_order_they_are_seen() -> None:
    rng = np.random.default_rng(1)
    watched = Watched()
    for i in range(60):
        people = [person(x=150 + i), person(x=500 - i)]
        order = rng.permutation(2)
        seen = watched.see(i * DT, *(people[k] for k in order))
        assert [seen[k + 1].keypoints for k in range(2)] == (
            [people[k] for k in range(2)]
        ) or i == 0


def test_ids_survive_a_crossing_of_people_in_different_clothes() -> None:
    watched = Watched()
    for i in range(120):
        left, right = crossing(i * DT)
        seen = watched.see(i * DT, wearing(left, *RED), wearing(right, *BLUE))
        assert list(seen) == [1, 2]
        assert seen[1].keypoints is left


def test_ids_survive_a_crossing_in_which_one_is_hidden_for_a_second() -> None:
    watched = Watched()
    for i in range(120):
        left, right = crossing(i * DT)
        shown = [wearing(left, *RED)]
        if not 1.5 < i * DT < 2.5:
            shown.append(wearing(right, *BLUE))
        seen = watched.see(i * DT, *shown)
        assert list(seen) == [1, 2]
        assert seen[1].keypoints is left
    assert seen[2].keypoints is right


def test_whose_landmarks_slide_onto_the_other_gets_their_id_back_by_their_clothes() -> None:
    watched = Watched()
    for i in range(120):
        t = i * DT
        left, right = crossing(t)
        shown = [wearing(left, *RED), wearing(right, *BLUE)]
        if 1.9 < t < 2.1:  # the 2D stage has both on one body
            shown = [wearing(left, *RED)]
        elif t >= 2.1:  # and mixes the two up: who went right comes back as who goes left
            shown = shown[::-1]
        seen = watched.see(t, *shown)
    assert seen[1].keypoints is left
    assert seen[2].keypoints is right


def test_people_in_the_same_clothes_who_can_t_be_told_apart_get_new_ids() -> None:
    watched = Watched()
    for i in range(160):
        left, right = crossing(i * DT)
        shown = [wearing(left, *RED), wearing(right, *RED)]
        if 1.9 < i * DT < 2.1:
            shown = shown[:1]
        seen = watched.see(i * DT, *shown)
    assert not {1, 2} & set(seen)
    assert len(seen) == 2


def met_without_clothes(sizes: tuple[float, float]) -> list[dict[int, Observation]]:
    """Two who cross, a mixture of both seen while they hide each other; only landmarks are known.

    In the end the one on the right is the bigger of the two.
    """
    watched, seen = Watched(), []
    for i in range(160):
        t = i * DT
        big, small = person(x=120 + 100 * t, torso=sizes[0]), person(520 - 100 * t, 195, sizes[1])
        middle = (big.pixels + small.pixels) / 2
        mixture = Keypoints(middle.astype(np.float32), big.confidence, None, big.image_size)
        together = 1.8 < t < 2.2
        seen.append(watched.see(t, *([mixture] if together else [small, big])))
    return seen


def test_ids_survive_a_crossing_without_clothes_by_the_sizes() -> None:
    seen = met_without_clothes((80, 60))
    assert {tuple(frame) for frame in seen} == {(1, 2)}
    for frame in seen[:50] + seen[90:]:
        torsos = [float(np.ptp(frame[k].keypoints.pixels[11:29, 1])) for k in (1, 2)]  # type: ignore[union-attr]
        assert torsos[0] < torsos[1]


def test_two_of_one_size_and_without_clothes_who_crossed_get_new_ids() -> None:
    seen = met_without_clothes((80, 78))
    assert list(seen[50]) == [1, 2]
    assert len(seen[-1]) == 2
    assert not {1, 2} & set(seen[-1])


def test_who_changes_size_while_they_are_together_is_new_rather_than_traded() -> None:
    watched = Watched()
    for i in range(30):
        watched.see(i * DT, person(200, torso=90), person(260, torso=60))
    for i in range(30, 150):
        watched.see(i * DT, person(230, torso=75))
    for i in range(150, 200):
        seen = watched.see(i * DT, person(200, torso=60), person(260, torso=90))
    assert not {1, 2} & set(seen)


def test_nobody_trades_places_because_one_of_them_can_t_be_who_they_were() -> None:
    watched = Watched()
    watched.a_second_of(person(x=200, torso=60), person(x=270, torso=100))
    seen = watched.see(1 + 2 * DT, stays := person(x=200, torso=60), person(x=270, torso=45))
    assert seen[1].keypoints is stays
    assert [person for person, o in seen.items() if o.keypoints is not None] == [1, 3]


def test_of_two_who_left_the_one_who_comes_back_is_known_by_the_clothes() -> None:
    watched = Watched()
    watched.a_second_of(wearing(person(x=200), *RED), wearing(person(x=450), *BLUE))
    watched.see(3.0)
    assert list(watched.see(5.0, wearing(person(x=200), *BLUE))) == [2]


def test_of_two_who_left_one_who_could_be_either_is_new() -> None:
    watched = Watched()
    watched.a_second_of(person(x=200), person(x=450))
    watched.see(3.0)
    assert list(watched.see(5.0, person(x=325))) == [3]


def test_who_came_back_and_could_be_either_stays_who_they_are_since() -> None:
    watched = Watched()
    watched.a_second_of(person(x=200), person(x=450))
    watched.see(3.0)
    for i in range(30):
        assert list(watched.see(5 + i * DT, person(x=325))) == [3]
    watched.see(7.5)
    assert list(watched.see(8.0, person(x=325))) == [3]


def test_whose_landmarks_slide_onto_another_out_of_sight_go_back_by_the_size() -> None:
    watched = Watched()
    for i in range(150):
        t = i * DT
        big, small = person(300, torso=100), person(340, torso=70)
        if t < 1:
            shown = [big, small]
        elif t < 1.3:  # he hides her
            shown = [big]
        elif t < 3:  # what follows him slides onto her, and he isn't seen
            slid = min((t - 1.3) / 0.3, 1.0)
            shown = [person(300 + 40 * slid, torso=100 - 30 * slid)]
        else:
            shown = [big, small]
        seen = watched.see(t, *shown)
        if 2.5 < t < 3:
            assert [k for k, o in seen.items() if o.keypoints is not None] != [1]
    assert 1 not in seen or seen[1].keypoints is big
    assert 2 not in seen or seen[2].keypoints is small
    assert len(seen) == 2


@pytest.mark.parametrize(
    "gaps_s", [(1 / 30,), (0.25,), (0.6,), (0.9,), (0.07, 0.6, 0.25, 0.8)], ids=str
)
def test_who_is_in_every_frame_keeps_the_id_however_rarely_frames_come(
    gaps_s: tuple[float, ...],
) -> None:
    watched = Watched()
    gaps = itertools.cycle(gaps_s)
    t = 0.0
    while t < 4:
        watched.see(t, *(wearing(person(x=x), *RED) for x in (120, 330, 540)))
        t += next(gaps)
    while t < 4 + RESUME_S:  # the one in the middle is gone, who wore the same
        x = 10 * np.sin(3 * t)
        left, right = (wearing(person(x=x), *RED) for x in (120 + x, 540 - x))
        seen = watched.see(t, left, right)
        there = {o.person: o.keypoints for o in seen.values() if o.keypoints}
        assert there == {1: left.keypoints, 3: right.keypoints}
        t += next(gaps)


def test_who_left_doesn_t_take_the_place_of_who_is_followed() -> None:
    watched = Watched()
    watched.a_second_of(wearing(person(x=200), *RED), wearing(person(x=450), *RED))
    for i in range(31, 200):
        seen = watched.see(i * DT, wearing(person(x=450 + 20 * np.sin(i)), *RED))
    assert list(seen) == [2]


def test_who_comes_in_elsewhere_as_another_is_hidden_in_the_same_clothes_is_new() -> None:
    watched = Watched()
    watched.a_second_of(wearing(person(x=600), *RED), wearing(person(x=450), *RED))
    for i in range(31, 70):  # the first leaves
        watched.see(i * DT, wearing(person(x=450), *RED))
    watched.see(70 * DT)  # the second is hidden just now, and can't be at x = 40
    seen = watched.see(71 * DT, wearing(person(x=40), *RED))
    assert [person for person, o in seen.items() if o.keypoints] == [3]


def test_somebody_in_other_clothes_is_new_wherever_they_come_in() -> None:
    watched = Watched()
    watched.a_second_of(wearing(person(), *RED))
    watched.see(3.0)
    assert list(watched.see(3.5, wearing(person(), *BLUE))) == [2]


def test_no_more_than_the_limit_are_followed() -> None:
    seen = Watched(limit=2).a_second_of(*(person(x=100 + 150 * k, torso=40) for k in range(4)))
    assert list(seen) == [1, 2]
    seen = Watched().a_second_of(*(person(x=10 + 5 * k, torso=20) for k in range(100)))
    assert len(seen) <= 4


def test_who_is_out_of_sight_makes_room_for_who_is_seen_at_the_limit() -> None:
    watched = Watched(limit=1)
    watched.a_second_of(person(x=100, torso=40))
    seen = [watched.see(1 + i * DT, person(x=550, torso=40)) for i in range(1, 10)]
    assert list(seen[0]) == [1]  # bridged at first, in case it's a slip
    assert list(seen[-1]) == [2]
    assert seen[-1][2].keypoints is not None

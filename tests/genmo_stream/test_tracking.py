"""Ids and states of the person in the picture, on passed-in time."""

import numpy as np
import pytest

from genmo_rt.keypoints import NUM_LANDMARKS, Keypoints
from genmo_stream.tracking import (
    BRIDGE_S,
    RESUME_S,
    WARMUP_S,
    Observation,
    PersonState,
    PersonTracker,
)

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


def tracked(tracker: PersonTracker, keypoints: Keypoints | None = None) -> Observation:
    """Shows one person from time 0 to 1; returns the last observation."""
    for i in range(31):
        observation = tracker.update(keypoints or person(), i * DT)
    return observation


def test_nobody_is_lost_without_an_id() -> None:
    tracker = PersonTracker()
    for t in (0.0, 5.0):
        assert tracker.update(None, t) == Observation(None, PersonState.LOST, None, False, None)


def test_new_person_enters_in_warmup_and_is_then_tracked() -> None:
    tracker = PersonTracker()
    seen = [tracker.update(person(), i * DT) for i in range(30)]
    assert [o.entered for o in seen] == [True] + [False] * 29
    assert {o.person for o in seen} == {1}
    states = [o.state for o in seen]
    warm = sum(s is PersonState.WARMUP for s in states)
    assert states == [PersonState.WARMUP] * warm + [PersonState.TRACKED] * (30 - warm)
    assert warm == np.ceil(WARMUP_S / DT)
    assert seen[-1].keypoints is not None


def test_person_mostly_hidden_is_occluded_with_landmarks() -> None:
    tracker = PersonTracker()
    tracked(tracker)
    hidden = tracker.update(person(confidence=0.2), 1 + DT)
    assert (hidden.person, hidden.state) == (1, PersonState.OCCLUDED)
    assert hidden.keypoints is not None
    assert tracker.update(person(), 1 + 2 * DT).state is PersonState.TRACKED


def test_head_and_shoulders_are_enough_to_be_tracked() -> None:
    tracker = PersonTracker()
    assert tracked(tracker, person(y=460, torso=300)).state is PersonState.TRACKED


def test_short_loss_is_bridged_as_occluded_without_landmarks() -> None:
    tracker = PersonTracker()
    tracked(tracker)
    for i in range(1, round(BRIDGE_S / DT)):
        bridged = tracker.update(None, 1 + i * DT)
        assert bridged == Observation(1, PersonState.OCCLUDED, None, False, None)
    back = tracker.update(person(), 1 + BRIDGE_S)
    assert (back.person, back.state, back.entered) == (1, PersonState.TRACKED, False)


def test_person_unseen_for_longer_leaves_once() -> None:
    tracker = PersonTracker()
    tracked(tracker)
    gone = [tracker.update(None, 1 + i * 0.1) for i in range(1, 40)]
    assert [o.left for o in gone if o.left is not None] == [1]
    assert gone[-1] == Observation(None, PersonState.LOST, None, False, None)
    leaving = next(i for i, o in enumerate(gone) if o.left is not None)
    assert leaving == round(BRIDGE_S / 0.1)


def test_person_back_within_ten_seconds_gets_the_id_back_anywhere() -> None:
    tracker = PersonTracker()
    tracked(tracker)
    tracker.update(None, 3.0)
    back = tracker.update(person(x=100, torso=40), 1 + RESUME_S - 0.1)
    assert (back.person, back.state, back.entered) == (1, PersonState.WARMUP, True)


def test_person_after_ten_seconds_gets_a_new_id() -> None:
    tracker = PersonTracker()
    tracked(tracker)
    tracker.update(None, 3.0)
    back = tracker.update(person(), 1 + RESUME_S + 0.1)
    assert (back.person, back.state, back.entered) == (2, PersonState.WARMUP, True)


def test_a_stream_that_paused_for_over_ten_seconds_starts_a_new_person() -> None:
    tracker = PersonTracker()
    tracked(tracker)
    after = tracker.update(person(), 1 + RESUME_S + 0.1)
    assert (after.person, after.entered, after.left) == (2, True, 1)


def test_a_stream_that_paused_for_five_seconds_keeps_the_person() -> None:
    tracker = PersonTracker()
    tracked(tracker)
    after = tracker.update(person(x=350), 6.0)
    assert (after.person, after.state, after.left) == (1, PersonState.TRACKED, None)


@pytest.mark.parametrize(
    "somebody_else",
    [person(x=600), person(torso=30), person(x=120, y=380, torso=170)],
    ids=["elsewhere", "far away", "near"],
)
def test_jump_to_another_place_or_size_is_somebody_else(somebody_else: Keypoints) -> None:
    tracker = PersonTracker()
    tracked(tracker)
    other = tracker.update(somebody_else, 1 + DT)
    assert (other.person, other.entered, other.left) == (2, True, 1)
    assert other.state is PersonState.WARMUP


def test_last_person_found_again_in_their_place_gets_their_id_back() -> None:
    tracker = PersonTracker()
    tracked(tracker)
    tracker.update(person(x=600), 1 + DT)
    back = tracker.update(person(), 1 + 2 * DT)
    assert (back.person, back.entered, back.left) == (1, True, 2)
    assert tracker.update(person(x=600), 1 + 3 * DT).person == 2


@pytest.mark.parametrize("fps", [10, 30, 60])
def test_running_through_the_picture_and_jumping_keep_the_id(fps: int) -> None:
    tracker = PersonTracker()
    for i in range(fps):  # 7 torsos a second is a sprint past the camera
        t = i / fps
        y = 200 - 90 * np.sin(np.pi * t)
        seen = tracker.update(person(x=40 + 560 * t, y=y), t)
    assert seen.person == 1


def test_change_of_resolution_keeps_the_id() -> None:
    tracker = PersonTracker()
    tracked(tracker)
    small = person(x=75, y=50, torso=20, image_size=(160, 120))
    assert tracker.update(small, 1 + DT).person == 1


def test_nothing_is_tracked_while_nobody_is_seen() -> None:
    rng = np.random.default_rng(0)
    tracker = PersonTracker()
    for i in range(2000):
        shown = person(x=float(rng.uniform(0, 640))) if rng.random() < 0.3 else None
        seen = tracker.update(shown, i * 0.2)
        assert (seen.person is None) == (seen.state is PersonState.LOST)
        if shown is None:
            assert seen.state in (PersonState.LOST, PersonState.OCCLUDED)
            assert seen.keypoints is None

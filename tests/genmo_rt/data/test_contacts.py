"""Contact labels: what stands still and low, or holds while the body moves, is in contact."""

import numpy as np

from genmo_rt.data.clips import FloatArray
from genmo_rt.data.contacts import floor_height, label_contacts

STEP = 15  # ticks a foot stands, then swings


def _walk(frames: int = 120) -> tuple[FloatArray, FloatArray]:
    """Feet stand and swing in turn, 0.6 m a step, 12 cm high; the wrists go along."""
    points = np.zeros((frames, 6, 3), np.float32)
    for side, columns in ((0, (0, 1)), (1, (2, 3))):
        time = np.arange(frames) + side * STEP
        step, part = np.divmod(time, 2 * STEP)
        swing = np.clip((part - STEP) / STEP, 0, 1)
        forward = 0.6 * (step + swing * swing * (3 - 2 * swing))
        for column in columns:
            points[:, column, 2] = forward
            points[:, column, 1] = 0.12 * np.sin(np.pi * swing)
    pelvis = np.zeros((frames, 3), np.float32)
    pelvis[:, 1], pelvis[:, 2] = 0.9, np.arange(frames) * 0.02
    points[:, 4:] = pelvis[:, None]
    return points, pelvis


def test_feet_of_a_walk_are_in_contact_in_turn() -> None:
    points, pelvis = _walk()
    labels = label_contacts(points, pelvis)
    standing = np.arange(120) % (2 * STEP) < STEP
    assert (labels[:, 0] == standing).mean() > 0.85
    assert (labels[:, 2] == ~standing)[:-1].mean() > 0.85
    assert not labels[np.arange(120) % (2 * STEP) == STEP + STEP // 2, 0].any()  # mid-swing


def test_a_still_foot_in_the_air_is_not_in_contact() -> None:
    points, pelvis = _walk()
    points[:, 2:4] = (0.1, 0.5, 0.0)
    pelvis[:] = (0, 0.9, 0)
    assert not label_contacts(points, pelvis)[:, 2:4].any()


def test_contact_does_not_flicker_between_the_thresholds() -> None:
    points, pelvis = _walk()
    points[:] = 0
    # Rises slowly to between the heights at which contact begins and ends, and wavers there.
    points[:, 0, 1] = np.clip(np.arange(120) * 0.002, 0, 0.07)
    points[:, 0, 1] += 0.005 * np.sin(np.arange(120) * 0.2)
    assert label_contacts(points, pelvis * 0)[:, 0].all()


def test_hanging_hands_of_a_standing_person_are_free() -> None:
    points, pelvis = _walk()
    points[:, 4:] = (0.3, 0.8, 0)
    assert not label_contacts(points, pelvis * 0 + (0, 0.9, 0))[:, 4:].any()


def test_a_hand_that_holds_while_the_body_moves_is_in_contact() -> None:
    points, pelvis = _walk()
    points[:, 4] = (0.3, 1.8, 0)
    labels = label_contacts(points, pelvis)
    assert labels[5:, 4].all()
    assert not labels[:, 5].any()


def test_the_floor_is_where_feet_rest() -> None:
    points, _ = _walk()
    points[..., 1] -= 0.37
    assert abs(floor_height(points) + 0.37) < 0.01

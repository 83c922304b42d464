"""Two people before one camera stand right in the stream's world, relative to each other."""

import numpy as np
import pytest

from genmo_rt.clock import TickClock
from genmo_rt.estimate import Estimator
from genmo_stream.observation import Observation, PersonState
from genmo_stream.seen import Seen
from genmo_stream.solvers import Followed, Solvers, advance_all
from tests.genmo_rt.walk import INTRINSICS, walker, walking

SECONDS = 4.0
SIZE = (INTRINSICS.width, INTRINSICS.height)


def together(offset: np.ndarray, size: float, enters: int) -> tuple[np.ndarray, np.ndarray]:
    """Two people of a stream: where the second is from the first, and how high their feet are.

    Args:
        offset: (3,) of the second, metres in the camera.
        size: of the second.
        enters: tick at which the second comes.
    Returns:
        (L, 3) metres in the world and (L, 2) metres, of the ticks after two seconds.
    """
    solvers, clock = Solvers(Estimator.load(streams=2)), TickClock()
    apart, feet = [], []
    for i in range(round(30 * SECONDS)):
        tick = clock.admit(round(i * 1e6 / 30))
        assert tick is not None
        people = ((np.zeros(3), 1.0), (offset, size)) if i >= enters else ((np.zeros(3), 1.0),)
        there = tuple(
            Observation(k + 1, PersonState.TRACKED, walking(tick.t, *person))
            for k, person in enumerate(people)
        )
        frame = Followed(Seen(i, 0, 0.0, 0.0, SIZE, tick, ()), there)
        poses = [solved[-1][0] for solved in advance_all(solvers.of(frame), frame)]
        solvers.due(frame)
        if len(poses) == 2 and i >= 60:
            apart.append(poses[1].pelvis - poses[0].pelvis)
            feet.append([pose.joints[[10, 11], 1].min() for pose in poses])
    return np.array(apart), np.array(feet)


@pytest.mark.parametrize("enters", [0, 30], ids=["together", "one later"])
def test_a_second_person_is_within_20_cm_of_where_they_stand_beside_the_first(enters: int) -> None:
    offset = np.array([1.2, 0.0, 0.8])  # further right, further away
    apart, feet = together(offset, 1.0, enters)
    error = apart - (offset[0], 0.0, -offset[2])
    assert np.median(np.linalg.norm(error, axis=1)) < 0.2
    assert abs(np.diff(np.median(feet, axis=0))[0]) < 0.1  # one floor for both


def test_who_comes_together_with_others_moves_nobodys_floor() -> None:
    heights = []
    for people in (1, 2):
        solvers, clock = Solvers(Estimator.load(streams=2)), TickClock()
        first = []
        for i in range(10):
            tick = clock.admit(round(i * 1e6 / 30))
            assert tick is not None
            offsets = (np.zeros(3), np.array([1.2, -0.6, 0.8]))[:people]  # the second on a stage
            there = tuple(
                Observation(k + 1, PersonState.TRACKED, walking(tick.t, offset))
                for k, offset in enumerate(offsets)
            )
            frame = Followed(Seen(i, 0, 0.0, 0.0, SIZE, tick, ()), there)
            first.append(advance_all(solvers.of(frame), frame)[0][-1][0].pelvis[1])
            solvers.due(frame)
        heights.append(first)
    alone, beside = np.array(heights)
    assert np.abs(beside - alone).max() < 0.05  # of the 5 cm and 2 degrees a second it may turn


def test_a_child_beside_an_adult_is_not_taken_for_somebody_far_away() -> None:
    size, offset = 0.75, np.array([1.2, 0.0, 0.8])
    apart, feet = together(offset, size, enters=6)
    hips = (size - 1) * float(walker(0).joints_world[0, 1])
    error = apart - (offset[0], hips, -offset[2])
    assert np.median(np.linalg.norm(error, axis=1)) < 0.3  # 1.5 m by the model's sizes
    assert abs(np.diff(np.median(feet, axis=0))[0]) < 0.12

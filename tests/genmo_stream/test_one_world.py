"""Two people before one camera stand right in the stream's world, relative to each other."""

import numpy as np
import pytest

from genmo_rt.clock import TickClock
from genmo_rt.estimate import Estimator
from genmo_rt.keypoints import Keypoints
from genmo_stream.observation import Observation, PersonState
from genmo_stream.seen import Seen
from genmo_stream.solvers import Followed, Solvers, advance_all
from tests.genmo_rt.walk import INTRINSICS, walker

SECONDS = 4.0
SIZE = (INTRINSICS.width, INTRINSICS.height)


def walking(t: float, offset: np.ndarray) -> Keypoints:
    """The synthetic walker's landmarks, moved by (3,) metres in the camera."""
    points = walker(t).landmarks_cam + offset
    pixels = points[:, :2] / points[:, 2:] * INTRINSICS.fx + (INTRINSICS.cx, INTRINSICS.cy)
    return Keypoints(pixels.astype(np.float32), np.full(33, 0.95, np.float32), None, SIZE)


@pytest.mark.parametrize("enters", [0, 30], ids=["together", "one later"])
def test_a_second_person_is_within_20_cm_of_where_they_stand_beside_the_first(enters: int) -> None:
    offset = np.array([1.2, 0.0, 0.8])  # further right, further away
    solvers, clock = Solvers(Estimator.load(streams=2)), TickClock()
    apart, feet = [], []
    for i in range(round(30 * SECONDS)):
        tick = clock.admit(round(i * 1e6 / 30))
        assert tick is not None
        places = (np.zeros(3), offset) if i >= enters else (np.zeros(3),)
        there = tuple(
            Observation(k + 1, PersonState.TRACKED, walking(tick.t, place))
            for k, place in enumerate(places)
        )
        frame = Followed(Seen(i, 0, 0.0, 0.0, SIZE, tick, ()), there)
        poses = [solved[-1][0] for solved in advance_all(solvers.of(frame), frame)]
        solvers.due(frame)
        if len(poses) == 2 and i >= 60:
            apart.append(poses[1].pelvis - poses[0].pelvis)
            feet.append([pose.joints[[10, 11], 1].min() for pose in poses])
    right, towards_the_camera = offset[0], -offset[2]
    error = np.array(apart) - (right, 0.0, towards_the_camera)
    assert np.median(np.linalg.norm(error, axis=1)) < 0.2
    assert abs(np.diff(np.median(feet, axis=0))[0]) < 0.1  # one floor for both

"""The shipped estimator on a real recording: better than the 3D landmarks it replaces."""

from pathlib import Path

import pytest

from genmo_rt.camera import Intrinsics
from genmo_rt.estimate import Estimator
from genmo_rt.evaluation.real import Footage, RealScores, score_live, score_mediapipe
from genmo_rt.evaluation.recorded import read_keypoints, read_reference

LANDMARKS = Path(__file__).parents[2] / "fixtures" / "landmarks"
SIZE = (1080, 1920)
CAMERA = 1


@pytest.fixture(scope="module", params=["calibrated", "guessed"])
def scores(request: pytest.FixtureRequest) -> tuple[RealScores, RealScores]:
    """Ours and MediaPipe's."""
    reference = read_reference(LANDMARKS / "pose2sim_reference.npz", CAMERA, SIZE)
    calibrated = request.param == "calibrated"
    intrinsics = reference.intrinsics if calibrated else Intrinsics.default(*SIZE)
    footage = Footage.of(read_keypoints(LANDMARKS / "pose2sim_cam02.npz"), reference)
    return score_live(Estimator.load(), footage, intrinsics), score_mediapipe(footage)


def test_joints_are_nearer_to_the_reference_than_mediapipes_own(
    scores: tuple[RealScores, RealScores],
) -> None:
    ours, theirs = scores
    assert ours.mpjpe < 0.85 * theirs.mpjpe
    assert ours.pa_mpjpe < 0.75 * theirs.pa_mpjpe


def test_the_body_lies_on_the_person_in_the_picture(scores: tuple[RealScores, RealScores]) -> None:
    """The man is 800 pixels tall."""
    assert scores[0].reprojection < 20


def test_motion_is_several_times_smoother(scores: tuple[RealScores, RealScores]) -> None:
    ours, theirs = scores
    assert ours.jitter < theirs.jitter / 2
    assert ours.resting_feet < theirs.resting_feet


def test_no_tick_is_without_a_pose(scores: tuple[RealScores, RealScores]) -> None:
    assert scores[0].coverage == 100

"""Hidden limbs: what is hidden, when, and what counts as a jump."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from genmo_rt.checkpoint import Checkpoint
from genmo_rt.clock import Tick
from genmo_rt.data.batch import TrainingBatch
from genmo_rt.errors import InputError
from genmo_rt.estimate import Estimator, StreamEstimator
from genmo_rt.evaluation import occlusion
from genmo_rt.evaluation.occlusion import (
    FIRST,
    LEGS,
    OCCLUDERS,
    score_occlusion,
)
from genmo_rt.keypoints import LANDMARK_NAMES, Keypoints
from genmo_rt.model import Model, ModelConfig
from genmo_rt.motion import MotionStats
from genmo_rt.pose import Pose
from genmo_rt.smpl import load_body
from genmo_rt.training.validation import SCORED
from tests.genmo_rt.tiny_batch import tiny_batch

LENGTH = 125
HALF, BOTH_LEGS = OCCLUDERS


def _estimator() -> Estimator:
    torch.manual_seed(0)
    model = Model(ModelConfig(width=32, layers=1, heads=1, head_dim=32, window=8)).eval()
    stats = MotionStats(torch.zeros(181), torch.ones(181))
    return Estimator(Checkpoint(model, stats, "builtin", ""), load_body())


@pytest.fixture(scope="module")
def batch() -> TrainingBatch:
    return tiny_batch(clips=1, length=LENGTH)


def _follow_truth(
    monkeypatch: pytest.MonkeyPatch, batch: TrainingBatch, pop: float
) -> dict[str, list[int]]:
    """Streams that are right but for the hidden frames, where they are `pop` metres off.

    Returns:
        How many landmarks each frame of each occluder's run had hidden.
    """
    count: dict[str, list[int]] = {}

    def stream(
        _: Estimator, of: TrainingBatch, row: int, hidden: np.ndarray, frames: int
    ) -> torch.Tensor:
        joints = of.joints_cam[row].double().clone()
        joints[FIRST : FIRST + frames, 1:] += torch.tensor([pop, 0.0, 0.0])
        count[str(frames)] = [int(hidden.sum())]
        return joints

    monkeypatch.setattr(occlusion, "_stream", stream)
    return count


def test_an_error_in_the_hidden_frames_is_found_there_and_as_a_jump(
    monkeypatch: pytest.MonkeyPatch, batch: TrainingBatch
) -> None:
    hidden = _follow_truth(monkeypatch, batch, pop=0.15)
    found = score_occlusion(_estimator(), [batch], clips=1)
    assert hidden["30"] == [len(LEGS)]
    for occluder in OCCLUDERS:
        scores = found.scores[occluder.name]
        assert scores.before == pytest.approx(0, abs=1e-3)
        assert scores.during == pytest.approx(150 * 14 / 15, abs=1e-3)  # the pelvis is right
        assert scores.hidden_during == pytest.approx(150, abs=1e-3)
        assert scores.unhidden_during == pytest.approx(0, abs=1e-3)
        assert scores.after == pytest.approx(0, abs=1e-3)
        assert scores.jump == pytest.approx(150, abs=1e-3)
        error = found.errors[occluder.name]
        np.testing.assert_array_equal(
            np.flatnonzero(error > 1), np.arange(FIRST, FIRST + occluder.frames)
        )
    assert found.errors["nothing hidden"].max() < 1e-3


def test_streams_are_the_same_until_landmarks_vanish(batch: TrainingBatch) -> None:
    found = score_occlusion(_estimator(), [batch], clips=1)
    plain, legs = (found.errors[name] for name in ("nothing hidden", BOTH_LEGS.name))
    np.testing.assert_array_equal(plain[:FIRST], legs[:FIRST])
    assert (np.abs(plain - legs)[FIRST : FIRST + BOTH_LEGS.frames] > 0).any()


def test_hidden_landmarks_have_no_confidence(
    monkeypatch: pytest.MonkeyPatch, batch: TrainingBatch
) -> None:
    told: list[Keypoints | None] = []
    step = StreamEstimator.step

    def watched(self: StreamEstimator, tick: Tick, seen: Keypoints | None) -> Pose | None:
        told.append(seen)
        return step(self, tick, seen)

    monkeypatch.setattr(StreamEstimator, "step", watched)
    hidden = BOTH_LEGS.hidden(np.random.default_rng(0))
    occlusion._stream(_estimator(), batch, 0, hidden, BOTH_LEGS.frames)
    blind = [n for n, seen in enumerate(told) if seen is not None and not seen.confidence[25]]
    assert blind == list(range(FIRST, FIRST + BOTH_LEGS.frames))
    assert all(seen is None or seen.confidence[11] for seen in told)


def test_half_the_joints_are_six_of_twelve_with_the_hands_and_feet_at_them() -> None:
    names = np.array(LANDMARK_NAMES)
    for seed in range(20):
        hidden = set(names[HALF.hidden(np.random.default_rng(seed))])
        parts = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
        assert sum(name.split("_", 1)[-1] in parts for name in hidden) == 6
        for side in ("left", "right"):
            assert (f"{side}_wrist" in hidden) == (f"{side}_thumb" in hidden)
            assert (f"{side}_ankle" in hidden) == (f"{side}_heel" in hidden)
        assert "nose" not in hidden


def test_clips_that_are_too_short_or_lack_joints_can_not_be_scored(batch: TrainingBatch) -> None:
    mask = batch.joint_mask.clone()
    mask[:, SCORED[-1]] = False
    for unfit in (tiny_batch(length=60), replace(batch, joint_mask=mask)):
        with pytest.raises(InputError, match="no held-out clip of 120 frames"):
            score_occlusion(_estimator(), [unfit])

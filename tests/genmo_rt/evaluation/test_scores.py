"""Scores of checkpoints: nothing is wrong with a model that knows, and prompts are judged."""

import math
from dataclasses import astuple, replace

import pytest
import torch

from genmo_rt import motion
from genmo_rt.checkpoint import Checkpoint
from genmo_rt.data.batch import TrainingBatch
from genmo_rt.data.dataset import Dataset
from genmo_rt.errors import InputError
from genmo_rt.evaluation.estimation import score_estimation
from genmo_rt.evaluation.generation import GenerationConfig, GenerationJudge
from genmo_rt.evaluation.same_noise import score_same_noise
from genmo_rt.evaluation.tables import table
from genmo_rt.model import Model, ModelConfig
from genmo_rt.motion import MotionStats
from genmo_rt.smpl import load_body
from genmo_rt.training.losses import true_motion, true_view
from genmo_rt.training.validation import conditions_of
from tests.genmo_rt.data.tiny_dataset import tiny_dataset
from tests.genmo_rt.tiny_batch import tiny_batch

TINY = ModelConfig(width=32, layers=1, heads=1, head_dim=32)
PLAIN = MotionStats(torch.zeros(181), torch.ones(181))
CONFIG = GenerationConfig(length=30, texts=1, variations=2, steps=3)


def _knows(batch: TrainingBatch, shift: float = 0.0) -> Checkpoint:
    """A model whose answer is the truth, with the root's velocity wrong by so many m/s upwards."""
    vector = motion.encode(true_motion(batch), true_view(batch, conditions_of(batch)))

    class Knows(Model):
        def forward(self, *_: object, **__: object) -> torch.Tensor:
            moved = vector.clone()
            up = true_motion(batch).rotmat_gv[..., 1, :] * shift  # in the root's own frame
            moved[..., motion.SLICES["root_vel"]] += up
            return moved

    return Checkpoint(Knows(TINY), PLAIN, "builtin", "")


def test_a_model_that_knows_makes_no_error() -> None:
    batch = tiny_batch(length=60)
    scores = score_estimation(_knows(batch), load_body(), [batch])
    for name in ("mpjpe", "pa_mpjpe", "pve", "w_mpjpe100", "wa_mpjpe100"):
        assert getattr(scores, name) < 0.1, name
    assert scores.acceleration < 0.2
    assert scores.rte < 0.1
    assert 0 < scores.jitter < 1000  # the truth's own


def test_a_velocity_that_is_off_costs_in_the_world_alone() -> None:
    batch = tiny_batch(length=60)
    right = score_estimation(_knows(batch), load_body(), [batch])
    wrong = score_estimation(_knows(batch, shift=0.3), load_body(), [batch])
    assert wrong.mpjpe == right.mpjpe
    assert wrong.w_mpjpe100 > 100
    assert 10 < wrong.wa_mpjpe100 < wrong.w_mpjpe100
    assert wrong.rte > 1


def test_clips_that_lack_wrists_can_not_be_scored() -> None:
    batch = tiny_batch()
    mask = batch.joint_mask.clone()
    mask[:, 20:] = False
    with pytest.raises(InputError, match="no held-out clip"):
        score_estimation(_knows(batch), load_body(), [replace(batch, joint_mask=mask)])


@pytest.fixture(scope="module")
def judge() -> GenerationJudge:
    torch.manual_seed(0)
    checkpoint = Checkpoint(Model(TINY).eval(), PLAIN, "builtin", "")
    return GenerationJudge(checkpoint, load_body(), _described(), CONFIG)


def _described() -> Dataset:
    return tiny_dataset(frames=100)


def test_texts_that_were_held_out_are_judged_by_captures(judge: GenerationJudge) -> None:
    seen: list[tuple[int, int]] = []
    scores = judge.texts(lambda done, total: seen.append((done, total)))
    assert seen == [(1, 1)]
    # One action alone: nothing to confuse it with, and nothing to be proud of.
    assert scores.accuracy == scores.chance == 1
    assert scores.low < 1
    assert scores.captured_accuracy == 1
    assert scores.diversity > 0
    assert scores.multimodality > 0


def test_generated_motion_is_the_same_for_the_same_seed(judge: GenerationJudge) -> None:
    assert judge.texts() == judge.texts()


def test_music_is_compared_with_the_beats_of_other_pieces(judge: GenerationJudge) -> None:
    pieces = [torch.zeros(30, 35), torch.zeros(30, 35)]
    pieces[0][5::10, 34] = 1
    pieces[1][8::12, 34] = 1
    scores = judge.music(pieces)
    assert 0 <= scores.alignment <= 1
    assert 0 <= scores.shuffled <= 1
    assert scores.spread >= 0
    same = judge.music([pieces[0], pieces[0]])
    assert same.alignment == pytest.approx(same.shuffled)


def test_keyframes_of_held_out_captures_are_met(judge: GenerationJudge) -> None:
    scores = judge.keyframes(count=1)
    assert scores.error < 1.0
    assert math.isfinite(scores.jump)


def test_a_table_has_a_row_for_each_run() -> None:
    config = GenerationConfig()
    lines = table([("one", config), ("two", replace(config, length=1000))]).splitlines()
    assert len(lines) == 4
    assert len({line.count("|") for line in lines}) == 1
    assert lines[0].count("|") == len(astuple(config)) + 2
    assert "| 1000 |" in lines[3]


def test_the_first_of_the_texts_out_of_the_same_noise_is_no_way_from_itself(
    judge: GenerationJudge,
) -> None:
    table = _described().texts
    labels = [label for label, held in zip(table.labels, table.held_out, strict=True) if held]
    rows = score_same_noise(judge, table, (labels[0], labels[0], "no such action"))
    assert len(rows) == 2
    assert rows[0] == rows[1]  # the same text and noise
    assert rows[0][1].apart == 0
    assert rows[0][1].path > 0

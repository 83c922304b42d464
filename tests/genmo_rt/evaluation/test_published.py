"""Published poses beside the truth: poses that are right have no error, each at its own tick."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from genmo_rt.cli import main
from genmo_rt.clock import TICK_HZ
from genmo_rt.data.batch import TrainingBatch
from genmo_rt.data.dataset import save_dataset
from genmo_rt.errors import InputError
from genmo_rt.estimate import Estimator
from genmo_rt.evaluation import published
from genmo_rt.evaluation.published import Way, observed, score_published
from genmo_rt.pose import Pose
from genmo_rt.rotation import rotmat_to_quat_xyzw
from genmo_rt.smpl import Body
from genmo_rt.stature import ShapeRule
from genmo_rt.training import run
from tests.genmo_rt.data.tiny_dataset import tiny_dataset
from tests.genmo_rt.tiny_batch import tiny_batch

LIVE = Way("live", 0)


@pytest.fixture(scope="module")
def estimator() -> Estimator:
    return Estimator.load()


def true_poses(batch: TrainingBatch, row: int, late: int = 0) -> Iterator[Pose]:
    """Poses that are right, or right for a tick that was so many before."""
    quat_xyzw = rotmat_to_quat_xyzw(batch.rotmat_cam[row]).float().numpy()
    height = torch.tensor([0.0, 1.3, 0.0])
    world = batch.joints_cam[row] @ batch.R_c2w[row].T + height
    for t in range(late, batch.present.shape[1]):
        yield Pose(
            t=t / TICK_HZ,
            quat_xyzw=quat_xyzw[t - late],
            pelvis=world[t - late, 0].numpy(),
            velocity=np.zeros(3, np.float32),
            joints=world[t - late].numpy(),
            contacts=np.zeros(6, np.float32),
            confidence=1.0,
            shape=batch.shape[row].numpy(),
            joints_cam=batch.joints_cam[row, t - late].numpy(),
            root_quat_xyzw_cam=quat_xyzw[t - late, 0],
        )


def test_poses_that_are_right_have_no_error_and_late_ones_have(
    estimator: Estimator, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = tiny_batch(1, 40)
    scores = {}
    for late in (0, 3):
        made = list(true_poses(batch, 0, late))
        monkeypatch.setattr(published, "_poses", lambda *_, made=made: made)
        scores[late] = score_published(estimator, [batch], LIVE)
    for name in ("mpjpe", "pa_mpjpe", "pve", "w_mpjpe100", "wa_mpjpe100"):
        assert getattr(scores[0], name) < 0.1, name
        assert getattr(scores[3], name) > 5, name
    assert scores[0].jitter == pytest.approx(scores[3].jitter, rel=0.3)


def test_who_says_how_tall_they_are_is_posed_that_tall(
    estimator: Estimator, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = tiny_batch(1, 40)
    statures = []
    posed = published._posed

    def look(poses: Sequence[Pose], body: Body) -> published.Posed:
        shape = poses[-1].shape.astype(np.float64)
        statures.append(ShapeRule(body).height(shape))
        return posed(poses, body)

    monkeypatch.setattr(published, "_posed", look)
    for told in (False, True):
        score_published(estimator, [batch], replace(LIVE, true_height=told))
    truth = ShapeRule(estimator.body).height(batch.shape[0].double().numpy())
    assert abs(statures[0] - truth) > 0.01
    assert statures[1] == pytest.approx(truth, abs=1e-3)


def test_ticks_without_a_pose_or_behind_a_clips_end_do_not_count(
    estimator: Estimator, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = tiny_batch(1, 40)
    made = [
        replace(pose, joints_cam=pose.joints_cam * (1 + (n > 30)))
        for n, pose in enumerate(true_poses(batch, 0))
    ]
    valid = batch.valid.clone()
    valid[:, 31:] = False
    monkeypatch.setattr(published, "_poses", lambda *_: made[5:])
    assert score_published(estimator, [replace(batch, valid=valid)], LIVE).mpjpe < 0.1
    assert score_published(estimator, [batch], LIVE).mpjpe > 5


def test_what_is_observed_is_the_batchs_landmarks_and_nobody_where_there_is_nobody() -> None:
    batch = tiny_batch(1, 10)
    present = batch.present.clone()
    present[0, 4] = False
    seen = observed(replace(batch, present=present), 0)
    assert [tick.index for tick, _ in seen] == list(range(10))
    assert seen[4][1] is None
    assert seen[5][1] is not None
    assert np.array_equal(seen[5][1].pixels, batch.pixels[0, 5].numpy())


def test_clips_that_lack_wrists_have_no_published_score(estimator: Estimator) -> None:
    batch = tiny_batch()
    mask = batch.joint_mask.clone()
    mask[:, 20:] = False
    with pytest.raises(InputError, match="no held-out clip"):
        score_published(estimator, [replace(batch, joint_mask=mask)], LIVE)


def test_the_command_prints_own_and_published_poses_in_one_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "HELD_OUT_FRAMES", 20)
    dataset = replace(tiny_dataset(clips=2, frames=100), held_out=np.array([True, False]))
    save_dataset(dataset, tmp_path / "motions.npz")
    argv = ["evaluate", "--motions", str(tmp_path / "motions.npz"), "--only", "published"]
    assert main([*argv, "--clips", "1"]) == 0
    said = capsys.readouterr().out
    rows = ("model's own, R=0", *(f"published, R={n}" for n in range(9)), "published, whole clip")
    for row in rows:
        assert f"\n| {row} | " in said

"""Augmentation: what changes changes as meant, and feet keep standing."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from genmo_rt.data.augment import (
    PLAIN,
    AugmentConfig,
    Motions,
    draw_motions,
    mirror,
    recombine,
    swing,
)
from genmo_rt.data.dataset import Dataset
from genmo_rt.data.deform import deform
from genmo_rt.rotation import angle_between, rotmat_to_axis_angle
from genmo_rt.skeleton import JOINT_NAMES, MIRROR
from tests.genmo_rt.data.tiny_clips import BODY
from tests.genmo_rt.data.tiny_dataset import tiny_dataset

J = {name: joint for joint, name in enumerate(JOINT_NAMES)}
ALL = torch.ones(4, dtype=torch.bool)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return tiny_dataset()


def _draw(dataset: Dataset, seed: int = 0, length: int = 60) -> Motions:
    clips = np.arange(4) % len(dataset.names)
    return draw_motions(dataset, clips, length, PLAIN, torch.Generator().manual_seed(seed))


def _joints(motions: Motions) -> torch.Tensor:
    rest = BODY.rest_joints(motions.shape)[:, None]
    return BODY.forward_kinematics(motions.rotmat, motions.pelvis, rest)[1]


def test_mirroring_twice_changes_nothing(dataset: Dataset) -> None:
    motions = _draw(dataset)
    again = mirror(mirror(motions, ALL), ALL)
    torch.testing.assert_close(again.rotmat, motions.rotmat)
    torch.testing.assert_close(again.pelvis, motions.pelvis)
    assert (again.contacts == motions.contacts).all()
    assert (again.joint_mask == motions.joint_mask).all()


def test_the_mirrored_body_is_the_bodys_mirror_image(dataset: Dataset) -> None:
    motions = _draw(dataset)
    want = _joints(motions)[:, :, list(MIRROR)] * torch.tensor([-1.0, 1, 1])
    torch.testing.assert_close(_joints(mirror(motions, ALL)), want, atol=2e-3, rtol=0)


def test_mirroring_spares_what_was_not_chosen(dataset: Dataset) -> None:
    motions = _draw(dataset)
    chosen = torch.tensor([True, False, True, False])
    mirrored = mirror(motions, chosen)
    assert (mirrored.rotmat[1] == motions.rotmat[1]).all()
    assert not torch.equal(mirrored.rotmat[0], motions.rotmat[0])


def test_recombined_motions_have_the_arms_of_one_and_the_legs_of_the_other(
    dataset: Dataset,
) -> None:
    lower, upper = _draw(dataset, 0), _draw(dataset, 1)
    mixed = recombine(lower, upper, ALL)
    assert (mixed.rotmat[:, :, J["left_shoulder"]] == upper.rotmat[:, :, J["left_shoulder"]]).all()
    assert (mixed.rotmat[:, :, J["left_knee"]] == lower.rotmat[:, :, J["left_knee"]]).all()
    assert (mixed.pelvis == lower.pelvis).all()


def test_short_clips_swing_back_and_forth_without_jumps() -> None:
    time = torch.arange(300.0)[None]
    folded = swing(time, torch.tensor([[40.0]]))
    assert folded.min() >= 0
    assert folded.max() <= 40
    steps = folded.diff().abs()
    assert steps.max() < 1.1
    assert folded.diff().diff().abs().max() < 0.35  # a turn takes several ticks


def test_time_runs_on_undisturbed_far_from_the_ends_of_a_clip() -> None:
    time = torch.arange(100.0, 200.0)[None]
    folded = swing(time, torch.tensor([[1000.0]]))
    torch.testing.assert_close(folded.diff(), torch.ones(1, 99), atol=5e-3, rtol=0)


def test_a_faster_clip_covers_more_ground(dataset: Dataset) -> None:
    fast = replace(PLAIN, retime=1.0, speed=(1.4, 1.4))
    clips = np.zeros(8, np.int64)
    ways = [
        draw_motions(dataset, clips, 30, config, torch.Generator().manual_seed(0)).pelvis
        for config in (PLAIN, fast)
    ]
    plain, quick = ((way[:, -1] - way[:, 0]).norm(dim=-1).mean() for way in ways)
    assert 1.2 < float(quick / plain) < 1.6


def test_nothing_is_deformed_when_everything_is_off(dataset: Dataset) -> None:
    motions = _draw(dataset)
    same = deform(motions, BODY, PLAIN, torch.Generator().manual_seed(0))
    torch.testing.assert_close(same.rotmat, motions.rotmat, atol=1e-3, rtol=0)
    torch.testing.assert_close(same.pelvis, motions.pelvis, atol=1e-3, rtol=0)


def test_deformed_bodies_keep_their_lower_foot_at_its_height(dataset: Dataset) -> None:
    motions = _draw(dataset)
    config = AugmentConfig(act=1.0, wiggle=1.0, shape_std=0)
    changed = deform(motions, BODY, config, torch.Generator().manual_seed(3))
    assert angle_between(changed.rotmat, motions.rotmat).max() > 0.5
    balls = [J["left_foot"], J["right_foot"]]
    before, after = (_joints(m)[:, :, balls, 1].amin(-1) for m in (motions, changed))
    assert (after - before).abs().quantile(0.9) < 0.05
    unmoored = replace(changed, pelvis=motions.pelvis)
    assert (_joints(unmoored)[:, :, balls, 1].amin(-1) - before).abs().quantile(0.9) > 0.15


def test_squats_lower_the_pelvis(dataset: Dataset) -> None:
    motions = _draw(dataset, length=120)
    random = torch.Generator().manual_seed(0)
    lowest = torch.stack(
        [
            deform(motions, BODY, replace(PLAIN, act=1.0), random).pelvis[..., 1].amin()
            for _ in range(8)
        ]
    )
    assert lowest.min() < motions.pelvis[..., 1].amin() - 0.25


def test_knees_and_elbows_never_bend_the_wrong_way(dataset: Dataset) -> None:
    config = AugmentConfig(act=1.0, wiggle=1.0)
    changed = deform(_draw(dataset), BODY, config, torch.Generator().manual_seed(1))
    knees = rotmat_to_axis_angle(changed.rotmat[:, :, [J["left_knee"], J["right_knee"]]])
    assert knees[..., 0].min() > -0.2

"""Observation: clean is the truth; what is drawn has the statistics of the measured table."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from genmo_rt.data.noise_table import (
    CONFIDENCE_KNOTS,
    HIDDEN_KNOTS,
    SCORE_KNOTS,
    SWAP_GROUPS,
    NoiseTable,
    load_table,
)
from genmo_rt.data.observe import (
    BOX,
    CLEAN,
    MIRROR,
    NoiseConfig,
    Observation,
    facing,
    observe,
)
from genmo_rt.data.occlusion import hidden_landmarks
from genmo_rt.keypoints import LANDMARK_NAMES
from genmo_rt.rotation import axis_angle_to_rotmat
from tests.genmo_rt.data.tiny_clips import BODY

FOCAL = 1000.0
SIZE = torch.tensor([1280.0, 960.0])
L = {name: index for index, name in enumerate(LANDMARK_NAMES)}
TABLE = load_table()
AS_MEASURED = replace(CLEAN, error=(1, 1))


def _person(
    batch: int = 8, length: int = 120, yaw: float = 180.0, depth: float = 4.0
) -> list[Tensor]:
    """Landmarks and joints in the camera, and pixels, of one who stands in a T-pose, turned by
    `yaw` degrees; at 180 the back is turned to where +z points: the camera sees the face."""
    turn = axis_angle_to_rotmat(torch.tensor([0.0, yaw, 0.0]).deg2rad())
    upright = torch.diag(torch.tensor([-1.0, -1.0, 1.0]))  # y up becomes y down
    rotmat = torch.eye(3).repeat(24, 1, 1)
    rotmat[0] = upright @ turn
    shape = torch.zeros(10)
    pelvis = torch.tensor([0.0, 0.0, depth])
    rotations, joints = BODY.forward_kinematics(rotmat, pelvis, BODY.rest_joints(shape))
    landmarks = BODY.landmarks(rotations, joints, shape)
    pixels = landmarks[:, :2] / landmarks[:, 2:] * FOCAL + SIZE / 2
    return [value.expand(batch, length, -1, -1).clone() for value in (landmarks, joints, pixels)]


def _observe(
    config: NoiseConfig, seed: int = 0, table: NoiseTable = TABLE, **person: float
) -> tuple[Observation, Tensor]:
    landmarks, joints, pixels = _person(**person)  # type: ignore[arg-type]
    batch = len(pixels)
    random = torch.Generator().manual_seed(seed)
    focal, size = torch.full((batch,), FOCAL), SIZE.expand(batch, 2)
    return observe(landmarks, pixels, joints, focal, size, config, random, table), pixels


def _sure(confidence: float) -> NoiseTable:
    """The table of a stage that always has the same confidence."""
    return replace(TABLE, confidence=torch.full_like(TABLE.confidence, confidence))


def _errors(table: NoiseTable, batch: int = 96) -> Tensor:
    """(B, L, 33, 2) boxes."""
    seen, pixels = _observe(AS_MEASURED, table=table, batch=batch)
    return (seen.pixels - pixels) / (BOX * FOCAL / 4.0)


def _view_factor(facing: float, outside: float) -> float:
    return TABLE.view.factor(torch.tensor(facing), torch.tensor(outside)).item()


def test_without_noise_the_truth_is_seen() -> None:
    seen, pixels = _observe(CLEAN)
    torch.testing.assert_close(seen.pixels, pixels)
    assert seen.present.all()
    assert seen.confidence[..., [L["nose"], L["left_hip"]]].mean() > 0.95


def test_the_table_is_a_table_of_noise() -> None:
    assert TABLE.confidence.shape == (33, len(HIDDEN_KNOTS), len(SCORE_KNOTS))
    assert TABLE.error_std.shape == (33, len(CONFIDENCE_KNOTS))
    assert (TABLE.confidence.diff(dim=-1) >= 0).all()
    assert (TABLE.confidence >= 0).all()
    assert (TABLE.confidence <= 1).all()
    assert 0.005 < TABLE.error_std.min() < TABLE.error_std.max() < 0.25
    for mix in (TABLE.error_mix, TABLE.confidence_mix):
        torch.testing.assert_close((mix @ mix.mT).diagonal(), torch.ones(33), atol=2e-3, rtol=0)
    for name in ("confidence", "error_std"):
        values = getattr(TABLE, name)
        torch.testing.assert_close(values[MIRROR], values, msg=f"{name}: left is not like right")


@pytest.mark.parametrize("confidence", [0.3, 0.96])
def test_errors_are_as_large_as_measured_at_their_confidence(confidence: float) -> None:
    error = _errors(_sure(confidence), batch=256)
    knot = CONFIDENCE_KNOTS.index(confidence)
    expected = TABLE.error_std[:, knot] * _view_factor(facing=0, outside=0)
    torch.testing.assert_close(error.square().mean((0, 1, 3)).sqrt(), expected, rtol=0.3, atol=0)
    ratio = (error.square().mean((0, 1, 3)) / expected.square()).mean().item()
    assert ratio == pytest.approx(1, abs=0.1)


def test_errors_are_larger_from_the_side_and_of_who_is_cut_off() -> None:
    def error(yaw: float = 180.0, depth: float = 4.0) -> Tensor:
        seen, pixels = _observe(AS_MEASURED, table=_sure(0.96), yaw=yaw, depth=depth)
        return (seen.pixels - pixels)[:, :, L["left_hip"]] / (BOX * FOCAL / depth)

    whole = error()
    _, joints, _ = _person(yaw=90.0)
    side = _view_factor(float(facing(joints)[0, 0].abs().rad2deg()), 0) / _view_factor(0, 0)
    cut = _view_factor(0, 1) / _view_factor(0, 0)
    assert side > 1.2
    assert cut > 1.2
    torch.testing.assert_close(error(yaw=90.0), whole * side, atol=1e-5, rtol=1e-3)
    torch.testing.assert_close(error(depth=1.6), whole * cut, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("speed", [0.0, 0.5])  # boxes per second
def test_errors_are_forgotten_with_time_and_way_as_measured(speed: float) -> None:
    landmarks, joints, pixels = _person(batch=160, length=90)
    box = BOX * FOCAL / 4.0
    pixels = pixels + torch.arange(90.0)[:, None, None] * torch.tensor([speed / 30 * box, 0.0])
    focal, size = torch.full((160,), FOCAL), torch.tensor([[9000.0, 960.0]]).expand(160, 2)
    random = torch.Generator().manual_seed(0)
    table = replace(_sure(0.96), tail=0.0)
    seen = observe(landmarks, pixels, joints, focal, size, AS_MEASURED, random, table)
    error = (seen.pixels - pixels) / box
    memory, variance = TABLE.error_memory, error.square().mean()
    for ticks in (2, 6, 30):
        gone = (memory.creep + TABLE.renewals + memory.travel * speed) * ticks / 30
        expected = memory.kept + (1 - memory.kept) * math.exp(-gone)
        found = (error[:, ticks:] * error[:, :-ticks]).mean() / variance
        assert found.item() == pytest.approx(expected, abs=0.06)


def test_the_landmarks_of_a_resting_person_jump_now_and_then_and_hardly_creep() -> None:
    error = _errors(replace(_sure(0.96), tail=0.0), batch=64)[..., 0]
    change = error.diff(dim=1).abs() / error.std()
    assert change.median() < 0.1
    jumps = (change[:, :, L["left_wrist"]] > 0.5).float().mean().item() * 30  # a second
    assert 0.3 * TABLE.renewals < jumps < TABLE.renewals


def test_landmarks_err_together_as_measured() -> None:
    error = _errors(_sure(0.96), batch=256)
    error = (error / error.square().mean((0, 1, 3)).sqrt()[:, None]).movedim(2, 3).flatten(0, 2)
    found = error.mT @ error / len(error)
    expected = TABLE.error_mix @ TABLE.error_mix.mT
    for a, b in (("left_wrist", "left_index"), ("left_eye", "nose"), ("left_heel", "left_ankle")):
        assert expected[L[a], L[b]] > 0.4
        assert found[L[a], L[b]].item() == pytest.approx(expected[L[a], L[b]].item(), abs=0.15)
    assert (found - expected).abs().mean() < 0.06


@pytest.mark.parametrize("hidden", [0.0, 1.0])
def test_confidence_has_the_measured_quantiles(hidden: float) -> None:
    score = torch.randn(20_000, 33, generator=torch.Generator().manual_seed(0))
    drawn = TABLE.confidence_at(torch.full_like(score, hidden), score)
    level = HIDDEN_KNOTS.index(hidden)
    for knot in (3, 4, 5):
        share = torch.special.ndtr(torch.tensor(SCORE_KNOTS[knot]))
        expected = TABLE.confidence[:, level, knot]
        torch.testing.assert_close(drawn.quantile(share, dim=0), expected, atol=0.03, rtol=0)


def test_confidence_scores_are_normal_numbers() -> None:
    as_is = replace(
        TABLE, confidence=torch.tensor(SCORE_KNOTS).expand_as(TABLE.confidence).contiguous()
    )
    seen, _ = _observe(CLEAN, table=as_is, batch=640)
    assert seen.confidence.mean().item() == pytest.approx(0, abs=0.05)
    assert seen.confidence.std().item() == pytest.approx(1, abs=0.05)


def test_an_arm_behind_the_body_is_hidden_doubted_and_misplaced() -> None:
    landmarks, joints, _ = _person(yaw=90.0)  # a side view of a T-pose: one arm behind the trunk
    hidden = hidden_landmarks(landmarks, joints)[0, 0]
    far, near = (
        (L["left_wrist"], L["right_wrist"])
        if landmarks[0, 0, L["left_wrist"], 2] > landmarks[0, 0, L["right_wrist"], 2]
        else (L["right_wrist"], L["left_wrist"])
    )
    assert hidden[far] > 0.5
    assert hidden[near] == 0
    seen, pixels = _observe(AS_MEASURED, yaw=90.0, batch=64)
    assert seen.confidence[..., far].mean() < seen.confidence[..., near].mean() - 0.2
    error = (seen.pixels - pixels).norm(dim=-1).mean((0, 1))
    assert error[far] > 2 * error[near]


def test_a_person_seen_from_the_front_hides_nothing() -> None:
    landmarks, joints, _ = _person()
    assert hidden_landmarks(landmarks, joints).max() < 0.2


@pytest.mark.parametrize(("yaw", "degrees"), [(180.0, 0.0), (-90.0, 90.0), (90.0, -90.0)])
def test_facing_is_towards_the_camera_and_the_picture_right(yaw: float, degrees: float) -> None:
    _, joints, _ = _person(yaw=yaw)
    found = facing(joints)[0, 0]
    nose_right = (joints[0, 0, 15] - joints[0, 0, 12])[0]  # the head is before the neck
    assert found.rad2deg().item() == pytest.approx(degrees, abs=5)
    assert degrees == 0 or nose_right.sign() == found.sign()


def test_what_is_outside_the_picture_is_not_trusted() -> None:
    seen, pixels = _observe(CLEAN, depth=1.3)
    below = pixels[..., 1] > SIZE[1] + 200
    assert below.any()
    assert seen.confidence[below].mean() < 0.4


def test_a_swap_exchanges_both_sides_of_a_group_and_nothing_else() -> None:
    legs = SWAP_GROUPS[3]
    rates = torch.zeros_like(TABLE.swap_rates)
    rates[3] = 1e6
    always = replace(TABLE, swap_rates=rates, swap_s=torch.full_like(TABLE.swap_s, 1e6))
    seen, pixels = _observe(replace(CLEAN, swap=1), table=always)
    others = [i for i in range(33) if i not in legs]
    torch.testing.assert_close(seen.pixels[:, :, others], pixels[:, :, others])
    torch.testing.assert_close(seen.pixels[:, :, legs], pixels[:, :, [MIRROR[i] for i in legs]])


def test_swaps_begin_as_often_as_the_facing_angle_makes_them() -> None:
    rates = torch.zeros_like(TABLE.swap_rates)
    rates[2] = torch.tensor([0.0, 0.0, 0.4, 0.0, 0.0])  # the lower body, seen from the side
    table = replace(TABLE, swap_rates=rates, swap_s=torch.full_like(TABLE.swap_s, 1e6))
    config = replace(CLEAN, swap=1)
    seconds = 4.0
    seen, pixels = _observe(config, table=table, yaw=90.0, batch=512)
    swapped = (seen.pixels[:, -1] - pixels[:, -1]).norm(dim=-1)[:, L["left_heel"]] > 1e-3
    expected = 1 - torch.exp(torch.tensor(-0.4 * seconds))
    assert swapped.float().mean().item() == pytest.approx(expected.item(), abs=0.06)
    seen, pixels = _observe(config, table=table, batch=64)  # from the front
    torch.testing.assert_close(seen.pixels, pixels)


def test_people_are_lost_as_often_and_as_long_as_the_table_says() -> None:
    table = replace(TABLE, loss_rate=0.5, loss_s=0.5)
    seen, _ = _observe(replace(CLEAN, loss=1), table=table, batch=640)
    missing = ~seen.present
    assert missing.any(1).float().mean().item() == pytest.approx(0.86, abs=0.03)
    begun_early = missing[:, :30].any(1) & seen.present[:, 0]
    assert missing[begun_early].sum(1).float().mean().item() == pytest.approx(15, rel=0.2)


def test_half_rate_masks_every_second_tick() -> None:
    seen, _ = _observe(replace(CLEAN, half_rate=1.0))
    assert seen.present[:, 0::2].all()
    assert not seen.present[:, 1::2].any()
    assert (seen.pixels[:, 1::2] == 0).all()
    assert (seen.confidence[:, 1::2] == 0).all()


def test_a_fifth_of_the_ticks_drops_at_random() -> None:
    seen, _ = _observe(replace(CLEAN, drops=1.0), batch=64)
    assert seen.present.float().mean().item() == pytest.approx(0.8, abs=0.02)


def test_gaps_last_at_most_thirty_ticks_each() -> None:
    seen, _ = _observe(replace(CLEAN, gap=1.0), batch=64)
    missing = (~seen.present).sum(1)
    assert missing.max() <= 60
    assert missing.float().mean() > 5
    assert seen.present[:, 0].all()


def test_lag_shows_where_the_person_was() -> None:
    landmarks, joints, pixels = _person(batch=16)
    pixels = pixels + torch.arange(120.0)[:, None, None] * torch.tensor([3.0, 0.0])
    seen = observe(
        landmarks,
        pixels,
        joints,
        torch.full((16,), FOCAL),
        torch.tensor([[4000.0, 960.0]]).expand(16, 2),
        replace(CLEAN, lag=2),
        torch.Generator().manual_seed(0),
        replace(TABLE, lag_s=0.05),
    )
    late = (pixels - seen.pixels)[:, 5:, 0, 0] / 3  # ticks
    assert 0 <= late.min() < late.max() <= 3 + 1e-3
    torch.testing.assert_close(late.amin(1), late.amax(1), atol=1e-2, rtol=0)

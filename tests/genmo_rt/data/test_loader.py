"""Training batches: every field agrees with every other; seeds repeat; splits stay apart."""

from dataclasses import fields, replace
from itertools import islice

import pytest
import torch

from genmo_rt.data.augment import PLAIN, AugmentConfig
from genmo_rt.data.batch import TrainingBatch
from genmo_rt.data.cameras import CameraConfig
from genmo_rt.data.loader import LoaderConfig, batches, heldout
from genmo_rt.data.observe import CLEAN
from genmo_rt.errors import InputError
from genmo_rt.rotation import rotmat_to_axis_angle
from tests.genmo_rt.data.tiny_clips import BODY
from tests.genmo_rt.data.tiny_dataset import tiny_dataset

CONFIG = LoaderConfig(batch_size=6, length=40, captured=0.5)
B, T = 6, 40


@pytest.fixture(scope="module")
def batch() -> TrainingBatch:
    return next(batches(tiny_dataset(), CONFIG, seed=1))


def test_shapes_and_types_are_as_documented(batch: TrainingBatch) -> None:
    shapes = {
        "pixels": (B, T, 33, 2),
        "confidence": (B, T, 33),
        "present": (B, T),
        "valid": (B, T),
        "image_size": (B, 2),
        "intrinsics_true": (B, 4),
        "intrinsics_given": (B, 4),
        "rotmat_cam": (B, T, 24, 3, 3),
        "root_cam": (B, T, 3),
        "joints_cam": (B, T, 24, 3),
        "landmarks_cam": (B, T, 33, 3),
        "landmarks_px": (B, T, 33, 2),
        "gravity_cam": (B, 3),
        "root_world": (B, T, 3),
        "root_vel_world": (B, T, 3),
        "R_c2w": (B, 3, 3),
        "shape": (B, 10),
        "contacts": (B, T, 6),
        "contact_mask": (B, 6),
        "joint_mask": (B, 24),
    }
    bools = {"present", "valid", "contact_mask", "joint_mask"}
    for field in fields(batch):
        value = getattr(batch, field.name)
        if not isinstance(value, torch.Tensor):
            continue
        assert tuple(value.shape) == shapes[field.name], field.name
        assert value.dtype == (torch.bool if field.name in bools else torch.float32), field.name
        assert value.isfinite().all(), field.name


def _tensors(batch: TrainingBatch) -> list[torch.Tensor]:
    whole = [getattr(batch, f.name) for f in fields(batch)]
    parts = [getattr(batch.texts, f.name) for f in fields(batch.texts)]
    return [v for v in whole if isinstance(v, torch.Tensor)] + parts + [batch.music.value]


def test_kinematics_gives_the_joints(batch: TrainingBatch) -> None:
    rest = BODY.rest_joints(batch.shape)[:, None]
    rotations, joints = BODY.forward_kinematics(batch.rotmat_cam, batch.root_cam, rest)
    torch.testing.assert_close(joints, batch.joints_cam, atol=1e-4, rtol=0)
    landmarks = BODY.landmarks(rotations, joints, batch.shape[:, None])
    torch.testing.assert_close(landmarks, batch.landmarks_cam, atol=1e-4, rtol=0)


def test_projecting_the_landmarks_gives_the_pixels(batch: TrainingBatch) -> None:
    focal, centre = (
        batch.intrinsics_true[:, None, None, :2],
        batch.intrinsics_true[:, None, None, 2:],
    )
    point = batch.landmarks_cam
    in_front = point[..., 2] > 0.25
    pixels = point[..., :2] / point[..., 2:] * focal + centre
    error = (pixels - batch.landmarks_px).abs()[in_front]
    assert error.max() < 0.05


def test_the_camera_to_world_rotation_maps_the_root(batch: TrainingBatch) -> None:
    world = torch.einsum("bij,btj->bti", batch.R_c2w, batch.root_cam)
    lift = batch.root_world - world  # the camera's place: above the origin
    torch.testing.assert_close(lift, lift[:, :1].expand_as(lift), atol=1e-4, rtol=0)
    assert lift[..., [0, 2]].abs().max() < 1e-4
    assert (lift[:, 0, 1] > 0.25).all()
    assert (lift[:, 0, 1] < 2.3).all()


def test_the_optical_axis_points_along_minus_z_over_the_floor(batch: TrainingBatch) -> None:
    axis = batch.R_c2w[:, :, 2]
    assert axis[:, 0].abs().max() < 1e-5
    assert (axis[:, 2] < -0.5).all()
    assert (batch.root_world[:, 0, 2] < 0).all()


def test_gravity_points_up_in_the_camera(batch: TrainingBatch) -> None:
    up = torch.einsum("bij,bj->bi", batch.R_c2w, batch.gravity_cam)
    torch.testing.assert_close(up, torch.tensor([0.0, 1.0, 0.0]).expand(B, 3), atol=1e-5, rtol=0)


def test_the_velocity_integrates_to_the_path(batch: TrainingBatch) -> None:
    steps = batch.root_vel_world[:, 1:] / 30
    torch.testing.assert_close(steps, batch.root_world.diff(dim=1), atol=1e-5, rtol=0)


def test_half_are_told_their_camera_and_half_guess(batch: TrainingBatch) -> None:
    guess = torch.cat(
        (batch.image_size.amax(-1, keepdim=True).expand(-1, 2), batch.image_size / 2), dim=-1
    )
    told = (batch.intrinsics_given == batch.intrinsics_true).all(-1)
    guessed = (batch.intrinsics_given == guess).all(-1)
    assert (told | guessed).all()
    assert told.any()
    assert guessed.any()


def test_the_same_seed_gives_the_same_batches_and_another_does_not() -> None:
    dataset = tiny_dataset()
    first, again, other = (
        list(islice(batches(dataset, CONFIG, seed=seed), 2)) for seed in (7, 7, 8)
    )
    for a, b in zip(first, again, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(_tensors(a), _tensors(b), strict=True))
    assert not torch.equal(first[0].pixels, other[0].pixels)
    assert not torch.equal(first[0].pixels, first[1].pixels)


def test_training_never_draws_a_held_out_clip() -> None:
    plain = replace(CONFIG, augment=PLAIN)
    dataset = tiny_dataset()
    for drawn in islice(batches(dataset, plain, seed=0), 5):
        assert drawn.joint_mask.all()  # the held-out clip lacks its wrists


def test_the_held_out_set_is_only_held_out_and_always_the_same() -> None:
    dataset = tiny_dataset(frames=200)
    first, again = heldout(dataset, CONFIG), heldout(dataset, CONFIG)
    assert sum(len(part.shape) for part in first) == 5
    for a, b in zip(first, again, strict=True):
        assert torch.equal(a.pixels, b.pixels)
        assert not a.joint_mask[:, 20:].any()


def test_a_split_without_clips_is_refused() -> None:
    dataset = replace(tiny_dataset(), held_out=torch.zeros(4, dtype=torch.bool).numpy())
    with pytest.raises(InputError, match="held_out"):
        next(batches(dataset, CONFIG, seed=0, split="held_out"))


def test_most_people_are_mostly_in_the_picture() -> None:
    config = LoaderConfig(batch_size=64, length=30, noise=CLEAN, camera=CameraConfig(close=0))
    drawn = next(batches(tiny_dataset(), config, seed=0))
    size = drawn.image_size[:, None, None]
    inside = ((drawn.landmarks_px >= 0) & (drawn.landmarks_px < size)).all(-1).float().mean((1, 2))
    assert inside.median() > 0.9
    assert drawn.present.float().mean() > 0.9


def test_clean_observations_are_the_true_pixels() -> None:
    config = replace(CONFIG, noise=CLEAN)
    drawn = next(batches(tiny_dataset(), config, seed=0))
    at = drawn.present
    torch.testing.assert_close(drawn.pixels[at], drawn.landmarks_px[at])


def test_captured_samples_alone_have_texts_and_music() -> None:
    config = replace(CONFIG, captured=1.0)
    drawn = next(batches(tiny_dataset(), config, seed=0))
    assert drawn.texts.tokens.shape == (B, 2, drawn.texts.mask.shape[2], 384)
    assert drawn.texts.mask[:, 0].any(-1).all()
    assert drawn.music.value.shape == (B, T, 1, 35)
    assert drawn.music.mask.any()
    none = next(batches(tiny_dataset(), replace(CONFIG, captured=0.0), seed=0))
    assert not none.texts.mask.any()
    assert not none.music.mask.any()


def test_captured_samples_keep_their_poses() -> None:
    hard = AugmentConfig(mirror=0, retime=0, hold=0, recombine=1.0, wiggle=1.0, act=1.0)
    config = replace(CONFIG, augment=hard, captured=0.5)
    bend = 0.55  # radians: more than the knees of the dataset ever have
    drawn = next(batches(tiny_dataset(), replace(config, batch_size=32), seed=0))
    said = drawn.texts.mask.any(-1).any(-1)
    knee = rotmat_to_axis_angle(drawn.rotmat_cam[:, :, 4]).norm(dim=-1).amax(1)
    assert (knee[said] < bend).all()
    assert (knee[~said] > bend).any()


def test_texts_windows_lie_within_the_sample() -> None:
    drawn = next(batches(tiny_dataset(), replace(CONFIG, captured=1.0, batch_size=64), seed=3))
    span, said = drawn.texts.span, drawn.texts.mask.any(-1)
    assert (span[said][:, 0] >= 0).all()
    assert (span[said][:, 1] <= T).all()
    assert (span[said][:, 1] > span[said][:, 0]).all()
    assert said[:, 1].any()


def test_a_batch_moves_with_all_it_holds() -> None:
    drawn = next(batches(tiny_dataset(), CONFIG, seed=0)).to("meta")
    assert all(value.device.type == "meta" for value in _tensors(drawn))
    assert drawn.music.mask.device.type == "meta"


def test_rare_actions_are_shown_more_often_to_those_who_are_told_of_them() -> None:
    dataset = replace(
        tiny_dataset(clips=8),
        labels=("run",) + ("walk",) * 7,
        shape=torch.eye(8, 10).numpy(),  # tells the clips apart
        held_out=torch.zeros(8, dtype=torch.bool).numpy(),
    )
    plain = replace(PLAIN, mirror=0.0)

    def runs(rare: float) -> float:
        config = LoaderConfig(batch_size=400, length=2, augment=plain, captured=1.0, rare=rare)
        return float((next(batches(dataset, config, seed=0)).shape[:, 0] > 0).float().mean())

    assert abs(runs(0.0) - 1 / 8) < 0.05
    assert abs(runs(1.0) - 1 / 2) < 0.08
    assert runs(0.0) + 0.05 < runs(0.5) < runs(1.0) - 0.05

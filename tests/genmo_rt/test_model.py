"""The transformer: streaming equals the whole pass, and the past never changes."""

from dataclasses import fields, replace

import pytest
import torch
from torch import Tensor

from genmo_rt.conditions import Conditions, from_landmarks
from genmo_rt.errors import InputError
from genmo_rt.model import PRESETS, Model, ModelConfig, StreamCache
from genmo_rt.motion import SLICES

CONFIG = ModelConfig(width=32, layers=3, heads=2, head_dim=16, window=7)
CAMERA = torch.tensor([[500.0, 510.0, 320.0, 240.0]] * 2, dtype=torch.float64)
SIZE = torch.tensor([[640.0, 480.0]] * 2, dtype=torch.float64)


@pytest.fixture
def model() -> Model:
    torch.manual_seed(0)
    model = Model(CONFIG).double()
    with torch.no_grad():  # every weight matters, those that start at zero too
        for weight in model.parameters():
            weight += 0.2 * torch.randn_like(weight)
    return model


def _landmarks(length: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    pixels = 300 + 80 * torch.randn(2, length, 33, 2, generator=generator, dtype=torch.float64)
    confidence = torch.rand(2, length, 33, generator=generator, dtype=torch.float64)
    confidence[0, :2] = 0  # nobody yet
    confidence[:, 10:13] = 0  # masked ticks
    return pixels, confidence


def _frame(conditions: Conditions, t: int) -> Conditions:
    return conditions.cut(slice(t, t + 1))


@pytest.mark.parametrize("window", [1, 2, 7, 64])
def test_streaming_equals_the_whole_pass_after_three_laps(model: Model, window: int) -> None:
    conditions = from_landmarks(*_landmarks(4 * 7 + 3), CAMERA, SIZE)
    delay = torch.tensor([0, 5])
    whole = model(conditions, delay, (window - 1, 0))
    cache = model.new_cache(2, delay=delay, window=window)
    rows = [model.step(_frame(conditions, t), cache) for t in range(whole.shape[1])]
    assert (torch.stack(rows, dim=1) - whole).abs().max() < 1e-10  # float64


def test_ring_slots_forget_the_tick(model: Model) -> None:
    """A stream that is 2^40 laps old answers as one that is one lap old."""
    conditions = from_landmarks(*_landmarks(9), CAMERA, SIZE)
    young = model.new_cache(2)
    for t in range(7):
        model.step(_frame(conditions, t), young)
    old = StreamCache(**{f.name: getattr(young, f.name).clone() for f in fields(young)})
    old.tick += 7 << 40
    for t in (7, 8):
        assert torch.equal(
            model.step(_frame(conditions, t), young), model.step(_frame(conditions, t), old)
        )


@pytest.mark.parametrize("t", [0, 5, 11, 20])
def test_a_frame_never_changes_earlier_outputs(model: Model, t: int) -> None:
    pixels, confidence = _landmarks(24)
    delay = torch.zeros(2, dtype=torch.int64)
    before = model(from_landmarks(pixels, confidence, CAMERA, SIZE), delay)
    pixels[:, t] += 50
    confidence[:, t] = 0.7
    after = model(from_landmarks(pixels, confidence, CAMERA, SIZE), delay)
    assert torch.equal(before[:, :t], after[:, :t])
    assert not torch.equal(before[:, t], after[:, t])


def test_a_frame_is_out_of_sight_after_every_layer_s_window(model: Model) -> None:
    pixels, confidence = _landmarks(30)
    delay = torch.zeros(2, dtype=torch.int64)
    before = model(from_landmarks(pixels, confidence, CAMERA, SIZE), delay)
    pixels[:, 3] += 50
    after = model(from_landmarks(pixels, confidence, CAMERA, SIZE), delay)
    reach = 3 + CONFIG.layers * (CONFIG.window - 1)
    pose = SLICES["pose"]
    assert torch.equal(before[:, reach + 1 :, pose], after[:, reach + 1 :, pose])
    assert not torch.equal(before[:, reach, pose], after[:, reach, pose])


def test_absent_is_not_zero(model: Model) -> None:
    conditions = from_landmarks(*_landmarks(1), CAMERA, SIZE)
    landmarks = conditions.keypoints2d
    zero = replace(landmarks, value=torch.zeros_like(landmarks.value), mask=landmarks.mask | True)
    absent = replace(landmarks, mask=landmarks.mask & False)
    delay = torch.zeros(2, dtype=torch.int64)
    said = model(replace(conditions, keypoints2d=zero), delay)
    unsaid = model(replace(conditions, keypoints2d=absent), delay)
    assert (said - unsaid).abs().max() > 1e-3


def test_what_is_masked_is_not_read(model: Model) -> None:
    conditions = from_landmarks(*_landmarks(3), CAMERA, SIZE)
    landmarks = conditions.keypoints2d
    noise = torch.where(landmarks.mask[..., None], landmarks.value, torch.nan)
    poisoned = replace(conditions, keypoints2d=replace(landmarks, value=noise))
    delay = torch.zeros(2, dtype=torch.int64)
    assert torch.equal(model(conditions, delay), model(poisoned, delay))


def test_shape_is_the_mean_over_the_frames_where_somebody_was_seen(model: Model) -> None:
    conditions = from_landmarks(*_landmarks(14), CAMERA, SIZE)
    betas = model(conditions, torch.zeros(2, dtype=torch.int64))[..., SLICES["betas"]]
    assert torch.equal(betas[:, 10], betas[:, 9])
    assert torch.equal(betas[:, 12], betas[:, 9])
    assert not torch.equal(betas[:, 13], betas[:, 12])


def test_delay_is_told_to_the_model(model: Model) -> None:
    conditions = from_landmarks(*_landmarks(3), CAMERA, SIZE)
    at_once = model(conditions, torch.tensor([0, 0]))
    later = model(conditions, torch.tensor([0, 4]))
    assert torch.equal(at_once[0], later[0])
    assert not torch.equal(at_once[1], later[1])


def test_streams_do_not_see_each_other(model: Model) -> None:
    pixels, confidence = _landmarks(9)
    conditions = from_landmarks(pixels, confidence, CAMERA, SIZE)
    pixels[1] += 30
    other = from_landmarks(pixels, confidence, CAMERA, SIZE)
    first, second = model.new_cache(2), model.new_cache(2)
    for t in range(9):
        one, two = model.step(_frame(conditions, t), first), model.step(_frame(other, t), second)
        assert torch.equal(one[0], two[0])


def test_a_bad_delay_or_window_is_refused(model: Model) -> None:
    with pytest.raises(InputError, match="delay is 9"):
        model.new_cache(delay=9)
    with pytest.raises(InputError, match="window is 0"):
        model.new_cache(window=0)


def test_small_is_the_designed_size() -> None:
    small = PRESETS["small"]
    assert (small.width, small.layers, small.heads, small.head_dim) == (256, 8, 4, 64)

"""What generation adds to the model: texts in their spans, noise levels, any window and mixture."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from genmo_rt.conditions import MODALITIES, Absent, Conditions, Modality, Observed, concatenate
from genmo_rt.diffusion import LAST_TIMESTEP
from genmo_rt.model import PRESETS, Model, ModelConfig, Noised, TextAttention, Texts, _Reading
from genmo_rt.motion import MOTION_WIDTH, SLICES, View

CONFIG = ModelConfig(width=32, layers=2, heads=2, head_dim=16, window=6, text_width=12)
LENGTH = 20
NO_DELAY = torch.zeros(2, dtype=torch.int64)


@pytest.fixture
def model() -> Model:
    torch.manual_seed(0)
    model = Model(CONFIG).double()
    with torch.no_grad():  # every weight matters, those that start at zero too
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight), alpha=0.2)
    return model


def _view(batch: int, length: int) -> View:
    intrinsics = torch.tensor([500.0, 500, 320, 240], dtype=torch.float64)
    return View(
        torch.full((batch, length, 2), 300.0, dtype=torch.float64),
        torch.full((batch, length), 90.0, dtype=torch.float64),
        intrinsics.expand(batch, length, 4),
    )


def _blank(length: int = LENGTH) -> Conditions:
    return Conditions.blank(2, length, view=_view(2, length))


def _random(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _with(conditions: Conditions, **observed: Observed) -> Conditions:
    return replace(conditions, **observed)  # type: ignore[arg-type]


def _some(modality: Modality, length: int = LENGTH) -> Observed:
    value = _random(2, length, modality.items, modality.width)
    return Observed(value, _random(2, length, modality.items, seed=2) > 0)


def _texts(*spans: tuple[int, int], seed: int = 3) -> Texts:
    count = len(spans)
    tokens = _random(2, count, 5, 12, seed=seed)
    mask = torch.arange(5).expand(2, count, 5) < 4
    return Texts(tokens, mask, torch.tensor(spans).expand(2, count, 2))


def test_absent_says_what_an_all_masked_modality_says(model: Model) -> None:
    blank = _blank()
    masked = _with(
        blank,
        **{
            m.name: Observed(_some(m).value, torch.zeros(2, LENGTH, m.items, dtype=torch.bool))
            for m in MODALITIES
        },
    )
    torch.testing.assert_close(model(blank, NO_DELAY), model(masked, NO_DELAY))


@pytest.mark.parametrize("modality", MODALITIES, ids=lambda m: m.name)
def test_every_modality_changes_the_motion_where_it_is_present(
    model: Model, modality: Modality
) -> None:
    blank, some = _blank(), _some(modality)
    late = Observed(some.value, (torch.arange(LENGTH)[:, None] >= 8).expand_as(some.mask))
    plain = model(blank, NO_DELAY)
    told = model(_with(blank, **{modality.name: late}), NO_DELAY)
    torch.testing.assert_close(plain[:, :8], told[:, :8], atol=1e-12, rtol=0)
    assert (plain[:, 8:] - told[:, 8:]).abs().amax(-1).min() > 1e-6


def test_a_mixture_that_changes_at_a_frame_is_both_clips_joined(model: Model) -> None:
    image, music = (m for m in MODALITIES if m.name in ("music", "image"))
    first = replace(_blank(8), music=_some(music, 8))
    second = replace(_blank(12), image=_some(image, 12))
    joined = concatenate([first, second])
    assert isinstance(joined.keyframe, Absent)
    assert joined.music.mask[:, 8:].sum() == 0
    whole, start = model(joined, NO_DELAY), model(first, NO_DELAY)
    torch.testing.assert_close(whole[:, :8], start)


def test_conditions_of_several_streams_join_along_the_batch(model: Model) -> None:
    music = next(m for m in MODALITIES if m.name == "music")
    one, other = _blank(), replace(_blank(), music=_some(music))
    both = concatenate([one, other], dim=0)
    apart = torch.cat([model(one, NO_DELAY), model(other, NO_DELAY)])
    torch.testing.assert_close(model(both, torch.zeros(4, dtype=torch.int64)), apart)


def test_a_text_reaches_no_frame_outside_its_span() -> None:
    torch.manual_seed(1)
    layer = TextAttention(CONFIG).double()
    x = _random(2, LENGTH, 32)
    texts = _texts((3, 7), (12, 30))
    out = layer(x, _Reading.of(texts, x))
    changed = (out - x).abs().amax(-1)[0] > 1e-9
    assert changed.nonzero()[:, 0].tolist() == [3, 4, 5, 6, *range(12, LENGTH)]
    other = replace(texts, tokens=texts.tokens.clone())
    other.tokens[:, 1] += 1
    apart = layer(x, _Reading.of(other, x))
    assert torch.equal(out[:, :12], apart[:, :12])
    assert not torch.equal(out[:, 12:], apart[:, 12:])


def test_tokens_behind_a_text_s_end_are_not_read(model: Model) -> None:
    texts = _texts((0, LENGTH))
    poisoned = replace(texts, tokens=torch.where(texts.mask[..., None], texts.tokens, 1e3))
    one, other = (model(_blank(), NO_DELAY, texts=told) for told in (texts, poisoned))
    torch.testing.assert_close(one, other)


def test_a_text_without_frames_or_tokens_is_no_text(model: Model) -> None:
    plain = model(_blank(), NO_DELAY)
    nowhere = _texts((5, 5))
    empty = _texts((0, LENGTH))
    empty = replace(empty, mask=empty.mask & False)
    for texts in (nowhere, empty):
        assert torch.equal(model(_blank(), NO_DELAY, texts=texts), plain)


def test_texts_change_the_motion_and_every_weight_of_theirs_learns(model: Model) -> None:
    plain = model(_blank(), NO_DELAY)
    told = model(_blank(), NO_DELAY, texts=_texts((0, LENGTH)))
    assert (plain - told).abs().max() > 1e-3
    told.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in model.texts.parameters())


def test_estimation_is_zeros_at_the_last_level(model: Model) -> None:
    zeros = torch.zeros(2, LENGTH, MOTION_WIDTH, dtype=torch.float64)
    last = Noised(zeros, torch.full((2,), LAST_TIMESTEP))
    torch.testing.assert_close(model(_blank(), NO_DELAY), model(_blank(), NO_DELAY, noised=last))
    for other in (replace(last, level=last.level - 500), replace(last, x=zeros + 1)):
        assert (
            model(_blank(), NO_DELAY, noised=other) - model(_blank(), NO_DELAY)
        ).abs().max() > 1e-3


def test_a_centred_window_sees_as_far_ahead_as_it_says(model: Model) -> None:
    left, right = model.centred_window
    assert (left, right) == (3, 2)
    music = next(m for m in MODALITIES if m.name == "music")
    some = Observed(_some(music).value, torch.arange(LENGTH)[:, None].expand(2, LENGTH, 1) == 10)
    plain = model(_blank(), NO_DELAY, (left, right))
    told = model(replace(_blank(), music=some), NO_DELAY, (left, right))
    pose = SLICES["pose"]
    changed = (plain - told)[0, :, pose].abs().amax(-1) > 1e-12
    layers = CONFIG.layers
    assert changed.nonzero()[:, 0].tolist() == list(
        range(10 - layers * right, 10 + layers * left + 1)
    )


def test_a_centred_clip_has_one_shape_of_the_frames_where_somebody_is_seen(model: Model) -> None:
    blank = _blank()
    present = torch.arange(LENGTH).expand(2, LENGTH) < 5
    window = model.centred_window
    betas = [
        model(one, NO_DELAY, window)[..., SLICES["betas"]]
        for one in (blank, replace(blank, present=present))
    ]
    rows = model.per_frame(blank, NO_DELAY, window)[..., SLICES["betas"]]
    for found, mean in zip(betas, (rows.mean(1), rows[:, :5].mean(1)), strict=True):
        torch.testing.assert_close(found, mean[:, None].expand_as(found))


def test_large_is_as_wide_and_deep_as_the_release() -> None:
    large = PRESETS["large"]
    assert (large.width, large.layers, large.heads, large.head_dim) == (1024, 16, 8, 128)

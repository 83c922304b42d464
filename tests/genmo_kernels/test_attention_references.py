"""The definitions of the attention ops agree with sums written by hand and with each other."""

import math

import pytest
import torch
from torch import Tensor

from genmo_kernels.ring_decode.reference import ring_decode
from genmo_kernels.windowed_attention.reference import (
    BLOCK,
    ROPE_BASE,
    rope_table,
    rotate,
    windowed_attention,
)


def _qkv(length: int, heads: int = 2, dim: int = 6) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    q, k, v = torch.randn(3, 2, length, heads, dim, generator=generator, dtype=torch.float64)
    return q, k, v


def _turned(x: Tensor, position: int) -> Tensor:
    """RoPE as complex numbers: pair i turns by position · base^(-2i/D)."""
    half = x.shape[-1] // 2
    pairs = torch.complex(x[:half], x[half:])
    rate = ROPE_BASE ** (-2 * torch.arange(half, dtype=torch.float64) / x.shape[-1])
    turned = pairs * torch.polar(torch.ones_like(rate), position * rate)
    return torch.cat((turned.real, turned.imag))


@pytest.mark.parametrize(("left", "right"), [(0, 0), (3, 0), (2, 2), (100, 0), (4, 3)])
def test_windowed_attention_is_the_sum_by_hand(left: int, right: int) -> None:
    q, k, v = _qkv(9)
    out = windowed_attention(q, k, v, left, right)
    for i in range(9):
        seen = range(max(0, i - left), min(8, i + right) + 1)
        score = [
            float(_turned(q[1, i, 0], i) @ _turned(k[1, j, 0], j)) / math.sqrt(6) for j in seen
        ]
        weight = torch.tensor(score, dtype=torch.float64).softmax(0)
        by_hand = sum(w * v[1, j, 0] for w, j in zip(weight, seen, strict=True))
        torch.testing.assert_close(out[1, i, 0], by_hand)


@pytest.mark.parametrize(("left", "right"), [(59, 0), (5, 9), (0, 0), (30, 29), (10**6, 0)])
@pytest.mark.parametrize("length", [BLOCK - 1, BLOCK, 2 * BLOCK + 5])
def test_blocks_of_queries_give_what_all_at_once_give(length: int, left: int, right: int) -> None:
    q, k, v = _qkv(length)
    place = torch.arange(length)
    away = place[None, :] - place[:, None]
    seen = (away >= -left) & (away <= right)
    cos, sin = (x[:, None] for x in rope_table(length, 6, q.dtype, q.device))
    scores = torch.einsum("bihd,bjhd->bhij", rotate(q, cos, sin), rotate(k, cos, sin)) / 6**0.5
    weight = scores.masked_fill(~seen, -torch.inf).softmax(-1)
    dense = torch.einsum("bhij,bjhd->bihd", weight, v)
    out = windowed_attention(q, k, v, left, right)
    assert (out - dense).abs().max() < 1e-12  # float64


def test_a_long_clip_needs_memory_for_its_window_only() -> None:
    length, window = 3000, 60
    q, k, v = (x.float().requires_grad_() for x in _qkv(length))
    kept: dict[int, int] = {}

    def keep(x: Tensor) -> Tensor:
        kept[x.untyped_storage().data_ptr()] = x.numel()
        return x

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        windowed_attention(q, k, v, window - 1, 0)
    batch, heads = q.shape[0], q.shape[2]
    of_scores = batch * heads * length * (window + BLOCK)
    assert sum(kept.values()) < 4 * of_scores < batch * heads * length**2 / 5


@pytest.mark.parametrize("window", [1, 4, 7])
def test_ring_decode_equals_windowed_attention_for_five_laps(window: int) -> None:
    length = 5 * window + 2
    q, k, v = _qkv(length)
    whole = windowed_attention(q, k, v, window - 1, 0)
    keys, values = torch.zeros(2, 2, 2, window, 6, dtype=torch.float64)
    for t in range(length):
        tick = torch.full((2,), t)
        out = ring_decode(q[:, t], k[:, t], v[:, t], keys, values, tick)
        assert (out - whole[:, t]).abs().max() < 1e-12  # float64


def test_streams_at_different_ticks_share_a_call() -> None:
    window = 5
    q, k, v = _qkv(13)
    keys, values = torch.zeros(2, 2, 2, window, 6, dtype=torch.float64)
    for t in range(4):  # the first stream is four ticks ahead
        ring_decode(q[:1, t], k[:1, t], v[:1, t], keys[:1], values[:1], torch.tensor([t]))
    whole = windowed_attention(q, k, v, window - 1, 0)
    for t in range(9):
        at = [t + 4, t]
        rows = torch.arange(2)
        out = ring_decode(q[rows, at], k[rows, at], v[rows, at], keys, values, torch.tensor(at))
        torch.testing.assert_close(out, whole[rows, at])


def test_ring_decode_is_exact_after_a_trillion_ticks() -> None:
    window = 4
    q, k, v = _qkv(window + 1)
    rings = torch.zeros(2, 2, 2, 2, window, 6, dtype=torch.float64)
    outs = []
    for (keys, values), start in zip(rings, (window, window << 40), strict=True):
        for t in range(window + 1):
            tick = torch.full((2,), start + t)
            out = ring_decode(q[:, t], k[:, t], v[:, t], keys, values, tick)
        outs.append(out)
    assert torch.equal(*outs)

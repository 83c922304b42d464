"""The definition of windowed attention, in plain PyTorch."""

from functools import lru_cache
from itertools import pairwise

import torch
from torch import Tensor

ROPE_BASE = 10_000.0


def windowed_attention(q: Tensor, k: Tensor, v: Tensor, left: int, right: int) -> Tensor:
    """Softmax attention in which token i sees tokens [i - left, i + right], both inclusive.

    Queries and keys are rotated by their position in the sequence (RoPE, Su et al. 2021, eq. 34),
    so that scores depend on distances alone.

    Args:
        q: (B, T, H, D) queries, not yet rotated; D even.
        k: (B, T, H, D) keys, not yet rotated.
        v: (B, T, H, D) values.
        left: tokens seen before the query's own.
        right: tokens seen after it; 0 is causal.
    Returns:
        (B, T, H, D).
    """
    length = q.shape[1]
    cos, sin = rope_table(length, q.shape[-1], q.dtype, q.device)
    cos, sin = cos[:, None], sin[:, None]  # (T, 1, D / 2)
    position = torch.arange(length, device=q.device)
    distance = position[None, :] - position[:, None]  # key minus query, (T, T)
    seen = (distance >= -left) & (distance <= right)
    q, k = rotate(q, cos, sin).transpose(1, 2), rotate(k, cos, sin).transpose(1, 2)
    scores = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5  # (B, H, T, T)
    weight = scores.masked_fill(~seen, -torch.inf).softmax(-1).to(v.dtype)
    out: Tensor = weight @ v.transpose(1, 2)
    return out.transpose(1, 2)


def windowed_attention_packed(qkv: Tensor, cu_seqlens: Tensor, left: int, right: int) -> Tensor:
    """The same for sequences of any lengths, packed one after the other.

    Args:
        qkv: (T, 3, H, D).
        cu_seqlens: (N + 1,) sequence s is [cu_seqlens[s], cu_seqlens[s + 1]).
        left: as above.
        right: as above.
    Returns:
        (T, H, D).
    """
    q, k, v = qkv.unbind(1)
    sequences = [
        windowed_attention(q[None, start:end], k[None, start:end], v[None, start:end], left, right)
        for start, end in pairwise(cu_seqlens.tolist())
    ]
    return torch.cat(sequences, dim=1)[0]


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turns the pairs (x[i], x[i + D/2]) by their angles: (..., D) with (..., D / 2) tables."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


@lru_cache(maxsize=32)
def rope_table(
    length: int, head_dim: int, dtype: torch.dtype, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Cosine and sine of position · base^(-2i/D), each (length, head_dim / 2).

    Angles are made in float64 and rounded once.
    """
    with torch.inference_mode(False):  # the cached tables serve training as well
        exponent = torch.arange(0, head_dim, 2, dtype=torch.float64, device=device) / head_dim
        position = torch.arange(length, dtype=torch.float64, device=device)
        angle = position[:, None] * ROPE_BASE**-exponent
        return angle.cos().to(dtype), angle.sin().to(dtype)

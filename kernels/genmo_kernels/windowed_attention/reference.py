"""The definition of windowed attention, in plain PyTorch."""

from functools import lru_cache
from itertools import pairwise

import torch
from torch import Tensor

ROPE_BASE = 10_000.0
BLOCK = 64  # queries; on a CPU faster than 32 and 128 for sequences of 48 to 3,000


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
    q, k = rotate(q, cos, sin).transpose(1, 2), rotate(k, cos, sin).transpose(1, 2)
    v = v.transpose(1, 2)  # (B, H, T, D)
    blocks = [
        _attend(q, k, v, slice(start, min(start + BLOCK, length)), left, right)
        for start in range(0, max(length, 1), BLOCK)  # an empty sequence too has a block
    ]
    return torch.cat(blocks, dim=2).transpose(1, 2)


def _attend(q: Tensor, k: Tensor, v: Tensor, rows: slice, left: int, right: int) -> Tensor:
    """A block of queries against the keys that any of them sees: (B, H, T, D) to (B, H, rows, D).

    Block by block, so that memory grows with T · W and not with T².
    """
    keys = slice(max(rows.start - left, 0), min(rows.stop + right, q.shape[2]))
    i = torch.arange(rows.start, rows.stop, device=q.device)
    j = torch.arange(keys.start, keys.stop, device=q.device)
    distance = j[None, :] - i[:, None]  # key minus query
    seen = (distance >= -left) & (distance <= right)
    scores = q[:, :, rows] @ k[:, :, keys].transpose(-1, -2) * q.shape[-1] ** -0.5
    weight = scores.masked_fill(~seen, -torch.inf).softmax(-1).to(v.dtype)
    out: Tensor = weight @ v[:, :, keys]
    return out


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

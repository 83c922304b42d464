"""What the attention ops are measured against: masked SDPA, FlexAttention, the official einsum."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from genmo_kernels.windowed_attention.reference import rope_table, rotate

Attend = Callable[[Tensor], Tensor]
"""Takes packed queries, keys and values (T, 3, H, D), gives (T, H, D)."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where packed tokens lie in a padded batch.

    Attributes:
        sequence: (T,) number of each token's sequence.
        position: (T,) of each token in it.
        sequences: how many.
        longest: tokens.
        window: W.
        cos: (longest, D / 2) of each position, in the dtype of the tokens: made once for all.
        sin: likewise.
    """

    sequence: Tensor
    position: Tensor
    sequences: int
    longest: int
    window: int
    cos: Tensor
    sin: Tensor

    @classmethod
    def of(cls, bounds: Tensor, window: int, head_dim: int, dtype: torch.dtype) -> "Layout":
        """Of sequences packed one after the other.

        Args:
            bounds: (N + 1,) where they begin, and where the last one ends.
            window: W.
            head_dim: D.
            dtype: of the tokens.
        """
        place = torch.arange(int(bounds[-1]), device=bounds.device)
        sequence = torch.bucketize(place, bounds[1:], right=True)
        longest = int(bounds.diff().max())
        table = rope_table(longest, head_dim, torch.float32, bounds.device)
        return cls(
            sequence=sequence,
            position=place - bounds[sequence],
            sequences=len(bounds) - 1,
            longest=longest,
            window=window,
            cos=table[0].to(dtype),
            sin=table[1].to(dtype),
        )

    @property
    def seen(self) -> Tensor:
        """(longest, longest) True where a query sees a key."""
        place = torch.arange(self.longest, device=self.position.device)
        back = place[:, None] - place[None, :]
        return (back >= 0) & (back < self.window)


def masked_sdpa(layout: Layout) -> Attend:
    """torch's attention of a padded batch, with the window as a mask."""
    seen = layout.seen

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=seen)

    return _padded(layout, attend)


def einsum(layout: Layout) -> Attend:
    """Attention of a padded batch as NVIDIA's code writes it: every score in memory."""
    seen = layout.seen

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        scores = torch.einsum("bhid,bhjd->bhij", q, k) * q.shape[-1] ** -0.5
        weight = scores.masked_fill(~seen, -torch.inf).softmax(-1)
        return torch.einsum("bhij,bhjd->bhid", weight, v)

    return _padded(layout, attend)


def flex_windowed(layout: Layout) -> Attend:
    """FlexAttention on the packed tokens with a mask of blocks made once; compiled on CUDA."""
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    sequence, window = layout.sequence, layout.window
    tokens, device = len(sequence), sequence.device
    cos, sin = layout.cos[layout.position], layout.sin[layout.position]

    def sees(_b: Tensor, _h: Tensor, i: Tensor, j: Tensor) -> Tensor:
        return (sequence[i] == sequence[j]) & (i >= j) & (i - j < window)

    mask = create_block_mask(sees, None, None, tokens, tokens, device=str(device))

    def attend(qkv: Tensor) -> Tensor:
        q, k, v = (x.transpose(0, 1)[None] for x in _rotated(qkv, cos, sin))
        out: Any = flex_attention(q, k, v, block_mask=mask)
        attended: Tensor = out[0].transpose(0, 1)
        return attended

    return torch.compile(attend, dynamic=False) if device.type == "cuda" else attend


def flex_ring(
    tick: Tensor, window: int, head_dim: int, dtype: torch.dtype
) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """One new token over a ring with FlexAttention, cache write and slot RoPE included.

    Both rotations of a query are two queries; each sees the slots of its lap, and their outputs
    are joined by their sums. `tick` (S,) stays as it is, so that all that follows from it is
    made once.
    """
    from torch.nn.attention.flex_attention import AuxRequest, flex_attention

    current = tick % window
    rows = torch.arange(len(tick), device=tick.device)
    table = rope_table(2 * window, head_dim, torch.float32, tick.device)
    cos, sin = (x.to(dtype)[:, None] for x in table)
    laps = [(cos[at], sin[at]) for at in (current, current + window)]  # (S, 1, D / 2)

    def lap(score: Tensor, b: Tensor, _h: Tensor, i: Tensor, j: Tensor) -> Tensor:
        return torch.where((j <= current[b]) == (i == 0), score, -torch.inf)

    def decode(new: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        q, k, v = new.unbind(1)
        keys[rows, :, current] = rotate(k, *laps[0])
        values[rows, :, current] = v
        both = torch.stack([rotate(q, *angles) for angles in laps], dim=2)  # (S, H, 2, D)
        found: Any = flex_attention(
            both, keys, values, score_mod=lap, return_aux=AuxRequest(lse=True)
        )
        out, aux = found
        share = aux.lse.softmax(-1)[..., None].to(out.dtype)  # the lap without slots has lse -inf
        joined: Tensor = (out.nan_to_num() * share).sum(2)
        return joined

    return torch.compile(decode, dynamic=False) if tick.is_cuda else decode


def _padded(layout: Layout, attend: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Attend:
    """Attention of the padded batch; rows behind a sequence's end see zeros and are dropped."""

    def packed(qkv: Tensor) -> Tensor:
        batch = qkv.new_zeros(layout.sequences, layout.longest, *qkv.shape[1:])
        batch = batch.index_put((layout.sequence, layout.position), qkv)
        q, k, v = (x.transpose(1, 2) for x in _rotated(batch, layout.cos, layout.sin))
        return attend(q, k, v).transpose(1, 2)[layout.sequence, layout.position]

    return packed


def _rotated(qkv: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """q, k, v of (..., T, 3, H, D), the first two rotated: tables (T, D / 2)."""
    q, k, v = qkv.unbind(-3)
    cos, sin = cos[:, None], sin[:, None]
    return rotate(q, cos, sin), rotate(k, cos, sin), v

"""Attention over the rings of some streams on a CPU, with what all layers share worked out once.

The same numbers as `ring_decode` (tested). On a CPU a layer's attention is a few microseconds of
arithmetic, so a step's cost is the number of calls: angles and masks depend on the ticks alone and
are made once per step instead of once per layer, and rings are read where they lie.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from genmo_kernels.windowed_attention.reference import rope_table


@dataclass(frozen=True, slots=True)
class RingPlan:
    """Where one new token of S streams goes, and what it sees.

    Attributes:
        slots: the streams' slots: a range where they are one, so that rings aren't copied.
        rows: (S,) the same as numbers.
        current: (S,) the ring's place of the new token.
        cos: (S, 3, 1, D) of the angles by which query, query and key are turned: the query's own
            place, the same a lap later, the key's place.
        sin: likewise, negative in the first half.
        mask: (S H, 2, W) 0 where the query of this lap and of the lap before sees the ring, else
            −inf.
    """

    slots: slice | Tensor
    rows: Tensor
    current: Tensor
    cos: Tensor
    sin: Tensor
    mask: Tensor

    @classmethod
    def of(cls, rows: list[int], tick: Tensor, keys: Tensor) -> "RingPlan":
        """The plan for the slots `rows`, of which `tick` (S,) tokens are cached.

        Args:
            keys: (A, H, W, D) any layer's ring, for sizes and dtype.
        """
        _, heads, window, head_dim = keys.shape
        current = tick % window
        cos, sin = rope_table(2 * window, head_dim, keys.dtype, keys.device)
        place = torch.stack((current, current + window, current), dim=1)  # (S, 3)
        cos, sin = cos[place], sin[place]  # (S, 3, D / 2)
        ring = torch.arange(window)
        this_lap = ring <= current[:, None]  # (S, W)
        written = ring <= tick[:, None]
        sees = torch.stack((this_lap & written, ~this_lap & written), dim=1)  # (S, 2, W)
        mask = torch.zeros(sees.shape, dtype=keys.dtype).masked_fill_(~sees, -torch.inf)
        first, last = rows[0], rows[-1]
        contiguous = rows == list(range(first, last + 1))
        index = torch.tensor(rows)
        return cls(
            slots=slice(first, last + 1) if contiguous else index,
            rows=index,
            current=current,
            cos=torch.cat((cos, cos), dim=-1)[:, :, None],
            sin=torch.cat((-sin, sin), dim=-1)[:, :, None],
            mask=mask.repeat_interleave(heads, dim=0) if heads > 1 else mask,
        )


_QUERY_QUERY_KEY = torch.tensor([0, 0, 1])


def ring_attend(qkv: Tensor, keys: Tensor, values: Tensor, plan: RingPlan) -> Tensor:
    """Caches one new token per stream and attends with it to the last W, itself included.

    Args:
        qkv: (S, 3, H, D) not yet rotated.
        keys: (A, H, W, D) rings of A slots, written in place.
        values: (A, H, W, D) likewise.
        plan: which S of the A slots.
    Returns:
        (S, H D).
    """
    streams, _, heads, head_dim = qkv.shape
    turned = qkv.index_select(1, _QUERY_QUERY_KEY)  # (S, 3, H, D)
    turned = torch.addcmul(turned * plan.cos, turned.roll(head_dim // 2, -1), plan.sin)
    keys[plan.rows, :, plan.current] = turned[:, 2]
    values[plan.rows, :, plan.current] = qkv[:, 2].to(values.dtype)
    ring_keys, ring_values = _rings(keys, plan.slots), _rings(values, plan.slots)
    queries = turned[:, :2].transpose(1, 2).reshape(streams * heads, 2, head_dim)
    score = torch.baddbmm(plan.mask, queries, ring_keys.mT, alpha=head_dim**-0.5)
    weight = score.flatten(1).softmax(-1).view_as(score)
    return torch.bmm(weight, ring_values).sum(1).view(streams, heads * head_dim)


def _rings(arena: Tensor, slots: slice | Tensor) -> Tensor:
    """(S H, W, D) of the chosen slots; a copy only where they are no range."""
    chosen = arena[slots] if isinstance(slots, slice) else arena.index_select(0, slots)
    return chosen.flatten(0, 1)

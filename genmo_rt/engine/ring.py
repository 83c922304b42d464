"""Attention over the rings of some streams on a CPU, with what all layers share worked out once.

The same numbers as `ring_decode` (tested). On a CPU a layer's attention is a few microseconds of
arithmetic, so a step's cost is the number of calls: angles and masks depend on the ticks alone and
are made once per step instead of once per layer, and rings are read where they lie. It is numpy's:
a query is a vector, and products of matrices with vectors read a ring twice as fast there as
torch's batches of matrices.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genmo_kernels.windowed_attention.reference import rope_table

Array = NDArray[Any]  # of the computing dtype


@dataclass(frozen=True, slots=True)
class RingPlan:
    """Where one new token of S streams goes, and what it sees.

    Attributes:
        slots: the streams' slots: a range where they are one, so that rings aren't copied.
        rows: (S,) the same as numbers.
        current: (S,) the ring's place of the new token.
        cos: (S, 1, 1, D) of the angle by which query and key are turned.
        sin: likewise, negative in the first half.
        cos_before: (S, 1, D) of the query's angle for keys of the lap before.
        sin_before: likewise.
        this_lap: (S, 1, W) the keys that this lap has written.
        unwritten: (S, 1, W) the places that no lap has; None where there are none.
        ring_keys, ring_values: (S, H, W, D) memory for copies of rings that are no range.
    """

    slots: slice | Tensor
    rows: Array
    current: Array
    cos: Array
    sin: Array
    cos_before: Array
    sin_before: Array
    this_lap: Array
    unwritten: Array | None
    ring_keys: Array
    ring_values: Array

    @classmethod
    def of(cls, rows: list[int], tick: Tensor, keys: Tensor) -> "RingPlan":
        """The plan for the slots `rows`, of which `tick` (S,) tokens are cached.

        Args:
            keys: (A, H, W, D) any layer's ring, for sizes and dtype.
        """
        _, heads, window, head_dim = keys.shape
        seen, ring = tick.numpy()[:, None, None], np.arange(window)
        current = tick.numpy() % window
        cos, sin = (of.numpy() for of in rope_table(2 * window, head_dim, keys.dtype, keys.device))
        cos, sin = np.concatenate((cos, cos), -1), np.concatenate((-sin, sin), -1)
        index, first, last = np.array(rows), rows[0], rows[-1]
        contiguous = rows == list(range(first, last + 1))
        copies = np.empty((2, 0 if contiguous else len(rows), heads, window, head_dim), cos.dtype)
        return cls(
            slots=slice(first, last + 1) if contiguous else torch.tensor(rows),
            rows=index,
            current=current,
            cos=cos[current, None, None],
            sin=sin[current, None, None],
            cos_before=cos[current + window, None],
            sin_before=sin[current + window, None],
            this_lap=ring <= current[:, None, None],
            unwritten=ring > seen if bool((seen < window - 1).any()) else None,
            ring_keys=copies[0],
            ring_values=copies[1],
        )


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
    all_keys, all_values = keys.numpy(), values.numpy()
    new = qkv.to(keys.dtype).numpy()
    half = new.shape[-1] // 2
    straight = new[:, :2]  # query and key
    crossed = np.concatenate((straight[..., half:], straight[..., :half]), -1)
    before = straight[:, 0] * plan.cos_before + crossed[:, 0] * plan.sin_before  # (S, H, D)
    turned = straight * plan.cos + crossed * plan.sin  # (S, 2, H, D)
    all_keys[plan.rows, :, plan.current] = turned[:, 1]
    all_values[plan.rows, :, plan.current] = new[:, 2]
    ring = _rings(all_keys, plan, plan.ring_keys)
    score = np.where(plan.this_lap, _products(ring, turned[:, 0]), _products(ring, before))
    if plan.unwritten is not None:
        score[np.broadcast_to(plan.unwritten, score.shape)] = -np.inf
    score *= new.shape[-1] ** -0.5
    weight = torch.from_numpy(score).softmax(-1).numpy()  # (S, H, W)
    ring = _rings(all_values, plan, plan.ring_values)
    out = weight[:, :, None] @ ring  # (S, H, 1, D)
    return torch.from_numpy(out.reshape(len(new), -1))


def _products(rings: Array, queries: Array) -> Array:
    """(S, H, W) of rings (S, H, W, D) with queries (S, H, D)."""
    products: Array = (rings @ queries[..., None])[..., 0]
    return products


def _rings(arena: Array, plan: RingPlan, copies: Array) -> Array:
    """(S, H, W, D) of the chosen slots; a copy only where they are no range."""
    if isinstance(plan.slots, slice):
        return arena[plan.slots]
    return np.take(arena, plan.rows, 0, out=copies, mode="clip")  # "raise" would copy twice

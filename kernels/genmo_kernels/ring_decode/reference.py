"""The definition of ring decode, in plain PyTorch."""

import torch
from torch import Tensor

from genmo_kernels.windowed_attention.reference import rope_table, rotate


def ring_decode(
    q: Tensor, k: Tensor, v: Tensor, keys: Tensor, values: Tensor, tick: Tensor
) -> Tensor:
    """Caches one new token per stream and attends with it to the last W, itself included.

    Equals windowed attention with left = W - 1, right = 0 over the whole stream. Token t lives
    in slot t mod W. Keys are rotated by their slot when cached. With c = tick mod W, a slot
    r <= c holds the token c - r back and a slot r > c the one c + W - r back: the query is
    rotated once by c and once by c + W, and each slot takes the score of its own. No float ever
    depends on the tick itself, so nothing drifts on an endless stream.

    Args:
        q: (S, H, D) queries of the new tokens, not yet rotated.
        k: (S, H, D) their keys, not yet rotated.
        v: (S, H, D) their values.
        keys: (S, H, W, D) the ring; slot tick mod W is overwritten in place.
        values: (S, H, W, D) likewise. Slots not yet written weigh nothing, but must be finite.
        tick: (S,) int64 tokens each stream has cached before this one.
    Returns:
        (S, H, D).
    """
    streams, _, window, head_dim = keys.shape
    cos, sin = rope_table(2 * window, head_dim, q.dtype, q.device)
    current = tick % window  # (S,)
    row = torch.arange(streams, device=q.device)
    cos_now, sin_now = cos[current, None], sin[current, None]  # (S, 1, D / 2)
    keys[row, :, current] = rotate(k, cos_now, sin_now)
    values[row, :, current] = v

    wrapped = current + window
    queries = torch.stack(
        (rotate(q, cos_now, sin_now), rotate(q, cos[wrapped, None], sin[wrapped, None])), dim=2
    )  # (S, H, 2, D)
    scores = queries @ keys.transpose(-1, -2) * head_dim**-0.5  # (S, H, 2, W)
    slot = torch.arange(window, device=q.device)
    this_lap = (slot <= current[:, None])[:, None]  # (S, 1, W)
    score = torch.where(this_lap, scores[:, :, 0], scores[:, :, 1])
    written = (slot <= tick[:, None])[:, None]
    weight = score.masked_fill(~written, -torch.inf).softmax(-1)
    return (weight[:, :, None] @ values)[:, :, 0]


def ring_decode_rows(
    qkv: Tensor,
    bias: Tensor | None,
    keys: Tensor,
    values: Tensor,
    tick: Tensor,
    rows: Tensor | None,
) -> Tensor:
    """The same for some slots of an arena and several new tokens each, one after the other.

    Args:
        qkv: (S, N, 3, H, D) what the product with the weights gave.
        bias: (3, H, D) added to it; None adds nothing.
        keys: (A, H, W, D) rings of A slots.
        values: (A, H, W, D) likewise.
        tick: (A,) int64 tokens that each slot has cached before.
        rows: (S,) the slot of each row, -1 for a padding row; None: row s is slot s.
    Returns:
        (S, N, H, D); zeros in padding rows.
    """
    if bias is not None:
        qkv = qkv + bias
    if rows is None:
        rows = torch.arange(len(qkv), device=qkv.device)
    live = rows >= 0
    slot = rows[live]
    out = qkv.new_zeros(*qkv.shape[:2], *qkv.shape[3:])
    ring_keys, ring_values = keys[slot], values[slot]
    for n in range(qkv.shape[1]):
        q, k, v = qkv[live, n].unbind(1)
        out[live, n] = ring_decode(q, k, v, ring_keys, ring_values, tick[slot] + n)
    keys[slot], values[slot] = ring_keys, ring_values
    return out

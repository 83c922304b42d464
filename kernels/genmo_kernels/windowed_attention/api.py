"""The public call of windowed attention: checks, then the backend."""

from functools import lru_cache
from itertools import pairwise

import torch
from torch import Tensor

from genmo_kernels.backend import Backend, check_kernel_input, choose_backend
from genmo_kernels.windowed_attention import reference
from genmo_kernels.windowed_attention.reference import rope_table


def windowed_attention(
    qkv: Tensor,
    left: int,
    right: int,
    *,
    cu_seqlens: Tensor | None = None,
    max_length: int | None = None,
    validate: bool = True,
    backend: Backend | None = None,
) -> Tensor:
    """Softmax attention in which token i sees tokens [i - left, i + right], both inclusive.

    Queries and keys are rotated by their position in their sequence (RoPE). Differentiable in
    qkv. The gradient is deterministic.

    Args:
        qkv: (B, L, 3, H, D) contiguous queries, keys and values, not yet rotated; with
            `cu_seqlens` (T, 3, H, D), the sequences one after the other.
        left: tokens seen before the query's own.
        right: tokens seen after it; 0 is causal.
        cu_seqlens: (N + 1,) int32 or int64: sequence s is [cu_seqlens[s], cu_seqlens[s + 1]).
        max_length: of the longest sequence, no less; T if None. It sizes a table.
        validate: look at the values of `cu_seqlens`, for which the host waits for the device.
        backend: force one; None: Triton for CUDA tensors, else the reference.
    Returns:
        (B, L, H, D) or (T, H, D).
    Raises:
        ValueError: an argument isn't as above; the text names it.
    """
    _check(qkv, left, right, cu_seqlens)
    if cu_seqlens is not None and validate:
        max_length = _check_sequences(cu_seqlens, qkv.shape[0], max_length)
    if choose_backend(qkv, backend) == "reference":
        if cu_seqlens is None:
            q, k, v = qkv.unbind(-3)
            return reference.windowed_attention(q, k, v, left, right)
        return reference.windowed_attention_packed(qkv, cu_seqlens, left, right)

    packed = qkv if cu_seqlens is not None else qkv.flatten(0, 1)
    tokens, _, _, head_dim = packed.shape
    if cu_seqlens is None:
        batch, max_length = qkv.shape[:2]
        cu_seqlens = _even(batch, max_length, qkv.device)
    longest = tokens if max_length is None else max_length
    rounded = 1 << max(longest - 1, 0).bit_length()  # few sizes, so that the cache holds them
    cos, sin = rope_table(rounded, head_dim, torch.float32, qkv.device)
    out, _ = _attend(packed, cu_seqlens, cos, sin, min(left, tokens), min(right, tokens))
    attended: Tensor = out.view(*qkv.shape[:-3], *out.shape[-2:])
    return attended


def _check(qkv: Tensor, left: int, right: int, cu_seqlens: Tensor | None) -> None:
    dims, expected = (5, "(B, L, 3, H, D)") if cu_seqlens is None else (4, "(T, 3, H, D)")
    if qkv.dim() != dims or qkv.shape[-3] != 3 or qkv.shape[-1] % 2 or 0 in qkv.shape[-2:]:
        raise ValueError(f"qkv has shape {tuple(qkv.shape)}; expected {expected} with D even")
    if not qkv.is_floating_point():
        raise ValueError(f"qkv has dtype {qkv.dtype}; expected a floating-point one")
    if not qkv.is_contiguous():
        raise ValueError(f"qkv has strides {qkv.stride()}; expected it contiguous")
    if left < 0 or right < 0:
        name, value = ("left", left) if left < 0 else ("right", right)
        raise ValueError(f"{name} is {value}; expected 0 or more, a token sees itself")
    if cu_seqlens is None:
        return
    if cu_seqlens.dim() != 1 or cu_seqlens.numel() < 2:
        raise ValueError(f"cu_seqlens has shape {tuple(cu_seqlens.shape)}; expected (N + 1,)")
    if cu_seqlens.dtype not in (torch.int32, torch.int64):
        raise ValueError(f"cu_seqlens has dtype {cu_seqlens.dtype}; expected int32 or int64")
    if cu_seqlens.device != qkv.device:
        raise ValueError(f"cu_seqlens is on {cu_seqlens.device}; expected {qkv.device}, as qkv")
    if not cu_seqlens.is_contiguous():
        raise ValueError("cu_seqlens has gaps between its items; expected it contiguous")


def _check_sequences(cu_seqlens: Tensor, tokens: int, max_length: int | None) -> int:
    """The longest sequence's length, or `max_length` if that covers it."""
    bounds = cu_seqlens.tolist()
    lengths = [end - start for start, end in pairwise(bounds)]
    if bounds[0] != 0 or bounds[-1] != tokens or min(lengths) < 0:
        raise ValueError(f"cu_seqlens is {bounds}; expected to rise from 0 to qkv's {tokens} rows")
    longest = max(lengths)
    if max_length is not None and max_length < longest:
        raise ValueError(f"max_length is {max_length}; expected {longest} or more, as cu_seqlens")
    return longest if max_length is None else max_length


@lru_cache(maxsize=32)
def _even(batch: int, length: int, device: torch.device) -> Tensor:
    """cu_seqlens of sequences of one length."""
    with torch.inference_mode(False):
        return torch.arange(batch + 1, dtype=torch.int32, device=device) * length


@torch.library.custom_op("genmo::windowed_attention", mutates_args=())
def _attend(
    qkv: Tensor, cu_seqlens: Tensor, cos: Tensor, sin: Tensor, left: int, right: int
) -> tuple[Tensor, Tensor]:
    from genmo_kernels.windowed_attention import triton

    check_kernel_input(triton.forward_kernel, qkv=qkv)
    return triton.forward(qkv, cu_seqlens, cos, sin, left, right)


@_attend.register_fake
def _(
    qkv: Tensor, cu_seqlens: Tensor, cos: Tensor, sin: Tensor, left: int, right: int
) -> tuple[Tensor, Tensor]:
    tokens, _, heads, head_dim = qkv.shape
    out = qkv.new_empty(tokens, heads, head_dim)
    return out, qkv.new_empty(heads, tokens, dtype=torch.float32)


@torch.library.custom_op("genmo::windowed_attention_backward", mutates_args=())
def _attend_backward(
    qkv: Tensor,
    out: Tensor,
    d_out: Tensor,
    lse: Tensor,
    cu_seqlens: Tensor,
    cos: Tensor,
    sin: Tensor,
    left: int,
    right: int,
) -> Tensor:
    from genmo_kernels.windowed_attention import triton

    return triton.backward(qkv, out, d_out, lse, cu_seqlens, cos, sin, left, right)


@_attend_backward.register_fake
def _(
    qkv: Tensor,
    out: Tensor,
    d_out: Tensor,
    lse: Tensor,
    cu_seqlens: Tensor,
    cos: Tensor,
    sin: Tensor,
    left: int,
    right: int,
) -> Tensor:
    return torch.empty_like(qkv)


def _save(ctx, inputs, output):  # type: ignore[no-untyped-def]
    qkv, cu_seqlens, cos, sin, ctx.left, ctx.right = inputs
    out, lse = output
    ctx.mark_non_differentiable(lse)
    ctx.save_for_backward(qkv, out, lse, cu_seqlens, cos, sin)


def _differentiate(ctx, d_out, _d_lse):  # type: ignore[no-untyped-def]
    qkv, out, lse, cu_seqlens, cos, sin = ctx.saved_tensors
    gradient = _attend_backward(
        qkv, out, d_out.contiguous(), lse, cu_seqlens, cos, sin, ctx.left, ctx.right
    )
    return gradient, None, None, None, None, None


_attend.register_autograd(_differentiate, setup_context=_save)

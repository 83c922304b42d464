"""The public call of ring decode: checks, then the backend."""

import torch
from torch import Tensor

from genmo_kernels.backend import Backend, check_kernel_input, choose_backend
from genmo_kernels.ring_decode import reference
from genmo_kernels.windowed_attention.reference import rope_table


def ring_decode(
    qkv: Tensor,
    keys: Tensor,
    values: Tensor,
    tick: Tensor,
    *,
    bias: Tensor | None = None,
    rows: Tensor | None = None,
    validate: bool = True,
    backend: Backend | None = None,
) -> Tensor:
    """Caches new tokens of S streams and attends with each to its last W, itself included.

    Equals windowed attention with left = W - 1, right = 0 over the whole stream. `tick` isn't
    moved on: all layers of a step share it, the caller adds N after the last. It changes its
    arguments and is for inference: no gradient is defined.

    Args:
        qkv: (S, 3, H, D) contiguous, one new token per stream, not yet rotated; or
            (S, N, 3, H, D), the N tokens that each stream missed, oldest first.
        keys: (A, H, W, D) contiguous rings of A slots, written in place: token t in slot t mod W.
        values: (A, H, W, D) likewise. Slots not yet written must be finite for the reference.
        tick: (A,) int64 tokens that each slot has cached before.
        bias: (3, H, D) contiguous, added to qkv; None adds nothing.
        rows: (S,) int64 the slot of each row, no slot twice; -1 is a padding row: it touches no
            slot and gives zeros. None: row s is slot s, and A = S.
        validate: look at the values of `rows`, for which the host waits for the device. Without,
            rows outside the arena are padding to the kernel.
        backend: force one; None: Triton for CUDA tensors, else the reference.
    Returns:
        (S, H, D) or (S, N, H, D).
    Raises:
        ValueError: an argument isn't as above; the text names it.
    """
    _check(qkv, keys, values, tick)
    if bias is not None:
        _check_bias(bias, qkv)
    if rows is not None:
        _check_rows(rows, qkv, len(keys), validate)
    elif qkv.shape[0] != keys.shape[0]:
        raise ValueError(
            f"keys has {len(keys)} slots; expected {len(qkv)}, one per row of qkv, without rows"
        )
    single = qkv.dim() == 4
    if choose_backend(qkv, backend) == "reference":
        if single and bias is None and rows is None:
            q, k, v = qkv.unbind(1)
            return reference.ring_decode(q, k, v, keys, values, tick)
        tokens = qkv[:, None] if single else qkv
        out = reference.ring_decode_rows(tokens, bias, keys, values, tick, rows)
    else:
        window, head_dim = keys.shape[-2:]
        cos, sin = rope_table(2 * window, head_dim, torch.float32, qkv.device)
        tokens = qkv[:, None] if single else qkv
        out = _decode(tokens, bias, keys, values, tick, rows, cos, sin)
    return out[:, 0] if single else out


def _check(qkv: Tensor, keys: Tensor, values: Tensor, tick: Tensor) -> None:
    """Runs in every layer of every step: few attributes, the names come when something is off."""
    size = qkv.shape
    if len(size) not in (4, 5) or size[-3] != 3 or size[-1] % 2 or 0 in size[-2:]:
        raise ValueError(
            f"qkv has shape {tuple(qkv.shape)}; expected (S, 3, H, D) or (S, N, 3, H, D), D even"
        )
    if not qkv.is_floating_point():
        raise ValueError(f"qkv has dtype {qkv.dtype}; expected a floating-point one")
    *_, heads, head_dim = size
    shape = keys.shape
    if len(shape) != 4 or shape[1] != heads or shape[2] < 1 or shape[3] != head_dim:
        raise ValueError(
            f"keys has shape {tuple(shape)}; expected (A, {heads}, W, {head_dim}), W at least 1"
        )
    if values.shape != shape:
        raise ValueError(
            f"values has shape {tuple(values.shape)}; expected {tuple(shape)}, as keys"
        )
    if tick.dim() != 1 or tick.numel() != shape[0] or tick.dtype is not torch.int64:
        raise ValueError(
            f"tick has shape {tuple(tick.shape)} and dtype {tick.dtype}; "
            f"expected ({shape[0]},) int64, one per slot"
        )
    dtype, device = qkv.dtype, qkv.device
    if keys.dtype is not dtype or values.dtype is not dtype:
        name, wrong = ("keys", keys) if keys.dtype is not dtype else ("values", values)
        raise ValueError(f"{name} has dtype {wrong.dtype}; expected {dtype}, as qkv")
    if keys.device != device or values.device != device or tick.device != device:
        for name, tensor in (("keys", keys), ("values", values), ("tick", tick)):
            if tensor.device != device:
                raise ValueError(f"{name} is on {tensor.device}; expected {device}, as qkv")
    for name, tensor in (("qkv", qkv), ("keys", keys), ("values", values), ("tick", tick)):
        if not tensor.is_contiguous():
            raise ValueError(f"{name} has strides {tensor.stride()}; expected it contiguous")


def _check_bias(bias: Tensor, qkv: Tensor) -> None:
    if bias.shape != qkv.shape[-3:]:
        raise ValueError(
            f"bias has shape {tuple(bias.shape)}; expected {tuple(qkv.shape[-3:])}, as qkv"
        )
    if bias.dtype != qkv.dtype or bias.device != qkv.device:
        raise ValueError(
            f"bias is {bias.dtype} on {bias.device}; expected {qkv.dtype} on {qkv.device}, as qkv"
        )
    if not bias.is_contiguous():
        raise ValueError(f"bias has strides {bias.stride()}; expected it contiguous")


def _check_rows(rows: Tensor, qkv: Tensor, slots: int, validate: bool) -> None:
    if rows.shape != qkv.shape[:1] or rows.dtype != torch.int64:
        raise ValueError(
            f"rows has shape {tuple(rows.shape)} and dtype {rows.dtype}; "
            f"expected ({len(qkv)},) int64, one per row of qkv"
        )
    if rows.device != qkv.device:
        raise ValueError(f"rows is on {rows.device}; expected {qkv.device}, as qkv")
    if not rows.is_contiguous():
        raise ValueError(f"rows has strides {rows.stride()}; expected it contiguous")
    if not validate:
        return
    chosen = rows.tolist()
    for row in chosen:
        if not -1 <= row < slots:
            raise ValueError(f"rows holds {row}; expected -1 or a slot 0..{slots - 1} of keys")
    live = [row for row in chosen if row >= 0]
    if len(set(live)) < len(live):
        raise ValueError(f"rows names a slot twice: {chosen}; expected each at most once")


@torch.library.custom_op("genmo::ring_decode", mutates_args=("keys", "values"))
def _decode(
    qkv: Tensor,
    bias: Tensor | None,
    keys: Tensor,
    values: Tensor,
    tick: Tensor,
    rows: Tensor | None,
    cos: Tensor,
    sin: Tensor,
) -> Tensor:
    from genmo_kernels.ring_decode import triton

    check_kernel_input(triton.ring_decode_kernel, qkv=qkv, keys=keys, values=values)
    if bias is not None:
        check_kernel_input(triton.ring_decode_kernel, bias=bias)
    return triton.ring_decode(qkv, bias, keys, values, tick, rows, cos, sin)


@_decode.register_fake
def _(
    qkv: Tensor,
    bias: Tensor | None,
    keys: Tensor,
    values: Tensor,
    tick: Tensor,
    rows: Tensor | None,
    cos: Tensor,
    sin: Tensor,
) -> Tensor:
    streams, tokens, _, heads, head_dim = qkv.shape
    return qkv.new_empty(streams, tokens, heads, head_dim)

"""Windowed attention in Triton: forward, and a backward without atomics.

Tile plan. Tokens of all sequences lie packed in one axis; tiles are aligned to their sequence,
so a sequence's bits don't depend on its neighbours. Sequence s owns the tile slots from
cu_seqlens[s] // B + s on: at least as many as it has tiles, at most tokens // B + sequences in
all, so that the grid needs shapes alone and the host never waits for the device.

  forward   one program per (query tile [BM, D], head) walks the key tiles [BN, D] of its window
            and keeps a running maximum and sum; saves the log-sum-exp (base 2) per query.
  backward  dq: one program per (query tile, head), as the forward; also saves
            delta = sum(do · o) for the next pass.
            dk, dv: one program per (key tile [BN, D], head) walks the query tiles that see it.
            Each gradient is written once, by one program: the same bits in every run.

Heads are cut into halves [., D/2], since RoPE turns the pairs (x[i], x[i + D/2]): a score is the
sum of two products. Rotation happens on load in float32, gradients are turned back on store.
"""

# Triton gives parameters their types at launch:
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls

from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor

LOG2_E = 1.4426950408889634
SIZES = ("sequences", "tokens", "left", "right")  # one machine code for all of them


@dataclass(frozen=True, slots=True)
class Tiles:
    """How one kernel is cut and launched."""

    queries: int  # BM
    keys: int  # BN
    warps: int
    stages: int


@dataclass(frozen=True, slots=True)
class Plan:
    """The three kernels' tiles for one dtype, head size and chip."""

    forward: Tiles
    query_gradient: Tiles
    key_gradient: Tiles


def plan(dtype: torch.dtype, head_dim: int, capability: int) -> Plan:
    """Tiles that fit registers and shared memory; tests/genmo_kernels/aot.json is the proof.

    Args:
        dtype: of the tensors.
        head_dim: D.
        capability: of the chip, 80 for sm_80; 0 in the interpreter.
    """
    if capability == 0:
        return Plan(*(Tiles(16, 16, 4, 1),) * 3)
    if dtype == torch.float32:  # for checks: products run without tensor cores
        return Plan(Tiles(16, 32, 4, 1), Tiles(16, 16, 4, 1), Tiles(16, 16, 4, 1))
    wide = head_dim == 128
    if capability >= 90:
        if wide:
            return Plan(Tiles(64, 64, 4, 2), Tiles(64, 64, 8, 2), Tiles(32, 64, 8, 2))
        return Plan(Tiles(64, 64, 4, 2), Tiles(64, 64, 4, 2), Tiles(64, 64, 8, 2))
    if wide:
        return Plan(Tiles(64, 32, 4, 2), Tiles(32, 32, 4, 2), Tiles(32, 32, 8, 2))
    return Plan(Tiles(64, 64, 4, 2), Tiles(64, 32, 4, 2), Tiles(16, 32, 4, 2))


@triton.jit
def _locate(cu_seqlens, sequences, slot, BLOCK: tl.constexpr, STEPS: tl.constexpr):
    """Finds the tile in a slot: its sequence's start and length, and the tile's first token.

    A bisection over the sequences; every load lies within [0, sequences] by construction.
    """
    low = slot * 0
    high = low + sequences
    for _ in tl.static_range(STEPS):
        middle = (low + high) // 2
        here = tl.load(cu_seqlens + middle).to(tl.int32) // BLOCK + middle <= slot
        low = tl.where(here, middle, low)
        high = tl.where(here, high, middle)
    start = tl.load(cu_seqlens + low).to(tl.int32)
    length = tl.load(cu_seqlens + low + 1).to(tl.int32) - start
    return start, length, (slot - low - start // BLOCK) * BLOCK


@triton.jit
def _load(x, start, o_t, m_t, column, ROW: tl.constexpr, WIDTH: tl.constexpr):
    """The rows o_t of a sequence from `column` on: [B, WIDTH]."""
    p_x = x + (start + o_t).to(tl.int64)[:, None] * ROW + column + tl.arange(0, WIDTH)[None, :]
    return tl.load(p_x, mask=m_t[:, None], other=0.0)


@triton.jit
def _store(x, value, start, o_t, m_t, column, ROW: tl.constexpr, WIDTH: tl.constexpr):
    p_x = x + (start + o_t).to(tl.int64)[:, None] * ROW + column + tl.arange(0, WIDTH)[None, :]
    tl.store(p_x, value.to(x.dtype.element_ty), mask=m_t[:, None])


@triton.jit
def _angles(cos, sin, o_t, m_t, HALF: tl.constexpr):
    """Cosine and sine of each token's position: [B, D/2] twice."""
    o_angle = o_t[:, None] * HALF + tl.arange(0, HALF)[None, :]
    b_cos = tl.load(cos + o_angle, mask=m_t[:, None], other=0.0)
    b_sin = tl.load(sin + o_angle, mask=m_t[:, None], other=0.0)
    return b_cos, b_sin


@triton.jit
def _load_rotated(
    x, cos, sin, start, o_t, m_t, column, ROW: tl.constexpr, D: tl.constexpr
):  # fmt: skip
    """Both halves of the rows o_t, rotated by their position: [B, D/2] twice."""
    HALF: tl.constexpr = D // 2
    b_first = _load(x, start, o_t, m_t, column, ROW, HALF).to(tl.float32)
    b_second = _load(x, start, o_t, m_t, column + HALF, ROW, HALF).to(tl.float32)
    b_cos, b_sin = _angles(cos, sin, o_t, m_t, HALF)
    b_turned = (b_first * b_cos - b_second * b_sin).to(x.dtype.element_ty)
    b_turned_too = (b_second * b_cos + b_first * b_sin).to(x.dtype.element_ty)
    return b_turned, b_turned_too


@triton.jit
def _store_unrotated(
    x, b_first, b_second, cos, sin, start, o_t, m_t, column, ROW: tl.constexpr, D: tl.constexpr
):
    """Turns the gradient of rotated rows back and stores it."""
    HALF: tl.constexpr = D // 2
    b_cos, b_sin = _angles(cos, sin, o_t, m_t, HALF)
    b_back = b_first * b_cos + b_second * b_sin
    b_back_too = b_second * b_cos - b_first * b_sin
    _store(x, b_back, start, o_t, m_t, column, ROW, HALF)
    _store(x, b_back_too, start, o_t, m_t, column + HALF, ROW, HALF)


@triton.jit(do_not_specialize=SIZES)
def forward_kernel(
    qkv, o, lse, cu_seqlens, cos, sin, sequences, tokens, left, right, scale,
    H: tl.constexpr, D: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr, STEPS: tl.constexpr,
):  # fmt: skip
    ROW: tl.constexpr = 3 * H * D
    i_h = tl.program_id(1)
    start, length, i_t = _locate(cu_seqlens, sequences, tl.program_id(0), BM, STEPS)
    o_i = i_t + tl.arange(0, BM)
    m_i = o_i < length
    b_q1, b_q2 = _load_rotated(qkv, cos, sin, start, o_i, m_i, i_h * D, ROW, D)  # [BM, D/2]
    b_m = tl.full([BM], float("-inf"), tl.float32)
    b_l = tl.zeros([BM], tl.float32)
    b_o = tl.zeros([BM, D], tl.float32)
    first = tl.maximum(i_t - left, 0) // BN * BN
    last = tl.minimum(i_t + BM + right, length)
    for j_t in range(first, last, BN):
        o_j = j_t + tl.arange(0, BN)
        m_j = o_j < length
        b_k1, b_k2 = _load_rotated(qkv, cos, sin, start, o_j, m_j, (H + i_h) * D, ROW, D)
        b_v = _load(qkv, start, o_j, m_j, (2 * H + i_h) * D, ROW, D)  # [BN, D]
        b_s = tl.dot(b_q1, tl.trans(b_k1), input_precision="ieee")  # [BM, BN]
        b_s = tl.dot(b_q2, tl.trans(b_k2), b_s, input_precision="ieee")
        distance = o_j[None, :] - o_i[:, None]
        m_s = m_j[None, :] & (distance >= -left) & (distance <= right)
        b_s = tl.where(m_s, b_s * scale, float("-inf"))
        b_m_next = tl.maximum(b_m, tl.max(b_s, 1))
        b_base = tl.where(b_m_next == float("-inf"), 0.0, b_m_next)  # nothing seen so far
        b_p = tl.exp2(b_s - b_base[:, None])
        b_fade = tl.exp2(b_m - b_base)
        b_l = b_l * b_fade + tl.sum(b_p, 1)
        b_o = tl.dot(b_p.to(b_v.dtype), b_v, b_o * b_fade[:, None], input_precision="ieee")
        b_m = b_m_next
    b_l = tl.where(m_i, b_l, 1.0)
    _store(o, b_o / b_l[:, None], start, o_i, m_i, i_h * D, H * D, D)
    p_lse = lse + i_h.to(tl.int64) * tokens + start + o_i
    tl.store(p_lse, b_m + tl.log2(b_l), mask=m_i)


@triton.jit(do_not_specialize=SIZES)
def query_gradient_kernel(
    qkv, o, do, lse, delta, dqkv, cu_seqlens, cos, sin,
    sequences, tokens, left, right, scale, scale_gradient,
    H: tl.constexpr, D: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr, STEPS: tl.constexpr,
):  # fmt: skip
    HALF: tl.constexpr = D // 2
    ROW: tl.constexpr = 3 * H * D
    i_h = tl.program_id(1)
    start, length, i_t = _locate(cu_seqlens, sequences, tl.program_id(0), BM, STEPS)
    o_i = i_t + tl.arange(0, BM)
    m_i = o_i < length
    b_q1, b_q2 = _load_rotated(qkv, cos, sin, start, o_i, m_i, i_h * D, ROW, D)  # [BM, D/2]
    b_do = _load(do, start, o_i, m_i, i_h * D, H * D, D)  # [BM, D]
    b_o = _load(o, start, o_i, m_i, i_h * D, H * D, D)
    b_delta = tl.sum(b_o.to(tl.float32) * b_do.to(tl.float32), 1)  # [BM]
    o_row = i_h.to(tl.int64) * tokens + start + o_i
    tl.store(delta + o_row, b_delta, mask=m_i)
    b_lse = tl.load(lse + o_row, mask=m_i, other=0.0)
    b_dq1 = tl.zeros([BM, HALF], tl.float32)
    b_dq2 = tl.zeros([BM, HALF], tl.float32)
    first = tl.maximum(i_t - left, 0) // BN * BN
    last = tl.minimum(i_t + BM + right, length)
    for j_t in range(first, last, BN):
        o_j = j_t + tl.arange(0, BN)
        m_j = o_j < length
        b_k1, b_k2 = _load_rotated(qkv, cos, sin, start, o_j, m_j, (H + i_h) * D, ROW, D)
        b_v = _load(qkv, start, o_j, m_j, (2 * H + i_h) * D, ROW, D)  # [BN, D]
        b_s = tl.dot(b_q1, tl.trans(b_k1), input_precision="ieee")  # [BM, BN]
        b_s = tl.dot(b_q2, tl.trans(b_k2), b_s, input_precision="ieee")
        distance = o_j[None, :] - o_i[:, None]
        m_s = m_i[:, None] & m_j[None, :] & (distance >= -left) & (distance <= right)
        b_p = tl.exp2(tl.where(m_s, b_s * scale - b_lse[:, None], float("-inf")))
        b_dp = tl.dot(b_do, tl.trans(b_v), input_precision="ieee")
        b_ds = (b_p * (b_dp - b_delta[:, None]) * scale_gradient).to(b_v.dtype)
        b_dq1 = tl.dot(b_ds, b_k1, b_dq1, input_precision="ieee")
        b_dq2 = tl.dot(b_ds, b_k2, b_dq2, input_precision="ieee")
    _store_unrotated(dqkv, b_dq1, b_dq2, cos, sin, start, o_i, m_i, i_h * D, ROW, D)


@triton.jit(do_not_specialize=SIZES)
def key_gradient_kernel(
    qkv, do, lse, delta, dqkv, cu_seqlens, cos, sin,
    sequences, tokens, left, right, scale, scale_gradient,
    H: tl.constexpr, D: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr, STEPS: tl.constexpr,
):  # fmt: skip
    HALF: tl.constexpr = D // 2
    ROW: tl.constexpr = 3 * H * D
    i_h = tl.program_id(1)
    start, length, j_t = _locate(cu_seqlens, sequences, tl.program_id(0), BN, STEPS)
    o_j = j_t + tl.arange(0, BN)
    m_j = o_j < length
    b_k1, b_k2 = _load_rotated(qkv, cos, sin, start, o_j, m_j, (H + i_h) * D, ROW, D)  # [BN, D/2]
    b_v = _load(qkv, start, o_j, m_j, (2 * H + i_h) * D, ROW, D)  # [BN, D]
    b_dk1 = tl.zeros([BN, HALF], tl.float32)
    b_dk2 = tl.zeros([BN, HALF], tl.float32)
    b_dv = tl.zeros([BN, D], tl.float32)
    first = tl.maximum(j_t - right, 0) // BM * BM
    last = tl.minimum(j_t + BN + left, length)
    for i_t in range(first, last, BM):
        o_i = i_t + tl.arange(0, BM)
        m_i = o_i < length
        b_q1, b_q2 = _load_rotated(qkv, cos, sin, start, o_i, m_i, i_h * D, ROW, D)  # [BM, D/2]
        b_do = _load(do, start, o_i, m_i, i_h * D, H * D, D)  # [BM, D]
        o_row = i_h.to(tl.int64) * tokens + start + o_i
        b_lse = tl.load(lse + o_row, mask=m_i, other=0.0)
        b_delta = tl.load(delta + o_row, mask=m_i, other=0.0)
        b_s = tl.dot(b_k1, tl.trans(b_q1), input_precision="ieee")  # [BN, BM]
        b_s = tl.dot(b_k2, tl.trans(b_q2), b_s, input_precision="ieee")
        distance = o_j[:, None] - o_i[None, :]
        m_s = m_j[:, None] & m_i[None, :] & (distance >= -left) & (distance <= right)
        b_p = tl.exp2(tl.where(m_s, b_s * scale - b_lse[None, :], float("-inf")))
        b_dv = tl.dot(b_p.to(b_do.dtype), b_do, b_dv, input_precision="ieee")
        b_dp = tl.dot(b_v, tl.trans(b_do), input_precision="ieee")
        b_ds = (b_p * (b_dp - b_delta[None, :]) * scale_gradient).to(b_v.dtype)
        b_dk1 = tl.dot(b_ds, b_q1, b_dk1, input_precision="ieee")
        b_dk2 = tl.dot(b_ds, b_q2, b_dk2, input_precision="ieee")
    _store_unrotated(dqkv, b_dk1, b_dk2, cos, sin, start, o_j, m_j, (H + i_h) * D, ROW, D)
    _store(dqkv, b_dv, start, o_j, m_j, (2 * H + i_h) * D, ROW, D)


def forward(
    qkv: Tensor, cu_seqlens: Tensor, cos: Tensor, sin: Tensor, left: int, right: int
) -> tuple[Tensor, Tensor]:
    """Launches the forward kernel.

    Args:
        qkv: (T, 3, H, D) contiguous.
        cu_seqlens: (N + 1,) where the sequences begin, and where the last one ends.
        cos: (longest sequence, D / 2) float32.
        sin: likewise.
        left: tokens seen before a query's own.
        right: tokens seen after it.
    Returns:
        (T, H, D) and the base-2 log-sum-exp (H, T) float32.
    """
    tokens, _, heads, head_dim = qkv.shape
    out = qkv.new_empty(tokens, heads, head_dim)
    lse = qkv.new_empty(heads, tokens, dtype=torch.float32)
    tiles = plan(qkv.dtype, head_dim, _capability(qkv)).forward
    scale = head_dim**-0.5 * LOG2_E
    sequences = cu_seqlens.numel() - 1
    forward_kernel[(tokens // tiles.queries + sequences, heads)](
        qkv, out, lse, cu_seqlens, cos, sin, sequences, tokens, left, right, scale,
        H=heads, D=head_dim, BM=tiles.queries, BN=tiles.keys, STEPS=sequences.bit_length(),
        num_warps=tiles.warps, num_stages=tiles.stages, enable_fp_fusion=True,
    )  # fmt: skip
    return out, lse


def backward(
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
    """Launches both gradient kernels; arguments as `forward` took and gave them.

    Returns:
        (T, 3, H, D) gradient of qkv.
    """
    tokens, _, heads, head_dim = qkv.shape
    gradient = torch.empty_like(qkv)
    delta = torch.empty_like(lse)
    cut = plan(qkv.dtype, head_dim, _capability(qkv))
    scale = head_dim**-0.5
    sequences = cu_seqlens.numel() - 1
    tiles = cut.query_gradient
    query_gradient_kernel[(tokens // tiles.queries + sequences, heads)](
        qkv, out, d_out, lse, delta, gradient, cu_seqlens, cos, sin,
        sequences, tokens, left, right, scale * LOG2_E, scale,
        H=heads, D=head_dim, BM=tiles.queries, BN=tiles.keys, STEPS=sequences.bit_length(),
        num_warps=tiles.warps, num_stages=tiles.stages, enable_fp_fusion=True,
    )  # fmt: skip
    tiles = cut.key_gradient
    key_gradient_kernel[(tokens // tiles.keys + sequences, heads)](
        qkv, d_out, lse, delta, gradient, cu_seqlens, cos, sin,
        sequences, tokens, left, right, scale * LOG2_E, scale,
        H=heads, D=head_dim, BM=tiles.queries, BN=tiles.keys, STEPS=sequences.bit_length(),
        num_warps=tiles.warps, num_stages=tiles.stages, enable_fp_fusion=True,
    )  # fmt: skip
    return gradient


def _capability(x: Tensor) -> int:
    if x.device.type != "cuda":
        return 0
    major, minor = torch.cuda.get_device_capability(x.device)
    return 10 * major + minor

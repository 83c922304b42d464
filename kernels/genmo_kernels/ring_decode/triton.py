"""Ring decode in Triton: new tokens of many streams in one launch.

Tile plan. One program per (row, head) holds its whole ring in registers, keys and values
[BW, D] each, BW the next power of two of W: all its bytes are asked for at once, which is what a
kernel bound by memory needs. A new token enters the tiles in registers and its slot in memory;
nothing is read back, so several tokens in a row need no barrier. The cached part of the ring is
read once however many new tokens there are.

The query exists twice, rotated by c and by c + W; each slot takes the one of its lap.
"""

# Triton gives parameters their types at launch:
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls

import torch
import triton
import triton.language as tl
from torch import Tensor

LOG2_E = 1.4426950408889634
BYTES_PER_WARP = 8192  # of keys and values: 64 registers of each thread


def warps_for(window: int, head_dim: int, dtype: torch.dtype) -> int:
    """Warps over which one ring is spread; tests/genmo_kernels/aot.json shows that it fits."""
    ring = 2 * triton.next_power_of_2(window) * head_dim * dtype.itemsize
    return int(min(max(ring // BYTES_PER_WARP, 1), 16))


@triton.jit
def _load_new(qkv, bias, token, column, o_d, m_d, ROW: tl.constexpr, HAS_BIAS: tl.constexpr):
    """One head of q, k or v of a new token, its bias added: [D] float32."""
    b_x = tl.load(qkv + token * ROW + column + o_d, mask=m_d, other=0.0).to(tl.float32)
    if HAS_BIAS:
        b_x += tl.load(bias + column + o_d, mask=m_d, other=0.0).to(tl.float32)
    return b_x


@triton.jit
def _angles(cos, sin, position, o_d, m_d, D: tl.constexpr):
    """Cosine and signed sine of a position for every channel: [D] twice."""
    HALF: tl.constexpr = D // 2
    p_angle = position * HALF + o_d % HALF
    b_cos = tl.load(cos + p_angle, mask=m_d, other=0.0)
    b_sin = tl.load(sin + p_angle, mask=m_d, other=0.0)
    return b_cos, tl.where(o_d < HALF, -b_sin, b_sin)


@triton.jit(do_not_specialize=("slots",))
def ring_decode_kernel(
    qkv, bias, keys, values, tick, rows, cos, sin, out, slots, scale,
    N: tl.constexpr, H: tl.constexpr, W: tl.constexpr, D: tl.constexpr, BW: tl.constexpr,
    HAS_BIAS: tl.constexpr, HAS_ROWS: tl.constexpr,
):  # fmt: skip
    ROW: tl.constexpr = 3 * H * D
    i_s, i_h = tl.program_id(0).to(tl.int64), tl.program_id(1)
    slot = tl.load(rows + i_s).to(tl.int64) if HAS_ROWS else i_s
    live = (slot >= 0) & (slot < slots)  # else a padding row: nothing is read or cached
    slot = tl.where(live, slot, 0)
    start = tl.load(tick + slot, mask=live, other=0)  # tokens cached so far, int64
    o_w, o_d = tl.arange(0, BW), tl.arange(0, D)
    m_d = o_d < tl.where(live, D, 0)
    o_pair = (o_d + D // 2) % D
    o_ring = (slot * H + i_h) * (W * D)
    p_ring = o_ring + o_w[:, None] * D + o_d[None, :]  # [BW, D]
    m_cached = ((o_w < W) & (o_w < start))[:, None]  # a padding row has start 0
    b_k = tl.load(keys + p_ring, mask=m_cached, other=0.0)
    b_v = tl.load(values + p_ring, mask=m_cached, other=0.0)
    for n in range(N):
        token = i_s * N + n
        c = ((start + n) % W).to(tl.int32)
        b_cos, b_sin = _angles(cos, sin, c, o_d, m_d, D)
        b_cos_lap, b_sin_lap = _angles(cos, sin, c + W, o_d, m_d, D)
        i_q, i_k, i_v = i_h * D, (H + i_h) * D, (2 * H + i_h) * D
        b_q = _load_new(qkv, bias, token, i_q, o_d, m_d, ROW, HAS_BIAS)
        b_q_pair = _load_new(qkv, bias, token, i_q, o_pair, m_d, ROW, HAS_BIAS)
        b_new = _load_new(qkv, bias, token, i_k, o_d, m_d, ROW, HAS_BIAS)
        b_new_pair = _load_new(qkv, bias, token, i_k, o_pair, m_d, ROW, HAS_BIAS)
        b_new_k = (b_new * b_cos + b_new_pair * b_sin).to(b_k.dtype)
        b_new_v = _load_new(qkv, bias, token, i_v, o_d, m_d, ROW, HAS_BIAS).to(b_v.dtype)
        tl.store(keys + o_ring + c * D + o_d, b_new_k, mask=m_d)
        tl.store(values + o_ring + c * D + o_d, b_new_v, mask=m_d)
        b_k = tl.where((o_w == c)[:, None], b_new_k[None, :], b_k)
        b_v = tl.where((o_w == c)[:, None], b_new_v[None, :], b_v)

        b_q_now = b_q * b_cos + b_q_pair * b_sin  # [D]
        b_q_lap = b_q * b_cos_lap + b_q_pair * b_sin_lap
        b_query = tl.where((o_w <= c)[:, None], b_q_now[None, :], b_q_lap[None, :])  # [BW, D]
        b_s = tl.sum(b_query * b_k.to(tl.float32), 1) * scale  # [BW]
        b_s = tl.where((o_w < W) & (o_w <= start + n), b_s, float("-inf"))
        b_p = tl.exp2(b_s - tl.max(b_s, 0))
        b_o = tl.sum(b_p[:, None] * b_v.to(tl.float32), 0) / tl.sum(b_p, 0)  # [D]
        p_o = out + (token * H + i_h) * D + o_d
        tl.store(p_o, b_o.to(out.dtype.element_ty))  # zeros in a padding row, as its values


def ring_decode(
    qkv: Tensor,
    bias: Tensor | None,
    keys: Tensor,
    values: Tensor,
    tick: Tensor,
    rows: Tensor | None,
    cos: Tensor,
    sin: Tensor,
) -> Tensor:
    """Launches the kernel; all tensors contiguous, shapes as the public op says.

    Args:
        qkv: (S, N, 3, H, D).
        bias: (3, H, D).
        keys: (A, H, W, D).
        values: (A, H, W, D).
        tick: (A,) int64.
        rows: (S,) int64.
        cos: (2 W, D / 2) float32.
        sin: likewise.
    Returns:
        (S, N, H, D).
    """
    streams, tokens, _, heads, head_dim = qkv.shape
    slots, _, window, _ = keys.shape
    out = qkv.new_empty(streams, tokens, heads, head_dim)
    ring_decode_kernel[(streams, heads)](
        qkv, qkv if bias is None else bias, keys, values, tick, tick if rows is None else rows,
        cos, sin, out, slots, head_dim**-0.5 * LOG2_E,
        N=tokens, H=heads, W=window, D=head_dim, BW=triton.next_power_of_2(window),
        HAS_BIAS=bias is not None, HAS_ROWS=rows is not None,
        num_warps=warps_for(window, head_dim, qkv.dtype), num_stages=1, enable_fp_fusion=True,
    )  # fmt: skip
    return out

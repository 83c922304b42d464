"""Cropping video planes in Triton: no RGB picture of the whole frame is ever made.

Tile plan. One program per (crop, [B] of its pixels); a thread gathers four luma samples and four of
each chroma plane, which neighbours share in the caches, and writes three planes side by side.
"""

# Triton gives parameters their types at launch:
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls

import torch
import triton
import triton.language as tl
from torch import Tensor

from genmo_kernels.nv12_crop.colour import Colour

BLOCK, WARPS = 256, 4
SIZES = (
    "count", "luma_frame", "luma_row", "chroma_frame", "chroma_row", "step", "v_offset",
    "height", "width", "out_height", "out_width",
)  # fmt: skip


@triton.jit
def _sample(plane, row, column, row_stride, step, m):
    """One byte per pixel: [B] float32; 0 where m is False."""
    p_plane = plane + row.to(tl.int64) * row_stride + column * step
    return tl.load(p_plane, mask=m, other=0).to(tl.float32)


@triton.jit(do_not_specialize=SIZES)
def nv12_crop_kernel(
    luma, chroma, maps, frames, out,
    count, luma_frame, luma_row, chroma_frame, chroma_row, step, v_offset,
    black, luma_gain, chroma_gain, red_v, green_u, green_v, blue_u,
    scale_r, scale_g, scale_b, shift_r, shift_g, shift_b,
    height, width, out_height, out_width, HAS_FRAMES: tl.constexpr, B: tl.constexpr,
):  # fmt: skip
    i_n = tl.program_id(0).to(tl.int64)
    o_p = tl.program_id(1) * B + tl.arange(0, B)  # [B] pixels of the crop
    area = out_height * out_width
    m_p = o_p < area
    frame = tl.load(frames + i_n).to(tl.int64) if HAS_FRAMES else i_n
    known = (frame >= 0) & (frame < count)
    frame = tl.where(known, frame, 0)
    b_i, b_j = (o_p // out_width).to(tl.float32), (o_p % out_width).to(tl.float32)
    p_map = maps + i_n * 6
    b_x = tl.load(p_map) * b_j + tl.load(p_map + 1) * b_i + tl.load(p_map + 2)
    b_y = tl.load(p_map + 3) * b_j + tl.load(p_map + 4) * b_i + tl.load(p_map + 5)
    m_in = (b_x > -1) & (b_x < width) & (b_y > -1) & (b_y < height)  # NaN: False
    m_in = m_in & (o_p < tl.where(known, area, 0))
    b_x, b_y = tl.where(m_in, b_x, 0.0), tl.where(m_in, b_y, 0.0)

    b_left, b_top = tl.floor(b_x), tl.floor(b_y)
    b_fx, b_fy = b_x - b_left, b_y - b_top
    o_x, o_y = b_left.to(tl.int32), b_top.to(tl.int32)
    w_x, w_x1 = tl.where(o_x >= 0, 1.0 - b_fx, 0.0), tl.where(o_x + 1 < width, b_fx, 0.0)
    w_y, w_y1 = tl.where(o_y >= 0, 1.0 - b_fy, 0.0), tl.where(o_y + 1 < height, b_fy, 0.0)
    b_covered = (w_x + w_x1) * (w_y + w_y1)
    p_luma = luma + frame * luma_frame
    m_left, m_right = m_in & (o_x >= 0), m_in & (o_x + 1 < width)
    m_top, m_bottom = o_y >= 0, o_y + 1 < height
    b_code = (
        _sample(p_luma, o_y, o_x, luma_row, 1, m_left & m_top) * w_x * w_y
        + _sample(p_luma, o_y, o_x + 1, luma_row, 1, m_right & m_top) * w_x1 * w_y
        + _sample(p_luma, o_y + 1, o_x, luma_row, 1, m_left & m_bottom) * w_x * w_y1
        + _sample(p_luma, o_y + 1, o_x + 1, luma_row, 1, m_right & m_bottom) * w_x1 * w_y1
    )
    b_bright = (b_code - black * b_covered) * luma_gain

    last_x, last_y = (width + 1) // 2 - 1, (height + 1) // 2 - 1
    b_cx = tl.minimum(tl.maximum(b_x * 0.5, 0.0), last_x.to(tl.float32))
    b_cy = tl.minimum(tl.maximum((b_y - 0.5) * 0.5, 0.0), last_y.to(tl.float32))
    b_left, b_top = tl.floor(b_cx), tl.floor(b_cy)
    b_fx, b_fy = b_cx - b_left, b_cy - b_top
    o_x, o_y = b_left.to(tl.int32), b_top.to(tl.int32)
    o_x1, o_y1 = tl.minimum(o_x + 1, last_x), tl.minimum(o_y + 1, last_y)
    p_u = chroma + frame * chroma_frame
    p_v = p_u + v_offset
    b_u = (
        _sample(p_u, o_y, o_x, chroma_row, step, m_in) * (1.0 - b_fx) * (1.0 - b_fy)
        + _sample(p_u, o_y, o_x1, chroma_row, step, m_in) * b_fx * (1.0 - b_fy)
        + _sample(p_u, o_y1, o_x, chroma_row, step, m_in) * (1.0 - b_fx) * b_fy
        + _sample(p_u, o_y1, o_x1, chroma_row, step, m_in) * b_fx * b_fy
    )
    b_v = (
        _sample(p_v, o_y, o_x, chroma_row, step, m_in) * (1.0 - b_fx) * (1.0 - b_fy)
        + _sample(p_v, o_y, o_x1, chroma_row, step, m_in) * b_fx * (1.0 - b_fy)
        + _sample(p_v, o_y1, o_x, chroma_row, step, m_in) * (1.0 - b_fx) * b_fy
        + _sample(p_v, o_y1, o_x1, chroma_row, step, m_in) * b_fx * b_fy
    )
    b_u = (b_u - 128.0) * chroma_gain * b_covered
    b_v = (b_v - 128.0) * chroma_gain * b_covered

    b_r = b_bright + red_v * b_v
    b_g = b_bright + green_u * b_u + green_v * b_v
    b_b = b_bright + blue_u * b_u
    p_o = out + i_n * 3 * area + o_p
    b_r = tl.where(m_in, tl.minimum(tl.maximum(b_r, 0.0), 1.0), 0.0) * scale_r + shift_r
    b_g = tl.where(m_in, tl.minimum(tl.maximum(b_g, 0.0), 1.0), 0.0) * scale_g + shift_g
    b_b = tl.where(m_in, tl.minimum(tl.maximum(b_b, 0.0), 1.0), 0.0) * scale_b + shift_b
    tl.store(p_o, b_r.to(out.dtype.element_ty), mask=m_p)
    tl.store(p_o + area, b_g.to(out.dtype.element_ty), mask=m_p)
    tl.store(p_o + 2 * area, b_b.to(out.dtype.element_ty), mask=m_p)


def nv12_crop(
    luma: Tensor,
    chroma: Tensor,
    maps: Tensor,
    frames: Tensor | None,
    size: tuple[int, int],
    planar: bool,
    colour: Colour,
    scale: tuple[float, ...],
    shift: tuple[float, ...],
    dtype: torch.dtype,
) -> Tensor:
    """Launches the kernel; shapes as the public op says.

    Args:
        luma: (B, H, W) uint8, rows at any distance.
        chroma: (B, ⌈H/2⌉, ⌈W/2⌉, 2), or (B, 2, ⌈H/2⌉, ⌈W/2⌉) if planar.
        maps: (N, 2, 3) float32 contiguous.
        frames: (N,) int64; None: crop n is of frame n.
        size: (h, w).
        planar: chroma is two planes.
        colour: what the codes mean.
        scale: of red, green, blue.
        shift: likewise.
        dtype: of the crops.
    Returns:
        (N, 3, h, w).
    """
    count, height, width = luma.shape
    out = maps.new_empty(len(maps), 3, *size, dtype=dtype)
    if planar:
        chroma_frame, v_offset, chroma_row, step = chroma.stride()
    else:
        chroma_frame, chroma_row, step, v_offset = chroma.stride()
    nv12_crop_kernel[(len(maps), triton.cdiv(size[0] * size[1], BLOCK))](
        luma, chroma, maps, maps if frames is None else frames, out,
        count, luma.stride(0), luma.stride(1), chroma_frame, chroma_row, step, v_offset,
        colour.black, colour.luma, colour.chroma,
        colour.red_v, colour.green_u, colour.green_v, colour.blue_u,
        *scale, *shift, height, width, *size,
        HAS_FRAMES=frames is not None, B=BLOCK, num_warps=WARPS, enable_fp_fusion=True,
    )  # fmt: skip
    return out

"""The public call of cropping video planes: checks, then the backend."""

from collections.abc import Sequence

import torch
from torch import Tensor

from genmo_kernels.backend import (
    KERNEL_DTYPES,
    Backend,
    check_contiguous,
    check_kernel_placement,
    choose_backend,
)
from genmo_kernels.nv12_crop import reference
from genmo_kernels.nv12_crop.colour import LAYOUTS, MATRICES, Colour, Layout, Matrix
from genmo_kernels.nv12_crop.reference import RGB


def nv12_crop(
    luma: Tensor,
    chroma: Tensor,
    maps: Tensor,
    size: tuple[int, int],
    *,
    frames: Tensor | None = None,
    layout: Layout = "nv12",
    matrix: Matrix = "bt601",
    full_range: bool = False,
    mean: RGB = (0.0, 0.0, 0.0),
    std: RGB = (1.0, 1.0, 1.0),
    dtype: torch.dtype = torch.float32,
    validate: bool = True,
    backend: Backend | None = None,
) -> Tensor:
    """Normalised RGB crops of video frames, each by its own affine map; not differentiable.

    Crop pixel (row i, column j) shows the frame at maps[n] @ (j, i, 1), bilinearly. Pixel centres
    have whole numbers, as in OpenCV. Around the frame it is black. Chroma sits as in MPEG-2 and
    H.264: with the even columns, between the rows.

    Args:
        luma: (B, H, W) uint8. Rows may lie at any distance, samples of a row without gaps.
        chroma: uint8, of the same frames, likewise: (B, ⌈H/2⌉, ⌈W/2⌉, 2) u and v in turn, or
            (B, 2, ⌈H/2⌉, ⌈W/2⌉) for the layout i420.
        maps: (N, 2, 3) contiguous float32 (float64 only for the reference), crop pixels to frame
            pixels. Without gradient.
        size: (h, w) of the crops, pixels.
        frames: (N,) int64 the frame of each crop, -1 for a black one; None: crop n is of frame n,
            and N = B.
        layout: "nv12" or "i420".
        matrix: "bt601" or "bt709".
        full_range: codes 0..255, not 16..235.
        mean: taken from RGB 0..1,
        std: by which it is divided then.
        dtype: of the crops: bfloat16, float16, float32 or float64.
        validate: look at the values of `frames`, for which the host waits for the device. Without,
            numbers outside luma give black crops in the kernel.
        backend: force one; None: Triton for CUDA tensors, else the reference.
    Returns:
        (N, 3, h, w) red, green, blue.
    Raises:
        ValueError: an argument isn't as above; the text names it.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"layout is {layout!r}; expected one of {LAYOUTS}")
    if matrix not in MATRICES:
        raise ValueError(f"matrix is {matrix!r}; expected one of {MATRICES}")
    _check_planes(luma, chroma, layout)
    _check_maps(maps, luma)
    _check_output(size, mean, std, dtype)
    if frames is not None:
        _check_frames(frames, maps, len(luma), validate)
    elif len(maps) != len(luma):
        raise ValueError(f"maps has {len(maps)} crops; expected {len(luma)}, as luma, or frames")
    colour = Colour.of(matrix, full_range)
    scale = 1 / std[0], 1 / std[1], 1 / std[2]
    shift = -mean[0] / std[0], -mean[1] / std[1], -mean[2] / std[2]
    if choose_backend(luma, backend) == "reference":
        u, v = chroma.unbind(1 if layout == "i420" else -1)
        if frames is None:
            frames = torch.arange(len(maps), device=maps.device)
        return reference.nv12_crop(luma, u, v, maps, frames, size, colour, scale, shift).to(dtype)
    numbers = [
        colour.black, colour.luma, colour.chroma,
        colour.red_v, colour.green_u, colour.green_v, colour.blue_u,
    ]  # fmt: skip
    crops: Tensor = _crop(
        luma, chroma, maps, frames, size, layout == "i420", numbers, scale, shift, dtype
    )
    return crops


def _check_planes(luma: Tensor, chroma: Tensor, layout: Layout) -> None:
    if luma.dim() != 3 or min(luma.shape[1:]) < 1:
        raise ValueError(f"luma has shape {tuple(luma.shape)}; expected (B, H, W)")
    count, height, width = luma.shape
    half = (height + 1) // 2, (width + 1) // 2
    expected = (count, 2, *half) if layout == "i420" else (count, *half, 2)
    if chroma.shape != expected:
        raise ValueError(
            f"chroma has shape {tuple(chroma.shape)}; expected {expected}, {layout} of luma's "
            f"{tuple(luma.shape)}"
        )
    for name, plane in (("luma", luma), ("chroma", chroma)):
        if plane.dtype != torch.uint8:
            raise ValueError(f"{name} has dtype {plane.dtype}; expected uint8")
        pixel = 2 if name == "chroma" and layout == "nv12" else 1
        dense = plane.stride(-1) == 1 or plane.shape[-1] == 1
        if pixel == 2:
            dense = dense and (plane.stride(-2) == 2 or plane.shape[-2] == 1)
        if not dense:
            raise ValueError(
                f"{name} has strides {plane.stride()}; expected the samples of a row without gaps"
            )
    if chroma.device != luma.device:
        raise ValueError(f"chroma is on {chroma.device}; expected {luma.device}, as luma")


def _check_maps(maps: Tensor, luma: Tensor) -> None:
    if maps.dim() != 3 or maps.shape[1:] != (2, 3):
        raise ValueError(f"maps has shape {tuple(maps.shape)}; expected (N, 2, 3)")
    if maps.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"maps has dtype {maps.dtype}; expected float32")
    if maps.device != luma.device:
        raise ValueError(f"maps is on {maps.device}; expected {luma.device}, as luma")
    if maps.requires_grad and torch.is_grad_enabled():
        raise ValueError("maps requires a gradient; expected maps.detach(), there is no gradient")
    check_contiguous(maps=maps)


def _check_output(size: tuple[int, int], mean: RGB, std: RGB, dtype: torch.dtype) -> None:
    if len(size) != 2 or min(size) < 1:
        raise ValueError(f"size is {size}; expected (h, w), at least 1 pixel each")
    if len(mean) != 3:
        raise ValueError(f"mean is {mean}; expected three numbers")
    if len(std) != 3 or 0 in std:
        raise ValueError(f"std is {std}; expected three numbers, none of them 0")
    if dtype not in (*KERNEL_DTYPES, torch.float64):
        raise ValueError(f"dtype is {dtype}; expected bfloat16, float16, float32 or float64")


def _check_frames(frames: Tensor, maps: Tensor, count: int, validate: bool) -> None:
    if frames.shape != maps.shape[:1] or frames.dtype != torch.int64:
        raise ValueError(
            f"frames has shape {tuple(frames.shape)} and dtype {frames.dtype}; "
            f"expected ({len(maps)},) int64, one per crop of maps"
        )
    if frames.device != maps.device:
        raise ValueError(f"frames is on {frames.device}; expected {maps.device}, as maps")
    check_contiguous(frames=frames)
    if not validate:
        return
    for frame in frames.tolist():
        if not -1 <= frame < count:
            raise ValueError(
                f"frames holds {frame}; expected a frame 0..{count - 1} of luma, or -1 for black"
            )


@torch.library.custom_op("genmo::nv12_crop", mutates_args=())
def _crop(
    luma: Tensor,
    chroma: Tensor,
    maps: Tensor,
    frames: Tensor | None,
    size: Sequence[int],
    planar: bool,
    colour: Sequence[float],
    scale: Sequence[float],
    shift: Sequence[float],
    dtype: torch.dtype,
) -> Tensor:
    from genmo_kernels.nv12_crop import triton

    check_kernel_placement(triton.nv12_crop_kernel, luma=luma, chroma=chroma, maps=maps)
    height, width = size
    return triton.nv12_crop(
        luma,
        chroma,
        maps,
        frames,
        (height, width),
        planar,
        Colour(*colour),
        tuple(scale),
        tuple(shift),
        dtype,
    )


@_crop.register_fake
def _(
    luma: Tensor,
    chroma: Tensor,
    maps: Tensor,
    frames: Tensor | None,
    size: Sequence[int],
    planar: bool,
    colour: Sequence[float],
    scale: Sequence[float],
    shift: Sequence[float],
    dtype: torch.dtype,
) -> Tensor:
    return maps.new_empty(maps.shape[0], 3, *size, dtype=dtype)

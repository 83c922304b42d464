"""The definition of cropping video planes, in plain PyTorch."""

import torch
from torch import Tensor

from genmo_kernels.nv12_crop.colour import Colour

RGB = tuple[float, float, float]


def nv12_crop(
    luma: Tensor,
    u: Tensor,
    v: Tensor,
    maps: Tensor,
    frames: Tensor,
    size: tuple[int, int],
    colour: Colour,
    scale: RGB,
    shift: RGB,
) -> Tensor:
    """Samples RGB crops from planes with chroma at half the size.

    Crop pixel (i, j) shows the frame at (x, y) = maps[n] @ (j, i, 1). Each plane is interpolated
    bilinearly there: luma with black around the frame, chroma with its outermost values repeated
    and faded by the share of the sample that lies in the frame.

    Args:
        luma: (B, H, W) uint8.
        u: (B, ⌈H/2⌉, ⌈W/2⌉) uint8; sample (k, l) sits on luma row 2k + ½, column 2l
            (MPEG-2, H.264).
        v: likewise.
        maps: (N, 2, 3) crop pixels to frame pixels, whose centres have whole numbers.
        frames: (N,) the frame of each crop; -1 gives black.
        size: (h, w) of a crop.
        colour: what the codes mean.
        scale: RGB 0..1 is multiplied by this,
        shift: and this is added.
    Returns:
        (N, 3, h, w) in the dtype of maps.
    """
    _, height, width = luma.shape
    rows, columns = (torch.arange(n, dtype=maps.dtype, device=maps.device) for n in size)
    i, j = torch.meshgrid(rows, columns, indexing="ij")
    x, y = torch.einsum("nck,khw->cnhw", maps, torch.stack((j, i, torch.ones_like(i))))
    inside = (frames[:, None, None] >= 0) & (x > -1) & (x < width) & (y > -1) & (y < height)
    x, y = torch.where(inside, x, 0), torch.where(inside, y, 0)  # where it isn't: not a number too
    frame = frames.clamp_min(0)[:, None, None]

    bright = _bilinear((luma.to(maps.dtype) - colour.black) * colour.luma, frame, y, x)
    covered = _bilinear(torch.ones_like(luma, dtype=maps.dtype), frame, y, x)
    down, across = ((n + 1) // 2 - 1 for n in (height, width))
    at = ((y - 0.5) / 2).clamp(0, down), (x / 2).clamp(0, across)
    blue, red = (
        covered * _bilinear((plane.to(maps.dtype) - 128) * colour.chroma, frame, *at)
        for plane in (u, v)
    )
    channels = (
        bright + colour.red_v * red,
        bright + colour.green_u * blue + colour.green_v * red,
        bright + colour.blue_u * blue,
    )
    normalised = [
        torch.where(inside, channel.clamp(0, 1), 0) * factor + offset
        for channel, factor, offset in zip(channels, scale, shift, strict=True)
    ]
    return torch.stack(normalised, dim=1)


def _bilinear(plane: Tensor, frame: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """(B, H, W) at (y, x), zero around it."""
    _, height, width = plane.shape
    top, left = y.floor(), x.floor()
    total = torch.zeros_like(x)
    for row, row_weight in ((top, 1 - (y - top)), (top + 1, y - top)):
        for column, column_weight in ((left, 1 - (x - left)), (left + 1, x - left)):
            within = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            at = row.clamp(0, height - 1).long(), column.clamp(0, width - 1).long()
            total = total + torch.where(within, plane[frame, *at], 0) * row_weight * column_weight
    return total

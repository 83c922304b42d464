"""One run of each op with its operations and bytes counted: the points of the roofline picture."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from genmo_kernels.nv12_crop.api import nv12_crop
from genmo_kernels.parity import SMPL_PARENTS
from genmo_kernels.results import Work
from genmo_kernels.ring_decode.api import ring_decode
from genmo_kernels.rot6d_fk.api import rot6d_fk
from genmo_kernels.timing import microseconds
from genmo_kernels.windowed_attention.api import windowed_attention

FLOPS_PER_JOINT = 110  # Gram-Schmidt 45, a product of matrices 45, a turned bone and sums 21
FLOPS_PER_PIXEL = 70  # two coordinates, twelve weighted samples, a matrix, normalisation
BACKWARD = 2.5  # five products where the forward pass has two


@dataclass(frozen=True, slots=True)
class Amount:
    """How much is run at once.

    Attributes:
        streams: S of ring decode.
        sequences: of attention.
        length: tokens of each.
        window: W.
        heads: H.
        head_dim: D.
        dtype: of the tokens.
        poses: of forward kinematics.
        crops: squares, each from a part of a frame of its own.
        joints: of SMPL's 24, from the pelvis on.
        frame: height and width.
        crop: pixels of a side.
    """

    streams: tuple[int, ...]
    sequences: int
    length: int
    window: int
    heads: int
    head_dim: int
    dtype: torch.dtype
    poses: int
    crops: int
    joints: int = len(SMPL_PARENTS)
    frame: tuple[int, int] = (1080, 1920)
    crop: int = 256


ON_GPU = Amount((64, 1024), 192, 210, 60, 8, 64, torch.bfloat16, 4096, 64)
ON_CPU = Amount((1, 16), 4, 160, 60, 8, 64, torch.float32, 256, 1)
QUICK = Amount((1,), 1, 6, 4, 1, 32, torch.float32, 1, 1, 3, (8, 12), 4)
"""A test of this module in Triton's interpreter."""


def measure(device: torch.device, amount: Amount) -> Iterator[Work]:
    """Each op once, by the backend that suits the device."""
    for streams in amount.streams:
        yield _decode(device, amount, streams)
    yield from _attention(device, amount)
    yield _kinematics(device, amount)
    yield _crop(device, amount)


@torch.inference_mode()
def _decode(device: torch.device, amount: Amount, streams: int) -> Work:
    ring = (2, streams, amount.heads, amount.window, amount.head_dim)
    rings = torch.zeros(ring, dtype=amount.dtype, device=device).normal_()
    new = (streams, 3, amount.heads, amount.head_dim)
    qkv = torch.zeros(new, dtype=amount.dtype, device=device).normal_()
    tick = torch.full((streams,), 5 * amount.window, device=device)
    took = microseconds(lambda: ring_decode(qkv, rings[0], rings[1], tick), device)
    # the new key, value and output, of qkv's three rows each one
    moved = rings.numel() + 2 * qkv.numel()
    return Work(f"ring_decode, S={streams}", 2 * rings.numel(), moved * qkv.itemsize, took)


def _attention(device: torch.device, amount: Amount) -> Iterator[Work]:
    shape = (amount.sequences, amount.length, 3, amount.heads, amount.head_dim)
    qkv = torch.zeros(shape, dtype=amount.dtype, device=device).normal_()
    weight = torch.ones_like(qkv[:, :, 0])
    left = amount.window - 1

    def forward() -> Tensor:
        with torch.no_grad():
            return windowed_attention(qkv, left, 0)

    def both() -> Tensor:
        x = qkv.detach().requires_grad_()
        return torch.autograd.grad(windowed_attention(x, left, 0), x, weight)[0]

    pairs = sum(min(i + 1, amount.window) for i in range(amount.length)) * amount.sequences
    flops = 4 * pairs * amount.heads * amount.head_dim
    name = f"attention, {amount.sequences}×{amount.length}"
    took = microseconds(forward, device)
    yield Work(f"{name}", flops, qkv.nbytes * 4 / 3, took)
    took = microseconds(both, device, graph=False)
    # forward 4 parts of qkv.nbytes / 3, backward: qkv, out, its gradient in, qkv's gradient out
    yield Work(f"{name} and gradient", flops * (1 + BACKWARD), qkv.nbytes * 12 / 3, took)


@torch.inference_mode()
def _kinematics(device: torch.device, amount: Amount) -> Work:
    parents = SMPL_PARENTS[: amount.joints]
    rot6d = torch.zeros(amount.poses, amount.joints, 6, device=device).normal_()
    root, rest = rot6d[:, 0, :3].contiguous(), rot6d[0, :, :3].contiguous()
    took = microseconds(lambda: rot6d_fk(rot6d, root, rest, parents), device)
    joints = amount.poses * amount.joints
    return Work(
        f"rot6d_fk, {amount.poses} poses", FLOPS_PER_JOINT * joints, joints * (6 + 9 + 3) * 4, took
    )


@torch.inference_mode()
def _crop(device: torch.device, amount: Amount) -> Work:
    height, width = amount.frame
    half = (height // 2, width // 2)
    luma = torch.zeros(amount.crops, height, width, dtype=torch.uint8, device=device).random_()
    chroma = torch.zeros(amount.crops, *half, 2, dtype=torch.uint8, device=device).random_()
    zoom = half[0] / amount.crop  # a crop shows a square of half the height
    place = torch.tensor([[zoom, 0.0, width / 6], [0.0, zoom, height / 6]], device=device)
    maps = place.expand(amount.crops, 2, 3).contiguous()
    size = (amount.crop, amount.crop)
    took = microseconds(lambda: nv12_crop(luma, chroma, maps, size, dtype=amount.dtype), device)
    pixels = amount.crops * amount.crop**2
    moved = amount.crops * half[0] ** 2 * 3 / 2 + pixels * 3 * amount.dtype.itemsize
    return Work(f"nv12_crop, {amount.crops} crops", FLOPS_PER_PIXEL * pixels, moved, took)

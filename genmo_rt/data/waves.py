"""Smooth random curves and draws that augmentation is made of."""

import math

import torch
from torch import Tensor

from genmo_rt.data.clips import FPS


def waves(batch: int, length: int, channels: int, random: torch.Generator) -> Tensor:
    """(B, L, channels) smooth noise of unit spread: three slow sine waves each."""
    time = torch.arange(length) / FPS
    shape = (batch, 1, channels)
    total = torch.zeros(batch, length, channels)
    for fastest in (0.15, 0.4, 0.9):  # Hz
        angle = fastest * uniform(shape, random) * time[:, None] + uniform(shape, random)
        total += torch.sin(2 * math.pi * angle)
    return total * math.sqrt(2 / 3)


def bump(batch: int, length: int, share: float, random: torch.Generator) -> Tensor:
    """(B, L) rises smoothly from 0 to 1 and falls again, 1 to 5 s later, in a share of samples."""
    time = torch.arange(length) / FPS
    start = uniform((batch, 1), random) * (length / FPS + 2) - 2
    lasts = 1 + 4 * uniform((batch, 1), random)
    rise = 0.4 + 0.8 * uniform((batch, 1), random)
    up = ((time - start) / rise).clamp(0, 1)
    down = ((start + lasts - time) / rise).clamp(0, 1)
    smooth = (up * up * (3 - 2 * up)) * (down * down * (3 - 2 * down))
    return smooth * chance(batch, share, random)[:, None]


def uniform(shape: tuple[int, ...], random: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=random)


def chance(batch: int, share: float, random: torch.Generator) -> Tensor:
    """(B,) bool, True in a share of samples."""
    return torch.rand(batch, generator=random) < share

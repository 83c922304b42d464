"""A small model in which every weight matters, and streams of frames for it."""

import torch
from torch import Tensor

from genmo_rt.conditions import Conditions, from_landmarks
from genmo_rt.model import Model, ModelConfig

CONFIG = ModelConfig(width=32, layers=3, heads=2, head_dim=16, window=7)


def tiny_model(dtype: torch.dtype = torch.float64, config: ModelConfig = CONFIG) -> Model:
    """Random weights, those that start at zero or one too."""
    torch.manual_seed(0)
    model = Model(config).to(dtype)
    with torch.no_grad():
        for weight in model.parameters():
            weight += 0.2 * torch.randn_like(weight)
    return model.eval().requires_grad_(False)


def watched(length: int, seed: int = 1, dtype: torch.dtype = torch.float64) -> Conditions:
    """(1, length) frames of one person, out of sight at the start and now and then."""
    generator = torch.Generator().manual_seed(seed)
    exact = torch.float64  # the same frames in every dtype
    pixels = 300 + 80 * torch.randn(1, length, 33, 2, generator=generator, dtype=exact).to(dtype)
    confidence = torch.rand(1, length, 33, generator=generator, dtype=exact).to(dtype)
    confidence[:, : seed % 3] = 0
    confidence[:, 10:13] = 0
    camera = torch.tensor([[500.0, 510.0, 320.0, 240.0]], dtype=dtype)
    return from_landmarks(pixels, confidence, camera, torch.tensor([[640.0, 480.0]], dtype=dtype))


def frame(conditions: Conditions, t: int) -> Conditions:
    """One of the frames."""
    return conditions.cut(slice(t, t + 1))


def whole_pass(model: Model, conditions: Conditions, delay: int = 0, window: int = 0) -> Tensor:
    """(L, 181) what the model says in one pass with its causal window, or with another."""
    windows = (window - 1, 0) if window else None
    return model(conditions, torch.tensor([delay]), windows)[0]

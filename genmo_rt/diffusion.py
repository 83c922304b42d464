"""The diffusion process of generation mode: how motion is noised, and how noise becomes motion.

Cosine schedule (Nichol & Dhariwal 2021, eq. 17) over 1000 timesteps; the model predicts the clean
motion x0; sampling is DDIM without added noise (Song et al. 2021, eq. 12 with sigma = 0), so that
a seed decides the motion.
"""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from genmo_rt.errors import InputError

TIMESTEPS = 1000
LAST_TIMESTEP = TIMESTEPS - 1
"""The level of pure noise: estimation mode is the first denoising step, from here."""

_OFFSET = 0.008  # s of eq. 17: keeps the first steps' noise from vanishing
_MAX_BETA = 0.999


def cosine_alpha_bar(timesteps: int = TIMESTEPS) -> Tensor:
    """(timesteps,) float64 share of the signal's variance left at each level (eq. 17)."""

    def f(t: float) -> float:
        return math.cos((t / timesteps + _OFFSET) / (1 + _OFFSET) * math.pi / 2) ** 2

    betas = [min(1 - f(t + 1) / f(t), _MAX_BETA) for t in range(timesteps)]
    return (1 - torch.tensor(betas, dtype=torch.float64)).cumprod(0)


@dataclass(frozen=True, slots=True, eq=False)
class Schedule:
    """How much noise each level holds: x_t = sqrt(alpha_bar) x0 + sqrt(1 - alpha_bar) noise.

    Attributes:
        alpha_bar: (TIMESTEPS,) float64, falling from nearly 1 to nearly 0.
    """

    alpha_bar: Tensor = field(default_factory=cosine_alpha_bar)

    def add_noise(self, x0: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        """Noises clean motion (Ho et al. 2020, eq. 4).

        Args:
            x0: (B, ...) normalised motion.
            noise: the same shape, standard normal.
            level: (B,) int64 timestep, 0..TIMESTEPS - 1.
        Returns:
            x_t, the shape of x0.
        """
        signal, sigma = self._shares(level, x0)
        return signal * x0 + sigma * noise

    def ddim_step(
        self, x_t: Tensor, x0: Tensor, level: Tensor, next_level: Tensor | None
    ) -> Tensor:
        """Goes on to a lower level along the noise that x_t holds if x0 is right.

        Args:
            x_t: (B, ...) at `level`.
            x0: the model's prediction of the clean motion, the shape of x_t.
            level: (B,) int64.
            next_level: (B,) int64, lower; None for the last step, whose result is x0.
        """
        if next_level is None:
            return x0
        signal, sigma = self._shares(level, x_t)
        return self.add_noise(x0, (x_t - signal * x0) / sigma, next_level)

    def _shares(self, level: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 1, ...) factors of signal and noise, in the dtype and on the device of `like`."""
        alpha_bar = self.alpha_bar.to(level.device)[level]
        alpha_bar = alpha_bar.reshape(-1, *[1] * (like.dim() - 1))
        return alpha_bar.sqrt().to(like), (1 - alpha_bar).sqrt().to(like)


def sampling_levels(steps: int) -> list[int]:
    """Evenly spaced levels from the last timestep down, one per denoising step.

    Raises:
        InputError: steps isn't within 1..TIMESTEPS.
    """
    if not 1 <= steps <= TIMESTEPS:
        raise InputError(f"steps is {steps}; expected 1 to {TIMESTEPS} denoising steps")
    return [round(TIMESTEPS * (steps - i) / steps) - 1 for i in range(steps)]


def guide(unconditional: Tensor, conditional: Tensor, guidance: float | Tensor) -> Tensor:
    """Classifier-free guidance (Ho & Salimans 2022), on predictions of the clean motion.

    Args:
        unconditional: what the model says without text and music.
        conditional: what it says with them.
        guidance: 1 follows the conditional prediction, more exaggerates what the condition does.
    """
    return unconditional + guidance * (conditional - unconditional)

"""The measured noise of the 2D stage as tensors to draw from: landmark_noise.json beside this.

scripts/fit_landmark_noise.py makes the file; docs/observation.md says how and what is in it.
"""

import json
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

FILE = Path(__file__).parent / "landmark_noise.json"

# Where the tables have values; between them they are linear.
HIDDEN_KNOTS = (0.0, 0.5, 1.0)
SCORE_KNOTS = (-2.5, -1.875, -1.25, -0.625, 0.0, 0.625, 1.25, 1.875, 2.5)
CONFIDENCE_KNOTS = (0.05, 0.3, 0.6, 0.85, 0.96, 1.0)
# Seconds after which noise is forgotten (to 1/e); a part of it never is.
MEMORIES = (0.07, 0.5)
# Of the facing angle (0 towards the camera, 180 away from it), degrees.
FACING_EDGES = (45.0, 75.0, 105.0, 135.0)
# Landmarks whose left and right are exchanged together.
SWAP_GROUPS = (
    tuple(range(0, 23)),
    tuple(range(13, 23)),
    tuple(range(23, 33)),
    tuple(range(25, 33)),
)


@dataclass(frozen=True, slots=True)
class NoiseTable:
    """What was measured; errors are in boxes (observe.BOX), per axis of the picture.

    Attributes:
        confidence: (33, H, S) at HIDDEN_KNOTS and SCORE_KNOTS: the confidence at a normal score.
        confidence_shares: (M + 1,) of the score's variance that forget within MEMORIES, or never.
        confidence_mix: (33, 33) @ independent scores gives correlated ones.
        amplitude: (33, K, M + 1) standard deviation of the error at CONFIDENCE_KNOTS, shared out
            to what forgets within MEMORIES, and never.
        error_mix: (33, 33) @ independent errors gives correlated ones.
        tail: standard deviation of the logarithm of a landmark's spread, clip by clip.
        lag_s: seconds of lag.
        outside_error, outside_decay: error per box outside the picture, and boxes in which
            confidence drops to 1/e.
        swap_rates: (G, F) swaps begun per second, by SWAP_GROUPS and between FACING_EDGES.
        swap_s: (G,) their mean length, seconds.
        loss_rate, loss_s: losses of the whole person per second, and their mean length.
    """

    confidence: Tensor
    confidence_shares: Tensor
    confidence_mix: Tensor
    amplitude: Tensor
    error_mix: Tensor
    tail: float
    lag_s: float
    outside_error: float
    outside_decay: float
    swap_rates: Tensor
    swap_s: Tensor
    loss_rate: float
    loss_s: float

    def confidence_at(self, hidden: Tensor, score: Tensor) -> Tensor:
        """(..., 33) how hidden and a normal score to a confidence 0..1."""
        h, h_share = _between(hidden, HIDDEN_KNOTS)
        s, s_share = _between(score, SCORE_KNOTS)
        columns = len(SCORE_KNOTS)
        at = (torch.arange(len(self.confidence)) * len(HIDDEN_KNOTS) + h) * columns + s
        flat = self.confidence.flatten()
        less = torch.lerp(flat[at], flat[at + 1], s_share)
        more = torch.lerp(flat[at + columns], flat[at + columns + 1], s_share)
        return torch.lerp(less, more, h_share)

    def amplitude_at(self, confidence: Tensor) -> Tensor:
        """(..., 33) confidence to (..., 33, M + 1) amplitudes in boxes."""
        k, share = _between(confidence, CONFIDENCE_KNOTS)
        at = torch.arange(len(self.amplitude)) * len(CONFIDENCE_KNOTS) + k
        flat = self.amplitude.flatten(0, 1)
        return torch.lerp(flat[at], flat[at + 1], share[..., None])


@cache
def load_table(path: Path = FILE) -> NoiseTable:
    """The table in the package, or another one of the same form."""
    values = json.loads(path.read_text())
    errors = torch.tensor(values["error_std"])[..., None]  # (33, K, 1)
    shares = torch.tensor(values["error_shares"])  # (K, M + 1)
    return NoiseTable(
        confidence=torch.tensor(values["confidence"]),
        confidence_shares=torch.tensor(values["confidence_shares"]),
        confidence_mix=torch.linalg.cholesky(torch.tensor(values["confidence_correlation"])),
        amplitude=errors * shares.sqrt(),
        error_mix=torch.linalg.cholesky(torch.tensor(values["error_correlation"])),
        swap_rates=torch.tensor(values["swap_rates"]),
        swap_s=torch.tensor(values["swap_s"]),
        **{
            name: float(values[name])
            for name in ("tail", "lag_s", "outside_error", "outside_decay", "loss_rate", "loss_s")
        },
    )


def remembered(memory_s: float, fps: float) -> float:
    """What share of a value is kept from tick to tick."""
    return math.exp(-1 / (fps * memory_s))


def _between(values: Tensor, knots: tuple[float, ...]) -> tuple[Tensor, Tensor]:
    """The knot below each value, and how far the value is on the way to the next, 0..1."""
    places = torch.tensor(knots)
    below = (torch.bucketize(values.contiguous(), places) - 1).clamp(0, len(knots) - 2)
    start = places[below]
    return below, ((values - start) / (places[below + 1] - start)).clamp(0, 1)

"""The measured noise of the 2D stage as tensors to draw from: landmark_noise.json beside this.

scripts/fit_landmark_noise.py makes the file; docs/observation.md says how and what is in it.
"""

import json
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
# Of the facing angle (0 towards the camera, 180 away from it), degrees.
FACING_EDGES = (45.0, 75.0, 105.0, 135.0)
FACING_KNOTS = (22.5, 60.0, 90.0, 120.0, 157.5)  # the middles of what is between them
CUT = 0.1  # who has this share of the landmarks outside the picture is cut off altogether
# Landmarks whose left and right are exchanged together.
LIMBS = (  # landmarks whose errors are large together and renewed together
    tuple(range(0, 11)),
    (11, 12, 23, 24),
    (13, 15, 17, 19, 21),
    (14, 16, 18, 20, 22),
    (25, 27, 29, 31),
    (26, 28, 30, 32),
)
SWAP_GROUPS = (
    tuple(range(0, 23)),
    tuple(range(13, 23)),
    tuple(range(23, 33)),
    tuple(range(25, 33)),
)


@dataclass(frozen=True, slots=True)
class Memory:
    """How long noise of unit spread lasts: corr(t, t') = kept + (1 − kept) e^−(creep·T + travel·D).

    T is the time between and D the way that the landmark went, in boxes: errors belong to poses,
    and who stands still is seen in the same wrong place.

    Attributes:
        kept: share of the variance that stays for good.
        creep: forgotten per second.
        travel: forgotten per box of way in the picture.
    """

    kept: float
    creep: float
    travel: float

    def over(self, step: Tensor, seconds: float) -> Tensor:
        """(...) way in boxes to the share of a value that is left after it."""
        return torch.exp(-(self.creep * seconds + self.travel * step))


@dataclass(frozen=True, slots=True)
class View:
    """How much larger errors of the same confidence are in one view than in another.

    Attributes:
        facing: (F,) factors at FACING_KNOTS.
        cut: (2,) factors for who is whole in the picture, and who is cut off.
    """

    facing: Tensor
    cut: Tensor

    def factor(self, facing: Tensor, outside: Tensor) -> Tensor:
        """(...) factor on all of a person's errors.

        Args:
            facing: (...) 0..180 degrees, 0 towards the camera.
            outside: (...) share of the landmarks that are outside the picture.
        """
        k, share = _between(facing, FACING_KNOTS)
        turned = torch.lerp(self.facing[k], self.facing[k + 1], share)
        return turned * torch.lerp(self.cut[0], self.cut[1], (outside / CUT).clamp_max(1))


@dataclass(frozen=True, slots=True)
class NoiseTable:
    """What was measured; errors are in boxes (observe.BOX), per axis of the picture.

    Attributes:
        confidence: (33, H, S) at HIDDEN_KNOTS and SCORE_KNOTS: the confidence at a normal score.
        confidence_memory: of that score.
        confidence_mix: (33, 33) @ independent scores gives correlated ones.
        error_std: (33, K) standard deviation of the error at CONFIDENCE_KNOTS.
        view: factors on it.
        error_memory: of the error.
        renewals: per second and limb, how often error and score are drawn anew.
        error_mix: (33, 33) @ independent errors gives correlated ones.
        tail: standard deviation of the logarithm of a limb's spread, clip by clip.
        lag_s: seconds of lag.
        outside_error, outside_decay: error per box outside the picture, and boxes in which
            confidence drops to 1/e.
        swap_rates: (G, F) swaps begun per second, by SWAP_GROUPS and between FACING_EDGES.
        swap_s: (G,) their mean length, seconds.
        loss_rate, loss_s: losses of the whole person per second, and their mean length.
    """

    confidence: Tensor
    confidence_memory: Memory
    confidence_mix: Tensor
    error_std: Tensor
    view: View
    error_memory: Memory
    renewals: float
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

    def spread_at(self, confidence: Tensor) -> Tensor:
        """(..., 33) confidence to (..., 33) standard deviations of the error, boxes."""
        k, share = _between(confidence, CONFIDENCE_KNOTS)
        at = torch.arange(len(self.error_std)) * len(CONFIDENCE_KNOTS) + k
        flat = self.error_std.flatten()
        return torch.lerp(flat[at], flat[at + 1], share)


@cache
def load_table(path: Path = FILE) -> NoiseTable:
    """The table in the package, or another one of the same form."""
    values = json.loads(path.read_text())
    return NoiseTable(
        confidence=torch.tensor(values["confidence"]),
        confidence_memory=Memory(**values["confidence_memory"]),
        confidence_mix=torch.linalg.cholesky(torch.tensor(values["confidence_correlation"])),
        error_std=torch.tensor(values["error_std"]),
        view=View(**{name: torch.tensor(factors) for name, factors in values["view"].items()}),
        error_memory=Memory(**values["error_memory"]),
        error_mix=torch.linalg.cholesky(torch.tensor(values["error_correlation"])),
        swap_rates=torch.tensor(values["swap_rates"]),
        swap_s=torch.tensor(values["swap_s"]),
        **{
            name: float(values[name])
            for name in (
                "renewals",
                "tail",
                "lag_s",
                "outside_error",
                "outside_decay",
                "loss_rate",
                "loss_s",
            )
        },
    )


def _between(values: Tensor, knots: tuple[float, ...]) -> tuple[Tensor, Tensor]:
    """The knot below each value, and how far the value is on the way to the next, 0..1."""
    places = torch.tensor(knots)
    below = (torch.bucketize(values.contiguous(), places) - 1).clamp(0, len(knots) - 2)
    start = places[below]
    return below, ((values - start) / (places[below + 1] - start)).clamp(0, 1)

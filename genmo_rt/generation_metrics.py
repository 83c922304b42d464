"""How good generated motion is: its variety, its text, its music, its keyframes and its feet."""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from genmo_rt.clock import TICK_HZ
from genmo_rt.skeleton import JOINT_NAMES

SKATING_M_S = 0.5  # 2.5 cm a frame at 20 fps, as GMD counts it
ON_FLOOR_M = 0.05
BEAT_SMOOTHING = 5.0  # frames, standard deviation
BEAT_WIDTH = 3.0  # frames, standard deviation
FEET = (JOINT_NAMES.index("left_foot"), JOINT_NAMES.index("right_foot"))
LIMBS = tuple(
    index
    for index, name in enumerate(JOINT_NAMES)
    if name == "head" or name.endswith(("knee", "ankle", "shoulder", "elbow", "wrist"))
)


def motion_features(joints: Tensor) -> Tensor:
    """Numbers that tell one kind of motion from another, whatever its place and heading.

    How fast each of eleven joints moves against the root and in the world, where it is about the
    root in the body's own heading (mean and spread), how high it is, how the root travels, turns
    and bobs, and how strong the motion is in six bands of frequency.

    Args:
        joints: (..., L, 24, 3) metres in the world, y up.
    Returns:
        (..., F), in no common unit: normalise by a reference set.
    """
    root = joints[..., :1, :]
    local = _in_heading(joints - root, joints)[..., list(LIMBS), :]
    speed = _length(local.diff(dim=-3)) * TICK_HZ
    world_speed = _length(joints[..., list(LIMBS), :].diff(dim=-3)) * TICK_HZ
    height = joints[..., list(LIMBS), 1] - joints[..., 1].amin((-1, -2))[..., None, None]
    path = root.squeeze(-2).diff(dim=-2) * TICK_HZ
    along = _length(path[..., [0, 2]])
    went = _length((root[..., -1, 0, :] - root[..., 0, 0, :])[..., [0, 2]])
    turned = _heading(joints).diff(dim=-1)
    turning = torch.atan2(turned.sin(), turned.cos()).abs() * TICK_HZ
    scalars = (
        along.mean(-1),
        along.std(-1),
        went / (joints.shape[-3] / TICK_HZ),
        path[..., 1].std(-1),
        root[..., 0, 1].std(-1),
        turning.mean(-1),
    )
    spectrum = torch.fft.rfft(local - local.mean(-3, keepdim=True), dim=-3).abs().square()
    bands = spectrum[..., 1:, :, :].sum((-1, -2)).clamp_min(1e-12)
    edges = [0, *(round(bands.shape[-1] ** (i / 6)) for i in range(1, 7))]
    power = [bands[..., a : max(b, a + 1)].mean(-1).log() for a, b in pairwise(edges)]
    return torch.cat(
        (
            speed.mean(-2),
            speed.std(-2),
            world_speed.mean(-2),
            local.mean(-3).flatten(-2),
            local.std(-3).flatten(-2),
            height.mean(-2),
            torch.stack((*scalars, *power), dim=-1),
        ),
        dim=-1,
    )


def diversity(features: Tensor, pairs: int, random: torch.Generator) -> float:
    """Mean distance of random pairs (Guo et al. 2022, section 5: diversity).

    Args:
        features: (N, F), normalised; N at least 2.
        pairs: how many.
    """
    first = torch.randint(len(features), (pairs,), generator=random)
    other = (first + torch.randint(1, len(features), (pairs,), generator=random)) % len(features)
    return float(_length(features[first] - features[other]).mean())


def multimodality(features: Tensor) -> float:
    """Mean distance of motions that were asked for alike (Guo et al. 2022, section 5).

    Args:
        features: (P, V, F): V motions of each of P prompts, V at least 2.
    """
    apart = torch.cdist(features, features)
    count = features.shape[1] * (features.shape[1] - 1)
    return float((apart.sum((-1, -2)) / count).mean())


def kinematic_beats(joints: Tensor) -> Tensor:
    """Frames at which the body is slowest: minima of the mean joint speed, smoothed.

    As GENMO's release computes them (after Li et al. 2021, section 5.2.3), for 30 Hz.

    Args:
        joints: (L, 24, 3) metres in the world.
    Returns:
        (K,) int64.
    """
    speed = _length(joints.diff(dim=0)).mean(-1)
    reach = math.ceil(4 * BEAT_SMOOTHING)
    at = torch.arange(-reach, reach + 1, dtype=speed.dtype, device=speed.device)
    kernel = torch.exp(-at.square() / (2 * BEAT_SMOOTHING**2))
    reach = min(reach, len(speed) - 1)
    middle = len(kernel) // 2
    kernel = kernel[middle - reach : middle + reach + 1] / kernel.sum()
    padded = F.pad(speed[None, None], (reach, reach), mode="reflect")
    smooth = F.conv1d(padded, kernel[None, None])[0, 0]
    lowest = (smooth[1:-1] < smooth[:-2]) & (smooth[1:-1] < smooth[2:])
    return torch.nonzero(lowest)[:, 0] + 1


def beat_alignment(motion_beats: Tensor, music_beats: Tensor) -> float:
    """How near a beat of the motion is to every beat of the music (Li et al. 2021, eq. 7).

    Args:
        motion_beats: (K,) frames at 30 Hz.
        music_beats: (M,) frames.
    Returns:
        0..1; nan without a music beat.
    """
    if not len(music_beats):
        return math.nan
    if not len(motion_beats):
        return 0.0
    apart = (music_beats[:, None] - motion_beats[None]).abs().amin(1).double()
    return float(torch.exp(-apart.square() / (2 * BEAT_WIDTH**2)).mean())


def skating_ratio(joints: Tensor, floor: float = 0.0) -> float:
    """Share of frames in which a foot on the floor slides (GMD, Karunratanakul et al. 2023).

    Args:
        joints: (L, 24, 3) metres in the world, y up.
        floor: height of the ball of a foot that stands, metres.
    """
    feet = joints[:, list(FEET)]
    low = feet[1:, :, 1] < floor + ON_FLOOR_M
    quick = _length(feet.diff(dim=0)[..., [0, 2]]) * TICK_HZ > SKATING_M_S
    return float((low & quick).any(-1).double().mean())


def nearest_labels(features: Tensor, reference: Tensor, labels: Tensor) -> Tensor:
    """The label of the nearest reference: (N, F), (M, F) and (M,) to (N,)."""
    return labels[torch.cdist(features, reference).argmin(1)]


@dataclass(frozen=True, slots=True)
class Share:
    """A share of trials with its 95 % interval (Wilson 1927)."""

    hits: int
    trials: int

    @property
    def value(self) -> float:
        """The share itself."""
        return self.hits / self.trials if self.trials else math.nan

    def interval(self, z: float = 1.96) -> tuple[float, float]:
        """Its lower and upper end."""
        n, p = self.trials, self.value
        if not n:
            return math.nan, math.nan
        middle = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return middle - half, middle + half


def _heading(joints: Tensor) -> Tensor:
    """(..., L) radians about y that the hips face."""
    left, right = JOINT_NAMES.index("left_hip"), JOINT_NAMES.index("right_hip")
    across = joints[..., left, :] - joints[..., right, :]  # +x of the body
    return torch.atan2(-across[..., 2], across[..., 0])


def _in_heading(local: Tensor, joints: Tensor) -> Tensor:
    """(..., L, 24, 3) turned so that the body faces +z."""
    angle = _heading(joints)[..., None]
    cos, sin = angle.cos(), angle.sin()
    x, y, z = local.unbind(-1)
    return torch.stack((cos * x - sin * z, y, sin * x + cos * z), dim=-1)


def _length(vector: Tensor) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(vector, dim=-1)
    return length

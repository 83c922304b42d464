"""Spoils true landmarks as the 2D stage does, by what was measured of it (noise_table.py).

MediaPipe's `full` model, as the stream runs it, was shown the built-in body in known motion
(docs/observation.md). A landmark's confidence is drawn by how hidden it is, and its error by its
confidence and the view; landmarks err together as they were seen to, and for as long.
Errors are in boxes: BOX metres at the pelvis' depth.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from genmo_rt.data.clips import FPS
from genmo_rt.data.noise_table import (
    FACING_EDGES,
    LIMBS,
    SWAP_GROUPS,
    NoiseTable,
    load_table,
)
from genmo_rt.data.occlusion import hidden_landmarks
from genmo_rt.keypoints import LANDMARK_NAMES, NUM_LANDMARKS
from genmo_rt.skeleton import JOINT_NAMES

BOX = 1.3  # metres from shoulders to ankles

J = {name: index for index, name in enumerate(JOINT_NAMES)}
MIRROR = [
    LANDMARK_NAMES.index(name.replace("left", "\0").replace("right", "left").replace("\0", "right"))
    for name in LANDMARK_NAMES
]


LIMB_OF = [next(n for n, limb in enumerate(LIMBS) if i in limb) for i in range(NUM_LANDMARKS)]


@dataclass(frozen=True, slots=True)
class NoiseConfig:
    """Factors on what was measured, and how streams fare on their way; 0 switches a noise off.

    Attributes:
        error: least and most of a sample's factor on the landmarks' errors.
        lag: most of a sample's factor on the lag.
        swap, loss: factors on the rates of left-right swaps and of losing the person.
        gap: share with an interruption of 1 to 30 ticks, and half as often another.
        half_rate, three_quarter_rate: shares seen at 15 and about 24 fps.
        drops: share where a fifth of the ticks is missing at random.
    """

    error: tuple[float, float] = (0.7, 1.4)
    lag: float = 2.0
    swap: float = 1.0
    loss: float = 1.0
    gap: float = 0.25
    half_rate: float = 0.12
    three_quarter_rate: float = 0.08
    drops: float = 0.15


CLEAN = NoiseConfig(
    error=(0, 0), lag=0, swap=0, loss=0, gap=0, half_rate=0, three_quarter_rate=0, drops=0
)


@dataclass(frozen=True, slots=True)
class Observation:
    """What the 2D stage says.

    Attributes:
        pixels: (B, L, 33, 2); zero where absent.
        confidence: (B, L, 33) 0..1; zero where absent.
        present: (B, L) bool.
    """

    pixels: Tensor
    confidence: Tensor
    present: Tensor


def observe(
    landmarks_cam: Tensor,
    landmarks_px: Tensor,
    joints_cam: Tensor,
    focal: Tensor,
    image_size: Tensor,
    config: NoiseConfig,
    random: torch.Generator,
    table: NoiseTable | None = None,
) -> Observation:
    """Draws what MediaPipe would have reported.

    Args:
        landmarks_cam: (B, L, 33, 3) true, metres.
        landmarks_px: (B, L, 33, 2) their projections.
        joints_cam: (B, L, 24, 3) metres, for what hides what.
        focal: (B,) pixels.
        image_size: (B, 2) width, height.
        table: None for the one in the package.
    """
    table = table or load_table()
    batch, length = landmarks_px.shape[:2]
    box = BOX * focal[:, None] / joints_cam[:, :, 0, 2].clamp_min(0.5)  # (B, L) pixels
    hidden = hidden_landmarks(landmarks_cam, joints_cam)  # (B, L, 33) 0..1
    beyond = _beyond(landmarks_px, image_size) / box[..., None]  # (B, L, 33) in boxes
    inside = (beyond <= 0).float().mean(-1)

    errors, scores, passing = _unit_noise(landmarks_px / box[..., None, None], table, random)
    confidence = table.confidence_at(hidden, scores)
    worse = table.tail * torch.randn(batch, 1, len(LIMBS), generator=random)[..., LIMB_OF]
    spread = table.spread_at(confidence) * torch.exp(worse - table.tail**2)  # mean square 1
    away = facing(joints_cam).abs().rad2deg()
    spread = spread * table.view.factor(away, 1 - inside)[..., None]
    error = spread[..., None] * errors
    # Outside the picture the stage guesses: the further, the worse.
    error += (table.outside_error * beyond.clamp_max(1))[..., None] * passing
    confidence = confidence * torch.exp(-beyond / table.outside_decay)

    low, high = config.error
    factor = low + (high - low) * torch.rand(batch, 1, generator=random)
    pixels = _lagged(landmarks_px, config.lag * table.lag_s * FPS, random)
    pixels = pixels + error * (factor * box)[..., None, None]
    pixels, confidence = _swapped(pixels, confidence, joints_cam, table, config.swap, random)

    present = (inside > 0.2) & (landmarks_cam[..., 2].amin(-1) > 0.2)
    lost = _event(torch.full((batch, length), config.loss * table.loss_rate), table.loss_s, random)
    present &= ~lost & ~_gaps(batch, length, config, random)
    seen = present[..., None].float()
    return Observation(
        pixels=pixels * seen[..., None], confidence=confidence * seen, present=present
    )


def facing(joints_cam: Tensor) -> Tensor:
    """(..., 24, 3) joints to (...) where shoulders and hips face, radians.

    0 is towards the camera, a quarter turn towards the right of the picture.
    """
    across = joints_cam[..., J["left_shoulder"], :] - joints_cam[..., J["right_shoulder"], :]
    across = across + joints_cam[..., J["left_hip"], :] - joints_cam[..., J["right_hip"], :]
    return torch.atan2(across[..., 2], across[..., 0])


def _unit_noise(
    places: Tensor, table: NoiseTable, random: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Normal numbers with the measured correlation between landmarks and in time.

    The changing part is n_t = k n_(t-1) + √(1 − k²) ε_t, where k is what Memory says is left after
    the landmark's step; now and then a limb's is drawn anew (k = 0).

    Args:
        places: (B, L, 33, 2) in boxes.
    Returns:
        (B, L, 33, 2) of errors, (B, L, 33) scores of confidence, (B, L, 33, 2) the errors' changing
        part alone.
    """
    batch, length = places.shape[:2]
    step = torch.linalg.vector_norm(places.diff(dim=1, prepend=places[:, :1]), dim=-1)
    again = torch.rand(batch, length, len(LIMBS), generator=random) < table.renewals / FPS
    again[:, 0] = True
    memories = (table.error_memory, table.confidence_memory)
    left = torch.stack([memory.over(step, 1 / FPS) for memory in memories])
    left *= ~again[..., LIMB_OF]  # (2, B, L, 33)
    left = left[[0, 0, 1]].permute(2, 1, 0, 3).contiguous()  # (L, B, 3, 33): x, y and the score

    fresh = torch.randn(length + 1, batch, 3, NUM_LANDMARKS, generator=random)
    fresh[:, :, :2] = fresh[:, :, :2] @ table.error_mix.mT
    fresh[:, :, 2] = fresh[:, :, 2] @ table.confidence_mix.mT
    steps = list((fresh[1:] * (1 - left.square()).sqrt()).unbind())
    for tick in range(1, length):
        steps[tick] = torch.addcmul(steps[tick], steps[tick - 1], left[tick])
    passing = torch.stack(steps, dim=1)  # (B, L, 3, 33)
    kept = torch.tensor([table.error_memory.kept] * 2 + [table.confidence_memory.kept])[:, None]
    noise = (1 - kept).sqrt() * passing + kept.sqrt() * fresh[0][:, None]
    return noise[:, :, :2].mT, noise[:, :, 2], passing[:, :, :2].mT


def _lagged(pixels: Tensor, most: float, random: torch.Generator) -> Tensor:
    """Each sample is late by a constant part of 0..most ticks."""
    batch, length = pixels.shape[:2]
    lag = most * torch.rand(batch, 1, generator=random)
    at = (torch.arange(length) - lag).clamp_min(0)
    first = at.floor().long()
    share = (at - first)[..., None, None]
    rows = torch.arange(batch)[:, None]
    return torch.lerp(pixels[rows, first], pixels[rows, (first + 1).clamp_max(length - 1)], share)


def _swapped(
    pixels: Tensor,
    confidence: Tensor,
    joints_cam: Tensor,
    table: NoiseTable,
    factor: float,
    random: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Takes left for right for a while, by groups, as often as the facing angle makes it."""
    away = facing(joints_cam).abs().rad2deg()
    place = torch.bucketize(away, torch.tensor(FACING_EDGES))
    swapped = torch.zeros(*away.shape, NUM_LANDMARKS, dtype=torch.bool)
    for group, members in enumerate(SWAP_GROUPS):
        during = _event(factor * table.swap_rates[group][place], float(table.swap_s[group]), random)
        swapped[:, :, list(members)] ^= during[..., None]
    if not swapped.any():
        return pixels, confidence
    return (
        torch.where(swapped[..., None], pixels[:, :, MIRROR], pixels),
        torch.where(swapped, confidence[:, :, MIRROR], confidence),
    )


def _event(rate: Tensor, mean_s: float, random: torch.Generator) -> Tensor:
    """(B, L) bool: True from where something first happens on, for an exponential time.

    Args:
        rate: (B, L) per second; a sample has at most one event.
        mean_s: how long it lasts, seconds, at least one tick.
    """
    wait, lasts = torch.empty(2, len(rate), 1).exponential_(generator=random)
    start = (rate.cumsum(1) / FPS < wait).sum(1, keepdim=True)
    since = torch.arange(rate.shape[1]) - start
    during: Tensor = (since >= 0) & (since < (lasts * mean_s * FPS).round().clamp_min(1))
    return during


def _moment(batch: int, length: int, share: float, most: int, random: torch.Generator) -> Tensor:
    """(B, L) bool: True during 1..most ticks somewhere, in a share of samples."""
    start = torch.randint(0, length, (batch, 1), generator=random)
    lasts = torch.randint(1, most + 1, (batch, 1), generator=random)
    time = torch.arange(length)
    chosen = torch.rand(batch, 1, generator=random) < share
    return (time >= start) & (time < start + lasts) & chosen


def _beyond(pixels: Tensor, image_size: Tensor) -> Tensor:
    """(B, L, 33) how far outside the picture, pixels; 0 inside."""
    size = image_size[:, None, None]
    outside = torch.maximum(-pixels, pixels - size).clamp_min(0)
    distance: Tensor = torch.linalg.vector_norm(outside, dim=-1)
    return distance


def _gaps(batch: int, length: int, config: NoiseConfig, random: torch.Generator) -> Tensor:
    """(B, L) bool: True at ticks without an observation; never at the first."""
    time = torch.arange(length)
    missing = _moment(batch, length, config.gap, 30, random)
    missing |= _moment(batch, length, config.gap / 2, 30, random)
    pattern = torch.rand(batch, 1, generator=random)
    missing |= (time % 2 == 1) & (pattern < config.half_rate)
    pattern = pattern - config.half_rate
    missing |= (time % 5 == 4) & (pattern >= 0) & (pattern < config.three_quarter_rate)
    pattern = pattern - config.three_quarter_rate
    dropped = torch.rand(batch, length, generator=random) < 0.2
    missing |= dropped & (pattern >= 0) & (pattern < config.drops)
    missing[:, 0] = False
    return missing

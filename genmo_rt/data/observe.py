"""Spoils true landmarks as the 2D stage does: jitter, bias, lag, hidden limbs, gaps.

Measured on MediaPipe's `full` model against multi-view joints (in units of the person's
shoulder-to-ankle box): residual 0.7–1.5 %, mostly correlated over 0.2 s, 3–5 % where a limb is
hidden, at visibility 0.55–0.75; a constant bias per joint of 1–2 %; up to 2.5 ticks of lag; jumps,
swaps and drop-outs where limbs hide.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from genmo_rt.data.clips import FPS
from genmo_rt.data.occlusion import hidden_landmarks
from genmo_rt.keypoints import LANDMARK_NAMES, NUM_LANDMARKS

BOX = 1.3  # metres from shoulders to ankles
MEMORY = 0.2  # seconds, of the jitter
DRIFT_MEMORY = 1.5  # seconds, of a bias that changes with the pose

L = {name: index for index, name in enumerate(LANDMARK_NAMES)}
FACE = slice(0, 11)
SIDES = ("left", "right")
ENDS = [
    i
    for i, name in enumerate(LANDMARK_NAMES)
    if any(p in name for p in ("wrist", "pinky", "index", "thumb", "heel", "ankle"))
]
LIMBS = [
    i
    for i in range(11, NUM_LANDMARKS)
    if LANDMARK_NAMES[i].split("_")[1] not in ("shoulder", "hip")
]
GROUPS = tuple(  # limbs that jump or swap as a whole; left and right of each stand side by side
    [L[f"{side}_{part}"] for part in parts]
    for parts in (
        ("knee", "ankle", "heel", "foot_index"),
        ("ankle", "heel", "foot_index"),
        ("elbow", "wrist", "pinky", "index", "thumb"),
        ("wrist", "pinky", "index", "thumb"),
    )
    for side in SIDES
)


@dataclass(frozen=True, slots=True)
class NoiseConfig:
    """Lengths are in units of the person's shoulder-to-ankle box; shares are of the samples.

    Attributes:
        jitter: least and most standard deviation of the residual, part of it correlated.
        white: most of the residual's variance that comes anew with every tick.
        bias: least and most standard deviation, per axis, of each landmark's constant offset.
        drift: standard deviation of an offset that changes slowly.
        lag: most ticks of lag.
        gap: share with one or two drop-outs of the whole person of 1 to 30 ticks.
        half_rate, three_quarter_rate: shares seen at 15 and about 24 fps.
        drops: share where a fifth of the ticks is missing at random.
        swap, jump: shares with a limb pair swapped or a limb thrown off for a moment.
    """

    jitter: tuple[float, float] = (0.005, 0.015)
    white: float = 0.5
    bias: tuple[float, float] = (0.006, 0.016)
    drift: float = 0.005
    lag: float = 2.5
    gap: float = 0.25
    half_rate: float = 0.12
    three_quarter_rate: float = 0.08
    drops: float = 0.15
    swap: float = 0.15
    jump: float = 0.3


CLEAN = NoiseConfig(
    jitter=(0, 0),
    white=0,
    bias=(0, 0),
    drift=0,
    lag=0,
    gap=0,
    half_rate=0,
    three_quarter_rate=0,
    drops=0,
    swap=0,
    jump=0,
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
) -> Observation:
    """Draws what MediaPipe would have reported.

    Args:
        landmarks_cam: (B, L, 33, 3) true, metres.
        landmarks_px: (B, L, 33, 2) their projections.
        joints_cam: (B, L, 24, 3) metres, for what hides what.
        focal: (B,) pixels.
        image_size: (B, 2) width, height.
    """
    batch, length = landmarks_px.shape[:2]
    box = BOX * focal[:, None] / joints_cam[:, :, 0, 2].clamp_min(0.5)  # (B, L) pixels
    hidden = hidden_landmarks(landmarks_cam, joints_cam)  # (B, L, 33) 0..1
    beyond = _beyond(landmarks_px, image_size) / box[..., None]  # (B, L, 33) in boxes

    pixels = _lagged(landmarks_px, config.lag, random)
    pixels = _swapped(pixels, config.swap, random)
    noise = _noise(batch, length, hidden, config, random)
    if config.jitter[1] > 0:
        # Outside the picture the detector guesses: the further, the worse.
        noise += (0.25 * beyond.clamp_max(1))[..., None] * _correlated(
            (batch, length, NUM_LANDMARKS, 2), DRIFT_MEMORY, random
        )
    noise += _jumps(batch, length, config.jump, random)
    pixels = pixels + noise * box[..., None, None]

    confidence = _confidence(hidden, beyond, random)
    inside = (beyond <= 0).float().mean(-1)
    present = (inside > 0.2) & (landmarks_cam[..., 2].amin(-1) > 0.2)
    present &= ~_gaps(batch, length, config, random)
    seen = present[..., None].float()
    return Observation(
        pixels=pixels * seen[..., None], confidence=confidence * seen, present=present
    )


def _noise(
    batch: int, length: int, hidden: Tensor, config: NoiseConfig, random: torch.Generator
) -> Tensor:
    """(B, L, 33, 2) bias, drift and jitter in boxes."""
    shape = (batch, length, NUM_LANDMARKS, 2)
    std = _between(config.jitter, batch, random)
    level = torch.ones(NUM_LANDMARKS, 1)
    level[FACE] = 0.7
    level[ENDS] = 1.3
    white = config.white * torch.rand(batch, 1, 1, 1, generator=random)
    residual = (1 - white).sqrt() * _correlated(shape, MEMORY, random)
    residual += white.sqrt() * torch.randn(shape, generator=random)
    bias = _between(config.bias, batch, random) * torch.randn(
        batch, 1, NUM_LANDMARKS, 2, generator=random
    )
    drift = config.drift * _correlated(shape, DRIFT_MEMORY, random)
    unsure = hidden[..., None]
    return level * (bias + drift * (1 + 3 * unsure) + std * residual * (1 + 3 * unsure))


def _between(limits: tuple[float, float], batch: int, random: torch.Generator) -> Tensor:
    """(B, 1, 1, 1) uniform."""
    low, high = limits
    return low + (high - low) * torch.rand(batch, 1, 1, 1, generator=random)


def _correlated(shape: tuple[int, ...], memory: float, random: torch.Generator) -> Tensor:
    """(B, L, ...) first-order noise of unit spread that forgets within `memory` seconds."""
    keep = math.exp(-1 / (FPS * memory))
    noise = torch.randn(shape, generator=random)
    fresh = math.sqrt(1 - keep * keep)
    steps = list(noise.unbind(1))
    for tick in range(1, len(steps)):
        steps[tick] = torch.add(steps[tick - 1] * keep, steps[tick], alpha=fresh)
    return torch.stack(steps, dim=1)


def _lagged(pixels: Tensor, most: float, random: torch.Generator) -> Tensor:
    """Each sample is late by a constant part of 0..most ticks."""
    batch, length = pixels.shape[:2]
    lag = most * torch.rand(batch, 1, generator=random)
    at = (torch.arange(length) - lag).clamp_min(0)
    first = at.floor().long()
    share = (at - first)[..., None, None]
    rows = torch.arange(batch)[:, None]
    return torch.lerp(pixels[rows, first], pixels[rows, (first + 1).clamp_max(length - 1)], share)


def _swapped(pixels: Tensor, share: float, random: torch.Generator) -> Tensor:
    """Takes a left limb for the right one during a moment of up to half a second."""
    batch, length = pixels.shape[:2]
    pair = torch.randint(0, len(GROUPS) // 2, (batch,), generator=random)
    during = _moment(batch, length, share, 15, random)
    for index in range(len(GROUPS) // 2):
        left, right = GROUPS[2 * index], GROUPS[2 * index + 1]
        at = (during & (pair == index)[:, None])[..., None, None]
        swapped = pixels.clone()
        swapped[:, :, left], swapped[:, :, right] = pixels[:, :, right], pixels[:, :, left]
        pixels = torch.where(at, swapped, pixels)
    return pixels


def _jumps(batch: int, length: int, share: float, random: torch.Generator) -> Tensor:
    """(B, L, 33, 2) a limb is thrown off by about a tenth of the box for up to 8 ticks."""
    jumps = torch.zeros(batch, length, NUM_LANDMARKS, 2)
    limb = torch.randint(0, len(GROUPS), (batch,), generator=random)
    during = _moment(batch, length, share, 8, random).float()
    throw = 0.08 * torch.randn(batch, 2, generator=random)
    member = torch.zeros(len(GROUPS), NUM_LANDMARKS)
    for index, group in enumerate(GROUPS):
        member[index, group] = 1
    return jumps + (during[..., None] * member[limb][:, None])[..., None] * throw[:, None, None]


def _moment(batch: int, length: int, share: float, most: int, random: torch.Generator) -> Tensor:
    """(B, L) bool: True during 1..most ticks somewhere, in a share of samples."""
    start = torch.randint(0, length, (batch, 1), generator=random)
    lasts = torch.randint(1, most + 1, (batch, 1), generator=random)
    time = torch.arange(length)
    chosen = torch.rand(batch, 1, generator=random) < share
    return (time >= start) & (time < start + lasts) & chosen


def _confidence(hidden: Tensor, beyond: Tensor, random: torch.Generator) -> Tensor:
    """(B, L, 33): near 1 in sight, anything for a hidden limb, low outside the picture.

    MediaPipe stays sure of face, shoulders and hips even when they are hidden.
    """
    batch, length = hidden.shape[:2]
    wobble = _correlated((batch, length, NUM_LANDMARKS), MEMORY, random)
    doubt = torch.full((NUM_LANDMARKS,), 0.005)
    doubt[LIMBS] = 0.05
    in_sight = 1 - doubt * wobble.abs()
    guess = 0.2 + 0.7 * torch.rand(batch, 1, NUM_LANDMARKS, generator=random)
    lost = (guess + 0.12 * wobble).clamp(0.02, 0.98)
    limb = torch.zeros(NUM_LANDMARKS)
    limb[LIMBS] = 1
    confidence = torch.lerp(in_sight, lost, hidden * limb)
    return confidence * torch.exp(-beyond / 0.06).clamp_min(0.03).clamp_max(1)


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

"""Makes many motions of few: draws windows of clips, re-times, mirrors and recombines them."""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genmo_rt.data.dataset import Dataset
from genmo_rt.data.waves import bump, chance, uniform, waves
from genmo_rt.rotation import quat_xyzw_to_rotmat
from genmo_rt.skeleton import JOINT_NAMES, MIRROR

LOWER = ("pelvis", "hip", "knee", "ankle", "foot")
UPPER = [j for j, name in enumerate(JOINT_NAMES) if name.split("_")[-1] not in LOWER]
MIRROR_CONTACTS = [2, 3, 0, 1, 5, 4]
MIRROR_SIGNS = torch.tensor([[1.0, -1, -1], [-1, 1, 1], [-1, 1, 1]])


@dataclass(frozen=True, slots=True)
class AugmentConfig:
    """Shares are of the samples; 0 switches a change off.

    Attributes:
        mirror, retime, hold, recombine, wiggle: shares.
        act: share for each of the acts (squat, lean, leg up, arms up) that clips lack.
        speed: least and most playing speed.
        shape_std: spread of shape coefficients around half the performer's.
    """

    mirror: float = 0.5
    retime: float = 0.7
    hold: float = 0.08
    recombine: float = 0.2
    wiggle: float = 0.6
    act: float = 0.1
    speed: tuple[float, float] = (0.7, 1.4)
    shape_std: float = 0.8


PLAIN = AugmentConfig(
    mirror=0, retime=0, hold=0, recombine=0, wiggle=0, act=0, speed=(1, 1), shape_std=0
)


@dataclass(frozen=True, slots=True)
class Motions:
    """B motions of L ticks, y up, the floor at 0, metres.

    Attributes:
        rotmat: (B, L, 24, 3, 3) joint 0 in the motion's frame, 1..23 relative.
        pelvis: (B, L, 3).
        shape: (B, 10).
        contacts: (B, L, 6) 0 or 1.
        valid: (B, L) bool, False behind a clip's end.
        joint_mask: (B, 24) bool.
        contact_mask: (B, 6) bool.
        source: (B, L) which frame of its clip each tick shows.
    """

    rotmat: Tensor
    pelvis: Tensor
    shape: Tensor
    contacts: Tensor
    valid: Tensor
    joint_mask: Tensor
    contact_mask: Tensor
    source: Tensor


def draw_motions(
    dataset: Dataset,
    clips: NDArray[np.int64],
    length: int,
    config: AugmentConfig,
    random: torch.Generator,
) -> Motions:
    """Cuts one window out of each clip, re-timed; a short clip swings back and forth, smoothly."""
    batch = len(clips)
    frames = torch.from_numpy(dataset.lengths[clips]).float()[:, None]
    first = torch.from_numpy(dataset.starts[clips])[:, None]
    last = frames - 1
    passed = torch.cumsum(_speeds(batch, length, config, random), dim=1)  # (B, L) source frames
    room = (last - passed[:, -1:]).clamp_min(0)
    start = torch.where(room > 0, room, last) * uniform((batch, 1), random)
    time = swing(start + passed, last)
    index = time.floor().clamp(max=last - 1)
    share = (time - index)[..., None]
    index = index.long() + first  # (B, L)
    quat_xyzw = _lerp(torch.from_numpy(dataset.quat_xyzw), index, share[..., None])
    nearest = torch.where(share[..., 0] < 0.5, index, index + 1)
    return Motions(
        rotmat=quat_xyzw_to_rotmat(quat_xyzw),
        pelvis=_lerp(torch.from_numpy(dataset.pelvis), index, share),
        shape=torch.from_numpy(dataset.shape[clips]),
        contacts=torch.from_numpy(dataset.contacts)[nearest].float(),
        valid=torch.ones(batch, length, dtype=torch.bool),
        joint_mask=torch.from_numpy(dataset.joint_mask[clips]),
        contact_mask=torch.from_numpy(dataset.contact_mask[clips]),
        source=time,
    )


def swing(time: Tensor, last: Tensor) -> Tensor:
    """Folds time into 0..last as a triangle wave with rounded turns of about five frames.

    Away from the turns, time is kept to within a few hundredths of a frame.
    """
    last = last.double()
    turn = (5 * math.pi / last).clamp(max=0.4)
    phase = torch.acos((1 - turn.square() / 2) * torch.cos(math.pi * time / last))
    return (phase * last / math.pi).float()


def mirror(motions: Motions, chosen: Tensor) -> Motions:
    """Swaps left and right in the chosen samples.

    Args:
        chosen: (B,) bool.
    """
    at = chosen[:, None]
    rotmat = motions.rotmat[:, :, list(MIRROR)] * MIRROR_SIGNS
    return replace(
        motions,
        rotmat=torch.where(at[..., None, None, None], rotmat, motions.rotmat),
        pelvis=motions.pelvis * torch.where(at[..., None], torch.tensor([-1.0, 1, 1]), 1.0),
        contacts=torch.where(
            at[..., None], motions.contacts[..., MIRROR_CONTACTS], motions.contacts
        ),
        joint_mask=torch.where(at, motions.joint_mask[:, list(MIRROR)], motions.joint_mask),
        contact_mask=torch.where(
            at, motions.contact_mask[:, MIRROR_CONTACTS], motions.contact_mask
        ),
    )


def recombine(lower: Motions, upper: Motions, chosen: Tensor) -> Motions:
    """Puts the upper body of one motion on the legs of another in the chosen samples."""
    picked = torch.zeros(len(chosen), len(JOINT_NAMES), dtype=torch.bool)
    picked[:, UPPER] = chosen[:, None]
    wrists = torch.zeros(len(chosen), 6, dtype=torch.bool)
    wrists[:, 4:] = chosen[:, None]
    return replace(
        lower,
        rotmat=torch.where(picked[:, None, :, None, None], upper.rotmat, lower.rotmat),
        contacts=lower.contacts * ~wrists[:, None],
        joint_mask=torch.where(picked, upper.joint_mask, lower.joint_mask),
        contact_mask=torch.where(wrists, upper.contact_mask, lower.contact_mask),
    )


def _speeds(batch: int, length: int, config: AugmentConfig, random: torch.Generator) -> Tensor:
    """(B, L) source frames per tick: steady, drifting a little, now and then coming to a stop."""
    low, high = config.speed
    retimed = chance(batch, config.retime, random)[:, None]
    speed = 1 + retimed * (low - 1 + (high - low) * uniform((batch, 1), random))
    speed = speed * (1 + 0.12 * retimed * waves(batch, length, 1, random)[..., 0].clamp(-2, 2))
    return speed * (1 - bump(batch, length, config.hold, random))


def _lerp(values: Tensor, index: Tensor, share: Tensor) -> Tensor:
    return torch.lerp(values[index].float(), values[index + 1].float(), share)

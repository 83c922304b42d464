"""Makes observations worse than they are: hides landmarks and limbs, takes left for right."""

from functools import partial

import torch
from torch import Tensor

from genmo_rt.keypoints import LANDMARK_NAMES

OTHER_SIDE = tuple(
    LANDMARK_NAMES.index(
        name.replace("left", "?").replace("right", "left").replace("?", "right"),
    )
    for name in LANDMARK_NAMES
)
LIMBS = ("shoulder|elbow|wrist|pinky|index|thumb", "hip|knee|ankle|heel|foot")


def mistake_sides(
    pixels: Tensor, confidence: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Takes the back for the front now and then: all of left and right change places.

    MediaPipe does so for single frames and for half a second when it can't see the face.

    Args:
        pixels: (B, L, 33, 2).
        confidence: (B, L, 33).
        generator: decides.
    """
    clips, length = pixels.shape[:2]
    chosen = spans(clips, length, 1, 0.05, 20, generator) | spans(
        clips, length, 1, 0.08, 4, generator
    )
    order = torch.where(chosen, torch.tensor(OTHER_SIDE), torch.arange(len(OTHER_SIDE)))
    return pixels.take_along_dim(order[..., None], dim=2), confidence.gather(2, order)


def drop_landmarks(confidence: Tensor, generator: torch.Generator) -> Tensor:
    """Hides landmarks, limbs and frames beyond what the observations lack already.

    Args:
        confidence: (B, L, 33).
        generator: decides.
    Returns:
        (B, L, 33) with zeros where something was hidden.
    """
    clips, length, count = confidence.shape
    some = partial(spans, clips, length, generator=generator)
    hidden = some(count, 0.1, 20)  # single landmarks
    hidden |= torch.rand(clips, length, count, generator=generator) < 0.01
    sides = torch.tensor(
        [[name.startswith(s) for name in LANDMARK_NAMES] for s in ("left", "right")]
    )
    parts = torch.tensor(
        [[any(p in name for p in limb.split("|")) for name in LANDMARK_NAMES] for limb in LIMBS]
    )
    limbs = (sides[:, None] & parts[None]).flatten(0, 1)  # (4, 33)
    hidden |= (some(4, 0.06, 45)[..., None] & limbs).any(2)
    legs = torch.rand(clips, 1, 1, generator=generator) < 0.06
    hidden |= legs & parts[1]  # somebody at a desk
    hidden |= some(1, 0.15, 15)  # nobody
    return confidence.masked_fill(hidden, 0)


def spans(
    clips: int, length: int, items: int, share: float, longest: int, generator: torch.Generator
) -> Tensor:
    """(clips, length, items) bool: one span of up to `longest` frames in a share of the pairs."""
    hit = torch.rand(clips, 1, items, generator=generator) < share
    start = torch.randint(0, length, (clips, 1, items), generator=generator)
    lasts = torch.randint(1, longest + 1, (clips, 1, items), generator=generator)
    frame = torch.arange(length)[None, :, None]
    return hit & (frame >= start) & (frame < start + lasts)

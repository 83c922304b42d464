"""Draws motion out of noise: denoising steps over clips of any length, in bounded memory.

A clip is one motion, whatever its length. Where it is too long for one pass it is denoised in
pieces that overlap by as much as a frame sees through all layers: what is kept of each piece is
what the whole pass would give, so that there is no seam.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from genmo_rt.conditions import Conditions, concatenate
from genmo_rt.diffusion import Schedule, guide, sampling_levels
from genmo_rt.errors import InputError
from genmo_rt.generation import Show
from genmo_rt.generation.prompt import Told
from genmo_rt.model import Model, Noised, Texts
from genmo_rt.motion import MOTION_WIDTH, SLICES

MAX_PASS = 2048  # frames of one row of a pass
MAX_BATCH = 4096  # frames of all rows of a pass
FADE = 12  # frames over which texts and music begin and end
EXACT_STEPS = 3  # the last ones, in float32 where the others are in bfloat16


@dataclass(frozen=True, slots=True)
class Sampling:
    """How motion is drawn.

    Attributes:
        seed: the same seed gives the same motion, bit for bit on one machine.
        variations: how many motions; each has its own noise, whatever their number.
        steps: denoising steps.
        guidance: how much texts and music count; 1 is what the model says, more exaggerates.
    """

    seed: int
    variations: int
    steps: int
    guidance: float

    def __post_init__(self) -> None:
        if self.variations < 1:
            raise InputError(f"variations is {self.variations}; expected at least 1")
        if not 0 <= self.guidance <= 20:
            raise InputError(f"guidance is {self.guidance}; expected 0 to 20")
        if not 0 <= self.seed < 2**32:
            raise InputError(f"seed is {self.seed}; expected 0 to {2**32 - 1}")
        sampling_levels(self.steps)


@torch.inference_mode()
def sample(model: Model, told: Told, sampling: Sampling, show: Show) -> Tensor:
    """Draws motions of one prompt.

    Args:
        model: in evaluation mode.
        told: on the model's device, L frames.
        sampling: how.
        show: called after every pass.
    Returns:
        (V, L, 181) normalised.
    """
    length = told.conditions.present.shape[1]
    device = model.head.weight.device
    pieces = _pieces(length, model)
    rows = max(1, MAX_BATCH // (min(length, MAX_PASS) * (1 + told.guided)))
    batches = _noise(sampling, length).to(device).split(rows)  # type: ignore[no-untyped-call]
    levels = sampling_levels(sampling.steps)
    total = len(batches) * len(levels) * len(pieces)
    fast = is_bfloat16_fast(device)
    schedule = Schedule()
    done = 0
    results = []
    for x in batches:
        calls = [_Call.of(model, told, piece, len(x)) for piece in pieces]
        for i, level in enumerate(levels):
            parts = []
            exact = not fast or i >= len(levels) - EXACT_STEPS
            with torch.autocast(device.type, torch.bfloat16, enabled=not exact):
                for call in calls:
                    parts.append(call.denoise(x, level, sampling.guidance))
                    done += 1
                    show(done, total)
            x0 = _one_shape(torch.cat(parts, dim=1))
            x0 = x0 if told.held is None else told.held.apply(x0)
            here = torch.full((len(x),), level, device=device)
            after = torch.full_like(here, levels[i + 1]) if i + 1 < len(levels) else None
            x = schedule.ddim_step(x, x0, here, after)
        results.append(x)
    return torch.cat(results)


def is_bfloat16_fast(device: torch.device) -> bool:
    """Whether the device multiplies matrices in bfloat16 by itself."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


@dataclass(frozen=True, slots=True)
class _Piece:
    """Frames of a pass: [first, last) go in, [start, end) of them are kept."""

    first: int
    start: int
    end: int
    last: int


@dataclass(frozen=True, slots=True)
class _Call:
    """One piece of V clips as the model takes it: with what it is told, and once more without.

    Attributes:
        model: that denoises.
        piece: which frames.
        conditions: (V or 2 V, l).
        texts: of as many clips; none of its tokens in the second half.
        guided: whether there is a second half.
        told: (kept, 1) how much of what texts and music change is kept, 0..1.
    """

    model: Model
    piece: _Piece
    conditions: Conditions
    texts: Texts | None
    guided: bool
    told: Tensor

    @classmethod
    def of(cls, model: Model, told: Told, piece: _Piece, variations: int) -> "_Call":
        where = slice(piece.first, piece.last)
        parts = [told.conditions.cut(where)] * variations
        texts = told.texts
        if texts is not None:
            texts = Texts(
                texts.tokens.expand(variations, -1, -1, -1),
                texts.mask.expand(variations, -1, -1),
                (texts.span - piece.first).expand(variations, -1, -1),
            )
        if told.guided:
            parts += [told.without_prompts().cut(where)] * variations
            texts = None if texts is None else _and_silence(texts)
        kept = _fading(told)[piece.start : piece.end, None]
        return cls(model, piece, concatenate(parts, dim=0), texts, told.guided, kept)

    def denoise(self, x: Tensor, level: int, guidance: float) -> Tensor:
        """(V, L, 181) at a level to (V, kept, 181) clean motion, guided."""
        piece = self.piece
        rows = x[:, piece.first : piece.last]
        both = torch.cat((rows, rows)) if self.guided else rows
        at = torch.full((len(both),), level, dtype=torch.int64, device=x.device)
        x0: Tensor = self.model(
            self.conditions,
            torch.zeros_like(at),
            self.model.centred_window,
            noised=Noised(both, at),
            texts=self.texts,
        )
        kept = x0[:, piece.start - piece.first : piece.end - piece.first].float()
        if not self.guided:
            return kept
        conditional, unconditional = kept.chunk(2)
        return guide(unconditional, conditional, guidance * self.told)


def _fading(told: Told) -> Tensor:
    """(L,) 0 where a text or music begins or ends inside the clip, 1 from FADE frames off on.

    At its border a text stops from one frame to the next, which training never showed, and the
    motion would jump. What the model says without it has no such border.
    """
    present = told.conditions.present
    heard = told.conditions.music.mask[0, :, 0].long()
    borders = (heard.diff().nonzero() + 1).flatten()
    if told.texts is not None:
        borders = torch.cat((borders, told.texts.span.flatten()))
    borders = borders[(borders > 0) & (borders < present.shape[1])]
    frame = torch.arange(present.shape[1], device=present.device) + 0.5
    distance = (frame[:, None] - borders).abs() / FADE
    near = distance.clamp_max(1).amin(1) if len(borders) else torch.ones_like(frame)
    return near**2 * (3 - 2 * near)


def _pieces(length: int, model: Model) -> list[_Piece]:
    """How a clip is cut: each piece with all that its kept frames see through the layers."""
    if length <= MAX_PASS:
        return [_Piece(0, 0, length, length)]
    left, right = (model.config.layers * side for side in model.centred_window)
    kept = max(MAX_PASS - left - right, MAX_PASS // 4)
    return [
        _Piece(max(start - left, 0), start, end, min(end + right, length))
        for start in range(0, length, kept)
        for end in [min(start + kept, length)]
    ]


def _and_silence(texts: Texts) -> Texts:
    """The texts, and as many clips without."""
    return Texts(
        texts.tokens.repeat(2, 1, 1, 1),
        torch.cat((texts.mask, torch.zeros_like(texts.mask))),
        texts.span.repeat(2, 1, 1),
    )


def _noise(sampling: Sampling, length: int) -> Tensor:
    """(V, L, 181): of the seed and the variation's number, the same on every device."""
    rows = [
        np.random.default_rng((sampling.seed, variation)).standard_normal(
            (length, MOTION_WIDTH), dtype=np.float32
        )
        for variation in range(sampling.variations)
    ]
    return torch.from_numpy(np.stack(rows))


def _one_shape(x0: Tensor) -> Tensor:
    """A clip's shape is the mean over its frames: bones don't change."""
    where = SLICES["betas"]
    mean = x0[..., where].mean(1, keepdim=True).expand_as(x0[..., where])
    return torch.cat((x0[..., : where.start], mean, x0[..., where.stop :]), dim=-1)

"""The motion transformer: conditions in, motion vectors out; whole clips or one frame at a time.

What is unusual about it:
- One new token per frame. `step` keeps keys and values of the last W frames in a ring per stream
  and equals `forward` over the whole stream (it does not equal re-running the last W frames:
  cached keys carry older context).
- Estimation is the first denoising step of GENMO (arXiv 2505.01425, section 3.3) with a zero
  input at the last timestep. Both are constant, so neither has a weight of its own here.
- Token t describes frame t − R. R, the delay, is fixed for a stream and told to the model.
- The shape is the running mean of the per-frame shapes: a person's bones don't change.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genmo_kernels.ring_decode.api import ring_decode
from genmo_kernels.windowed_attention.api import windowed_attention
from genmo_rt.conditions import MODALITIES, Conditions, Modality, Observed
from genmo_rt.errors import InputError
from genmo_rt.motion import MOTION_WIDTH, SLICES

MAX_DELAY = 8  # frames


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The model's size, and the window it was trained to be run with."""

    width: int
    layers: int
    heads: int
    head_dim: int = 64
    window: int = 60  # W: frames a token sees, its own included

    def as_dict(self) -> dict[str, int]:
        """Plain numbers, for a checkpoint."""
        return asdict(self)


PRESETS = {
    "small": ModelConfig(width=256, layers=8, heads=4),
    "base": ModelConfig(width=512, layers=12, heads=8),
}


@dataclass(slots=True)
class StreamCache:
    """The state of S streams between steps: plain tensors, updated in place, free to be saved.

    Attributes:
        keys: (layers, S, H, W, D) the ring, rotated by slot.
        values: (layers, S, H, W, D).
        tick: (S,) int64 frames seen so far.
        delay: (S,) int64 R of each stream.
        betas_sum: (S, 10) of the normalised shapes of the frames where somebody was seen.
        betas_count: (S,) how many those are.
    """

    keys: Tensor
    values: Tensor
    tick: Tensor
    delay: Tensor
    betas_sum: Tensor
    betas_count: Tensor


class Model(nn.Module):
    """GENMO's estimator with a causal window."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.observe = nn.ModuleList(Embedding(m, 2 * config.width) for m in MODALITIES)
        self.delay_embedding = nn.Embedding(MAX_DELAY + 1, 2 * config.width)
        self.stem = nn.Linear(2 * config.width, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.head = nn.Linear(config.width, MOTION_WIDTH)
        nn.init.normal_(self.delay_embedding.weight, std=0.02)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)

    def forward(self, conditions: Conditions, delay: Tensor, window: int | None = None) -> Tensor:
        """Whole clips in one pass.

        Args:
            conditions: (B, L) frames, the stream's first one first.
            delay: (B,) int64, R of each clip.
            window: W; the checkpoint's own if None.
        Returns:
            (B, L, 181) normalised motion vectors; row t describes frame t − R (rows before R
            describe nothing).
        """
        window = self.config.window if window is None else window
        x = self._embed(conditions, delay)
        attend = partial(windowed_attention, left=window - 1, right=0)
        for block in self.blocks:
            x = block(x, attend)
        out: Tensor = self.head(self.norm(x)).to(self.head.weight.dtype)  # autocast gives bfloat16
        betas = out[..., SLICES["betas"]]
        seen = conditions.present.to(betas.dtype)[..., None]
        count = seen.cumsum(1)
        mean = (seen * betas).cumsum(1) / count.clamp_min(1)
        return _with_betas(out, torch.where(count > 0, mean, betas))

    @torch.inference_mode()
    def step(self, conditions: Conditions, cache: StreamCache) -> Tensor:
        """One new frame of S streams; the cache moves on by one tick, in place.

        Args:
            conditions: (S, 1) frames.
            cache: from `new_cache`.
        Returns:
            (S, 181) what `forward` over the whole stream gives in its last row.
        """
        x = self._embed(conditions, cache.delay)[:, 0]
        for block, keys, values in zip(self.blocks, cache.keys, cache.values, strict=True):
            x = block(x, partial(ring_decode, keys=keys, values=values, tick=cache.tick))
        out = self.head(self.norm(x))
        betas = out[..., SLICES["betas"]]
        seen = conditions.present.to(betas.dtype)
        cache.betas_sum += seen * betas
        cache.betas_count += seen[:, 0]
        cache.tick += 1
        count = cache.betas_count[:, None]
        mean = cache.betas_sum / count.clamp_min(1)
        return _with_betas(out, torch.where(count > 0, mean, betas))

    def new_cache(
        self, streams: int = 1, *, delay: int | Tensor = 0, window: int | None = None
    ) -> StreamCache:
        """Empty state for `step`, on the model's device and in its dtype.

        Args:
            streams: S.
            delay: R, one for all or (S,).
            window: W; the checkpoint's own if None.
        Raises:
            InputError: the delay isn't within 0..8 or the window isn't positive.
        """
        window = self.config.window if window is None else window
        weight = self.head.weight
        delays = torch.as_tensor(delay, dtype=torch.int64, device=weight.device).expand(streams)
        if int(delays.min()) < 0 or int(delays.max()) > MAX_DELAY:
            raise InputError(f"delay is {delay}; expected 0 to {MAX_DELAY} frames")
        if window < 1:
            raise InputError(f"window is {window}; expected at least 1 frame")
        config = self.config
        ring = (config.layers, streams, config.heads, window, config.head_dim)
        return StreamCache(
            keys=weight.new_zeros(ring),
            values=weight.new_zeros(ring),
            tick=torch.zeros(streams, dtype=torch.int64, device=weight.device),
            delay=delays.clone(),
            betas_sum=weight.new_zeros(streams, 10),
            betas_count=weight.new_zeros(streams),
        )

    def _embed(self, conditions: Conditions, delay: Tensor) -> Tensor:
        """(B, L) conditions to (B, L, width) tokens."""
        hidden: Tensor = self.delay_embedding(delay)[:, None]
        for embedding, modality in zip(self.observe, MODALITIES, strict=True):
            hidden = hidden + embedding(getattr(conditions, modality.name))
        tokens: Tensor = self.stem(F.gelu(hidden, approximate="tanh"))
        return tokens


class Embedding(nn.Module):
    """A modality's items, each by its own weights, or by its learned "absent" vector."""

    def __init__(self, modality: Modality, width: int) -> None:
        super().__init__()
        self.present = nn.Linear(modality.items * modality.width, width)
        self.absent = nn.Linear(modality.items, width, bias=False)

    def forward(self, observed: Observed) -> Tensor:
        mask = observed.mask[..., None]
        value = torch.where(mask, observed.value, 0).flatten(-2)
        embedded: Tensor = self.present(value) + self.absent((~observed.mask).to(value.dtype))
        return embedded


class Block(nn.Module):
    """Pre-LN attention and MLP, each added through a learned gate per channel."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        inner = config.heads * config.head_dim
        self.heads = config.heads
        self.norm_attention = nn.LayerNorm(config.width)
        self.qkv = nn.Linear(config.width, 3 * inner)
        self.out = nn.Linear(inner, config.width)
        self.gate_attention = nn.Parameter(torch.full((config.width,), 0.5))
        self.norm_mlp = nn.LayerNorm(config.width)
        self.up = nn.Linear(config.width, 4 * config.width)
        self.down = nn.Linear(4 * config.width, config.width)
        self.gate_mlp = nn.Parameter(torch.full((config.width,), 0.5))

    def forward(self, x: Tensor, attend: Callable[[Tensor], Tensor]) -> Tensor:
        """(..., C) tokens; `attend` takes queries, keys, values (..., 3, H, D) to (..., H, D)."""
        qkv: Tensor = self.qkv(self.norm_attention(x))
        attended = attend(qkv.view(*x.shape[:-1], 3, self.heads, -1))
        x = x + self.gate_attention * self.out(attended.flatten(-2))
        hidden = F.gelu(self.up(self.norm_mlp(x)), approximate="tanh")
        out: Tensor = x + self.gate_mlp * self.down(hidden)
        return out


def _with_betas(out: Tensor, betas: Tensor) -> Tensor:
    where = SLICES["betas"]
    return torch.cat((out[..., : where.start], betas, out[..., where.stop :]), dim=-1)

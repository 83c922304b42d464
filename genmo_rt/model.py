"""The motion transformer: conditions in, motion vectors out; whole clips or one frame at a time.

One network, two modes (GENMO, arXiv 2505.01425, section 3.3). Generation gets a noised motion and
its level, and says what the motion was without the noise. Estimation is generation's first step
with nothing generated yet: zeros at the last level.

What is unusual about it:
- One new token per frame. `step` keeps keys and values of the last W frames in a ring per stream
  and equals `forward` over the whole stream (it does not equal re-running the last W frames:
  cached keys carry older context).
- The window is an argument: causal and cached live, centred offline, with the same weights.
- Token t describes frame t − R. R, the delay, is fixed for a stream and told to the model.
- The shape is the mean of the per-frame shapes (the running one where the window is causal): a
  person's bones don't change.
- What is absent costs nothing: texts that aren't there, modalities that no frame has.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genmo_kernels.ring_decode.api import ring_decode
from genmo_kernels.windowed_attention.api import windowed_attention
from genmo_rt.conditions import MODALITIES, Absent, Conditions, Modality, Observed
from genmo_rt.diffusion import TIMESTEPS
from genmo_rt.errors import InputError
from genmo_rt.motion import MOTION_WIDTH, SLICES

MAX_DELAY = 8  # frames
LEVEL_WAVES = 64  # sines, and as many cosines, that tell the noise level


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The model's size, and the window it was trained to be run with."""

    width: int
    layers: int
    heads: int
    head_dim: int = 64
    window: int = 60  # W: frames a token sees, its own included
    text_width: int = 384  # of the text encoder's tokens

    def as_dict(self) -> dict[str, int]:
        """Plain numbers, for a checkpoint."""
        return asdict(self)


PRESETS = {
    "small": ModelConfig(width=256, layers=8, heads=4),
    "base": ModelConfig(width=512, layers=12, heads=8),
    "large": ModelConfig(width=1024, layers=16, heads=8, head_dim=128),
}


@dataclass(frozen=True, slots=True)
class Noised:
    """What generation starts a step from.

    Attributes:
        x: (B, L, 181) a normalised motion with noise in it.
        level: (B,) int64, how much: 0 to diffusion.TIMESTEPS − 1.
    """

    x: Tensor
    level: Tensor


@dataclass(frozen=True, slots=True)
class Texts:
    """K texts for each of B clips, and when each holds.

    Attributes:
        tokens: (B, K, T, text_width) what the text encoder made of them.
        mask: (B, K, T) bool, True where there is a token.
        span: (B, K, 2) int64, frames [start, end): no other frame attends with the text.
    """

    tokens: Tensor
    mask: Tensor
    span: Tensor


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
    """GENMO's denoiser, which is its estimator too."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.observe = nn.ModuleList(Embedding(m, 2 * config.width) for m in MODALITIES)
        self.delay_embedding = nn.Embedding(MAX_DELAY + 1, 2 * config.width)
        self.level = nn.Linear(2 * LEVEL_WAVES, 2 * config.width, bias=False)
        self.stem = nn.Linear(2 * config.width, config.width)
        self.noised = nn.Linear(MOTION_WIDTH, config.width, bias=False)
        self.texts = nn.ModuleList(TextAttention(config) for _ in range(config.layers))
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.head = nn.Linear(config.width, MOTION_WIDTH)
        nn.init.normal_(self.delay_embedding.weight, std=0.02)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)

    @property
    def causal_window(self) -> tuple[int, int]:
        """(left, right) of a token that is the last of what it sees: live."""
        return self.config.window - 1, 0

    @property
    def centred_window(self) -> tuple[int, int]:
        """(left, right) of a token in the middle of what it sees: for whole clips."""
        return self.config.window // 2, self.config.window // 2 - 1

    def forward(
        self,
        conditions: Conditions,
        delay: Tensor,
        window: tuple[int, int] | None = None,
        *,
        noised: Noised | None = None,
        texts: Texts | None = None,
    ) -> Tensor:
        """Whole clips in one pass.

        Args:
            conditions: (B, L) frames, the stream's first one first.
            delay: (B,) int64, R of each clip.
            window: (left, right), the frames before and after its own that a token sees; the
                `causal_window` if None.
            noised: what to take the noise out of; None: estimation.
            texts: what the frames show.
        Returns:
            (B, L, 181) normalised motion vectors; row t describes frame t − R (rows before R
            describe nothing).
        """
        window = self.causal_window if window is None else window
        out = self.per_frame(conditions, delay, window, noised=noised, texts=texts)
        betas = out[..., SLICES["betas"]]
        seen = conditions.present.to(betas.dtype)[..., None]
        if window[1] > 0:  # the whole clip's mean; of all frames where nobody is seen in any
            seen = torch.where(seen.any(1, keepdim=True), seen, torch.ones_like(seen))
            mean = (seen * betas).sum(1, keepdim=True) / seen.sum(1, keepdim=True)
            return _with_betas(out, mean.expand_as(betas))
        count = seen.cumsum(1)
        mean = (seen * betas).cumsum(1) / count.clamp_min(1)
        return _with_betas(out, torch.where(count > 0, mean, betas))

    def per_frame(
        self,
        conditions: Conditions,
        delay: Tensor,
        window: tuple[int, int],
        *,
        noised: Noised | None = None,
        texts: Texts | None = None,
    ) -> Tensor:
        """As `forward`, but every row tells the shape as its own frames show it."""
        left, right = window
        x = self._embed(conditions, delay, noised)
        attend = partial(windowed_attention, left=left, right=right)
        read = None if texts is None else _Reading.of(texts, x)
        for block, text in zip(self.blocks, self.texts, strict=True):
            x = block(x if read is None else text(x, read), attend)
        out: Tensor = self.head(self.norm(x)).to(self.head.weight.dtype)  # autocast gives bfloat16
        return out

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

    def _embed(self, conditions: Conditions, delay: Tensor, noised: Noised | None = None) -> Tensor:
        """(B, L) conditions to (B, L, width) tokens."""
        level = delay.new_full((1,), TIMESTEPS - 1) if noised is None else noised.level
        waves = level_waves(level, self.level.weight.dtype)
        hidden: Tensor = (self.delay_embedding(delay) + self.level(waves))[:, None]
        for embedding, modality in zip(self.observe, MODALITIES, strict=True):
            hidden = hidden + embedding(getattr(conditions, modality.name))
        tokens: Tensor = self.stem(F.gelu(hidden, approximate="tanh"))
        tokens = tokens.expand(-1, conditions.present.shape[1], -1)  # all absent: (B, 1, width)
        return tokens if noised is None else tokens + self.noised(noised.x)


class Embedding(nn.Module):
    """A modality's items, each by its own weights, or by its learned "absent" vector."""

    def __init__(self, modality: Modality, width: int) -> None:
        super().__init__()
        self.present = nn.Linear(modality.items * modality.width, width)
        self.absent = nn.Linear(modality.items, width, bias=False)

    def forward(self, observed: Observed | Absent) -> Tensor:
        """(B, L, width), or (width,) where no frame has any."""
        if isinstance(observed, Absent):
            nothing: Tensor = self.present.bias + self.absent.weight.sum(1)
            return nothing
        mask = observed.mask[..., None]
        value = torch.where(mask, observed.value, 0).flatten(-2)
        embedded: Tensor = self.present(value) + self.absent((~observed.mask).to(value.dtype))
        return embedded


class Block(nn.Module):
    """Pre-LN attention and MLP, each added through a learned gate per channel."""

    def __init__(self, config: ModelConfig, eps: float = 1e-5) -> None:
        super().__init__()
        inner = config.heads * config.head_dim
        self.heads = config.heads
        self.norm_attention = nn.LayerNorm(config.width, eps)
        self.qkv = nn.Linear(config.width, 3 * inner)
        self.out = nn.Linear(inner, config.width)
        self.gate_attention = nn.Parameter(torch.full((config.width,), 0.5))
        self.norm_mlp = nn.LayerNorm(config.width, eps)
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


class TextAttention(nn.Module):
    """Frames attend with the tokens of the texts that hold at their time, added through a gate."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        inner = config.heads * config.head_dim
        self.heads = config.heads
        self.norm = nn.LayerNorm(config.width)
        self.query = nn.Linear(config.width, inner)
        self.key_value = nn.Linear(config.text_width, 2 * inner)
        self.out = nn.Linear(inner, config.width)
        self.gate = nn.Parameter(torch.full((config.width,), 0.5))

    def forward(self, x: Tensor, read: "_Reading") -> Tensor:
        """(B, L, width) frames, changed where a text holds."""
        query = self.query(self.norm(x)).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        both = self.key_value(read.tokens).unflatten(-1, (2, self.heads, -1))
        key, value = both.permute(2, 0, 3, 1, 4)
        told = F.scaled_dot_product_attention(query, key, value, attn_mask=read.mask)
        out: Tensor = x + read.told * self.gate * self.out(told.transpose(1, 2).flatten(-2))
        return out


@dataclass(frozen=True, slots=True)
class _Reading:
    """Texts as attention takes them.

    Attributes:
        tokens: (B, K T, text_width).
        mask: (B, 1, L, K T) bool, True where a frame attends with a token; no row is empty.
        told: (B, L, 1) 1 where a text holds, else 0.
    """

    tokens: Tensor
    mask: Tensor
    told: Tensor

    @classmethod
    def of(cls, texts: Texts, x: Tensor) -> "_Reading":
        frame = torch.arange(x.shape[1], device=x.device)[:, None, None]
        start, end = texts.span[:, None, :, :, None].unbind(-2)  # (B, 1, K, 1) each
        holds = (frame >= start) & (frame < end)  # (B, L, K, 1)
        mask = (holds & texts.mask[:, None]).flatten(2)  # (B, L, K T)
        told = mask.any(-1, keepdim=True)
        # A row without any token would be NaN: it attends with all and counts for nothing.
        tokens = texts.tokens.flatten(1, 2).to(x.dtype)
        return cls(tokens, (mask | ~told)[:, None], told.to(x.dtype))


def level_waves(level: Tensor, dtype: torch.dtype) -> Tensor:
    """(B,) noise levels to (B, 2 × LEVEL_WAVES) (Vaswani et al. 2017, section 3.5)."""
    rate = 10_000.0 ** -(torch.arange(LEVEL_WAVES, device=level.device) / LEVEL_WAVES)
    angle = level[:, None] * rate
    return torch.cat((angle.sin(), angle.cos()), dim=-1).to(dtype)


def _with_betas(out: Tensor, betas: Tensor) -> Tensor:
    where = SLICES["betas"]
    return torch.cat((out[..., : where.start], betas, out[..., where.stop :]), dim=-1)

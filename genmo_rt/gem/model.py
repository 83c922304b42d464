"""The network of GEM-SMPL, GENMO's official release, so that its weights run here.

The same blocks as ours (model.Block), with other things around them: what is seen is embedded with
a flag "exists" per modality, a text block stands before every block, three heads come after, and
motion has the release's layout (gem.py). Read from github.com/NVlabs/GENMO, which says how each
part works; scripts/gem_parity.py compares the two.
"""

import math
from dataclasses import asdict, dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genmo_kernels.windowed_attention.reference import rope_table, rotate
from genmo_rt.conditions import Absent, Modality, Observed
from genmo_rt.diffusion import LAST_TIMESTEP
from genmo_rt.gem.layout import BETAS, GEM_WIDTH
from genmo_rt.model import Block, ModelConfig, Noised, Texts

NORM_EPS = 1e-6
LANDMARK_WIDTH = 32  # of each landmark's embedding
MIN_SIZE = 0.25  # of the camera head's first number
QUERIES = 256  # frames that attend at once

CLIFF = Modality("cliff", 1, 3)
IMAGE = Modality("image", 1, 1024)
CAM_ANGVEL = Modality("cam_angvel", 1, 6)
MUSIC = Modality("music", 1, 35)


@dataclass(frozen=True, slots=True)
class GemConfig:
    """The release's size and what else its weights do not say.

    Attributes:
        width: of a token.
        layers: blocks, each with a text block before it where `text_width` is not 0.
        heads: of every attention.
        text_width: of a text's tokens (T5-3B's); 0: without texts.
        text_tokens: that every text is padded to; the padding is attended to.
        window: frames that see one another: all of a shorter clip; of a longer one frame i sees
            [i − window / 2, i + window / 2), moved inwards at the ends.
        landmarks: COCO's 17.
        music: whether it was trained with music.
    """

    width: int = 1024
    layers: int = 16
    heads: int = 8
    text_width: int = 1024
    text_tokens: int = 50
    window: int = 120
    landmarks: int = 17
    music: bool = True

    def as_dict(self) -> dict[str, int]:
        """Plain numbers, for a checkpoint."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class GemInputs:
    """What the network is told of B clips of L frames; `gem_inputs.inputs_of` makes it.

    Attributes:
        landmarks: 17 × 2, COCO's, (pixel − centre) · 2 / size of the box.
        cliff: 1 × 3, the box's centre from the principal point and its size, by focal length.
        image: 1 × 1024, HMR2's token of the crop.
        cam_angvel: 1 × 6, the camera's turn to the next frame, normalised.
        music: 1 × 35.
        valid: (B, L) bool, False for padding behind a clip's end.
    """

    landmarks: Observed | Absent
    cliff: Observed | Absent
    image: Observed | Absent
    cam_angvel: Observed | Absent
    music: Observed | Absent
    valid: Tensor


@dataclass(frozen=True, slots=True)
class GemOutput:
    """What the network says.

    Attributes:
        x: (B, L, 151) normalised motion, gem.GEM_FIELDS.
        camera: (B, L, 3) weak perspective: size, x, y.
        contacts: (B, L, 6) logits, in the order of pose.CONTACT_NAMES.
    """

    x: Tensor
    camera: Tensor
    contacts: Tensor


class Gem(nn.Module):
    """GEM-SMPL's denoiser with its condition embedders."""

    camera_mean: Tensor
    camera_std: Tensor

    def __init__(self, config: GemConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.landmarks = LandmarkEmbedding(config)
        self.observe = nn.ModuleDict({m.name: _embedding(m, width) for m in modalities(config)})
        self.level = _two_layers(width, width, width, nn.SiLU())
        self.stem = nn.Linear(width + GEM_WIDTH, width)
        size = ModelConfig(width, config.layers, config.heads, width // config.heads)
        self.blocks = nn.ModuleList(Block(size, NORM_EPS) for _ in range(config.layers))
        layers = config.layers if config.text_width else 0
        self.text = nn.Linear(config.text_width, width) if layers else None
        self.text_blocks = nn.ModuleList(TextBlock(width, config.heads) for _ in range(layers))
        self.head, self.camera_head, self.contact_head = (
            _two_layers(width, width, out, nn.GELU()) for out in (GEM_WIDTH, 3, 6)
        )
        self.register_buffer("camera_mean", torch.zeros(3))
        self.register_buffer("camera_std", torch.ones(3))

    def forward(
        self, inputs: GemInputs, *, noised: Noised | None = None, texts: Texts | None = None
    ) -> GemOutput:
        """Whole clips in one pass.

        Args:
            inputs: (B, L) frames.
            noised: what to take the noise out of, (B, L, 151); None: estimation.
            texts: with tokens of `text_width`; None: as the release does without a text, one
                that is all zeros.
        """
        batch, length = inputs.valid.shape
        weight = self.stem.weight
        if noised is None:
            level = inputs.valid.new_full((batch,), LAST_TIMESTEP, dtype=torch.int64)
            noised = Noised(weight.new_zeros(batch, length, GEM_WIDTH), level)
        seen = self.landmarks(inputs.landmarks)
        for name, embedding in self.observe.items():
            seen = seen + embedding(getattr(inputs, name))
        seen = seen + self.level(positions(noised.level, self.config.width).to(weight))[:, None]
        x: Tensor = self.stem(torch.cat((seen, noised.x), dim=-1))
        attend = partial(_attend, window=self.config.window, valid=inputs.valid)
        if self.text is None:
            for block in self.blocks:
                x = block(x, attend)
        else:
            read = self._read(texts, x)
            for block, text in zip(self.blocks, self.text_blocks, strict=True):
                x = block(text(x, *read), attend)
        camera = self.camera_head(x) * self.camera_std + self.camera_mean
        size = camera[..., :1].clamp_min(MIN_SIZE)
        return GemOutput(
            x=_mean_betas(self.head(x), inputs.valid),
            camera=torch.cat((size, camera[..., 1:]), dim=-1),
            contacts=self.contact_head(x),
        )

    def _read(self, texts: Texts | None, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, K, T, width) tokens, and (B, L, K) 1 where a text holds."""
        assert self.text is not None
        batch, length, _ = x.shape
        count, width = self.config.text_tokens, self.config.text_width
        if texts is None:
            tokens = x.new_zeros(batch, 1, count, width)
            holds = x.new_ones(batch, length, 1)
        else:
            tokens = torch.where(texts.mask[..., None], texts.tokens, 0)[:, :, :count].to(x.dtype)
            tokens = F.pad(tokens, (0, 0, 0, count - tokens.shape[2]))
            frame = torch.arange(length, device=x.device)[:, None]
            start, end = texts.span[:, None].unbind(-1)
            holds = ((frame >= start) & (frame < end)).to(x.dtype)
        place = positions(torch.arange(count, device=x.device), x.shape[-1]).to(x)
        return self.text(tokens) + place, holds


class LandmarkEmbedding(nn.Module):
    """Landmarks by their place, or by a learned vector for each where it is not seen."""

    def __init__(self, config: GemConfig) -> None:
        super().__init__()
        self.count = config.landmarks
        self.place = nn.Linear(2, LANDMARK_WIDTH)
        self.absent = nn.Parameter(torch.randn(config.landmarks, LANDMARK_WIDTH))
        self.join = _two_layers(
            config.landmarks * LANDMARK_WIDTH, 2 * config.width, config.width, nn.GELU()
        )

    def forward(self, observed: Observed | Absent) -> Tensor:
        """(B, L, width)."""
        place = self.place(observed.value)
        out: Tensor = self.join(
            torch.where(observed.mask[..., None], place, self.absent).flatten(-2)
        )
        return out


class GemEmbedding(nn.Module):
    """One modality and whether it is there."""

    def __init__(self, first: nn.Module, width: int) -> None:
        super().__init__()
        self.first = first
        self.exists = _two_layers(width + 1, width, width, nn.SiLU())
        self.width = width

    def forward(self, observed: Observed | Absent) -> Tensor:
        """(B, L, width), or (width,) where no frame has any."""
        if isinstance(observed, Absent):
            nothing: Tensor = self.exists(observed.frames.new_zeros(self.width + 1))
            return nothing
        value = torch.where(observed.mask, self.first(observed.value[..., 0, :]), 0)
        out: Tensor = self.exists(torch.cat((value, observed.mask.to(value.dtype)), dim=-1))
        return out


class TextBlock(nn.Module):
    """Attention of frames with each text that holds at their time, then an MLP."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention = nn.LayerNorm(width, NORM_EPS)
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.gate_attention = nn.Parameter(torch.full((width,), 0.5))
        self.norm_mlp = nn.LayerNorm(width, NORM_EPS)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)
        self.gate_mlp = nn.Parameter(torch.full((width,), 0.5))

    def forward(self, x: Tensor, tokens: Tensor, holds: Tensor) -> Tensor:
        """(B, L, width) frames, (B, K, T, width) texts, (B, L, K) where they hold; adds them up."""
        query = self.query(self.norm_attention(x)).unflatten(-1, (self.heads, -1))
        both = self.key_value(tokens).unflatten(-1, (2, self.heads, -1))
        key, value = both.unbind(3)  # (B, K, T, H, D)
        scores = torch.einsum("blhd,bkthd->blhkt", query, key) * query.shape[-1] ** -0.5
        weight = scores.softmax(-1) * holds[:, :, None, :, None]
        told = torch.einsum("blhkt,bkthd->blhd", weight, value).flatten(-2)
        # Every text's attention has the output's bias: two at once have it twice, none not at all.
        told = F.linear(told, self.out.weight) + holds.sum(-1, keepdim=True) * self.out.bias
        x = x + self.gate_attention * told
        hidden = F.gelu(self.up(self.norm_mlp(x)), approximate="tanh")
        out: Tensor = x + self.gate_mlp * self.down(hidden)
        return out


def modalities(config: GemConfig) -> tuple[Modality, ...]:
    """What the network is told besides landmarks."""
    return (CLIFF, IMAGE, CAM_ANGVEL, *((MUSIC,) if config.music else ()))


def positions(position: Tensor, width: int) -> Tensor:
    """(N,) to (N, width) sines and cosines in turn (Vaswani et al. 2017, section 3.5)."""
    step = torch.arange(0, width, 2, device=position.device).float()
    angle = position[:, None].float() * torch.exp(step * (-math.log(10_000.0) / width))
    return torch.stack((angle.sin(), angle.cos()), dim=-1).flatten(-2)


def _embedding(modality: Modality, width: int) -> GemEmbedding:
    first: nn.Module
    if modality is IMAGE:
        first = nn.Sequential(nn.LayerNorm(modality.width), nn.Linear(modality.width, width))
    elif modality is MUSIC:
        first = _two_layers(modality.width, 2 * width, width, nn.GELU())
    else:
        first = _two_layers(modality.width, width, width, nn.SiLU())
    return GemEmbedding(first, width)


def _two_layers(width: int, hidden: int, out: int, between: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, hidden), between, nn.Linear(hidden, out))


def _attend(qkv: Tensor, window: int, valid: Tensor) -> Tensor:
    """Attention in which every frame sees `window` frames around it, none of them padding.

    Args:
        qkv: (B, L, 3, H, D).
        window: as in GemConfig.
        valid: (B, L) bool.
    """
    length, head_dim = qkv.shape[1], qkv.shape[-1]
    cos, sin = rope_table(length, head_dim, qkv.dtype, qkv.device)
    q, k, v = qkv.unbind(2)
    q, k = (rotate(part, cos[:, None], sin[:, None]) for part in (q, k))
    position = torch.arange(length, device=qkv.device)
    first = (position - window // 2).clamp(min=0, max=max(length - window, 0))
    outs = []
    for start in range(0, length, QUERIES):
        rows = slice(start, start + QUERIES)
        # The window is wider by what it is moved inwards.
        keys = slice(int(first[rows][0]), int(first[rows][-1]) + window)
        distance = position[keys] - first[rows, None]
        seen = (distance >= 0) & (distance < window) & valid[:, None, keys]  # (B, rows, keys)
        seen = seen | ~seen.any(-1, keepdim=True)  # of padding that sees only padding
        out = F.scaled_dot_product_attention(
            q[:, rows].transpose(1, 2),
            k[:, keys].transpose(1, 2),
            v[:, keys].transpose(1, 2),
            attn_mask=seen[:, None],
        )
        outs.append(out.transpose(1, 2))
    return torch.cat(outs, dim=1)


def _mean_betas(x: Tensor, valid: Tensor) -> Tensor:
    """A person's shape is the mean over the clip."""
    weight = valid.to(x.dtype)[..., None]
    mean = (x[..., BETAS] * weight).sum(1, keepdim=True) / weight.sum(1, keepdim=True)
    betas = mean.expand(-1, x.shape[1], -1)
    return torch.cat((x[..., : BETAS.start], betas, x[..., BETAS.stop :]), dim=-1)

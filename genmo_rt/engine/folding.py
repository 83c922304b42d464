"""The model's weights as the live step uses them: everything constant folded in at load.

In estimation mode the noise level, the zero input and the absent modalities are the same for every
frame: they become one bias per delay. A LayerNorm's affine part goes into the product after it, a
gate into the product before it (W diag(γ) y + W β, and diag(g)(W y + b)). What is left of a block
is two bare normalisations, four products, the ring and a GELU.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genmo_rt.conditions import MODALITIES, Absent, Conditions, Modality
from genmo_rt.diffusion import TIMESTEPS
from genmo_rt.errors import InputError
from genmo_rt.model import Block, Embedding, Model, level_waves

Precision = Literal["float64", "float32", "bfloat16", "int8"]
MANY_ROWS = 10
LIVE = ("keypoints2d", "bbox")
"""Modalities that a live frame has; the others are absent for good."""


class Product(Protocol):
    """x @ W + b for (M, K) rows, in whatever precision its weights are."""

    def __call__(self, x: Tensor) -> Tensor:
        """(M, K) of the computing dtype to (M, N) of its own or the computing dtype."""

    def add_to(self, total: Tensor, x: Tensor) -> None:
        """total += x @ W + b, in place; total is (M, N) of the computing dtype."""


class Dense:
    """A product in one dtype throughout.

    On the CPU the weight lies with its outputs side by side: one row times (K, N) is 1.4 times
    as fast there as one times (N, K), and equally fast from four rows on.
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        """weight (N, K), bias (N,)."""
        self._weight = weight.contiguous().t() if weight.is_cuda else weight.t().contiguous()
        self._bias = bias

    def __call__(self, x: Tensor) -> Tensor:
        return torch.addmm(self._bias, x, self._weight)

    def add_to(self, total: Tensor, x: Tensor) -> None:
        total.add_(self._bias).addmm_(x, self._weight)


class Half:
    """A product with bfloat16 weights and rows: half the bytes to read."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        self._weight, self._bias = weight.bfloat16(), bias.bfloat16()

    def __call__(self, x: Tensor) -> Tensor:
        return F.linear(x.bfloat16(), self._weight, self._bias)

    def add_to(self, total: Tensor, x: Tensor) -> None:
        total.add_(self(x))


class Int8:
    """A product with 8-bit weights, one scale per output, and bfloat16 rows: a quarter.

    From MANY_ROWS on reading weights is no longer most of the time. Then the same weights are used
    as float16, which holds them up to a 4000th, with float32 rows, where torch has products of
    those.
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        # The product wants bfloat16 scales: rounded first, they cost no accuracy.
        self._scale = (weight.abs().amax(1).clamp_min(1e-12) / 127).bfloat16()
        steps = (weight / self._scale[:, None]).round().clamp(-127, 127)
        self._weight, self._bias = steps.to(torch.int8).contiguous(), bias
        self._half = _packed_half(steps * self._scale[:, None], bias)

    def __call__(self, x: Tensor) -> Tensor:
        if self._half is not None and x.shape[0] >= MANY_ROWS:
            product: Tensor = torch.ops.quantized.linear_dynamic_fp16(x, self._half)
            return product
        return self._product(x) + self._bias

    def add_to(self, total: Tensor, x: Tensor) -> None:
        if self._half is not None and x.shape[0] >= MANY_ROWS:
            total.add_(self(x))
        else:
            total.add_(self._bias).add_(self._product(x))

    def _product(self, x: Tensor) -> Tensor:
        return torch._weight_int8pack_mm(x.bfloat16(), self._weight, self._scale)


def _packed_half(weight: Tensor, bias: Tensor) -> object | None:
    """Weights for torch's float16 product; None where this build of torch has none."""
    if "fbgemm" not in torch.backends.quantized.supported_engines:
        return None
    packed: object = torch.ops.quantized.linear_prepack_fp16(weight.float(), bias.float())
    return packed


@dataclass(frozen=True, slots=True)
class FoldedBlock:
    """One block: a bare normalisation stands before `qkv` and before `up`."""

    qkv: Product
    out: Product
    up: Product
    down: Product


class Folded:
    """A model ready to step: products and biases on one device.

    Attributes:
        modalities: what a frame may have.
        blocks: in order.
        dtype: computing dtype: of rows, residuals and rings.
        inputs: numbers in a packed frame; the last is 1 where somebody is seen.
    """

    def __init__(
        self,
        model: Model,
        precision: Precision,
        device: torch.device,
        modalities: Sequence[str] = LIVE,
    ) -> None:
        """Folds in float64 and rounds once.

        Args:
            model: its weights are left as they are.
            precision: of the weights; bfloat16 and int8 on a CPU compute the rest in float32, on
                CUDA bfloat16 is the dtype of everything.
            device: where to run.
            modalities: names of what frames may have.
        Raises:
            InputError: no such precision on that device.
        """
        self.config = model.config
        self.modalities = tuple(m for m in MODALITIES if m.name in modalities)
        self.dtype = computing_dtype(precision, device)
        self._precision: Precision = precision
        self._device = device
        constant, weight = _embedding(model, self.modalities)
        self._embed = weight.t().to(device, self.dtype).contiguous()
        self._constant = constant.to(device, self.dtype)  # (delays, 2 C)
        self._stem = self._product(model.stem, exact=True)
        self.blocks = tuple(self._block(block) for block in model.blocks)
        self._head = self._product(model.head, norm=model.norm, exact=True)
        self.inputs = self._embed.shape[0] + 1

    def pack(self, conditions: Conditions) -> Tensor:
        """One stream's frames as rows: values with zeros where masked, masks, `present`.

        Args:
            conditions: (1, N) frames.
        Returns:
            (N, inputs) of the conditions' dtype.
        Raises:
            InputError: a modality is observed that this model was not folded for.
        """
        known = {m.name for m in self.modalities}
        for modality in MODALITIES:
            observed = getattr(conditions, modality.name)
            if modality.name not in known and not isinstance(observed, Absent):
                raise InputError(
                    f"{modality.name} is observed; this engine was made for frames with "
                    f"{' and '.join(sorted(known))}: name it in `modalities`"
                )
        values, masks = [], []
        for modality in self.modalities:
            observed = getattr(conditions, modality.name)
            mask = observed.mask[0]
            values.append(observed.value[0].masked_fill(~mask[..., None], 0).flatten(1))
            masks.append(mask)
        dtype = values[0].dtype
        return torch.cat((*values, *(m.to(dtype) for m in (*masks, conditions.present.T))), dim=1)

    def tokens(self, packed: Tensor, delay: Tensor) -> Tensor:
        """(M, inputs) frames of streams with these delays (M,) to (M, C)."""
        rows = packed[:, :-1].to(self.dtype)
        hidden = torch.addmm(self._constant[delay], rows, self._embed)
        return self._stem(F.gelu(hidden, approximate="tanh")).to(self.dtype)

    def head(self, x: Tensor) -> Tensor:
        """(M, C) to (M, 181), shapes not averaged yet."""
        return self._head(self.norm(x))

    def norm(self, x: Tensor) -> Tensor:
        """To zero mean and unit variance; the affine part is in the next product."""
        return F.layer_norm(x, x.shape[-1:])

    def _block(self, block: nn.Module) -> FoldedBlock:
        assert isinstance(block, Block)
        return FoldedBlock(
            qkv=self._product(block.qkv, norm=block.norm_attention),
            out=self._product(block.out, gate=block.gate_attention),
            up=self._product(block.up, norm=block.norm_mlp),
            down=self._product(block.down, gate=block.gate_mlp),
        )

    def _product(
        self,
        linear: nn.Linear,
        *,
        norm: nn.LayerNorm | None = None,
        gate: Tensor | None = None,
        exact: bool = False,
    ) -> Product:
        weight, bias = linear.weight.detach().double(), linear.bias.detach().double()
        if norm is not None:
            bias = bias + weight @ norm.bias.detach().double()
            weight = weight * norm.weight.detach().double()
        if gate is not None:
            bias, weight = bias * gate.detach().double(), weight * gate.detach().double()[:, None]
        weight, bias = weight.to(self._device, self.dtype), bias.to(self._device, self.dtype)
        if exact or self._device.type == "cuda":
            return Dense(weight, bias)
        kinds: dict[Precision, type[Half] | type[Int8]] = {"bfloat16": Half, "int8": Int8}
        return kinds.get(self._precision, Dense)(weight, bias)


def live_precision(device: str) -> Precision | None:
    """What a server runs on that device; None: what the engine takes by itself.

    On x86 CPUs 8-bit weights: a step reads all weights once, so fewer bytes are less time, more
    so beside other work that reads memory. Measured in docs/log.md; what it does to poses is in
    tests/genmo_rt/engine/test_precision.py.
    """
    vectors = torch.backends.cpu.get_cpu_capability()
    return "int8" if device == "cpu" and vectors in ("AVX2", "AVX512") else None


def computing_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """The dtype of everything but quantised weights.

    Raises:
        InputError: no such precision on that device.
    """
    there = ("float32", "bfloat16") if device.type == "cuda" else get_args(Precision)
    if precision not in there:
        raise InputError(f"precision is {precision!r}; expected {', '.join(there)} on {device}")
    if precision == "float64":
        return torch.float64
    return torch.bfloat16 if device.type == "cuda" and precision == "bfloat16" else torch.float32


def _embedding(model: Model, modalities: Sequence[Modality]) -> tuple[Tensor, Tensor]:
    """What is constant per delay (delays, 2 C), and the weight of packed frames (2 C, inputs − 1).

    A present item adds its weights times its values, an absent one its "absent" vector: with the
    mask m, absent (1 − m) is the constant Σ absent less absent m.
    """
    level = torch.tensor([TIMESTEPS - 1])
    waves = level_waves(level, torch.float64).to(model.level.weight.device)
    constant = model.delay_embedding.weight.detach().double()
    constant = constant + waves @ model.level.weight.detach().double().t()
    values, masks = [], []
    for embedding, modality in zip(model.observe, MODALITIES, strict=True):
        assert isinstance(embedding, Embedding)
        absent = embedding.absent.weight.detach().double()
        constant = constant + embedding.present.bias.detach().double() + absent.sum(1)
        if modality in modalities:
            values.append(embedding.present.weight.detach().double())
            masks.append(-absent)
    return constant, torch.cat((*values, *masks), dim=1)

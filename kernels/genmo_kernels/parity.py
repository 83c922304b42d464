"""Compares every op with its definition in float64 on the machine at hand."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from genmo_kernels.ring_decode.api import ring_decode
from genmo_kernels.windowed_attention.api import windowed_attention

FORWARD, BACKWARD = 1, 2
BOUNDS = {torch.float32: 2e-6, torch.float16: 4e-3, torch.bfloat16: 3e-2}
"""Largest error over the largest value: some roundings each; a gradient has twice as many."""

LONG_AGO = 2**40  # ticks: a stream that has run for a thousand years


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison.

    Attributes:
        name: op, dtype and case.
        error: largest difference, over the largest true value.
        bound: what is allowed; 0 where bits must agree.
    """

    name: str
    error: float
    bound: float

    @property
    def passed(self) -> bool:
        """NaN fails."""
        return self.error <= self.bound


@dataclass(frozen=True, slots=True)
class Size:
    """How large the cases are: a GPU's, or small ones for the interpreter."""

    heads: int
    head_dim: int
    window: int
    lengths: tuple[int, ...]
    soak: int  # steps


GPU = Size(heads=8, head_dim=64, window=120, lengths=(1, 300, 0, 121, 64, 187), soak=20_000)
QUICK = Size(heads=1, head_dim=32, window=16, lengths=(1, 20), soak=20)


def all_checks(
    device: torch.device, size: Size, dtypes: tuple[torch.dtype, ...]
) -> Iterator[Check]:
    """Every op in every dtype, repeated runs, and a soak."""
    for dtype in dtypes:
        yield from windowed_checks(device, size, dtype)
        yield from ring_checks(device, size, dtype)
    yield soak_check(device, size)


def windowed_checks(device: torch.device, size: Size, dtype: torch.dtype) -> Iterator[Check]:
    """Forward, gradient and bits of a second run, causal and with lookahead."""
    bounds = torch.tensor((0, *size.lengths), device=device).cumsum(0)
    tokens = sum(size.lengths)
    qkv = _random(tokens, 3, size.heads, size.head_dim, dtype=dtype, device=device)
    weight = _random(tokens, size.heads, size.head_dim, dtype=dtype, device=device, seed=1)
    for left, right in ((size.window - 1, 0), (size.window // 2, size.window // 2 - 1)):
        name = f"windowed_attention {_short(dtype)} ({left}, {right})"
        runs = [_attend(qkv, weight, bounds, left, right, "triton") for _ in range(2)]
        truth = _attend(qkv.double(), weight.double(), bounds, left, right, "reference")
        for part, effort, mine, true in zip(
            ("forward", "gradient"), (FORWARD, BACKWARD), runs[0], truth, strict=True
        ):
            yield Check(f"{name} {part}", relative_error(mine, true), BOUNDS[dtype] * effort)
        same = all(torch.equal(one, other) for one, other in zip(*runs, strict=True))
        yield Check(f"{name} again", 0.0 if same else 1.0, 0.0)


def ring_checks(device: torch.device, size: Size, dtype: torch.dtype) -> Iterator[Check]:
    """All fills, padding rows, several tokens at once, from tick 0 and from long ago."""
    window = size.window
    fills = [0, 1, window - 1, window, LONG_AGO + 5, 7]
    tick = torch.tensor(fills, device=device)
    rows = torch.tensor([4, 0, -1, 2, 3, 1], device=device)
    ring = (2, len(fills), size.heads, window, size.head_dim)
    keys, values = _random(*ring, dtype=dtype, device=device)
    bias = _random(3, size.heads, size.head_dim, dtype=dtype, device=device, seed=1)
    for tokens in (1, 4):
        shape = (len(rows), tokens, 3, size.heads, size.head_dim)
        qkv = _random(*shape, dtype=dtype, device=device, seed=2)
        runs = []
        for _ in range(2):
            rings = keys.clone(), values.clone()
            out = ring_decode(qkv, *rings, tick, bias=bias, rows=rows, backend="triton")
            runs.append((out, *rings))
        exact = keys.double(), values.double()
        truth = ring_decode(
            qkv.double(), *exact, tick, bias=bias.double(), rows=rows, backend="reference"
        )
        name = f"ring_decode {_short(dtype)} N{tokens}"
        yield Check(f"{name} out", relative_error(runs[0][0], truth), BOUNDS[dtype])
        for part, mine, true in zip(("keys", "values"), runs[0][1:], exact, strict=True):
            yield Check(f"{name} {part}", relative_error(mine, true), BOUNDS[dtype])
        same = all(torch.equal(one, other) for one, other in zip(*runs, strict=True))
        yield Check(f"{name} again", 0.0 if same else 1.0, 0.0)


def soak_check(device: torch.device, size: Size) -> Check:
    """Many steps of a few streams in float32: the error of the worst step."""
    streams = 4
    ring = (2, streams, size.heads, size.window, size.head_dim)
    keys, values = torch.zeros(ring, device=device).unbind(0)
    exact = keys.double(), values.double()
    tick = torch.tensor([0, 3, LONG_AGO, LONG_AGO + 17], device=device)
    noise = _random(257, streams, 3, size.heads, size.head_dim, device=device)
    worst = torch.zeros((), dtype=torch.float64, device=device)
    for step in range(size.soak):
        qkv = noise[step % len(noise)]
        out = ring_decode(qkv, keys, values, tick, backend="triton")
        truth = ring_decode(qkv.double(), *exact, tick, backend="reference")
        error = (out - truth).abs().max()
        worst = torch.where(error <= worst, worst, error)  # NaN stays
        tick += 1
    return Check(f"ring_decode fp32 {size.soak} steps", worst.item(), 1e-5)


def relative_error(mine: Tensor, true: Tensor) -> float:
    """Largest difference over the largest true value."""
    return ((mine - true).abs().max() / true.abs().max().clamp_min(1e-30)).item()


def _attend(
    qkv: Tensor, weight: Tensor, bounds: Tensor, left: int, right: int, backend: str
) -> tuple[Tensor, Tensor]:
    qkv = qkv.detach().requires_grad_()
    out = windowed_attention(qkv, left, right, cu_seqlens=bounds, backend=backend)  # type: ignore[arg-type]
    (gradient,) = torch.autograd.grad(out, qkv, weight)
    return out.detach(), gradient


def _random(
    *shape: int,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator).to(device, dtype)


def _short(dtype: torch.dtype) -> str:
    return {torch.float32: "fp32", torch.float16: "fp16", torch.bfloat16: "bf16"}[dtype]

"""Compares every op with its definition in float64 on the machine at hand."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from genmo_kernels.nv12_crop.api import nv12_crop
from genmo_kernels.results import Check
from genmo_kernels.ring_decode.api import ring_decode
from genmo_kernels.rot6d_fk.api import rot6d_fk
from genmo_kernels.timing import captured
from genmo_kernels.windowed_attention.api import windowed_attention

FORWARD, BACKWARD = 1, 2
BOUNDS = {torch.float32: 2e-6, torch.float16: 4e-3, torch.bfloat16: 3e-2}
"""Largest error over the largest value: some roundings each; a gradient has twice as many."""

STORED = {torch.float32: 0.0, torch.float16: 1e-3, torch.bfloat16: 8e-3}
"""One rounding when something computed in float32 is stored."""

CHAIN = 6e-6  # of forward kinematics: a joint is at the end of up to nine products
PLACED = 1e-6  # of a sample's value per pixel of frame: coordinates are float32

LONG_AGO = 2**40  # ticks: a stream that has run for a thousand years
SMPL_PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)


@dataclass(frozen=True, slots=True)
class Size:
    """How large the cases are: a GPU's, or small ones for the interpreter.

    Attributes:
        heads: H.
        head_dim: D.
        other_dims: head sizes that are tried in the first dtype only.
        window: W.
        lengths: of packed sequences.
        runs: of the same, whose bits must agree.
        poses: of forward kinematics.
        parents: their skeleton.
        frame: height and width of video frames.
        soak: steps.
    """

    heads: int
    head_dim: int
    other_dims: tuple[int, ...]
    window: int
    lengths: tuple[int, ...]
    runs: int
    poses: int
    parents: tuple[int, ...]
    frame: tuple[int, int]
    soak: int


GPU = Size(
    heads=8,
    head_dim=64,
    other_dims=(32, 128),
    window=120,
    lengths=(1, 300, 0, 121, 64, 187),
    runs=20,
    poses=1027,
    parents=SMPL_PARENTS,
    frame=(271, 480),
    soak=100_000,
)
TINY = Size(
    heads=2,
    head_dim=64,
    other_dims=(),
    window=60,
    lengths=(1, 70, 0, 33),
    runs=1,
    poses=35,
    parents=SMPL_PARENTS,
    frame=(37, 50),
    soak=1,
)
"""For compute-sanitizer, under which everything takes a hundred times as long."""
QUICK = Size(
    heads=1,
    head_dim=32,
    other_dims=(),
    window=16,
    lengths=(1, 17),
    runs=2,
    poses=2,
    parents=(-1, 0, 0),
    frame=(9, 12),
    soak=20,
)

Outputs = tuple[Tensor, ...]


def all_checks(
    device: torch.device, size: Size, dtypes: tuple[torch.dtype, ...]
) -> Iterator[Check]:
    """Every op in every dtype and head size, repeated runs included."""
    for dtype in dtypes:
        dims = (size.head_dim, *(size.other_dims if dtype == dtypes[0] else ()))
        for head_dim in dims:
            yield from windowed_checks(device, size, dtype, head_dim)
            yield from ring_checks(device, size, dtype, head_dim)
        yield from kinematics_checks(device, size, dtype)
        yield from crop_checks(device, size, dtype)


def windowed_checks(
    device: torch.device, size: Size, dtype: torch.dtype, head_dim: int
) -> Iterator[Check]:
    """Forward, gradient and bits of further runs: causal, with lookahead, wide, itself alone."""
    bounds = torch.tensor((0, *size.lengths), device=device).cumsum(0)
    tokens = sum(size.lengths)
    qkv = _random(tokens, 3, size.heads, head_dim, dtype=dtype, device=device)
    weight = _random(tokens, size.heads, head_dim, dtype=dtype, device=device, seed=1)
    window = size.window
    for left, right in ((window - 1, 0), (window // 2, window // 2 - 1), (10**6, 0), (0, 0)):
        run = partial(_attend, bounds=bounds, left=left, right=right)
        truth = run(qkv.double(), weight.double(), backend="reference")
        yield from _checks(
            f"windowed_attention {_short(dtype)} D{head_dim} ({left}, {right})",
            ("forward", "gradient"),
            (BOUNDS[dtype] * FORWARD, BOUNDS[dtype] * BACKWARD),
            lambda run=run: run(qkv, weight, backend="triton"),  # type: ignore[misc]
            truth,
            size.runs,
        )


def ring_checks(
    device: torch.device, size: Size, dtype: torch.dtype, head_dim: int
) -> Iterator[Check]:
    """All fills, padding rows, several tokens at once, from tick 0 and from long ago."""
    window = size.window
    fills = [0, 1, window - 1, window, LONG_AGO + 5, 7]
    tick = torch.tensor(fills, device=device)
    rows = torch.tensor([4, 0, -1, 2, 3, 1], device=device)
    ring = (2, len(fills), size.heads, window, head_dim)
    keys, values = _random(*ring, dtype=dtype, device=device)
    for slot, fill in enumerate(fills):  # what was never cached must not be looked at
        for cache in (keys, values):
            cache[slot, :, min(fill, window) :] = torch.nan
    bias = _random(3, size.heads, head_dim, dtype=dtype, device=device, seed=1)
    for tokens in (1, 4):
        shape = (len(rows), tokens, 3, size.heads, head_dim)
        qkv = _random(*shape, dtype=dtype, device=device, seed=2)

        def decode(qkv: Tensor = qkv) -> Outputs:
            rings = keys.clone(), values.clone()
            out = ring_decode(qkv, *rings, tick, bias=bias, rows=rows, backend="triton")
            return out, *(ring.nan_to_num() for ring in rings)

        exact = keys.double().nan_to_num(), values.double().nan_to_num()
        truth = ring_decode(
            qkv.double(), *exact, tick, bias=bias.double(), rows=rows, backend="reference"
        )
        yield from _checks(
            f"ring_decode {_short(dtype)} D{head_dim} N{tokens}",
            ("out", "keys", "values"),
            (BOUNDS[dtype],) * 3,
            decode,
            (truth, *exact),
            size.runs,
        )


def kinematics_checks(device: torch.device, size: Size, dtype: torch.dtype) -> Iterator[Check]:
    """Rotations, joints and all gradients, with one skeleton and with one per pose."""
    rot6d = _rotations(size, dtype, device)
    root = _random(size.poses, 3, device=device, seed=1)
    for name, count in (("one skeleton", 1), ("own skeletons", size.poses)):
        rest = _random(count, len(size.parents), 3, device=device, seed=2)
        inputs = (rot6d, root, rest)
        truth = _pose([x.double() for x in inputs], size.parents, "reference")
        yield from _checks(
            f"rot6d_fk {_short(dtype)} {name}",
            ("rotations", "joints", "gradient", "root's gradient", "rest's gradient"),
            (CHAIN, CHAIN, 2 * CHAIN + STORED[dtype], 2 * CHAIN, 2 * CHAIN),
            lambda inputs=inputs: _pose(list(inputs), size.parents, "triton"),  # type: ignore[misc]
            truth,
            size.runs,
        )


def crop_checks(device: torch.device, size: Size, dtype: torch.dtype) -> Iterator[Check]:
    """Both layouts, matrices and ranges, in and out of the frame."""
    height, width = size.frame
    half = (height + 1) // 2, (width + 1) // 2
    generator = torch.Generator().manual_seed(0)
    maps = torch.tensor(
        [
            [[1.3, 0.4, -3.0], [-0.3, 1.1, 2.0]],
            [[0.5, 0.0, 0.25], [0.0, 0.5, -0.5]],
            [[float("nan"), 0.0, 0.0], [0.0, 1.0, 0.0]],
            [[-7.0, 0.0, float(width)], [0.0, -5.0, float(height)]],
        ],
        device=device,
    )
    frames = torch.tensor([1, 0, 0, 1], device=device)
    cases: tuple[tuple[Any, Any, bool], ...] = (
        ("nv12", "bt601", False),
        ("i420", "bt709", False),
        ("nv12", "bt709", True),
    )
    for layout, matrix, full_range in cases:
        chroma_shape = (2, 2, *half) if layout == "i420" else (2, *half, 2)
        luma, chroma = (
            torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator).to(device)
            for shape in ((2, height, width), chroma_shape)
        )
        crop = partial(
            nv12_crop,
            luma,
            chroma,
            size=(height - 2, width - 3),
            frames=frames,
            layout=layout,
            matrix=matrix,
            full_range=full_range,
            mean=(0.485, 0.456, 0.406),
            std=(0.229, 0.224, 0.225),
        )
        yield from _checks(
            f"nv12_crop {_short(dtype)} {layout} {matrix} {'full' if full_range else 'limited'}",
            ("crops",),
            (PLACED * max(size.frame) + STORED[dtype],),
            lambda crop=crop: (crop(maps=maps, dtype=dtype, backend="triton"),),  # type: ignore[misc]
            (crop(maps=maps.double(), dtype=torch.float64, backend="reference"),),
            size.runs,
        )


def graph_checks(device: torch.device, size: Size, dtype: torch.dtype) -> Iterator[Check]:
    """Each op as a CUDA graph, replayed with new numbers, gives the bits of an eager run."""
    heads, head_dim, window = size.heads, size.head_dim, size.window
    tokens = sum(size.lengths)
    bounds = torch.tensor((0, *size.lengths), device=device).cumsum(0)
    tick = torch.tensor([0, 3, LONG_AGO], device=device)
    rows = torch.tensor([2, -1, 0, 1], device=device)
    keys, values = _random(2, 3, heads, window, head_dim, dtype=dtype, device=device)
    root = _random(size.poses, 3, device=device)
    rest = _random(1, len(size.parents), 3, device=device)
    luma = torch.arange(12 * 16, device=device).to(torch.uint8).view(1, 12, 16)
    chroma = luma.view(1, 12, 8, 2)[:, :6].contiguous()

    def attend(x: Tensor) -> Outputs:
        weight = torch.ones_like(x[:, 0])
        return _attend(x, weight, bounds, window - 1, 0, "triton", validate=False)

    def decode(x: Tensor) -> Outputs:
        rings = keys.clone(), values.clone()
        out = ring_decode(x, *rings, tick, rows=rows, validate=False, backend="triton")
        return (out, *rings)

    def pose(x: Tensor) -> Outputs:
        return _pose([x, root, rest], size.parents, "triton")

    def crop(x: Tensor) -> Outputs:
        return (nv12_crop(luma, chroma, x, (9, 10), dtype=dtype, backend="triton"),)

    new = partial(_random, device=device)
    cases: tuple[tuple[str, Callable[[Tensor], Outputs], Tensor, Tensor], ...] = (
        ("windowed_attention", attend, *new(2, tokens, 3, heads, head_dim, dtype=dtype)),
        ("ring_decode", decode, *new(2, len(rows), 3, heads, head_dim, dtype=dtype)),
        ("rot6d_fk", pose, *new(2, size.poses, len(size.parents), 6, dtype=dtype)),
        ("nv12_crop", crop, *new(2, 1, 2, 3)),
    )
    for name, run, first, second in cases:
        fixed = first.clone()
        held: list[Outputs] = []

        def work(run: Any = run, fixed: Tensor = fixed, held: list[Outputs] = held) -> None:
            held[:] = [run(fixed)]

        replay = captured(work) if device.type == "cuda" else work
        same = True
        for numbers in (first, second, first):
            fixed.copy_(numbers)
            replay()
            eager = run(numbers.clone())
            same &= all(torch.equal(a, b) for a, b in zip(held[0], eager, strict=True))
        yield _bits(f"{name} {_short(dtype)} graph against eager", same)


def soak_check(device: torch.device, size: Size) -> Check:
    """Many steps of a few streams in float32, each against float64: the error of the worst."""
    streams = 4
    ring = (2, streams, size.heads, size.window, size.head_dim)
    keys, values = torch.zeros(ring, device=device).unbind(0)
    exact = keys.double(), values.double()
    tick = torch.tensor([0, 3, LONG_AGO, LONG_AGO + 17], device=device)
    noise = _random(257, streams, 3, size.heads, size.head_dim, device=device)
    turn = torch.zeros(1, dtype=torch.int64, device=device)
    worst = torch.zeros((), dtype=torch.float64, device=device)

    def step() -> None:
        qkv = noise.index_select(0, turn % len(noise))[0]
        out = ring_decode(qkv, keys, values, tick, backend="triton")
        truth = ring_decode(qkv.double(), *exact, tick, backend="reference")
        error = (out - truth).abs().max()
        worst.copy_(torch.where(error <= worst, worst, error))  # NaN stays
        tick.add_(1)
        turn.add_(1)

    with torch.no_grad():
        replay = captured(step) if device.type == "cuda" else step
        for _ in range(size.soak):
            replay()
    return Check(f"ring_decode fp32 {size.soak} steps", worst.item(), 1e-5)


def relative_error(mine: Tensor, true: Tensor) -> float:
    """Largest difference over the largest true value; NaN where one is not a number."""
    if not true.numel():
        return 0.0
    return ((mine - true).abs().max() / true.abs().max().clamp_min(1e-30)).item()


def _checks(
    name: str,
    parts: tuple[str, ...],
    bounds: tuple[float, ...],
    run: Callable[[], Outputs],
    truth: Outputs,
    runs: int,
) -> Iterator[Check]:
    """Each part of the output against the truth, then the bits of further runs."""
    first = run()
    for part, bound, mine, true in zip(parts, bounds, first, truth, strict=True):
        yield Check(f"{name} {part}", relative_error(mine, true), bound)
    same = all(
        torch.equal(one, other)
        for _ in range(runs - 1)
        for one, other in zip(first, run(), strict=True)
    )
    yield _bits(f"{name} {runs} runs", same)


def _bits(name: str, same: bool) -> Check:
    return Check(name, 0.0 if same else 1.0, 0.0)


def _attend(
    qkv: Tensor,
    weight: Tensor,
    bounds: Tensor,
    left: int,
    right: int,
    backend: Any,
    validate: bool = True,
) -> Outputs:
    qkv = qkv.detach().requires_grad_()
    out = windowed_attention(
        qkv, left, right, cu_seqlens=bounds, validate=validate, backend=backend
    )
    (gradient,) = torch.autograd.grad(out, qkv, weight)
    return out.detach(), gradient


def _pose(inputs: list[Tensor], parents: tuple[int, ...], backend: Any) -> Outputs:
    rot6d, root, rest = (x.detach().requires_grad_() for x in inputs)
    out = rot6d_fk(rot6d, root, rest, parents, backend=backend)
    gradients = torch.autograd.grad(out, (rot6d, root, rest), [torch.ones_like(x) for x in out])
    return (*(x.detach() for x in out), *gradients)


def _rotations(size: Size, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Columns of any length, not nearly parallel: those would say more of the input than of us."""
    noise = _random(size.poses, len(size.parents), 6, device=device)
    upright = torch.tensor([2.0, 0, 0, 0, 2, 0], device=device)
    return (upright + 0.4 * noise).to(dtype)


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

"""Times the ops beside their rivals in one run; nothing is timed before it gave the right result.

On a GPU every contender runs as a CUDA graph over fresh layers of a model, so that neither launch
overhead nor a warm cache flatters anybody; on the CPU (in the interpreter) the times mean nothing
and only show that the code runs.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from genmo_kernels.parity import relative_error
from genmo_kernels.ring_decode.api import ring_decode
from genmo_kernels.windowed_attention.api import windowed_attention
from genmo_kernels.windowed_attention.reference import rope_table, rotate

REPEATS = 20
BOUND = 3e-2  # of bfloat16 results, relative to the largest value
Outputs = tuple[Tensor, ...]
Contender = Callable[[int], Outputs]
"""Takes a layer's number, gives what is compared: outputs, or outputs and gradients."""


@dataclass(frozen=True, slots=True)
class Timing:
    """One contender in one case.

    Attributes:
        case: what was computed.
        contender: who computed it.
        microseconds: per layer, median; None if it wasn't timed.
        floor: the shortest time that memory allows, microseconds; None where it doesn't bind.
        note: why it wasn't timed.
    """

    case: str
    contender: str
    microseconds: float | None
    floor: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Load:
    """How much is run: a GPU's worth, or a little for the interpreter."""

    streams: tuple[int, ...]
    sequences: int
    lengths: tuple[int, int]
    window: int
    heads: int
    head_dim: int
    layers: int
    dtype: torch.dtype
    copy_bytes: int


GPU = Load((1, 64, 256, 1024), 192, (120, 300), 120, 8, 64, 12, torch.bfloat16, 2**30)
QUICK = Load((2,), 2, (12, 20), 8, 1, 32, 1, torch.float32, 2**20)


def copy_bandwidth(device: torch.device, size: int) -> float:
    """Bytes per microsecond of a device-to-device copy, read and written ones counted."""
    source = torch.empty(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    source.zero_()
    return 2 * size / microseconds(lambda: target.copy_(source), device, 1)


def decode_timings(device: torch.device, load: Load, bandwidth: float) -> Iterator[Timing]:
    """Ring decode of full rings, for each number of streams, against torch and FlexAttention."""
    for streams in load.streams:
        ring = (load.layers, 2, streams, load.heads, load.window, load.head_dim)
        rings = _noise(ring, load, device)
        qkv = _noise((load.layers, streams, 3, load.heads, load.head_dim), load, device)
        tick = torch.full((streams,), 5 * load.window + load.window // 3, device=device)

        def decode(
            layer: int, backend: Any, qkv: Tensor = qkv, rings: Tensor = rings, tick: Tensor = tick
        ) -> Outputs:
            keys, values = rings[layer]
            return (ring_decode(qkv[layer], keys, values, tick, backend=backend),)

        exact = ring_decode(
            qkv[0].double(),
            rings[0, 0].double(),
            rings[0, 1].double(),
            tick,
            backend="reference",
        )
        floor = rings[0].numel() * rings.element_size() / bandwidth
        contenders: dict[str, Contender] = {
            "ring_decode": partial(decode, backend="triton"),
            "torch ops on the ring": partial(decode, backend="reference"),
            "FlexAttention on the ring": _flex_ring(qkv, rings, tick),
        }
        yield from _race(f"decode S={streams} W={load.window}", contenders, (exact,), load, floor)


def windowed_timings(device: torch.device, load: Load) -> Iterator[Timing]:
    """Forward and backward of sequences of mixed lengths against padding and FlexAttention."""
    low, high = load.lengths
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(low, high + 1, (load.sequences,), generator=generator)
    bounds = F.pad(lengths.cumsum(0), (1, 0)).to(device)
    tokens = int(lengths.sum())
    qkv = _noise((tokens, 3, load.heads, load.head_dim), load, device)
    weight = _noise((tokens, load.heads, load.head_dim), load, device)
    place = torch.arange(tokens, device=device)
    sequence = torch.bucketize(place, bounds[1:], right=True)
    position = place - bounds[sequence]
    layout = _Layout(sequence, position, len(lengths), int(lengths.max()), load.window)

    def both_ways(attend: Callable[[Tensor], Tensor], x: Tensor, weight: Tensor) -> Outputs:
        x = x.detach().requires_grad_()
        out = attend(x)
        return (out.detach(), *torch.autograd.grad(out, x, weight))

    ours = partial(
        windowed_attention, left=load.window - 1, right=0, cu_seqlens=bounds, validate=False
    )
    exact = both_ways(
        partial(ours, backend="reference"), qkv.double(), weight.double()
    )  # by sequence
    attends: dict[str, Callable[[Tensor], Tensor]] = {
        "windowed_attention": partial(ours, max_length=layout.longest, backend="triton"),
        "FlexAttention, cached mask": _flex_windowed(layout),
        "masked SDPA": partial(_padded, layout=layout, attend=_sdpa),
        "einsum": partial(_padded, layout=layout, attend=_einsum),
    }
    contenders: dict[str, Contender] = {
        name: lambda _layer, attend=attend: both_ways(attend, qkv, weight)  # type: ignore[misc]
        for name, attend in attends.items()
    }
    case = f"attention fwd+bwd {load.sequences} sequences {low}-{high} W={load.window}"
    yield from _race(case, contenders, exact, load, None, graph=False)


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the packed tokens lie in a padded batch.

    Attributes:
        sequence: (T,) number of each token's sequence.
        position: (T,) of each token in it.
        sequences: how many.
        longest: tokens.
        window: W.
    """

    sequence: Tensor
    position: Tensor
    sequences: int
    longest: int
    window: int

    def seen(self) -> Tensor:
        """(longest, longest) True where a query sees a key."""
        place = torch.arange(self.longest, device=self.position.device)
        back = place[:, None] - place[None, :]
        return (back >= 0) & (back < self.window)


def _padded(qkv: Tensor, layout: _Layout, attend: Callable[..., Tensor]) -> Tensor:
    """Attention of the padded batch; rows behind a sequence's end see zeros and are dropped."""
    batch = qkv.new_zeros(layout.sequences, layout.longest, *qkv.shape[1:])
    batch = batch.index_put((layout.sequence, layout.position), qkv)
    q, k, v = _rotated(batch, torch.arange(layout.longest, device=qkv.device))
    out = attend(*(x.transpose(1, 2) for x in (q, k, v)), layout.seen())
    return out.transpose(1, 2)[layout.sequence, layout.position]


def _sdpa(q: Tensor, k: Tensor, v: Tensor, seen: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(q, k, v, attn_mask=seen)


def _einsum(q: Tensor, k: Tensor, v: Tensor, seen: Tensor) -> Tensor:
    scores = torch.einsum("bhid,bhjd->bhij", q, k) * q.shape[-1] ** -0.5
    weight = scores.masked_fill(~seen, -torch.inf).softmax(-1)
    return torch.einsum("bhij,bhjd->bhid", weight, v)


def _rotated(qkv: Tensor, position: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """q, k, v of (..., T, 3, H, D), the first two rotated by `position` (T,)."""
    table = rope_table(4096, qkv.shape[-1], torch.float32, qkv.device)
    cos, sin = (x.to(qkv.dtype)[position, None] for x in table)
    q, k, v = qkv.unbind(-3)
    return rotate(q, cos, sin), rotate(k, cos, sin), v


def _flex_windowed(layout: _Layout) -> Callable[[Tensor], Tensor]:
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    sequence, window = layout.sequence, layout.window
    tokens, device = len(sequence), sequence.device

    def sees(_b: Tensor, _h: Tensor, i: Tensor, j: Tensor) -> Tensor:
        return (sequence[i] == sequence[j]) & (i >= j) & (i - j < window)

    mask = create_block_mask(sees, None, None, tokens, tokens, device=str(device))

    def attend(qkv: Tensor) -> Tensor:
        q, k, v = (x.transpose(0, 1)[None] for x in _rotated(qkv, layout.position))
        out: Any = flex_attention(q, k, v, block_mask=mask)
        attended: Tensor = out[0].transpose(0, 1)
        return attended

    return torch.compile(attend) if device.type == "cuda" else attend


def _flex_ring(qkv: Tensor, rings: Tensor, tick: Tensor) -> Contender:
    """Both rotations as two queries, each with the slots of its lap, joined by their weights."""
    from torch.nn.attention.flex_attention import AuxRequest, flex_attention

    window, head_dim = rings.shape[-2:]
    cos, sin = rope_table(2 * window, head_dim, torch.float32, qkv.device)
    current = tick % window
    rows = torch.arange(len(tick), device=qkv.device)
    tables = [
        (cos.to(qkv.dtype)[at, None], sin.to(qkv.dtype)[at, None])
        for at in (current, current + window)
    ]

    def lap(score: Tensor, b: Tensor, _h: Tensor, i: Tensor, j: Tensor) -> Tensor:
        return torch.where((j <= current[b]) == (i == 0), score, -torch.inf)

    def decode(new: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        q, k, v = new.unbind(1)
        keys[rows, :, current] = rotate(k, *tables[0])
        values[rows, :, current] = v
        both = torch.stack([rotate(q, *table) for table in tables], dim=2)  # (S, H, 2, D)
        found: Any = flex_attention(
            both, keys, values, score_mod=lap, return_aux=AuxRequest(lse=True)
        )
        out, aux = found
        share = aux.lse.softmax(-1)[..., None].to(out.dtype)  # the lap without slots has lse -inf
        joined: Tensor = (out.nan_to_num() * share).sum(2)
        return joined

    run = torch.compile(decode) if qkv.is_cuda else decode
    return lambda layer: (run(qkv[layer], *rings[layer]),)


def _race(
    case: str,
    contenders: dict[str, Contender],
    exact: Sequence[Tensor],
    load: Load,
    floor: float | None,
    *,
    graph: bool = True,
) -> Iterator[Timing]:
    """Times who is right; says of the others why not."""
    device = exact[0].device
    for name, run in contenders.items():
        try:
            with torch.set_grad_enabled(not graph):
                errors = [relative_error(a, b) for a, b in zip(run(0), exact, strict=True)]
                if not max(errors) <= BOUND:
                    yield Timing(case, name, None, note=f"wrong by {max(errors):.1e}: not timed")
                    continue
                layers = load.layers if graph else 1

                def all_layers(run: Contender = run, layers: int = layers) -> None:
                    for layer in range(layers):
                        run(layer)

                yield Timing(case, name, microseconds(all_layers, device, layers, graph), floor)
        except Exception as error:  # a rival that can't run here must not end the race
            first = (str(error).strip().splitlines() or [""])[0][:160]
            yield Timing(case, name, None, note=f"{type(error).__name__}: {first}")


def microseconds(
    run: Callable[[], object], device: torch.device, layers: int, graph: bool = True
) -> float:
    """Median time of a run, per layer."""
    if device.type != "cuda":
        run()
        began = time.perf_counter()
        run()
        return (time.perf_counter() - began) * 1e6 / layers
    side: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            run()
    torch.cuda.current_stream().wait_stream(side)
    again = run
    if graph:
        captured = torch.cuda.CUDAGraph()
        with torch.cuda.graph(captured):
            run()
        again = captured.replay
    start: Any = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
    end: Any = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
    times: list[float] = []
    for _ in range(REPEATS):
        start.record()
        again()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end) * 1e3 / layers)
    return statistics.median(times)


def _noise(shape: tuple[int, ...], load: Load, device: torch.device) -> Tensor:
    generator = torch.Generator(device).manual_seed(len(shape))
    return torch.randn(shape, generator=generator, device=device).to(load.dtype)

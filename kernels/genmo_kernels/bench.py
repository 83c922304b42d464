"""Times the ops beside their rivals in one run; nothing is timed before it gave the right result.

On a GPU every contender runs as a CUDA graph over fresh layers of a model, so that neither launch
overhead nor a warm cache flatters anybody (with gradients: queued launches); on the CPU (in the
interpreter) the times mean nothing and only show that the code runs.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from genmo_kernels import rivals
from genmo_kernels.nv12_crop.api import nv12_crop
from genmo_kernels.parity import SMPL_PARENTS, relative_error
from genmo_kernels.results import Timing
from genmo_kernels.ring_decode.api import ring_decode
from genmo_kernels.rot6d_fk.api import rot6d_fk
from genmo_kernels.timing import microseconds
from genmo_kernels.windowed_attention.api import windowed_attention

BOUND = 3e-2  # of bfloat16 results, relative to the largest value
Outputs = tuple[Tensor, ...]
Contender = Callable[[int], Outputs]
"""Takes a layer's number, gives what is compared: outputs, or outputs and gradients."""


@dataclass(frozen=True, slots=True)
class Load:
    """How much is run: a GPU's worth, or a little for the interpreter.

    Attributes:
        streams: numbers of them that are decoded at once.
        sequences: of a training batch.
        lengths: the shortest and the longest of them.
        window: W of the official code, at which the targets are set.
        shipped_window: W of our checkpoint; our op alone is timed there too.
        heads: H.
        head_dim: D.
        layers: fresh memory for each.
        dtype: of the tokens.
        copy_bytes: for the ceilings.
        poses: to be put through forward kinematics.
        joints: of SMPL's 24, from the pelvis on.
        frame: height and width of a video frame.
        crop: height and width of what is cut from it.
    """

    streams: tuple[int, ...]
    sequences: int
    lengths: tuple[int, int]
    window: int
    shipped_window: int
    heads: int
    head_dim: int
    layers: int
    dtype: torch.dtype
    copy_bytes: int
    poses: int
    joints: int
    frame: tuple[int, int]
    crop: tuple[int, int]


GPU = Load(
    streams=(256, 1024, 64, 1),  # the targets' first: time may run out
    sequences=192,
    lengths=(120, 300),
    window=120,
    shipped_window=60,
    heads=8,
    head_dim=64,
    layers=12,
    dtype=torch.bfloat16,
    copy_bytes=2**30,
    poses=1024,
    joints=24,
    frame=(1080, 1920),
    crop=(256, 256),
)
QUICK = Load(
    streams=(2,),
    sequences=2,
    lengths=(12, 20),
    window=8,
    shipped_window=4,
    heads=1,
    head_dim=32,
    layers=1,
    dtype=torch.float32,
    copy_bytes=2**20,
    poses=3,
    joints=3,
    frame=(10, 12),
    crop=(6, 6),
)


def decode_timings(device: torch.device, load: Load, bandwidth: float | None) -> Iterator[Timing]:
    """Ring decode of full rings, for each number of streams, against torch and FlexAttention.

    Args:
        bandwidth: bytes per microsecond, for the floor: the ring read once, all else ignored.
    """
    for streams in load.streams:
        yield from _decode(
            device, load, streams, load.shipped_window, bandwidth, against_rivals=False
        )
    for streams in load.streams:
        yield from _decode(device, load, streams, load.window, bandwidth, against_rivals=True)


def _decode(
    device: torch.device,
    load: Load,
    streams: int,
    window: int,
    bandwidth: float | None,
    *,
    against_rivals: bool,
) -> Iterator[Timing]:
    ring = (load.layers, 2, streams, load.heads, window, load.head_dim)
    rings = _noise(ring, load, device)
    qkv = _noise((load.layers, streams, 3, load.heads, load.head_dim), load, device)
    tick = torch.full((streams,), 5 * window + window // 3, device=device)

    def decode(layer: int, backend: Any) -> Outputs:
        keys, values = rings[layer]
        return (ring_decode(qkv[layer], keys, values, tick, backend=backend),)

    flex: list[Any] = []

    def flex_decode(layer: int) -> Outputs:
        if not flex:  # made here, so that a failure is this contender's alone
            flex.append(rivals.flex_ring(tick, window, load.head_dim, load.dtype))
        return (flex[0](qkv[layer], *rings[layer]),)

    exact = ring_decode(
        qkv[0].double(), rings[0, 0].double(), rings[0, 1].double(), tick, backend="reference"
    )
    floor = rings[0].numel() * rings.element_size() / bandwidth if bandwidth else None
    contenders: dict[str, Contender] = {"ring_decode": partial(decode, backend="triton")}
    if against_rivals:
        contenders["torch ops on the ring"] = partial(decode, backend="reference")
        contenders["FlexAttention on the ring"] = flex_decode
    yield from _race(f"decode S={streams} W={window}", contenders, (exact,), load, floor)


def windowed_timings(device: torch.device, load: Load) -> Iterator[Timing]:
    """Sequences of mixed lengths, forward alone and with gradients, against padding and Flex."""
    low, high = load.lengths
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(low, high + 1, (load.sequences,), generator=generator)
    bounds = F.pad(lengths.cumsum(0), (1, 0)).to(device)
    tokens, longest = int(lengths.sum()), int(lengths.max())
    qkv = _noise((tokens, 3, load.heads, load.head_dim), load, device)
    weight = _noise((tokens, load.heads, load.head_dim), load, device)
    ours = partial(
        windowed_attention, left=load.window - 1, right=0, cu_seqlens=bounds, max_length=longest
    )
    triton = partial(ours, validate=False, backend="triton")
    layout = rivals.Layout.of(bounds, load.window, load.head_dim, load.dtype)
    made: dict[str, rivals.Attend] = {"windowed_attention": triton}
    makers = {
        "FlexAttention, cached mask": rivals.flex_windowed,
        "masked SDPA": rivals.masked_sdpa,
        "einsum": rivals.einsum,
    }

    def forward(name: str, _layer: int) -> Outputs:
        if name not in made:  # made here, so that a failure is this contender's alone
            made[name] = makers[name](layout)
        return (made[name](qkv),)

    def both_ways(attend: Callable[[Tensor], Tensor], x: Tensor, weight: Tensor) -> Outputs:
        x = x.detach().requires_grad_()
        out = attend(x)
        return (out.detach(), *torch.autograd.grad(out, x, weight))

    def with_gradient(name: str, layer: int) -> Outputs:
        if name not in made:
            forward(name, layer)
        return both_ways(made[name], qkv, weight)

    exact = both_ways(partial(ours, backend="reference"), qkv.double(), weight.double())
    names = ("windowed_attention", *makers)
    what = f"{load.sequences} sequences {low}-{high} W={load.window}"
    runs: dict[str, Contender] = {name: partial(with_gradient, name) for name in names}
    yield from _race(f"attention fwd+bwd {what}", runs, exact, load, None, graph=False)
    runs = {name: partial(forward, name) for name in names}
    yield from _race(f"attention fwd {what}", runs, exact[:1], load, None, layers=1)


def small_timings(device: torch.device, load: Load) -> Iterator[Timing]:
    """Forward kinematics and cropping against the same in torch ops."""
    parents = SMPL_PARENTS[: load.joints]
    rot6d = _noise((load.poses, load.joints, 6), load, device).float()
    root, rest = rot6d[:, 0, :3].contiguous(), rot6d[0, :, :3].contiguous()

    def pose(backend: Any, _layer: int) -> Outputs:
        return rot6d_fk(rot6d, root, rest, parents, backend=backend)

    exact = rot6d_fk(rot6d.double(), root.double(), rest.double(), parents, backend="reference")
    runs: dict[str, Contender] = {
        "rot6d_fk": partial(pose, "triton"),
        "torch ops": partial(pose, "reference"),
    }
    yield from _race(f"kinematics N={load.poses}", runs, exact, load, None, layers=1)

    frames = min(max(load.streams), 64)
    height, width = load.frame
    luma = torch.zeros(frames, height, width, dtype=torch.uint8, device=device).random_()
    chroma = torch.zeros(
        frames, height // 2, width // 2, 2, dtype=torch.uint8, device=device
    ).random_()
    zoom = height / load.crop[0] / 2
    one = torch.tensor([[zoom, 0.1, width / 4], [-0.1, zoom, height / 5]], device=device)
    maps = one.expand(frames, 2, 3).contiguous()

    def crop(backend: Any, _layer: int) -> Outputs:
        return (nv12_crop(luma, chroma, maps, load.crop, dtype=load.dtype, backend=backend),)

    true = nv12_crop(
        luma, chroma, maps.double(), load.crop, dtype=torch.float64, backend="reference"
    )
    runs = {"nv12_crop": partial(crop, "triton"), "torch ops": partial(crop, "reference")}
    case = f"crop {frames} of {width}x{height} to {load.crop[1]}x{load.crop[0]}"
    yield from _race(case, runs, (true,), load, None, layers=1)


def _race(
    case: str,
    contenders: dict[str, Contender],
    exact: Sequence[Tensor],
    load: Load,
    floor: float | None,
    *,
    layers: int | None = None,
    graph: bool = True,
) -> Iterator[Timing]:
    """Times who is right; says of the others why not."""
    device = exact[0].device
    count = (load.layers if graph else 1) if layers is None else layers
    for name, run in contenders.items():
        try:
            with torch.set_grad_enabled(not graph):
                errors = [relative_error(a, b) for a, b in zip(run(0), exact, strict=True)]
                if not max(errors) <= BOUND:
                    yield Timing(case, name, None, note=f"wrong by {max(errors):.1e}: not timed")
                    continue

                def all_layers(run: Contender = run) -> None:
                    for layer in range(count):
                        run(layer)

                took = microseconds(all_layers, device, count, graph=graph)
                yield Timing(case, name, took, floor)
        except Exception as error:  # a contender that can't run here must not end the race
            first = (str(error).strip().splitlines() or [""])[0][:160]
            yield Timing(case, name, None, note=f"{type(error).__name__}: {first}")


def _noise(shape: tuple[int, ...], load: Load, device: torch.device) -> Tensor:
    generator = torch.Generator(device).manual_seed(len(shape))
    return torch.randn(shape, generator=generator, device=device).to(load.dtype)

"""Runs batches of streams' new frames on the arena: on a CPU as they come, on CUDA as graphs.

Both do the same arithmetic (folding) and differ in how they are fed. A CPU takes any number of
streams and all the frames that a stream missed in one pass, which reads the weights once. CUDA
takes one frame of a bucket of 1, 2, 4, 8 … streams, padded with rows of −1, because a captured
graph has fixed shapes; missed frames are replays one after the other.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from genmo_kernels.backend import choose_backend
from genmo_kernels.ring_decode.api import ring_decode
from genmo_kernels.windowed_attention.reference import rope_table
from genmo_rt.engine.arena import Arena
from genmo_rt.engine.folding import Folded
from genmo_rt.engine.ring import RingPlan, ring_attend
from genmo_rt.motion import MOTION_WIDTH

Attend = Callable[[int, Tensor], Tensor]
"""Attention of a layer: its number and (M, 3, H, D) queries, keys, values to (M, H D)."""

Capture = Callable[[Callable[[], None]], Callable[[], None]]
"""Makes something that repeats a function's work on the same memory."""


@dataclass(frozen=True, slots=True)
class Request:
    """A stream's new frames.

    Attributes:
        slot: in the arena.
        packed: (N, inputs) from Folded.pack, oldest first.
    """

    slot: int
    packed: Tensor


class Runner(Protocol):
    """Moves streams on."""

    def run(self, requests: Sequence[Request]) -> list[Tensor]:
        """(N, 181) normalised motion vectors of each request, on the CPU; slots are distinct."""


class Direct:
    """Batches as they come, for a CPU."""

    def __init__(self, folded: Folded, arena: Arena) -> None:
        self._folded = folded
        self._arena = arena

    @torch.inference_mode()
    def run(self, requests: Sequence[Request]) -> list[Tensor]:
        """One pass for all streams with the same number of new frames."""
        groups: dict[int, list[int]] = {}
        for place in sorted(range(len(requests)), key=lambda i: requests[i].slot):
            groups.setdefault(len(requests[place].packed), []).append(place)
        results: dict[int, Tensor] = {}
        for places in groups.values():
            out = self._pass([requests[place] for place in places])
            results.update(zip(places, out, strict=True))
        return [results[place] for place in range(len(requests))]

    def _pass(self, requests: list[Request]) -> Tensor:
        """(S, N, 181); S requests of N frames, in the order of their slots."""
        folded, arena = self._folded, self._arena
        slots = [request.slot for request in requests]
        rows = torch.tensor(slots)
        packed = torch.stack([request.packed for request in requests])  # (S, N, inputs)
        streams, frames, _ = packed.shape
        tick, delay = arena.tick[rows], arena.delay[rows].repeat_interleave(frames)
        plans = [RingPlan.of(slots, tick + n, arena.keys[0]) for n in range(frames)]

        def attend(layer: int, qkv: Tensor) -> Tensor:
            keys, values = arena.keys[layer], arena.values[layer]
            if frames == 1:
                return ring_attend(qkv, keys, values, plans[0])
            each = qkv.view(streams, frames, *qkv.shape[1:]).unbind(1)
            out = [ring_attend(x, keys, values, p) for x, p in zip(each, plans, strict=True)]
            return torch.stack(out, dim=1).flatten(0, 1)

        x = folded.tokens(packed.flatten(0, 1), delay)
        out = folded.head(_through(folded, x, attend)).view(streams, frames, -1)
        return arena.average_shapes(out, packed[..., -1], rows)


class Bucketed:
    """One frame of padded buckets over fixed memory, so that each can be a CUDA graph."""

    def __init__(
        self, folded: Folded, arena: Arena, capture: Capture, *, largest: int | None = None
    ) -> None:
        """Captures every bucket, with padding rows alone, so that no slot is touched.

        Args:
            capture: on CUDA, cuda.capture_graph.
            largest: streams in the largest bucket; the arena's slots if None.
        """
        self._folded = folded
        self._arena = arena
        device = arena.tick.device
        self._buckets = buckets(largest or arena.slots)
        most = self._buckets[-1]
        pin = device.type == "cuda"
        self._rows = torch.full((most,), -1, dtype=torch.int64, device=device)
        self._inputs = torch.zeros(most, folded.inputs, device=device)
        self._outputs = torch.zeros(most, MOTION_WIDTH, device=device)
        self._host_rows = torch.full((most,), -1, dtype=torch.int64, pin_memory=pin)
        self._host_inputs = torch.zeros(most, folded.inputs, pin_memory=pin)
        self._host_outputs = torch.zeros(most, MOTION_WIDTH, pin_memory=pin)
        # Graphs read the tables where they lie: they must not go before the graphs.
        _, _, _, window, head_dim = arena.keys.shape
        self._tables = rope_table(2 * window, head_dim, torch.float32, device)
        with torch.inference_mode():
            self._replay = {size: capture(self._step(size)) for size in reversed(self._buckets)}

    @torch.inference_mode()
    def run(self, requests: Sequence[Request]) -> list[Tensor]:
        """As many passes as the longest request has frames."""
        most = self._buckets[-1]
        if len(requests) > most:
            first, rest = requests[:most], requests[most:]
            return self.run(first) + self.run(rest)
        results: list[list[Tensor]] = [[] for _ in requests]
        for n in range(max(len(request.packed) for request in requests)):
            left = [i for i, request in enumerate(requests) if n < len(request.packed)]
            out = self._pass([(requests[i].slot, requests[i].packed[n]) for i in left])
            for i, vector in zip(left, out, strict=True):
                results[i].append(vector)
        return [torch.stack(vectors) for vectors in results]

    def _pass(self, frames: list[tuple[int, Tensor]]) -> Tensor:
        """(S, 181) for one frame each of S slots."""
        streams = len(frames)
        size = next(bucket for bucket in self._buckets if bucket >= streams)
        self._host_rows[:size] = -1
        for row, (slot, packed) in enumerate(frames):
            self._host_rows[row] = slot
            self._host_inputs[row] = packed
        self._rows[:size].copy_(self._host_rows[:size], non_blocking=True)
        self._inputs[:size].copy_(self._host_inputs[:size], non_blocking=True)
        self._replay[size]()
        self._host_outputs[:size].copy_(self._outputs[:size], non_blocking=True)
        if self._outputs.is_cuda:
            torch.cuda.current_stream(self._outputs.device).synchronize()
        return self._host_outputs[:streams].clone()

    def _step(self, size: int) -> Callable[[], None]:
        """The work of one bucket: reads and writes the fixed memory and the arena alone."""
        folded, arena = self._folded, self._arena
        rows, inputs, outputs = self._rows[:size], self._inputs[:size], self._outputs[:size]

        def attend(layer: int, qkv: Tensor) -> Tensor:
            out = ring_decode(
                qkv,
                arena.keys[layer],
                arena.values[layer],
                arena.tick,
                rows=rows,
                validate=False,
            )
            return out.flatten(1)

        def step() -> None:
            slots = rows.masked_fill(rows < 0, arena.scratch)
            x = _through(folded, folded.tokens(inputs, arena.delay[slots]), attend)
            out = folded.head(x).float()[:, None]
            outputs.copy_(arena.average_shapes(out, inputs[:, -1:], slots)[:, 0])

        return step


def make_runner(folded: Folded, arena: Arena) -> Runner:
    """What suits the arena's device."""
    if choose_backend(arena.tick, None) == "reference":
        return Direct(folded, arena)
    if arena.tick.is_cuda:
        from genmo_rt.engine.cuda import capture_graph

        return Bucketed(folded, arena, capture_graph)
    return Bucketed(folded, arena, lambda step: step)


def buckets(most: int) -> tuple[int, ...]:
    """1, 2, 4, 8 … up to the first that holds `most`."""
    sizes = [1]
    while sizes[-1] < most:
        sizes.append(2 * sizes[-1])
    return tuple(sizes)


def _through(folded: Folded, x: Tensor, attend: Attend) -> Tensor:
    """(M, C) tokens through all blocks; x is changed in place."""
    heads = folded.config.heads
    for layer, block in enumerate(folded.blocks):
        qkv = block.qkv(folded.norm(x))
        block.out.add_to(x, attend(layer, qkv.view(len(x), 3, heads, -1)))
        hidden = F.gelu(block.up(folded.norm(x)), approximate="tanh")
        block.down.add_to(x, hidden)
    return x

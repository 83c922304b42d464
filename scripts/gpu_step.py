"""The part of the GPU suite that needs the model: whole steps as the engine runs them.

Streaming is the engine's own step on a full arena: folded weights, buckets with rows of slots,
the shape's running mean. Recomputing is the model over a window of the last frames, in the same
dtype, as a graph too: what one does without a cache.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from genmo_kernels import backend
from genmo_kernels.bench import Load
from genmo_kernels.parity import LONG_AGO, relative_error
from genmo_kernels.results import Check, Timing
from genmo_kernels.timing import captured, microseconds
from genmo_rt.conditions import Conditions, from_landmarks
from genmo_rt.engine.arena import Arena
from genmo_rt.engine.folding import Folded, Precision
from genmo_rt.engine.runner import Bucketed, Request
from genmo_rt.model import PRESETS, Model, ModelConfig

TINY = ModelConfig(width=32, layers=2, heads=1, head_dim=32, window=8)
BOUND = 5e-2  # of bfloat16 through twelve layers, relative to the largest value
SAME_OP = 1e-4  # in float32


class Stepper:
    """The engine's step for S streams whose rings are full.

    Attributes:
        arena: their state.
        step: one new frame for each, on the rows that the last `run` put in place.
    """

    def __init__(self, model: Model, precision: Precision, streams: int, window: int) -> None:
        device = model.head.weight.device
        folded = Folded(model, precision, device)
        self.arena = Arena(model.config, streams, window, folded.dtype, device)
        steps: list[Callable[[], None]] = []

        def keep(step: Callable[[], None]) -> Callable[[], None]:
            steps.append(step)
            return step

        self._bucketed = Bucketed(folded, self.arena, keep, largest=streams)
        self.step = steps[0]  # of the largest bucket
        packed = [folded.pack(_conditions(1, 1, seed=seed)) for seed in range(min(streams, 16))]
        self._requests = [Request(slot, packed[slot % len(packed)]) for slot in range(streams)]
        self.fill()

    @torch.inference_mode()
    def fill(self) -> None:
        """Full rings, the same numbers every time; half of the streams began long ago."""
        arena = self.arena
        torch.manual_seed(0)
        arena.keys.normal_()
        arena.values.normal_()
        arena.tick.fill_(5 * arena.keys.shape[-2] + 3)
        arena.tick[::2] += LONG_AGO
        arena.betas_sum.zero_()
        arena.betas_count.zero_()

    @torch.inference_mode()
    def take_rings(self, other: "Stepper") -> None:
        """The rings of another, in this one's precision."""
        self.arena.keys.copy_(other.arena.keys)
        self.arena.values.copy_(other.arena.values)

    def run(self) -> Tensor:
        """(S, 181) of one new frame per stream."""
        return torch.stack(self._bucketed.run(self._requests))


def timings(device: torch.device, load: Load, quick: bool) -> Iterator[Timing]:
    """Streaming and recomputing for each number of streams, then streaming at the shipped window.

    Streaming is timed only where it gives what torch ops in float32 give on the same rings.
    """
    model, precision = _model(device, quick)
    exact = deepcopy(model).float()
    for window in (load.window, load.shipped_window):
        for streams in load.streams:
            case = f"step S={streams} W={window}"
            stepper = Stepper(model, precision, streams, window)
            error = relative_error(stepper.run(), _truth(exact, stepper))
            if not error <= BOUND:
                yield Timing(case, "streaming", None, note=f"wrong by {error:.1e}: not timed")
            else:
                with torch.inference_mode():
                    yield Timing(case, "streaming", microseconds(stepper.step, device))
            if window == load.window:
                yield _recompute(case, model, load, streams, device)


def checks(device: torch.device, quick: bool) -> Iterator[Check]:
    """Against torch ops on the same rings, in float32, and as a graph against eager."""
    model = _model(device, quick)[0].float()
    window = model.config.window
    for streams in (1, 2) if quick else (1, 8, 64):
        stepper = Stepper(model, "float32", streams, window)
        error = relative_error(stepper.run(), _truth(model, stepper))
        yield Check(f"engine step S={streams} fp32 against torch ops", error, SAME_OP)
    if device.type == "cuda":
        yield _graph_check(model, window)


def _truth(exact: Model, stepper: Stepper) -> Tensor:
    """What `stepper` should have given in its last run, by the ops' definitions in float32."""
    arena = stepper.arena
    other = Stepper(exact, "float32", arena.slots, arena.keys.shape[-2])
    stepper.fill()
    other.take_rings(stepper)
    with _definitions():
        return other.run()


def _graph_check(model: Model, window: int) -> Check:
    """Ten steps of a graph and ten eager ones leave the same bits in the arena."""
    streams = 8
    states = []
    for as_graph in (False, True):
        stepper = Stepper(model, "float32", streams, window)
        stepper.run()  # puts the rows in place
        with torch.inference_mode():
            step = captured(stepper.step) if as_graph else stepper.step
            stepper.fill()
            for _ in range(10):
                step()
        arena = stepper.arena
        rings = [ring[:, :streams].clone() for ring in (arena.keys, arena.values)]
        states.append([*rings, arena.tick[:streams].clone(), arena.betas_sum[:streams].clone()])
    same = all(torch.equal(one, other) for one, other in zip(*states, strict=True))
    return Check("engine step graph against eager", 0.0 if same else 1.0, 0.0)


def _recompute(case: str, model: Model, load: Load, streams: int, device: torch.device) -> Timing:
    conditions = _conditions(streams, load.window, seed=0).to(device)
    dtype = model.head.weight.dtype
    observed = {
        name: replace(getattr(conditions, name), value=getattr(conditions, name).value.to(dtype))
        for name in ("keypoints2d", "bbox")
    }
    conditions = replace(conditions, **observed)
    delay = torch.zeros(streams, dtype=torch.int64, device=device)
    run = partial(model.forward, conditions, delay, (load.window - 1, 0))
    with torch.inference_mode():
        return Timing(case, "recompute", microseconds(run, device))


def _model(device: torch.device, quick: bool) -> tuple[Model, Precision]:
    """Random weights will do: speed doesn't depend on them."""
    torch.manual_seed(0)
    model = Model(TINY if quick else PRESETS["base"]).to(device).eval()
    return (model, "float32") if quick else (model.bfloat16(), "bfloat16")


def _conditions(streams: int, length: int, *, seed: int) -> Conditions:
    """Somebody seen in every frame."""
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.rand(streams, length, 33, 2, generator=generator) * 400
    camera = torch.tensor([[640.0, 640.0, 320.0, 240.0]]).expand(streams, 4)
    size = torch.tensor([[640.0, 480.0]]).expand(streams, 2)
    return from_landmarks(pixels, torch.ones(streams, length, 33), camera, size)


@contextmanager
def _definitions() -> Iterator[None]:
    """The ops' definitions in place of the kernels."""
    before, backend.FORCED = backend.FORCED, "reference"
    try:
        yield
    finally:
        backend.FORCED = before

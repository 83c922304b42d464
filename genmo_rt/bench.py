"""What the engine's step costs: beside recomputing a window, for many streams, at any age.

Random weights of a preset's size: speed doesn't depend on them. Everything is timed in blocks, and
the quickest block's median counts: other work on the machine only ever makes a block slower.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch

from genmo_rt.camera import Intrinsics
from genmo_rt.clock import TICK_HZ
from genmo_rt.conditions import Conditions, from_landmarks
from genmo_rt.engine.engine import Engine, Slot, default_precision
from genmo_rt.engine.folding import Precision
from genmo_rt.keypoints import NUM_LANDMARKS
from genmo_rt.model import PRESETS, Model

BLOCKS = 7
STEPS = 15  # in a block
RECOMPUTES = 2  # in a block
RECOMPUTED_WINDOW = 120  # frames, what NVIDIA's demo recomputes per frame
AGES = (100, 1_000, 10_000, 100_000)


@dataclass(frozen=True, slots=True)
class StepCost:
    """One stream's step and one recomputed window, milliseconds.

    Attributes:
        recompute_ms: in the same runtime and dtype; None where there is no such model.
    """

    size: str
    window: int
    threads: int
    precision: Precision
    step_ms: float
    recompute_ms: float | None

    @property
    def ratio(self) -> float | None:
        """How many streaming steps fit into one recomputed window."""
        return None if self.recompute_ms is None else self.recompute_ms / self.step_ms


@dataclass(frozen=True, slots=True)
class StreamsCost:
    """A batch of S streams, one new frame each.

    Attributes:
        batch_ms: for all of them.
        arena_bytes: what their state takes.
    """

    size: str
    precision: Precision
    streams: int
    batch_ms: float
    arena_bytes: int

    @property
    def frame_ms(self) -> float:
        """For one of them."""
        return self.batch_ms / self.streams

    @property
    def most_at_30_hz(self) -> float:
        """Streams that could be served were there nothing else to do."""
        return 1e3 / (self.frame_ms * TICK_HZ)


@dataclass(frozen=True, slots=True)
class AgeCost:
    """A step of a stream that has seen `frame` frames."""

    size: str
    frame: int
    step_ms: float


def bench_step(
    size: str,
    threads: int,
    windows: Sequence[int] | None = None,
    precisions: Sequence[Precision] = ("float32",),
    device: str = "cpu",
) -> list[StepCost]:
    """Times one stream's step against recomputing its window with the same weights.

    Args:
        size: a preset's name.
        threads: torch's intra-op threads.
        windows: W to try; the shipped one and RECOMPUTED_WINDOW if None.
        precisions: of the weights.
        device: where.
    Returns:
        A row per window and precision; step and recompute are timed in turn, so that both see
        the same machine.
    """
    with _threads(threads), torch.inference_mode():
        model = _model(size, device)
        return [
            _step_cost(model, size, window, threads, precision)
            for window in windows or (model.config.window, RECOMPUTED_WINDOW)
            for precision in precisions
        ]


def engine_rows(
    device: str,
    sizes: Sequence[str],
    streams: Sequence[int],
    precision: Precision | None = None,
    threads: int = 1,
    window: int | None = None,
) -> Iterator[StreamsCost]:
    """Times batches of S streams whose rings are full, for every size and S.

    Args:
        device: torch's name.
        sizes: names of presets.
        streams: S to try.
        precision: of the weights; None: the device's default.
        threads: torch's intra-op threads, on a CPU.
        window: W; the preset's own if None.
    """
    for size in sizes:
        with _threads(threads), torch.inference_mode():
            model = _model(size, device)
            chosen = precision or default_precision(model.head.weight)
            for count in streams:
                engine = Engine(model, slots=count, precision=chosen, window=window)
                slots = _filled(engine, count)
                frames = [frames_seen(1)] * count
                milliseconds = _quickest(
                    lambda e=engine, s=slots, f=frames: e.step_together(s, f)  # type: ignore[misc]
                )
                arena_bytes = engine.figures.arena_bytes
                yield StreamsCost(size, chosen, count, milliseconds, arena_bytes)


def age_rows(
    device: str, size: str, precision: Precision | None = None, ages: Sequence[int] = AGES
) -> list[AgeCost]:
    """Times one stream's step at these ages, to which its tick is set, in turn."""
    with _threads(1), torch.inference_mode():
        engine = Engine(_model(size, device), slots=len(ages), precision=precision)
        state = _filled(engine, 1)[0].save()
        engine = Engine(_model(size, device), slots=len(ages), precision=precision)
        newest = frames_seen(1)
        slots = [engine.restore(replace(state, tick=torch.tensor(age))) for age in ages]
        blocks = [
            [_median(lambda slot=slot: slot.step(newest)) for slot in slots]  # type: ignore[misc]
            for _ in range(BLOCKS)
        ]
        quickest = [min(column) for column in zip(*blocks, strict=True)]
        return [AgeCost(size, age, ms) for age, ms in zip(ages, quickest, strict=True)]


def lived_rows(
    device: str,
    size: str,
    frames: int,
    precision: Precision | None = None,
    show: Callable[[int], object] = lambda frame: None,
) -> list[AgeCost]:
    """Runs one stream frame by frame to that age; the median of each tenth of its life."""
    with _threads(1), torch.inference_mode():
        slot = Engine(_model(size, device), slots=1, precision=precision).open()
        newest = frames_seen(1)
        share = max(frames // 10, 1)
        rows = []
        for part in range(10):
            took = []
            for n in range(share):
                took.append(_milliseconds(lambda: slot.step(newest)))
                if n % 100 == 0:
                    show(part * share + n)
            rows.append(AgeCost(size, (part + 1) * share, statistics.median(took)))
        return rows


def frames_seen(length: int) -> Conditions:
    """(1, length) frames in which somebody is seen."""
    camera = Intrinsics.default(640, 480)
    generator = torch.Generator().manual_seed(0)
    return from_landmarks(
        torch.rand(1, length, NUM_LANDMARKS, 2, generator=generator) * 400,
        torch.ones(1, length, NUM_LANDMARKS),
        torch.tensor([[camera.fx, camera.fy, camera.cx, camera.cy]]),
        torch.tensor([[640.0, 480.0]]),
        None,
    )


def _step_cost(
    model: Model, size: str, window: int, threads: int, precision: Precision
) -> StepCost:
    engine = Engine(model, slots=1, window=window, precision=precision)
    slot = _filled(engine, 1)[0]
    newest = frames_seen(1)
    recompute = _recompute(model, window, precision)
    steps, recomputes = [], []
    for _ in range(BLOCKS):
        steps.append(_median(lambda: slot.step(newest)))
        if recompute is not None:
            recomputes.append(_median(recompute, RECOMPUTES))
    recomputed = min(recomputes) if recomputes else None
    return StepCost(size, window, threads, precision, min(steps), recomputed)


def _recompute(model: Model, window: int, precision: Precision) -> Callable[[], object] | None:
    """A pass over the last `window` frames; None for 8-bit weights, which only steps have."""
    if precision == "int8":
        return None
    weight = model.head.weight
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    conditions = frames_seen(window).to(weight.device)
    delay = torch.zeros(1, dtype=torch.int64, device=weight.device)

    def run() -> None:
        with torch.autocast(weight.device.type, dtype, enabled=dtype is not weight.dtype):
            model.forward(conditions, delay, (window - 1, 0))
        if weight.is_cuda:
            torch.cuda.synchronize(weight.device)

    return run


def _model(size: str, device: str) -> Model:
    torch.manual_seed(0)
    return Model(PRESETS[size]).to(device).eval()


def _filled(engine: Engine, streams: int) -> list[Slot]:
    """Streams whose rings are full: they cost what long ones cost."""
    slots = [engine.open() for _ in range(streams)]
    lap = frames_seen(engine.window)
    for slot in slots:
        slot.step(lap)
    return slots


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _quickest(run: Callable[[], object]) -> float:
    """The least of some blocks' medians, milliseconds."""
    return min(_median(run) for _ in range(BLOCKS))


def _median(run: Callable[[], object], times: int = STEPS) -> float:
    return statistics.median(_milliseconds(run) for _ in range(times))


def _milliseconds(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return (time.perf_counter() - started) * 1e3

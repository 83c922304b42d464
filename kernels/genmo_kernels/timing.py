"""How long something takes: as a CUDA graph or queued launches on a GPU, by the clock on a CPU."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from genmo_kernels.results import Ceilings

REPEATS = 20
QUEUED = (
    5  # runs in a row where there is no graph: the GPU is busy while the host prepares the next
)
SHORT_US = 20_000  # on a CPU, what takes less is repeated for the median

Run = Callable[[], object]


def microseconds(run: Run, device: torch.device, layers: int = 1, *, graph: bool = True) -> float:
    """Median time of a run, per layer.

    Args:
        run: works on the same memory every time; where it is captured it leaves the host alone.
        device: whose clock.
        layers: by which the time is divided.
        graph: on CUDA, capture it: no launch overhead.
    """
    if device.type != "cuda":
        return _by_the_clock(run) / layers
    again, runs = (captured(run), 1) if graph else (_queued(run), QUEUED)
    start: Any = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
    end: Any = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
    times: list[float] = []
    for _ in range(REPEATS):
        start.record()
        again()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end) * 1e3 / runs)
    return statistics.median(times) / layers


def captured(run: Run) -> Callable[[], None]:
    """A CUDA graph of a run, warmed up first: kernels compiled, tables made."""
    side: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            run()
    torch.cuda.current_stream().wait_stream(side)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    replay: Callable[[], None] = graph.replay
    return replay


def ceilings(device: torch.device, dtype: torch.dtype, size: int) -> Ceilings:
    """What a copy of `size` bytes and a product of matrices as large reach."""
    source = torch.zeros(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    bandwidth = 2 * size / microseconds(lambda: target.copy_(source), device)
    side = int((size / 3 / dtype.itemsize) ** 0.5) // 64 * 64
    a, b, c = torch.zeros(3, side, side, dtype=dtype, device=device).normal_()
    flops = 2 * side**3 / microseconds(lambda: torch.mm(a, b, out=c), device)
    return Ceilings(bandwidth, flops, str(dtype).removeprefix("torch."))


def _queued(run: Run) -> Run:
    def several() -> None:
        for _ in range(QUEUED):
            run()

    several()
    torch.cuda.synchronize()
    return several


def _by_the_clock(run: Run) -> float:
    run()
    times: list[float] = []
    while len(times) < REPEATS:
        began = time.perf_counter()
        run()
        times.append((time.perf_counter() - began) * 1e6)
        if times[-1] > SHORT_US:
            break
    return statistics.median(times)

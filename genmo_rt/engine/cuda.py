"""What the engine needs of CUDA: graphs, and a stream that lets other work go first."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

WARM_UPS = 3  # runs before a capture: kernels are compiled, libraries pick their algorithms


def capture_graph(step: Callable[[], None]) -> Callable[[], None]:
    """Captures a function's work on the current stream; what is given back replays it.

    The function must work on the same memory every time and leave the host alone.
    """
    current = torch.cuda.current_stream()
    side = background_stream(current.device)  # a graph's kernels keep the priority of its capture
    with torch.cuda.stream(side):
        for _ in range(WARM_UPS):
            step()
    torch.cuda.synchronize(current.device)
    graph = torch.cuda.CUDAGraph()
    # Only this thread is watched: others may use the GPU meanwhile.
    with torch.cuda.graph(graph, stream=side, capture_error_mode="thread_local"):
        step()
    replay: Callable[[], None] = graph.replay
    return replay


def background_stream(device: torch.device) -> torch.cuda.Stream:
    """A stream of the lowest priority: a game's or another model's work goes before ours.

    It sees what the device has done so far.
    """
    torch.cuda.synchronize(device)
    lowest, _ = torch.cuda.Stream.priority_range()  # type: ignore[call-arg]  # it is static
    stream: torch.cuda.Stream = torch.cuda.Stream(device, priority=lowest)  # type: ignore[no-untyped-call]
    return stream


@contextmanager
def using(device: torch.device, stream: torch.cuda.Stream | None) -> Iterator[None]:
    """Work of this thread goes to that stream of that device; None: a CPU, nothing changes."""
    if stream is None:
        yield
        return
    with torch.cuda.device(device), torch.cuda.stream(stream):
        yield

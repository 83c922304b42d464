"""The whole model through the Triton kernels, frame by frame and in graphs that are replayed."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from genmo_kernels import backend
from genmo_rt.engine.engine import Engine
from genmo_rt.engine.runner import Bucketed, Request
from genmo_rt.model import Model, ModelConfig
from tests.genmo_rt.tiny_model import frame, tiny_model, watched, whole_pass

CONFIG = ModelConfig(width=32, layers=2, heads=1, head_dim=32, window=6)
FRAMES = 15
HOST_WAITS = ("_local_scalar_dense", "nonzero", "item", "is_nonzero")


class Graph(TorchDispatchMode):
    """A CUDA graph in software: work is written down once and repeated on the same memory.

    Nothing of the Python around it runs again, so what changes from frame to frame must come in
    through memory; a look at a value, for which a host would wait, is an error as it is on CUDA.
    """

    def __init__(self) -> None:
        super().__init__()
        self._work: list[tuple[Any, tuple[Any, ...], dict[str, Any], Any]] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        name = func.overloadpacket.__name__
        assert name not in HOST_WAITS, f"{name} inside a capture"
        out = func(*args, **(kwargs or {}))
        self._work.append((func, args, kwargs or {}, out))
        return out

    def replay(self) -> None:
        for func, args, kwargs, out in self._work:
            new = func(*args, **kwargs)
            for old, value in zip(tree_leaves(out), tree_leaves(new), strict=True):
                if isinstance(old, Tensor) and old.data_ptr() != value.data_ptr():
                    old.copy_(value)


def captured(step: Callable[[], None]) -> Callable[[], None]:
    graph = Graph()
    step()  # as on CUDA: what is made once is made before
    with graph:
        step()
    return graph.replay


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Model:
    monkeypatch.setattr(backend, "FORCED", "triton")
    return tiny_model(torch.float32, CONFIG)


def test_streaming_through_the_kernels_equals_the_whole_pass(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ring decode frame by frame, windowed attention in one go, both against float64."""
    conditions = watched(FRAMES, dtype=torch.float32)
    slot = Engine(model, slots=2).open(delay=3)
    streamed = torch.cat([slot.step(frame(conditions, t)) for t in range(FRAMES)])
    at_once = whole_pass(model, conditions, delay=3)
    exact = tiny_model(torch.float64, CONFIG)
    exact.load_state_dict(model.state_dict())
    monkeypatch.setattr(backend, "FORCED", "reference")
    expected = whole_pass(exact, watched(FRAMES), delay=3)
    scale = expected.abs().max()
    assert (at_once - expected).abs().max() < 1e-5 * scale
    assert (streamed - expected).abs().max() < 1e-5 * scale


def test_a_replayed_graph_says_what_the_model_says(model: Model) -> None:
    """Two streams of three in a bucket of two, then one in a bucket of one."""
    engine = Engine(model, slots=3)
    for _ in range(3):
        engine.open()
    runner = Bucketed(engine._folded, engine._arena, captured, largest=2)
    clips = [watched(4, seed, torch.float32) for seed in range(3)]
    said: dict[int, list[Tensor]] = {0: [], 2: []}
    for t in range(4):
        slots = [0, 2] if t < 3 else [2]
        requests = [Request(s, engine._folded.pack(frame(clips[s], t))) for s in slots]
        for slot, out in zip(slots, runner.run(requests), strict=True):
            said[slot].append(out)
    for slot, rows in said.items():
        expected = whole_pass(model, clips[slot].cut(slice(0, len(rows))))
        assert (torch.cat(rows) - expected).abs().max() < 1e-5 * expected.abs().max()
    assert engine._arena.tick.tolist()[:3] == [3, 0, 4]
    assert not engine._arena.keys[:, 1].any()

"""Padded buckets: any batch in any bucket says the same, and padding touches nobody."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch

from genmo_rt.engine import cuda
from genmo_rt.engine.arena import Arena
from genmo_rt.engine.folding import Folded
from genmo_rt.engine.runner import Bucketed, Direct, Request, Runner, buckets
from genmo_rt.model import Model
from tests.genmo_rt.tiny_model import CONFIG, frame, tiny_model, watched

SLOTS = 5
FRAMES = 2 * CONFIG.window + 3


@pytest.fixture(scope="module")
def model() -> Model:
    return tiny_model()


def repeat(step: Callable[[], None]) -> Callable[[], None]:
    """What a capture gives where there are no graphs."""
    return step


def make(model: Model, kind: str) -> tuple[Folded, Arena, Runner]:
    folded = Folded(model, "float64", torch.device("cpu"))
    arena = Arena(CONFIG, SLOTS, CONFIG.window, torch.float64, torch.device("cpu"))
    for _ in range(SLOTS):
        arena.open(delay=2)
    if kind == "direct":
        return folded, arena, Direct(folded, arena)
    return folded, arena, Bucketed(folded, arena, repeat)


def test_buckets_double_until_all_slots_fit() -> None:
    assert buckets(1) == (1,)
    assert buckets(64) == (1, 2, 4, 8, 16, 32, 64)
    assert buckets(65)[-1] == 128


def test_padded_buckets_say_what_batches_as_they_come_say(model: Model) -> None:
    """Batches of one to five in buckets of one to eight, and several missed frames."""
    folded, direct_arena, direct = make(model, "direct")
    _, bucketed_arena, bucketed = make(model, "bucketed")
    clips = [watched(FRAMES, seed) for seed in range(SLOTS)]
    for t in range(FRAMES - 3):
        slots = [s for s in (3, 0, 4, 1, 2) if (t + s) % 3 or t % 2]
        requests = [
            Request(s, folded.pack(clips[s].cut(slice(t, t + 1 + 2 * (s == t % 5))))) for s in slots
        ]
        for one, other in zip(direct.run(requests), bucketed.run(requests), strict=True):
            assert one.shape == other.shape
            # The results pass through float32 buffers, as they do on a GPU.
            assert (one - other).abs().max() < 1e-6 * one.abs().max()
    for name in ("keys", "values", "betas_sum"):
        first, second = getattr(direct_arena, name), getattr(bucketed_arena, name)
        if name == "betas_sum":
            first, second = first[:SLOTS], second[:SLOTS]
        assert (first - second).abs().max() < 1e-6
    assert torch.equal(direct_arena.tick[:SLOTS], bucketed_arena.tick[:SLOTS])


def test_padding_rows_touch_no_slot(model: Model) -> None:
    folded, arena, runner = make(model, "bucketed")
    clip = watched(4)
    runner.run([Request(slot, folded.pack(frame(clip, 0))) for slot in range(3)])  # of four
    before = [t.clone() for t in (arena.keys, arena.values, arena.tick, arena.betas_sum)]
    runner.run([Request(slot, folded.pack(frame(clip, 1))) for slot in range(3)])
    after = [arena.keys, arena.values, arena.tick, arena.betas_sum]
    for old, new in zip(before[:2], after[:2], strict=True):
        assert torch.equal(old[:, 3:], new[:, 3:])
        assert not torch.equal(old[:, :3], new[:, :3])
    assert arena.tick[:SLOTS].tolist() == [2, 2, 2, 0, 0]
    assert torch.equal(before[3][3:SLOTS], after[3][3:SLOTS])


def test_more_streams_than_the_largest_bucket_are_run_in_turns(model: Model) -> None:
    folded, arena, direct = make(model, "direct")
    _, small_arena, _ = make(model, "direct")
    small = Bucketed(folded, small_arena, repeat, largest=2)
    requests = [Request(s, folded.pack(frame(watched(2, s), 1))) for s in range(SLOTS)]
    for one, other in zip(direct.run(requests), small.run(requests), strict=True):
        assert (one - other).abs().max() < 1e-6 * one.abs().max()
    assert small_arena.tick.tolist()[:SLOTS] == arena.tick.tolist()[:SLOTS]


def test_a_capture_warms_up_beside_the_stream_and_replays_the_graph(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """CUDA's part, played by stand-ins that write down what is asked of them."""
    done: list[str] = []

    class Stream:
        device = "cuda:1"

        @staticmethod
        def priority_range() -> tuple[int, int]:
            return 0, -5

    class Graph:
        def replay(self) -> None:
            done.append("replay")

    @contextmanager
    def using(name: str) -> Iterator[None]:
        done.append(f"{name} begins")
        yield
        done.append(f"{name} ends")

    def make_stream(device: Any = None, priority: int = 0) -> Stream:
        done.append(f"stream of {device}, priority {priority}")
        return Stream()

    make_stream.priority_range = Stream.priority_range  # type: ignore[attr-defined]
    monkeypatch.setattr(torch.cuda, "Stream", make_stream)
    monkeypatch.setattr(torch.cuda, "current_stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: using("stream"))
    monkeypatch.setattr(torch.cuda, "graph", lambda graph, **how: using("capture"))
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: done.append("synchronise"))
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    replay = cuda.capture_graph(lambda: done.append("step"))
    replay()
    replay()
    assert done == [
        "synchronise",
        "stream of cuda:1, priority 0",
        "stream begins",
        *["step"] * cuda.WARM_UPS,
        "stream ends",
        "synchronise",
        "capture begins",
        "step",
        "capture ends",
        "replay",
        "replay",
    ]

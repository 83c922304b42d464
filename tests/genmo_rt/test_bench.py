"""The engine's bench: every row that was asked for, in turn, with what is measured named."""

import pytest
import torch

from genmo_rt import bench
from genmo_rt.model import PRESETS
from tests.genmo_rt.tiny_model import CONFIG


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRESETS, "tiny", CONFIG)
    monkeypatch.setattr(bench, "BLOCKS", 2)
    monkeypatch.setattr(bench, "STEPS", 2)


def test_a_step_is_timed_beside_its_window_in_every_precision() -> None:
    threads = torch.get_num_threads()
    rows = bench.bench_step("tiny", 1, windows=(3, 7), precisions=("float32", "bfloat16", "int8"))
    assert [(row.window, row.precision) for row in rows] == [
        (window, precision) for window in (3, 7) for precision in ("float32", "bfloat16", "int8")
    ]
    for row in rows:
        assert row.step_ms > 0
        if row.precision == "int8":
            assert row.ratio is None
        else:
            assert row.recompute_ms is not None
            assert row.ratio == row.recompute_ms / row.step_ms
    assert torch.get_num_threads() == threads


def test_the_state_of_many_streams_is_many_states() -> None:
    one, four = bench.engine_rows("cpu", ["tiny"], [1, 4])
    assert (one.streams, four.streams) == (1, 4)
    assert four.frame_ms == four.batch_ms / 4
    assert four.most_at_30_hz == pytest.approx(1000 / (four.frame_ms * 30))
    # A slot more than there are streams is nobody's.
    assert four.arena_bytes / one.arena_bytes == pytest.approx(5 / 2)


def test_a_stream_is_timed_at_every_age() -> None:
    rows = bench.age_rows("cpu", "tiny", ages=(10, 1_000_000))
    assert [row.frame for row in rows] == [10, 1_000_000]
    lived = bench.lived_rows("cpu", "tiny", 40)
    assert [row.frame for row in lived] == list(range(4, 41, 4))
    assert all(row.step_ms > 0 for row in [*rows, *lived])

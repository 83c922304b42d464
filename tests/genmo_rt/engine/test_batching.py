"""Batching: who waits together is served together, and nobody waits for nobody."""

import threading
import time
from collections.abc import Sequence

import pytest

from genmo_rt.engine.batching import SLACK_S, Batcher, Rhythm

PATIENCE_S = 20.0


class Work:
    """Doubles numbers; the first batch waits until it is let go."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.started, self.go = threading.Event(), threading.Event()

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        if len(self.batches) == 1:
            self.started.set()
            assert self.go.wait(PATIENCE_S)
        if 13 in items:
            raise RuntimeError("thirteen")
        return [2 * item for item in items]


def submit_while_busy(
    keys: Sequence[object], items: Sequence[int], limit: int = 100
) -> tuple[Work, dict[int, int | BaseException]]:
    """One item at work, then all these at once; what became of each."""
    work = Work()
    batcher: Batcher[int, int] = Batcher(work, limit=limit, patience_s=0.0)
    results: dict[int, int | BaseException] = {}

    def submit(key: object, item: int) -> None:
        try:
            results[item] = batcher.submit(key, item)
        except RuntimeError as error:
            results[item] = error

    threads = [threading.Thread(target=submit, args=("first", 0))]
    threads[0].start()
    assert work.started.wait(PATIENCE_S)
    for key, item in zip(keys, items, strict=True):
        threads.append(threading.Thread(target=submit, args=(key, item)))
        threads[-1].start()
    until = time.monotonic() + PATIENCE_S
    while batcher.waiting < len(items):
        assert time.monotonic() < until
        time.sleep(0.001)
    work.go.set()
    for thread in threads:
        thread.join(PATIENCE_S)
    return work, results


def test_all_who_wait_while_a_batch_runs_are_the_next_batch() -> None:
    work, results = submit_while_busy(range(5), [1, 2, 3, 4, 5])
    assert work.batches[0] == [0]
    assert sorted(work.batches[1]) == [1, 2, 3, 4, 5]
    assert results == {item: 2 * item for item in range(6)}


def test_a_batch_holds_no_more_than_the_limit() -> None:
    work, results = submit_while_busy(range(5), [1, 2, 3, 4, 5], limit=2)
    assert [len(batch) for batch in work.batches] == [1, 2, 2, 1]
    assert results == {item: 2 * item for item in range(6)}


def test_a_batch_holds_one_item_of_a_key() -> None:
    work, _ = submit_while_busy(["a", "a", "b"], [1, 2, 3])
    assert [len(batch) for batch in work.batches] == [1, 2, 1]


def test_a_batch_that_fails_fails_for_those_in_it_alone() -> None:
    work, results = submit_while_busy(range(3), [1, 13, 2])
    assert results.pop(0) == 0
    assert {str(error) for error in results.values()} == {"thirteen"}
    assert len(work.batches) == 2


def test_after_a_failure_others_are_served() -> None:
    work = Work()
    work.go.set()
    batcher: Batcher[int, int] = Batcher(work, limit=8, patience_s=0.0)
    with pytest.raises(RuntimeError, match="thirteen"):
        batcher.submit("a", 13)
    assert batcher.submit("a", 4) == 8
    assert (batcher.batches, batcher.items) == (2, 2)


def test_one_stream_alone_waits_for_nobody() -> None:
    rhythm = Rhythm(0.008)
    rhythm.ran(0.005)
    for i in range(10):
        rhythm.arrived("only", i / 30)
    assert rhythm.expects(9 / 30, {"only"})[1] == 0


def test_a_stream_waits_for_one_that_is_due_within_the_cost_of_a_batch() -> None:
    rhythm = Rhythm(0.008)
    rhythm.ran(0.005)
    for i in range(3):
        rhythm.arrived("other", i / 30)
    due = 3 / 30
    until, others = rhythm.expects(due - 0.004, {"me"})
    assert until == pytest.approx(due + 0.001)
    assert others == 1
    assert rhythm.expects(due - 0.006, {"me"})[1] == 0  # a batch of one's own is done before
    assert rhythm.expects(due + SLACK_S / 2, {"me"})[1] == 1  # a little late
    assert rhythm.expects(due + 2 * SLACK_S, {"me"})[1] == 0  # lost
    assert rhythm.expects(due, {"me", "other"})[1] == 0  # here already


def test_patience_bounds_the_wait_where_batches_are_slow() -> None:
    rhythm = Rhythm(0.008)
    rhythm.ran(0.1)
    assert rhythm.expects(1.0, set())[0] == pytest.approx(1.008)


def test_streams_that_come_seldom_or_are_closed_are_not_expected() -> None:
    rhythm = Rhythm(0.008)
    rhythm.ran(0.008)
    for i in range(3):
        rhythm.arrived("slow", i / 2)
        rhythm.arrived("closed", i / 30)
    rhythm.forget("closed")
    assert rhythm.expects(1.5, {"me"})[1] == 0
    assert rhythm.expects(3 / 30, {"me"})[1] == 0


def test_a_leader_takes_a_stream_along_that_comes_while_it_waits() -> None:
    work = Work()
    work.go.set()
    now = [0.0]
    batcher: Batcher[int, int] = Batcher(work, limit=8, patience_s=PATIENCE_S, clock=lambda: now[0])
    batcher._rhythm.ran(PATIENCE_S)
    for t in (0.0, 0.1):
        now[0] = t
        batcher.submit("other", 1)
    batcher._rhythm.ran(1e6)  # both ran in no time: make a batch dear again
    leader = threading.Thread(target=batcher.submit, args=("me", 2))
    leader.start()
    until = time.monotonic() + PATIENCE_S
    while not batcher.waiting:
        assert time.monotonic() < until
        time.sleep(0.001)
    batcher.submit("other", 3)
    leader.join(PATIENCE_S)
    assert sorted(work.batches[-1]) == [2, 3]

"""One thread for all streams' estimators: batches, failures, and who is cancelled."""

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from typing import Any, cast

import pytest

from genmo_stream import mind
from genmo_stream.mind import Mind
from tests.camera_server import until


class Steps:
    """Stands for advance_groups: blocks until it is let go; "bad" steps fail."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.go = threading.Semaphore(0)

    def __call__(self, groups: Sequence[Sequence[str]]) -> list[list[str] | Exception]:
        self.batches.append([group[0] for group in groups])
        assert self.go.acquire(timeout=30)
        return [ValueError("bad") if "bad" in group else list(group) for group in groups]


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    made = Steps()
    monkeypatch.setattr(mind, "advance_groups", made)
    return made


def run(test: Coroutine[Any, Any, object]) -> None:
    asyncio.run(test)


async def advance(one: Mind, name: str) -> list[str]:
    """A stream of this name hands in its steps."""
    return await cast(Any, one.advance)([name])  # type: ignore[no-any-return]


async def until_running(steps: Steps, batches: int) -> None:
    await until(lambda: len(steps.batches) >= batches)


def test_who_comes_while_a_batch_runs_is_in_the_next_one_together(steps: Steps) -> None:
    async def main() -> None:
        one = Mind()
        first = [asyncio.create_task(advance(one, name)) for name in ("a", "b")]
        await until_running(steps, 1)
        later = [asyncio.create_task(advance(one, name)) for name in ("c", "d")]
        await asyncio.sleep(0)
        steps.go.release(2)
        assert await asyncio.gather(*first, *later) == [["a"], ["b"], ["c"], ["d"]]
        assert steps.batches == [["a", "b"], ["c", "d"]]
        one.close()

    run(main())


def test_where_frames_come_fast_the_first_waits_for_others(steps: Steps) -> None:
    async def main() -> None:
        one = Mind(patience_s=1.0)
        steps.go.release()
        first = asyncio.create_task(advance(one, "a"))
        for _ in range(5):  # turns of the loop, in which it would have started
            await asyncio.sleep(0)
        assert await advance(one, "b") == ["b"]
        assert await first == ["a"]
        assert steps.batches == [["a", "b"]]
        one.close()

    run(main())


def test_a_stream_that_fails_fails_alone(steps: Steps) -> None:
    async def main() -> None:
        one = Mind()
        steps.go.release()
        good, bad = await asyncio.gather(
            advance(one, "good"),
            advance(one, "bad"),
            return_exceptions=True,
        )
        assert good == ["good"]
        assert isinstance(bad, ValueError)
        assert steps.batches == [["good", "bad"]]
        one.close()

    run(main())


def test_who_is_cancelled_waits_for_the_batch_that_touches_it_and_leaves_the_queue(
    steps: Steps,
) -> None:
    async def main() -> None:
        one = Mind()
        running = asyncio.create_task(advance(one, "a"))
        await until_running(steps, 1)
        queued = asyncio.create_task(advance(one, "b"))
        await asyncio.sleep(0)
        running.cancel()
        queued.cancel()
        await asyncio.wait((queued,))
        assert queued.cancelled()
        assert not running.done()
        steps.go.release()
        await asyncio.wait((running,))
        assert running.cancelled()
        assert steps.batches == [["a"]]
        one.close()

    run(main())

"""One queue for all streams' estimators: batches, failures, and who is cancelled."""

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from typing import Any, cast

from genmo_rt.engine.engine import EngineFigures
from genmo_stream.mind import Mind, ThreadMind
from genmo_stream.publish_options import PublishOptions
from genmo_stream.solvers import Followed
from genmo_stream.thinker import Advance, Answer, Company, Forget, Order, Thinker, Thought
from tests.camera_server import until
from tests.genmo_stream.test_places import frame

BAD = 99


class Blocking:
    """Stands for a Thinker: blocks until it is let go; the stream BAD fails."""

    figures = EngineFigures(1, 1, 0, 0, 0, 0.0)

    def __init__(self) -> None:
        self.batches: list[list[int | str]] = []
        self.go = threading.Semaphore(0)

    def __call__(self, orders: Sequence[Order]) -> list[Answer]:
        self.batches.append(
            [f"forget {o.stream}" if isinstance(o, Forget) else o.stream for o in orders]
        )
        assert self.go.acquire(timeout=30)
        return [_answer(order) for order in orders]


def _answer(order: Order) -> Answer:
    if isinstance(order, Forget):
        return None
    if order.stream == BAD:
        return ValueError("bad")
    return Thought((), (order.followed.number,), order.stream)


def run(test: Coroutine[Any, Any, object]) -> None:
    asyncio.run(test)


async def advance(one: Mind, stream: int) -> int:
    """A stream of this number hands in a frame; whose places it is told."""
    followed: Followed = frame()
    return (await one.advance(Advance(stream, 1, PublishOptions(), followed))).places


async def until_running(thinks: Blocking, batches: int) -> None:
    await until(lambda: len(thinks.batches) >= batches)


def test_who_comes_while_a_batch_runs_is_in_the_next_one_together() -> None:
    async def main() -> None:
        thinks = Blocking()
        one = ThreadMind(cast(Thinker, thinks))
        first = [asyncio.create_task(advance(one, stream)) for stream in (1, 2)]
        await until_running(thinks, 1)
        later = [asyncio.create_task(advance(one, stream)) for stream in (3, 4)]
        await asyncio.sleep(0)
        thinks.go.release(2)
        assert await asyncio.gather(*first, *later) == [1, 2, 3, 4]
        assert thinks.batches == [[1, 2], [3, 4]]
        await one.close()

    run(main())


def test_where_frames_come_fast_the_first_waits_for_others() -> None:
    async def main() -> None:
        thinks = Blocking()
        one = ThreadMind(cast(Thinker, thinks), Company(1.0))
        thinks.go.release()
        first = asyncio.create_task(advance(one, 1))
        for _ in range(5):  # turns of the loop, in which it would have started
            await asyncio.sleep(0)
        assert await advance(one, 2) == 2
        assert await first == 1
        assert thinks.batches == [[1, 2]]
        await one.close()

    run(main())


def test_a_stream_that_fails_fails_alone() -> None:
    async def main() -> None:
        thinks = Blocking()
        one = ThreadMind(cast(Thinker, thinks))
        thinks.go.release()
        good, bad = await asyncio.gather(advance(one, 1), advance(one, BAD), return_exceptions=True)
        assert good == 1
        assert isinstance(bad, ValueError)
        assert thinks.batches == [[1, BAD]]
        await one.close()

    run(main())


def test_a_stream_is_forgotten_after_its_frame_that_is_asked_about() -> None:
    async def main() -> None:
        thinks = Blocking()
        one = ThreadMind(cast(Thinker, thinks))
        running = asyncio.create_task(advance(one, 1))
        await until_running(thinks, 1)
        one.forget(1)
        again = asyncio.create_task(advance(one, 1))
        await asyncio.sleep(0)
        thinks.go.release(2)
        assert await asyncio.gather(running, again) == [1, 1]
        assert thinks.batches == [[1], ["forget 1", 1]]
        await one.close()

    run(main())


def test_who_is_cancelled_waits_for_the_batch_that_touches_it_and_leaves_the_queue() -> None:
    async def main() -> None:
        thinks = Blocking()
        one = ThreadMind(cast(Thinker, thinks))
        running = asyncio.create_task(advance(one, 1))
        await until_running(thinks, 1)
        queued = asyncio.create_task(advance(one, 2))
        await asyncio.sleep(0)
        running.cancel()
        queued.cancel()
        await asyncio.wait((queued,))
        assert queued.cancelled()
        assert not running.done()
        thinks.go.release()
        await asyncio.wait((running,))
        assert running.cancelled()
        assert thinks.batches == [[1]]
        await one.close()

    run(main())

"""The model's process, really running: the same poses, errors, a sudden death, and the end."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from genmo_rt.estimate import Estimator
from genmo_stream.errors import ThinkerError
from genmo_stream.process_mind import ProcessMind
from genmo_stream.thinker import Thinker, Thought
from genmo_stream.thinker_process import Weights
from tests.camera_server import until
from tests.genmo_stream.test_places import frame
from tests.genmo_stream.test_thinker import ask, same, thought

SHIPPED = Weights(None, None, "cpu", "float32")


@pytest.fixture
def mind() -> Iterator[ProcessMind]:
    """With room for two persons; the test closes it."""
    made = ProcessMind(SHIPPED)
    try:
        made.wait()
        made.open(places=2)
        yield made
    finally:
        made.abandon()


@pytest.mark.slow
def test_another_process_gives_the_same_poses_and_goes_on_after_a_death(mind: ProcessMind) -> None:
    here = Thinker(Estimator.load(streams=2, precision="float32"))

    async def both(index: int) -> Thought:
        order = ask(0, frame(1, index=index))
        there = await mind.advance(order)
        (mine,) = here([order])
        for posed, wanted in zip(there.persons, thought(mine).persons, strict=True):
            assert posed.person == wanted.person
            assert [
                same(pose, want)
                for (pose, _), (want, _) in zip(posed.poses, wanted.poses, strict=True)
            ] == [True] * len(wanted.poses)
        assert (there.due, there.places) == ((index,), 1)
        return there

    async def main() -> None:
        for index in range(3):
            await both(index)
        assert (mind.figures.slots, mind.figures.free) == (2, 1)
        # a stream that fails does so alone, with what went wrong in there
        good, bad = await asyncio.gather(
            mind.advance(ask(1, frame(1))),
            mind.advance(ask(2, frame(1))),
            return_exceptions=True,
        )
        assert isinstance(good, Thought)
        assert isinstance(bad, ThinkerError)
        assert "EngineFull" in str(bad)
        assert "solvers.py" in str(bad)  # where
        mind.forget(1)
        await until(lambda: mind.figures.free == 1)
        # who is waiting when the process dies is answered by the next one
        died = mind.pid
        assert died is not None
        os.kill(died, signal.SIGSTOP)
        waiting = asyncio.create_task(mind.advance(ask(0, frame(1, index=3))))
        await asyncio.sleep(0.05)
        os.kill(died, signal.SIGKILL)
        assert (await waiting).due == (3,)
        assert mind.pid not in (died, None)
        assert (await mind.advance(ask(3, frame(7)))).places == 1
        last = mind.pid
        assert last is not None
        await mind.close()
        assert not psutil.pid_exists(last)

    asyncio.run(main())


@pytest.mark.slow
def test_a_process_that_dies_over_the_same_frames_twice_fails_them(mind: ProcessMind) -> None:
    async def main() -> None:
        waiting = asyncio.create_task(mind.advance(ask(0, frame(1))))
        killed: set[int] = set()
        while not waiting.done():
            pid = mind.pid
            if pid is not None and pid not in killed and len(killed) < 2:
                os.kill(pid, signal.SIGKILL)  # before it can have answered, or loaded
                killed.add(pid)
            await asyncio.sleep(0.001)
        with pytest.raises(ThinkerError, match="ended twice over the same frame"):
            await waiting
        assert (await mind.advance(ask(0, frame(1)))).places == 1  # the third one lives
        await mind.close()

    asyncio.run(main())


def test_weights_that_cannot_be_read_are_told_of(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"no weights")
    mind = ProcessMind(Weights(path, None, "cpu", None))
    with pytest.raises(ThinkerError, match=r"can't start: .*weights\.safetensors"):
        mind.wait()
    mind.abandon()

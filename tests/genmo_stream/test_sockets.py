"""A websocket reads on while messages are taken, and stops while they aren't."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from websockets.asyncio.client import connect

from genmo_stream.sockets import MOST_WAITING, ViewerSocket

TRIES = 3000  # at what is waited for, a hundredth of a second apart


def test_messages_that_nobody_takes_stop_the_reading_and_none_is_lost() -> None:
    asyncio.run(_backlog())


async def _backlog() -> None:
    taken: list[str] = []
    may_take = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await may_take.wait()
        while (event := await receive())["type"] == "websocket.receive":
            taken.append(event["text"])

    sent = [str(number) for number in range(3 * MOST_WAITING)]
    async with _serving(app) as server:
        url = f"ws://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        async with connect(url, compression=None, proxy=None) as client:
            (socket,) = server.server_state.connections
            assert isinstance(socket, ViewerSocket)
            for number in sent[:2]:
                await client.send(number)
            await _until(lambda: socket.queue.qsize() == 2)
            assert socket.transport.is_reading()
            for number in sent[2:MOST_WAITING]:
                await client.send(number)
            await _until(lambda: socket.queue.qsize() == MOST_WAITING)
            assert not socket.transport.is_reading()
            for number in sent[MOST_WAITING:]:
                await client.send(number)
            may_take.set()
            await _until(lambda: len(taken) == len(sent))
            assert taken == sent
            assert socket.transport.is_reading()


@asynccontextmanager
async def _serving(app: Any) -> AsyncIterator[uvicorn.Server]:
    config = uvicorn.Config(app, port=0, ws=ViewerSocket, lifespan="off", log_level="error")
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    try:
        await _until(lambda: server.started)
        yield server
    finally:
        server.should_exit = True
        await running


async def _until(done: Callable[[], bool]) -> None:
    for _ in range(TRIES):
        if done():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"not within {TRIES / 100:g} s")

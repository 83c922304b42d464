"""A Thinker in a process of its own: its Python and the server's don't wait for one lock.

Both ends speak over a socket (thinker_wire.py). The server sends orders as they come; the process
takes those that are there when a batch ends as the next one, half of the streams' at most.
"""

import asyncio
import atexit
import multiprocessing
import pickle
import select
import signal
import socket
import time
import traceback
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch

from genmo_rt.checkpoint import DEFAULT_CHECKPOINT, load_checkpoint
from genmo_rt.engine.engine import Engine, EngineFigures
from genmo_rt.engine.folding import Precision
from genmo_rt.errors import GenmoError
from genmo_rt.estimate import Estimator
from genmo_rt.smpl import load_body
from genmo_stream.errors import ThinkerError
from genmo_stream.memory import settle, share_arenas, trim
from genmo_stream.thinker import Answer, Company, Forget, Thinker
from genmo_stream.thinker_wire import LENGTH, Asked, Inbox, Told, decode_asked, encode_told

START_S = 120.0  # for the process to load torch and the weights
STOP_S = 5.0
MOST_BYTES = 1 << 18  # read at once

Link = TypeVar("Link", bound=asyncio.Protocol)


@dataclass(frozen=True, slots=True)
class Weights:
    """What the process loads.

    Attributes:
        checkpoint: a safetensors file; None for the one that ships.
        body: a user's body; None for the built-in one.
        device: torch's name of the device.
        precision: of the weights; None for what the device does best.
    """

    checkpoint: Path | None
    body: Path | None
    device: str
    precision: Precision | None


class ThinkerProcess:
    """The process from start to end; every call but `connect` blocks."""

    def __init__(self, weights: Weights) -> None:
        """Starts the process, which begins to load."""
        spawn = multiprocessing.get_context("spawn")
        self._link, theirs = socket.socketpair()
        self._process = spawn.Process(
            target=_serve, args=(theirs, weights), name="genmo-rt model", daemon=True
        )
        self._process.start()
        theirs.close()  # so that its end is heard here
        self._connected = False
        atexit.register(self._hang_up)  # before Python waits for its children
        self._link.settimeout(START_S)

    @property
    def pid(self) -> int:
        """The process's id."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def used(self) -> bool:
        """Whether it was connected; it is so once."""
        return self._connected

    def wait(self) -> None:
        """Waits until everything is loaded.

        Raises:
            ThinkerError: that failed.
        """
        self._hear()

    def open(self, places: int) -> EngineFigures:
        """Makes room for so many persons at once; from then on the link takes orders.

        Raises:
            ThinkerError: there isn't memory for so many.
        """
        try:
            self._link.sendall(_packed(places))
        except OSError as error:
            raise ThinkerError(f"the model's process ended: {error}") from error
        figures: EngineFigures = self._hear()
        return figures

    async def connect(self, protocol: Callable[[], Link]) -> Link:
        """Ties the link to this event loop: it takes messages of Asked and gives those of Told."""
        self._connected = True
        self._link.setblocking(False)
        loop = asyncio.get_running_loop()
        _, made = await loop.create_connection(protocol, sock=self._link)
        return made

    def close(self) -> None:
        """Ends the process, which is told by the end of the link."""
        self._hang_up()
        self._process.join(STOP_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._process.close()

    def _hang_up(self) -> None:
        atexit.unregister(self._hang_up)
        with suppress(OSError):
            self._link.shutdown(socket.SHUT_RDWR)
        self._link.close()

    def _hear(self) -> Any:
        try:
            said = _receive(self._link)
        except (EOFError, OSError) as error:
            raise ThinkerError(
                f"the model's process did not start: {error or 'it ended'}"
            ) from error
        if isinstance(said, ThinkerError):
            raise said
        return said


def _packed(what: object) -> bytes:
    """A pickle with its length before it: what is said until everything is ready."""
    data = pickle.dumps(what, pickle.HIGHEST_PROTOCOL)
    return LENGTH.pack(len(data)) + data


def _receive(link: socket.socket) -> Any:
    """The next thing that comes; raises EOFError when nothing can come any more."""
    (size,) = LENGTH.unpack(_exactly(link, LENGTH.size))
    return pickle.loads(_exactly(link, size))


def _exactly(link: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        part = link.recv(size - len(data))
        if not part:
            raise EOFError
        data += part
    return bytes(data)


def _serve(link: socket.socket, weights: Weights) -> None:
    """The process: loads, makes room, and carries out orders until the link is closed."""
    for ignored in (signal.SIGINT, signal.SIGTERM):  # it may be told too: the server ends it
        signal.signal(ignored, signal.SIG_IGN)
    share_arenas()
    with suppress(EOFError, OSError):  # the server is gone
        try:
            torch.set_num_threads(1)
            checkpoint = load_checkpoint(weights.checkpoint or DEFAULT_CHECKPOINT, weights.device)
            body = load_body(weights.body)
            link.sendall(_packed(None))
            places = _receive(link)
            engine = Engine(checkpoint.model, slots=places, precision=weights.precision)
        except (GenmoError, MemoryError, RuntimeError) as error:
            link.sendall(_packed(ThinkerError(f"the model's process can't start: {error}")))
            return
        thinker, company = Thinker(Estimator(checkpoint, body, engine)), Company()
        link.sendall(_packed(thinker.figures))
        settle()
        orders = _Orders(link)
        while True:
            batch = _gather(orders, company, thinker.most)
            answers = thinker([asked.order for asked in batch])
            told = tuple((a.number, _portable(b)) for a, b in zip(batch, answers, strict=True))
            figures = thinker.figures
            link.sendall(encode_told(Told(told, figures)))
            if figures.free == figures.slots and any(isinstance(a.order, Forget) for a in batch):
                trim()  # nobody is left, and nobody waits


class _Orders:
    """What comes over the link, read as it comes."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._inbox = Inbox()
        self._whole: deque[Asked] = deque()

    def take(self, wait_s: float | None) -> Asked | None:
        """The next order; None when none came within so many seconds, None = for ever.

        Raises:
            EOFError: nothing can come any more.
        """
        until = None if wait_s is None else time.monotonic() + wait_s
        while not self._whole:
            left = None if until is None else max(until - time.monotonic(), 0.0)
            if not select.select((self._link,), (), (), left)[0]:
                return None
            data = self._link.recv(MOST_BYTES)
            if not data:
                raise EOFError
            self._inbox.add(data)
            while (message := self._inbox.take()) is not None:
                self._whole.append(decode_asked(message))
        return self._whole.popleft()


def _gather(orders: _Orders, company: Company, most: int) -> list[Asked]:
    """All that was ordered, the first so many; where nothing was, what comes next with company."""
    batch: list[Asked] = []
    asked = orders.take(0.0)
    until = None if asked is None else 0.0  # it was busy: who is there has waited long enough
    if asked is None:
        asked = orders.take(None)
    while asked is not None:
        batch.append(asked)
        now = time.monotonic()
        wait_s = company.wait_s(asked.order, now)
        until = now + wait_s if until is None else until
        asked = orders.take(max(until - now, 0.0)) if len(batch) < most else None
    return batch


def _portable(answer: Answer) -> Answer:
    """An error as one that any process can read, with where it came from."""
    if isinstance(answer, Exception):
        return ThinkerError("".join(traceback.format_exception(answer)))
    return answer

"""A Thinker in a process of its own: its Python and the server's don't wait for one lock.

Both ends speak in pickles over a socket. The server sends orders as they come; the process takes
all that are there when a batch ends as the next one.
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
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
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
from genmo_stream.thinker import Answer, Company, Forget, Order, Thinker

START_S = 120.0  # for the process to load torch and the weights
STOP_S = 5.0
LENGTH = Struct("!I")  # of the pickle that follows

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


@dataclass(frozen=True, slots=True)
class Asked:
    """An order on its way to the process; the answer has its number."""

    number: int
    order: Order


@dataclass(frozen=True, slots=True)
class Told:
    """What came of a batch, on its way back.

    Attributes:
        answers: by the orders' numbers.
        figures: how the engine does.
    """

    answers: tuple[tuple[int, Answer], ...]
    figures: EngineFigures


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
            self._link.sendall(packed(places))
        except OSError as error:
            raise ThinkerError(f"the model's process ended: {error}") from error
        figures: EngineFigures = self._hear()
        return figures

    async def connect(self, protocol: Callable[[], Link]) -> Link:
        """Ties the link to this event loop: it takes pickles of Asked and gives those of Told."""
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


def packed(what: object) -> bytes:
    """A pickle with its length before it."""
    data = pickle.dumps(what, pickle.HIGHEST_PROTOCOL)
    return LENGTH.pack(len(data)) + data


def unpacked(data: bytes) -> Any:
    """What `packed` packed."""
    return pickle.loads(data[LENGTH.size :])


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
            link.sendall(packed(None))
            places = _receive(link)
            engine = Engine(checkpoint.model, slots=places, precision=weights.precision)
        except (GenmoError, MemoryError, RuntimeError) as error:
            link.sendall(packed(ThinkerError(f"the model's process can't start: {error}")))
            return
        thinker, company = Thinker(Estimator(checkpoint, body, engine)), Company()
        link.sendall(packed(thinker.figures))
        settle()
        while True:
            batch = _gather(link, company)
            answers = thinker([asked.order for asked in batch])
            told = tuple((a.number, _portable(b)) for a, b in zip(batch, answers, strict=True))
            figures = thinker.figures
            link.sendall(packed(Told(told, figures)))
            if figures.free == figures.slots and any(isinstance(a.order, Forget) for a in batch):
                trim()  # nobody is left, and nobody waits


def _gather(link: socket.socket, company: Company) -> list[Asked]:
    """All that was ordered; where nothing was, what comes next, with its company."""
    batch: list[Asked] = []
    until = 0.0 if _ready(link, 0.0) else None  # it was busy: who is there has waited long enough
    while until is None or _ready(link, until - time.monotonic()):
        asked: Asked = _receive(link)
        batch.append(asked)
        now = time.monotonic()
        wait_s = company.wait_s(asked.order, now)
        until = now + wait_s if until is None else until
    return batch


def _ready(link: socket.socket, wait_s: float) -> bool:
    return bool(select.select((link,), (), (), max(wait_s, 0.0))[0])


def _portable(answer: Answer) -> Answer:
    """An error as one that any process can read, with where it came from."""
    if isinstance(answer, Exception):
        return ThinkerError("".join(traceback.format_exception(answer)))
    return answer

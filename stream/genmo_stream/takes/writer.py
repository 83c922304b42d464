"""Writes one take, on a thread of its own: a slow or full disk never holds the stream up."""

import logging
import queue
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from genmo_stream.takes.records import MAGIC, Kind, Recorded, encode, encode_json

FLUSH_S = 0.5  # what a crash may cost
WAITING = 4096  # notes that may wait for the disk, more than a minute of one person
MIN_FREE = 256 << 20  # bytes left on the disk for others

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TakeLimits:
    """Where a take ends by itself.

    Attributes:
        seconds: longest take.
        size: most bytes of one file.
        min_free: bytes of the disk that are left alone.
    """

    seconds: float = 3600.0
    size: int = 2 << 30
    min_free: int = MIN_FREE


class TakeWriter:
    """One growing file. `write` is for one thread (the event loop) and returns at once."""

    def __init__(
        self,
        path: Path,
        about: dict[str, Any],
        limits: TakeLimits,
        *,
        clock: Callable[[], float] = time.monotonic,
        open_file: Callable[[Path], BinaryIO] = lambda path: path.open("xb"),
    ) -> None:
        """Makes the file.

        Args:
            path: of a file that isn't there yet.
            about: the first record.
            limits: where it ends by itself.
            clock: seconds, steady.
            open_file: opens it for writing.
        Raises:
            OSError: the file can't be made.
        """
        self.ended: str | None = None  # why, in words, once it has
        self.dropped = 0  # notes that found the queue full: the disk was too slow
        self._path = path
        self._limits = limits
        self._now = clock
        self._started = clock()
        self._queue: queue.Queue[Recorded | str] = queue.Queue(WAITING)
        self._file = open_file(path)
        try:
            self._bytes = self._file.write(MAGIC + encode_json(Kind.ABOUT, about))
            self._file.flush()
        except OSError:
            self._file.close()
            raise
        self._thread = threading.Thread(target=self._work, name=f"take {path.parent.name}")
        self._thread.start()

    @property
    def seconds(self) -> float:
        """How long it has been going."""
        return self._now() - self._started

    @property
    def bytes(self) -> int:
        """How large the file is."""
        return self._bytes

    def write(self, note: Recorded) -> None:
        """Takes one note; it is dropped if the disk is more than WAITING notes behind."""
        if self.ended is None:
            self._put(note)

    def stop(self, reason: str = "stopped") -> None:
        """Writes what waits and ends the file; blocks until that is done."""
        while self._thread.is_alive():
            try:
                self._queue.put(reason, timeout=FLUSH_S)
                break
            except queue.Full:  # the disk is behind, or the thread has just given up
                continue
        self._thread.join()

    def _put(self, note: Recorded) -> None:
        try:
            self._queue.put_nowait(note)
        except queue.Full:
            self.dropped += 1

    def _work(self) -> None:
        try:
            with self._file:
                self.ended = self._write_until_end()
        except OSError as error:
            # What was written so far is good; the half of a record behind it is skipped by readers.
            self.ended = f"the disk can't be written: {error.strerror}"
        if self.ended != "stopped":
            logger.warning("take %s ended: %s", self._path.parent.name, self.ended)

    def _write_until_end(self) -> str:
        flushed = self._now()
        while True:
            try:
                note = self._queue.get(timeout=FLUSH_S)
            except queue.Empty:
                note = None
            reason = note if isinstance(note, str) else None
            if note is not None and not isinstance(note, str):
                self._bytes += self._file.write(encode(note))
            if reason is None and self._now() - flushed >= FLUSH_S:
                self._file.flush()
                flushed = self._now()
                reason = self._over()
            if reason is not None:
                end = {"reason": reason, "dropped": self.dropped}
                self._bytes += self._file.write(encode_json(Kind.END, end))
                return reason

    def _over(self) -> str | None:
        """Which limit is reached, if any."""
        limits = self._limits
        if self.seconds >= limits.seconds:
            return f"it is {limits.seconds / 60:g} minutes long, the limit"
        if self._bytes >= limits.size:
            return f"its file has {limits.size >> 20} MiB, the limit"
        if shutil.disk_usage(self._path.parent).free < limits.min_free:
            return f"the disk has less than {limits.min_free >> 20} MiB left"
        return None

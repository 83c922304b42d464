"""The folder of takes: starts and stops recordings, lists, renames and deletes them."""

import re
import secrets
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from genmo_stream.errors import NoRoom, TakeBusy, UnknownTake
from genmo_stream.hub import Hub
from genmo_stream.listener import Note, Sighting, Solved
from genmo_stream.takes.info import TakeInfo, checked_name, read_info, write_info
from genmo_stream.takes.take import FILE_NAME, Take, read_take
from genmo_stream.takes.writer import TakeLimits, TakeWriter
from genmo_stream.wire import PoseMessage, Skeleton, Subject

TAKE_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{6}")


@dataclass(slots=True)
class _Recording:
    info: TakeInfo
    writer: TakeWriter
    frames: int
    persons: set[int]


class Takes:
    """All takes of one folder. A stream listener: recordings hear their streams through it.

    `hear` and `start` are for the event loop; the rest may block and runs anywhere.
    """

    def __init__(
        self,
        folder: Path,
        *,
        body: str,
        limits: TakeLimits = TakeLimits(),  # noqa: B008 - frozen
        clock_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        """Looks after a folder; it is made when the first take starts.

        Args:
            folder: where takes are, one folder each.
            body: name of the body whose joints streams publish.
            limits: where a take ends by itself.
            clock_us: Unix microseconds.
        """
        self.folder = folder
        self._body = body
        self._limits = limits
        self._clock_us = clock_us
        self._recordings: dict[str, _Recording] = {}  # by stream, until they are stopped
        self._lock = threading.Lock()  # of the info files

    def hear(self, stream: str, note: Note) -> None:
        """Hands what a stream says to its recording, if it has one."""
        recording = self._recordings.get(stream)
        if recording is None:
            return
        match note:
            case PoseMessage() | Skeleton() | Subject():
                recording.writer.write(note)
            case Sighting():
                recording.frames += 1
                recording.writer.write(note)
            case Solved():
                recording.persons.add(note.person)
                recording.writer.write(note)

    def start(self, hub: Hub, name: str | None = None) -> TakeInfo:
        """Starts recording a stream.

        Args:
            hub: of the stream.
            name: for people; None for the stream's name and the time.
        Raises:
            TakeBusy: the stream is being recorded.
            TakeError: the name can't be used.
            NoRoom: the disk can't.
        """
        busy = self._recordings.get(hub.stream)
        if busy is not None and busy.writer.ended is None:
            raise TakeBusy(f"'{hub.stream}' is being recorded as {busy.info.id}; stop that first")
        if busy is not None:
            self.stop(busy.info.id)
        started_us = self._clock_us()
        moment = time.localtime(started_us / 1e6)
        info = TakeInfo(
            id=f"{time.strftime('%Y%m%d-%H%M%S', moment)}-{secrets.token_hex(3)}",
            name=checked_name(name or f"{hub.stream} {time.strftime('%Y-%m-%d %H:%M:%S', moment)}"),
            stream=hub.stream,
            started_us=started_us,
            recording=True,
            ended=None,
            seconds=0.0,
            frames=0,
            bytes=0,
            persons=(),
        )
        writer = self._open(info)
        for message in hub.retained():
            if isinstance(message, Skeleton | Subject):
                writer.write(message)
        self._recordings[hub.stream] = _Recording(info, writer, 0, set())
        return info

    def stop(self, take: str) -> TakeInfo:
        """Stops a recording, or says again how it ended; blocks while the rest is written.

        Raises:
            UnknownTake: there is no such take.
        """
        recording = self._recording(take)
        if recording is None:
            return self.get(take)
        recording.writer.stop()
        info = self._growing(recording)
        self._write_info(info)
        self._recordings.pop(info.stream, None)
        return info

    def close(self) -> None:
        """Stops every recording."""
        for recording in tuple(self._recordings.values()):
            self.stop(recording.info.id)

    def all(self) -> list[TakeInfo]:
        """All takes, the newest first."""
        try:
            names = [path.name for path in self.folder.iterdir() if TAKE_ID.fullmatch(path.name)]
        except FileNotFoundError:
            return []
        found = []
        for name in sorted(names, reverse=True):
            try:
                found.append(self.get(name))
            except UnknownTake:  # deleted meanwhile, or no take at all
                continue
        return found

    def get(self, take: str) -> TakeInfo:
        """One take.

        Raises:
            UnknownTake: there is no such take, or its file can't be read.
        """
        folder = self.path(take)
        recording = self._recording(take)
        if recording is not None:
            return self._growing(recording)
        info = read_info(folder)
        if info is not None and not info.recording:
            return info
        rescued = self._rescued(take, info.name if info else None)
        self._write_info(rescued)
        return rescued

    def read(self, take: str) -> Take:
        """A take's content; of one that is growing, what is on the disk.

        Raises:
            UnknownTake: there is no such take.
            FileFormatError: its file can't be read.
        """
        return read_take(self.path(take))

    def rename(self, take: str, name: str) -> TakeInfo:
        """Gives a take another name for people.

        Raises:
            UnknownTake: there is no such take.
            TakeError: the name can't be used.
        """
        info = replace(self.get(take), name=checked_name(name))
        recording = self._recording(take)
        if recording is not None:
            recording.info = replace(recording.info, name=info.name)
        self._write_info(info)
        return info

    def delete(self, take: str) -> None:
        """Deletes a take with all that was made of it.

        Raises:
            UnknownTake: there is no such take.
            TakeBusy: it is being recorded.
        """
        folder = self.path(take)
        if self._recording(take) is not None:
            raise TakeBusy(f"take {take} is being recorded; stop it first")
        shutil.rmtree(folder)

    def path(self, take: str) -> Path:
        """The folder of a take.

        Raises:
            UnknownTake: there is no such take.
        """
        folder = self.folder / take
        # The pattern has no dots or slashes: no id leads out of the folder.
        if not TAKE_ID.fullmatch(take) or not folder.is_dir():
            raise UnknownTake(f"there is no take '{take}'; GET /v1/takes lists those that are")
        return folder

    def _open(self, info: TakeInfo) -> TakeWriter:
        folder = self.folder / info.id
        about = {
            "version": 1,
            "stream": info.stream,
            "started_us": info.started_us,
            "body": self._body,
        }
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            free = shutil.disk_usage(self.folder).free
            if free < self._limits.min_free:
                raise NoRoom(
                    f"{self.folder} has {free >> 20} MiB left; expected more than "
                    f"{self._limits.min_free >> 20}: delete takes or set takes_dir to another disk"
                )
            folder.mkdir()
            self._write_info(info)
            return TakeWriter(folder / FILE_NAME, about, self._limits)
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise NoRoom(
                f"{folder} can't be written ({error.strerror}); set takes_dir to another folder"
            ) from error

    def _recording(self, take: str) -> _Recording | None:
        recordings = tuple(self._recordings.values())
        return next((r for r in recordings if r.info.id == take), None)

    def _growing(self, recording: _Recording) -> TakeInfo:
        """What is known of a take of this run, also when it ended by itself."""
        writer = recording.writer
        return replace(
            recording.info,
            recording=writer.ended is None,
            ended=writer.ended,
            seconds=round(writer.seconds, 2),
            frames=recording.frames,
            bytes=writer.bytes,
            persons=tuple(sorted(recording.persons)),
        )

    def _rescued(self, take: str, name: str | None) -> TakeInfo:
        """What the file itself says of a take whose recording wasn't stopped in order."""
        path = self.path(take) / FILE_NAME
        try:
            content = read_take(path)
        except Exception as error:
            raise UnknownTake(f"take '{take}' can't be read: {error}") from error
        return TakeInfo(
            id=take,
            name=name or content.stream,
            stream=content.stream,
            started_us=content.started_us,
            recording=False,
            ended=content.ended or "cut short",
            seconds=round(content.seconds, 2),
            frames=len(content.sightings),
            bytes=path.stat().st_size,
            persons=content.persons,
        )

    def _write_info(self, info: TakeInfo) -> None:
        with self._lock:
            write_info(self.folder / info.id, info)

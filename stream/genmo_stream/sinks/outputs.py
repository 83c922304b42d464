"""All sinks of a server: fed from every stream, added and removed while it runs."""

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from genmo_stream.errors import SinkError
from genmo_stream.listener import Note
from genmo_stream.sinks.config import SinkConfig
from genmo_stream.sinks.sink import Sink
from genmo_stream.wire import PoseMessage, StreamState, Subject

MAX_SINKS = 32


@dataclass(frozen=True, slots=True)
class Running:
    """A sink with the id that names it in URLs."""

    id: str
    sink: Sink


class Outputs:
    """A stream listener that hands poses to sinks. Event-loop only, but for `remove`, `close`."""

    def __init__(
        self, configs: Iterable[SinkConfig] = (), *, make: Callable[[SinkConfig], Sink] = Sink
    ) -> None:
        self._make = make
        self._running: dict[str, Running] = {}
        self._subjects: dict[str, dict[int, Subject]] = {}
        for config in configs:
            self.add(config)

    def hear(self, stream: str, note: Note) -> None:
        """Keeps up with who is there, and offers poses."""
        match note:
            case PoseMessage():
                subjects = self._subjects.get(stream, {})
                for running in self._running.values():
                    running.sink.offer(stream, note, subjects)
            case Subject(state="leave"):
                self._subjects.get(stream, {}).pop(note.person, None)
            case Subject():
                self._subjects.setdefault(stream, {})[note.person] = note
            case StreamState(state="ended"):
                self._subjects.pop(stream, None)
                for running in self._running.values():
                    running.sink.release(stream)

    def all(self) -> list[Running]:
        """Every sink, in the order they were added."""
        return list(self._running.values())

    def add(self, config: SinkConfig) -> Running:
        """Starts a sink.

        Raises:
            SinkError: there are too many.
        """
        if len(self._running) >= MAX_SINKS:
            raise SinkError(f"{MAX_SINKS} sinks are running, the limit; remove one first")
        running = Running(secrets.token_hex(4), self._make(config))
        self._running = {**self._running, running.id: running}
        return running

    def remove(self, sink: str) -> bool:
        """Stops a sink and waits for it; False if there is none of this id."""
        running = self._running.get(sink)
        if running is None:
            return False
        self._running = {key: other for key, other in self._running.items() if key != sink}
        running.sink.close()
        return True

    def close(self) -> None:
        """Stops every sink."""
        for running in self.all():
            self.remove(running.id)

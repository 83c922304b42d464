"""A TCP relay that writes down what goes through it, and reads websocket frames out of that."""

import contextlib
import socket
import threading
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
UPGRADED = b"\r\n\r\n"


@dataclass
class Connection:
    """One connection's bytes, as they went."""

    up: bytearray = field(default_factory=bytearray)  # from the client
    down: bytearray = field(default_factory=bytearray)

    @property
    def request(self) -> str:
        """The first line that the client sent."""
        return bytes(self.up.partition(b"\r\n")[0]).decode("latin-1")

    @property
    def websocket(self) -> bool:
        """Whether it was taken as a websocket."""
        return self.down.startswith(b"HTTP/1.1 101")

    def frames_up(self) -> list["WebsocketFrame"]:
        """The websocket frames that the client sent, whole ones."""
        return read_frames(bytes(self.up.partition(UPGRADED)[2]))


@dataclass(frozen=True)
class WebsocketFrame:
    """A frame's opcode and its payload, unmasked."""

    opcode: int
    payload: bytes


class Relay:
    """`with Relay(port) as relay:` listens on relay.port and leads on to that port."""

    def __init__(self, port: int) -> None:
        self.connections: list[Connection] = []
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def websockets(self, path: str) -> list[Connection]:
        """The websockets whose path contains this."""
        return [one for one in self.connections if one.websocket and path in one.request]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for one in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                return
            self._sockets += [client, server]
            seen = Connection()
            self.connections.append(seen)
            for source, sink, kept in ((client, server, seen.up), (server, client, seen.down)):
                thread = threading.Thread(target=_lead, args=(source, sink, kept), daemon=True)
                self._threads.append(thread)
                thread.start()


def _lead(source: socket.socket, sink: socket.socket, kept: bytearray) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            kept += data
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def read_frames(data: bytes) -> list[WebsocketFrame]:
    """Reads a client's websocket frames (RFC 6455, section 5.2); a cut one at the end is left."""
    frames = []
    at = 0
    while at + 2 <= len(data):
        opcode, length, head = data[at] & 0x0F, data[at + 1] & 0x7F, 2
        assert data[at + 1] & 0x80, "a client's frames are masked"
        if length >= 126:
            wide = 2 if length == 126 else 8
            length, head = int.from_bytes(data[at + 2 : at + 2 + wide]), 2 + wide
        start = at + head + 4
        if start + length > len(data):
            break
        mask = data[at + head : start] * (length // 4 + 1)
        payload = int.from_bytes(data[start : start + length]) ^ int.from_bytes(mask[:length])
        frames.append(WebsocketFrame(opcode, payload.to_bytes(length)))
        at = start + length
    return frames


def opcodes(frames: list[WebsocketFrame]) -> Counter[int]:
    """How many frames there are of each kind."""
    return Counter(frame.opcode for frame in frames)

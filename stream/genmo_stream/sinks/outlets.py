"""How figures leave the machine: each kind of sink's socket and encoder."""

import socket
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from genmo_stream.errors import SinkError
from genmo_stream.sinks.config import AUTO, SinkConfig
from genmo_stream.sinks.figure import Figure
from genmo_stream.sinks.oscquery import find_vrchat
from genmo_stream.sinks.sonic import RATE_HZ, SonicStream
from genmo_stream.sinks.vmc import vmc_packets
from genmo_stream.sinks.vrchat import vrchat_packets


class Outlet(Protocol):
    """Sends what a sink sends. Lives on the sink's thread, where it may block."""

    def send(self, figures: Sequence[Figure | None]) -> int:
        """Sends one moment: a figure for each place, None where nobody is.

        Returns:
            How many packets left.
        Raises:
            OSError: the network can't be used now; the next moment is tried all the same.
        """

    def close(self) -> None:
        """Gives the sockets back."""


class UdpOutlet:
    """Figures as UDP packets, each place's to its own address."""

    def __init__(
        self,
        addresses: Sequence[tuple[str, int]],
        encode: Callable[[Figure | None], Iterable[bytes]],
    ) -> None:
        """Looks the addresses up and opens a socket.

        Raises:
            OSError: a host's name isn't known.
        """
        self._encode = encode
        found = [
            socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0] for host, port in addresses
        ]
        self._targets: list[Any] = [address for *_, address in found]
        self._socket = socket.socket(found[0][0], socket.SOCK_DGRAM)

    def send(self, figures: Sequence[Figure | None]) -> int:
        """As the protocol says."""
        count = 0
        for target, figure in zip(self._targets, figures, strict=True):
            for packet in self._encode(figure):
                self._socket.sendto(packet, target)
                count += 1
        return count

    def close(self) -> None:
        """Closes the socket."""
        self._socket.close()


class ZmqOutlet:
    """Figures as messages of a publisher, each place's of its own; slow readers miss frames."""

    def __init__(self, addresses: Sequence[tuple[str, int]], rate_hz: float) -> None:
        """Binds the publishers.

        Raises:
            SinkError: pyzmq isn't installed.
            OSError: an address can't be bound.
        """
        try:
            import zmq
        except ImportError as error:
            raise SinkError("zmq sinks need pyzmq; pip install 'genmo-rt[sinks]'") from error
        self._zmq = zmq
        self._context = zmq.Context()
        self._places = []
        try:
            for host, port in addresses:
                publisher = self._context.socket(zmq.PUB)
                publisher.setsockopt(zmq.SNDHWM, 5)
                publisher.setsockopt(zmq.LINGER, 0)
                publisher.bind(f"tcp://{f'[{host}]' if ':' in host else host}:{port}")
                self._places.append((publisher, SonicStream(rate_hz=rate_hz)))
        except zmq.ZMQError as error:
            self._context.destroy(linger=0)
            raise OSError(error.errno, f"tcp://{host}:{port} can't be bound: {error}") from error

    def send(self, figures: Sequence[Figure | None]) -> int:
        """As the protocol says."""
        count = 0
        for (publisher, stream), figure in zip(self._places, figures, strict=True):
            message = None if figure is None else stream.message(figure)
            if message is not None:
                publisher.send(message, self._zmq.NOBLOCK)
                count += 1
        return count

    def close(self) -> None:
        """Closes the publishers."""
        self._context.destroy(linger=0)


def open_outlet(config: SinkConfig) -> Outlet:
    """The outlet of a sink's kind.

    Raises:
        SinkError: a library isn't installed, or VRChat isn't found.
        OSError: the address can't be used now.
    """
    if config.kind == "vrchat":
        address = find_vrchat() if config.to == AUTO else config.address(0)

        def trackers(figure: Figure | None) -> Iterable[bytes]:
            return vrchat_packets(figure, config.preset, config.height_m) if figure else ()

        return UdpOutlet([address], trackers)
    addresses = [config.address(person) for person in range(config.persons)]
    if config.kind == "zmq":
        return ZmqOutlet(addresses, config.rate or RATE_HZ)
    started = time.monotonic()
    return UdpOutlet(addresses, lambda figure: vmc_packets(figure, time.monotonic() - started))

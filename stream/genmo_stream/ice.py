"""Which addresses and UDP ports media uses: the one place that reaches into aioice.

aioice binds every address but loopback to a random port and offers no choice; `confine` gives one
connection its own way to open sockets. Everything else (checks, consent, TURN) stays aioice's.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import ifaddr
from aioice import Candidate, Connection
from aioice.candidate import candidate_foundation, candidate_priority
from aioice.ice import StunProtocol, server_reflexive_candidate
from aiortc import RTCIceServer, RTCPeerConnection

from genmo_stream.errors import ConfigError

RECEIVE_BUFFER = 1 << 20  # bytes the kernel may hold per socket; a keyframe comes in one burst
MAX_DATAGRAMS = 2048  # received and not yet read; more are dropped, as the kernel would
STUN_TIMEOUT_S = 3.0


@dataclass(frozen=True, slots=True)
class MediaNetwork:
    """Where media may flow.

    Attributes:
        interfaces: interface names or addresses; empty = all.
        ports: (first, last) UDP port; None = any free one.
    """

    interfaces: tuple[str, ...] = ()
    ports: tuple[int, int] | None = None

    def addresses(self) -> list[str]:
        """The addresses to bind, loopback last.

        IPv6 loopback and link-local addresses are left out: nobody reaches only those.

        Raises:
            ConfigError: an interface isn't there; lists those that are.
        """
        found: list[tuple[str, str]] = []
        for adapter in ifaddr.get_adapters():
            for ip in adapter.ips:
                address = ip.ip if isinstance(ip.ip, str) else ip.ip[0]
                parsed = ipaddress.ip_address(address.partition("%")[0])
                if not parsed.is_link_local and address != "::1":
                    found.append((adapter.name, address))
        for wanted in self.interfaces:
            if not any(wanted in entry for entry in found):
                there = ", ".join(f"{name} {address}" for name, address in found)
                raise ConfigError(
                    f"ice_interfaces names {wanted}, which isn't there; expected of {there}"
                )
        chosen = [a for n, a in found if not self.interfaces or {n, a} & {*self.interfaces}]
        return sorted(chosen, key=lambda a: ipaddress.ip_address(a).is_loopback)


def ice_servers(urls: Iterable[str]) -> list[RTCIceServer]:
    """Reads "stun:HOST:PORT" and "turn:USER:PASSWORD@HOST:PORT?transport=udp" urls.

    Raises:
        ConfigError: a url is neither.
    """
    servers = []
    for url in urls:
        scheme, _, rest = url.partition(":")
        login, _, host = rest.rpartition("@")
        user, _, password = login.partition(":")
        needs_login = scheme in ("turn", "turns")
        if scheme not in ("stun", "turn", "turns") or not host or needs_login != bool(password):
            raise ConfigError(
                f"ice_servers has {scheme}:{host}; expected stun:HOST:PORT or "
                "turn:USER:PASSWORD@HOST:PORT"
            )
        servers.append(
            RTCIceServer(f"{scheme}:{host}", username=user or None, credential=password or None)
        )
    return servers


def ice_connections(connection: RTCPeerConnection) -> list[Connection]:
    """The ICE connections of a peer connection: one, when its media is bundled."""
    transports = [transceiver.receiver.transport for transceiver in connection.getTransceivers()]
    if connection.sctp is not None:
        transports.append(connection.sctp.transport)
    found = {id(t): t.transport.iceGatherer._connection for t in transports}
    return list(found.values())


def confine(connection: Connection, network: MediaNetwork) -> None:
    """Makes a connection that has not gathered yet use only `network`, and bounds its queue."""
    relays = connection.get_component_candidates

    async def get_component_candidates(
        component: int, addresses: list[str], timeout: int = 5
    ) -> list[Candidate]:
        hosts = [await _open(connection, a, network.ports, component) for a in network.addresses()]
        protocols = [protocol for protocol in hosts if protocol is not None]
        connection._protocols += protocols
        candidates = [protocol.local_candidate for protocol in protocols]
        candidates += await _reflexive(connection, protocols)
        return candidates + await relays(component=component, addresses=[], timeout=timeout)

    replace_part(connection, "get_component_candidates", get_component_candidates)
    replace_part(connection, "_queue", _BoundedQueue())


def replace_part(owner: object, name: str, part: object) -> None:
    """Puts ours in the place of a part of aiortc or aioice; fails loudly when it is gone."""
    if not hasattr(owner, name):
        raise RuntimeError(
            f"{type(owner).__name__} has no {name}: this adapter was written for aiortc 1.16 "
            "and aioice 0.13; install those versions"
        )
    setattr(owner, name, part)


class _BoundedQueue(asyncio.Queue[Any]):
    """Datagrams between socket and DTLS; drops new ones when full. None ends the reader."""

    def put_nowait(self, item: Any) -> None:
        if item is None or self.qsize() < MAX_DATAGRAMS:
            super().put_nowait(item)


async def _open(
    connection: Connection, address: str, ports: tuple[int, int] | None, component: int
) -> StunProtocol | None:
    """A host candidate's socket on the first free port; None if there is none."""
    loop = asyncio.get_running_loop()
    for port in range(ports[0], ports[1] + 1) if ports else (0,):
        try:
            transport, protocol = await loop.create_datagram_endpoint(
                lambda: StunProtocol(connection), local_addr=(address, port)
            )
        except OSError:
            continue
        transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER
        )
        host, bound = transport.get_extra_info("sockname")[:2]
        protocol.local_candidate = Candidate(
            foundation=candidate_foundation("host", "udp", host),
            component=component,
            transport="udp",
            priority=candidate_priority(component, "host"),
            host=host,
            port=bound,
            type="host",
        )
        return protocol
    return None


async def _reflexive(connection: Connection, protocols: list[StunProtocol]) -> list[Candidate]:
    """What a STUN server sees of our IPv4 sockets; nothing when it doesn't answer in time."""
    if connection.stun_server is None:
        return []
    asked = [
        asyncio.create_task(server_reflexive_candidate(protocol, connection.stun_server))
        for protocol in protocols
        if (ip := ipaddress.ip_address(protocol.local_candidate.host)).version == 4
        and not ip.is_loopback
    ]
    if not asked:
        return []
    done, pending = await asyncio.wait(asked, timeout=STUN_TIMEOUT_S)
    for task in pending:
        task.cancel()
    return [task.result()[0] for task in done if task.exception() is None]

"""Who may do what: bearer tokens with scopes, single-use tickets, and the origin check."""

import hashlib
import ipaddress
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

SCOPES = ("publish", "view", "admin")
LOCAL_SCOPES = frozenset(SCOPES)  # of callers on this machine
TICKET_S = 30.0  # a ticket's life
PROXY_HEADERS = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
MAX_TICKETS = 1024  # outstanding at once; the oldest go first


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token as the config knows it: its SHA-256 and what it allows."""

    sha256: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Ticket:
    expires: float
    identity: str | None
    scopes: frozenset[str]


class Denied(Exception):
    """The request may not do this; `status` is the HTTP status that says so."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class Authorizer:
    """Checks tokens, tickets and origins of HTTP requests and websocket handshakes.

    A peer on a loopback address needs no token. A token it presents all the same is its identity
    (the same token may take a stream over), known or not.
    """

    def __init__(
        self,
        tokens: tuple[Token, ...] = (),
        *,
        allowed_origins: tuple[str, ...] = (),
        insecure: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tokens = {token.sha256: token.scopes for token in tokens}
        self._allowed_origins = frozenset(origin.rstrip("/") for origin in allowed_origins)
        self._open = insecure and not tokens
        self._clock = clock
        self._tickets: dict[str, _Ticket] = {}

    def authorize(self, connection: HTTPConnection, scope: str) -> str | None:
        """The caller's identity if it may act in `scope`; None for a caller without a token.

        Raises:
            Denied: 401 without a usable token, 403 when the token's scopes don't allow it.
        """
        ticket = connection.query_params.get("ticket")
        if ticket is not None and _bearer(connection) is None:
            identity, scopes = self._redeem(ticket)
        else:
            identity, scopes = self._identify(connection)
        if scope not in scopes and "admin" not in scopes:
            raise Denied(403, f"the token allows {', '.join(sorted(scopes))}; expected {scope}")
        return identity

    def issue_ticket(self, connection: HTTPConnection) -> str:
        """A single-use ticket with the scopes and the identity of the caller's token.

        Raises:
            Denied: as `authorize`; a ticket buys no further one.
        """
        self.check_origin(connection)
        identity, scopes = self._identify(connection)
        now = self._clock()
        self._tickets = {k: v for k, v in self._tickets.items() if v.expires > now}
        while len(self._tickets) >= MAX_TICKETS:
            del self._tickets[next(iter(self._tickets))]
        ticket = secrets.token_urlsafe(24)
        self._tickets[ticket] = _Ticket(now + TICKET_S, identity, scopes)
        return ticket

    def check_origin(self, connection: HTTPConnection) -> None:
        """Refuses pages of foreign sites that a browser lets talk to this server.

        Raises:
            Denied: 403 when the Origin header, or without one the Host of a local request, names
                neither this server, a page of this machine nor an allowed origin. With a token
                that is known here, or a ticket, nothing is refused.
        """
        presented = _bearer(connection)
        if presented is not None and _digest(presented) in self._tokens:
            return
        if presented is None and "ticket" in connection.query_params:
            return
        origin = connection.headers.get("origin")
        host = connection.headers.get("host", "")
        if origin is None:
            # A foreign name that resolves to this machine (DNS rebinding) makes its page's
            # reads same-origin, and those carry no Origin.
            if _from_loopback(connection) and not (_is_ours(host) or self._is_allowed_host(host)):
                raise Denied(
                    403, f"host {host} is not this machine's; add its origin to allowed_origins"
                )
            return
        address = urlsplit(origin).netloc
        same = address == host and (not _from_loopback(connection) or _is_ours(address))
        local = _is_loopback(_hostname(address))
        if not (same or local or origin.rstrip("/") in self._allowed_origins):
            raise Denied(
                403, f"origin {origin} is not allowed; add it to allowed_origins or use a token"
            )

    def _is_allowed_host(self, host: str) -> bool:
        return any(urlsplit(origin).netloc == host for origin in self._allowed_origins)

    def _identify(self, connection: HTTPConnection) -> tuple[str | None, frozenset[str]]:
        """Who the caller is by its token, or by coming from this machine; and what it may do."""
        presented = _bearer(connection)
        digest = None if presented is None else _digest(presented)
        if digest in self._tokens:
            return digest, self._tokens[digest]
        if self._open or _from_loopback(connection):
            return digest, LOCAL_SCOPES
        if digest is None:
            raise Denied(401, "no token; expected Authorization: Bearer TOKEN or ?ticket=TICKET")
        raise Denied(401, "the token is not known here; ask the server's owner for one")

    def _redeem(self, ticket: str) -> tuple[str | None, frozenset[str]]:
        known = self._tickets.pop(ticket, None)
        if known is None or known.expires <= self._clock():
            raise Denied(401, "the ticket is unknown, used or older than 30 s; ask for another")
        return known.identity, known.scopes


def make_token() -> tuple[str, str]:
    """A new random token and its SHA-256 in hex, for the config's [[tokens]]."""
    token = secrets.token_urlsafe(32)
    return token, _digest(token)


def _bearer(connection: HTTPConnection) -> str | None:
    kind, _, token = connection.headers.get("authorization", "").partition(" ")
    return token.strip() or None if kind.lower() == "bearer" else None


def _from_loopback(connection: HTTPConnection) -> bool:
    # Behind a proxy on this machine every peer looks local; its headers give it away.
    proxied = any(name in connection.headers for name in PROXY_HEADERS)
    return connection.client is not None and not proxied and _is_loopback(connection.client.host)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _hostname(address: str) -> str:
    """The host of HOST:PORT, empty when it can't be read."""
    try:
        return urlsplit(f"//{address}").hostname or ""
    except ValueError:
        return ""


def _is_ours(address: str) -> bool:
    """Whether HOST:PORT is an IP address or localhost: no name that a foreign site may own."""
    host = _hostname(address)
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host in ("", "localhost")
    return True


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

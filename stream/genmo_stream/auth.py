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
TICKET_S = 30.0  # a ticket's life
MAX_TICKETS = 1024  # outstanding at once; the oldest go first


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token as the config knows it: its SHA-256 and what it allows."""

    sha256: str
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
        self._tickets: dict[str, tuple[float, frozenset[str]]] = {}

    def authorize(self, connection: HTTPConnection, scope: str) -> str | None:
        """The caller's identity if it may act in `scope`; None for a caller without a token.

        Raises:
            Denied: 401 without a usable token, 403 when the token's scopes don't allow it.
        """
        presented = _bearer(connection)
        ticket = connection.query_params.get("ticket")
        if presented is None and ticket is not None:
            return self._redeem(ticket, scope)
        if presented is None:
            if self._open or _from_loopback(connection):
                return None
            raise Denied(401, "no token; expected Authorization: Bearer TOKEN or ?ticket=TICKET")
        digest = hashlib.sha256(presented.encode()).hexdigest()
        scopes = self._tokens.get(digest)
        if scopes is None:
            if self._open or _from_loopback(connection):
                return digest
            raise Denied(401, "the token is not known here; ask the server's owner for one")
        if scope not in scopes and "admin" not in scopes:
            raise Denied(403, f"the token allows {', '.join(sorted(scopes))}; expected {scope}")
        return digest

    def issue_ticket(self, connection: HTTPConnection) -> str:
        """A single-use ticket with the scopes of the caller's token (view on loopback).

        Raises:
            Denied: as `authorize` for the scope "view".
        """
        self.check_origin(connection)
        digest = self.authorize(connection, "view")
        scopes = self._tokens.get(digest or "", frozenset({"view", "publish"}))
        now = self._clock()
        self._tickets = {k: v for k, v in self._tickets.items() if v[0] > now}
        while len(self._tickets) >= MAX_TICKETS:
            del self._tickets[next(iter(self._tickets))]
        ticket = secrets.token_urlsafe(24)
        self._tickets[ticket] = (now + TICKET_S, scopes)
        return ticket

    def check_origin(self, connection: HTTPConnection) -> None:
        """Refuses pages of foreign sites that a browser lets talk to this server.

        Raises:
            Denied: 403 when the Origin header names neither this server, a page of this machine
                nor an allowed origin. Without the header, or with a token, nothing is refused.
        """
        origin = connection.headers.get("origin")
        if origin is None or _bearer(connection) or connection.query_params.get("ticket"):
            return
        host = urlsplit(origin).hostname or ""
        same = urlsplit(origin).netloc == connection.headers.get("host")
        # A foreign name that resolves to this machine (DNS rebinding) is "the same" too.
        same = same and (not _from_loopback(connection) or _is_address(host))
        if same or _is_loopback(host) or origin.rstrip("/") in self._allowed_origins:
            return
        raise Denied(
            403, f"origin {origin} is not allowed; add it to allowed_origins or use a token"
        )

    def _redeem(self, ticket: str, scope: str) -> str | None:
        expires, scopes = self._tickets.pop(ticket, (0.0, frozenset[str]()))
        if expires <= self._clock():
            raise Denied(401, "the ticket is unknown, used or older than 30 s; ask for another")
        if scope not in scopes and "admin" not in scopes:
            raise Denied(403, f"the ticket allows {', '.join(sorted(scopes))}; expected {scope}")
        return None


def make_token() -> tuple[str, str]:
    """A new random token and its SHA-256 in hex, for the config's [[tokens]]."""
    token = secrets.token_urlsafe(32)
    return token, hashlib.sha256(token.encode()).hexdigest()


def _bearer(connection: HTTPConnection) -> str | None:
    kind, _, token = connection.headers.get("authorization", "").partition(" ")
    return token.strip() or None if kind.lower() == "bearer" else None


def _from_loopback(connection: HTTPConnection) -> bool:
    # Behind a proxy on this machine every peer looks local; its headers give it away.
    proxied = "x-forwarded-for" in connection.headers or "forwarded" in connection.headers
    return connection.client is not None and not proxied and _is_loopback(connection.client.host)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

"""Tokens, tickets and the origin check, on bare ASGI scopes."""

import hashlib

import pytest
from starlette.requests import HTTPConnection

from genmo_stream.auth import TICKET_S, Authorizer, Denied, Token

FAR = "192.0.2.7"
TOKEN = "a viewer's secret"
VIEWER = Token(hashlib.sha256(TOKEN.encode()).hexdigest(), frozenset({"view"}))


def connection(peer: str, query: str = "", **headers: str) -> HTTPConnection:
    raw = [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()]
    scope = {
        "type": "http",
        "client": (peer, 5),
        "query_string": query.encode(),
        "headers": raw,
        "path": "/",
        "method": "GET",
        "scheme": "http",
        "server": ("127.0.0.1", 80),
    }
    return HTTPConnection(scope)


def test_loopback_needs_no_token() -> None:
    assert Authorizer((VIEWER,)).authorize(connection("127.0.0.1"), "publish") is None


def test_a_proxied_peer_is_not_local() -> None:
    with pytest.raises(Denied, match="no token"):
        Authorizer((VIEWER,)).authorize(connection("127.0.0.1", x_forwarded_for=FAR), "view")


def test_elsewhere_a_token_with_the_scope_is_needed() -> None:
    guard = Authorizer((VIEWER,))
    bearer = f"Bearer {TOKEN}"
    assert guard.authorize(connection(FAR, authorization=bearer), "view") == VIEWER.sha256
    with pytest.raises(Denied, match="expected publish") as denied:
        guard.authorize(connection(FAR, authorization=bearer), "publish")
    assert denied.value.status == 403
    for headers in ({}, {"authorization": "Bearer other"}, {"authorization": "Basic abc"}):
        with pytest.raises(Denied) as denied:
            guard.authorize(connection(FAR, **headers), "view")
        assert denied.value.status == 401


def test_on_loopback_a_token_is_an_identity() -> None:
    guard = Authorizer()
    first, again, other = (
        guard.authorize(connection("127.0.0.1", authorization=f"Bearer {name}"), "publish")
        for name in ("a", "a", "b")
    )
    assert first == again != other


def test_a_ticket_opens_once_and_not_late() -> None:
    now = 100.0
    guard = Authorizer((VIEWER,), clock=lambda: now)
    asker = connection(FAR, authorization=f"Bearer {TOKEN}")
    ticket = guard.issue_ticket(asker)
    late = guard.issue_ticket(asker)
    guard.authorize(connection(FAR, f"ticket={ticket}"), "view")
    with pytest.raises(Denied, match="unknown, used or older"):
        guard.authorize(connection(FAR, f"ticket={ticket}"), "view")
    now += TICKET_S
    with pytest.raises(Denied, match="unknown, used or older"):
        guard.authorize(connection(FAR, f"ticket={late}"), "view")


def test_a_ticket_has_its_tokens_scopes() -> None:
    guard = Authorizer((VIEWER,))
    ticket = guard.issue_ticket(connection(FAR, authorization=f"Bearer {TOKEN}"))
    with pytest.raises(Denied, match="expected publish"):
        guard.authorize(connection(FAR, f"ticket={ticket}"), "publish")


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        ("http://127.0.0.1:8080", "127.0.0.1:8080", True),
        ("http://localhost:5173", "127.0.0.1:8080", True),
        ("https://stage.example", "127.0.0.1:8080", True),
        ("https://evil.example", "127.0.0.1:8080", False),
        ("http://evil.example:8080", "evil.example:8080", False),  # DNS rebinding
        ("null", "127.0.0.1:8080", False),
    ],
)
def test_pages_of_foreign_sites_are_refused(origin: str, host: str, allowed: bool) -> None:
    guard = Authorizer(allowed_origins=("https://stage.example/",))
    asker = connection("127.0.0.1", origin=origin, host=host)
    if allowed:
        guard.check_origin(asker)
    else:
        with pytest.raises(Denied, match="is not allowed"):
            guard.check_origin(asker)


def test_a_made_up_token_opens_no_door_to_a_foreign_page() -> None:
    guard = Authorizer((VIEWER,))
    page = {"origin": "https://evil.example", "host": "127.0.0.1:8080"}
    guard.check_origin(connection("127.0.0.1", authorization=f"Bearer {TOKEN}", **page))
    with pytest.raises(Denied, match="is not allowed"):
        guard.check_origin(connection("127.0.0.1", authorization="Bearer junk", **page))


@pytest.mark.parametrize(
    ("peer", "host", "allowed"),
    [
        ("127.0.0.1", "127.0.0.1:8080", True),
        ("127.0.0.1", "localhost:8080", True),
        ("::1", "[::1]:8080", True),
        ("127.0.0.1", "stage.example", True),
        ("127.0.0.1", "evil.example:8080", False),  # DNS rebinding: a read carries no Origin
        (FAR, "genmo.example", True),  # needs a token anyway
    ],
)
def test_a_local_request_names_this_machine(peer: str, host: str, allowed: bool) -> None:
    guard = Authorizer(allowed_origins=("https://stage.example",))
    asker = connection(peer, host=host)
    if allowed:
        guard.check_origin(asker)
    else:
        with pytest.raises(Denied, match="not this machine's"):
            guard.check_origin(asker)


@pytest.mark.parametrize("header", ["forwarded", "x_forwarded_for", "x_real_ip", "via"])
def test_whoever_comes_through_a_proxy_needs_a_token(header: str) -> None:
    with pytest.raises(Denied, match="no token"):
        Authorizer().authorize(connection("127.0.0.1", **{header: "1.1 front"}), "view")


def test_a_made_up_token_beside_a_ticket_opens_no_door_either() -> None:
    page = {"origin": "https://evil.example", "host": "127.0.0.1:8080"}
    with pytest.raises(Denied, match="is not allowed"):
        Authorizer().check_origin(
            connection("127.0.0.1", "ticket=junk", authorization="Bearer junk", **page)
        )


def test_a_ticket_buys_no_further_ticket() -> None:
    guard = Authorizer((VIEWER,))
    ticket = guard.issue_ticket(connection(FAR, authorization=f"Bearer {TOKEN}"))
    with pytest.raises(Denied, match="no token"):
        guard.issue_ticket(connection(FAR, f"ticket={ticket}"))


def test_a_publishers_token_gets_a_ticket_for_publishing() -> None:
    publisher = Token(hashlib.sha256(b"camera").hexdigest(), frozenset({"publish"}))
    guard = Authorizer((publisher,))
    ticket = guard.issue_ticket(connection(FAR, authorization="Bearer camera"))
    guard.authorize(connection(FAR, f"ticket={ticket}"), "publish")

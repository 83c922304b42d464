"""The HTTP side of publishing by WHIP (RFC 9725): an offer in, an answer out, and the end."""

import ssl
from pathlib import Path
from urllib.parse import urljoin

import httpx

from genmo_rt.errors import InputError
from genmo_stream.errors import StreamError


class PublishError(StreamError):
    """The server refused or ended the stream; the text says why and what to do."""


class Refused(PublishError):
    """The server took the request and said no.

    Attributes:
        status: HTTP's.
        retry_after: what its header Retry-After says, seconds as text; None without one.
    """

    def __init__(self, text: str, status: int, retry_after: str | None) -> None:
        super().__init__(text)
        self.status = status
        self.retry_after = retry_after


def make_client(token: str | None, ca: Path | None) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    trusted: ssl.SSLContext | bool = True
    if ca is not None:
        try:
            trusted = ssl.create_default_context(cafile=ca)
        except (OSError, ssl.SSLError) as error:
            raise InputError(
                f"--ca is {ca}: {error}; expected a PEM file with certificates"
            ) from error
    return httpx.AsyncClient(timeout=10, trust_env=False, headers=headers, verify=trusted)


async def post_offer(http: httpx.AsyncClient, url: str, offer: str) -> tuple[str | None, str]:
    """Opens the session; returns its url, if the server names one, and the SDP answer."""
    try:
        response = await http.post(url, content=offer, headers={"Content-Type": "application/sdp"})
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise PublishError(f"{url} is no url; expected http://HOST:PORT/whip/STREAM") from error
    except httpx.HTTPError as error:
        raise PublishError(
            f"{url} can't be reached ({error}); start a server with `genmo-rt serve` or check "
            "host and port"
        ) from error
    if response.status_code != httpx.codes.CREATED:
        text = f"{url} refused with {_reason(response)}"
        raise Refused(text, response.status_code, response.headers.get("retry-after"))
    location = response.headers.get("location")
    return urljoin(url, location) if location else None, response.text


def _reason(response: httpx.Response) -> str:
    """Status, what the server says about it, and when to come again."""
    try:
        said = response.json().get("detail", "")
    except (ValueError, AttributeError):
        said = response.text[:200]
    again = response.headers.get("retry-after")
    wait = f"; try again in {again} s" if again else ""
    return f"{response.status_code} {response.reason_phrase}: {said}{wait}"


async def delete_session(http: httpx.AsyncClient, session: str) -> None:
    try:
        await http.delete(session, timeout=3)
    except httpx.HTTPError:
        return  # the server is gone, and the session with it

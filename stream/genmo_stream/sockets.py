"""uvicorn's websocket, made to end when the peer has stopped reading, and to read on by itself.

Use it as `uvicorn.Config(app, ws=ViewerSocket, …)`. The stock class ("websockets-sansio", uvicorn
0.54) waits for a writable transport before *every* message, the close included, and once the
close timer fires it calls transport.close(), which waits for the buffer to drain: with a peer that
no longer reads, both wait for ever and the socket leaks. It also stops reading after every message
until that was taken: two system calls a message, a twentieth of what a keypoint stream costs here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent

MOST_WAITING = 8  # messages not yet taken, from which on nothing more is read
SHUTDOWN_S = 1.0  # what is still buffered when the server stops has this long to leave


class ViewerSocket(WebSocketsSansIOProtocol):
    """Closes at once and drops what a stalled peer left in the buffer after close_timeout."""

    async def send(self, message: ASGISendEvent) -> None:
        """Sends one ASGI message; a close never waits for the peer."""
        if message["type"] != "websocket.close":
            if self.close_sent:  # the parser closed, for example on an oversized message
                raise ClientDisconnected
            await super().send(message)
            if message["type"] == "websocket.http.response.body" and not message.get("more_body"):
                self.handshake_complete = True  # a refusal is one too, and no error to log
            return
        self.writable.set()
        await super().send(message)
        if self.close_timer is not None:
            self.close_timer.cancel()
            self.close_timer = self.loop.call_later(self.close_timeout, self.transport.abort)

    def send_receive_event_to_app(self) -> None:
        """Hands a whole message on; reading pauses only where MOST_WAITING of them wait."""
        paused, self.read_paused = self.read_paused, True  # the stock method pauses unless it is
        super().send_receive_event_to_app()
        self.read_paused = paused
        if not paused and self.queue.qsize() >= MOST_WAITING:
            self.read_paused = True
            self.transport.pause_reading()

    def shutdown(self) -> None:
        """Closes for the server's own stop, without waiting for stalled peers."""
        super().shutdown()
        self.loop.call_later(SHUTDOWN_S, self.transport.abort)

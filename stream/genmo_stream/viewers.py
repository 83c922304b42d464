"""One viewer's websocket: poses within a credit window, so that what arrives is always fresh."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import NoReturn, Self

from starlette.websockets import WebSocket, WebSocketDisconnect

from genmo_rt.clock import TICK_HZ
from genmo_stream.hub import Hub, View
from genmo_stream.problem import problem_response
from genmo_stream.window import CLOSE_STALE, Closing, Viewer
from genmo_stream.wire import (
    Ack,
    Bye,
    Ping,
    Pong,
    Set,
    Space,
    WireError,
    check_rate,
    encode_control,
    negotiate,
    parse_client,
)

FLUSH_S = 1.0  # what is queued when the server closes has this long to leave
BYE_S = 0.2


@dataclass(frozen=True, slots=True)
class ViewerOptions:
    """What a viewer asked for in the query of its URL."""

    space: Space = Space.SMPL
    rate: float = TICK_HZ
    persons: int | None = None
    landmarks: bool = False

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> Self:
        """Reads `space`, `rate`, `persons` and `landmarks`; other keys are left to others.

        Raises:
            WireError: a value can't be used; the text says which and what was expected.
        """
        options = cls()
        if "space" in query:
            options = replace(options, space=_space(query["space"]))
        if "rate" in query:
            options = replace(options, rate=_rate(query["rate"]))
        if "persons" in query:
            options = replace(options, persons=_persons(query["persons"]))
        if "landmarks" in query:
            options = replace(options, landmarks=_switch("landmarks", query["landmarks"]))
        return options


async def serve_viewer(websocket: WebSocket, hub: Hub, options: ViewerOptions) -> None:
    """Serves one viewer from handshake to close; returns when the connection is over."""
    try:
        profile, subprotocol = negotiate(websocket.scope["subprotocols"])
    except WireError as error:
        await refuse_viewer(websocket, error)
        return
    await websocket.accept(subprotocol)
    view = View(profile, options.space, options.persons, options.landmarks)
    viewer = Viewer(view, options.rate, hub.limits)
    hub.attach(viewer)
    closing = None
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_send(websocket, hub, viewer))
            tasks.create_task(_receive(websocket, hub, viewer))
            tasks.create_task(_watch(hub, viewer))
    except* _Ended as group:
        closing = next((e.closing for e in _leaves(group) if e.closing), None)
    finally:
        hub.detach(viewer)
    if closing:
        await _close(websocket, viewer.view.space, closing)


async def refuse_viewer(websocket: WebSocket, error: WireError) -> None:
    """Answers the handshake with 400 and problem+json (RFC 9457) instead of a websocket."""
    await websocket.send_denial_response(problem_response(400, str(error)))


class _Ended(Exception):
    """Ends the task group; without a closing the peer is gone already."""

    def __init__(self, closing: Closing | None) -> None:
        self.closing = closing


async def _send(websocket: WebSocket, hub: Hub, viewer: Viewer) -> NoReturn:
    try:
        while True:
            viewer.woken.clear()
            message = viewer.take(hub.clock())
            if isinstance(message, Pong):
                stamped = replace(message, t2=hub.clock_us())
                await websocket.send_text(encode_control(stamped, viewer.view.space))
            elif isinstance(message, str):
                await websocket.send_text(message)
            elif message is not None:
                await websocket.send_bytes(message)
            elif viewer.closing:
                raise _Ended(viewer.closing)
            else:
                await viewer.woken.wait()
    except WebSocketDisconnect:
        raise _Ended(None) from None


async def _receive(websocket: WebSocket, hub: Hub, viewer: Viewer) -> NoReturn:
    while True:
        event = await websocket.receive()
        if event["type"] == "websocket.disconnect":
            raise _Ended(None)
        text = event.get("text")
        _handle(event["bytes"] if text is None else text, hub, viewer)


def _handle(message: str | bytes, hub: Hub, viewer: Viewer) -> None:
    received_us = hub.clock_us()
    now = hub.clock()
    try:
        match parse_client(message, hub.limits):
            case Ack(seq):
                viewer.ack(seq, now)
            case Ping(t0):
                viewer.tell(Pong(t0, received_us, received_us))
            case Set() as change:
                viewer.set(change)
    except WireError as error:
        viewer.refuse(error, now)


async def _watch(hub: Hub, viewer: Viewer) -> NoReturn:
    """Ends a connection whose peer has stopped acking, also while a send is blocked."""
    while not viewer.ending.is_set():
        left = viewer.seconds_left(hub.clock())
        if left <= 0:
            limit = hub.limits.ack_timeout_s
            raise _Ended(Closing(CLOSE_STALE, f"a pose was not acked for {limit:g} s"))
        with suppress(TimeoutError):
            async with asyncio.timeout(left):
                await viewer.ending.wait()
    await asyncio.sleep(FLUSH_S)
    raise _Ended(viewer.closing)


async def _close(websocket: WebSocket, space: Space, closing: Closing) -> None:
    """Says bye and closes; neither waits for a peer that has stopped reading."""
    with suppress(WebSocketDisconnect):
        with suppress(TimeoutError):
            async with asyncio.timeout(BYE_S):
                await websocket.send_text(encode_control(Bye(closing.reason), space))
        with suppress(TimeoutError):
            async with asyncio.timeout(BYE_S):
                await websocket.close(closing.code, closing.reason)


def _leaves(group: BaseExceptionGroup[_Ended]) -> list[_Ended]:
    return [e for e in group.exceptions if isinstance(e, _Ended)]


def _space(value: str) -> Space:
    if value not in tuple(Space):
        raise WireError(f"space={value}; expected {', '.join(Space)}")
    return Space(value)


def _rate(value: str) -> float:
    try:
        return check_rate(float(value))
    except ValueError as error:
        text = str(error) if isinstance(error, WireError) else f"rate={value}; expected a number"
        raise WireError(text) from error


def _persons(value: str) -> int:
    if not (value.isascii() and value.isdigit() and 1 <= int(value[:6]) <= 0xFFFF):
        raise WireError(f"persons={value}; expected an integer from 1 to {0xFFFF}")
    return int(value)


def _switch(name: str, value: str) -> bool:
    if value not in ("0", "1"):
        raise WireError(f"{name}={value}; expected 0 or 1")
    return value == "1"

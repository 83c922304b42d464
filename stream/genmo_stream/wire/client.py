"""What viewers say: the subprotocols they offer and the messages they send."""

import struct
from collections.abc import Sequence

from genmo_stream.wire.messages import (
    PROTOCOL,
    U32_MAX,
    Ack,
    ClientMessage,
    Limits,
    Ping,
    Profile,
    Set,
    WireError,
)
from genmo_stream.wire.strict_json import integer, loads, number, short

ACK = struct.Struct("<BI")
ACK_BYTE = 0x10
RATE_RANGE = (1.0, 240.0)  # poses per second that a viewer may ask for


def negotiate(offers: Sequence[str]) -> tuple[Profile, str | None]:
    """Picks the profile and the subprotocol to answer with.

    Args:
        offers: the client's Sec-WebSocket-Protocol, in its order.
    Raises:
        WireError: only unknown subprotocols are offered; refuse the handshake.
    """
    offered = [offer for offer in offers if offer]
    if not offered:
        return Profile.JSON, None
    for offer in offered:
        if offer in tuple(Profile):
            return Profile(offer), offer
    raise WireError(
        f"unknown subprotocol {', '.join(offered)}; offer {Profile.BIN}, {Profile.JSON} or none"
    )


def parse_client(message: str | bytes, limits: Limits) -> ClientMessage:
    """Reads what a viewer sent, a text or a binary websocket message.

    Raises:
        WireError: the message is too long, garbage, of another version or out of range.
    """
    size = len(message)
    if size > limits.max_message_bytes:
        raise WireError(
            f"message of {size} bytes; a client message has at most {limits.max_message_bytes}"
        )
    if isinstance(message, bytes):
        return _parse_binary(message)
    fields = loads(message)
    proto = fields.get("proto", PROTOCOL)
    if proto != PROTOCOL:
        raise WireError(f"message for {short(proto)}; this server speaks {PROTOCOL}")
    match fields.get("type"):
        case "ack":
            return Ack(integer(fields, "seq", 0, U32_MAX))
        case "ping":
            return Ping(number(fields, "t0"))
        case "set":
            return _parse_set(fields)
        case other:
            raise WireError(f"message type {short(other)}; expected ack, ping or set")


def _parse_binary(message: bytes) -> Ack:
    if len(message) != ACK.size or message[0] != ACK_BYTE:
        start = message[:4].hex(" ") or "nothing"
        raise WireError(
            f"binary message of {len(message)} bytes starting with {start}; "
            f"expected an ack: {ACK_BYTE:#x} and a u32 seq, {ACK.size} bytes"
        )
    return Ack(ACK.unpack(message)[1])


def _parse_set(fields: dict[str, object]) -> Set:
    rate = persons = None
    if "rate" in fields:
        rate = check_rate(number(fields, "rate"))
    if "persons" in fields:
        persons = integer(fields, "persons", 1, 0xFFFF)
    if rate is None and persons is None:
        raise WireError("set changes nothing; expected rate or persons")
    return Set(rate, persons)


def check_rate(rate: float) -> float:
    """Returns the rate; raises WireError where it is outside RATE_RANGE."""
    if not RATE_RANGE[0] <= rate <= RATE_RANGE[1]:  # false for NaN too
        raise WireError(f"rate {rate}; expected {RATE_RANGE[0]:g} to {RATE_RANGE[1]:g} per second")
    return rate

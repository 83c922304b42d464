"""Keypoints in: what a client says that finds people's landmarks itself, and what it is told."""

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from genmo_rt.camera import Intrinsics
from genmo_rt.keypoints import NUM_LANDMARKS, Keypoints
from genmo_stream.wire.messages import PROTOCOL, U32_MAX, Floats, WireError
from genmo_stream.wire.sensors import TIME_MAX, SensorText
from genmo_stream.wire.strict_json import (
    NotFinite,
    array,
    dumps,
    integer,
    kind,
    list_of,
    loads,
    number,
    short,
)

SIDE_RANGE = (16, 16384)  # pixels of a picture's edge
FAR_SIDES = 10.0  # longer edges of the picture: a landmark further outside is an error
FOCAL_SIDES = (0.04, 6.0)  # longer edges: fields of view from 170 to 10 degrees
WORLD_M = 10.0  # from the hips to any landmark
VISIBILITY_SLACK = 1e-3  # float32 sigmoids and rounding

Rows = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class PublisherLimits:
    """What the server grants each client that sends keypoints; `hello` tells it.

    Attributes:
        max_message_bytes: longest message.
        max_persons: in one message.
        max_errors: messages that can't be used within error_span_s before closing.
        error_span_s: seconds.
        max_messages: within flood_span_s before closing, of any kind.
        max_bytes: within flood_span_s before closing.
        flood_span_s: seconds.
    """

    max_message_bytes: int = 64 << 10
    max_persons: int = 16
    max_errors: int = 100  # three seconds of a detector that fails
    error_span_s: float = 10.0
    max_messages: int = 2400
    max_bytes: int = 32 << 20
    flood_span_s: float = 10.0


PUBLISHER_LIMITS = PublisherLimits()


@dataclass(frozen=True, slots=True)
class KeypointsMessage:
    """One frame's landmarks.

    Attributes:
        frame: the client's number of the frame.
        t_capture_us: capture time on the client's own clock, microseconds.
        image_size: (width, height), pixels.
        intrinsics: of the camera; None where the client doesn't know them.
        persons: everybody seen, in no order.
    """

    frame: int
    t_capture_us: int
    image_size: tuple[int, int]
    intrinsics: Intrinsics | None
    persons: tuple[Keypoints, ...]


@dataclass(frozen=True, slots=True)
class ClockPing:
    """Asks for the server's clock and tells when the last answer came.

    Attributes:
        t0: the client's clock, microseconds, on which t_capture_us is too; comes back as it is.
        t3: the client's clock when the last pong came; None before the first.
    """

    t0: float
    t3: float | None


def parse_publisher(
    message: str | bytes, limits: PublisherLimits = PUBLISHER_LIMITS
) -> KeypointsMessage | ClockPing | SensorText:
    """Reads what a client sent to /keypoints.

    Raises:
        WireError: the message is binary, too long, garbage, or a value is out of range.
    """
    if isinstance(message, bytes):
        raise WireError(f"binary message of {len(message)} bytes; expected JSON text")
    size = len(message) if message.isascii() else len(message.encode())
    if size > limits.max_message_bytes:
        raise WireError(
            f"message of {size} bytes; expected at most {limits.max_message_bytes}: "
            "round the numbers or send fewer persons"
        )
    try:
        fields = loads(message)
    except NotFinite as error:
        if error.type == "sensor":  # a device's lie, like any other: it ends the trust
            return SensorText(message)
        raise
    proto = fields.get("proto", PROTOCOL)
    if proto != PROTOCOL:
        raise WireError(f"message for {short(proto)}; this server speaks {PROTOCOL}")
    match fields.get("type"):
        case "keypoints":
            return _keypoints(fields, limits)
        case "ping":
            t3 = number(fields, "t3") if fields.get("t3") is not None else None
            return ClockPing(number(fields, "t0"), t3)
        case "sensor":
            return SensorText(message)
        case other:
            raise WireError(f"message type {short(other)}; expected keypoints, ping or sensor")


def encode_keypoints(message: KeypointsMessage) -> str:
    """The message as JSON: pixels with two decimals, visibility with three, millimetres."""
    fields: dict[str, object] = {
        "type": "keypoints",
        "frame": message.frame,
        "t_capture_us": message.t_capture_us,
        "width": message.image_size[0],
        "height": message.image_size[1],
    }
    if message.intrinsics is not None:
        k = message.intrinsics
        fields["K"] = [k.fx, k.fy, k.cx, k.cy]
    fields["persons"] = [_person_fields(person) for person in message.persons]
    return dumps(fields)


def encode_ping(ping: ClockPing) -> str:
    """The ping as JSON."""
    fields: dict[str, object] = {"type": "ping", "t0": ping.t0}
    if ping.t3 is not None:
        fields["t3"] = ping.t3
    return dumps(fields)


def encode_hello(server: str, stream: str, clock_us: int, limits: PublisherLimits) -> str:
    """The first message to a client that sends keypoints."""
    fields = {"type": "hello", "proto": PROTOCOL, "server": server, "stream": stream}
    return dumps({**fields, "clock_us": clock_us, "limits": asdict(limits)})


def _keypoints(fields: dict[str, object], limits: PublisherLimits) -> KeypointsMessage:
    width = integer(fields, "width", *SIDE_RANGE)
    height = integer(fields, "height", *SIDE_RANGE)
    persons = list_of(fields, "persons")
    if len(persons) > limits.max_persons:
        raise WireError(
            f"{len(persons)} persons; expected at most {limits.max_persons}: send the largest"
        )
    return KeypointsMessage(
        frame=integer(fields, "frame", 0, U32_MAX),
        t_capture_us=integer(fields, "t_capture_us", 0, TIME_MAX),
        image_size=(width, height),
        intrinsics=_intrinsics(fields, width, height),
        persons=tuple(_person(person, (width, height)) for person in persons),
    )


def _intrinsics(fields: dict[str, object], width: int, height: int) -> Intrinsics | None:
    if fields.get("K") is None:
        return None
    values = _rows(fields, "K", (4,), "fx, fy, cx, cy in pixels")
    fx, fy, cx, cy = (float(value) for value in values)
    side = max(width, height)
    low, high = FOCAL_SIDES[0] * side, FOCAL_SIDES[1] * side
    if not (low <= fx <= high and low <= fy <= high):
        raise WireError(f"K has fx {fx:g} and fy {fy:g}; expected {low:g} to {high:g} px")
    if not (-side <= cx <= 2 * side and -side <= cy <= 2 * side):
        raise WireError(f"K has cx {cx:g} and cy {cy:g}; expected the middle of the picture, in px")
    return Intrinsics(fx, fy, cx, cy, width, height)


def _person(person: object, image_size: tuple[int, int]) -> Keypoints:
    if not isinstance(person, dict):
        raise WireError(f"persons holds {kind(person)}; expected objects")
    rows = _rows(person, "landmarks", (NUM_LANDMARKS, 3), "MediaPipe's [x px, y px, visibility]")
    pixels, visibility = rows[:, :2], rows[:, 2]
    (left, top, least), (right, bottom, most) = rows.min(axis=0).tolist(), rows.max(axis=0).tolist()
    far, furthest = FAR_SIDES * max(image_size), max(-left, -top, right, bottom)
    if furthest > far:
        raise WireError(
            f"landmarks has {furthest:g} px in a picture of "
            f"{image_size[0]}x{image_size[1]}; expected pixels, at most {far:g}"
        )
    if least < -VISIBILITY_SLACK or most > 1 + VISIBILITY_SLACK:
        raise WireError(f"landmarks has visibilities from {least:g} to {most:g}; expected 0 to 1")
    world = None
    if person.get("world") is not None:
        world = _rows(person, "world", (NUM_LANDMARKS, 3), "metres from the hips")
        furthest = float(np.abs(world).max())
        if furthest > WORLD_M:
            raise WireError(f"world has {furthest:g} m; expected at most {WORLD_M:g} from the hips")
    if least < 0 or most > 1:
        visibility = np.clip(visibility, 0, 1)
    return Keypoints(pixels, visibility, world, image_size)


def _rows(fields: dict[str, object], name: str, shape: tuple[int, ...], what: str) -> Floats:
    rows = array(fields, name)
    if rows.shape != shape:
        expected = " x ".join(map(str, shape))
        raise WireError(f"{name} has shape {rows.shape}; expected {expected}: {what}")
    if not np.isfinite(rows).all():
        place = "".join(f"[{k}]" for k in np.argwhere(~np.isfinite(rows))[0])
        raise WireError(f"{name}{place} is not finite; expected {what}")
    return rows


def _person_fields(person: Keypoints) -> dict[str, object]:
    confidence = np.clip(person.confidence, 0, 1)[:, None]
    landmarks = np.concatenate((_short(person.pixels, 2), _short(confidence, 3)), axis=1)
    fields: dict[str, object] = {"landmarks": landmarks.tolist()}
    if person.world is not None:
        fields["world"] = _short(person.world, 3).tolist()
    return fields


def _short(values: Rows, decimals: int) -> NDArray[np.float64]:
    return np.asarray(np.round(values.astype(np.float64), decimals) + 0.0)

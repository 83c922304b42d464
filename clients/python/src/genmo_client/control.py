"""Control messages of `genmo.v1`, from JSON text."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genmo_client.errors import DecodeError
from genmo_client.pose import NUM_JOINTS

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Hello:
    """The first message; clock_us is the server's Unix time in microseconds."""

    proto: str
    server: str
    stream: str
    clock_us: int
    space: str
    fps: float


@dataclass(frozen=True, slots=True)
class StreamState:
    """waiting, live, stalled or ended; capture_clock is sender or arrival."""

    state: str
    capture_clock: str
    fps_in: float


@dataclass(frozen=True, slots=True)
class Joint:
    """A joint of the skeleton: parent −1 for the pelvis; offset (3,) from the parent, T-pose."""

    name: str
    parent: int
    offset: Floats


@dataclass(frozen=True, slots=True)
class Skeleton:
    """SMPL's 24 joints, as poses with this skeleton_rev mean them."""

    rev: int
    joints: tuple[Joint, ...]


@dataclass(frozen=True, slots=True)
class Subject:
    """A person's body; state is enter, update or leave; offsets (24, 3) from the parents."""

    person: int
    state: str
    body: str
    betas: Floats
    shape: Floats
    height_m: float
    offsets: Floats


@dataclass(frozen=True, slots=True)
class Stats:
    """The stream's figures, once a second; dropped includes the poses dropped for this viewer."""

    fps_in: float
    fps_out: float
    dropped: int
    p50_ms: float
    p95_ms: float


@dataclass(frozen=True, slots=True)
class ErrorMessage:
    """Something this client or the publisher did can't be used."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Pong:
    """Answers a ping, microseconds: t0 ours, t1 received and t2 sent on the server's clock."""

    t0: int
    t1: int
    t2: int


@dataclass(frozen=True, slots=True)
class Bye:
    """The server is about to close."""

    reason: str


Control = Hello | StreamState | Skeleton | Subject | Stats | ErrorMessage | Pong | Bye


def parse_control(text: str) -> Control | None:
    """Reads one control message; None for a type this client doesn't know.

    Raises:
        DecodeError: the text isn't a control message, or a field is missing or wrong.
    """
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DecodeError(f"not JSON ({error}): {text[:60]!r}") from error
    if not isinstance(fields, dict):
        raise DecodeError(f"JSON {type(fields).__name__}; expected an object")
    try:
        return _from_fields(fields)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise DecodeError(f"{fields.get('type')} message is wrong: {error!r}") from error


def _from_fields(f: dict[str, Any]) -> Control | None:
    match f["type"]:
        case "hello":
            return Hello(
                proto=str(f["proto"]),
                server=str(f["server"]),
                stream=str(f["stream"]),
                clock_us=int(f["clock_us"]),
                space=str(f["space"]),
                fps=float(f["fps"]),
            )
        case "stream":
            return StreamState(str(f["state"]), str(f["capture_clock"]), float(f["fps_in"]))
        case "skeleton":
            joints = tuple(
                Joint(str(j["name"]), int(j["parent"]), _floats(j["offset"], (3,)))
                for j in f["joints"]
            )
            if len(joints) != NUM_JOINTS:
                raise ValueError(f"{len(joints)} joints; expected {NUM_JOINTS}")
            return Skeleton(int(f["rev"]), joints)
        case "subject":
            return Subject(
                person=int(f["person"]),
                state=str(f["state"]),
                body=str(f["body"]),
                betas=_floats(f["betas"], (10,)),
                shape=_floats(f["shape"], (10,)),
                height_m=float(f["height_m"]),
                offsets=_floats(f["offsets"], (NUM_JOINTS, 3)),
            )
        case "stats":
            latency = f["latency_ms"]
            return Stats(
                fps_in=float(f["fps_in"]),
                fps_out=float(f["fps_out"]),
                dropped=int(f["dropped"]),
                p50_ms=float(latency["p50"]),
                p95_ms=float(latency["p95"]),
            )
        case "error":
            return ErrorMessage(str(f["code"]), str(f["message"]))
        case "pong":
            return Pong(int(f["t0"]), int(f["t1"]), int(f["t2"]))
        case "bye":
            return Bye(str(f["reason"]))
        case _:
            return None


def _floats(values: object, shape: tuple[int, ...]) -> Floats:
    array = np.asarray(values, np.float32)
    if array.shape != shape or not np.isfinite(array).all():
        raise ValueError(f"numbers of shape {array.shape}; expected {shape}, all finite")
    return array

"""The messages of `genmo.v1` as types, and the error that breaking it raises."""

import math
from dataclasses import dataclass, replace
from enum import IntFlag, StrEnum
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from genmo_rt.keypoints import NUM_LANDMARKS, Keypoints
from genmo_rt.pose import CONTACT_NAMES, Pose
from genmo_rt.skeleton import NUM_JOINTS
from genmo_stream.errors import StreamError

PROTOCOL = "genmo.v1"
STATE_NAMES = ("lost", "warmup", "tracked", "occluded", "generated")
U32_MAX = 2**32 - 1

Floats = NDArray[np.float32]


class WireError(StreamError, ValueError):
    """A message breaks `genmo.v1`; the text says what was got and what was expected."""


class Profile(StrEnum):
    """How poses travel; control messages are JSON text in both."""

    BIN = "genmo.v1.bin"
    JSON = "genmo.v1.json"


class Space(StrEnum):
    """The frame of reference of positions, velocities, rotations and offsets on the wire."""

    SMPL = "smpl"
    UNITY = "unity"
    UNREAL = "unreal"


class PoseFlag(IntFlag):
    """Facts about a whole pose message."""

    NONE = 0
    WARMUP = 1
    GENERATED = 2
    RESAMPLED = 4


# ---- messages, server to client ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PosePerson:
    """One person of a pose message, in the stream's world.

    Attributes:
        person: stable id, smallest = oldest.
        state: index into STATE_NAMES (tracking.PersonState has the same numbers).
        confidence: 0..1.
        pelvis: (3,) metres.
        velocity: (3,) of the pelvis, metres per second.
        contacts: (6,) probability 0..1, in the order of CONTACT_NAMES.
        quat_xyzw: (24, 4): joint 0 in the world, 1..23 relative to the parent.
        landmarks: (33, 3) or None: x and y in 0..1 of the picture, visibility 0..1.
    """

    person: int
    state: int
    confidence: float
    pelvis: Floats
    velocity: Floats
    contacts: Floats
    quat_xyzw: Floats
    landmarks: Floats | None = None

    def __post_init__(self) -> None:
        """Checks values once, where they come in.

        Raises:
            WireError: a shape is wrong, a number isn't finite, or the state isn't known.
        """
        if not 0 <= self.state < len(STATE_NAMES):
            raise WireError(f"state {self.state}; expected 0 to {len(STATE_NAMES) - 1}")
        if not math.isfinite(self.confidence):
            raise WireError(f"confidence is {self.confidence}; expected a number")
        for name, value, shape in (
            ("pelvis", self.pelvis, (3,)),
            ("velocity", self.velocity, (3,)),
            ("contacts", self.contacts, (len(CONTACT_NAMES),)),
            ("rotations", self.quat_xyzw, (NUM_JOINTS, 4)),
            ("landmarks", self.landmarks, (NUM_LANDMARKS, 3)),
        ):
            if value is None:
                continue
            if value.shape != shape:
                raise WireError(f"{name} has shape {value.shape}; expected {shape}")
            if not np.isfinite(value).all():
                raise WireError(f"{name} has a value that is not finite; expected numbers")

    @classmethod
    def from_pose(cls, person: int, state: int, pose: Pose, keypoints: Keypoints | None) -> Self:
        """Takes an estimate, and the landmarks it was made from, to the wire."""
        landmarks = None
        if keypoints is not None:
            xy = keypoints.pixels / np.asarray(keypoints.image_size, np.float32)
            landmarks = np.column_stack((xy, keypoints.confidence)).astype(np.float32)
        return cls(
            person=person,
            state=state,
            confidence=pose.confidence,
            pelvis=pose.pelvis,
            velocity=pose.velocity,
            contacts=pose.contacts,
            quat_xyzw=pose.quat_xyzw,
            landmarks=landmarks,
        )


@dataclass(frozen=True, slots=True)
class Stages:
    """What the frame cost before it was published, milliseconds per stage."""

    decode: float = 0.0
    keypoints: float = 0.0
    model: float = 0.0


@dataclass(frozen=True, slots=True)
class PoseMessage:
    """All persons of one frame. The hub stamps seq, t_publish_us and skeleton_rev.

    Attributes:
        frame: ingest frame number.
        t_capture_us: Unix microseconds on the server's clock.
        persons: in any order; encoders sort by id.
        t_publish_us: Unix microseconds on the server's clock.
    """

    frame: int
    t_capture_us: int
    persons: tuple[PosePerson, ...]
    stages: Stages = Stages()
    flags: PoseFlag = PoseFlag.NONE
    seq: int = 0
    t_publish_us: int = 0
    skeleton_rev: int = 0

    def limited(self, persons: int | None) -> Self:
        """At most this many persons, the oldest ids first."""
        if persons is None or len(self.persons) <= persons:
            return self
        oldest = sorted(self.persons, key=lambda p: p.person)[:persons]
        return replace(self, persons=tuple(oldest))


@dataclass(frozen=True, slots=True)
class Limits:
    """What the server grants each viewer; `hello` tells it."""

    window_min: int = 4
    window_max: int = 8
    ack_timeout_s: float = 5.0
    max_control: int = 256
    max_message_bytes: int = 4096
    max_errors: int = 10
    error_span_s: float = 10.0


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Hello:
    """The first message on every connection."""

    server: str
    stream: str
    clock_us: int
    space: Space
    fps: float
    limits: Limits
    proto: str = PROTOCOL


StateName = Literal["waiting", "live", "stalled", "ended"]


@dataclass(frozen=True, slots=True)
class StreamState:
    """Where the stream stands; sent on every change of state, clock or delay.

    Attributes:
        delay: ticks by which poses come later than their frames, as its publisher asked; None
            without a publisher so far, and then it isn't sent.
    """

    state: StateName = "waiting"
    capture_clock: Literal["sender", "arrival"] = "arrival"
    fps_in: float = 0.0
    delay: int | None = None


@dataclass(frozen=True, slots=True)
class Skeleton:
    """SMPL's tree with the rest offsets of the body in use.

    Attributes:
        rev: grows with every new skeleton; poses carry it as skeleton_rev.
        offsets: (24, 3) metres from the parent in the T-pose; row 0 is zero.
    """

    rev: int
    offsets: Floats


@dataclass(frozen=True, slots=True)
class Subject:
    """One person's body.

    Attributes:
        body: "builtin" or "smpl".
        betas: (10,) SMPL's coefficients, zero unless body is "smpl".
        shape: (10,) coefficients of the body in use.
        height_m: metres, in every space.
        offsets: (24, 3) metres from the parent in the T-pose; row 0 is zero.
    """

    person: int
    state: Literal["enter", "update", "leave"]
    body: str
    betas: Floats
    shape: Floats
    height_m: float
    offsets: Floats


@dataclass(frozen=True, slots=True)
class LatencyMs:
    """Capture to publish."""

    p50: float
    p95: float


@dataclass(frozen=True, slots=True)
class Stats:
    """Once a second.

    Attributes:
        fps_in: frames per second that arrive.
        fps_out: poses per second.
        dropped: frames that became no pose, plus poses dropped for the viewer.
        latency_ms: of the last poses.
        source: what the publisher sends; None without one, and then it isn't sent.
        rung: "full": every tick's frame is looked at; "half": one of every two. As `source`.
    """

    fps_in: float
    fps_out: float
    dropped: int
    latency_ms: LatencyMs
    source: Literal["video", "keypoints"] | None = None
    rung: Literal["full", "half"] | None = None


@dataclass(frozen=True, slots=True)
class ErrorMessage:
    """Something the viewer or the publisher did can't be used; the connection lives."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Pong:
    """Answers a ping: t1 received, t2 sent, both Unix microseconds on the server's clock."""

    t0: float
    t1: int
    t2: int


@dataclass(frozen=True, slots=True)
class Bye:
    """The server is about to close."""

    reason: str


Control = Hello | StreamState | Skeleton | Subject | Stats | ErrorMessage | Pong | Bye


# ---- messages, client to server ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ack:
    """Every pose up to and with this seq was taken."""

    seq: int


@dataclass(frozen=True, slots=True)
class Ping:
    """Asks for the server's clock; t0 comes back as it is."""

    t0: float


@dataclass(frozen=True, slots=True)
class Set:
    """Changes what the viewer wants; None leaves a value as it is."""

    rate: float | None
    persons: int | None


ClientMessage = Ack | Ping | Set

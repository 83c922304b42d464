"""Binary pose messages of `genmo.v1` → poses."""

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genmo_client.errors import DecodeError

NUM_JOINTS = 24
NUM_LANDMARKS = 33
STATES = ("lost", "warmup", "tracked", "occluded", "generated")
FLAGS = {1: "warmup", 2: "generated", 4: "resampled"}

MAGIC = 0x4D47
MAJOR = 1
TYPE_POSE = 1
HEADER = struct.Struct("<HBBHHIIqqIHHHHI")
BLOCK = np.dtype(
    [
        ("person", "<u4"),
        ("state", "u1"),
        ("rot_enc", "u1"),
        ("n_joints", "u1"),
        ("options", "u1"),
        ("block_len", "<u4"),
        ("confidence", "<f4"),
        ("pelvis", "<f4", 3),
        ("velocity", "<f4", 3),
        ("contacts", "u1", 6),
        ("zero", "<u2"),
        ("rotations", "<f4", (NUM_JOINTS, 4)),
    ]
)  # 432 bytes
LANDMARKS_BLOCK_LEN = 832
OPTION_LANDMARKS = 1

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Person:
    """One person, in the stream's world: y up, metres, right-handed (unless the URL says space=).

    Attributes:
        person: id; stays the same while the person is there, smallest = oldest.
        state: lost, warmup, tracked, occluded or generated.
        confidence: 0..1.
        pelvis: (3,) position.
        velocity: (3,) of the pelvis, per second.
        contacts: (6,) probability 0..1: L ankle, L foot, R ankle, R foot, L wrist, R wrist.
        quat_xyzw: (24, 4) rotations: joint 0 in the world, 1..23 relative to the parent.
        landmarks: (33, 3) if asked for: x and y in 0..1 of the picture, visibility 0..1.
    """

    person: int
    state: str
    confidence: float
    pelvis: Floats
    velocity: Floats
    contacts: Floats
    quat_xyzw: Floats
    landmarks: Floats | None


@dataclass(frozen=True, slots=True)
class Pose:
    """All persons of one frame.

    Attributes:
        seq: message number of the stream; a gap means that poses were skipped for this viewer.
        frame: number of the video frame.
        t_capture_us: when the frame was captured, Unix microseconds on the server's clock.
        t_publish_us: when the pose was published, on the same clock.
        skeleton_rev: revision of the skeleton it belongs to.
        flags: any of warmup, generated, resampled.
        decode_ms, keypoints_ms, model_ms: what the frame cost on the server.
        persons: oldest first; empty when nobody was in the picture.
    """

    seq: int
    frame: int
    t_capture_us: int
    t_publish_us: int
    skeleton_rev: int
    flags: frozenset[str]
    decode_ms: float
    keypoints_ms: float
    model_ms: float
    persons: tuple[Person, ...]


def decode_pose(buffer: bytes) -> Pose:
    """Decodes one message of the `genmo.v1.bin` profile.

    Raises:
        DecodeError: the buffer isn't a whole, sane pose message of version 1.
    """
    if len(buffer) < HEADER.size:
        raise DecodeError(f"{len(buffer)} bytes; a pose header has {HEADER.size}")
    magic, major, kind, header_len, flags, *rest = HEADER.unpack_from(buffer)
    if (magic, kind) != (MAGIC, TYPE_POSE):
        raise DecodeError(f"magic {magic:#06x}, type {kind}; a pose has {MAGIC:#06x}, {TYPE_POSE}")
    if major != MAJOR:
        raise DecodeError(f"protocol version {major}, this client reads {MAJOR}; update it")
    _check_length("header_len", header_len, HEADER.size, len(buffer))
    seq, frame, t_capture_us, t_publish_us, skeleton_rev, n_persons, *stages, _ = rest
    persons = []
    offset = header_len
    for _ in range(n_persons):
        person, block_len = _decode_person(buffer, offset)
        persons.append(person)
        offset += block_len
    if offset != len(buffer):
        raise DecodeError(f"{len(buffer) - offset} bytes after the last of {n_persons} persons")
    decode_ms, keypoints_ms, model_ms = (hundred_us / 10 for hundred_us in stages)
    return Pose(
        seq=seq,
        frame=frame,
        t_capture_us=t_capture_us,
        t_publish_us=t_publish_us,
        skeleton_rev=skeleton_rev,
        flags=frozenset(name for bit, name in FLAGS.items() if flags & bit),
        decode_ms=decode_ms,
        keypoints_ms=keypoints_ms,
        model_ms=model_ms,
        persons=tuple(persons),
    )


def _decode_person(buffer: bytes, offset: int) -> tuple[Person, int]:
    """Decodes the block at offset; also returns its length."""
    left = len(buffer) - offset
    if left < BLOCK.itemsize:
        raise DecodeError(f"{left} bytes left at {offset}; a person has {BLOCK.itemsize}")
    block = np.frombuffer(buffer, BLOCK, 1, offset)[0]
    if (block["rot_enc"], block["n_joints"]) != (0, NUM_JOINTS):
        raise DecodeError(
            f"rotations of encoding {block['rot_enc']} for {block['n_joints']} joints; "
            f"this client reads 0 for {NUM_JOINTS}"
        )
    if block["state"] >= len(STATES):
        raise DecodeError(f"state {block['state']}; expected 0 to {len(STATES) - 1}")
    has_landmarks = bool(block["options"] & OPTION_LANDMARKS)
    block_len = int(block["block_len"])
    _check_length(
        "block_len", block_len, LANDMARKS_BLOCK_LEN if has_landmarks else BLOCK.itemsize, left
    )
    landmarks = None
    if has_landmarks:
        at = offset + BLOCK.itemsize
        landmarks = np.frombuffer(buffer, "<f4", NUM_LANDMARKS * 3, at).reshape(-1, 3)
    person = Person(
        person=int(block["person"]),
        state=STATES[block["state"]],
        confidence=float(block["confidence"]),
        pelvis=block["pelvis"],
        velocity=block["velocity"],
        contacts=block["contacts"].astype(np.float32) / np.float32(255),
        quat_xyzw=block["rotations"],
        landmarks=landmarks,
    )
    confidence = np.array([person.confidence], np.float32)
    numbers: list[Floats] = [confidence, person.pelvis, person.velocity, person.quat_xyzw.ravel()]
    if landmarks is not None:
        numbers.append(landmarks.ravel())
    if not np.isfinite(np.concatenate(numbers)).all():
        raise DecodeError(f"person {person.person} has a value that is not finite")
    return person, block_len


def _check_length(name: str, length: int, least: int, most: int) -> None:
    if length < least or length % 8 or length > most:
        raise DecodeError(f"{name} {length}; expected a multiple of 8 from {least} to {most}")

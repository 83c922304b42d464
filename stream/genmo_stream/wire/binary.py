"""Pose messages ↔ the bytes of `genmo.v1.bin`."""

import struct

import numpy as np

from genmo_rt.keypoints import NUM_LANDMARKS
from genmo_rt.pose import CONTACT_NAMES
from genmo_rt.skeleton import NUM_JOINTS
from genmo_stream.wire.messages import (
    Floats,
    PoseFlag,
    PoseMessage,
    PosePerson,
    Space,
    Stages,
    WireError,
)
from genmo_stream.wire.space import to_space

MAGIC = 0x4D47
MAJOR = 1
TYPE_POSE = 1
HEADER = struct.Struct("<HBBHHIIqqIHHHHI")  # 48 bytes
PERSON = struct.Struct("<IBBBBIf")  # a block's first 16 bytes; then come:
AT_PELVIS = 16  # f32[3]
AT_VELOCITY = 28  # f32[3]
AT_CONTACTS = 40  # u8[6], and two zero bytes
AT_ROTATIONS = 48  # f32[24][4]
AT_LANDMARKS = AT_ROTATIONS + NUM_JOINTS * 4 * 4  # 432; f32[33][3], and four zero bytes
PERSON_LEN = AT_LANDMARKS
PERSON_LANDMARKS_LEN = AT_LANDMARKS + NUM_LANDMARKS * 3 * 4 + 4  # 832
ROT_ENC_QUAT_XYZW = 0
OPTION_LANDMARKS = 1


def encode_pose(message: PoseMessage, space: Space, *, landmarks: bool = False) -> bytes:
    """Encodes a pose for `genmo.v1.bin`; `landmarks` lengthens the blocks of persons with them."""
    persons = sorted(message.persons, key=lambda p: p.person)
    stages = message.stages
    header = HEADER.pack(
        *(MAGIC, MAJOR, TYPE_POSE, HEADER.size, message.flags, message.seq, message.frame),
        *(message.t_capture_us, message.t_publish_us, message.skeleton_rev, len(persons)),
        *(_hundred_us(stages.decode), _hundred_us(stages.keypoints), _hundred_us(stages.model), 0),
    )
    return header + b"".join(_encode_person(p, space, landmarks) for p in persons)


def _encode_person(person: PosePerson, space: Space, landmarks: bool) -> bytes:
    tail = b""
    if landmarks and person.landmarks is not None:
        tail = _bytes(person.landmarks) + bytes(4)
    options = OPTION_LANDMARKS if tail else 0
    fixed = PERSON.pack(
        *(person.person, person.state, ROT_ENC_QUAT_XYZW, NUM_JOINTS, options),
        *(PERSON_LEN + len(tail), person.confidence),
    )
    root = _bytes(to_space(person.pelvis, space)) + _bytes(to_space(person.velocity, space))
    contacts = np.rint(np.clip(person.contacts, 0, 1) * 255).astype(np.uint8).tobytes() + bytes(2)
    return fixed + root + contacts + _bytes(to_space(person.quat_xyzw, space)) + tail


def _bytes(values: Floats) -> bytes:
    return values.astype("<f4", copy=False).tobytes()


def _hundred_us(ms: float) -> int:
    return min(max(round(ms * 10), 0), 0xFFFF)


def decode_pose(buffer: bytes) -> PoseMessage:
    """Decodes a binary pose; its values stay in the space they were encoded for.

    Raises:
        WireError: the buffer isn't a whole, sane pose message of version 1.
    """
    if len(buffer) < HEADER.size:
        raise WireError(f"message of {len(buffer)} bytes; a pose header has {HEADER.size}")
    magic, major, kind, header_len, *fields = HEADER.unpack_from(buffer)
    if magic != MAGIC:
        raise WireError(f"magic {magic:#06x}; expected {MAGIC:#06x}")
    if major != MAJOR:
        raise WireError(f"protocol version {major}; this decoder reads {MAJOR}")
    if kind != TYPE_POSE:
        raise WireError(f"message type {kind}; expected {TYPE_POSE} (pose)")
    if header_len < HEADER.size or header_len % 8 or header_len > len(buffer):
        raise WireError(
            f"header_len {header_len}; expected a multiple of 8 from {HEADER.size} "
            f"to the message's {len(buffer)} bytes"
        )
    flags, seq, frame, t_capture_us, t_publish_us, skeleton_rev, n_persons, *stages, _ = fields
    persons = []
    offset = header_len
    for _ in range(n_persons):
        person, offset = _decode_person(buffer, offset)
        persons.append(person)
    if offset != len(buffer):
        raise WireError(f"{len(buffer) - offset} bytes after the last of {n_persons} persons")
    return PoseMessage(
        frame=frame,
        t_capture_us=t_capture_us,
        persons=tuple(persons),
        stages=Stages(*(hundred_us / 10 for hundred_us in stages)),
        flags=PoseFlag(flags),
        seq=seq,
        t_publish_us=t_publish_us,
        skeleton_rev=skeleton_rev,
    )


def _decode_person(buffer: bytes, offset: int) -> tuple[PosePerson, int]:
    """Decodes the block at offset; also returns where the next one starts."""
    left = len(buffer) - offset
    if left < PERSON_LEN:
        raise WireError(f"{left} bytes left at {offset}; a person block has {PERSON_LEN}")
    fixed = PERSON.unpack_from(buffer, offset)
    person, state, rot_enc, n_joints, options, block_len, confidence = fixed
    if rot_enc != ROT_ENC_QUAT_XYZW:
        raise WireError(f"rot_enc {rot_enc}; expected {ROT_ENC_QUAT_XYZW} (quaternions xyzw)")
    if n_joints != NUM_JOINTS:
        raise WireError(f"n_joints {n_joints}; expected {NUM_JOINTS}")
    least = PERSON_LANDMARKS_LEN if options & OPTION_LANDMARKS else PERSON_LEN
    if block_len < least or block_len % 8 or block_len > left:
        raise WireError(
            f"block_len {block_len}; expected a multiple of 8 from {least} to the {left} bytes left"
        )
    landmarks = None
    if options & OPTION_LANDMARKS:
        landmarks = _floats(buffer, offset + AT_LANDMARKS, NUM_LANDMARKS * 3).reshape(-1, 3)
    contacts = np.frombuffer(buffer, np.uint8, len(CONTACT_NAMES), offset + AT_CONTACTS)
    decoded = PosePerson(
        person=person,
        state=state,
        confidence=confidence,
        pelvis=_floats(buffer, offset + AT_PELVIS, 3),
        velocity=_floats(buffer, offset + AT_VELOCITY, 3),
        contacts=contacts.astype(np.float32) / np.float32(255),
        quat_xyzw=_floats(buffer, offset + AT_ROTATIONS, NUM_JOINTS * 4).reshape(-1, 4),
        landmarks=landmarks,
    )
    return decoded, offset + block_len


def _floats(buffer: bytes, offset: int, count: int) -> Floats:
    return np.frombuffer(buffer, "<f4", count, offset).astype(np.float32)

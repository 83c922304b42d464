"""Writes the golden messages of `genmo.v1`: `python clients/protocol/generate.py [FOLDER]`.

Made from the contract and by hand, with the standard library alone: nothing here is imported from
the server or a client, so agreement with these files means agreement with the contract.
"""

import json
import math
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

Vector = tuple[float, ...]
SPACES = ("smpl", "unity", "unreal")  # what the wire carries
TARGETS = (*SPACES, "blender")  # what clients must arrive at

# ---- a body made of round numbers: name, parent, offset from the parent in the T-pose, metres ---

JOINTS: tuple[tuple[str, int, Vector], ...] = (
    ("pelvis", -1, (0.0, 0.0, 0.0)),
    ("left_hip", 0, (0.06, -0.09, 0.0)),
    ("right_hip", 0, (-0.06, -0.09, 0.0)),
    ("spine1", 0, (0.0, 0.12, -0.03)),
    ("left_knee", 1, (0.04, -0.39, 0.0)),
    ("right_knee", 2, (-0.04, -0.39, 0.0)),
    ("spine2", 3, (0.0, 0.14, 0.02)),
    ("left_ankle", 4, (0.0, -0.42, -0.04)),
    ("right_ankle", 5, (0.0, -0.42, -0.04)),
    ("spine3", 6, (0.0, 0.06, 0.0)),
    ("left_foot", 7, (0.03, -0.06, 0.12)),
    ("right_foot", 8, (-0.03, -0.06, 0.12)),
    ("neck", 9, (0.0, 0.21, -0.03)),
    ("left_collar", 9, (0.08, 0.11, -0.02)),
    ("right_collar", 9, (-0.08, 0.11, -0.02)),
    ("head", 12, (0.0, 0.09, 0.05)),
    ("left_shoulder", 13, (0.11, 0.05, -0.01)),
    ("right_shoulder", 14, (-0.11, 0.05, -0.01)),
    ("left_elbow", 16, (0.26, -0.01, -0.02)),
    ("right_elbow", 17, (-0.26, -0.01, -0.02)),
    ("left_wrist", 18, (0.26, 0.01, 0.0)),
    ("right_wrist", 19, (-0.26, 0.01, 0.0)),
    ("left_hand", 20, (0.09, -0.01, -0.01)),
    ("right_hand", 21, (-0.09, -0.01, -0.01)),
)
NAMES = tuple(name for name, _, _ in JOINTS)
OFFSETS = tuple(offset for _, _, offset in JOINTS)

# ---- the poses, by hand -------------------------------------------------------------------------


@dataclass(frozen=True)
class Fact:
    """`to` lies at least, or at most, this many metres from `start` in a direction."""

    say: str
    start: str
    to: str
    direction: str  # up, towards_camera or image_right
    at_least: float | None = None
    at_most: float | None = None


@dataclass(frozen=True)
class Pose:
    """One named pose: joint → (axis, degrees), relative to its parent; the rest is identity."""

    name: str
    say: str
    turns: dict[str, tuple[str, float]]
    pelvis: Vector
    velocity: Vector
    contacts: Vector
    state: str
    flags: tuple[str, ...]
    facts: tuple[Fact, ...]


STANDING = (1.0, 1.0, 1.0, 1.0, 0.0, 0.0)
POSES = (
    Pose(
        name="t_pose",
        say="Stands 3 m before the camera and faces it, arms stretched out to the sides.",
        turns={},
        pelvis=(0.0, 0.97, -3.0),
        velocity=(0.0, 0.0, 0.0),
        contacts=STANDING,
        state="warmup",
        flags=("warmup",),
        facts=(
            Fact("the head is above the pelvis", "pelvis", "head", "up", at_least=0.5),
            Fact(
                "the left arm points to the picture's right",
                "left_shoulder",
                "left_wrist",
                "image_right",
                0.5,
            ),
            Fact(
                "the right arm points to the picture's left",
                "right_wrist",
                "right_shoulder",
                "image_right",
                0.5,
            ),
            Fact("the arms are level", "left_shoulder", "left_wrist", "up", -0.05, 0.05),
            Fact(
                "the toes point at the camera",
                "left_ankle",
                "left_foot",
                "towards_camera",
                at_least=0.1,
            ),
        ),
    ),
    Pose(
        name="right_hand_up",
        say="As the T-pose, with the right arm straight up: turned at the shoulder by -90 degrees "
        "about +z, which takes the arm from -x to +y.",
        turns={"right_shoulder": ("z", -90.0)},
        pelvis=(0.0, 0.97, -3.0),
        velocity=(0.0, 0.0, 0.0),
        contacts=STANDING,
        state="tracked",
        flags=(),
        facts=(
            Fact("the right wrist is above the head", "head", "right_wrist", "up", at_least=0.3),
            Fact(
                "the left arm points to the picture's right",
                "left_shoulder",
                "left_wrist",
                "image_right",
                0.5,
            ),
            Fact(
                "the right wrist is over the right shoulder, not beside it",
                "right_shoulder",
                "right_wrist",
                "image_right",
                -0.05,
                0.05,
            ),
        ),
    ),
    Pose(
        name="step_forward",
        say="Steps towards the camera: the left thigh swung forward by 30 degrees with the knee "
        "bent by 10, the right one back by 20; a positive turn about +x takes -y to -z, so "
        "forward is negative and a knee bends by a positive angle.",
        turns={"left_hip": ("x", -30.0), "right_hip": ("x", 20.0), "left_knee": ("x", 10.0)},
        pelvis=(0.25, 0.9, -2.5),
        velocity=(0.0, 0.0, 1.0),
        contacts=(1.0, 0.2, 0.0, 1.0, 0.0, 0.0),
        state="tracked",
        flags=(),
        facts=(
            Fact(
                "the left foot is in front",
                "right_ankle",
                "left_ankle",
                "towards_camera",
                at_least=0.5,
            ),
            Fact(
                "the pelvis is in front of the right foot",
                "right_ankle",
                "pelvis",
                "towards_camera",
                0.2,
            ),
            Fact(
                "the left foot is in front of the pelvis",
                "pelvis",
                "left_ankle",
                "towards_camera",
                0.2,
            ),
            Fact("both feet are below", "left_ankle", "pelvis", "up", at_least=0.7),
        ),
    ),
    Pose(
        name="turn_left",
        say="As the T-pose, turned to the person's own left by 90 degrees: the pelvis turned by "
        "+90 degrees about +y, which takes +z (the camera) to +x (the picture's right).",
        turns={"pelvis": ("y", 90.0)},
        pelvis=(-0.5, 0.97, -3.0),
        velocity=(0.1, 0.0, -0.2),
        contacts=STANDING,
        state="tracked",
        flags=("resampled",),
        facts=(
            Fact(
                "the toes point to the picture's right",
                "left_ankle",
                "left_foot",
                "image_right",
                0.1,
            ),
            Fact(
                "the left arm points away from the camera",
                "left_wrist",
                "left_shoulder",
                "towards_camera",
                0.5,
            ),
            Fact(
                "the right arm points at the camera",
                "right_shoulder",
                "right_wrist",
                "towards_camera",
                0.5,
            ),
        ),
    ),
)

# ---- targets, from the contract's table ---------------------------------------------------------


def position(v: Sequence[float], target: str) -> Vector:
    """A canonical position, offset or velocity (metres) in the target."""
    x, y, z = v
    return {
        "smpl": (x, y, z),
        "unity": (-x, y, z),
        "unreal": (100 * z, -100 * x, 100 * y),
        "blender": (x, -z, y),
    }[target]


def rotation(q: Sequence[float], target: str) -> Vector:
    """A canonical quaternion xyzw in the target."""
    x, y, z, w = q
    return {
        "smpl": (x, y, z, w),
        "unity": (x, -y, -z, w),
        "unreal": (-z, x, -y, w),
        "blender": (x, -z, y, w),
    }[target]


DIRECTIONS: dict[str, Vector] = {
    "up": (0.0, 1.0, 0.0),
    "towards_camera": (0.0, 0.0, 1.0),
    "image_right": (1.0, 0.0, 0.0),
}

# ---- kinematics ---------------------------------------------------------------------------------


def quaternions(pose: Pose) -> list[Vector]:
    """24 quaternions xyzw, joint 0 in the world, the others relative to their parents."""
    rows = []
    for name in NAMES:
        axis, degrees = pose.turns.get(name, ("x", 0.0))
        half = math.radians(degrees) / 2
        vector = [math.sin(half) if axis == letter else 0.0 for letter in "xyz"]
        rows.append((*vector, math.cos(half)))
    return rows


def multiply(a: Sequence[float], b: Sequence[float]) -> Vector:
    """The quaternion product a·b: first b, then a."""
    ax, ay, az, aw = a
    bx, by, bz, bw = b
    return (
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
        aw * bw - ax * bx - ay * by - az * bz,
    )


def turn(q: Sequence[float], v: Sequence[float]) -> Vector:
    """q·v·q⁻¹."""
    x, y, z, w = q
    return multiply(multiply(q, (*v, 0.0)), (-x, -y, -z, w))[:3]


def joints(pose: Pose) -> list[Vector]:
    """Canonical world positions of the 24 joints, metres."""
    local = quaternions(pose)
    spins: list[Vector] = []
    places: list[Vector] = []
    for index, (_, parent, offset) in enumerate(JOINTS):
        if parent < 0:
            spins.append(local[index])
            places.append(pose.pelvis)
            continue
        spins.append(multiply(spins[parent], local[index]))
        moved = turn(spins[parent], offset)
        places.append(tuple(p + m for p, m in zip(places[parent], moved, strict=True)))
    return places


# ---- messages -----------------------------------------------------------------------------------

STATES = ("lost", "warmup", "tracked", "occluded", "generated")
FLAGS = {"warmup": 1, "generated": 2, "resampled": 4}
PERSON_ID = 7
CONFIDENCE = 0.875
T_CAPTURE_US = 1_790_000_000_000_000
STAGES = {"decode": 1.2, "keypoints": 12.5, "model": 4.3}
LANDMARKS = [(round(0.3 + 0.01 * i, 2), round(0.1 + 0.02 * i, 2), 0.5) for i in range(33)]


def header(pose_index: int, n_persons: int, flags: int = 0, header_len: int = 48) -> bytes:
    """48 bytes, and zeros up to header_len."""
    t_capture_us = T_CAPTURE_US + 33_333 * pose_index
    stages = (round(ms * 10) for ms in STAGES.values())
    fields = struct.pack(
        "<HBBHHIIqqIHHHHI",
        *(0x4D47, 1, 1, header_len, flags, 41 + pose_index, 100 + pose_index),
        *(t_capture_us, t_capture_us + 25_000, 3, n_persons, *stages, 0),
    )
    return fields + bytes(header_len - len(fields))


def block(
    pose: Pose, space: str, *, person: int = PERSON_ID, tail: bytes = b"", options: int = 0
) -> bytes:
    """432 bytes, and a tail."""
    fixed = struct.pack(
        "<IBBBBIf", person, STATES.index(pose.state), 0, 24, options, 432 + len(tail), CONFIDENCE
    )
    root = (*position(pose.pelvis, space), *position(pose.velocity, space))
    contacts = bytes(round(255 * c) for c in pose.contacts)
    turned = [value for q in quaternions(pose) for value in rotation(q, space)]
    body = struct.pack("<6f", *plus_zero(root)) + contacts + bytes(2)
    return fixed + body + struct.pack("<96f", *plus_zero(turned)) + tail


def binary(pose: Pose, space: str) -> bytes:
    """The whole message for `genmo.v1.bin`."""
    flags = sum(FLAGS[flag] for flag in pose.flags)
    return header(POSES.index(pose), 1, flags) + block(pose, space)


def text(pose: Pose, space: str, *, landmarks: bool = False) -> str:
    """The whole message for `genmo.v1.json`."""
    index = POSES.index(pose)
    person: dict[str, object] = {
        "person": PERSON_ID,
        "state": pose.state,
        "confidence": CONFIDENCE,
        "pelvis": rounded(position(pose.pelvis, space)),
        "velocity": rounded(position(pose.velocity, space)),
        "contacts": rounded(pose.contacts),
        "rotations": [rounded(rotation(q, space)) for q in quaternions(pose)],
    }
    if landmarks:
        person["landmarks"] = LANDMARKS
    message = {
        "type": "pose",
        "seq": 41 + index,
        "skeleton_rev": 3,
        "frame": 100 + index,
        "t_capture_us": T_CAPTURE_US + 33_333 * index,
        "t_publish_us": T_CAPTURE_US + 33_333 * index + 25_000,
        "flags": pose.flags,
        "stages_ms": STAGES,
        "persons": [person],
    }
    return compact(message)


def plus_zero(values: Sequence[float]) -> list[float]:
    """Turns −0 into 0, so that equal values are equal bytes."""
    return [value + 0.0 for value in values]


def rounded(values: Sequence[float]) -> list[float]:
    """Six decimals: micrometres."""
    return [round(value, 6) + 0.0 for value in values]


def compact(message: object) -> str:
    """One line, as on the wire."""
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False)


# ---- control messages ---------------------------------------------------------------------------


def control_messages() -> dict[str, object]:
    """File stem → message, server to client."""
    shape = [0.5, -0.25, *[0.0] * 8]
    messages: dict[str, object] = {
        "hello": {
            "type": "hello",
            "proto": "genmo.v1",
            "server": "genmo-rt 0.1.0",
            "stream": "cam",
            "clock_us": T_CAPTURE_US,
            "space": "smpl",
            "fps": 30,
            "limits": {
                "window_min": 4,
                "window_max": 8,
                "ack_timeout_s": 5.0,
                "max_control": 256,
                "max_message_bytes": 4096,
                "max_errors": 10,
                "error_span_s": 10.0,
            },
        },
        "stream": {
            "type": "stream",
            "state": "live",
            "capture_clock": "sender",
            "fps_in": 29.97,
        },
        "stats": {
            "type": "stats",
            "fps_in": 29.97,
            "fps_out": 29.9,
            "dropped": 12,
            "latency_ms": {"p50": 31.5, "p95": 44.0},
        },
        "error": {
            "type": "error",
            "code": "bad_message",
            "message": "message type 'hug'; expected ack, ping or set",
        },
        "pong": {
            "type": "pong",
            "t0": 1_234_567,
            "t1": T_CAPTURE_US,
            "t2": T_CAPTURE_US + 40,
        },
        "bye": {"type": "bye", "reason": "the server stops"},
    }
    for space in SPACES:
        offsets = [rounded(position(offset, space)) for offset in OFFSETS]
        messages[f"skeleton.{space}"] = {
            "type": "skeleton",
            "rev": 3,
            "model": "smpl24",
            "joints": [
                {"name": name, "parent": parent, "offset": offset}
                for (name, parent, _), offset in zip(JOINTS, offsets, strict=True)
            ],
            "rest": "T",
        }
        messages[f"subject.{space}"] = {
            "type": "subject",
            "person": PERSON_ID,
            "state": "enter",
            "body": "builtin",
            "betas": [0.0] * 10,
            "shape": shape,
            "height_m": 1.73,
            "offsets": offsets,
        }
    return messages


CLIENT_MESSAGES: dict[str, bytes] = {
    "ack.bin": struct.pack("<BI", 0x10, 41),
    "ack.json": b'{"type":"ack","seq":41}',
    "ping.json": b'{"type":"ping","t0":1234567}',
    "set.json": b'{"type":"set","rate":15,"persons":1}',
}

# ---- what must be accepted, and what must not ---------------------------------------------------


def accepted() -> dict[str, tuple[str, bytes, list[int]]]:
    """File name → (why, message, ids of the persons to be read)."""
    pose = POSES[1]
    landmarks = struct.pack("<99f", *(v for row in LANDMARKS for v in row)) + bytes(4)
    one = [PERSON_ID]
    return {
        "longer_header.bin": (
            "header_len is 56: the 8 bytes more are skipped",
            header(1, 1, header_len=56) + block(pose, "smpl"),
            one,
        ),
        "longer_block.bin": (
            "block_len is 448: the 16 bytes more are skipped, and the next person is found",
            header(1, 2)
            + block(pose, "smpl", tail=b"\xff" * 16)
            + block(pose, "smpl", person=PERSON_ID + 2),
            [PERSON_ID, PERSON_ID + 2],
        ),
        "landmarks.bin": (
            "options bit 0 and block_len 832: 33 landmarks follow the rotations",
            header(1, 1) + block(pose, "smpl", tail=landmarks, options=1),
            one,
        ),
        "unknown_options.bin": (
            "options has a bit that nobody knows yet; block_len tells where the block ends",
            header(1, 1) + block(pose, "smpl", tail=b"\x7f" * 8, options=0x80),
            one,
        ),
        "unknown_flags.bin": (
            "flags has a bit that nobody knows yet",
            header(1, 1, flags=0x8000) + block(pose, "smpl"),
            one,
        ),
        "nobody.bin": ("n_persons is 0: the frame had nobody in it", header(1, 0), []),
        "three_persons.bin": (
            "three blocks",
            header(1, 3) + b"".join(block(pose, "smpl", person=p) for p in (1, 2, 9)),
            [1, 2, 9],
        ),
    }


def malformed() -> dict[str, tuple[str, bytes]]:
    """File name → (why it must be refused, message)."""
    whole = binary(POSES[1], "smpl")

    def patched(offset: int, layout: str, value: float) -> bytes:
        out = bytearray(whole)
        struct.pack_into("<" + layout, out, offset, value)
        return bytes(out)

    messages = {
        "empty.bin": ("no bytes at all", b""),
        "one_byte.bin": ("shorter than a header", whole[:1]),
        "header_cut.bin": ("the header is cut one byte before its end", whole[:47]),
        "person_missing.bin": ("n_persons is 1 and no block follows", whole[:48]),
        "person_cut_early.bin": ("the block is cut within its fixed fields", whole[:60]),
        "person_cut_late.bin": ("the block is cut one byte before its end", whole[:-1]),
        "trailing.bin": ("8 bytes follow the last person", whole + bytes(8)),
        "magic.bin": ("the magic is byte-swapped", patched(0, "H", 0x474D)),
        "major.bin": ("major version 2", patched(2, "B", 2)),
        "type.bin": ("message type 2 is not a pose", patched(3, "B", 2)),
        "header_len_zero.bin": ("header_len 0", patched(4, "H", 0)),
        "header_len_short.bin": ("header_len 40 is less than the 48 known", patched(4, "H", 40)),
        "header_len_odd.bin": ("header_len 52 is no multiple of 8", patched(4, "H", 52)),
        "header_len_huge.bin": ("header_len 65528 is beyond the message", patched(4, "H", 65528)),
        "count_too_large.bin": ("n_persons is 2, one block follows", patched(36, "H", 2)),
        "count_huge.bin": ("n_persons is 65535, one block follows", patched(36, "H", 65535)),
        "rot_enc.bin": ("rotation encoding 1 is unknown", patched(48 + 5, "B", 1)),
        "n_joints.bin": ("25 joints", patched(48 + 6, "B", 25)),
        "state.bin": ("state 5 is unknown", patched(48 + 4, "B", 5)),
        "block_len_zero.bin": ("block_len 0", patched(48 + 8, "I", 0)),
        "block_len_short.bin": ("block_len 424 is less than 432", patched(48 + 8, "I", 424)),
        "block_len_odd.bin": ("block_len 436 is no multiple of 8", patched(48 + 8, "I", 436)),
        "block_len_long.bin": ("block_len 440 is beyond the message", patched(48 + 8, "I", 440)),
        "block_len_huge.bin": (
            "block_len 0xFFFFFFF8: an end computed in 32 bits wraps around",
            patched(48 + 8, "I", 0xFFFFFFF8),
        ),
        "nan_confidence.bin": ("confidence is NaN", patched(48 + 12, "f", math.nan)),
        "nan_pelvis.bin": ("the pelvis has a NaN", patched(48 + 20, "f", math.nan)),
        "nan_velocity.bin": ("the velocity has a NaN", patched(48 + 28, "f", math.nan)),
        "nan_rotation.bin": ("the last rotation has a NaN", patched(48 + 428, "f", math.nan)),
        "inf_rotation.bin": ("a rotation is infinite", patched(48 + 48, "f", math.inf)),
    }
    return messages


# ---- files --------------------------------------------------------------------------------------


def expected() -> dict[str, object]:
    """Every pose's values in every target, and facts that hold in each."""
    poses = {}
    for pose in POSES:
        values = {
            target: {
                "pelvis": rounded(position(pose.pelvis, target)),
                "velocity": rounded(position(pose.velocity, target)),
                "rotations": [rounded(rotation(q, target)) for q in quaternions(pose)],
                "joints": [rounded(position(p, target)) for p in joints(pose)],
            }
            for target in TARGETS
        }
        facts = [vars(fact) for fact in pose.facts]
        poses[pose.name] = {"say": pose.say, "facts": facts, "values": values}
    targets = {
        target: {
            "metre": 100.0 if target == "unreal" else 1.0,
            "offsets": [rounded(position(offset, target)) for offset in OFFSETS],
            "directions": {
                name: [math.copysign(1, v) if v else 0 for v in rounded(position(d, target))]
                for name, d in DIRECTIONS.items()
            },
        }
        for target in TARGETS
    }
    parents = [parent for _, parent, _ in JOINTS]
    return {"names": NAMES, "parents": parents, "targets": targets, "poses": poses}


def files() -> dict[str, bytes]:
    """Relative path → content of every golden file."""
    made: dict[str, bytes] = {}
    for pose in POSES:
        for space in SPACES:
            made[f"poses/{pose.name}.{space}.bin"] = binary(pose, space)
            made[f"poses/{pose.name}.{space}.json"] = line(text(pose, space))
    made["accepted/landmarks.json"] = line(text(POSES[1], "smpl", landmarks=True))
    for stem, message in control_messages().items():
        made[f"control/{stem}.json"] = line(compact(message))
    for name, content in CLIENT_MESSAGES.items():
        made[f"client/{name}"] = content
    persons = {}
    for name, (why, content, ids) in accepted().items():
        made[f"accepted/{name}"] = content
        persons[name] = {"why": why, "persons": ids}
    reasons = {}
    for name, (why, content) in malformed().items():
        made[f"malformed/{name}"] = content
        reasons[name] = why
    made["accepted.json"] = pretty(persons)
    made["malformed.json"] = pretty(reasons)
    made["expected.json"] = line(compact(expected()))
    return made


def line(content: str) -> bytes:
    """One line of UTF-8."""
    return (content + "\n").encode()


def pretty(content: object) -> bytes:
    """Indented UTF-8."""
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()


def main() -> None:
    """Writes the files below the folder named on the command line, or beside this script."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    for path, content in files().items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


if __name__ == "__main__":
    main()

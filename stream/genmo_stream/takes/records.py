"""The bytes of a take file: what a stream's listeners hear, as records that can be appended.

The file starts with MAGIC; then come records: kind, length and CRC-32 of the payload, and the
payload. A file that was cut short, by a crash or a full disk, is good up to its last whole record.
No record has room for a picture.
"""

import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from genmo_rt.camera_motion import CameraMotion
from genmo_rt.clock import Tick
from genmo_rt.keypoints import Keypoints
from genmo_stream.listener import SightedPerson, Sighting, Solved
from genmo_stream.wire import PoseMessage, Skeleton, Space, Subject, encode_control, encode_pose

MAGIC = b"GENMOTK1"
HEAD = struct.Struct("<BxxxII")
MAX_PAYLOAD = 1 << 20  # bytes; the longest record, a frame of 255 persons, has a quarter of it


class Kind(IntEnum):
    """What a record is."""

    ABOUT = 1  # JSON, the first record: who records what
    CONTROL = 2  # JSON: a skeleton or subject message, as viewers get it
    POSE = 3  # a binary pose message with landmarks, as viewers get it
    SIGHTING = 4  # landmarks of one frame, and how its camera moved
    SOLVED = 5  # one person's pose at one tick, masked ones too
    END = 6  # JSON, the last record: why the take ended


SIGHTING = np.dtype(
    [
        ("number", "<u4"),
        ("t_capture_us", "<i8"),
        ("tick", "<i8"),
        ("t", "<f8"),
        ("missed", "<u4"),
        ("restart", "?"),
        ("reset", "?"),
        ("delay", "u1"),
        ("persons", "u1"),
        ("size", "<u4", 2),
        ("fov", "<f4"),  # nan: not known
        ("height_m", "<f4"),  # nan: not known
    ]
)
PERSON = np.dtype(
    [
        ("person", "<u4"),
        ("state", "u1"),
        ("seen", "?"),
        ("has_world", "?"),
        ("zero", "u1"),
        ("pixels", "<f4", (33, 2)),
        ("confidence", "<f4", 33),
        ("world", "<f4", (33, 3)),
    ]
)
CAMERA = np.dtype(  # behind a sighting's persons; takes of before it was kept have none
    [
        ("turn", "<f8", 3),
        ("up_cam", "<f4", 3),  # nan: no sensor says so
        ("sure", "<f4"),
        ("carried", "?"),
        ("cut", "?"),
        ("zero", "u1", 6),
    ]
)
SOLVED = np.dtype(
    [
        ("person", "<u4"),
        ("framed", "?"),
        ("zero", "u1", 3),
        ("t_capture_us", "<i8"),
        ("t", "<f8"),
        ("confidence", "<f4"),
        ("quat_xyzw", "<f4", (24, 4)),
        ("pelvis", "<f4", 3),
        ("velocity", "<f4", 3),
        ("contacts", "<f4", 6),
        ("shape", "<f4", 10),
        ("pelvis_cam", "<f4", 3),
        ("root_quat_xyzw_cam", "<f4", 4),
        ("rest_joints", "<f4", (24, 3)),
    ]
)

Recorded = PoseMessage | Skeleton | Subject | Sighting | Solved


@dataclass(frozen=True, slots=True)
class Record:
    """One record, its payload not yet decoded."""

    kind: Kind
    payload: bytes


def encode(note: Recorded) -> bytes:
    """One note as a record."""
    match note:
        case PoseMessage():
            return pack(Kind.POSE, encode_pose(note, Space.SMPL, landmarks=True))
        case Sighting():
            return pack(Kind.SIGHTING, _sighting(note))
        case Solved():
            return pack(Kind.SOLVED, _solved(note))
        case Skeleton() | Subject():
            return pack(Kind.CONTROL, encode_control(note, Space.SMPL).encode())


def encode_json(kind: Kind, fields: dict[str, Any]) -> bytes:
    """An ABOUT or END record."""
    return pack(kind, json.dumps(fields).encode())


def pack(kind: Kind, payload: bytes) -> bytes:
    """A record of these bytes."""
    return HEAD.pack(kind, len(payload), zlib.crc32(payload)) + payload


def read_records(file: BinaryIO) -> Iterator[Record]:
    """The whole records of a file whose MAGIC was read; ends at the first that isn't whole."""
    while len(head := file.read(HEAD.size)) == HEAD.size:
        kind, length, crc = HEAD.unpack(head)
        if length > MAX_PAYLOAD or kind not in tuple(Kind):
            return
        payload = file.read(length)
        if len(payload) < length or zlib.crc32(payload) != crc:
            return
        yield Record(Kind(kind), payload)


def decode_sighting(payload: bytes) -> Sighting:
    """A SIGHTING record's content."""
    head = np.frombuffer(payload, SIGHTING, 1)[0]
    blocks = np.frombuffer(payload, PERSON, int(head["persons"]), SIGHTING.itemsize)
    width, height = (int(side) for side in head["size"])
    return Sighting(
        number=int(head["number"]),
        t_capture_us=int(head["t_capture_us"]),
        tick=Tick(
            index=int(head["tick"]),
            t=float(head["t"]),
            missed=int(head["missed"]),
            restart=bool(head["restart"]),
            reset=bool(head["reset"]),
        ),
        image_size=(width, height),
        fov=_or_none(head["fov"]),
        height_m=_or_none(head["height_m"]),
        delay=int(head["delay"]),
        persons=tuple(
            SightedPerson(
                person=int(block["person"]),
                state=int(block["state"]),
                keypoints=_keypoints(block, (width, height)) if block["seen"] else None,
            )
            for block in blocks
        ),
        camera=_camera(payload[SIGHTING.itemsize + blocks.nbytes :]),
    )


def decode_solved(payloads: list[bytes]) -> NDArray[Any]:
    """(N,) SOLVED rows of as many records."""
    return np.frombuffer(b"".join(payloads), SOLVED)


def _sighting(sighting: Sighting) -> bytes:
    head = np.zeros((), SIGHTING)
    tick = sighting.tick
    for field, value in (
        ("number", sighting.number),
        ("t_capture_us", sighting.t_capture_us),
        ("tick", tick.index),
        ("t", tick.t),
        ("missed", tick.missed),
        ("restart", tick.restart),
        ("reset", tick.reset),
        ("delay", sighting.delay),
        ("persons", len(sighting.persons)),
        ("size", sighting.image_size),
        ("fov", _or_nan(sighting.fov)),
        ("height_m", _or_nan(sighting.height_m)),
    ):
        head[field] = value
    blocks = np.zeros(len(sighting.persons), PERSON)
    for block, person in zip(blocks, sighting.persons, strict=True):
        block["person"], block["state"] = person.person, person.state
        if person.keypoints is not None:
            block["seen"] = True
            block["pixels"] = person.keypoints.pixels
            block["confidence"] = person.keypoints.confidence
            if person.keypoints.world is not None:
                block["has_world"] = True
                block["world"] = person.keypoints.world
    camera = b"" if sighting.camera is None else _camera_bytes(sighting.camera)
    return head.tobytes() + blocks.tobytes() + camera


def _camera_bytes(camera: CameraMotion) -> bytes:
    row = np.zeros((), CAMERA)
    for field in ("turn", "sure", "carried", "cut"):
        row[field] = getattr(camera, field)
    row["up_cam"] = np.nan if camera.up_cam is None else camera.up_cam
    return row.tobytes()


def _solved(solved: Solved) -> bytes:
    row, pose = np.zeros((), SOLVED), solved.pose
    row["person"], row["framed"] = solved.person, solved.framed
    row["t_capture_us"], row["t"] = solved.t_capture_us, pose.t
    for field in ("confidence", "quat_xyzw", "pelvis", "velocity", "contacts", "shape"):
        row[field] = getattr(pose, field)
    row["pelvis_cam"] = pose.joints_cam[0]
    row["root_quat_xyzw_cam"] = pose.root_quat_xyzw_cam
    row["rest_joints"] = solved.rest_joints
    return row.tobytes()


def _camera(payload: bytes) -> CameraMotion | None:
    """What is behind a sighting's persons, if anything is."""
    if len(payload) < CAMERA.itemsize:
        return None
    row = np.frombuffer(payload, CAMERA, 1)[0]
    up_cam = row["up_cam"].astype(np.float64)
    return CameraMotion(
        turn=row["turn"].copy(),
        sure=float(row["sure"]),
        up_cam=up_cam / np.linalg.norm(up_cam) if np.isfinite(up_cam).all() else None,
        carried=bool(row["carried"]),
        cut=bool(row["cut"]),
    )


def _keypoints(block: Any, image_size: tuple[int, int]) -> Keypoints:
    return Keypoints(
        pixels=block["pixels"].copy(),  # torch wants arrays that may be written
        confidence=block["confidence"].copy(),
        world=block["world"].copy() if block["has_world"] else None,
        image_size=image_size,
    )


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value


def _or_none(value: Any) -> float | None:
    return None if np.isnan(value) else float(value)

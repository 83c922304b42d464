"""Pose and control messages → JSON text, and JSON poses back."""

from dataclasses import asdict

import numpy as np

from genmo_rt.skeleton import JOINT_NAMES, PARENTS
from genmo_stream.wire.messages import (
    STATE_NAMES,
    U32_MAX,
    Bye,
    Control,
    ErrorMessage,
    Hello,
    Pong,
    PoseFlag,
    PoseMessage,
    PosePerson,
    Skeleton,
    Space,
    Stages,
    Stats,
    StreamState,
    Subject,
    WireError,
)
from genmo_stream.wire.space import to_space
from genmo_stream.wire.strict_json import (
    array,
    dumps,
    integer,
    kind,
    list_of,
    loads,
    number,
    object_of,
    rounded,
)


def pose_to_json(message: PoseMessage, space: Space, *, landmarks: bool = False) -> str:
    """Encodes a pose for `genmo.v1.json`, six decimals a number."""
    flags = [flag.name.lower() for flag in PoseFlag if flag.name and flag in message.flags]
    persons = sorted(message.persons, key=lambda p: p.person)
    fields = {
        "type": "pose",
        "seq": message.seq,
        "skeleton_rev": message.skeleton_rev,
        "frame": message.frame,
        "t_capture_us": message.t_capture_us,
        "t_publish_us": message.t_publish_us,
        "flags": flags,
        "stages_ms": {name: round(ms, 1) for name, ms in asdict(message.stages).items()},
        "persons": [_person_fields(p, space, landmarks) for p in persons],
    }
    return dumps(fields)


def _person_fields(person: PosePerson, space: Space, landmarks: bool) -> dict[str, object]:
    fields: dict[str, object] = {
        "person": person.person,
        "state": STATE_NAMES[person.state],
        "confidence": round(float(person.confidence), 6),
        "pelvis": rounded(to_space(person.pelvis, space)),
        "velocity": rounded(to_space(person.velocity, space)),
        "contacts": rounded(np.clip(person.contacts, 0, 1)),
        "rotations": rounded(to_space(person.quat_xyzw, space)),
    }
    if landmarks and person.landmarks is not None:
        fields["landmarks"] = rounded(person.landmarks)
    return fields


def pose_from_json(text: str) -> PoseMessage:
    """Decodes a JSON pose; its values stay in the space they were encoded for.

    Raises:
        WireError: the text isn't a whole, sane pose message.
    """
    fields = loads(text)
    if fields.get("type") != "pose":
        raise WireError(f"type {fields.get('type')!r}; expected 'pose'")
    flags = PoseFlag.NONE
    for name in list_of(fields, "flags"):
        flags |= PoseFlag.__members__.get(str(name).upper(), PoseFlag.NONE)  # skip unknown ones
    stages = object_of(fields, "stages_ms")
    persons = []
    for person in list_of(fields, "persons"):
        if not isinstance(person, dict):
            raise WireError(f"persons holds {kind(person)}; expected objects")
        persons.append(_person_from_fields(person))
    return PoseMessage(
        frame=integer(fields, "frame", 0, U32_MAX),
        t_capture_us=integer(fields, "t_capture_us", -(2**63), 2**63 - 1),
        persons=tuple(persons),
        stages=Stages(*(number(stages, name) for name in ("decode", "keypoints", "model"))),
        flags=flags,
        seq=integer(fields, "seq", 0, U32_MAX),
        t_publish_us=integer(fields, "t_publish_us", -(2**63), 2**63 - 1),
        skeleton_rev=integer(fields, "skeleton_rev", 0, U32_MAX),
    )


def _person_from_fields(fields: dict[str, object]) -> PosePerson:
    state = fields.get("state")
    if state not in STATE_NAMES:
        raise WireError(f"state {state!r}; expected one of {', '.join(STATE_NAMES)}")
    return PosePerson(
        person=integer(fields, "person", 0, U32_MAX),
        state=STATE_NAMES.index(str(state)),
        confidence=number(fields, "confidence"),
        pelvis=array(fields, "pelvis"),
        velocity=array(fields, "velocity"),
        contacts=array(fields, "contacts"),
        quat_xyzw=array(fields, "rotations"),
        landmarks=array(fields, "landmarks") if "landmarks" in fields else None,
    )


def encode_control(message: Control, space: Space) -> str:
    """Encodes a control message; offsets go into the viewer's space."""
    match message:
        case Hello():
            fields = {"type": "hello", **asdict(message)}
        case StreamState():
            known = {k: v for k, v in asdict(message).items() if v is not None}
            fields = {"type": "stream", **known, "fps_in": round(message.fps_in, 2)}
        case Skeleton():
            offsets = rounded(to_space(message.offsets, space))
            joints = [
                {"name": name, "parent": parent, "offset": offset}
                for name, parent, offset in zip(JOINT_NAMES, PARENTS, offsets, strict=True)
            ]
            fields = {"type": "skeleton", "rev": message.rev, "model": "smpl24"}
            fields |= {"joints": joints, "rest": "T"}
        case Subject():
            fields = {
                "type": "subject",
                "person": message.person,
                "state": message.state,
                "body": message.body,
                "betas": rounded(message.betas),
                "shape": rounded(message.shape),
                "height_m": round(message.height_m, 4),
                "offsets": rounded(to_space(message.offsets, space)),
            }
        case Stats():
            known = {k: v for k, v in asdict(message).items() if v is not None}
            fields = {"type": "stats", **known}
        case ErrorMessage():
            fields = {"type": "error", **asdict(message)}
        case Pong():
            fields = {"type": "pong", **asdict(message)}
        case Bye():
            fields = {"type": "bye", **asdict(message)}
    return dumps(fields)

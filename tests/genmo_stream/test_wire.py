"""The protocol without I/O: golden messages, round trips, and everything that must be refused."""

import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genmo_rt.keypoints import Keypoints
from genmo_rt.pose import Pose
from genmo_rt.skeleton import JOINT_NAMES, PARENTS
from genmo_stream.wire import (
    STATE_NAMES,
    Ack,
    Bye,
    Control,
    ErrorMessage,
    Hello,
    LatencyMs,
    Limits,
    Ping,
    Pong,
    PoseFlag,
    PoseMessage,
    PosePerson,
    Profile,
    Set,
    Skeleton,
    Space,
    Stages,
    Stats,
    StreamState,
    Subject,
    WireError,
    binary,
    bone_offsets,
    decode_pose,
    encode_control,
    encode_pose,
    negotiate,
    parse_client,
    pose_from_json,
    pose_to_json,
    to_space,
)
from tests import golden

LIMITS = Limits()
CASES = [(pose, space) for pose in golden.POSES for space in golden.SPACES]
T_US = 1_790_000_000_000_000


def golden_message(pose: str) -> PoseMessage:
    """The golden pose in the canonical space, decoded."""
    return decode_pose(golden.read(f"poses/{pose}.smpl.bin"))


def random_message(seed: int, n_persons: int = 2, *, landmarks: bool = True) -> PoseMessage:
    """A message full of numbers."""
    rng = np.random.default_rng(seed)

    def floats(*shape: int) -> np.ndarray[Any, np.dtype[np.float32]]:
        return rng.normal(size=shape).astype(np.float32)

    persons = []
    for person in range(n_persons):
        quats = floats(24, 4)
        persons.append(
            PosePerson(
                person=person,
                state=int(rng.integers(5)),
                confidence=float(np.float32(rng.random())),
                pelvis=floats(3),
                velocity=floats(3),
                contacts=(rng.integers(0, 256, 6) / 255).astype(np.float32),
                quat_xyzw=quats / np.linalg.norm(quats, axis=1, keepdims=True),
                landmarks=floats(33, 3) if landmarks else None,
            )
        )
    return PoseMessage(
        frame=int(rng.integers(2**32)),
        t_capture_us=T_US,
        persons=tuple(persons),
        stages=Stages(1.5, 12.3, 4.0),
        flags=PoseFlag.GENERATED | PoseFlag.RESAMPLED,
        seq=int(rng.integers(2**32)),
        t_publish_us=T_US + 30_000,
        skeleton_rev=4,
    )


def assert_same(a: PoseMessage, b: PoseMessage, atol: float = 0.0) -> None:
    """Equal headers, persons equal within atol."""
    assert replace(a, persons=()) == replace(b, persons=())
    assert len(a.persons) == len(b.persons)
    for p, q in zip(a.persons, b.persons, strict=True):
        assert (p.person, p.state) == (q.person, q.state)
        assert p.confidence == pytest.approx(q.confidence, abs=max(atol, 1e-9))
        np.testing.assert_allclose(p.pelvis, q.pelvis, rtol=0, atol=atol)
        np.testing.assert_allclose(p.velocity, q.velocity, rtol=0, atol=atol)
        np.testing.assert_allclose(p.contacts, q.contacts, rtol=0, atol=atol)
        np.testing.assert_allclose(p.quat_xyzw, q.quat_xyzw, rtol=0, atol=atol)
        assert (p.landmarks is None) == (q.landmarks is None)
        if p.landmarks is not None and q.landmarks is not None:
            np.testing.assert_allclose(p.landmarks, q.landmarks, rtol=0, atol=atol)


# ---- golden messages


def test_generator_reproduces_every_golden_file() -> None:
    files = golden.generator().files()
    there = {
        str(path.relative_to(golden.FOLDER))
        for path in golden.FOLDER.rglob("*")
        if path.is_file() and path.suffix in (".bin", ".json")
    }
    assert there == set(files)
    for path, content in files.items():
        assert golden.read(path) == content, path


@pytest.mark.parametrize(("pose", "space"), CASES)
def test_binary_pose_equals_the_golden_bytes(pose: str, space: str) -> None:
    ours = encode_pose(golden_message(pose), Space(space))
    theirs = golden.read(f"poses/{pose}.{space}.bin")
    assert len(ours) == len(theirs)
    assert ours[:64] == theirs[:64]  # header and the block's integers
    assert ours[88:96] == theirs[88:96]  # contacts
    for part in (slice(64, 88), slice(96, None)):  # lengths in cm may differ in the last bit
        np.testing.assert_allclose(
            np.frombuffer(ours[part], "<f4"), np.frombuffer(theirs[part], "<f4"), rtol=2e-7
        )


@pytest.mark.parametrize(("pose", "space"), CASES)
def test_json_pose_equals_the_golden_json(pose: str, space: str) -> None:
    ours = json.loads(pose_to_json(golden_message(pose), Space(space)))
    theirs = golden.read_json(f"poses/{pose}.{space}.json")
    (our_person,), (their_person,) = ours.pop("persons"), theirs.pop("persons")
    assert list(ours.items()) == list(theirs.items())
    assert list(our_person) == list(their_person)
    for name, value in their_person.items():
        if isinstance(value, list):
            unit = 100 if space == "unreal" else 1
            np.testing.assert_allclose(our_person[name], value, rtol=0, atol=unit * 1.01e-6)
        else:
            assert our_person[name] == value


@pytest.mark.parametrize(("pose", "space"), CASES)
def test_golden_pose_stands_as_described_in_every_space(pose: str, space: str) -> None:
    person = decode_pose(golden.read(f"poses/{pose}.{space}.bin")).persons[0]
    expected = golden.read_json("expected.json")
    values = expected["poses"][pose]["values"][space]
    np.testing.assert_allclose(person.pelvis, values["pelvis"], rtol=1e-6)
    np.testing.assert_allclose(person.velocity, values["velocity"], rtol=1e-6)
    np.testing.assert_allclose(person.quat_xyzw, values["rotations"], atol=1e-6)
    offsets = expected["targets"][space]["offsets"]
    joints = golden.world_joints(
        person.pelvis.astype(np.float64), person.quat_xyzw.astype(np.float64), offsets
    )
    metre = expected["targets"][space]["metre"]
    np.testing.assert_allclose(joints, values["joints"], atol=2e-6 * metre)
    assert golden.check_facts(pose, space, joints) >= 3


@pytest.mark.parametrize("pose", golden.POSES)
def test_blender_table_stands_as_described(pose: str) -> None:
    expected = golden.read_json("expected.json")
    values = expected["poses"][pose]["values"]["blender"]
    joints = golden.world_joints(
        np.array(values["pelvis"]),
        np.array(values["rotations"]),
        expected["targets"]["blender"]["offsets"],
    )
    np.testing.assert_allclose(joints, values["joints"], atol=5e-6)
    assert golden.check_facts(pose, "blender", joints) >= 3


def test_facts_fail_for_the_mirrored_person() -> None:
    values = golden.read_json("expected.json")["poses"]["right_hand_up"]["values"]["unity"]
    with pytest.raises(AssertionError):
        golden.check_facts("right_hand_up", "smpl", np.array(values["joints"]))


@pytest.mark.parametrize("name", golden.read_json("accepted.json"))
def test_newer_and_larger_messages_are_accepted(name: str) -> None:
    message = decode_pose(golden.read(f"accepted/{name}"))
    wanted = golden.read_json("accepted.json")[name]["persons"]
    assert [p.person for p in message.persons] == wanted
    reference = golden_message("right_hand_up").persons[0]
    for person in message.persons:
        np.testing.assert_array_equal(person.quat_xyzw, reference.quat_xyzw)
        np.testing.assert_array_equal(person.pelvis, reference.pelvis)


@pytest.mark.parametrize("name", golden.read_json("malformed.json"))
def test_malformed_messages_are_refused(name: str) -> None:
    with pytest.raises(WireError):
        decode_pose(golden.read(f"malformed/{name}"))


def test_landmarks_golden_is_what_we_send_on_request() -> None:
    message = decode_pose(golden.read("accepted/landmarks.bin"))
    person = message.persons[0]
    assert person.landmarks is not None
    np.testing.assert_allclose(person.landmarks[32], [0.62, 0.74, 0.5], atol=1e-6)
    assert encode_pose(message, Space.SMPL, landmarks=True) == golden.read("accepted/landmarks.bin")
    assert len(encode_pose(message, Space.SMPL)) == 48 + 432
    text = json.loads(pose_to_json(message, Space.SMPL, landmarks=True))
    their_person = golden.read_json("accepted/landmarks.json")["persons"][0]
    assert text["persons"][0] == their_person
    assert "landmarks" not in json.loads(pose_to_json(message, Space.SMPL))["persons"][0]


@pytest.mark.parametrize("space", golden.SPACES)
def test_skeleton_and_subject_equal_the_golden_ones(space: str) -> None:
    offsets = np.array(
        golden.read_json("expected.json")["targets"]["smpl"]["offsets"], dtype=np.float32
    )
    shape = np.array([0.5, -0.25, *[0.0] * 8], np.float32)
    subject = Subject(7, "enter", "builtin", np.zeros(10, np.float32), shape, 1.73, offsets)
    for stem, message in (("skeleton", Skeleton(3, offsets)), ("subject", subject)):
        ours = json.loads(encode_control(message, Space(space)))
        theirs = golden.read_json(f"control/{stem}.{space}.json")
        assert list(ours) == list(theirs)
        for name in ours:
            if name == "joints":
                for a, b in zip(ours[name], theirs[name], strict=True):
                    assert (a["name"], a["parent"]) == (b["name"], b["parent"])
                    assert a["offset"] == pytest.approx(b["offset"], abs=1e-5)
            elif name == "offsets":
                np.testing.assert_allclose(ours[name], theirs[name], rtol=0, atol=1e-5)
            else:
                assert ours[name] == theirs[name]


@pytest.mark.parametrize(
    ("stem", "message"),
    [
        ("hello", Hello("genmo-rt 0.1.0", "cam", T_US, Space.SMPL, 30, LIMITS)),
        ("stream", StreamState("live", "sender", 29.97)),
        ("stats", Stats(29.97, 29.9, 12, LatencyMs(31.5, 44.0))),
        ("error", ErrorMessage("bad_message", "message type 'hug'; expected ack, ping or set")),
        ("pong", Pong(1_234_567, T_US, T_US + 40)),
        ("bye", Bye("the server stops")),
    ],
)
def test_control_messages_equal_the_golden_ones(stem: str, message: Control) -> None:
    assert json.loads(encode_control(message, Space.SMPL)) == golden.read_json(
        f"control/{stem}.json"
    )


def test_golden_client_messages_are_understood() -> None:
    assert parse_client(golden.read("client/ack.bin"), LIMITS) == Ack(41)
    assert parse_client(golden.read("client/ack.json").decode(), LIMITS) == Ack(41)
    assert parse_client(golden.read("client/ping.json").decode(), LIMITS) == Ping(1_234_567)
    assert parse_client(golden.read("client/set.json").decode(), LIMITS) == Set(15, 1)


def test_golden_skeleton_is_smpl_tree() -> None:
    expected = golden.read_json("expected.json")
    assert tuple(expected["names"]) == JOINT_NAMES
    assert tuple(expected["parents"]) == PARENTS


# ---- round trips


@given(seed=st.integers(0, 2**32 - 1), n_persons=st.integers(0, 4), landmarks=st.booleans())
@settings(max_examples=25, deadline=None)
def test_binary_round_trip_is_exact(seed: int, n_persons: int, landmarks: bool) -> None:
    message = random_message(seed, n_persons, landmarks=landmarks)
    buffer = encode_pose(message, Space.SMPL, landmarks=True)
    assert len(buffer) == 48 + n_persons * (832 if landmarks else 432)
    assert_same(decode_pose(buffer), message)


@given(seed=st.integers(0, 2**32 - 1), n_persons=st.integers(0, 3), landmarks=st.booleans())
@settings(max_examples=25, deadline=None)
def test_json_round_trip_keeps_six_decimals(seed: int, n_persons: int, landmarks: bool) -> None:
    message = random_message(seed, n_persons, landmarks=landmarks)
    text = pose_to_json(message, Space.SMPL, landmarks=True)
    assert_same(pose_from_json(text), message, atol=1e-6)


@pytest.mark.parametrize("space", golden.SPACES)
def test_spaces_map_rotations_as_they_map_positions(space: str) -> None:
    rng = np.random.default_rng(5)
    quat = rng.normal(size=4).astype(np.float32)
    quat /= np.linalg.norm(quat)
    point = rng.normal(size=3).astype(np.float32)
    turned = (golden.rotmat(quat.astype(np.float64)) @ point).astype(np.float32)
    there = golden.rotmat(to_space(quat, Space(space)).astype(np.float64))
    mapped = there @ to_space(point, Space(space))
    np.testing.assert_allclose(mapped, to_space(turned, Space(space)), rtol=1e-5, atol=1e-5)


def test_persons_are_sent_oldest_first_and_limited() -> None:
    message = random_message(1, 3)
    shuffled = replace(message, persons=message.persons[::-1])
    ids = [p.person for p in decode_pose(encode_pose(shuffled, Space.SMPL)).persons]
    assert ids == [0, 1, 2]
    assert [p.person for p in shuffled.limited(2).persons] == [0, 1]
    assert shuffled.limited(None) is shuffled


def test_stage_times_saturate_instead_of_wrapping() -> None:
    message = replace(random_message(1, 0), stages=Stages(7000.0, -1.0, 0.05))
    assert decode_pose(encode_pose(message, Space.SMPL)).stages == Stages(6553.5, 0.0, 0.0)


def test_from_pose_puts_landmarks_into_the_unit_picture() -> None:
    zeros = np.zeros((24, 3), np.float32)
    pose = Pose(
        t=0.0,
        quat_xyzw=np.tile(np.array([0, 0, 0, 1], np.float32), (24, 1)),
        pelvis=np.zeros(3, np.float32),
        velocity=np.zeros(3, np.float32),
        joints=zeros,
        contacts=np.zeros(6, np.float32),
        confidence=0.5,
        shape=np.zeros(10, np.float32),
        joints_cam=zeros,
        root_quat_xyzw_cam=np.array([0, 0, 0, 1], np.float32),
    )
    pixels = np.tile(np.array([320, 120], np.float32), (33, 1))
    keypoints = Keypoints(pixels, np.full(33, 0.75, np.float32), None, (640, 480))
    person = PosePerson.from_pose(3, 2, pose, keypoints)
    assert person.landmarks is not None
    np.testing.assert_allclose(person.landmarks, np.tile([0.5, 0.25, 0.75], (33, 1)))
    assert PosePerson.from_pose(3, 2, pose, None).landmarks is None


def test_bone_offsets_lead_back_to_the_joints() -> None:
    rest = np.random.default_rng(0).normal(size=(24, 3)).astype(np.float32)
    offsets = bone_offsets(rest)
    np.testing.assert_array_equal(offsets[0], 0)
    walked = [rest[0]]
    for joint in range(1, 24):
        walked.append(walked[PARENTS[joint]] + offsets[joint])
    np.testing.assert_allclose(walked, rest, atol=1e-5)


def test_state_numbers_are_the_trackers() -> None:
    from genmo_stream.observation import PersonState

    assert {state.value: state.name.lower() for state in PersonState} == dict(
        enumerate(STATE_NAMES)
    )


# ---- what must be refused


@given(st.binary(max_size=1500))
@settings(max_examples=200, deadline=None)
def test_decoder_raises_nothing_but_its_own_error(buffer: bytes) -> None:
    try:
        decode_pose(buffer)
    except WireError:
        pass


@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_decoder_survives_flipped_bytes(data: st.DataObject) -> None:
    buffer = bytearray(encode_pose(random_message(3), Space.SMPL, landmarks=True))
    for _ in range(data.draw(st.integers(1, 6))):
        buffer[data.draw(st.integers(0, 127))] = data.draw(st.integers(0, 255))
    try:
        decode_pose(bytes(buffer[: data.draw(st.integers(0, len(buffer)))]))
    except WireError:
        pass


def test_every_cut_of_a_message_is_refused() -> None:
    buffer = encode_pose(random_message(3, 1), Space.SMPL, landmarks=True)
    for length in range(len(buffer)):
        with pytest.raises(WireError):
            decode_pose(buffer[:length])


def test_announced_landmarks_must_fit_their_block() -> None:
    buffer = bytearray(golden.read("poses/t_pose.smpl.bin"))
    buffer[48 + 7] = 1
    with pytest.raises(WireError, match="block_len 432"):
        decode_pose(bytes(buffer))


def test_errors_name_what_was_got_and_expected() -> None:
    with pytest.raises(WireError, match=r"version 2; .* reads 1"):
        decode_pose(golden.read("malformed/major.bin"))
    with pytest.raises(WireError, match=r"magic 0x474d; expected 0x4d47"):
        decode_pose(golden.read("malformed/magic.bin"))
    with pytest.raises(WireError, match="8 bytes after the last of 1 persons"):
        decode_pose(golden.read("malformed/trailing.bin"))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("seq",), -1),
        (("seq",), 1.5),
        (("seq",), True),
        (("frame",), None),
        (("t_capture_us",), "now"),
        (("flags",), "warmup"),
        (("stages_ms",), []),
        (("stages_ms", "model"), None),
        (("persons",), {}),
        (("persons", 0), 7),
        (("persons", 0, "state"), "asleep"),
        (("persons", 0, "confidence"), "high"),
        (("persons", 0, "pelvis"), [0, 1]),
        (("persons", 0, "pelvis"), ["0", "1", "2"]),
        (("persons", 0, "pelvis"), [0, 1, 1e39]),
        (("persons", 0, "velocity"), None),
        (("persons", 0, "rotations"), [[0, 0, 0, 1]] * 23),
        (("persons", 0, "rotations"), [[0, 0, 0, 1]] * 23 + [[0]]),
        (("persons", 0, "landmarks"), [[0, 0]] * 33),
        (("type",), "hello"),
    ],
)
def test_json_pose_with_a_wrong_field_is_refused(path: tuple[str | int, ...], value: Any) -> None:
    fields = golden.read_json("poses/t_pose.smpl.json")
    inner = fields
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    with pytest.raises(WireError):
        pose_from_json(json.dumps(fields))


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e400"])
def test_json_without_numbers_is_refused(literal: str) -> None:
    text = golden.read("poses/t_pose.smpl.json").decode()
    with pytest.raises(WireError):
        pose_from_json(text.replace('"confidence":0.875', f'"confidence":{literal}'))


def test_unknown_json_fields_and_flags_are_skipped() -> None:
    fields = golden.read_json("poses/t_pose.smpl.json")
    fields |= {"mood": "good", "flags": ["warmup", "sparkling"]}
    fields["persons"][0]["shoes"] = 45
    assert pose_from_json(json.dumps(fields)).flags == PoseFlag.WARMUP


def test_a_pose_with_nan_cannot_be_made() -> None:
    person = random_message(1, 1).persons[0]
    with pytest.raises(WireError, match="pelvis has a value that is not finite"):
        replace(person, pelvis=np.array([0, np.nan, 0], np.float32))
    with pytest.raises(WireError, match=r"rotations has shape \(23, 4\); expected \(24, 4\)"):
        replace(person, quat_xyzw=person.quat_xyzw[:23])
    with pytest.raises(WireError, match="state 5"):
        replace(person, state=5)


@pytest.mark.parametrize(
    "message",
    [
        "",
        "ack",
        "[]",
        "null",
        "[" * 4000,
        '"ack"',
        '{"type":"ack"}',
        '{"type":"ack","seq":-1}',
        '{"type":"ack","seq":4294967296}',
        '{"type":"ack","seq":1.0}',
        '{"type":"ack","seq":true}',
        '{"type":"ack","seq":NaN}',
        '{"type":"ping"}',
        '{"type":"ping","t0":"now"}',
        '{"type":"ping","t0":1e999}',
        '{"type":"ping","t0":' + "9" * 400 + "}",
        '{"type":"set"}',
        '{"type":"set","rate":0}',
        '{"type":"set","rate":1000}',
        '{"type":"set","rate":null}',
        '{"type":"set","persons":0}',
        '{"type":"set","persons":1.5}',
        '{"type":"hug"}',
        '{"seq":1}',
        '{"proto":"genmo.v2","type":"ack","seq":1}',
        '{"type":"ack","seq":1' + " " * 4096 + "}",
        b"",
        b"\x10",
        b"\x10\x01\x00\x00",
        b"\x10\x01\x00\x00\x00\x00",
        b"\x11\x01\x00\x00\x00",
        bytes(4097),
    ],
)
def test_bad_client_messages_are_refused(message: str | bytes) -> None:
    with pytest.raises(WireError):
        parse_client(message, LIMITS)


@given(st.text(max_size=200) | st.binary(max_size=40))
@settings(max_examples=200, deadline=None)
def test_client_parser_raises_nothing_but_its_own_error(message: str | bytes) -> None:
    try:
        parse_client(message, LIMITS)
    except WireError:
        pass


def test_client_messages_of_this_version_may_say_so() -> None:
    assert parse_client('{"proto":"genmo.v1","type":"ack","seq":1,"mood":1}', LIMITS) == Ack(1)
    with pytest.raises(WireError, match=r"message for 'genmo.v2'; this server speaks genmo.v1"):
        parse_client('{"proto":"genmo.v2","type":"ack","seq":1}', LIMITS)
    assert parse_client(struct.pack("<BI", 0x10, 2**32 - 1), LIMITS) == Ack(2**32 - 1)


# ---- handshake


@pytest.mark.parametrize(
    ("offers", "profile", "answer"),
    [
        ([], Profile.JSON, None),
        ([""], Profile.JSON, None),
        (["genmo.v1.bin"], Profile.BIN, "genmo.v1.bin"),
        (["genmo.v1.json", "genmo.v1.bin"], Profile.JSON, "genmo.v1.json"),
        (["genmo.v9.bin", "genmo.v1.bin", "genmo.v1.json"], Profile.BIN, "genmo.v1.bin"),
    ],
)
def test_first_known_offer_wins(offers: list[str], profile: Profile, answer: str | None) -> None:
    assert negotiate(offers) == (profile, answer)


def test_only_unknown_offers_are_refused() -> None:
    with pytest.raises(WireError, match=r"genmo\.v2\.bin, mqtt; offer genmo\.v1\.bin"):
        negotiate(["genmo.v2.bin", "mqtt"])


def test_wire_package_does_no_io() -> None:
    import genmo_stream.wire

    (folder,) = map(Path, genmo_stream.wire.__path__)
    for path in folder.glob("*.py"):
        text = path.read_text()
        for module in ("asyncio", "socket", "starlette", "websockets", "time"):
            assert f"import {module}" not in text
            assert f"from {module}" not in text


# ---- docs/wire.md


def doc_rows(heading: str) -> list[list[str]]:
    """The cells of a table of docs/wire.md, found by the first cell of its head."""
    text = (Path(__file__).parents[2] / "docs" / "wire.md").read_text()
    table = text.split(f"| {heading} |", 1)[1].split("\n\n", 1)[0]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()[2:]]


DOC_TYPES = {"u8": "B", "u16": "H", "u32": "I", "i64": "q", "f32": "f"}


def doc_sizes(rows: list[list[str]]) -> tuple[list[int], list[int]]:
    """Offsets as printed, and as they follow from the printed types."""
    printed, computed, at = [], [], 0
    for offset, kind, _ in rows:
        printed.append(int(offset))
        computed.append(at)
        base, *counts = kind.replace("]", "").split("[")
        at += struct.calcsize(DOC_TYPES[base]) * int(np.prod([int(n) for n in counts] or [1]))
    return printed, [*computed, at]


def test_documented_header_is_the_packed_one() -> None:
    rows = doc_rows("header offset")
    printed, computed = doc_sizes(rows)
    assert [*printed, binary.HEADER.size] == computed
    layout = "".join(DOC_TYPES[kind] for _, kind, _ in rows)
    assert binary.HEADER.format == f"<{layout}"


def test_documented_block_is_the_packed_one() -> None:
    rows = doc_rows("block offset")
    printed, computed = doc_sizes(rows)
    assert [*printed, binary.PERSON_LANDMARKS_LEN - 4] == computed
    at = {row[2].split("`")[1]: int(row[0]) for row in rows if "`" in row[2]}
    assert at["pelvis"] == binary.AT_PELVIS == binary.PERSON.size
    assert at["velocity"] == binary.AT_VELOCITY
    assert at["contacts"] == binary.AT_CONTACTS
    assert at["rotations"] == binary.AT_ROTATIONS
    assert at["landmarks"] == binary.AT_LANDMARKS == binary.PERSON_LEN


def test_documented_limits_are_the_granted_ones() -> None:
    for _, names, values in doc_rows("limit"):
        for name, value in zip(names.split(", "), values.split(", "), strict=True):
            assert float(value) == getattr(LIMITS, name.strip("`")), name


def test_documented_messages_are_the_sent_ones() -> None:
    for kind, _, fields in doc_rows("type"):
        name = kind.strip("`")
        spaces = ".smpl" if name in ("skeleton", "subject") else ""
        sent = golden.read_json(f"control/{name}{spaces}.json")
        for field in set(sent) - {"type"}:
            assert f"`{field}`" in fields, (name, field)

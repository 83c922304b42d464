"""genmo_client against the golden messages, a live server, and everything a server may do wrong."""

import asyncio
import json
import re
import struct
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.sync.server import Server, ServerConnection, serve
from websockets.typing import Subprotocol

import genmo_client
from genmo_client.clock import ClockSync
from genmo_client.control import (
    Bye,
    ErrorMessage,
    Hello,
    Pong,
    Skeleton,
    Stats,
    StreamState,
    Subject,
    parse_control,
)
from genmo_client.pose import BLOCK, HEADER
from genmo_stream import wire
from tests import golden
from tests.pose_server import PATIENCE_S, PoseServer, pose, wait_for

# ---- decoding


def test_package_needs_websockets_and_numpy_alone() -> None:
    folder = Path(genmo_client.__file__).parent
    imported = set()
    for path in folder.glob("*.py"):
        imported |= set(re.findall(r"^(?:from|import) (\w+)", path.read_text(), re.MULTILINE))
    third_party = imported - set(__import__("sys").stdlib_module_names) - {"genmo_client"}
    assert third_party == {"numpy", "websockets"}


def test_layout_has_the_contracts_lengths() -> None:
    assert HEADER.size == 48
    assert BLOCK.itemsize == 432


@pytest.mark.parametrize("space", golden.SPACES)
@pytest.mark.parametrize("name", golden.POSES)
def test_golden_pose_stands_as_described(name: str, space: str) -> None:
    decoded = genmo_client.decode_pose(golden.read(f"poses/{name}.{space}.bin"))
    expected = golden.read_json("expected.json")
    values = expected["poses"][name]["values"][space]
    message = golden.read_json(f"poses/{name}.{space}.json")
    (person,) = decoded.persons
    np.testing.assert_allclose(person.pelvis, values["pelvis"], rtol=1e-6)
    np.testing.assert_allclose(person.velocity, values["velocity"], rtol=1e-6)
    np.testing.assert_allclose(person.quat_xyzw, values["rotations"], atol=1e-6)
    joints = golden.world_joints(
        person.pelvis.astype(np.float64),
        person.quat_xyzw.astype(np.float64),
        expected["targets"][space]["offsets"],
    )
    assert golden.check_facts(name, space, joints) >= 3
    for field in ("seq", "frame", "t_capture_us", "t_publish_us", "skeleton_rev"):
        assert getattr(decoded, field) == message[field]
    assert decoded.flags == frozenset(message["flags"])
    assert (decoded.decode_ms, decoded.keypoints_ms, decoded.model_ms) == (1.2, 12.5, 4.3)
    assert person.person == message["persons"][0]["person"]
    assert person.state == message["persons"][0]["state"]
    assert person.confidence == message["persons"][0]["confidence"]
    np.testing.assert_allclose(person.contacts, message["persons"][0]["contacts"], atol=1e-6)


@pytest.mark.parametrize("name", golden.read_json("accepted.json"))
def test_newer_and_larger_messages_are_accepted(name: str) -> None:
    decoded = genmo_client.decode_pose(golden.read(f"accepted/{name}"))
    wanted = golden.read_json("accepted.json")[name]["persons"]
    assert [person.person for person in decoded.persons] == wanted
    reference = genmo_client.decode_pose(golden.read("poses/right_hand_up.smpl.bin")).persons[0]
    for person in decoded.persons:
        np.testing.assert_array_equal(person.quat_xyzw, reference.quat_xyzw)


def test_landmarks_are_decoded() -> None:
    (person,) = genmo_client.decode_pose(golden.read("accepted/landmarks.bin")).persons
    assert person.landmarks is not None
    theirs = golden.read_json("accepted/landmarks.json")["persons"][0]["landmarks"]
    np.testing.assert_allclose(person.landmarks, theirs, atol=1e-6)


@pytest.mark.parametrize("name", golden.read_json("malformed.json"))
def test_malformed_messages_are_refused(name: str) -> None:
    with pytest.raises(genmo_client.DecodeError):
        genmo_client.decode_pose(golden.read(f"malformed/{name}"))


@given(st.binary(max_size=1500))
@settings(max_examples=200, deadline=None)
def test_decoder_raises_nothing_but_its_own_error(buffer: bytes) -> None:
    try:
        genmo_client.decode_pose(buffer)
    except genmo_client.DecodeError:
        pass


@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_decoder_survives_flipped_and_missing_bytes(data: st.DataObject) -> None:
    buffer = bytearray(golden.read("accepted/three_persons.bin"))
    for _ in range(data.draw(st.integers(1, 6))):
        buffer[data.draw(st.integers(0, 127))] = data.draw(st.integers(0, 255))
    cut = bytes(buffer[: data.draw(st.integers(0, len(buffer)))])
    try:
        ours = genmo_client.decode_pose(cut)
    except genmo_client.DecodeError:
        with pytest.raises(wire.WireError):  # two decoders, one contract
            wire.decode_pose(cut)
    else:
        assert len(ours.persons) == len(wire.decode_pose(cut).persons)


@pytest.mark.parametrize(
    ("stem", "kind"),
    [
        ("hello", Hello),
        ("stream", StreamState),
        ("skeleton.smpl", Skeleton),
        ("subject.smpl", Subject),
        ("stats", Stats),
        ("error", ErrorMessage),
        ("pong", Pong),
        ("bye", Bye),
    ],
)
def test_golden_control_messages_are_read(stem: str, kind: type) -> None:
    fields = golden.read_json(f"control/{stem}.json")
    message = parse_control(json.dumps(fields | {"news": 1}))
    assert isinstance(message, kind)
    for name in set(fields) - {"type"}:
        without = {key: value for key, value in fields.items() if key != name}
        if name in ("limits", "model", "rest"):  # not needed here
            assert isinstance(parse_control(json.dumps(without)), kind)
            continue
        with pytest.raises(genmo_client.DecodeError):
            parse_control(json.dumps(without))


def test_golden_skeleton_has_the_left_hip_on_the_left() -> None:
    skeleton = parse_control(golden.read("control/skeleton.smpl.json").decode())
    assert isinstance(skeleton, Skeleton)
    assert skeleton.joints[1].name == "left_hip"
    assert skeleton.joints[1].parent == 0
    assert skeleton.joints[1].offset[0] > 0


def test_unknown_control_messages_are_skipped() -> None:
    assert parse_control('{"type":"weather","sun":true}') is None


@given(st.text(max_size=80) | st.dictionaries(st.text(max_size=8), st.integers()).map(json.dumps))
@settings(max_examples=100, deadline=None)
def test_control_parser_raises_nothing_but_its_own_error(text: str) -> None:
    try:
        parse_control(text)
    except genmo_client.DecodeError:
        pass


def test_clock_trusts_the_quickest_ping() -> None:
    assert ClockSync().best is None
    clock = ClockSync()
    # the server is 1,000,000 µs ahead; 300 µs each way, 50 µs inside
    clock.add(Pong(t0=0, t1=1_000_300, t2=1_000_350), t3_us=650)
    # a slow answer, delayed on the way back only, would be 20 ms off
    clock.add(Pong(t0=1_000, t1=1_001_300, t2=1_001_350), t3_us=41_650)
    best = clock.best
    assert best is not None
    assert best.offset_us == 1_000_000
    assert best.rtt_us == 600


# ---- live


@pytest.fixture
def server() -> Iterator[PoseServer]:
    """A real pose server."""
    with PoseServer() as running:
        yield running


class Publishing:
    """Publishes poses without pause while the block runs."""

    def __init__(self, server: PoseServer, persons: int = 1) -> None:
        self._server = server
        self._persons = persons
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(PATIENCE_S)

    def _work(self) -> None:
        while not self._stop.wait(0.01):
            self._server.publish(message=pose(self._server.hub().seq, self._persons))


def test_a_plain_for_loop_gives_poses(server: PoseServer) -> None:
    with Publishing(server):
        seqs = []
        for received in genmo_client.poses(server.url()):
            np.testing.assert_allclose(received.persons[0].pelvis, [0, 0.97, -3], rtol=1e-6)
            seqs.append(received.seq)
            if len(seqs) == 20:
                break
    assert seqs == sorted(set(seqs))
    wait_for(lambda: server.viewers() == 0)
    assert "genmo_client" not in [thread.name for thread in threading.enumerate()]


def test_an_async_for_loop_gives_poses_and_what_is_around_them(server: PoseServer) -> None:
    offsets = np.array(golden.read_json("expected.json")["targets"]["smpl"]["offsets"], np.float32)
    ten = np.zeros(10, np.float32)

    def prepare() -> None:
        hub = server.hub()
        hub.set_state(wire.StreamState("live", "sender", 30.0))
        hub.set_skeleton(wire.Skeleton(3, offsets))
        hub.set_subject(wire.Subject(0, "enter", "builtin", ten, ten, 1.7, offsets))

    server.call(prepare)
    controls: list[genmo_client.Control] = []
    stream = genmo_client.poses(server.url(), on_control=controls.append)

    async def follow() -> None:
        async for received in stream:
            if stream.clock_offset_us is not None and received.seq > 20:
                age_ms = stream.age_ms(received)
                assert age_ms is not None
                # captured 30 ms before it was published; the offset is good to half a round trip
                assert 30 - (stream.rtt_ms or 0) < age_ms < 30_000
                break

    with Publishing(server):
        asyncio.run(follow())
    assert stream.hello is not None
    assert stream.hello.stream == "cam"
    assert stream.state == genmo_client.StreamState("live", "sender", 30.0)
    assert stream.skeleton is not None
    np.testing.assert_allclose([j.offset for j in stream.skeleton.joints], offsets)
    assert stream.subjects[0].height_m == 1.7
    assert stream.rtt_ms is not None
    assert abs(stream.clock_offset_us or 1e9) < 1e6  # the same machine
    kinds = [type(message).__name__ for message in controls]
    assert kinds[:4] == ["Hello", "StreamState", "Skeleton", "Subject"]
    assert "Pong" in kinds
    wait_for(lambda: server.viewers() == 0)


def publish_first(server: PoseServer) -> None:
    """Publishes one pose as soon as somebody watches."""
    wait_for(lambda: server.viewers() == 1)
    server.publish()


def test_acks_go_out_so_that_poses_keep_coming(server: PoseServer) -> None:
    with closing(iter(genmo_client.poses(server.url(), buffer=100))) as loop:  # type: ignore[type-var]
        threading.Thread(target=publish_first, args=(server,)).start()
        assert next(loop).seq == 1
        for seq in range(2, 41):  # ten times the window
            server.publish()
            assert next(loop).seq == seq


def test_a_slow_loop_gets_the_newest_pose(server: PoseServer) -> None:
    stream = genmo_client.poses(server.url())
    loop = iter(stream)
    threading.Thread(target=publish_first, args=(server,)).start()
    assert next(loop).seq == 1
    for _ in range(30):
        server.publish()
    wait_for(lambda: stream.skipped > 0 and stream._inbox[-1].seq == 30 + 1)
    assert next(loop).seq == 31
    loop.close()  # type: ignore[attr-defined]


def test_rate_persons_landmarks_and_space_are_asked_for(server: PoseServer) -> None:
    stream = genmo_client.poses(
        server.url(query="?space=unity"), rate=15, persons=1, landmarks=True
    )
    assert stream.url.endswith("?space=unity&rate=15&persons=1&landmarks=1")
    with Publishing(server, persons=3):
        for received in stream:
            (person,) = received.persons
            np.testing.assert_allclose(person.quat_xyzw[17], [0, 0, 0.707107, 0.707107], atol=1e-6)
            break


def test_it_reconnects_when_the_server_comes_back() -> None:
    with PoseServer() as first:
        port = first.port
        stream = genmo_client.poses(first.url())
        loop = iter(stream)
        with Publishing(first):
            next(loop)
    wait_for(lambda: not stream.connected)
    with PoseServer(port=port) as second, Publishing(second):
        next(loop)
        while next(loop).seq > second.hub().seq:
            pass
        assert stream.connected
        loop.close()  # type: ignore[attr-defined]


def test_without_reconnect_the_loop_ends(server: PoseServer) -> None:
    stream = genmo_client.poses(server.url(), reconnect=False)
    seqs: list[int] = []
    with Publishing(server):
        for received in stream:
            if not seqs:
                server.call(lambda: server.hub().close("that is all"))
            seqs.append(received.seq)
    assert seqs
    assert not stream._inbox


def test_what_the_server_refuses_is_told(server: PoseServer) -> None:
    with pytest.raises(genmo_client.Refused, match="space=blender; expected smpl, unity, unreal"):
        next(iter(genmo_client.poses(server.url(query="?space=blender"))))
    with pytest.raises(genmo_client.Refused, match="rate"):
        next(iter(genmo_client.poses(server.url(), rate=0.1)))


def test_a_url_that_is_none_is_told() -> None:
    with pytest.raises(genmo_client.Refused, match="scheme"):
        next(iter(genmo_client.poses("http://127.0.0.1:1/v1/streams/cam/poses")))


# ---- a server that misbehaves


class Fake:
    """A websocket server that sends what it is given, then waits."""

    def __init__(self, *messages: str | bytes) -> None:
        self._messages = messages
        self._server: Server

    def __enter__(self) -> str:
        self._server = serve(
            self._talk, "127.0.0.1", 0, subprotocols=[Subprotocol("genmo.v1.bin")], compression=None
        )
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        return f"ws://127.0.0.1:{self._server.socket.getsockname()[1]}/"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join(PATIENCE_S)

    def _talk(self, connection: ServerConnection) -> None:
        for message in self._messages:
            connection.send(message)
        for _ in connection:
            pass


def hello(**changes: object) -> str:
    """The golden hello, changed."""
    return json.dumps(golden.read_json("control/hello.json") | changes)


@pytest.mark.parametrize(
    ("messages", "error", "reason"),
    [
        ([hello(space="unity")], genmo_client.Refused, "space=unity; smpl was asked for"),
        ([hello(proto="genmo.v2")], genmo_client.Refused, "genmo.v2"),
        ([hello(), b"\x00" * 48], genmo_client.DecodeError, "magic"),
        (["nonsense"], genmo_client.DecodeError, "not JSON"),
    ],
)
def test_a_server_that_breaks_the_protocol_is_not_believed(
    messages: list[str | bytes], error: type[Exception], reason: str
) -> None:
    with Fake(*messages) as url, pytest.raises(error, match=reason):
        next(iter(genmo_client.poses(url)))


def test_its_acks_are_the_golden_ones() -> None:
    seen: list[str | bytes] = []

    class Listening(Fake):
        def _talk(self, connection: ServerConnection) -> None:
            connection.send(hello())
            connection.send(golden.read("poses/t_pose.smpl.bin"))
            seen.extend(connection)

    with Listening() as url:
        loop = iter(genmo_client.poses(url))
        assert next(loop).seq == 41
        wait_for(lambda: golden.read("client/ack.bin") in seen)
        loop.close()  # type: ignore[attr-defined]
    (first, *_) = [message for message in seen if isinstance(message, bytes)]
    assert struct.unpack("<BI", first) == (0x10, 41)

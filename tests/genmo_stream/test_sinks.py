"""Sinks: packets as python-osc and a reader written from SONIC's page see them, and their pace."""

import json
import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import numpy as np
import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pythonosc.osc_bundle import OscBundle
from pythonosc.osc_message import OscMessage as TheirMessage
from scipy.spatial.transform import Rotation

from genmo_rt.formats.bones import BONES
from genmo_rt.skeleton import JOINT_NAMES, MIRROR, PARENTS
from genmo_stream.errors import SinkError
from genmo_stream.sinks import Outputs, SinkConfig
from genmo_stream.sinks.figure import Figure
from genmo_stream.sinks.osc import OscMessage, bundles
from genmo_stream.sinks.oscquery import find_vrchat
from genmo_stream.sinks.sink import Pacer, Places, Sink
from genmo_stream.sinks.sonic import SonicStream
from genmo_stream.sinks.vmc import vmc_packets
from genmo_stream.sinks.vrchat import TRACKERS, euler_zxy, vrchat_packets
from genmo_stream.wire import PoseMessage, PosePerson, StreamState, Subject, decode_pose
from tests import golden
from tests.pose_server import wait_for

EXPECTED = golden.read_json("expected.json")
PATIENCE_S = 20.0


def figure(name: str) -> Figure:
    """A golden pose, on the golden skeleton."""
    message = decode_pose(golden.read(f"poses/{name}.smpl.bin"))
    (person,) = message.persons
    return Figure.of(subject(), message.t_capture_us, person.pelvis, person.quat_xyzw)


def subject(person: int = 1) -> Subject:
    return Subject(
        person=person,
        state="enter",
        body="builtin",
        betas=np.zeros(10, np.float32),
        shape=np.zeros(10, np.float32),
        height_m=1.75,
        offsets=np.array(EXPECTED["targets"]["smpl"]["offsets"], np.float32),
    )


def pose(frame: int, persons: Sequence[int] = (1,)) -> PoseMessage:
    golden_person = decode_pose(golden.read("poses/right_hand_up.smpl.bin")).persons[0]
    people: tuple[PosePerson, ...] = tuple(replace(golden_person, person=p) for p in persons)
    return PoseMessage(frame, 1_790_000_000_000_000 + frame * 33_333, people)


def read_osc(packet: bytes) -> list[TheirMessage]:
    """A bundle's messages, decoded by python-osc."""
    assert OscBundle.dgram_is_bundle(packet)
    bundle = OscBundle(packet)
    return [bundle.content(n) for n in range(bundle.num_contents)]


# ---- OSC ----------------------------------------------------------------------------------------

ARGUMENTS = st.one_of(
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20),
    st.integers(-(2**31), 2**31 - 1),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
)


@given(st.lists(st.tuples(*[ARGUMENTS] * 3), min_size=1, max_size=30))
def test_python_osc_reads_what_we_write(rows: list[tuple[Any, ...]]) -> None:
    messages = [OscMessage("/a/b", row) for row in rows]
    packets = list(bundles(messages, 200))
    read = [message for packet in packets for message in read_osc(packet)]
    assert [(message.address, tuple(message.params)) for message in read] == [
        ("/a/b", row) for row in rows
    ]
    assert all(len(packet) <= 200 or OscBundle(packet).num_contents == 1 for packet in packets)


# ---- VMC ----------------------------------------------------------------------------------------


def vmc_joints(packets: list[bytes]) -> NDArray[np.float64]:
    """(24, 3) joints in Unity's world as a marionette would place them."""
    messages = [message for packet in packets for message in read_osc(packet)]
    (root,) = [m.params for m in messages if m.address == "/VMC/Ext/Root/Pos"]
    assert root[0] == "root"
    bones = {m.params[0]: m.params[1:] for m in messages if m.address == "/VMC/Ext/Bone/Pos"}
    assert len(bones) == 22
    offsets, quats = np.zeros((24, 3)), np.tile([0.0, 0, 0, 1], (24, 1))
    for joint, bone in BONES.items():
        offsets[joint], quats[joint] = bones[bone.unity][:3], bones[bone.unity][3:]
    pelvis = np.array(root[1:4]) + offsets[0]
    assert root[4:] == [0, 0, 0, 1]
    return golden.world_joints(pelvis, quats, offsets.tolist())


@pytest.mark.parametrize("name", golden.POSES)
def test_a_vmc_marionette_sees_the_golden_poses_the_right_way_round(name: str) -> None:
    packets = list(vmc_packets(figure(name), 1.0))
    assert [len(packet) <= 1500 for packet in packets] == [True, True]
    joints = vmc_joints(packets)
    expected = np.array(EXPECTED["poses"][name]["values"]["unity"]["joints"])
    mapped = list(BONES)
    assert np.abs(joints[mapped] - expected[mapped]).max() < 1e-4
    assert golden.check_facts(name, "unity", joints) >= 3


def test_vmc_says_that_it_is_there_and_when_nobody_is() -> None:
    present, moment = read_osc(next(iter(vmc_packets(figure("t_pose"), 2.5))))[:2]
    assert (present.address, present.params) == ("/VMC/Ext/OK", [1, 3, 0])
    assert (moment.address, moment.params) == ("/VMC/Ext/T", [2.5])
    (packet,) = vmc_packets(None, 2.5)
    assert [m.params for m in read_osc(packet)] == [[0, 3, 0], [2.5]]


def test_a_mirrored_person_raises_the_other_hand_at_the_mirrored_place() -> None:
    joints = vmc_joints(list(vmc_packets(figure("right_hand_up").mirrored(), 0.0)))
    straight = vmc_joints(list(vmc_packets(figure("right_hand_up"), 0.0)))
    assert np.abs(joints[list(MIRROR)] * [-1, 1, 1] - straight).max() < 1e-5
    left, head = JOINT_NAMES.index("left_wrist"), JOINT_NAMES.index("head")
    assert joints[left][1] > joints[head][1]


# ---- VRChat -------------------------------------------------------------------------------------


def vrchat_values(packets: list[bytes]) -> dict[str, list[float]]:
    messages = [message for packet in packets for message in read_osc(packet)]
    return {m.address.removeprefix("/tracking/trackers/"): list(m.params) for m in messages}


@pytest.mark.parametrize("name", golden.POSES)
def test_vrchats_trackers_stand_and_turn_as_the_golden_poses_do(name: str) -> None:
    values = vrchat_values(list(vrchat_packets(figure(name), "full", None)))
    expected = EXPECTED["poses"][name]["values"]["unity"]
    spins: list[NDArray[np.float64]] = []
    for joint, parent in enumerate(PARENTS):
        own = golden.rotmat(np.array(expected["rotations"][joint]))
        spins.append(own if parent < 0 else spins[parent] @ own)
    numbers = [str(n + 1) for n in range(8)]
    assert sorted(values) == sorted(
        f"{number}/{what}" for number in (*numbers, "head") for what in ("position", "rotation")
    )
    for number, tracker in zip(numbers, TRACKERS["full"], strict=True):
        place = expected["joints"][tracker.at]
        assert values[f"{number}/position"] == pytest.approx(place, abs=1e-4)
        x, y, z = values[f"{number}/rotation"]
        turned = Rotation.from_euler("YXZ", [y, x, z], degrees=True).as_matrix()
        assert np.abs(turned - spins[tracker.turns_with]).max() < 1e-4
    head = expected["joints"][JOINT_NAMES.index("head")]
    assert values["head/position"] == pytest.approx(head, abs=1e-4)


def test_trackers_are_scaled_to_the_users_height_and_presets_keep_their_numbers() -> None:
    own = vrchat_values(list(vrchat_packets(figure("turn_left"), "full", None)))
    tall = vrchat_values(list(vrchat_packets(figure("turn_left"), "hips-feet", 1.75 * 1.1)))
    assert len(tall) == 2 * 4
    for name, value in tall.items():
        scale = 1.1 if name.endswith("position") else 1.0
        assert value == pytest.approx([v * scale for v in own[name]], abs=1e-4)


@given(st.tuples(*[st.floats(-180, 180)] * 3))
def test_euler_angles_give_the_rotation_back(angles: tuple[float, float, float]) -> None:
    rotmat = Rotation.from_euler("YXZ", angles, degrees=True).as_matrix()
    x, y, z = euler_zxy(rotmat)
    again = Rotation.from_euler("YXZ", [y, x, z], degrees=True).as_matrix()
    assert np.abs(again - rotmat).max() < 1e-6


class FakeVRChat(BaseHTTPRequestHandler):
    """Answers ?HOST_INFO as VRChat does."""

    def do_GET(self) -> None:
        """The one request there is."""
        content = json.dumps({"NAME": "VRChat-Client-1", "OSC_IP": "127.0.0.1", "OSC_PORT": 9123})
        self.send_response(200 if self.path == "/?HOST_INFO" else 404)
        self.end_headers()
        self.wfile.write(content.encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


def test_vrchat_is_found_by_oscquery() -> None:
    from zeroconf import ServiceInfo, Zeroconf

    server = HTTPServer(("127.0.0.1", 0), FakeVRChat)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with Zeroconf(interfaces=["127.0.0.1"]) as zeroconf:
            service = ServiceInfo(
                "_oscjson._tcp.local.",
                "VRChat-Client-4711._oscjson._tcp.local.",
                addresses=[socket.inet_aton("127.0.0.1")],
                port=server.server_port,
                server="vrchat-4711.local.",
            )
            zeroconf.register_service(service)
            assert find_vrchat(PATIENCE_S, ["127.0.0.1"]) == ("127.0.0.1", 9123)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_no_vrchat_is_said_with_what_to_do() -> None:
    with pytest.raises(SinkError, match="--vrchat HOST:9000"):
        find_vrchat(0.1, ["127.0.0.1"])


# ---- SONIC --------------------------------------------------------------------------------------


def read_sonic(message: bytes, topic: bytes = b"pose") -> dict[str, Any]:
    """A message as GEAR-SONIC's subscriber takes it apart."""
    assert message.startswith(topic)
    rest = message[len(topic) :]
    header = json.loads(rest[:1280].split(b"\0", 1)[0])
    assert (header["v"], header["endian"]) == (3, "le")
    fields, at = {}, 1280
    for field in header["fields"]:
        dtype = {"f32": "<f4", "f64": "<f8", "i64": "<i8", "i32": "<i4"}[field["dtype"]]
        count = int(np.prod(field["shape"]))
        fields[field["name"]] = np.frombuffer(rest, dtype, count, at).reshape(field["shape"])
        at += fields[field["name"]].nbytes
    assert at == len(rest)
    return fields


@pytest.mark.parametrize("name", golden.POSES)
def test_sonic_gets_the_golden_poses_with_z_up(name: str) -> None:
    message = SonicStream().message(figure(name))
    assert message is not None
    fields = read_sonic(message)
    assert {key: value.shape for key, value in fields.items()} == {
        "smpl_joints": (1, 24, 3),
        "smpl_pose": (1, 21, 3),
        "joint_pos": (1, 29),
        "joint_vel": (1, 29),
        "body_quat": (1, 4),
        "frame_index": (1,),
    }
    expected = EXPECTED["poses"][name]["values"]["blender"]  # z up, as robots have it
    w, x, y, z = fields["body_quat"][0]
    turned = Rotation.from_quat([x, y, z, w]).apply(fields["smpl_joints"][0])
    assert turned + expected["pelvis"] == pytest.approx(np.array(expected["joints"]), abs=1e-4)
    local = np.array(EXPECTED["poses"][name]["values"]["smpl"]["rotations"])[1:22]
    theirs = Rotation.from_rotvec(fields["smpl_pose"][0]).as_quat()
    assert np.abs((theirs * local).sum(1)) == pytest.approx(np.ones(21), abs=1e-6)


def test_who_stands_facing_x_has_sonics_identity() -> None:
    standing = figure("turn_left")  # faces +x in our axes, and so with z up
    message = SonicStream().message(standing)
    assert message is not None
    assert read_sonic(message)["body_quat"][0] == pytest.approx([1, 0, 0, 0], abs=1e-6)


def test_poses_at_30_hz_become_numbered_frames_at_50_hz_in_between() -> None:
    stream, first = SonicStream(), figure("t_pose")
    turned = np.array(first.quat_xyzw)
    messages = []
    for n in range(31):
        angle = np.radians(3 * n)  # 90 degrees a second
        turned = np.array(first.quat_xyzw)
        turned[0] = [0, np.sin(angle / 2), 0, np.cos(angle / 2)]
        at = first.t_capture_us + round(n * 1e6 / 30)
        messages.append(stream.message(replace(first, t_capture_us=at, quat_xyzw=turned)))
    fields = [read_sonic(message) for message in messages if message is not None]
    assert np.concatenate([f["frame_index"] for f in fields]).tolist() == list(range(51))
    quat = np.concatenate([f["body_quat"] for f in fields])[:, [1, 2, 3, 0]]
    steps = Rotation.from_quat(quat[1:]) * Rotation.from_quat(quat[:-1]).inv()
    assert np.degrees(steps.magnitude()) == pytest.approx(np.full(50, 90 / 50), abs=0.01)


def test_after_a_gap_or_with_somebody_else_nothing_is_blended() -> None:
    stream, first = SonicStream(), figure("t_pose")
    other = replace(figure("turn_left"), person=9)
    assert stream.message(first) is not None
    for later in (
        replace(other, t_capture_us=first.t_capture_us + 33_333),
        replace(first, t_capture_us=first.t_capture_us + 5_000_000),
    ):
        message = stream.message(later)
        assert message is not None
        fields = read_sonic(message)
        assert len(fields["frame_index"]) == 1
        assert fields["smpl_joints"][0] == pytest.approx(
            read_sonic(SonicStream().message(later) or b"")["smpl_joints"][0]
        )


# ---- pace and places ----------------------------------------------------------------------------


def test_whoever_comes_keeps_a_place_until_they_leave() -> None:
    places = Places(2)
    assert places.seat([4]) == [4, None]
    assert places.seat([4, 2]) == [4, 2]  # 2 is older, but 4 was first
    assert places.seat([2, 7]) == [7, 2]
    assert places.seat([2, 7, 9]) == [7, 2]
    assert places.seat([]) == [None, None]


def test_a_pacer_lets_so_many_through_and_no_burst_after_a_pause() -> None:
    pacer, taken = Pacer(10.0), []
    for now in np.arange(0, 2, 1 / 30).tolist() + np.arange(5, 6, 1 / 30).tolist():
        if pacer.wait_s(now) <= 1e-9:
            pacer.took(now)
            taken.append(now)
    assert len([t for t in taken if t < 2]) == 20
    assert len([t for t in taken if t >= 5]) == 10
    assert Pacer(None).wait_s(0.0) == 0.0


class SlowOutlet:
    """Blocks in its first send until it is let go."""

    def __init__(self) -> None:
        self.entered, self.let_go = threading.Event(), threading.Event()
        self.sent: list[tuple[Figure | None, ...]] = []

    def send(self, figures: Sequence[Figure | None]) -> int:
        """Keeps what it should send."""
        self.sent.append(tuple(figures))
        self.entered.set()
        self.let_go.wait(PATIENCE_S)
        return 1

    def close(self) -> None:
        """Nothing to give back."""


def test_a_sink_that_hangs_delays_nobody_and_goes_on_with_the_newest_pose() -> None:
    outlet = SlowOutlet()
    sink = Sink(SinkConfig("vmc", "127.0.0.1"), make_outlet=lambda config: outlet)
    sink.offer("camera", pose(0), {1: subject()})
    assert outlet.entered.wait(PATIENCE_S)
    for frame in range(1, 100):
        sink.offer("camera", pose(frame), {1: subject()})  # returns, or this test never ends
    outlet.let_go.set()
    wait_for(lambda: len(outlet.sent) == 2)
    (newest,) = outlet.sent[1]
    assert newest is not None
    assert newest.t_capture_us == pose(99).t_capture_us
    assert sink.status.skipped == 98
    sink.close()
    assert sink.status.sent == 2


def test_a_sink_takes_one_stream_at_a_time_and_the_next_when_that_ends() -> None:
    outlet = SlowOutlet()
    outlet.let_go.set()
    outputs = Outputs(
        [SinkConfig("vmc", "127.0.0.1"), SinkConfig("vmc", "127.0.0.1", stream="b")],
        make=lambda config: Sink(config, make_outlet=lambda _: outlet),
    )
    anyone, second = (running.sink for running in outputs.all())
    for stream in ("a", "b"):
        outputs.hear(stream, subject())
        outputs.hear(stream, pose(1))
    assert (anyone.status.stream, second.status.stream) == ("a", "b")
    outputs.hear("a", StreamState("ended"))
    outputs.hear("b", pose(2))
    assert anyone.status.stream == "b"
    outputs.close()
    assert outputs.all() == []


def test_what_is_wrong_with_a_sink_is_in_its_status() -> None:
    def refuse(config: SinkConfig) -> SlowOutlet:
        raise OSError("the network is down")

    sink = Sink(SinkConfig("vmc", "127.0.0.1"), make_outlet=refuse)
    sink.offer("camera", pose(0), {1: subject()})
    wait_for(lambda: sink.status.error is not None)
    assert sink.status.error == "the network is down"
    sink.close()


# ---- over real sockets --------------------------------------------------------------------------


@pytest.fixture
def udp() -> Iterator[list[socket.socket]]:
    """Two receivers on neighbouring ports."""
    for _ in range(50):
        first = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        second = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        first.bind(("127.0.0.1", 0))
        try:
            second.bind(("127.0.0.1", first.getsockname()[1] + 1))
            break
        except OSError:
            first.close()
            second.close()
    for receiver in (first, second):
        receiver.settimeout(PATIENCE_S)
    yield [first, second]
    first.close()
    second.close()


def test_two_persons_go_to_two_vmc_ports(udp: list[socket.socket]) -> None:
    port = udp[0].getsockname()[1]
    outputs = Outputs([SinkConfig("vmc", f"127.0.0.1:{port}", persons=2)])
    for person in (1, 2):
        outputs.hear("camera", subject(person))
    outputs.hear("camera", pose(1, persons=(1, 2)))
    for receiver in udp:
        packets = [receiver.recv(2000), receiver.recv(2000)]
        assert golden.check_facts("right_hand_up", "unity", vmc_joints(packets)) >= 3
    outputs.close()


def test_a_zmq_subscriber_gets_frames() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    outputs = Outputs([SinkConfig("zmq", f"tcp://127.0.0.1:{port}")])
    outputs.hear("camera", subject())
    context = zmq.Context()
    subscriber = context.socket(zmq.SUB)
    subscriber.setsockopt(zmq.SUBSCRIBE, b"pose")
    subscriber.setsockopt(zmq.RCVTIMEO, 50)
    subscriber.connect(f"tcp://127.0.0.1:{port}")
    try:
        for frame in range(400):  # a subscriber that has just come misses the first ones
            outputs.hear("camera", pose(frame))
            try:
                fields = read_sonic(subscriber.recv())
                break
            except zmq.Again:
                continue
        assert fields["smpl_joints"].shape[1:] == (24, 3)
    finally:
        outputs.close()
        context.destroy(linger=0)


# ---- settings -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "address"),
    [
        ({"kind": "vmc", "to": "10.0.0.7"}, ("10.0.0.7", 39539)),
        ({"kind": "vmc", "to": "studio:4000"}, ("studio", 4000)),
        ({"kind": "vrchat", "to": "[::1]"}, ("::1", 9000)),
        ({"kind": "zmq", "to": "tcp://0.0.0.0:5557"}, ("0.0.0.0", 5557)),
    ],
)
def test_addresses_are_read(fields: dict[str, Any], address: tuple[str, int]) -> None:
    assert SinkConfig.from_fields(fields).address(0) == address


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"kind": "vmc"}, "no to"),
        ({"to": "x"}, "no kind"),
        ({"kind": "midi", "to": "x"}, "kind is 'midi'"),
        ({"kind": "vmc", "to": ""}, "expected e.g."),
        ({"kind": "vmc", "to": 5}, "expected text"),
        ({"kind": "vmc", "to": "host:99999"}, "expected e.g."),
        ({"kind": "vmc", "to": "host:x"}, "expected e.g."),
        ({"kind": "vmc", "to": "auto", "colour": 1}, "unknown key 'colour'"),
        ({"kind": "vmc", "to": "h", "rate": 0}, "1 to 240"),
        ({"kind": "vmc", "to": "h", "rate": True}, "1 to 240"),
        ({"kind": "vmc", "to": "h", "persons": 0}, "1 to 16"),
        ({"kind": "vrchat", "to": "h", "persons": 2}, "VRChat takes one person"),
        ({"kind": "vmc", "to": "h", "mirror": "yes"}, "true or false"),
        ({"kind": "vrchat", "to": "h", "preset": "half"}, "hips-feet"),
        ({"kind": "vrchat", "to": "h", "height_m": 9}, "metres"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(SinkError, match=reason):
        SinkConfig.from_fields(fields)

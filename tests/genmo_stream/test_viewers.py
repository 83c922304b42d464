"""The credit window with a clock in hand, and viewers on real sockets, stalled ones included."""

import asyncio
import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection as AsyncConnection
from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from genmo_stream.hub import PublishedPose, View
from genmo_stream.viewers import ViewerOptions
from genmo_stream.window import Closing, Viewer
from genmo_stream.wire import (
    LatencyMs,
    Limits,
    Profile,
    Set,
    Space,
    Stats,
    StreamState,
    WireError,
    decode_pose,
    pose_from_json,
)
from tests.pose_server import PATIENCE_S, PoseServer, TinySocket, pose, wait_for

QUICK = Limits(ack_timeout_s=1.0)
BIN = [Subprotocol("genmo.v1.bin")]

# ---- the window, without I/O


def published(seq: int) -> PublishedPose:
    """A pose with this seq."""
    return PublishedPose(replace(pose(seq), seq=seq))


def viewer(rate: float = 30.0, limits: Limits | None = None) -> Viewer:
    """A viewer of binary poses."""
    return Viewer(View(Profile.BIN, Space.SMPL), rate, limits or Limits())


def taken(v: Viewer, now: float) -> int | None:
    """The seq of the pose that leaves now, if one does."""
    message = v.take(now)
    return decode_pose(message).seq if isinstance(message, bytes) else None


def test_without_acks_four_poses_leave_and_the_newest_waits() -> None:
    v = viewer()
    left = []
    for seq in range(1, 101):
        v.offer(published(seq), seq / 30)
        left.append(taken(v, seq / 30))
    assert left == [1, 2, 3, 4] + [None] * 96
    assert v.unacked == 4
    assert v.dropped == 95  # 5 to 99; 100 waits in the slot
    v.ack(1, 3.4)
    assert taken(v, 3.4) == 100


def test_an_ack_wakes_the_sender_only_where_a_pose_waits_for_it() -> None:
    v = viewer()
    for seq in (1, 2, 3, 4):
        v.offer(published(seq), 0.0)
        taken(v, 0.0)
    v.woken.clear()
    v.ack(1, 0.0)
    assert not v.woken.is_set()
    for seq in (5, 6):
        v.offer(published(seq), 0.0)
        taken(v, 0.0)
    v.woken.clear()
    v.ack(2, 0.0)
    assert v.woken.is_set()
    assert taken(v, 0.0) == 6


def test_a_cumulative_ack_covers_all_before() -> None:
    v = viewer()
    for seq in (1, 2, 3, 4):
        v.offer(published(seq), 0.0)
        taken(v, 0.0)
    v.ack(3, 0.0)
    assert v.unacked == 1
    v.ack(2, 0.0)  # an older ack says nothing new
    assert v.unacked == 1


def test_an_ack_of_what_was_never_sent_is_refused() -> None:
    v = viewer()
    v.offer(published(5), 0.0)
    taken(v, 0.0)
    v.offer(published(6), 0.0)
    with pytest.raises(WireError, match="ack of 6; the last pose sent has seq 5"):
        v.ack(6, 0.0)
    assert v.unacked == 1


@pytest.mark.parametrize(
    ("rtt_s", "rate", "window"),
    [
        (0.0, 30, 4),
        (0.06, 30, 4),
        (0.09, 30, 5),
        (0.15, 30, 7),
        (0.2, 30, 8),
        (9, 30, 8),
        (0.2, 5, 4),
    ],
)
def test_window_is_rate_times_rtt_plus_two_within_bounds(
    rtt_s: float, rate: float, window: int
) -> None:
    v = viewer(rate)
    v.offer(published(1), 0.0)
    taken(v, 10.0)
    v.ack(1, 10.0 + rtt_s - 1e-9)
    assert v.window == window


def test_rtt_is_smoothed_over_acks() -> None:
    v = viewer()
    for seq in range(1, 31):
        v.offer(published(seq), float(seq))
        taken(v, float(seq))
        v.ack(seq, seq + (0.2 if seq == 1 else 0.01))
    assert v.window == 4


def test_a_pose_unacked_for_five_seconds_is_overdue() -> None:
    v = viewer()
    v.offer(published(1), 100.0)
    assert taken(v, 100.0) == 1
    v.offer(published(2), 104.0)
    assert taken(v, 104.0) == 2
    assert v.seconds_left(104.99) > 0
    assert v.seconds_left(105.0) <= 0
    v.ack(1, 105.0)
    assert v.seconds_left(105.0) == pytest.approx(4.0)  # now the second is the oldest


def test_with_nothing_unacked_a_viewer_is_never_overdue() -> None:
    v = viewer()
    assert v.seconds_left(1e9) == 5.0
    v.offer(published(1), 0.0)  # waits in the slot: not sent, so not unacked
    assert v.seconds_left(1e9) == 5.0
    taken(v, 10.0)
    v.ack(1, 10.1)
    assert v.seconds_left(1e9) == 5.0


@pytest.mark.parametrize("jitter_s", [0.0, 0.008])
@pytest.mark.parametrize(
    ("rate", "expected"), [(30, 300), (20, 200), (15, 150), (10, 100), (1, 10)]
)
def test_poses_are_thinned_to_the_rate(rate: float, expected: int, jitter_s: float) -> None:
    v = viewer(rate)
    count = 0
    for seq in range(1, 301):
        now = seq / 30 + jitter_s * (-1) ** seq
        v.offer(published(seq), now)
        sent = taken(v, now)
        if sent is not None:
            assert sent == seq
            count += 1
            v.ack(seq, now)
    assert abs(count - expected) <= 1
    assert v.dropped == 0  # what the rate skips is not a drop


def test_thinning_goes_on_after_a_pause() -> None:
    v = viewer(10)
    count = 0
    for seq in range(1, 91):
        now = seq / 30 + (60 if seq > 45 else 0)
        v.offer(published(seq), now)
        if taken(v, now):
            count += 1
            v.ack(seq, now)
    assert abs(count - 30) <= 1


def test_set_changes_rate_and_persons() -> None:
    v = viewer(1)
    v.offer(PublishedPose(pose(1, persons=3)), 0.0)
    assert isinstance(v.take(0.0), bytes)
    v.set(Set(rate=30, persons=2))
    v.offer(PublishedPose(pose(2, persons=3)), 0.04)
    message = v.take(0.04)
    assert isinstance(message, bytes)
    assert [p.person for p in decode_pose(message).persons] == [0, 1]


def test_control_messages_leave_first_and_are_never_thinned() -> None:
    v = viewer()
    v.offer(published(1), 0.0)
    for index in range(256):
        v.tell(str(index))
    assert [v.take(0.0) for _ in range(256)] == [str(index) for index in range(256)]
    assert v.closing is None
    assert taken(v, 0.0) == 1


def test_one_control_message_too_many_closes_4008() -> None:
    v = viewer()
    for index in range(257):
        v.tell(str(index))
    assert v.closing is not None
    assert v.closing.code == 4008
    assert v.ending.is_set()


def test_a_few_errors_are_answered_and_a_flood_closes_1008() -> None:
    v = viewer()
    for index in range(10):
        v.refuse(WireError("no"), index * 0.1)
    assert not v.ending.is_set()
    v.refuse(WireError("no"), 1.0)
    assert v.ending.is_set()
    assert v.closing == Closing(1008, "over 10 bad messages in 10 s")
    errors = []
    while isinstance(text := v.take(1.0), str):
        errors.append(json.loads(text))
    assert errors == [{"type": "error", "code": "bad_message", "message": "no"}] * 11


def test_errors_far_apart_never_close() -> None:
    v = viewer()
    for index in range(100):
        v.refuse(WireError("no"), index * 1.1)
        v.take(0.0)
    assert v.closing is None


# ---- options


def test_options_are_read_from_the_query() -> None:
    query = {"space": "unreal", "rate": "15", "persons": "2", "landmarks": "1", "ticket": "x"}
    assert ViewerOptions.from_query(query) == ViewerOptions(Space.UNREAL, 15.0, 2, True)
    assert ViewerOptions.from_query({}) == ViewerOptions(Space.SMPL, 30.0, None, False)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("space", "blender"),
        ("space", ""),
        ("rate", "fast"),
        ("rate", "nan"),
        ("rate", "0"),
        ("rate", "-1"),
        ("rate", "1e9"),
        ("persons", "0"),
        ("persons", "-1"),
        ("persons", "1.5"),
        ("persons", "٣"),
        ("persons", "9" * 5000),
        ("landmarks", "yes"),
    ],
)
def test_options_that_cannot_be_used_are_named(name: str, value: str) -> None:
    with pytest.raises(WireError, match=name):
        ViewerOptions.from_query({name: value})


# ---- real sockets


@pytest.fixture
def server() -> Iterator[PoseServer]:
    """A server with the limits of production."""
    with PoseServer() as running:
        yield running


@pytest.fixture
def quick_server() -> Iterator[PoseServer]:
    """A server that gives up on silent viewers after 1 s instead of 5."""
    with PoseServer(QUICK) as running:
        yield running


def open_viewer(server: PoseServer, query: str = "", stream: str = "cam") -> ClientConnection:
    """A connected viewer that asked for binary poses."""
    known = server.viewers(stream)
    connection = connect(server.url(stream, query), subprotocols=BIN, compression=None)
    wait_for(lambda: server.viewers(stream) == known + 1)
    return connection


def close_code(closed: ConnectionClosed) -> int:
    """The code of the server's close frame; 1006 stands for none."""
    return closed.rcvd.code if closed.rcvd else 1006


def receive_all(connection: ClientConnection) -> tuple[list[int], list[dict[str, Any]], int]:
    """Reads to the end: seqs of poses, control messages, close code."""
    seqs: list[int] = []
    controls: list[dict[str, Any]] = []
    while True:
        try:
            message = connection.recv(PATIENCE_S)
        except ConnectionClosed as closed:
            return seqs, controls, close_code(closed)
        if isinstance(message, bytes):
            seqs.append(decode_pose(message).seq)
        else:
            controls.append(json.loads(message))


def next_pose(connection: ClientConnection) -> int:
    """Reads up to the next pose; its seq."""
    while isinstance(message := connection.recv(PATIENCE_S), str):
        pass
    return decode_pose(message).seq


def next_control(connection: ClientConnection, kind: str) -> dict[str, Any]:
    """Reads up to the next control message of this type."""
    while True:
        message = connection.recv(PATIENCE_S)
        if isinstance(message, str):
            fields: dict[str, Any] = json.loads(message)
            if fields["type"] == kind:
                return fields


def ack(connection: ClientConnection, seq: int) -> None:
    """Acks in binary."""
    connection.send(b"\x10" + seq.to_bytes(4, "little"))


def test_a_viewer_that_stops_reading_gets_four_stale_poses_then_4009(
    quick_server: PoseServer,
) -> None:
    with open_viewer(quick_server) as connection:
        quick_server.publish(300)
        wait_for(lambda: quick_server.viewers() == 0)
        seqs, controls, code = receive_all(connection)
    assert seqs == [1, 2, 3, 4]
    assert code == 4009
    assert controls[-1] == {"type": "bye", "reason": "a pose was not acked for 1 s"}


def test_a_viewer_that_reads_but_never_acks_is_closed_too(quick_server: PoseServer) -> None:
    with open_viewer(quick_server) as connection:
        for _ in range(4):
            quick_server.publish()
            next_pose(connection)
        quick_server.publish(20)
        seqs, _, code = receive_all(connection)
    assert seqs == []
    assert code == 4009


def test_a_viewer_with_nothing_unacked_is_kept(quick_server: PoseServer) -> None:
    with open_viewer(quick_server) as connection, open_viewer(quick_server) as silent:
        quick_server.publish()
        ack(connection, next_pose(connection))
        wait_for(lambda: quick_server.viewers() == 1)  # the silent one is gone meanwhile
        assert receive_all(silent)[2] == 4009
        quick_server.publish()
        assert next_pose(connection) == 2


def test_a_blocked_send_ends_too() -> None:
    with PoseServer(QUICK, ws=TinySocket) as server:
        crowd = pose(1, persons=400)  # 173 kB a message: more than all buffers between us
        with socket.socket() as raw:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            raw.connect(("127.0.0.1", server.port))
            raw.sendall(
                b"GET /v1/streams/cam/poses HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                b"Sec-WebSocket-Protocol: genmo.v1.bin\r\n\r\n"
            )
            wait_for(lambda: server.viewers() == 1)
            with open_viewer(server) as reader:
                for seq in range(1, 11):
                    server.publish(message=crowd)
                    assert next_pose(reader) == seq
                    ack(reader, seq)
                wait_for(lambda: server.viewers() == 1)
                wait_for(lambda: len(server.server.server_state.connections) == 1)
                server.publish(message=crowd)
                assert next_pose(reader) == 11


def test_stop_does_not_wait_for_a_stalled_viewer() -> None:
    server = PoseServer(ws=TinySocket)
    with server, socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.connect(("127.0.0.1", server.port))
        raw.sendall(
            b"GET /v1/streams/cam/poses HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            b"Sec-WebSocket-Protocol: genmo.v1.bin\r\n\r\n"
        )
        wait_for(lambda: server.viewers() == 1)
        server.publish(5, message=pose(1, persons=400))
        server.server.should_exit = True
        wait_for(lambda: not server.server.server_state.connections)


def test_two_stalled_viewers_do_not_slow_eighteen_others(quick_server: PoseServer) -> None:
    async def follow(connection: AsyncConnection, seqs: list[int]) -> None:
        async for message in connection:
            if isinstance(message, bytes):
                seqs.append(decode_pose(message).seq)
                await connection.send(b"\x10" + seqs[-1].to_bytes(4, "little"))

    def all_reached(received: list[list[int]], seq: int) -> bool:
        return all(seqs and seqs[-1] == seq for seqs in received)

    async def scene() -> tuple[list[list[int]], list[tuple[list[int], int]]]:
        url = quick_server.url()
        every = [await connect_async(url, subprotocols=BIN, compression=None) for _ in range(20)]
        stalled, healthy = every[:2], every[2:]
        received: list[list[int]] = [[] for _ in healthy]
        tasks = [
            asyncio.create_task(follow(connection, seqs))
            for connection, seqs in zip(healthy, received, strict=True)
        ]
        await asyncio.to_thread(wait_for, lambda: quick_server.viewers() == 20)
        seq = 0
        while seq < 60 or quick_server.viewers() > 18:
            seq = await asyncio.to_thread(quick_server.publish)
            await asyncio.to_thread(wait_for, partial(all_reached, received, seq))
        ends = [await drain(connection) for connection in stalled]
        for connection in healthy:
            await connection.close()
        await asyncio.gather(*tasks)
        return received, ends

    async def drain(connection: AsyncConnection) -> tuple[list[int], int]:
        seqs = []
        try:
            while True:
                message = await connection.recv()
                if isinstance(message, bytes):
                    seqs.append(decode_pose(message).seq)
        except ConnectionClosed as closed:
            return seqs, close_code(closed)

    received, ends = asyncio.run(scene())
    published_seqs = list(range(1, len(received[0]) + 1))
    assert len(published_seqs) >= 60
    assert all(seqs == published_seqs for seqs in received)  # not one was dropped
    assert ends == [([1, 2, 3, 4], 4009)] * 2


def test_a_viewer_may_come_before_during_and_after_a_stream(server: PoseServer) -> None:
    with open_viewer(server) as before:
        assert next_control(before, "stream")["state"] == "waiting"
        server.go_live()
        assert next_control(before, "stream")["state"] == "live"
        server.publish(2)
        assert next_pose(before) == 1
        with open_viewer(server) as during:
            assert next_control(during, "hello")["stream"] == "cam"
            assert next_control(during, "stream")["state"] == "live"
            server.publish()
            assert next_pose(during) == 3  # nothing old
            ack(during, 3)
            server.call(lambda: server.hub().set_state(StreamState("ended", "sender", 0.0)))
            assert next_control(during, "stream")["state"] == "ended"
            with open_viewer(server) as after:
                assert next_control(after, "stream")["state"] == "ended"
                server.go_live()
                assert next_control(after, "stream")["state"] == "live"
                server.publish()
                assert next_pose(after) == 4
            assert next_pose(during) == 4


def test_json_is_what_a_client_gets_that_offers_nothing(server: PoseServer) -> None:
    with connect(server.url(query="?space=unity"), compression=None) as connection:
        assert connection.subprotocol is None
        wait_for(lambda: server.viewers() == 1)
        server.publish()
        message = connection.recv(PATIENCE_S)
        while json.loads(message)["type"] != "pose":
            message = connection.recv(PATIENCE_S)
        assert isinstance(message, str)
        arm = pose_from_json(message).persons[0].quat_xyzw[17]
        assert arm.tolist() == pytest.approx([0, 0, 0.707107, 0.707107])


def test_first_known_subprotocol_is_chosen(server: PoseServer) -> None:
    offers = ["genmo.v9.bin", "genmo.v1.json", "genmo.v1.bin"]
    with connect(server.url(), subprotocols=offers) as connection:  # type: ignore[arg-type]
        assert connection.subprotocol == "genmo.v1.json"


@pytest.mark.parametrize(
    ("query", "offers", "reason"),
    [
        ("?space=blender", None, "space=blender; expected smpl, unity, unreal"),
        ("?rate=0", None, "rate 0.0; expected 1 to 240 per second"),
        ("", ["genmo.v2.bin"], "unknown subprotocol genmo.v2.bin; offer genmo.v1.bin"),
    ],
)
def test_handshakes_that_cannot_be_met_get_400_and_a_problem(
    server: PoseServer, query: str, offers: Any, reason: str
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        connect(server.url(query=query), subprotocols=offers)
    response = refused.value.response
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/problem+json"
    assert reason in json.loads(response.body or b"")["detail"]


def test_acks_free_credit_and_what_was_missed_is_counted(server: PoseServer) -> None:
    with open_viewer(server) as connection:
        server.publish(10)
        assert [next_pose(connection) for _ in range(4)] == [1, 2, 3, 4]
        ack(connection, 4)
        assert next_pose(connection) == 10
        stats = Stats(30.0, 30.0, 0, LatencyMs(1.0, 2.0))
        server.call(lambda: server.hub().set_stats(stats))
        assert next_control(connection, "stats")["dropped"] == 5


def test_ping_is_answered_with_three_times(server: PoseServer) -> None:
    with open_viewer(server) as connection:
        connection.send('{"type":"ping","t0":1234567}')
        pong = next_control(connection, "pong")
        assert pong["t0"] == 1234567
        assert pong["t1"] <= pong["t2"]


def test_set_limits_the_persons_of_this_viewer(server: PoseServer) -> None:
    with open_viewer(server) as connection:
        connection.send('{"type":"set","persons":1}')
        connection.send('{"type":"ping","t0":0}')
        next_control(connection, "pong")
        server.publish(message=pose(1, persons=3))
        while isinstance(message := connection.recv(PATIENCE_S), str):
            pass
        assert [p.person for p in decode_pose(message).persons] == [0]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("hello", "not JSON"),
        ('{"type":"ack"', "not JSON"),
        (b"\x10\x01", "binary message of 2 bytes"),
        (b"\x00" * 100, "binary message of 100 bytes"),
        ("x" * 60_000, "message of 60000 bytes; a client message has at most 4096"),
        ('{"proto":"genmo.v2","type":"ack","seq":1}', "genmo.v2"),
        ('{"type":"ack","seq":99}', "ack of 99"),
    ],
)
def test_bad_messages_are_answered_and_the_connection_lives(
    server: PoseServer, message: str | bytes, reason: str
) -> None:
    with open_viewer(server) as connection:
        connection.send(message)
        error = next_control(connection, "error")
        assert error["code"] == "bad_message"
        assert reason in error["message"]
        server.publish()
        assert next_pose(connection) == 1


def test_a_flood_of_bad_messages_closes_1008(server: PoseServer) -> None:
    with open_viewer(server) as connection, open_viewer(server) as other:
        for _ in range(11):
            connection.send("garbage")
        seqs, controls, code = receive_all(connection)
        assert seqs == []
        assert code == 1008
        assert [message["type"] for message in controls[2:]] == ["error"] * 11 + ["bye"]
        server.publish()
        assert next_pose(other) == 1


def test_a_message_over_64_kib_closes_1009_and_nobody_else(server: PoseServer) -> None:
    with open_viewer(server) as connection, open_viewer(server) as other:
        connection.send(bytes(64 * 1024 + 1))
        assert receive_all(connection)[2] == 1009
        server.publish(3)
        assert next_pose(other) == 1
        wait_for(lambda: server.viewers() == 1)


def test_closing_the_hub_says_bye(server: PoseServer) -> None:
    with open_viewer(server) as connection:
        server.call(lambda: server.hub().close("the server stops"))
        _, controls, code = receive_all(connection)
        assert controls[-1] == {"type": "bye", "reason": "the server stops"}
        assert code == 1001


def test_a_viewer_that_vanishes_is_forgotten(server: PoseServer) -> None:
    with open_viewer(server) as connection:
        connection.socket.shutdown(socket.SHUT_RDWR)
        wait_for(lambda: server.viewers() == 0)
    server.publish(3)

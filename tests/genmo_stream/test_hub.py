"""Fan-out: what viewers are told, in which order, and that equal viewers share their bytes."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from genmo_stream.hub import Hub, PublishedPose, View
from genmo_stream.wire import (
    ErrorMessage,
    LatencyMs,
    Profile,
    Skeleton,
    Space,
    Stats,
    StreamState,
    Subject,
    decode_pose,
    pose_from_json,
)
from tests.pose_server import pose

OFFSETS = np.arange(72, dtype=np.float32).reshape(24, 3)


class Listener:
    """A viewer that keeps what it is told."""

    def __init__(self, space: Space = Space.SMPL, profile: Profile = Profile.BIN) -> None:
        self.view = View(profile, space)
        self.dropped = 0
        self.told: list[str] = []
        self.poses: list[PublishedPose] = []
        self.closed: tuple[int, str] | None = None

    def offer(self, pose: PublishedPose, now: float) -> None:
        self.poses.append(pose)

    def tell(self, text: str) -> None:
        self.told.append(text)

    def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)

    @property
    def messages(self) -> list[dict[str, Any]]:
        """What was told, decoded."""
        return [json.loads(text) for text in self.told]

    @property
    def types(self) -> list[str]:
        """The types of what was told, in order."""
        return [message["type"] for message in self.messages]


@pytest.fixture
def hub() -> Hub:
    """A hub with its own clocks."""
    return Hub("cam", server="test 0", clock=lambda: 100.0, clock_us=lambda: 1_700_000_000_000_000)


def subject(person: int, state: str = "enter") -> Subject:
    """A person made of ones."""
    ten = np.ones(10, np.float32)
    return Subject(person, state, "builtin", ten * 0, ten, 1.7, OFFSETS)  # type: ignore[arg-type]


def test_early_viewer_gets_hello_and_the_waiting_state(hub: Hub) -> None:
    viewer = Listener(Space.UNITY)
    hub.attach(viewer)
    hello, state = viewer.messages
    assert hello["type"] == "hello"
    assert hello["proto"] == "genmo.v1"
    assert hello["stream"] == "cam"
    assert hello["space"] == "unity"
    assert hello["clock_us"] == 1_700_000_000_000_000
    assert hello["limits"]["window_max"] == 8
    assert state == {"type": "stream", "state": "waiting", "capture_clock": "arrival", "fps_in": 0}


def test_late_viewer_gets_hello_stream_skeleton_and_who_is_there_now(hub: Hub) -> None:
    hub.set_state(StreamState("live", "sender", 30.0))
    hub.set_skeleton(Skeleton(1, OFFSETS))
    hub.set_skeleton(Skeleton(2, OFFSETS))
    hub.set_subject(subject(3))
    hub.set_subject(subject(3, "update"))
    hub.set_subject(subject(4))
    hub.set_subject(subject(4, "leave"))
    hub.publish(pose(1))
    viewer = Listener()
    hub.attach(viewer)
    assert viewer.types == ["hello", "stream", "skeleton", "subject"]
    assert viewer.messages[1]["state"] == "live"
    assert viewer.messages[2]["rev"] == 2
    assert (viewer.messages[3]["person"], viewer.messages[3]["state"]) == (3, "enter")
    assert viewer.poses == []


def test_viewers_are_told_changes_in_their_own_space(hub: Hub) -> None:
    viewers = [Listener(space) for space in Space]
    for viewer in viewers:
        hub.attach(viewer)
    hub.set_skeleton(Skeleton(1, OFFSETS))
    offsets = [viewer.messages[-1]["joints"][1]["offset"] for viewer in viewers]
    assert offsets == [[3, 4, 5], [-3, 4, 5], [500, -300, 400]]


def test_control_text_is_encoded_once_per_space(hub: Hub) -> None:
    a, b = Listener(), Listener()
    hub.attach(a)
    hub.attach(b)
    hub.set_subject(subject(1))
    assert a.told[-1] is b.told[-1]


def test_state_is_told_when_state_or_clock_changes(hub: Hub) -> None:
    viewer = Listener()
    hub.attach(viewer)
    for state in (
        StreamState("live", "arrival", 29.0),
        StreamState("live", "arrival", 30.0),
        StreamState("live", "sender", 30.0),
        StreamState("ended", "sender", 0.0),
    ):
        hub.set_state(state)
    told = [(m["state"], m["capture_clock"]) for m in viewer.messages if m["type"] == "stream"][1:]
    assert told == [("live", "arrival"), ("live", "sender"), ("ended", "sender")]
    assert hub.state.state == "ended"
    assert viewer.closed is None


def test_the_delay_is_told_when_a_publisher_with_another_one_comes(hub: Hub) -> None:
    viewer = Listener()
    hub.attach(viewer)
    for delay in (None, 0, 3, 3):
        hub.set_state(StreamState("live", "arrival", 30.0, delay))
    told = [m.get("delay") for m in viewer.messages if m["type"] == "stream"]
    assert told == [None, None, 0, 3]


def test_publish_stamps_seq_time_and_skeleton(hub: Hub) -> None:
    viewer = Listener()
    hub.attach(viewer)
    hub.publish(pose(7))
    hub.set_skeleton(Skeleton(5, OFFSETS))
    hub.publish(pose(9))
    first, second = (published.message for published in viewer.poses)
    assert (first.seq, first.frame, first.skeleton_rev) == (1, 7, 0)
    assert (second.seq, second.frame, second.skeleton_rev) == (2, 9, 5)
    assert first.t_publish_us == 1_700_000_000_000_000


def test_equal_views_share_one_encoding() -> None:
    published = PublishedPose(pose(1, persons=2))
    plain = View(Profile.BIN, Space.SMPL)
    assert published.encoded(plain) is published.encoded(View(Profile.BIN, Space.SMPL))
    assert published.encoded(replace(plain, persons=2)) is published.encoded(plain)
    assert published.encoded(replace(plain, persons=1)) is not published.encoded(plain)


def test_each_view_gets_what_it_asked_for() -> None:
    published = PublishedPose(pose(1, persons=2))
    one = published.encoded(View(Profile.BIN, Space.SMPL, persons=1))
    text = published.encoded(View(Profile.JSON, Space.UNREAL))
    assert isinstance(one, bytes)
    assert isinstance(text, str)
    assert [p.person for p in decode_pose(one).persons] == [0]
    assert pose_from_json(text).persons[1].pelvis.tolist() == [-300, 0, 97]


def test_stats_add_the_viewers_own_drops(hub: Hub) -> None:
    quick, slow = Listener(), Listener()
    slow.dropped = 7
    hub.attach(quick)
    hub.attach(slow)
    hub.set_stats(Stats(30.0, 29.5, 10, LatencyMs(30.0, 45.0)))
    assert quick.messages[-1]["dropped"] == 10
    assert slow.messages[-1]["dropped"] == 17
    assert slow.messages[-1]["latency_ms"] == {"p50": 30.0, "p95": 45.0}


def test_detached_viewers_hear_nothing_more(hub: Hub) -> None:
    viewer = Listener()
    hub.attach(viewer)
    hub.detach(viewer)
    hub.send(ErrorMessage("oops", "something"))
    hub.publish(pose(1))
    assert viewer.types == ["hello", "stream"]
    assert viewer.poses == []
    assert hub.viewer_count == 0


def test_close_ends_every_viewer(hub: Hub) -> None:
    viewers = [Listener(), Listener()]
    for viewer in viewers:
        hub.attach(viewer)
    hub.close("the server stops")
    assert [viewer.closed for viewer in viewers] == [(1001, "the server stops")] * 2

"""One stream: what viewers are told while publishers come, stall, fail, go and come back."""

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from genmo_rt.checkpoint import Checkpoint
from genmo_rt.estimate import Estimator
from genmo_rt.keypoints import Keypoints
from genmo_rt.model import Model, ModelConfig
from genmo_rt.motion import MOTION_WIDTH, MotionStats
from genmo_rt.smpl import load_body
from genmo_stream.admission import Admission
from genmo_stream.errors import ServerFull
from genmo_stream.frame import CaptureClock, Frame
from genmo_stream.hub import Hub, View
from genmo_stream.ingest import FrameSource, SourceEnded
from genmo_stream.keypoints import KeypointStage
from genmo_stream.mind import ThreadMind
from genmo_stream.publish_options import PublishOptions
from genmo_stream.remote import RemoteSource
from genmo_stream.seen import SeenPerson
from genmo_stream.stream import STALL_S, Stream
from genmo_stream.streams import MAX_KNOWN, Streams
from genmo_stream.thinker import Advance, Thinker, Thought
from genmo_stream.wire import Profile, Space
from genmo_stream.wire.keypoints import KeypointsMessage
from tests.genmo_rt.walk import seen
from tests.genmo_stream.test_hub import Listener

START_US = 1_790_000_000_000_000
PATIENCE_S = 20.0
PLAIN = PublishOptions()


@pytest.fixture(scope="module")
def estimator() -> Estimator:
    """Random weights: who is where and when can be tested with them."""
    torch.manual_seed(0)
    model = Model(ModelConfig(width=32, layers=2, heads=2, head_dim=16, window=8))
    stats = MotionStats(torch.zeros(MOTION_WIDTH), torch.ones(MOTION_WIDTH))
    checkpoint = Checkpoint(model.eval().requires_grad_(False), stats, "builtin", "random")
    return Estimator(checkpoint, load_body())


class Camera:
    """A publisher's frames, given by hand; what a Stream uses of a FrameSource."""

    sensors = None

    def __init__(self, clock: CaptureClock = "arrival") -> None:
        self.clock: CaptureClock = clock
        self.received = self.dropped = 0
        self.fps_in = 0.0
        self.last_media_monotonic = 0.0
        self.closed = False
        self.asked = 0  # times a frame was asked for
        self._frames: asyncio.Queue[Frame | None] = asyncio.Queue()

    def shoot(self, t: float) -> None:
        """Sends a picture captured t seconds after START_US; its number is the count so far."""
        image = np.zeros((48, 64, 3), np.uint8)
        t_us = START_US + round(t * 1e6)
        self._frames.put_nowait(Frame(image, self.received, t_us, self.clock, 1.0))
        self.received += 1

    def leave(self) -> None:
        """The publisher is gone."""
        self._frames.put_nowait(None)

    async def next(self) -> Frame:
        self.asked += 1
        frame = await self._frames.get()
        if frame is None:
            raise SourceEnded("the publisher left")
        return frame

    def newest(self) -> None:
        """Each picture is looked at, however late."""

    def develop(self, frame: Frame) -> Frame:
        return frame

    async def close(self) -> None:
        self.closed = True


@dataclass
class Eye:
    """A 2D stage that sees a walking person, unless it is told otherwise."""

    blind: bool = False
    people: int = 1
    broken: bool = False
    closed: bool = False
    threads: set[str] = field(default_factory=set)

    def look(self, image: NDArray[np.uint8], t_us: int) -> tuple[SeenPerson, ...]:
        self.threads.add(threading.current_thread().name)
        if self.broken:
            raise RuntimeError("the 2D stage broke")
        t = (t_us - START_US) / 1e6
        people = (SeenPerson(seen(t)), SeenPerson(aside(seen(t))))
        return () if self.blind else people[: self.people]

    def close(self) -> None:
        self.closed = True


def aside(keypoints: Keypoints) -> Keypoints:
    """Somebody who does the same further right, as tall."""
    return replace(keypoints, pixels=keypoints.pixels + np.array([350, 0], np.float32))


class Scene:
    """A stream named cam with one viewer, a clock set by hand and a stage per publisher."""

    def __init__(self, estimator: Estimator) -> None:
        self.now = 1000.0
        self.eyes: list[Eye] = []
        self.blind = False
        self.hub = Hub("cam", server="test 0")
        self.viewer = Listener()
        self.hub.attach(self.viewer)
        self.stream = Stream("cam", self.hub, estimator, self.make_eye, clock=lambda: self.now)

    def make_eye(self) -> KeypointStage:
        self.eyes.append(Eye(blind=self.blind))
        return self.eyes[-1]

    def publish(self, camera: Camera, options: PublishOptions = PLAIN) -> None:
        camera.last_media_monotonic = self.now
        self.stream.start(cast(FrameSource, camera), options)

    async def poses(self, count: int) -> None:
        """Waits until so many pose messages were published."""
        await until(lambda: len(self.viewer.poses) >= count)

    async def ended(self) -> None:
        await until(lambda: not self.stream.live)

    @property
    def states(self) -> list[str]:
        """Every state the viewer was told, in order."""
        return [m["state"] for m in self.viewer.messages if m["type"] == "stream"]

    @property
    def persons(self) -> list[list[int]]:
        """Ids in every pose message."""
        return [[p.person for p in pose.message.persons] for pose in self.viewer.poses]


class BusyMind(ThreadMind):
    """Begins nothing until it is set free."""

    def __init__(self, estimator: Estimator) -> None:
        super().__init__(Thinker(estimator))
        self.free = asyncio.Event()
        self.asked = 0

    async def advance(self, frame: Advance) -> Thought:
        self.asked += 1
        await self.free.wait()
        return await super().advance(frame)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110  other threads change it
            await asyncio.sleep(0.002)


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


# ---- states -------------------------------------------------------------------------------------


def test_states_are_told_as_a_publisher_comes_stalls_goes_and_comes_back(
    estimator: Estimator,
) -> None:
    async def main() -> None:
        scene = Scene(estimator)
        camera = Camera()
        scene.publish(camera)
        scene.stream.report()
        camera.shoot(0.0)
        await scene.poses(1)
        scene.now += STALL_S + 0.1
        scene.stream.report()
        scene.stream.report()
        camera.last_media_monotonic = scene.now
        camera.shoot(3.2)
        await scene.poses(2)
        scene.stream.report()
        camera.leave()
        await scene.ended()
        again = Camera()
        scene.publish(again)
        scene.stream.report()
        again.shoot(5.0)
        await scene.poses(3)
        assert scene.states == ["waiting", "live", "stalled", "live", "ended", "live"]
        await scene.stream.close()

    run(main())


def test_a_publisher_that_takes_over_and_sends_nothing_lets_the_stream_stall(
    estimator: Estimator,
) -> None:
    async def main() -> None:
        scene = Scene(estimator)
        first = Camera()
        scene.publish(first)
        first.shoot(0.0)
        await scene.poses(1)
        scene.publish(Camera())
        await until(lambda: first.closed)
        scene.now += STALL_S + 0.1
        scene.stream.report()
        assert scene.states == ["waiting", "live", "stalled"]
        await scene.stream.close()

    run(main())


def test_a_change_of_the_capture_clock_is_told_with_the_frame_that_brings_it(
    estimator: Estimator,
) -> None:
    async def main() -> None:
        scene = Scene(estimator)
        camera = Camera("arrival")
        scene.publish(camera)
        for i in range(6):
            camera.clock = "arrival" if i < 3 else "sender"
            camera.shoot(i / 30)
        await scene.poses(6)
        told = [m["capture_clock"] for m in scene.viewer.messages if m["type"] == "stream"]
        assert told == ["arrival", "arrival", "sender"]
        await scene.stream.close()

    run(main())


def test_late_viewers_are_told_the_present_rate(estimator: Estimator) -> None:
    async def main() -> None:
        scene = Scene(estimator)
        camera = Camera()
        scene.publish(camera)
        camera.shoot(0.0)
        await scene.poses(1)
        camera.fps_in = 29.97
        scene.stream.report()
        late = Listener()
        scene.hub.attach(late)
        assert late.messages[1]["fps_in"] == 30.0
        await scene.stream.close()

    run(main())


def test_stats_are_told_at_every_report_and_fall_to_nothing_at_the_end(
    estimator: Estimator,
) -> None:
    async def main() -> None:
        scene = Scene(estimator)
        scene.stream.report()
        camera = Camera()
        scene.publish(camera)
        camera.fps_in = 30.0
        for t in (0.0, 0.01, 1 / 30):  # the second falls on a tick that is taken
            camera.shoot(t)
            scene.now += 1 / 30
        await scene.poses(2)
        camera.dropped = 4
        scene.stream.report()
        camera.leave()
        await scene.ended()
        scene.now += 3
        scene.stream.report()
        before, during, after = (m for m in scene.viewer.messages if m["type"] == "stats")
        assert (before["fps_in"], before["fps_out"], before["dropped"]) == (0, 0, 0)
        assert (during["fps_in"], during["dropped"]) == (30.0, 5)
        assert during["latency_ms"]["p95"] >= during["latency_ms"]["p50"] > 0
        assert (after["fps_in"], after["fps_out"], after["dropped"]) == (0, 0, 5)
        assert scene.stream.received == 3

    run(main())


# ---- frames and poses ---------------------------------------------------------------------------


def test_every_used_frame_becomes_one_pose_message_with_its_number_and_time(
    estimator: Estimator,
) -> None:
    async def main() -> None:
        scene = Scene(estimator)
        camera = Camera()
        scene.publish(camera)
        for i in range(20):  # 60 fps: every other frame falls on a tick that is taken
            camera.shoot(i / 60)
        await scene.poses(10)
        messages = [pose.message for pose in scene.viewer.poses]
        assert [m.frame for m in messages] == list(range(0, 20, 2))
        assert [m.t_capture_us for m in messages] == [
            START_US + round(i / 60 * 1e6) for i in range(0, 20, 2)
        ]
        assert [m.seq for m in messages] == list(range(1, 11))
        assert scene.stream.dropped == 10
        await scene.stream.close()

    run(main())


def test_keypoints_that_come_while_the_model_is_busy_are_overtaken_by_the_newest(
    estimator: Estimator,
) -> None:
    async def main() -> None:
        scene, mind, source = Scene(estimator), BusyMind(estimator), RemoteSource()
        scene.stream = Stream("cam", scene.hub, estimator, scene.make_eye, mind=mind)
        scene.stream.watch(source, PLAIN)
        for i in range(6):
            message = KeypointsMessage(
                i, round(i * 1e6 / 30), seen(0).image_size, None, (seen(i / 30),)
            )
            source.put(message, START_US + round(i * 1e6 / 30), "arrival", 0.0)
            await until(lambda: mind.asked > 0)
        mind.free.set()
        await scene.poses(2)
        assert [pose.message.frame for pose in scene.viewer.poses] == [0, 5]
        assert scene.stream.dropped == 4
        await scene.stream.close()

    run(main())


def test_nobody_in_the_picture_is_told_at_the_same_rate(estimator: Estimator) -> None:
    async def main() -> None:
        scene = Scene(estimator)
        scene.blind = True
        camera = Camera()
        scene.publish(camera)
        for i in range(30):
            camera.shoot(i / 30)
        await scene.poses(30)
        assert scene.persons == [[]] * 30
        assert not [t for t in scene.viewer.types if t in ("subject", "skeleton")]
        await scene.stream.close()

    run(main())


def test_a_person_enters_before_the_first_pose_and_leaves_after_the_last(
    estimator: Estimator,
) -> None:
    class Diary(Listener):
        def offer(self, pose: Any, now: float) -> None:
            super().offer(pose, now)
            message = pose.message
            self.told.append(
                f'{{"type": "pose", "persons": {len(message.persons)}, '
                f'"rev": {message.skeleton_rev}}}'
            )

    async def main() -> None:
        scene = Scene(estimator)
        diary = Diary()
        scene.hub.attach(diary)
        camera = Camera()
        scene.publish(camera)
        for i in range(5):
            camera.shoot(i / 30)
        await scene.poses(5)
        scene.eyes[0].blind = True
        for i in range(5, 40):  # over the second for which the tracker goes on alone
            camera.shoot(i / 30)
        await scene.poses(40)
        await scene.stream.close()
        rev, present = 0, False
        with_person = 0
        for message in diary.messages:
            if message["type"] == "skeleton":
                rev = message["rev"]
            elif message["type"] == "subject":
                present = message["state"] != "leave"
            elif message["type"] == "pose":
                assert message["rev"] == rev
                assert (message["persons"] > 0) == present
                with_person += present
        assert 30 < with_person < 40
        assert not present

    run(main())


@pytest.mark.parametrize("delay", [0, 3])
def test_two_people_have_poses_of_their_own_until_one_leaves(
    estimator: Estimator, delay: int
) -> None:
    async def main() -> None:
        scene = Scene(estimator)
        camera = Camera()
        scene.publish(camera, PublishOptions(delay=delay))
        await until(lambda: bool(scene.eyes))
        for i in range(70):
            scene.eyes[0].people = 2 if 10 <= i < 20 else 1
            camera.shoot(i / 30)
            await until(lambda i=i: camera.asked > i + 1)  # type: ignore[misc]
        await scene.poses(70 - delay)
        counts = [len(persons) for persons in scene.persons]
        assert counts[:10] == [1] * 10
        assert counts[10:49] == [2] * 39  # bridged for a second
        assert counts[51:] == [1] * (19 - delay)
        assert {tuple(persons) for persons in scene.persons} == {(1,), (1, 2)}
        subjects = [(m["state"], m["person"]) for m in scene.viewer.messages if "person" in m]
        assert subjects == [("enter", 1), ("enter", 2), ("leave", 2)]
        one, two = (scene.viewer.poses[18].message.persons[k].pelvis for k in range(2))
        assert two[0] > one[0] + 0.3  # who is further right in the picture is so in the world
        await scene.stream.close()

    run(main())


def test_a_viewer_of_one_person_gets_the_oldest_and_one_of_many_gets_all(
    estimator: Estimator,
) -> None:
    async def main() -> None:
        scene = Scene(estimator)
        camera = Camera()
        scene.publish(camera)
        await until(lambda: bool(scene.eyes))
        scene.eyes[0].people = 2
        for i in range(4):
            camera.shoot(i / 30)
        await scene.poses(4)
        pose = scene.viewer.poses[-1]
        shown = {
            limit: [
                p["person"]
                for p in json.loads(pose.encoded(View(Profile.JSON, Space.SMPL, limit)))["persons"]
            ]
            for limit in (None, 1, 2, 9)
        }
        assert shown == {None: [1, 2], 1: [1], 2: [1, 2], 9: [1, 2]}
        await scene.stream.close()

    run(main())


@pytest.mark.parametrize("delay", [0, 3])
def test_poses_keep_coming_when_the_next_publishers_clock_is_behind(
    estimator: Estimator, delay: int
) -> None:
    async def main() -> None:
        scene = Scene(estimator)
        options = PublishOptions(delay=delay)
        first, second = Camera(), Camera()
        scene.publish(first, options)
        for i in range(10):
            first.shoot(5 + i / 30)
        await scene.poses(10 - delay)
        first.leave()
        await scene.ended()
        scene.publish(second, options)
        for i in range(10):
            second.shoot(2 + i / 30)
        await scene.poses(20 - 2 * delay)
        assert scene.persons == [[1]] * (20 - 2 * delay)
        await scene.stream.close()

    run(main())


def test_with_delay_a_pose_comes_later_with_its_own_frame(estimator: Estimator) -> None:
    async def main() -> None:
        scene = Scene(estimator)
        camera = Camera()
        scene.publish(camera, PublishOptions(delay=4))
        for i in range(12):
            camera.shoot(i / 15)  # every other tick has a frame
        await scene.poses(10)
        camera.leave()
        await scene.ended()
        shown = [(pose.message.frame, pose.message.t_capture_us) for pose in scene.viewer.poses]
        assert shown == [(i, START_US + round(i * 1e6 / 15)) for i in range(10)]
        assert scene.persons == [[1]] * 10
        assert scene.stream.hub.state.delay == 4

    run(main())


def test_with_delay_nobody_vanishes_from_the_last_frames_before_a_gap(
    estimator: Estimator,
) -> None:
    async def main() -> None:
        scene = Scene(estimator)
        camera = Camera()
        scene.publish(camera, PublishOptions(delay=4))
        for i in range(10):
            camera.shoot(i / 30)
            await until(lambda shot=i: camera.asked > shot + 1)
        for i in range(10):
            camera.shoot(3 + i / 30)  # over 45 ticks: caches restart
        await scene.poses(16)
        assert [pose.message.frame for pose in scene.viewer.poses] == list(range(16))
        assert scene.persons == [[1]] * 16
        await scene.stream.close()

    run(main())


# ---- coming back --------------------------------------------------------------------------------


@pytest.mark.parametrize(("away_s", "person"), [(9.0, 1), (11.0, 2)])
def test_a_reconnect_within_ten_seconds_finds_the_same_person_and_world(
    estimator: Estimator, away_s: float, person: int
) -> None:
    async def main() -> None:
        scene = Scene(estimator)
        first, second = Camera(), Camera()
        scene.publish(first)
        for i in range(6):
            first.shoot(i / 30)
        await scene.poses(6)
        first.leave()
        await scene.ended()
        scene.publish(second)
        second.shoot(6 / 30 + away_s)
        await scene.poses(7)
        assert scene.persons[-1] == [person]
        entered = [m["person"] for m in scene.viewer.messages if m.get("state") == "enter"]
        assert entered == [1, person]
        await scene.stream.close()

    run(main())


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        (PublishOptions(), True),
        (PublishOptions(delay=2), True),
        (PublishOptions(height_m=1.8), True),
        (PublishOptions(fov=60), False),
    ],
    ids=["same", "delay", "height", "fov"],
)
def test_the_world_is_kept_unless_the_camera_is_another(
    estimator: Estimator, options: PublishOptions, kept: bool
) -> None:
    async def main() -> None:
        worlds = []

        class Watched(Estimator):
            def stream(self, *args: Any, **kwargs: Any) -> Any:
                worlds.append(kwargs["world"])
                return super().stream(*args, **kwargs)

        scene = Scene(Watched(estimator.checkpoint, estimator.body))
        first, second = Camera(), Camera()
        scene.publish(first)
        first.shoot(0.0)
        await scene.poses(1)
        first.leave()
        await scene.ended()
        scene.publish(second, options)
        for i in range(4):
            second.shoot(2 + i / 30)
        await scene.poses(3)
        await scene.stream.close()
        assert all((world is worlds[0]) == kept for world in worlds[1:])

    run(main())


# ---- takeover, failure, end ---------------------------------------------------------------------


def test_a_publisher_that_takes_over_ends_the_one_before_and_nobody_leaves(
    estimator: Estimator,
) -> None:
    async def main() -> None:
        scene = Scene(estimator)
        cameras = [Camera() for _ in range(4)]
        for i, camera in enumerate(cameras):
            scene.publish(camera)
            camera.shoot(i / 5)
            await scene.poses(i + 1)
        assert [camera.closed for camera in cameras] == [True, True, True, False]
        asked = [camera.asked for camera in cameras[:3]]
        for camera in cameras[:3]:
            camera.shoot(2.0)
        cameras[3].shoot(1.0)
        await scene.poses(5)
        assert [camera.asked for camera in cameras[:3]] == asked
        assert [eye.closed for eye in scene.eyes] == [True, True, True, False]
        assert scene.states == ["waiting", "live"]
        assert scene.persons == [[1]] * 5
        assert scene.viewer.types.count("subject") == 1
        assert scene.stream.received == 5  # what came after its publisher's end doesn't count
        await scene.stream.close()

    run(main())


def test_publishers_in_quick_succession_are_all_closed_but_the_last(estimator: Estimator) -> None:
    async def main() -> None:
        scene = Scene(estimator)
        cameras = [Camera() for _ in range(5)]
        for camera in cameras:
            scene.publish(camera)
            await asyncio.sleep(0)
        cameras[-1].shoot(0.0)
        await scene.poses(1)
        assert [camera.closed for camera in cameras] == [True] * 4 + [False]
        await scene.stream.close()
        assert cameras[-1].closed
        assert all(eye.closed for eye in scene.eyes)

    run(main())


@pytest.mark.parametrize("where", ["the 2D stage", "the making of the 2D stage", "the estimator"])
def test_a_failing_stage_ends_its_publisher_and_the_next_one_works(
    estimator: Estimator, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        scene = Scene(estimator)
        camera = Camera()
        with monkeypatch.context() as patch:
            if where == "the making of the 2D stage":
                patch.setattr(scene.stream, "_make_stage", lambda: 1 / 0)
            if where == "the estimator":
                patch.setattr(estimator, "stream", lambda *args, **kwargs: 1 / 0)
            scene.publish(camera)
            if where == "the 2D stage":
                await until(lambda: bool(scene.eyes))
                scene.eyes[0].broken = True
            camera.shoot(0.0)
            await scene.ended()
        await until(lambda: camera.closed)
        assert [m["code"] for m in scene.viewer.messages if m["type"] == "error"] == ["internal"]
        assert scene.states[-1] == "ended"
        again = Camera()
        scene.publish(again)
        for i in range(3):
            again.shoot(1 + i / 30)
        await scene.poses(3)
        assert scene.persons == [[1]] * 3
        await scene.stream.close()
        assert all(eye.closed for eye in scene.eyes)

    run(main())


# ---- all streams --------------------------------------------------------------------------------


def test_streams_without_room_refuse_publishers_of_other_names(estimator: Estimator) -> None:
    async def main() -> None:
        streams = Streams(estimator, Eye, admission=Admission.to(1))
        streams.publish("one", cast(FrameSource, Camera()), PublishOptions())
        streams.check_capacity("one")
        with pytest.raises(ServerFull, match="this server takes 1"):
            streams.check_capacity("two")
        await streams.close()

    run(main())


def test_viewers_of_any_number_of_names_don_t_keep_a_publisher_out(estimator: Estimator) -> None:
    async def main() -> None:
        streams = Streams(estimator, Eye, admission=Admission.to(4))
        for i in range(MAX_KNOWN):
            streams.open(f"name{i}")
        with pytest.raises(ServerFull, match="close some viewers"):
            streams.open("another")
        streams.check_capacity("camera")
        streams.publish("camera", cast(FrameSource, Camera()), PublishOptions())
        assert streams.open("camera").live
        await streams.close()

    run(main())


def test_a_stream_is_forgotten_ten_seconds_after_its_last_use(estimator: Estimator) -> None:
    scene = Scene(estimator)
    scene.hub.detach(scene.viewer)
    idle = []
    for seconds in (9, 2):
        scene.now += seconds
        idle.append(scene.stream.idle)
    scene.stream.touch()  # a viewer's handshake is under way
    idle.append(scene.stream.idle)
    scene.hub.attach(scene.viewer)
    scene.now += 11
    idle.append(scene.stream.idle)
    assert idle == [False, True, False, False]

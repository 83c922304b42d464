"""Who works when, how much is looked at, how many fit, and who is refused."""

import asyncio
import gc
import threading
import weakref
from collections.abc import Coroutine
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from genmo_rt.clock import KEEP_S
from genmo_stream.admission import Admission, Live
from genmo_stream.calibration import TOGETHER, measure
from genmo_stream.capacity import Capacity, Costs, capacity_of
from genmo_stream.errors import ServerFull
from genmo_stream.hub import Hub
from genmo_stream.ingest import FrameSource
from genmo_stream.keypoints import PeopleStage
from genmo_stream.ladder import DOWN_S, REFUSE_S, UP_MOST_S, UP_S, Ladder
from genmo_stream.publish_options import PublishOptions
from genmo_stream.stream import Stream
from genmo_stream.streams import Streams
from genmo_stream.turns import Seat, Turns, usable_cores
from tests.camera_server import Host, TestCamera, camera_server
from tests.genmo_stream.test_hub import Listener
from tests.genmo_stream.test_places import make_estimator
from tests.genmo_stream.test_stream import Camera, Eye, until
from tests.genmo_stream.test_whip import LOOPBACK, assert_problem, publish


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


# ---- turns --------------------------------------------------------------------------------------


class Floor:
    """Streams that always want a turn, at workers whose seconds are counted by hand."""

    def __init__(self, workers: int = 1) -> None:
        self.now = 0.0
        self.turns = Turns(workers, clock=lambda: self.now)
        self.order: list[str] = []

    async def want(self, name: str, seat: Seat, takes_s: float, times: int) -> None:
        """Takes so many turns of so many seconds, one after the other."""
        for _ in range(times):
            async with seat.turn():
                self.order.append(name)
                await asyncio.sleep(0)  # the others ask meanwhile
                self.now += takes_s


def test_a_stream_of_three_people_does_not_starve_one_of_one() -> None:
    async def main() -> None:
        floor = Floor()
        people = (3, 3, 1, 1)
        seats = [floor.turns.seat() for _ in people]
        await asyncio.gather(
            *(
                floor.want(str(n), seat, 0.01 * n, 60 // n)
                for n, seat in zip(people, seats, strict=True)
            )
        )
        first = floor.order[:80]  # while all four want turns
        assert first.count("1") == pytest.approx(3 * first.count("3"), abs=6)
        assert [seat.used_s for seat in seats] == pytest.approx([0.6] * 4)

    run(main())


def test_turns_count_for_as_many_cores_as_they_keep_busy() -> None:
    async def main() -> None:
        floor = Floor()
        seats = [floor.turns.seat() for _ in range(4)]
        for seat in seats[:2]:
            seat.weight = 2  # two people looked at side by side
        await asyncio.gather(
            *(floor.want(str(seat.weight), seat, 0.01, 40 // seat.weight) for seat in seats)
        )
        first = floor.order[:60]
        assert first.count("1") == pytest.approx(2 * first.count("2"), abs=6)

    run(main())


def test_who_comes_after_a_rest_is_level_with_those_who_are_served() -> None:
    async def main() -> None:
        floor = Floor()
        old, new = floor.turns.seat(), floor.turns.seat()
        await floor.want("old", old, 1.0, 100)
        floor.order.clear()
        await asyncio.gather(floor.want("old", old, 1.0, 10), floor.want("new", new, 1.0, 10))
        assert floor.order[:10].count("new") == pytest.approx(5, abs=1)

    run(main())


def test_no_more_streams_have_a_turn_than_there_are_workers() -> None:
    async def main() -> None:
        turns = Turns(2)
        inside = most = 0

        async def want() -> None:
            nonlocal inside, most
            seat = turns.seat()
            for _ in range(5):
                async with seat.turn():
                    inside += 1
                    most = max(most, inside)
                    await seat.run(lambda: None)
                    inside -= 1

        await asyncio.gather(*(want() for _ in range(6)))
        assert (most, turns.waiting) == (2, 0)
        turns.close()

    run(main())


@pytest.mark.parametrize("granted", [False, True])
def test_who_gives_up_waiting_keeps_nobody_from_a_turn(granted: bool) -> None:
    async def main() -> None:
        turns = Turns(1)
        first, second, third = turns.seat(), turns.seat(), turns.seat()

        async def take(seat: Seat) -> None:
            async with seat.turn():
                pass

        async with first.turn():
            gone = asyncio.create_task(take(second))
            await asyncio.sleep(0)
            assert turns.waiting == 1
            if not granted:
                gone.cancel()
                await asyncio.sleep(0)
        gone.cancel()  # with `granted`, between its grant and its first step
        with pytest.raises(asyncio.CancelledError):
            await gone
        await asyncio.wait_for(take(third), 10)

    run(main())


def test_busy_seconds_count_turns_that_go_on() -> None:
    async def main() -> None:
        floor = Floor()
        seat = floor.turns.seat()
        async with seat.turn():
            floor.now += 2.0
            assert floor.turns.busy_s == 2.0
        floor.now += 5.0
        assert floor.turns.busy_s == 2.0

    run(main())


@pytest.mark.parametrize(
    ("text", "at_most"), [("100000 100000", 1), ("5000 100000", 1), ("max 100000", None)]
)
def test_cores_are_those_of_the_control_group(
    tmp_path: Path, text: str, at_most: int | None
) -> None:
    limit = tmp_path / "cpu.max"
    limit.write_text(text)
    everything = usable_cores(tmp_path / "none")
    assert usable_cores(limit) == (everything if at_most is None else at_most)


# ---- the ladder ---------------------------------------------------------------------------------


class Day:
    """A ladder whose seconds pass by hand."""

    def __init__(self, full: int | None = None) -> None:
        self.now = 100.0
        self.ladder = Ladder(full, clock=lambda: self.now)

    def pass_by(self, seconds: float, *, late: float, busy: float = 0.3, cameras: int = 2) -> None:
        """Seconds with a share of the frames late."""
        for _ in range(round(seconds)):
            self.now += 1.0
            for n in range(30):
                self.ladder.note(late=n < late * 30)
            self.ladder.climb(cameras, busy)

    def seconds_until(self, rung: str, *, late: float, busy: float = 0.3) -> int:
        """How long it takes to this rung."""
        for seconds in range(1000):
            if self.ladder.rung == rung:
                return seconds
            self.pass_by(1, late=late, busy=busy)
        raise AssertionError(f"never {rung}")


def test_half_follows_two_seconds_of_overload_and_full_five_calm_ones() -> None:
    day = Day()
    day.pass_by(60, late=0.3)
    assert day.ladder.rung == "full"  # some are late: nothing changes
    assert day.seconds_until("half", late=0.9) == DOWN_S + 1
    day.pass_by(60, late=0.3)
    assert day.ladder.rung == "half"  # neither overloaded nor calm
    assert day.seconds_until("full", late=0.0) == UP_S + 1


def test_a_second_of_overload_now_and_then_changes_nothing() -> None:
    day = Day()
    for _ in range(30):
        day.pass_by(1, late=1.0)
        day.pass_by(1, late=0.0)
    assert day.ladder.rung == "full"


def test_full_is_not_tried_while_the_workers_are_too_busy_for_it() -> None:
    day = Day()
    day.seconds_until("half", late=1.0)
    day.pass_by(100, late=0.0, busy=0.5)
    assert day.ladder.rung == "half"
    day.pass_by(1, late=0.0, busy=0.3)
    assert day.ladder.rung == "full"


def test_full_that_fails_is_tried_half_as_often_each_time() -> None:
    day = Day()
    day.seconds_until("half", late=1.0)
    waits = []
    for _ in range(7):
        waits.append(day.seconds_until("full", late=0.0) - 1)
        day.seconds_until("half", late=1.0)
    assert waits[:3] == [2 * UP_S, 4 * UP_S, 8 * UP_S]
    assert waits[-1] == UP_MOST_S
    day.seconds_until("full", late=0.0)
    day.pass_by(60, late=0.0)  # it held
    day.seconds_until("half", late=1.0)
    assert day.seconds_until("full", late=0.0) - 1 == UP_S


def test_more_cameras_than_fit_at_full_start_at_half_and_stay_there() -> None:
    day = Day(full=2)
    day.ladder.expect(2)
    assert day.ladder.rung == "full"
    day.ladder.expect(3)
    assert day.ladder.rung == "half"
    day.pass_by(60, late=0.0, cameras=3)
    assert day.ladder.rung == "half"
    day.pass_by(1, late=0.0, cameras=2)
    assert day.ladder.rung == "full"


def test_newcomers_are_refused_only_while_half_is_too_much_as_well() -> None:
    day = Day()
    day.seconds_until("half", late=1.0)
    assert not day.ladder.refusing
    day.pass_by(REFUSE_S + 1, late=1.0)
    assert day.ladder.refusing
    day.pass_by(1, late=0.3)
    assert not day.ladder.refusing


@pytest.mark.parametrize(("fps", "used"), [(30, 15), (60, 15), (25, 13), (15, 15), (10, 10)])
def test_at_half_frames_come_at_least_two_ticks_apart_and_the_others_count_as_dropped(
    fps: int, used: int
) -> None:
    async def main() -> None:
        ladder = Ladder()
        ladder.rung = "half"
        hub = Hub("cam", server="test 0")
        viewer = Listener()
        hub.attach(viewer)
        stream = Stream("cam", hub, make_estimator(slots=2), Eye, ladder=ladder)
        camera = Camera()
        stream.start(cast(FrameSource, camera), PublishOptions())
        for n in range(fps):
            camera.shoot(n / fps)
        await until(lambda: stream.dropped + len(viewer.poses) == fps)
        assert len(viewer.poses) == used
        times = [pose.message.t_capture_us for pose in viewer.poses]
        assert all(b - a > 50_000 for a, b in pairwise(times))
        stream.report()
        assert [m["rung"] for m in viewer.messages if m["type"] == "stats"] == ["half"]
        await stream.close()

    run(main())


# ---- capacity and admission ---------------------------------------------------------------------

COSTS = Costs(
    packets=0.3, parse=0.1, decode=0.4, look=12.0, batch=3.0, think=0.8, masked=0.4, publish=0.5
)


def test_capacity_grows_with_the_cores_until_one_of_the_two_threads_is_full() -> None:
    few, more, many = (capacity_of(COSTS, cores) for cores in (2, 4, 1000))
    assert more.cameras in (2 * few.cameras, 2 * few.cameras + 1)
    assert many.cameras == int(800 / (15 * (3.0 + 0.8 + 0.4)))  # the model's process
    assert many.keypoint_streams == int((800 - 30 * 3.0) / (30 * 0.8))
    light = replace(COSTS, batch=0.1, think=0.1)
    assert capacity_of(light, 1000).keypoint_streams == int(800 / (30 * (0.1 + 0.5)))  # the server


def test_what_a_batch_costs_is_paid_once_by_all_keypoint_streams() -> None:
    alone = replace(COSTS, batch=0.0, think=COSTS.batch + COSTS.think)
    assert capacity_of(COSTS, 4).keypoint_streams > 2 * capacity_of(alone, 4).keypoint_streams


def test_looking_at_half_the_frames_makes_room_for_more_cameras() -> None:
    capacity = capacity_of(COSTS, 4)
    assert capacity.full < capacity.cameras < 2 * capacity.full + 2


def test_a_machine_that_is_too_slow_takes_one_stream_of_either_kind() -> None:
    slow = Costs(*(100.0,) * 8)
    assert capacity_of(slow, 1) == Capacity(cameras=1, full=0, keypoint_streams=1)


def test_measured_limits_share_the_machine() -> None:
    admission = Admission(Capacity(cameras=4, full=2, keypoint_streams=10))
    assert [admission.free("video", Live(n, 0)) for n in range(6)] == [4, 3, 2, 1, 0, 0]
    assert admission.free("keypoints", Live(2, 0)) == 5
    assert admission.free("keypoints", Live(0, 7)) == 3
    assert admission.free("video", Live(0, 7)) == 1
    with pytest.raises(ServerFull, match="4 cameras, as measured") as refused:
        admission.check("video", Live(3, 3), overloaded=False)
    assert refused.value.retry_after_s > 0


def test_an_operators_limit_is_their_word_for_its_kind() -> None:
    admission = Admission(Capacity(cameras=4, full=2, keypoint_streams=10), max_streams=6)
    admission.check("video", Live(5, 10), overloaded=True)
    with pytest.raises(ServerFull, match=r"takes 6 cameras; .*raise max_streams"):
        admission.check("video", Live(6, 0), overloaded=False)
    assert admission.free("keypoints", Live(5, 0)) == 0  # more than was measured is taken


def test_an_overloaded_machine_refuses_newcomers_but_not_who_takes_a_live_stream_over() -> None:
    async def main() -> None:
        estimator = make_estimator(slots=4)
        streams = Streams(estimator, Eye, admission=Admission(Capacity(4, 2, 4)))
        streams.publish("one", cast(FrameSource, Camera()), PublishOptions())
        streams.ladder.refusing = True
        assert (streams.free("video"), streams.free("keypoints")) == (0, 0)
        streams.check_capacity("one")
        with pytest.raises(ServerFull, match="can't keep up"):
            streams.check_capacity("two")
        await streams.close()

    run(main())


def test_a_frame_costs_something_at_every_stage() -> None:
    estimator = make_estimator(slots=TOGETHER)
    costs = measure(estimator, lambda: PeopleStage("lite", limit=1))
    assert min(costs.packets, costs.parse, costs.decode, costs.think, costs.publish) > 0
    assert costs.look > costs.decode
    assert min(costs.batch, costs.masked) >= 0
    assert estimator.engine.free == TOGETHER


# ---- a whole server -----------------------------------------------------------------------------


def test_a_camera_too_many_is_told_when_to_come_again_and_the_others_go_on() -> None:
    async def main() -> None:
        estimator = make_estimator(slots=4)
        streams = Streams(estimator, Eye, admission=Admission.to(2))
        cameras = [TestCamera() for _ in range(3)]
        async with (
            camera_server(cast(Host, streams), LOOPBACK) as url,
            httpx.AsyncClient(base_url=url, trust_env=False, timeout=20) as http,
        ):
            one, two = [await publish(http, f"/whip/c{n}", cameras[n]) for n in range(2)]
            assert (one.status_code, two.status_code) == (201, 201)
            refused = await publish(http, "/whip/c2", cameras[2])
            assert_problem(refused, 503, "2 cameras and 0 keypoint streams are live")
            assert int(refused.headers["retry-after"]) > 0
            live = [streams.open(f"c{n}") for n in range(2)]
            poses = [stream.ledger.poses for stream in live]
            await until(
                lambda: all(s.ledger.poses > 5 + p for s, p in zip(live, poses, strict=True))
            )
            await http.delete(two.headers["location"])
            await until(lambda: not live[1].live)
            again = TestCamera()
            assert (await publish(http, "/whip/c2", again)).status_code == 201
            await until(lambda: streams.open("c2").ledger.poses > 0)
            for camera in (*cameras, again):
                await camera.close()

    run(main())


def test_nothing_of_a_publisher_is_left_when_its_stream_is_forgotten() -> None:
    async def main() -> None:
        seconds = 0.0
        streams = Streams(
            make_estimator(slots=2), Eye, admission=Admission.to(2), clock=lambda: seconds
        )
        camera = TestCamera()
        async with (
            camera_server(cast(Host, streams), LOOPBACK) as url,
            httpx.AsyncClient(base_url=url, trust_env=False, timeout=20) as http,
        ):
            response = await publish(http, "/whip/cam", camera)
            await until(lambda: streams.open("cam").ledger.poses > 0)
            left = _parts_of(streams.open("cam"))
            await http.delete(response.headers["location"])
            await until(lambda: streams.live() == Live())
            seconds += KEEP_S + 1
            streams.tidy()
            assert streams.get("cam") is None
            await camera.close()
            await until(lambda: gc.collect() >= 0 and not any(ref() for ref in left))
            assert not [t for t in threading.enumerate() if t.name == "decoder"]

    run(main())


def _parts_of(stream: Stream) -> list[weakref.ref[object]]:
    """The stream, its viewers' hub, its publisher's eye and connection."""
    eye = cast(Any, stream)._source
    return [weakref.ref(part) for part in (stream, stream.hub, eye, eye._source)]

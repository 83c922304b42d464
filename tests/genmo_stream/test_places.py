"""Places in the engine: who has one, who gives it back, what one without is told."""

import asyncio
from dataclasses import replace
from typing import cast

import numpy as np
import pytest
import torch

from genmo_rt.camera import Intrinsics
from genmo_rt.checkpoint import Checkpoint
from genmo_rt.clock import KEEP_S, TICK_HZ, Tick
from genmo_rt.device import DeviceFigures
from genmo_rt.engine.engine import Engine
from genmo_rt.estimate import Estimator
from genmo_rt.model import Model, ModelConfig
from genmo_rt.motion import MOTION_WIDTH, MotionStats
from genmo_rt.smpl import load_body
from genmo_stream import metrics
from genmo_stream.admission import Admission
from genmo_stream.errors import ServerFull
from genmo_stream.ingest import FrameSource
from genmo_stream.metrics import StreamCollector, render
from genmo_stream.observation import Observation, PersonState
from genmo_stream.publish_options import PublishOptions
from genmo_stream.seen import Seen
from genmo_stream.solvers import Followed, Solvers, advance_all
from genmo_stream.streams import Streams
from tests.genmo_rt.walk import seen
from tests.genmo_stream.test_hub import Listener
from tests.genmo_stream.test_stream import Camera, Eye, until


def make_estimator(slots: int) -> Estimator:
    torch.manual_seed(0)
    model = Model(ModelConfig(width=32, layers=2, heads=2, head_dim=16, window=8)).eval()
    stats = MotionStats(torch.zeros(MOTION_WIDTH), torch.ones(MOTION_WIDTH))
    checkpoint = Checkpoint(model, stats, "builtin", "random")
    return Estimator(checkpoint, load_body(), Engine(model, slots=slots))


def frame(*persons: int, size: tuple[int, int] = (1280, 720), index: int = 0) -> Followed:
    """A frame with these persons in it."""
    tick = Tick(index, index / TICK_HZ, 0, restart=False, reset=False)
    there = tuple(Observation(person, PersonState.TRACKED, seen(0)) for person in persons)
    return Followed(Seen(0, 0, 0.0, 0.0, size, tick, ()), there)


def advance(solvers: Solvers, followed: Followed) -> list[int]:
    """Whose estimators a frame goes to."""
    persons = [solver.person for solver in solvers.of(followed)]
    solvers.due(followed)
    return persons


def test_everybody_in_the_picture_has_a_place_of_their_own() -> None:
    estimator = make_estimator(slots=3)
    solvers = Solvers(estimator)
    assert advance(solvers, frame(1)) == [1]
    assert advance(solvers, frame(1, 2, index=1)) == [1, 2]
    assert (estimator.engine.free, solvers.places) == (1, 2)
    one, two = solvers.of(frame(1, 2, index=2))
    assert one.estimator.world is two.estimator.world
    solvers.forget()
    assert (estimator.engine.free, solvers.places) == (3, 0)


def test_of_many_in_the_first_frame_as_many_have_a_place_as_there_are() -> None:
    estimator = make_estimator(slots=2)
    solvers = Solvers(estimator)
    assert advance(solvers, frame(1, 2, 3, 4)) == [1, 2]
    assert advance(solvers, frame(1, 2, 3, 4, index=1)) == [1, 2]


def test_everybody_in_a_frame_is_run_in_one_batch_with_the_same_poses_as_apart() -> None:
    estimator = make_estimator(slots=4)
    solvers, alone = Solvers(estimator), Solvers(estimator)
    for index in range(8):
        together = frame(1, 2, index=index) if index > 3 else frame(1, index=index)
        before = estimator.engine.figures.batches
        one, *_ = advance_all(solvers.of(together), together)
        assert estimator.engine.figures.batches == before + 1
        (single,) = advance_all(alone.of(frame(1, index=index)), frame(1, index=index))
        for solver in (solvers, alone):
            solver.due(together)
    assert [framed for _, framed in one] == [True]
    np.testing.assert_allclose(one[0][0].joints_cam, single[0][0].joints_cam, atol=1e-4)


def test_a_place_is_kept_for_ten_seconds_for_who_may_come_back() -> None:
    estimator = make_estimator(slots=2)
    solvers = Solvers(estimator)
    (first,) = solvers.of(frame(1))
    solvers.due(frame(1))
    assert advance(solvers, frame(index=9 * TICK_HZ)) == []
    (again,) = solvers.of(frame(1, index=9 * TICK_HZ + 1))
    assert again is first
    advance(solvers, frame(index=20 * TICK_HZ))
    assert estimator.engine.free == 2


def test_who_is_in_the_picture_gets_the_place_of_who_left() -> None:
    estimator = make_estimator(slots=2)
    solvers = Solvers(estimator)
    advance(solvers, frame(1, 2))
    assert advance(solvers, frame(1, 3, index=1)) == [1, 3]
    assert advance(solvers, frame(1, 3, 4, index=2)) == [1, 3]  # the fourth goes without
    advance(solvers, frame(5, index=3))
    assert estimator.engine.free == 0


def test_a_turned_phone_and_other_options_are_another_camera() -> None:
    estimator = make_estimator(slots=1)
    solvers = Solvers(estimator)
    (upright,) = solvers.of(frame(1))
    (turned,) = solvers.of(frame(1, size=(720, 1280)))
    assert turned is not upright
    assert turned.estimator.world is not upright.estimator.world
    solvers.adopt(PublishOptions(delay=3))
    assert estimator.engine.free == 1


@pytest.mark.parametrize(("focal", "same"), [(1280.0, True), (1300.0, True), (900.0, False)])
def test_a_camera_is_the_same_where_its_focal_length_is_said_or_not(
    focal: float, same: bool
) -> None:
    solvers = Solvers(make_estimator(slots=1))
    said, plain = frame(1), frame(1, index=1)
    camera = Intrinsics(focal, focal, 640.0, 360.0, 1280, 720)
    said = replace(said, seen=replace(said.seen, intrinsics=camera))
    (first,) = solvers.of(said)
    solvers.adopt(PublishOptions())
    (then,) = solvers.of(plain)
    assert (then is first) == same
    assert (then.estimator.world is first.estimator.world) == same


def test_a_publisher_for_whom_the_engine_has_no_place_is_told_to_come_back() -> None:
    async def main() -> None:
        streams = Streams(make_estimator(slots=1), Eye, admission=Admission.to(3))
        camera = Camera()
        streams.publish("one", cast(FrameSource, camera), PublishOptions())
        streams.check_capacity("one")
        with pytest.raises(ServerFull, match="the model's 1 places are taken") as refused:
            streams.check_capacity("two")  # although "one" has shown nobody yet
        assert refused.value.retry_after_s > 0
        camera.shoot(0.0)
        one = streams.open("one")
        await until(lambda: one.places > 0)
        camera.leave()
        await until(lambda: not one.live)
        assert one.places == 1  # kept for who may come back
        streams.check_capacity("two")
        other = Camera()
        streams.publish("two", cast(FrameSource, other), PublishOptions())
        assert one.places == 0
        await until(lambda: streams.mind.figures.free == 1)
        await streams.close()

    asyncio.run(main())


def test_a_stream_that_ended_keeps_no_place_for_ever_though_viewers_stay() -> None:
    async def main() -> None:
        seconds = 0.0
        streams = Streams(
            make_estimator(slots=2), Eye, admission=Admission.to(1), clock=lambda: seconds
        )
        camera = Camera()
        streams.publish("one", cast(FrameSource, camera), PublishOptions())
        camera.shoot(0.0)
        one = streams.open("one")
        one.hub.attach(Listener())
        await until(lambda: one.places > 0)
        seconds = 100.0  # live however long
        streams.tidy()
        assert one.places == 1
        camera.leave()
        await until(lambda: not one.live)
        seconds += KEEP_S - 0.1
        streams.tidy()
        assert one.places == 1
        seconds += 0.2
        streams.tidy()
        assert one.places == 0
        assert streams.get("one") is one
        await streams.close()

    asyncio.run(main())


def test_metrics_tell_how_full_and_how_busy_the_engine_is(monkeypatch: pytest.MonkeyPatch) -> None:
    estimator = make_estimator(slots=3)
    stream = estimator.stream(Intrinsics.default(1280, 720))
    stream.step(Tick(0, 0.0, 0, restart=True, reset=True), seen(0))
    text = render(StreamCollector(lambda: [], lambda: estimator.engine.figures, "cpu")).decode()
    assert 'genmo_engine_slots{state="free"} 2.0' in text
    assert 'genmo_engine_slots{state="taken"} 1.0' in text
    assert "genmo_engine_frames_total 1.0" in text
    assert "genmo_gpu" not in text
    figures = DeviceFigures("NVIDIA Test", 3 << 30, 8 << 30, 0.25)
    monkeypatch.setattr(metrics, "device_figures", lambda device: figures)
    text = render(StreamCollector(lambda: [], lambda: estimator.engine.figures, "cpu")).decode()
    assert "genmo_gpu_memory_bytes 3.221225472e+09" in text
    assert "genmo_gpu_utilisation 0.25" in text

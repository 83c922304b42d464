"""Places in the engine: who has one, who gives it back, what one without is told."""

import asyncio
from typing import cast

import pytest
import torch

from genmo_rt.camera import Intrinsics
from genmo_rt.checkpoint import Checkpoint
from genmo_rt.clock import Tick
from genmo_rt.device import DeviceFigures
from genmo_rt.engine.engine import Engine
from genmo_rt.estimate import Estimator
from genmo_rt.model import Model, ModelConfig
from genmo_rt.motion import MOTION_WIDTH, MotionStats
from genmo_rt.smpl import load_body
from genmo_stream import metrics
from genmo_stream.errors import ServerFull
from genmo_stream.ingest import FrameSource
from genmo_stream.metrics import StreamCollector, render
from genmo_stream.seen import Seen
from genmo_stream.solvers import Followed, Solvers
from genmo_stream.streams import Streams
from genmo_stream.tracking import Observation, PersonState
from genmo_stream.whip import PublishOptions
from tests.genmo_rt.walk import seen
from tests.genmo_stream.test_stream import Camera, Eye, until


def make_estimator(slots: int) -> Estimator:
    torch.manual_seed(0)
    model = Model(ModelConfig(width=32, layers=2, heads=2, head_dim=16, window=8)).eval()
    stats = MotionStats(torch.zeros(MOTION_WIDTH), torch.ones(MOTION_WIDTH))
    checkpoint = Checkpoint(model, stats, "builtin", "random")
    return Estimator(checkpoint, load_body(), Engine(model, slots=slots))


def person(number: int, size: tuple[int, int] = (1280, 720)) -> Followed:
    tick = Tick(0, 0.0, 0, restart=True, reset=True)
    observation = Observation(number, PersonState.TRACKED, seen(0), entered=False, left=None)
    return Followed(Seen(0, 0, 0.0, 0.0, size, tick, ()), observation)


def test_a_stream_has_one_place_whoever_is_in_front_of_its_camera() -> None:
    estimator = make_estimator(slots=1)
    solvers = Solvers(estimator)
    first = solvers.of(person(1))
    assert solvers.of(person(1)) is first
    second = solvers.of(person(2))
    assert second is not first
    assert solvers.of(person(2, (720, 1280))) is not second  # the phone was turned
    assert estimator.engine.free == 0
    solvers.adopt(PublishOptions(delay=3))
    assert estimator.engine.free == 1
    solvers.of(person(3))
    solvers.forget()
    assert estimator.engine.free == 1
    assert not solvers.solving


def test_a_publisher_for_whom_the_engine_has_no_place_is_told_to_come_back() -> None:
    async def main() -> None:
        streams = Streams(make_estimator(slots=1), Eye, max_live=3)
        camera = Camera()
        streams.publish("one", cast(FrameSource, camera), PublishOptions())
        streams.check_capacity("one")
        with pytest.raises(ServerFull, match="the model's 1 places are taken") as refused:
            streams.check_capacity("two")  # although "one" has shown nobody yet
        assert refused.value.retry_after_s > 0
        camera.shoot(0.0)
        one = streams.open("one")
        await until(lambda: one.solving)
        camera.leave()
        await until(lambda: not one.live)
        with pytest.raises(ServerFull, match="ended just now"):
            streams.check_capacity("two")
        streams.check_capacity("one")  # whose place is kept for it
        one.forget()
        streams.check_capacity("two")
        assert streams.estimator.engine.free == 1
        await streams.close()

    asyncio.run(main())


def test_metrics_tell_how_full_and_how_busy_the_engine_is(monkeypatch: pytest.MonkeyPatch) -> None:
    estimator = make_estimator(slots=3)
    stream = estimator.stream(Intrinsics.default(1280, 720))
    stream.step(Tick(0, 0.0, 0, restart=True, reset=True), seen(0))
    text = render(StreamCollector(lambda: [], estimator.engine)).decode()
    assert 'genmo_engine_slots{state="free"} 2.0' in text
    assert 'genmo_engine_slots{state="taken"} 1.0' in text
    assert "genmo_engine_frames_total 1.0" in text
    assert "genmo_gpu" not in text
    figures = DeviceFigures("NVIDIA Test", 3 << 30, 8 << 30, 0.25)
    monkeypatch.setattr(metrics, "device_figures", lambda device: figures)
    text = render(StreamCollector(lambda: [], estimator.engine)).decode()
    assert "genmo_gpu_memory_bytes 3.221225472e+09" in text
    assert "genmo_gpu_utilisation 0.25" in text

"""The Prometheus page: every stream's figures, read when they are asked for."""

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from genmo_rt.device import DeviceFigures, device_figures
from genmo_rt.engine.engine import EngineFigures
from genmo_stream.admission import NAMES, Admission
from genmo_stream.stream import Stream


class StreamCollector(Collector):
    """Reads every stream at scrape time; nothing is counted twice."""

    def __init__(
        self,
        streams: Callable[[], Iterable[Stream]],
        engine: Callable[[], EngineFigures],
        device: str,
        admission: Admission | None = None,
    ) -> None:
        self._streams = streams
        self._engine = engine
        self._device = device
        self._admission = admission

    def collect(self) -> Iterable[Metric]:
        """One family per figure, labelled by stream."""
        streams = list(self._streams())
        live = GaugeMetricFamily("genmo_streams", "Streams known to the server", labels=["state"])
        states = [stream.hub.state.state for stream in streams]
        for state in ("waiting", "live", "stalled", "ended"):
            live.add_metric([state], states.count(state))
        yield live
        received = CounterMetricFamily("genmo_frames", "Frames received", labels=["stream"])
        dropped = CounterMetricFamily("genmo_frames_dropped", "Frames dropped", labels=["stream"])
        poses = CounterMetricFamily("genmo_poses", "Pose messages published", labels=["stream"])
        viewers = GaugeMetricFamily("genmo_viewers", "Open viewers", labels=["stream"])
        latency = GaugeMetricFamily(
            "genmo_latency_seconds",
            "Time of the last poses by stage",
            labels=["stream", "stage", "quantile"],
        )
        rungs = GaugeMetricFamily(
            "genmo_rung", "1 where all frames are looked at, 0.5 where half are", labels=["stream"]
        )
        for stream in streams:
            if stream.rung is not None:
                rungs.add_metric([stream.name], 1.0 if stream.rung == "full" else 0.5)
            received.add_metric([stream.name], stream.received)
            dropped.add_metric([stream.name], stream.dropped)
            poses.add_metric([stream.name], stream.ledger.poses)
            viewers.add_metric([stream.name], stream.hub.viewer_count)
            for stage, value in stream.ledger.percentiles().items():
                latency.add_metric([stream.name, stage, "0.5"], value.p50 / 1e3)
                latency.add_metric([stream.name, stage, "0.95"], value.p95 / 1e3)
        yield from (received, dropped, poses, viewers, latency, rungs)
        if self._admission is not None:
            yield _capacity_family(self._admission)
        yield from _engine_families(self._engine())
        yield from _device_families(device_figures(self._device))


def _capacity_family(admission: Admission) -> Metric:
    capacity = GaugeMetricFamily(
        "genmo_capacity_streams", "Publishers at once, with none of other kinds", labels=["source"]
    )
    for kind in NAMES:
        capacity.add_metric([kind], admission.limit(kind))
    return capacity


def _engine_families(figures: EngineFigures) -> Iterable[Metric]:
    slots = GaugeMetricFamily("genmo_engine_slots", "Places for persons", labels=["state"])
    slots.add_metric(["free"], figures.free)
    slots.add_metric(["taken"], figures.slots - figures.free)
    yield slots
    yield CounterMetricFamily("genmo_engine_batches", "Batches run", value=figures.batches)
    yield CounterMetricFamily("genmo_engine_frames", "Requests in batches", value=figures.frames)
    yield CounterMetricFamily("genmo_engine_busy_seconds", "Time in batches", value=figures.busy_s)


def _device_families(figures: DeviceFigures) -> Iterable[Metric]:
    """What the GPU's driver says, of all processes; nothing on a CPU."""
    if figures.memory_used is not None:
        yield GaugeMetricFamily(
            "genmo_gpu_memory_bytes", "Memory of the GPU in use", value=figures.memory_used
        )
    if figures.utilisation is not None:
        yield GaugeMetricFamily(
            "genmo_gpu_utilisation", "Share of time with work", value=figures.utilisation
        )


def render(collector: StreamCollector) -> bytes:
    """The text of GET /metrics."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    return generate_latest(registry)

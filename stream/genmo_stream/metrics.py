"""The Prometheus page: every stream's figures, read when they are asked for."""

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from genmo_stream.stream import Stream


class StreamCollector(Collector):
    """Reads every stream at scrape time; nothing is counted twice."""

    def __init__(self, streams: Callable[[], Iterable[Stream]]) -> None:
        self._streams = streams

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
        for stream in streams:
            received.add_metric([stream.name], stream.received)
            dropped.add_metric([stream.name], stream.dropped)
            poses.add_metric([stream.name], stream.ledger.poses)
            viewers.add_metric([stream.name], stream.hub.viewer_count)
            for stage, value in stream.ledger.percentiles().items():
                latency.add_metric([stream.name, stage, "0.5"], value.p50 / 1e3)
                latency.add_metric([stream.name, stage, "0.95"], value.p95 / 1e3)
        yield from (received, dropped, poses, viewers, latency)


def render(collector: StreamCollector) -> bytes:
    """The text of GET /metrics."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    return generate_latest(registry)

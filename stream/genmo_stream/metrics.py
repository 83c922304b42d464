"""Latency percentiles per stream, and the Prometheus page."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from genmo_stream.stream import Stream

STAGES = ("decode", "keypoints", "model", "total")


@dataclass(frozen=True, slots=True)
class Percentiles:
    """p50 and p95 of one stage over the last poses, milliseconds."""

    p50: float
    p95: float


class Ledger:
    """Where the time of the last poses went, per stage; "total" is capture to publish."""

    def __init__(self, size: int = 300) -> None:
        self._rows: deque[tuple[float, float, float, float]] = deque(maxlen=size)
        self.poses = 0

    def add(self, decode_ms: float, keypoints_ms: float, model_ms: float, total_ms: float) -> None:
        """Notes one published pose."""
        self._rows.append((decode_ms, keypoints_ms, model_ms, total_ms))
        self.poses += 1

    def percentiles(self) -> dict[str, Percentiles]:
        """p50 and p95 by stage name; empty before the first pose."""
        if not self._rows:
            return {}
        p50, p95 = np.percentile(np.array(self._rows), (50, 95), axis=0)
        return {
            stage: Percentiles(round(float(a), 2), round(float(b), 2))
            for stage, a, b in zip(STAGES, p50, p95, strict=True)
        }


class Rate:
    """Events per second over the last two seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._times: deque[float] = deque(maxlen=256)

    def tick(self) -> None:
        """Notes one event."""
        self._times.append(self._clock())

    def per_second(self) -> float:
        """The rate now."""
        now = self._clock()
        while self._times and self._times[0] < now - 2.0:
            self._times.popleft()
        if len(self._times) < 2:
            return 0.0
        span = max(now, self._times[-1]) - self._times[0]
        return round((len(self._times) - 1) / span, 1) if span > 0 else 0.0


class StreamCollector(Collector):
    """Reads every stream at scrape time; nothing is counted twice."""

    def __init__(self, streams: Callable[[], Iterable["Stream"]]) -> None:
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

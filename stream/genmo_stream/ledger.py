"""Where a stream's time goes: latency percentiles by stage, and rates."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

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

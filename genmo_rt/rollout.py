"""The root's path: velocities integrated over capture time, held to where the camera sees it.

All in one static frame of reference (the camera's: x right, y down, z forward), float64, and
causal: the position at t uses samples up to t only.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HISTORY = 8  # samples kept to find a third point for the parabola
MIN_DEPTH_M = 0.1


class PathIntegrator:
    """Integrates velocities that come at uneven times, one parabola per step."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, NDArray[np.float64]]] = deque(maxlen=HISTORY)

    def advance(self, t: float, velocity: NDArray[np.float64]) -> NDArray[np.float64]:
        """Takes the velocity at t; returns the displacement since the sample before.

        The step is the integral of the parabola through three samples (the third-order
        Adams-Moulton rule for uneven steps): its error shrinks with the cube of the step, where
        the trapezoid's is 0.4 to 3 mm on a 1 m circle.

        Args:
            t: seconds, later than the sample before.
            velocity: (3,) metres per second.
        Returns:
            (3,) metres; zero for the first sample.
        """
        previous = self._samples[-1] if self._samples else None
        older = None if previous is None else self._third_point(t - previous[0], previous[0])
        self._samples.append((t, velocity))
        if previous is None:
            return np.zeros(3)
        h = t - previous[0]
        if older is None:
            return (previous[1] + velocity) * (h / 2)
        g = previous[0] - older[0]
        w_older = -(h**3) / (6 * g * (g + h))
        w_now = h * (2 * h + 3 * g) / (6 * (g + h))
        return w_older * older[1] + (h - w_older - w_now) * previous[1] + w_now * velocity

    def _third_point(self, h: float, t_previous: float) -> tuple[float, NDArray[np.float64]] | None:
        """The latest older sample at least half a step away.

        A parabola through two samples much closer than the step would amplify their noise.
        """
        for sample in list(self._samples)[-2::-1]:
            if t_previous - sample[0] >= h / 2:
                return sample
        return None


@dataclass(frozen=True, slots=True)
class FusionNoise:
    """How much the two sources of the root are trusted (standard deviations).

    Attributes:
        velocity: error of the velocity, metres per second, taken as constant over `memory`.
        lateral: error of the seen root across the viewing ray, metres at 1 m distance.
        depth: its error along the viewing ray, metres at 1 m distance.
        memory: seconds over which the errors of velocity and depth stay the same; samples
            within it are not independent.
    """

    velocity: float = 0.15
    lateral: float = 0.002
    depth: float = 0.03
    memory: float = 0.2


class Rollout:
    """The root's position: integrated velocity, held to the root that the camera sees.

    The camera sees the root well across its viewing ray and poorly along it; the velocity is
    smooth but drifts. With a static camera the fused path does neither. Two Kalman filters of one
    number each, for the bearing and for the depth: one filter of three would triangulate depth
    from sideways motion, which goes wrong as soon as the camera moves a little.
    """

    def __init__(self, noise: FusionNoise | None = None) -> None:
        self._noise = noise or FusionNoise()
        self._path = PathIntegrator()
        self._t: float | None = None
        self._t_seen = 0.0
        self._lateral_variance = 0.0
        self._depth_variance = 0.0
        self.position = np.zeros(3)

    @property
    def started(self) -> bool:
        return self._t is not None

    def start(self, t: float, position: NDArray[np.float64], velocity: NDArray[np.float64]) -> None:
        """Puts the root at a position, forgetting the path before."""
        self._path = PathIntegrator()
        self._path.advance(t, velocity)
        self._t = self._t_seen = t
        self.position = position.astype(np.float64)
        self._lateral_variance = (self._noise.lateral * position[2]) ** 2
        self._depth_variance = (self._noise.depth * position[2]) ** 2

    def step(
        self, t: float, velocity: NDArray[np.float64], seen: NDArray[np.float64] | None
    ) -> NDArray[np.float64]:
        """Moves the root on to t.

        Args:
            t: capture time in seconds (nominal tick time for a masked tick).
            velocity: (3,) metres per second at t.
            seen: (3,) the root as this tick's picture shows it, or None (a masked tick).
        Returns:
            (3,) the fused position at t.
        """
        if self._t is None:
            raise RuntimeError("step before start: the path has no first position")
        noise = self._noise
        dt = t - self._t
        self._t = t
        self.position = self.position + self._path.advance(t, velocity)
        drift = noise.velocity**2 * noise.memory * dt
        self._lateral_variance += drift
        self._depth_variance += drift
        if seen is not None:
            depth = max(float(self.position[2]), MIN_DEPTH_M)
            seen_depth = max(float(seen[2]), MIN_DEPTH_M)
            # Depth errors that last `memory` make its samples count as one.
            repeats = max(2 * noise.memory / max(t - self._t_seen, 1e-3), 1.0)
            self._t_seen = t
            across = _gain(self._lateral_variance, (noise.lateral * depth) ** 2)
            along = _gain(self._depth_variance, (noise.depth * depth) ** 2 * repeats)
            bearing = self.position[:2] / depth
            bearing = bearing + across * (seen[:2] / seen_depth - bearing)
            depth += along * (seen_depth - depth)
            self.position = np.append(bearing * depth, depth)
            self._lateral_variance *= 1 - across
            self._depth_variance *= 1 - along
        return self.position


def _gain(state_variance: float, seen_variance: float) -> float:
    return state_variance / (state_variance + seen_variance)

"""The root's path: velocities integrated over capture time, held to where the camera sees it.

All in one static frame of reference (the camera's: x right, y down, z forward), float64, and
causal: the position at t uses samples up to t only.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genmo_rt.clock import TICK_HZ

HISTORY = 8  # samples kept to find a third point for the parabola
MIN_DEPTH_M = 0.1
LONGEST_S = 0.2  # one picture counts for no more time than this


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
            t: seconds, later than the sample before; a sample that is given again is left out.
            velocity: (3,) metres per second.
        Returns:
            (3,) metres; zero for the first sample.
        """
        previous = self._samples[-1] if self._samples else None
        if previous is not None and t == previous[0]:
            return np.zeros(3)
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

    def turn(self, rotmat: NDArray[np.float64]) -> None:
        """Sees the velocities from another frame of reference: rotmat (3, 3), old to new."""
        turned = [(t, rotmat @ velocity) for t, velocity in self._samples]
        self._samples = deque(turned, maxlen=HISTORY)

    def _third_point(self, h: float, t_previous: float) -> tuple[float, NDArray[np.float64]] | None:
        """The latest older sample at least half a step away.

        A parabola through two samples much closer than the step would amplify their noise.
        """
        for sample in list(self._samples)[-2::-1]:
            if t_previous - sample[0] >= h / 2:
                return sample
        return None


def integrate(velocity: NDArray[np.float64], step: float) -> NDArray[np.float64]:
    """The path of a whole clip, from the origin, by PathIntegrator's rule.

    Args:
        velocity: (L, 3) metres per second, at equal distances in time.
        step: that distance, seconds.
    Returns:
        (L, 3) metres.
    """
    path = PathIntegrator()
    moved = [path.advance(i * step, row) for i, row in enumerate(velocity)]
    return np.cumsum(np.array(moved), axis=0)


@dataclass(frozen=True, slots=True)
class FusionNoise:
    """How much the two sources of the root are trusted (standard deviations).

    Attributes:
        wander: how far the root goes astray across the viewing ray in a second, metres.
        lateral: error of the seen root across the viewing ray, metres at 1 m distance.
        velocity: error of the velocity along the optical axis, metres per second.
        memory: seconds over which that error stays about the same.
        depth: error of the seen depth per tick, metres at 1 m distance.
    """

    wander: float = 0.07
    lateral: float = 0.002
    velocity: float = 0.9
    memory: float = 0.3
    depth: float = 0.06


class Rollout:
    """The root's position: integrated velocity, held to the root that the camera sees.

    The camera sees the root well across its viewing ray and poorly along it; the velocity is
    smooth but wrong by a slowly changing amount. With a static camera the fused path neither
    drifts nor trembles. Bearing and depth have a Kalman filter each: a common one would
    triangulate depth from sideways motion, which goes wrong as soon as the camera moves.

    Attributes:
        position: (3,) metres, at the last step.
        velocity: (3,) metres per second, less the error learned.
    """

    def __init__(self, noise: FusionNoise | None = None) -> None:
        self._noise = noise or FusionNoise()
        self._path = PathIntegrator()
        self._t: float | None = None
        self._t_seen = 0.0
        self._lateral_variance = 0.0
        self._bias = 0.0  # of the velocity along the optical axis, learned from the seen depth
        self._covariance = (0.0, 0.0, 0.0)  # of depth, of depth and bias, of bias
        self.position = np.zeros(3)
        self.velocity = np.zeros(3)

    @property
    def started(self) -> bool:
        return self._t is not None

    def start(self, t: float, position: NDArray[np.float64], velocity: NDArray[np.float64]) -> None:
        """Puts the root at a position, forgetting the path before."""
        noise = self._noise
        self._path = PathIntegrator()
        self._path.advance(t, velocity)
        self._t = self._t_seen = t
        self._bias = 0.0
        self.position = position.astype(np.float64)
        self.velocity = velocity.astype(np.float64)
        self._lateral_variance = (noise.lateral * float(position[2])) ** 2
        self._covariance = ((noise.depth * float(position[2])) ** 2, 0.0, noise.velocity**2)

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
        self._predict(t - self._t, self._path.advance(t, velocity))
        self._t = t
        if seen is not None:
            self._correct(max(t - self._t_seen, 1e-3), seen)
            self._t_seen = t
        self.velocity = velocity - np.array([0.0, 0.0, self._bias])
        return self.position

    def turn(self, rotmat: NDArray[np.float64]) -> None:
        """Goes on in another camera at the same place: rotmat (3, 3), old to new."""
        self._path.turn(rotmat)
        self.position, self.velocity = rotmat @ self.position, rotmat @ self.velocity

    def move(self, moved: NDArray[np.float64]) -> None:
        """Goes on from elsewhere, because feet that rest say so: `moved` (3,) metres away."""
        self.position = self.position + moved

    def _predict(self, dt: float, moved: NDArray[np.float64]) -> None:
        noise = self._noise
        kept = math.exp(-dt / noise.memory)
        self.position = self.position + moved - np.array([0.0, 0.0, self._bias * dt])
        self._bias *= kept
        self._lateral_variance += noise.wander**2 * dt
        own, both, bias = self._covariance  # F P Fᵀ with F = [[1, −dt], [0, kept]]
        self._covariance = (
            own - 2 * dt * both + dt * dt * bias,
            kept * (both - dt * bias),
            kept * kept * bias + noise.velocity**2 * (1 - kept**2),
        )

    def _correct(self, dt: float, seen: NDArray[np.float64]) -> None:
        noise = self._noise
        x, y, z = self.position.tolist()
        seen_x, seen_y, seen_z = seen.tolist()
        depth, seen_depth = max(z, MIN_DEPTH_M), max(seen_z, MIN_DEPTH_M)
        across = self._lateral_variance / (self._lateral_variance + (noise.lateral * depth) ** 2)
        x, y = x / depth, y / depth  # the bearing
        x, y = x + across * (seen_x / seen_depth - x), y + across * (seen_y / seen_depth - y)
        self._lateral_variance *= 1 - across

        # Fewer pictures a second are not less sure of what they tell together; the first one
        # after a gap is a single one all the same.
        variance = (noise.depth * depth) ** 2 / (TICK_HZ * min(dt, LONGEST_S))
        own, both, bias = self._covariance
        gain, gain_bias = own / (own + variance), both / (own + variance)
        error = seen_depth - depth
        depth += gain * error
        self._bias += gain_bias * error
        self._covariance = (own - gain * own, both - gain * both, bias - gain_bias * both)
        self.position = np.array((x * depth, y * depth, depth))


def settle_path(
    t: NDArray[np.float64],
    velocity: NDArray[np.float64],
    seen: NDArray[np.float64],
    is_seen: NDArray[np.bool_],
    turns: Sequence[NDArray[np.float64] | None] = (),
) -> NDArray[np.float64]:
    """The root's path over a whole clip: Rollout forwards and backwards, and between the two.

    Where the camera sees the root both count the same; in a gap each counts by how near its last
    sight is.

    Args:
        t: (L,) seconds, rising.
        velocity: (L, 3) metres per second, in each tick's camera, like `seen`.
        seen: (L, 3) the root as each tick's picture shows it, or as predicted without one.
        is_seen: (L,) which of those come from a picture; the first does.
        turns: L times (3, 3) from each tick's camera to that of the next, at the same place; None
            where it is the same one, and for the last; left out where all are.
    Returns:
        (L, 3) metres, in each tick's camera.
    """
    turns = turns or [None] * len(t)
    turns_back = [None, *(None if turn is None else turn.T for turn in turns[-2::-1])]
    ahead = _path(t, velocity, seen, is_seen, [None, *turns[:-1]])
    back = _path(-t[::-1], -velocity[::-1], seen[::-1], is_seen[::-1], turns_back)[::-1]
    since, until = _since_seen(t, is_seen), _since_seen(-t[::-1], is_seen[::-1])[::-1]
    share = np.ones(len(t))  # of the way forwards; nothing but that after the last sight
    bounded = np.isfinite(until) & ~is_seen
    share[bounded] = until[bounded] / (since + until)[bounded]
    share = np.where(is_seen, 0.5, share)[:, None]
    return share * ahead + (1 - share) * back


def _path(
    t: NDArray[np.float64],
    velocity: NDArray[np.float64],
    seen: NDArray[np.float64],
    is_seen: NDArray[np.bool_],
    turns: Sequence[NDArray[np.float64] | None],
) -> NDArray[np.float64]:
    """Forwards alone; turns lead to each tick's camera from that of the tick before."""
    rollout = Rollout()
    rollout.start(float(t[0]), seen[0], velocity[0])
    rows = [seen[0]]
    for i in range(1, len(t)):
        if (turn := turns[i]) is not None:
            rollout.turn(turn)
        rows.append(rollout.step(float(t[i]), velocity[i], seen[i] if is_seen[i] else None))
    return np.stack(rows)


def _since_seen(t: NDArray[np.float64], is_seen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(L,) seconds since the last sight; infinite before the first."""
    last = np.maximum.accumulate(np.where(is_seen, t, -np.inf))
    return t - last

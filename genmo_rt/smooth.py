"""A causal filter for rotations that predicts: less tremble without the lag of a low-pass filter.

A g-h filter (Benedict & Bordner 1962): each rotation is carried on by its angular velocity and
then moved a share of the way to what was measured, so a limb that turns steadily doesn't lag.
Measured against the 1 euro filter on walking and fighting with the noise of refined poses: at the
same jitter half the lag.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genmo_rt.live_math import axis_angle_to_rotmat, rotmat_to_axis_angle

Array = NDArray[np.float64]

NO_TIME_S = 1e-9  # a step that is taken again, because it failed for others, teaches nothing


@dataclass(frozen=True, slots=True)
class FilterTimes:
    """The filter's constants, as times: they hold at any frame rate.

    Attributes:
        follow: seconds in which the output moves 63 % of the way to a step of the input.
        learn: seconds in which the angular velocity learns 63 % of such a change.
        forget: seconds after which 63 % of the angular velocity is gone unless confirmed.
    """

    follow: float = 0.045
    learn: float = 0.07
    forget: float = 0.15


class RotationFilter:
    """Smooths N rotations that come at uneven times.

    Attributes:
        times: the constants.
        t: seconds, of the last step.
        rotmat: (N, 3, 3) as the last step returned them; None before the first.
        turning: (N, 3) angular velocities, radians per second.
    """

    def __init__(self, times: FilterTimes | None = None) -> None:
        self.times = times or FilterTimes()
        self.t = 0.0
        self.rotmat: Array | None = None
        self.turning = np.zeros((0, 3))

    def step(self, t: float, rotmat: Array) -> Array:
        """Takes the rotations at t; returns them smoothed.

        Args:
            t: seconds, later than the step before.
            rotmat: (N, 3, 3).
        Returns:
            (N, 3, 3).
        """
        return np.asarray(smooth_together([self], np.array([t]), rotmat[None])[0])

    def turn(self, first: int, rotmat: Array) -> None:
        """Sees rotation number `first` from another frame of reference from now on.

        Args:
            first: which of the N.
            rotmat: (3, 3) from the old frame to the new one.
        """
        if self.rotmat is not None:
            self.rotmat, self.turning = self.rotmat.copy(), self.turning.copy()
            self.rotmat[first] = rotmat @ self.rotmat[first]
            self.turning[first] = rotmat @ self.turning[first]


def smooth_together(filters: Sequence[RotationFilter], t: Array, rotmat: Array) -> Array:
    """RotationFilter.step of several at once.

    Args:
        filters: P distinct ones, of the same times.
        t: (P,) seconds, each later than the step before.
        rotmat: (P, N, 3, 3).
    Returns:
        (P, N, 3, 3).
    """
    times, smoothed = filters[0].times, rotmat.copy()
    turning = np.zeros((*rotmat.shape[:2], 3))
    going = [n for n, of in enumerate(filters) if of.rotmat is not None]
    if going:
        before = np.stack([of.rotmat for of in filters if of.rotmat is not None])
        turned = np.stack([filters[n].turning for n in going])
        dt = np.array([t[n] - filters[n].t for n in going])[:, None, None]
        predicted = axis_angle_to_rotmat(turned * dt) @ before
        missing = rotmat_to_axis_angle(rotmat[going] @ predicted.swapaxes(-1, -2))
        follow, learn = (1 - np.exp(-dt / s) for s in (times.follow, times.learn))
        smoothed[going] = axis_angle_to_rotmat(follow * missing) @ predicted
        learned = learn / np.maximum(dt, NO_TIME_S) * missing
        turning[going] = np.exp(-dt / times.forget) * turned + learned
    for n, of in enumerate(filters):
        of.t, of.rotmat, of.turning = float(t[n]), smoothed[n], turning[n]
    return smoothed


def smooth_clip(t: Array, rotmat: Array, times: FilterTimes | None = None) -> Array:
    """The filter over a whole clip, forwards and backwards, and half way between the two: no lag.

    Args:
        t: (L,) seconds, rising.
        rotmat: (L, N, 3, 3).
    Returns:
        (L, N, 3, 3).
    """
    forwards, backwards = RotationFilter(times), RotationFilter(times)
    ahead = [forwards.step(float(now), one) for now, one in zip(t, rotmat, strict=True)]
    back = [
        backwards.step(-float(now), one) for now, one in zip(t[::-1], rotmat[::-1], strict=True)
    ]
    return half_way(np.stack(ahead), np.stack(back[::-1]))


def half_way(a: Array, b: Array) -> Array:
    """(..., 3, 3) rotations in the middle between two."""
    half = rotmat_to_axis_angle((b @ np.swapaxes(a, -1, -2)).reshape(-1, 3, 3)) / 2
    return (axis_angle_to_rotmat(half) @ a.reshape(-1, 3, 3)).reshape(a.shape)

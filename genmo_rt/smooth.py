"""A causal filter for rotations that predicts: less tremble without the lag of a low-pass filter.

A g-h filter (Benedict & Bordner 1962): each rotation is carried on by its angular velocity and
then moved a share of the way to what was measured, so a limb that turns steadily doesn't lag.
Measured against the 1 euro filter on walking and fighting with the noise of refined poses: at the
same jitter half the lag.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genmo_rt.live_math import axis_angle_to_rotmat, rotmat_to_axis_angle

Array = NDArray[np.float64]


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
    """Smooths N rotations that come at uneven times."""

    def __init__(self, times: FilterTimes | None = None) -> None:
        self._times = times or FilterTimes()
        self._t = 0.0
        self._rotmat: Array | None = None
        self._turning = np.zeros((0, 3))  # radians per second

    def step(self, t: float, rotmat: Array) -> Array:
        """Takes the rotations at t; returns them smoothed.

        Args:
            t: seconds, later than the step before.
            rotmat: (N, 3, 3).
        Returns:
            (N, 3, 3).
        """
        if self._rotmat is None:
            self._rotmat, self._turning = rotmat, np.zeros((len(rotmat), 3))
        else:
            dt = t - self._t
            predicted = axis_angle_to_rotmat(self._turning * dt) @ self._rotmat
            missing = rotmat_to_axis_angle(rotmat @ predicted.transpose(0, 2, 1))
            follow, learn = (1 - np.exp(-dt / s) for s in (self._times.follow, self._times.learn))
            self._rotmat = axis_angle_to_rotmat(follow * missing) @ predicted
            kept = np.exp(-dt / self._times.forget) * self._turning
            self._turning = kept + learn / dt * missing
        self._t = t
        return self._rotmat

    def turn(self, first: int, rotmat: Array) -> None:
        """Sees rotation number `first` from another frame of reference from now on.

        Args:
            first: which of the N.
            rotmat: (3, 3) from the old frame to the new one.
        """
        if self._rotmat is not None:
            self._rotmat, self._turning = self._rotmat.copy(), self._turning.copy()
            self._rotmat[first] = rotmat @ self._rotmat[first]
            self._turning[first] = rotmat @ self._turning[first]


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

"""Turns faster than anybody turns are spread over more frames.

Where a model can't decide which way somebody faces, it says something between both ways, and six
numbers that nearly cancel become any rotation: the body flips about within a frame.
"""

import math

import numpy as np
import torch
from numpy.typing import NDArray

from genmo_rt.clock import TICK_HZ
from genmo_rt.rotation import axis_angle_to_rotmat, rotmat_to_axis_angle

Array = NDArray[np.float64]

FASTEST = math.radians(600) / TICK_HZ  # a step; one captured step in 2,000 is faster
PEAK = 1.5  # of smoothstep's speed over its mean


def unhurried(rotmat: Array, fixed: NDArray[np.bool_]) -> Array:
    """Lets no step between free frames turn by more than FASTEST.

    Args:
        rotmat: (L, 3, 3) the root's rotations.
        fixed: (L,) frames that stay as they are, such as keyframes. Two of them that are closer
            together than their turn needs still make a fast one.
    Returns:
        (L, 3, 3): the same bits where nothing is too fast.
    """
    out = rotmat.copy()
    fast = np.flatnonzero(_angle(out[:-1], out[1:]) > FASTEST)
    done = 0
    for start in fast:
        if start < done:
            continue  # within the last one's way
        first, last = _room(out, int(start), fixed)
        share = np.linspace(0, 1, last - first + 1)[1:-1]
        out[first + 1 : last] = _between(out[first], out[last], share**2 * (3 - 2 * share))
        done = last
    return out


def _room(rotmat: Array, start: int, fixed: NDArray[np.bool_]) -> tuple[int, int]:
    """The frames between which the turn after `start` can be made in time."""
    first, last = start, start + 1
    while PEAK * _angle(rotmat[first], rotmat[last]) > FASTEST * (last - first):
        earlier = first > 0 and not fixed[first]
        later = last < len(rotmat) - 1 and not fixed[last]
        if not (earlier or later):
            break
        first, last = first - earlier, last + later
    return first, last


def _angle(one: Array, other: Array) -> Array:
    """(..., 3, 3) twice to (...) radians from one to the other."""
    trace = (one * other).sum((-2, -1))
    return np.asarray(np.arccos(np.clip((trace - 1) / 2, -1, 1)))


def _between(one: Array, other: Array, share: Array) -> Array:
    """(3, 3) twice and (N,) shares to (N, 3, 3) along the shortest turn."""
    turn = rotmat_to_axis_angle(torch.from_numpy(one.T @ other))
    steps = axis_angle_to_rotmat(torch.from_numpy(share)[:, None] * turn)
    return np.asarray(one @ steps.numpy())

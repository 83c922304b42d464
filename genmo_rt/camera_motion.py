"""How a camera moved since the last frame, as plain data, and its turn from points it tracked.

Turns are rotation vectors (axis times angle, radians) about the camera's own axes (OpenCV: x right,
y down, z forward): p_before = exp([turn]×) @ p_now. A camera that pans to the right turns about +y,
one that tilts up about +x, one that rolls clockwise about +z.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from genmo_rt.live_math import turn as matrix_of

Array = NDArray[np.float64]

MIN_TRACKS = 12
MIN_AGREEING = 0.4  # share of the tracks: fewer say nothing of the camera
PROPOSALS = 40
REFINEMENTS = 3
AGREEING_SIGMAS = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class CameraMotion:
    """What is known of the camera between the last used frame and this one.

    Attributes:
        turn: (3,) rotation vector; exactly zero for a camera that stands still.
        sure: 0..1 how far the turn can be trusted; 0 where nothing measured it.
        up_cam: (3,) unit vector "up" in the camera now, from the device's sensor; None without one.
        carried: whether the camera may go from place to place: somebody holds it.
        cut: what is seen has nothing to do with the last frame.
    """

    turn: Array
    sure: float
    up_cam: Array | None = None
    carried: bool = False
    cut: bool = False


STILL = CameraMotion(np.zeros(3), 1.0)
"""A camera on a stand."""


def joined(before: CameraMotion, after: CameraMotion) -> CameraMotion:
    """Two motions, one after the other, as one; nothing before a cut counts."""
    if after.cut or not before.turn.any():
        return replace(after, cut=before.cut or after.cut)
    turn = after.turn
    turn = rotation_vector(rotation(before.turn) @ rotation(turn)) if turn.any() else before.turn
    return replace(after, turn=turn, sure=min(before.sure, after.sure), cut=before.cut)


@dataclass(frozen=True, slots=True, eq=False)
class TrackedTurn:
    """A camera's turn as points that don't move tell it.

    Attributes:
        turn: (3,) rotation vector, as in CameraMotion.
        agreeing: share of the points that agree with it, 0..1.
        error: their median distance from it, radians.
    """

    turn: Array
    agreeing: float
    error: float


def turn_between(before: Array, now: Array, noise: float) -> TrackedTurn | None:
    """The turn that carries most rays of one frame to where they are in the next.

    RANSAC (Fischler & Bolles 1981): pairs of rays propose rotations (the TRIAD method, Black 1964),
    the one that most rays agree with is refined by least squares over those.

    Args:
        before: (N, 3) unit rays in the camera of the frame before.
        now: (N, 3) unit rays to the same points now.
        noise: standard deviation of a ray, radians.
    Returns:
        None where too few points agree.
    """
    if len(before) < MIN_TRACKS:
        return None
    pairs = np.random.default_rng(0).integers(len(before), size=(2, PROPOSALS))
    proposed = _triad(before, pairs) @ np.swapaxes(_triad(now, pairs), 1, 2)  # (P, 3, 3)
    far = _apart(now @ np.swapaxes(proposed, 1, 2), before)  # (P, N)
    found = proposed[(far < AGREEING_SIGMAS * noise).sum(1).argmax()]
    for _ in range(REFINEMENTS):
        rays = now @ found.T
        agreeing = _apart(rays, before) < AGREEING_SIGMAS * noise
        if agreeing.sum() < max(MIN_TRACKS, MIN_AGREEING * len(now)):
            return None
        rays, there = rays[agreeing], before[agreeing]
        # Least squares of there = rays + missing × rays.
        normal = len(rays) * np.eye(3) - rays.T @ rays
        found = rotation(np.linalg.solve(normal, _cross(rays, there).sum(0))) @ found
    far = _apart(now @ found.T, before)
    agreeing = far < AGREEING_SIGMAS * noise
    return TrackedTurn(
        rotation_vector(found), float(agreeing.mean()), float(np.median(far[agreeing]))
    )


def _triad(rays: Array, pairs: NDArray[np.int64]) -> Array:
    """(P, 3, 3) axes, as columns, that two rays each span."""
    one, other = rays[pairs[0]], rays[pairs[1]]
    along = _unit(one + other)
    normal = _unit(_cross(one, other))
    return np.stack((along, normal, _cross(along, normal)), axis=-1)


def _apart(rays: Array, others: Array) -> Array:
    """(..., N) radians, for small angles."""
    return np.asarray(np.sqrt(np.square(rays - others).sum(-1)))


def _cross(a: Array, b: Array) -> Array:
    """(..., 3) a × b, without np.cross's overhead."""
    ax, ay, az = a[..., 0], a[..., 1], a[..., 2]
    bx, by, bz = b[..., 0], b[..., 1], b[..., 2]
    return np.stack((ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx), axis=-1)


def _unit(vectors: Array) -> Array:
    length = np.sqrt(np.square(vectors).sum(-1, keepdims=True))
    return np.asarray(vectors / np.maximum(length, 1e-9))


def rotation(turn: Array) -> Array:
    """(3,) rotation vector to (3, 3)."""
    return matrix_of(np.asarray(turn, np.float64))


def rotation_vector(rotmat: Array) -> Array:
    """(3, 3) to (3,), for angles below half a turn."""
    vee = np.array(
        [rotmat[2, 1] - rotmat[1, 2], rotmat[0, 2] - rotmat[2, 0], rotmat[1, 0] - rotmat[0, 1]]
    )
    sine, cosine = np.linalg.norm(vee) / 2, (np.trace(rotmat) - 1) / 2
    angle = np.arctan2(sine, cosine)
    return np.asarray(vee / 2 * (angle / sine if sine > 1e-9 else 1.0))

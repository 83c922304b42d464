"""How a camera moved over a whole recording becomes the steady camera of every frame (world.py)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

from genmo_rt.camera_motion import STILL, CameraMotion, rotation, rotation_vector
from genmo_rt.world import World

Array = NDArray[np.float64]

DRIFT_S = 3.0  # before and after, over which gravity is averaged that corrects a gyroscope


@dataclass(frozen=True, slots=True, eq=False)
class Steady:
    """The camera of one frame, and the steady one that its landmarks are seen from.

    Attributes:
        anchor: (3, 3) rotation of the steady camera to the first one of the shot; the same array
            as long as it is the same camera.
        R_now2steady: (3, 3) from the real camera; None where they are one.
        shot: counts the cuts that the background told of.
        up: (3,) unit vector "up" in the first camera of the shot, from the device's sensor; None
            without one.
        carried: whether the camera may go from place to place.
        watched: whether anybody looked for its cuts.
    """

    anchor: Array
    R_now2steady: Array | None = None
    shot: int = 0
    up: Array | None = None
    carried: bool = False
    watched: bool = False

    @property
    def R_now2first(self) -> Array:
        """(3, 3) rotation of the real camera to the first one of the shot."""
        if self.R_now2steady is None:
            return self.anchor
        return np.asarray(self.anchor @ self.R_now2steady)


STANDING = Steady(np.eye(3))
"""A camera of which nothing is known."""


def follow(t: Sequence[float], motions: Sequence[CameraMotion]) -> Iterator[Steady]:
    """Follows a camera as a live stream's world does.

    Args:
        t: capture time of every used frame, seconds.
        motions: how the camera moved between the used frame before and each; none where nobody
            knows, which is taken for a camera on a stand.
    """
    world = World()
    known = list(_undrifted(t, motions)) if motions else [STILL] * len(t)
    for now, motion in zip(t, known, strict=True):
        world.move_camera(now, motion)
        steady = Steady(
            anchor=world.anchor,
            R_now2steady=world.R_now2steady,
            shot=world.shot,
            carried=world.carried,
            watched=bool(motions),
        )
        if motion.up_cam is not None and not motion.cut:
            steady = replace(steady, up=steady.R_now2first @ motion.up_cam)
        yield steady


def _undrifted(t: Sequence[float], motions: Sequence[CameraMotion]) -> Iterator[CameraMotion]:
    """The motions, their turns corrected so that the device's gravity stays where it was.

    A gyroscope drifts by some degrees a minute; gravity, averaged, doesn't. While the camera
    stands nothing is corrected: its turn stays exactly zero.
    """
    cuts = [n for n, motion in enumerate(motions) if motion.cut]
    for start, end in pairwise([0, *cuts, len(motions)]):
        own = motions[start:end]
        turned = list(accumulate((rotation(motion.turn) for motion in own), np.matmul))
        sensed = [n for n, motion in enumerate(own) if motion.up_cam is not None]
        if not sensed:
            yield from own
            continue
        ups = np.stack([turned[n] @ own[n].up_cam for n in sensed])
        up = _averaged(np.array(t[start:end]), np.array([t[start + n] for n in sensed]), ups)
        before = np.eye(3)
        for n, motion in enumerate(own):
            if motion.turn.any():
                now = _between(up[n], up[0]) @ turned[n]
                motion, before = replace(motion, turn=rotation_vector(before.T @ now)), now
            yield motion


def _averaged(t: Array, sensed: Array, ups: Array) -> Array:
    """(L, 3) unit vectors at (L,) t: the means of (N, 3) ups at (N,) times nearby."""
    sums = np.concatenate((np.zeros((1, 3)), np.cumsum(ups, axis=0)))
    first = np.searchsorted(sensed, sensed - DRIFT_S, "left")
    last = np.searchsorted(sensed, sensed + DRIFT_S, "right")
    means = (sums[last] - sums[first]) / (last - first)[:, None]
    found = np.stack([np.interp(t, sensed, along) for along in means.T], axis=1)
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True))


def _between(start: Array, end: Array) -> Array:
    """(3, 3) the smallest rotation from one unit vector to another."""
    axis = np.cross(start, end)
    sine = float(np.linalg.norm(axis))
    angle = np.arctan2(sine, start @ end)
    return rotation(axis * (angle / sine if sine > 0 else 1.0))

"""How a camera moved over a whole recording becomes the steady camera of every frame (world.py)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from genmo_rt.camera_motion import STILL, CameraMotion
from genmo_rt.world import World

Array = NDArray[np.float64]


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
    for now, motion in zip(t, motions or [STILL] * len(t), strict=True):
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

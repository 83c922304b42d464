"""Where a camera goes that is carried along with people: against how their resting feet seem to go.

A turn can be measured; the way can't: one camera tells the direction of a background, not its
distance. But a foot that rests doesn't move, and limbs tell that it rests wherever the camera goes.
The way is found about a quarter too short, because the model never saw a moving camera, and begins
WALK_S late (docs/log.md). A camera that goes much slower than people walk is taken to stand.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

WALK_S = 0.7  # over which velocities are averaged
RESTS = 0.5  # contact probability of a sole that says where the camera goes
FASTEST_M_S = 4.0  # no resting sole seems to go faster
BEGIN_M_S = 0.3  # a slower camera stands ...
BEGIN_SHARE = 0.5  # ... and one slower than this share of what people seem to walk
KEEP = 0.6  # of that threshold, once it goes
LEVEL = np.array([1.0, 0.0, 1.0])  # heights are the floor's matter (world.py)


@dataclass(frozen=True, slots=True, eq=False)
class Passing:
    """How somebody seems to move, as if the camera stood; metres per second.

    Attributes:
        soles: (N, 3) of the points under the feet.
        root: (3,) of the pelvis.
    """

    soles: Array
    root: Array


class Carrier:
    """The velocity of a camera that somebody carries.

    Attributes:
        velocity: (3,) in the world, metres per second; zero while it stands.
    """

    def __init__(self) -> None:
        self.velocity = np.zeros(3)
        self._camera = np.zeros(3)
        self._person = np.zeros(3)

    def step(self, dt: float, passing: Passing, contact: Array) -> None:
        """Takes one tick of one person.

        Args:
            dt: seconds since the tick before.
            passing: in the world's axes.
            contact: (N,) probability that each sole point rests.
        """
        self._person += (1 - np.exp(-dt / WALK_S)) * (passing.root * LEVEL - self._person)
        weight = np.where(contact > RESTS, contact**2, 0.0)
        total = float(weight.sum())
        if total > 0:
            seen = -(weight @ passing.soles) / total * LEVEL
            share = 1 - np.exp(-dt * min(total, 1.0) / WALK_S)
            if np.linalg.norm(seen) < FASTEST_M_S:
                self._camera += share * (seen - self._camera)
        begin = BEGIN_M_S + BEGIN_SHARE * float(np.linalg.norm(self._person))
        goes = np.linalg.norm(self._camera) > (KEEP * begin if self.velocity.any() else begin)
        self.velocity = self._camera.copy() if goes else np.zeros(3)

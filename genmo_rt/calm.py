"""How calm each joint is, as the picture shows it: what hardly moves there may be smoothed more.

Smoothing costs lag only where something moves, and a joint whose landmarks stay within their noise
doesn't.
"""

from collections import deque

import numpy as np
from numpy.typing import NDArray

from genmo_rt.camera import Intrinsics
from genmo_rt.easing import SHOWN_BY
from genmo_rt.keypoints import Keypoints
from genmo_rt.skeleton import NUM_JOINTS

Array = NDArray[np.float64]

HALF_CALM_M_S = 0.25  # landmarks tremble by about so much at rest
SURE = 0.6  # confidence from which a landmark can tell
WINDOWS_S = (0.09, 0.19)  # speeds are measured over 3 and 6 ticks
_SHOWN = SHOWN_BY.any(1)


class Calm:
    """Watches one person's landmarks, tick after tick."""

    def __init__(self, intrinsics: Intrinsics) -> None:
        self._focal = (intrinsics.fx + intrinsics.fy) / 2
        self._past: deque[tuple[float, NDArray[np.float32]]] = deque(maxlen=16)

    def turn(self) -> None:
        """Goes on in another camera: what was seen before can't be compared."""
        self._past.clear()

    def step(self, t: float, keypoints: Keypoints | None, depth: float) -> Array:
        """Takes one tick.

        Args:
            t: seconds, later than the step before.
            keypoints: as a camera at rest sees them; None where there are none.
            depth: of the person, metres.
        Returns:
            (24,) 0 for a joint that moves or that nothing shows, to 1 for one that stays.
        """
        if keypoints is None:
            return np.zeros(NUM_JOINTS)
        squared = []  # of speeds, pixels per second
        for window in WINDOWS_S:
            before = next((p for p in reversed(self._past) if t - p[0] >= window), None)
            if before is not None:
                moved = keypoints.pixels - before[1]
                squared.append((moved * moved).sum(1) / (t - before[0]) ** 2)
        self._past.append((t, keypoints.pixels))
        if not squared:
            return np.zeros(NUM_JOINTS)
        speed = np.sqrt(squared[0] * squared[-1]) * (depth / self._focal / HALF_CALM_M_S) ** 2
        calm = np.minimum(keypoints.confidence / SURE, 1.0) / (1.0 + speed)
        return np.asarray(np.where(SHOWN_BY, calm, 1.0).min(1) * _SHOWN, np.float64)

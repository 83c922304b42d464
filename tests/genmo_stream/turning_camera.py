"""Pictures of a far, textured background that a turning camera takes, with somebody before it."""

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from genmo_rt.camera_motion import rotation

WIDTH, HEIGHT, FOCAL = 480, 360, 480.0
K = np.array([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]])
WALL, WALL_FOCAL = 2400, 800.0  # the background, painted on a plane that faces the first camera
PERSON = np.array([[200.0, 90], [280, 340]], np.float32)  # opposite corners of their box


@cache
def wall(seed: int) -> NDArray[np.uint8]:
    """A texture of blobs of several sizes."""
    random = np.random.default_rng(seed)
    total = np.zeros((WALL, WALL, 3), np.float32)
    for size in (12, 40, 160):
        blobs = random.normal(size=(WALL // size, WALL // size, 3)).astype(np.float32)
        total += cv2.resize(blobs, (WALL, WALL), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(128 + 35 * total, 0, 255), np.uint8)


def picture(turn: NDArray[np.float64], seed: int = 0, noise: int = 0) -> NDArray[np.uint8]:
    """What a camera sees that has turned by this rotation vector since it faced the wall.

    Args:
        turn: (3,) as in CameraMotion.
        seed: of the wall.
        noise: seed of the picture's noise, which stays the same for the same seed.
    """
    to_wall = np.array([[WALL_FOCAL, 0, WALL / 2], [0, WALL_FOCAL, WALL / 2], [0, 0, 1]])
    to_wall = to_wall @ rotation(turn) @ np.linalg.inv(K)
    seen = cv2.warpPerspective(
        wall(seed), to_wall, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    )
    x0, y0, x1, y1 = PERSON.ravel().astype(int)
    seen[y0:y1, x0:x1] = wall(99)[y0 + 7 * noise : y1 + 7 * noise, x0 : x1 - 0]  # who moves
    grain = np.random.default_rng(noise).normal(0, 3, seen.shape)
    return np.asarray(np.clip(seen + grain, 0, 255), np.uint8)

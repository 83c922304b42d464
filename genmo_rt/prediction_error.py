"""How wrong the model's figures are, as it was measured: what they are trusted by (refine.py).

An error is a shift of the root and turns of the joints that refine.TURNING names, each by three
axes of the view: x right, y down, z along the root's viewing ray. What belongs together is large
together: a pelvis that leans too far has a back that bends too far the other way.

scripts/fit_prediction_error.py measures it and makes prediction_error.npz.
"""

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

FILE = Path(__file__).parent / "prediction_error.npz"
MIN_DEPTH_M = 0.1
_FORWARDS = 0.01  # of a viewing ray's part along the axis: nobody is behind the camera


@cache
def measured_precision() -> Array:
    """The inverse of the errors' covariance, (48, 48): root by parts of its distance, radians.

    By axes: x of root and turns, then y, then z.
    """
    with np.load(FILE) as file:
        covariance = file["covariance"].astype(np.float64)
    return np.linalg.inv(covariance)


def precision_at(root: Array) -> NDArray[np.float32]:
    """What that is in the camera for figures whose roots are at (P, 3): (P, 48, 48), metres."""
    known = _short()
    items = np.arange(len(known) // 3)
    way = np.zeros((len(root), 3, len(items), 3, len(items)), np.float32)  # from the view
    way[:, :, items, :, items] = view_axes(root)
    distance = np.maximum(np.sqrt((root * root).sum(-1)), MIN_DEPTH_M)
    way[:, :, 0, :, 0] /= distance[:, None, None]
    way = way.reshape(len(root), *known.shape)
    return np.asarray(way @ known @ way.swapaxes(1, 2))


@cache
def _short() -> NDArray[np.float32]:
    return measured_precision().astype(np.float32)


def view_axes(root: Array) -> Array:
    """(..., 3, 3) the view's axes in the camera, as columns, for a root at (..., 3).

    The smallest rotation that takes the camera's axis to the ray.
    """
    distance = np.maximum(np.sqrt((root * root).sum(-1, keepdims=True)), 1e-9)
    x, y, z = np.moveaxis(root / distance, -1, 0)
    share = 1 / (1 + np.maximum(z, _FORWARDS - 1))
    rows = (
        (1 - x * x * share, -x * y * share, x),
        (-x * y * share, 1 - y * y * share, y),
        (-x, -y, z),
    )
    return np.stack([np.stack(row, -1) for row in rows], -2)

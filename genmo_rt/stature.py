"""The model's running shape, made to fit the body in use and the height a user states."""

import numpy as np
import torch
from numpy.typing import NDArray

from genmo_rt.errors import InputError
from genmo_rt.skeleton import PARENTS
from genmo_rt.smpl import Body, load_body

Array = NDArray[np.float64]

MIN_HEIGHT_M, MAX_HEIGHT_M = 0.5, 2.6
RIDGE_M2 = 1e-5  # a unit of a shape coefficient counts as 3 mm of bone


class ShapeRule:
    """Turns the model's shape (of the built-in body) into the shape that is published."""

    def __init__(self, body: Body, height_m: float | None = None) -> None:
        """Prepares for one person.

        Args:
            body: what is published.
            height_m: the person's standing height without shoes; None: the model's estimate.
        Raises:
            InputError: the height is no person's.
        """
        if height_m is not None and not MIN_HEIGHT_M <= height_m <= MAX_HEIGHT_M:
            raise InputError(
                f"height_m is {height_m}; expected {MIN_HEIGHT_M} to {MAX_HEIGHT_M} metres"
            )
        self._height_m = height_m
        self._base, self._matrix = _to_body(body)
        top, bottom = (int(body.vertex_mean[:, 1].argmax()), int(body.vertex_mean[:, 1].argmin()))
        self._mean_height = float(body.vertex_mean[top, 1] - body.vertex_mean[bottom, 1])
        self._growth = (body.vertex_dirs[top, 1] - body.vertex_dirs[bottom, 1]).double().numpy()

    def apply(self, model_shape: Array) -> tuple[Array, float]:
        """The shape to publish, and how much larger that person is than the model thought.

        A stated height is met by the smallest change of the coefficients that does it.

        Args:
            model_shape: (10,) coefficients of the built-in body.
        Returns:
            (10,) coefficients of the body in use, and the factor on the person's distance.
        """
        shape = self._base + self._matrix @ model_shape
        if self._height_m is None:
            return shape, 1.0
        height = self.height(shape)
        return self._of_height(shape, self._height_m), self._height_m / height

    def grown(self, shape: Array, size: float) -> Array:
        """(10,) of somebody who is `size` times as tall, by the smallest change of coefficients."""
        return self._of_height(shape, size * self.height(shape))

    def height(self, shape: Array) -> float:
        """Standing height of a shape of the body in use, metres."""
        return self._mean_height + float(self._growth @ shape)

    def _of_height(self, shape: Array, height_m: float) -> Array:
        missing = height_m - self.height(shape)
        return np.asarray(shape + self._growth * (missing / float(self._growth @ self._growth)))


def _to_body(body: Body) -> tuple[Array, Array]:
    """(10,) and (10, 10): base + matrix @ built-in shape has nearly the same bones on `body`."""
    if body.name == "builtin":
        return np.zeros(10), np.eye(10)
    builtin = load_body()
    parents = list(PARENTS[1:])

    def bones(joints: torch.Tensor) -> Array:
        edges = joints[1:] - joints[parents]
        return np.asarray(edges.reshape(3 * len(parents), -1).double().numpy())

    dirs = bones(body.joint_dirs)
    solve = np.linalg.solve(dirs.T @ dirs + RIDGE_M2 * np.eye(dirs.shape[1]), dirs.T)
    offset = bones(builtin.joint_mean) - bones(body.joint_mean)
    return (solve @ offset)[:, 0], solve @ bones(builtin.joint_dirs)

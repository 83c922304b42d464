"""The pinhole camera: intrinsics, projection to pixels and back (OpenCV axes)."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from genmo_rt.errors import InputError

MIN_DEPTH_M = 0.01  # nearer points, and points behind the camera, project as if this far


@dataclass(frozen=True, slots=True)
class Intrinsics:
    """A camera without distortion, axes as OpenCV's: x right, y down, z forward.

    Attributes:
        fx: focal length in pixels along x.
        fy: focal length in pixels along y.
        cx: principal point, pixels from the picture's left edge.
        cy: principal point, pixels from the picture's top edge.
        width: of the picture, pixels.
        height: of the picture, pixels.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int

    def __post_init__(self) -> None:
        """Checks the values once, where they come in.

        Raises:
            InputError: a size or focal length isn't positive, or a value isn't finite.
        """
        if not all(map(math.isfinite, (self.fx, self.fy, self.cx, self.cy))):
            raise InputError(f"{self} has a value that is not finite; expected numbers")
        if min(self.fx, self.fy) <= 0 or min(self.width, self.height) < 1:
            raise InputError(f"{self} has focal lengths or a size that are not positive")

    @classmethod
    def default(cls, width: int, height: int) -> "Intrinsics":
        """What is assumed of an unknown camera: f = the longer side (53 degrees), centred."""
        focal = float(max(width, height))
        return cls(focal, focal, width / 2, height / 2, width, height)

    @classmethod
    def from_fov(cls, width: int, height: int, fov_degrees: float) -> "Intrinsics":
        """A centred camera whose picture's longer side spans fov_degrees.

        Raises:
            InputError: the angle isn't between 1 and 179 degrees.
        """
        if not 1 <= fov_degrees <= 179:
            raise InputError(f"field of view is {fov_degrees}; expected 1 to 179 degrees")
        focal = max(width, height) / 2 / math.tan(math.radians(fov_degrees) / 2)
        return cls(focal, focal, width / 2, height / 2, width, height)

    @classmethod
    def of_picture(cls, width: int, height: int, fov_degrees: float | None) -> "Intrinsics":
        """`from_fov` where the field of view is known, `default` where it is None."""
        if fov_degrees is None:
            return cls.default(width, height)
        return cls.from_fov(width, height, fov_degrees)

    @property
    def fov_degrees(self) -> float:
        """The angle that the picture's longer side spans, as if the camera were centred."""
        side, focal = max((self.width, self.fx), (self.height, self.fy))
        return 2 * math.degrees(math.atan(side / 2 / focal))

    def matrix(self, dtype: torch.dtype = torch.float32) -> Tensor:
        """(3, 3) K, so that pixel ~ K @ point_cam."""
        return torch.tensor(
            [[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1]],
            dtype=dtype,
        )


def project(points_cam: Tensor, K: Tensor) -> Tensor:
    """Projects points in the camera to pixels.

    Points nearer than MIN_DEPTH_M, and those behind the camera, are projected at that depth:
    the result is finite (and far outside the picture) and so are its gradients.

    Args:
        points_cam: (..., N, 3) metres.
        K: (..., 3, 3) intrinsics, leading dimensions broadcast against the points'.
    Returns:
        (..., N, 2) pixels.
    """
    depth = points_cam[..., 2:].clamp_min(MIN_DEPTH_M)
    flat = points_cam[..., :2] / depth
    focal, centre = _focal_and_centre(K)
    return flat * focal + centre


def unproject(pixels: Tensor, depth: Tensor, K: Tensor) -> Tensor:
    """Puts pixels back on their rays at a depth along the optical axis.

    Args:
        pixels: (..., N, 2).
        depth: (..., N) metres along z, not along the ray.
        K: (..., 3, 3) intrinsics, leading dimensions broadcast against the pixels'.
    Returns:
        (..., N, 3) points in the camera, metres.
    """
    focal, centre = _focal_and_centre(K)
    flat = (pixels - centre) / focal
    return torch.cat((flat * depth[..., None], depth[..., None]), dim=-1)


def _focal_and_centre(K: Tensor) -> tuple[Tensor, Tensor]:
    """Two (..., 1, 2) tensors; skew is taken to be zero."""
    focal = torch.stack((K[..., 0, 0], K[..., 1, 1]), dim=-1)
    return focal[..., None, :], K[..., None, :2, 2]

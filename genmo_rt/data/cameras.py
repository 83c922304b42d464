"""Places a random static camera before each motion: phones, webcams, low, high, near, cut off."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from genmo_rt.data.waves import chance
from genmo_rt.rotation import axis_angle_to_rotmat

SIZES = torch.tensor(
    [[1280.0, 720], [1920, 1080], [640, 480], [720, 1280], [1080, 1920], [480, 640], [1280, 960]]
)
BODY_HEIGHT = 1.7  # metres, for framing only
NEAREST = 0.7  # metres from the camera to the pelvis

# OpenCV's axes seen from the y-up world when the camera looks level along −z.
LEVEL_C2W = torch.diag(torch.tensor([1.0, -1.0, -1.0]))


@dataclass(frozen=True, slots=True)
class CameraConfig:
    """Ranges are uniform unless said otherwise.

    Attributes:
        focal: focal length over the longer side of the picture.
        height: of the camera above the floor, metres; a fifth are in the lowest third.
        close: share of close-ups and pictures that cut off legs or arms.
        follow_path: share where the camera stands far enough to see most of the path.
        towards: share of motions that start turned roughly towards the camera.
        roll_std, pitch_std: radians.
    """

    focal: tuple[float, float] = (0.6, 1.6)
    height: tuple[float, float] = (0.3, 2.2)
    close: float = 0.25
    follow_path: float = 0.85
    towards: float = 0.5
    distance: tuple[float, float] = (1.5, 7.0)
    roll_std: float = math.radians(1.5)
    pitch_std: float = math.radians(2.5)


@dataclass(frozen=True, slots=True)
class Cameras:
    """B static cameras and where the motions stand before them.

    Attributes:
        image_size: (B, 2) width, height, pixels.
        intrinsics: (B, 4) fx, fy, cx, cy, pixels.
        R_c2w: (B, 3, 3), p_world = R_c2w @ p_cam + (0, height, 0).
        height: (B,) of the camera above the floor, metres.
        yaw: (B, 3, 3) turns the motion's frame into the world's.
        offset: (B, 3) of the motion in the world, after the turn, metres.
    """

    image_size: Tensor
    intrinsics: Tensor
    R_c2w: Tensor
    height: Tensor
    yaw: Tensor
    offset: Tensor

    def to_world(self, points: Tensor) -> Tensor:
        """(B, ..., 3) in the motion's frame to the world."""
        return _rotate(self.yaw, points) + _spread(self.offset, points)

    def to_camera(self, points_world: Tensor) -> Tensor:
        """(B, ..., 3) in the world to the camera."""
        above = torch.stack((0 * self.height, self.height, 0 * self.height), dim=-1)
        return _rotate(self.R_c2w.mT, points_world - _spread(above, points_world))

    def project(self, points_cam: Tensor) -> Tensor:
        """(B, ..., 3) metres to (B, ..., 2) pixels; depth is at least 0.2 m."""
        ray = points_cam[..., :2] / points_cam[..., 2:].clamp_min(0.2)
        return ray * _spread(self.intrinsics[:, :2], ray) + _spread(self.intrinsics[:, 2:], ray)


def place_cameras(
    heading: Tensor, pelvis: Tensor, config: CameraConfig, random: torch.Generator
) -> Cameras:
    """Draws a camera per motion so that the person is mostly in its picture.

    Args:
        heading: (B,) where the body faces in the middle of the motion, radians from +z to +x.
        pelvis: (B, L, 3) its path, y up, metres.
    """
    batch = len(pelvis)
    size = SIZES[torch.randint(0, len(SIZES), (batch,), generator=random)]
    longer = size.amax(-1)
    focal = longer * _between(config.focal, batch, random)
    centre = size * (0.5 + 0.01 * torch.randn(batch, 2, generator=random).clamp(-2, 2))
    low = config.height[0]
    height = _between(config.height, batch, random)
    height = torch.where(chance(batch, 0.2, random), low + (height - low) / 3, height)

    towards = heading - math.radians(70) * _between((-1, 1), batch, random)
    anyway = math.pi * _between((-1, 1), batch, random)
    yaw = -torch.where(chance(batch, config.towards, random), towards, anyway)
    turn = axis_angle_to_rotmat(torch.stack((0 * yaw, yaw, 0 * yaw), dim=-1))
    path = _rotate(turn, pelvis)
    middle = path.median(dim=1).values * torch.tensor([1.0, 0, 1.0])
    path = path - middle[:, None]

    close = chance(batch, config.close, random)
    share = torch.where(
        close, _between((0.95, 2.0), batch, random), _between((0.35, 0.95), batch, random)
    )
    distance = (focal * BODY_HEIGHT / (share * size[:, 1])).clamp(*config.distance)
    distance = torch.where(close, distance.clamp_max(3.5), distance)
    sideways = path[..., 0].abs().quantile(0.8, dim=1) * focal / (0.4 * size[:, 0])
    follow = chance(batch, config.follow_path, random)
    distance = torch.where(follow, torch.maximum(distance, sideways), distance)
    distance = torch.maximum(distance, path[..., 2].amax(-1) + NEAREST).clamp_max(12)

    aim = torch.where(
        close, _between((0.7, 1.5), batch, random), _between((0.6, 1.1), batch, random)
    )
    aim = aim * (pelvis[..., 1].mean(-1) / 0.92).clamp(0.3, 1.6)
    down = torch.atan2(height - aim, distance)
    down = down + config.pitch_std * torch.randn(batch, generator=random)
    roll = config.roll_std * torch.randn(batch, generator=random).clamp(-3, 3)
    zero = torch.zeros(batch)
    R_c2w = (
        LEVEL_C2W
        @ axis_angle_to_rotmat(torch.stack((-down, zero, zero), dim=-1))
        @ axis_angle_to_rotmat(torch.stack((zero, zero, roll), dim=-1))
    )
    beside = 0.3 * _between((-1, 1), batch, random) * size[:, 0] / focal * distance
    offset = torch.stack((beside, zero, -distance), dim=-1) - middle
    return Cameras(
        image_size=size,
        intrinsics=torch.cat((focal[:, None], focal[:, None], centre), dim=-1),
        R_c2w=R_c2w,
        height=height,
        yaw=turn,
        offset=offset,
    )


def _rotate(rotmat: Tensor, points: Tensor) -> Tensor:
    """(B, 3, 3) and (B, ..., 3) to (B, ..., 3)."""
    return (points.flatten(1, -2) @ rotmat.mT).view(points.shape)


def _spread(values: Tensor, like: Tensor) -> Tensor:
    """(B, C) to (B, 1, ..., C) with as many dimensions as `like`."""
    return values.view(len(values), *(1,) * (like.dim() - 2), values.shape[-1])


def _between(limits: tuple[float, float], batch: int, random: torch.Generator) -> Tensor:
    low, high = limits
    return low + (high - low) * torch.rand(batch, generator=random)

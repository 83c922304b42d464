"""Random motions, for properties that hold for every motion."""

import torch
from torch import Tensor

from genmo_rt.motion import Motion, View
from genmo_rt.rotation import axis_angle_to_rotmat, rot6d_to_rotmat


def some_motion(seed: int, frames: int = 4) -> Motion:
    """A camera that looks somewhere and a body in front of it, different in every frame."""
    draw = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(frames, *shape, generator=draw)

    rotmat_cam = axis_angle_to_rotmat(normal(24, 3))
    R_c2gv = rot6d_to_rotmat(normal(6))
    depth = 0.5 + 8 * torch.rand(frames, 1, generator=draw)
    return Motion(
        rotmat_gv=R_c2gv @ rotmat_cam[:, 0],
        root_vel=normal(3),
        rotmat_cam=rotmat_cam,
        shape=normal(10),
        root_cam=torch.cat((0.3 * normal(2) * depth, depth), dim=-1),
        R_c2gv=R_c2gv,
        camera_pos=normal(3),
        contacts=0.02 + 0.96 * torch.rand(frames, 6, generator=draw),
    )


def some_view(seed: int, frames: int = 4) -> View:
    """A crop somewhere in a picture of about 640 × 480."""
    draw = torch.Generator().manual_seed(seed)
    return View(
        centre=torch.rand(frames, 2, generator=draw) * torch.tensor([640.0, 480.0]),
        scale=20 + 200 * torch.rand(frames, generator=draw),
        intrinsics=torch.tensor([600.0, 620, 330, 250]).expand(frames, 4),
    )

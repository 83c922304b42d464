"""A small training batch made without any motion capture: smooth random poses before a camera."""

import torch
from torch import Tensor

from genmo_rt.conditions import Observed
from genmo_rt.data.batch import TrainingBatch
from genmo_rt.model import Texts
from genmo_rt.rotation import axis_angle_to_rotmat
from genmo_rt.smpl import load_body


def tiny_batch(clips: int = 2, length: int = 24, seed: int = 0) -> TrainingBatch:
    """Somebody turning and waving about 4 m away; each clip misses ticks 9 to 11."""
    generator = torch.Generator().manual_seed(seed)

    def wave(*shape: int, size: float) -> Tensor:
        phase = 6.3 * torch.rand(clips, 1, *shape, generator=generator)
        rate = 0.15 * torch.rand(clips, 1, *shape, generator=generator)
        time = torch.arange(length).view(1, -1, *([1] * len(shape)))
        return size * torch.sin(phase + rate * time)

    body = load_body()
    shape = 0.5 * torch.randn(clips, 10, generator=generator)
    tilt = axis_angle_to_rotmat(torch.tensor([-0.2, 0.0, 0.0])).expand(clips, 3, 3)
    R_c2w = tilt @ torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    height = torch.tensor([0.0, 1.4, 0.0])
    local = axis_angle_to_rotmat(wave(24, 3, size=0.4))
    root_world = torch.tensor([0.0, 0.95, -4.0]) + wave(3, size=0.3)
    root_cam = _turn(R_c2w.mT[:, None], root_world - height)
    rotmat_cam = torch.cat((R_c2w.mT[:, None, None] @ local[:, :, :1], local[:, :, 1:]), dim=2)
    rest = body.rest_joints(shape)[:, None]
    rotmat, joints = body.forward_kinematics(rotmat_cam, root_cam, rest)
    landmarks = body.landmarks(rotmat, joints, shape[:, None])
    intrinsics = torch.tensor([[600.0, 600.0, 320.0, 240.0]]).expand(clips, 4)
    pixels = landmarks[..., :2] / landmarks[..., 2:] * 600 + intrinsics[:, None, None, 2:]
    present = torch.ones(clips, length, dtype=torch.bool)
    present[:, 9:12] = False
    velocity = root_world.diff(dim=1) * 30
    return TrainingBatch(
        pixels=pixels * present[..., None, None],
        confidence=0.9 * present[..., None].float().expand(-1, -1, 33),
        present=present,
        valid=torch.ones(clips, length, dtype=torch.bool),
        image_size=torch.tensor([[640.0, 480.0]]).expand(clips, 2),
        intrinsics_true=intrinsics,
        intrinsics_given=intrinsics,
        rotmat_cam=rotmat_cam,
        root_cam=root_cam,
        joints_cam=joints,
        landmarks_cam=landmarks,
        landmarks_px=pixels,
        gravity_cam=R_c2w[:, 1],
        root_world=root_world,
        root_vel_world=torch.cat((velocity[:, :1], velocity), dim=1),
        R_c2w=R_c2w,
        shape=shape,
        contacts=(wave(6, size=1.0) > 0).float(),
        contact_mask=torch.ones(clips, 6, dtype=torch.bool),
        joint_mask=torch.ones(clips, 24, dtype=torch.bool),
        texts=Texts(
            tokens=torch.randn(clips, 2, 3, 384, generator=generator),
            mask=torch.ones(clips, 2, 3, dtype=torch.bool),
            span=torch.tensor([[0, length // 2], [length // 2, length]]).expand(clips, 2, 2),
        ),
        music=Observed(
            value=torch.randn(clips, length, 1, 35, generator=generator),
            mask=torch.ones(clips, length, 1, dtype=torch.bool),
        ),
    )


def _turn(rotmat: Tensor, vector: Tensor) -> Tensor:
    return (rotmat @ vector[..., None]).squeeze(-1)

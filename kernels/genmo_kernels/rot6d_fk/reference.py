"""The definition of forward kinematics from 6D rotations, in plain PyTorch."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

SHORTEST = 1e-12  # a column's length is taken to be at least this


def rot6d_fk(
    rot6d: Tensor, root: Tensor, rest_joints: Tensor, parents: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Poses a skeleton: R[j] = R[parent] @ local[j], x[j] = x[parent] + R[parent] @ bone[j].

    Args:
        rot6d: (..., J, 6) the first column of each joint's rotation, then the second: joint 0 in
            the target frame, the others relative to their parent.
        root: (..., 3) where joint 0 is.
        rest_joints: (..., J, 3) joints at rest; leading dimensions broadcast.
        parents: J numbers; -1 for joint 0, for others a joint before them.
    Returns:
        (..., J, 3, 3) rotations in the target frame and (..., J, 3) joints; in float32 where
        rot6d is narrower: in bfloat16 a joint could be off by 8 mm.
    """
    local = rot6d_to_rotmat(rot6d.to(torch.promote_types(rot6d.dtype, torch.float32)))
    rotmats, joints = [local[..., 0, :, :]], [root]
    for j, parent in enumerate(parents):
        if parent < 0:
            continue
        bone = rest_joints[..., j, :] - rest_joints[..., parent, :]
        joints.append(joints[parent] + (rotmats[parent] @ bone[..., None]).squeeze(-1))
        rotmats.append(rotmats[parent] @ local[..., j, :, :])
    return torch.stack(rotmats, dim=-3), torch.stack(joints, dim=-2)


def rot6d_to_rotmat(rot6d: Tensor) -> Tensor:
    """(..., 6) two columns to (..., 3, 3) by Gram-Schmidt (Zhou et al. 2019, eq. 15)."""
    first, second = rot6d[..., :3], rot6d[..., 3:]
    x = F.normalize(first, dim=-1, eps=SHORTEST)
    y = F.normalize(second - (x * second).sum(-1, keepdim=True) * x, dim=-1, eps=SHORTEST)
    return torch.stack((x, y, torch.linalg.cross(x, y)), dim=-1)

"""The public call of forward kinematics: checks, then the backend."""

from collections.abc import Sequence

import torch
from torch import Tensor

from genmo_kernels.backend import (
    Backend,
    check_contiguous,
    check_kernel_placement,
    check_like,
    choose_backend,
)
from genmo_kernels.rot6d_fk import reference


def rot6d_fk(
    rot6d: Tensor,
    root: Tensor,
    rest_joints: Tensor,
    parents: Sequence[int],
    *,
    backend: Backend | None = None,
) -> tuple[Tensor, Tensor]:
    """Poses a skeleton: global rotations and joints from 6D rotations.

    R[0] = local[0], x[0] = root; R[j] = R[p] @ local[j], x[j] = x[p] + R[p] @ (rest[j] − rest[p])
    with p the parent of j. Differentiable in rot6d, root and rest_joints; the gradient is
    deterministic.

    Args:
        rot6d: (..., J, 6) contiguous: the first column of each rotation, then the second; any
            length, not parallel. Joint 0 in the target frame, the others relative to their parent.
        root: (..., 3) contiguous, where joint 0 is; float32, or float64 if rot6d is.
        rest_joints: (..., J, 3) contiguous, the skeleton at rest, likewise; leading dimensions
            broadcast against rot6d's.
        parents: of each joint: -1 for joint 0, an earlier joint for the others.
        backend: force one; None: Triton for CUDA tensors, else the reference.
    Returns:
        (..., J, 3, 3) rotations in the target frame and (..., J, 3) joints, in root's dtype.
    Raises:
        ValueError: an argument isn't as above; the text names it.
    """
    tree = tuple(parents)
    _check(rot6d, root, rest_joints, tree)
    if choose_backend(rot6d, backend) == "reference":
        return reference.rot6d_fk(rot6d, root, rest_joints, tree)
    *lead, count, _ = rot6d.shape
    shared = rest_joints.numel() == count * 3
    rest = rest_joints if shared else rest_joints.expand(*lead, count, 3)
    rotmat, joints = _pose(
        rot6d.view(-1, count, 6), root.view(-1, 3), rest.reshape(-1, count, 3), tree
    )
    return rotmat.view(*lead, count, 3, 3), joints.view(*lead, count, 3)


def _check(rot6d: Tensor, root: Tensor, rest_joints: Tensor, parents: tuple[int, ...]) -> None:
    count = len(parents)
    if not count or parents[0] != -1 or any(not 0 <= p < j for j, p in enumerate(parents[1:], 1)):
        raise ValueError(
            f"parents is {parents}; expected -1, then for each joint one that comes before it"
        )
    if rot6d.dim() < 2 or rot6d.shape[-2:] != (count, 6):
        raise ValueError(
            f"rot6d has shape {tuple(rot6d.shape)}; expected (..., {count}, 6), as parents"
        )
    if not rot6d.is_floating_point():
        raise ValueError(f"rot6d has dtype {rot6d.dtype}; expected a floating-point one")
    lead = rot6d.shape[:-2]
    if root.shape != (*lead, 3):
        raise ValueError(
            f"root has shape {tuple(root.shape)}; expected {(*lead, 3)}, one per pose of rot6d"
        )
    before = rest_joints.shape[:-2]
    fits = len(before) <= len(lead) and all(
        own in (1, other) for own, other in zip(reversed(before), reversed(lead), strict=False)
    )
    if rest_joints.dim() < 2 or rest_joints.shape[-2:] != (count, 3) or not fits:
        raise ValueError(
            f"rest_joints has shape {tuple(rest_joints.shape)}; expected (..., {count}, 3) that "
            f"broadcasts against rot6d's {tuple(lead)}"
        )
    wide = torch.promote_types(rot6d.dtype, torch.float32)
    check_like(wide, rot6d.device, "rot6d", root=root, rest_joints=rest_joints)
    check_contiguous(rot6d=rot6d, root=root, rest_joints=rest_joints)


@torch.library.custom_op("genmo::rot6d_fk", mutates_args=())
def _pose(
    rot6d: Tensor, root: Tensor, rest: Tensor, parents: Sequence[int]
) -> tuple[Tensor, Tensor]:
    from genmo_kernels.rot6d_fk import triton

    check_kernel_placement(triton.forward_kernel, rot6d=rot6d, root=root, rest_joints=rest)
    return triton.forward(rot6d, root, rest, tuple(parents))


@_pose.register_fake
def _(rot6d: Tensor, root: Tensor, rest: Tensor, parents: Sequence[int]) -> tuple[Tensor, Tensor]:
    poses, count, _ = rot6d.shape
    return root.new_empty(poses, count, 3, 3), root.new_empty(poses, count, 3)


@torch.library.custom_op("genmo::rot6d_fk_backward", mutates_args=())
def _pose_backward(
    rot6d: Tensor,
    rest: Tensor,
    rotmat: Tensor,
    d_rotmat: Tensor,
    d_joints: Tensor,
    parents: Sequence[int],
) -> tuple[Tensor, Tensor, Tensor]:
    from genmo_kernels.rot6d_fk import triton

    return triton.backward(rot6d, rest, rotmat, d_rotmat, d_joints, tuple(parents))


@_pose_backward.register_fake
def _(
    rot6d: Tensor,
    rest: Tensor,
    rotmat: Tensor,
    d_rotmat: Tensor,
    d_joints: Tensor,
    parents: Sequence[int],
) -> tuple[Tensor, Tensor, Tensor]:
    poses, count, _ = rot6d.shape
    return torch.empty_like(rot6d), rest.new_empty(poses, 3), rest.new_empty(poses, count, 3)


def _save(ctx, inputs, output):  # type: ignore[no-untyped-def]
    rot6d, _root, rest, ctx.parents = inputs
    ctx.save_for_backward(rot6d, rest, output[0])


def _differentiate(ctx, d_rotmat, d_joints):  # type: ignore[no-untyped-def]
    rot6d, rest, rotmat = ctx.saved_tensors
    d_rot6d, d_root, d_rest = _pose_backward(
        rot6d, rest, rotmat, d_rotmat.contiguous(), d_joints.contiguous(), ctx.parents
    )
    if len(rest) == 1:  # one skeleton for all poses
        d_rest = d_rest.sum(0, keepdim=True)
    return d_rot6d, d_root, d_rest, None


_pose.register_autograd(_differentiate, setup_context=_save)

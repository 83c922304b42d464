"""How good an estimate is: joint errors, smoothness, feet that stay put, and the root's path.

Distances come out in millimetres unless the name says otherwise; every function takes metres.
"""

import torch
from torch import Tensor

from genmo_rt.skeleton import JOINT_NAMES

FEET = tuple(JOINT_NAMES.index(n) for n in ("left_ankle", "left_foot", "right_ankle", "right_foot"))
"""Joints of the first four contact labels, in their order."""


def mpjpe(estimate: Tensor, truth: Tensor, root: int | None = 0) -> Tensor:
    """Mean distance of joints with the root joints laid on each other.

    Args:
        estimate: (..., J, 3).
        truth: (..., J, 3).
        root: the joint that is laid on its counterpart; None compares absolute positions.
    Returns:
        (...) millimetres.
    """
    error = estimate - truth
    if root is not None:
        error = error - error[..., root : root + 1, :]
    return _length(error).mean(-1) * 1000


def pa_mpjpe(estimate: Tensor, truth: Tensor) -> Tensor:
    """Mean distance of joints after the best rotation, scale and translation of each frame.

    Args:
        estimate: (..., J, 3).
        truth: (..., J, 3).
    Returns:
        (...) millimetres.
    """
    return _length(procrustes(estimate, truth) - truth).mean(-1) * 1000


def procrustes(estimate: Tensor, truth: Tensor) -> Tensor:
    """The estimate under the similarity that brings it closest to the truth (Umeyama 1991).

    Args:
        estimate: (..., J, 3).
        truth: (..., J, 3).
    Returns:
        (..., J, 3).
    """
    estimate_mean, truth_mean = estimate.mean(-2, keepdim=True), truth.mean(-2, keepdim=True)
    x, y = estimate - estimate_mean, truth - truth_mean
    u, singular, vh = torch.linalg.svd(x.transpose(-1, -2) @ y)
    flip = torch.linalg.det(u @ vh).sign()  # a mirror image is not a rotation
    sign = torch.stack((torch.ones_like(flip), torch.ones_like(flip), flip), dim=-1)
    rotation = (u * sign[..., None, :]) @ vh
    scale = (singular * sign).sum(-1) / x.square().sum((-1, -2)).clamp_min(1e-12)
    aligned: Tensor = scale[..., None, None] * (x @ rotation) + truth_mean
    return aligned


def acceleration_error(estimate: Tensor, truth: Tensor, fps: float = 30.0) -> Tensor:
    """Mean length of the difference of joint accelerations.

    Args:
        estimate: (..., L, J, 3).
        truth: (..., L, J, 3).
        fps: frames per second.
    Returns:
        (..., L - 2) metres per second squared.
    """
    difference = (estimate - truth).diff(n=2, dim=-3) * fps**2
    return _length(difference).mean(-1)


def jitter(joints: Tensor, fps: float = 30.0) -> Tensor:
    """Mean length of the joints' third derivative (GVHMR's jitter, without its factor of 10).

    Args:
        joints: (..., L, J, 3).
        fps: frames per second.
    Returns:
        (..., L - 3) metres per second cubed.
    """
    return _length(joints.diff(n=3, dim=-3) * fps**3).mean(-1)


def foot_speed_at_rest(joints: Tensor, contacts: Tensor, fps: float = 30.0) -> Tensor:
    """How fast the estimated feet move while the true ones stand.

    Args:
        joints: (..., L, 24, 3) estimated, in a frame of reference at rest.
        contacts: (..., L, 6) true labels; the first four are the feet.
        fps: frames per second.
    Returns:
        () metres per second; nan where no foot ever stands.
    """
    speed = _length(joints[..., list(FEET), :].diff(dim=-3)) * fps  # (..., L - 1, 4)
    standing = (contacts[..., 1:, :4] > 0.5) & (contacts[..., :-1, :4] > 0.5)
    return speed[standing].mean()


def root_error(estimate: Tensor, truth: Tensor) -> Tensor:
    """Distance of the roots: (..., 3) and (..., 3) to (...) millimetres."""
    return _length(estimate - truth) * 1000


def _length(vector: Tensor) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(vector, dim=-1)
    return length

"""How good an estimate is: joint errors, smoothness, feet that stay put, and the root's path.

Distances come out in millimetres unless the name says otherwise; every function takes metres.
"""

from dataclasses import dataclass

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
    return fit(estimate, truth).apply(estimate)


@dataclass(frozen=True, slots=True)
class Similarity:
    """x to scale × x @ rotation + shift: (..., 1, 1), (..., 3, 3) and (..., 1, 3)."""

    scale: Tensor
    rotation: Tensor
    shift: Tensor

    def apply(self, points: Tensor) -> Tensor:
        """(..., N, 3) to (..., N, 3)."""
        return self.scale * (points @ self.rotation) + self.shift


def fit(estimate: Tensor, truth: Tensor, *, scaled: bool = True) -> Similarity:
    """The similarity that lays points on others with the least squared error (Umeyama 1991).

    Args:
        estimate: (..., N, 3).
        truth: (..., N, 3).
        scaled: False keeps the size.
    """
    estimate_mean, truth_mean = estimate.mean(-2, keepdim=True), truth.mean(-2, keepdim=True)
    x, y = estimate - estimate_mean, truth - truth_mean
    u, singular, vh = torch.linalg.svd(x.transpose(-1, -2) @ y)
    flip = torch.linalg.det(u @ vh).sign()  # a mirror image is not a rotation
    sign = torch.stack((torch.ones_like(flip), torch.ones_like(flip), flip), dim=-1)
    rotation = (u * sign[..., None, :]) @ vh
    scale = (singular * sign).sum(-1) / x.square().sum((-1, -2)).clamp_min(1e-12)
    scale = (scale if scaled else torch.ones_like(scale))[..., None, None]
    return Similarity(scale, rotation, truth_mean - scale * (estimate_mean @ rotation))


def pve(estimate: Tensor, truth: Tensor, roots: tuple[Tensor, Tensor]) -> Tensor:
    """Mean distance of surface points with the root joints laid on each other (per-vertex error).

    Args:
        estimate: (..., V, 3).
        truth: (..., V, 3).
        roots: (..., 3) each, the root joint of the estimate and of the truth.
    Returns:
        (...) millimetres.
    """
    error = (estimate - roots[0][..., None, :]) - (truth - roots[1][..., None, :])
    return _length(error).mean(-1) * 1000


SEGMENT = 100  # frames of W- and WA-MPJPE


def w_mpjpe(estimate: Tensor, truth: Tensor) -> Tensor:
    """W-MPJPE100: segments of 100 frames, each laid on the truth by its first two frames.

    A similarity, as WHAM and GVHMR evaluate it (Shin et al. 2024, section 4.1): what is left is
    how the path and the pose drift within 3.3 s.

    Args:
        estimate: (L, J, 3) in any static frame of reference.
        truth: (L, J, 3) in any other.
    Returns:
        (L,) millimetres; a last segment of one frame is laid on by that frame.
    """
    return _by_segments(estimate, truth, 2)


def wa_mpjpe(estimate: Tensor, truth: Tensor) -> Tensor:
    """WA-MPJPE100: as w_mpjpe, laid on the truth by all frames of the segment."""
    return _by_segments(estimate, truth, SEGMENT)


def rte(estimate: Tensor, truth: Tensor) -> Tensor:
    """Root translation error: after the best rigid motion, over how far the root really went.

    As WHAM and GVHMR evaluate it (Shin et al. 2024, section 4.1).

    Args:
        estimate: (L, 3) the root's path.
        truth: (L, 3).
    Returns:
        (L,) percent of the length of the true path.
    """
    went = _length(truth.diff(dim=0)).sum().clamp_min(1e-6)
    aligned = fit(estimate, truth, scaled=False).apply(estimate)
    return _length(aligned - truth) / went * 100


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


def _by_segments(estimate: Tensor, truth: Tensor, frames: int) -> Tensor:
    """(L,) millimetres with every segment laid on the truth by its first `frames` frames."""
    errors = []
    for mine, right in zip(estimate.split(SEGMENT), truth.split(SEGMENT), strict=True):  # type: ignore[no-untyped-call]
        laid = fit(mine[:frames].flatten(0, 1), right[:frames].flatten(0, 1))
        errors.append(mpjpe(laid.apply(mine), right, root=None))
    return torch.cat(errors)


def _length(vector: Tensor) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(vector, dim=-1)
    return length

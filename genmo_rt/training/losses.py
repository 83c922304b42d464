"""What estimation minimises: the motion vector, the posed body, its picture and its path.

All terms compare row t of the model with frame t − R, and none counts a row before R, a padded
frame, or a frame before somebody was first seen. Truth that a source lacks (toes, wrists) is
masked per joint. The terms are the paper's (GENMO, arXiv 2505.01425, section 3.3; GVHMR, section
3.3), with shape and the root's place apart.
"""

from dataclasses import dataclass, fields, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from genmo_rt import motion
from genmo_rt.averages import clip_mean, length, masked_mean
from genmo_rt.bodies.landmarks import LANDMARK_JOINTS
from genmo_rt.clock import TICK_HZ
from genmo_rt.conditions import Conditions
from genmo_rt.data.batch import TrainingBatch
from genmo_rt.motion import SLICES, Motion, MotionStats, View, observed_motion
from genmo_rt.rotation import angle_between
from genmo_rt.smpl import Body

MIN_DEPTH_M = 0.1
MAX_REPROJECTION = 2.0  # view scales; an early wild guess must not drown the rest
SURFACE_POINTS = 128  # of the body's vertices: the whole surface would cost more than the model
PATH_FRAMES = 30  # over which the root's path is compared


@dataclass(frozen=True, slots=True)
class Losses:
    """The terms, weighted as they are summed; each a scalar.

    Attributes:
        vector: squared error of the normalised motion vector but shape and contacts.
        joints: distance of the joints with the roots laid on each other, metres.
        vertices: the same of points of the surface.
        place: distance of the roots in the camera over the depth.
        velocity: distance of the joints' velocities in the camera, metres per second.
        reprojection: distance of the landmarks in the picture, in view scales.
        orientation: angle of the root in the gravity view, radians.
        root_vel: distance of the root's velocity, metres per second.
        trajectory: how far the velocities lead the root astray in the world in a second, metres.
        contacts: cross entropy.
        shape: distance of the rest joints, metres, and squared error of the coefficients.
    """

    vector: Tensor
    joints: Tensor
    vertices: Tensor
    place: Tensor
    velocity: Tensor
    reprojection: Tensor
    orientation: Tensor
    root_vel: Tensor
    trajectory: Tensor
    contacts: Tensor
    shape: Tensor

    def total(self) -> Tensor:
        """The sum."""
        return torch.stack([getattr(self, f.name) for f in fields(self)]).sum()


WEIGHTS = {
    "vector": 0.1,
    "joints": 2.0,
    "vertices": 0.5,
    "place": 1.0,
    "velocity": 0.1,
    "reprojection": 0.75,  # 3 in body sizes: a standing person is about four view scales tall
    "orientation": 0.2,
    "root_vel": 0.1,
    "trajectory": 0.1,
    "contacts": 0.02,
    "shape": 1.0,
}


def true_motion(batch: TrainingBatch) -> Motion:
    """What a perfect model would say of every frame: (B, L) motions."""
    R_c2w = batch.R_c2w[:, None]
    return observed_motion(
        rotmat_cam=batch.rotmat_cam,
        root_cam=batch.root_cam,
        velocity_gv=batch.root_vel_world,
        R_c2gv=R_c2w,
        camera_pos=batch.root_world - turn(R_c2w, batch.root_cam),
        shape=batch.shape[:, None],
        contacts=batch.contacts,
    )


def true_view(batch: TrainingBatch, conditions: Conditions) -> View:
    """The view of every frame through the camera that made the picture."""
    intrinsics = batch.intrinsics_true[:, None].expand_as(conditions.view.intrinsics)
    return replace(conditions.view, intrinsics=intrinsics)


def estimation_losses(
    x: Tensor,
    batch: TrainingBatch,
    conditions: Conditions,
    delay: Tensor,
    stats: MotionStats,
    body: Body,
) -> Losses:
    """Compares the model's output with the truth behind the batch.

    Args:
        x: (B, L, 181) normalised, from Model.forward.
        batch: B clips of L frames.
        conditions: what the model was told.
        delay: (B,) int64, R of each clip.
        stats: that normalised x.
        body: whose shape coefficients batch.shape are.
    """
    frame = torch.arange(x.shape[1], device=x.device)[None] - delay[:, None]  # described by row t
    started = conditions.present.cummax(1).values
    counts = (frame >= 0) & _at(batch.valid & started, frame)  # (B, L)
    weight = counts.to(x.dtype)
    truth = Motion(
        **{f.name: _at(getattr(true_motion(batch), f.name), frame) for f in fields(Motion)}
    )
    full_view = true_view(batch, conditions)
    view = View(**{f.name: _at(getattr(full_view, f.name), frame) for f in fields(View)})
    joint_mask = batch.joint_mask[:, None].to(x.dtype)  # (B, 1, 24)
    landmark_mask = joint_mask[..., list(LANDMARK_JOINTS)]

    guess = motion.decode(stats.denormalise(x), view)
    rest = body.rest_joints(guess.shape)
    rotmat, joints = body.forward_kinematics(guess.rotmat_cam, guess.root_cam, rest)
    landmarks = body.landmarks(rotmat, joints, guess.shape)
    true_rest = body.rest_joints(truth.shape)
    true_rotmat, true_joints = body.forward_kinematics(truth.rotmat_cam, truth.root_cam, true_rest)

    aligned = (joints - joints[..., :1, :]) - (true_joints - true_joints[..., :1, :])
    moved = (joints - true_joints).diff(dim=1) * TICK_HZ
    pair = weight[:, 1:] * weight[:, :-1]
    sparse = body.sparse(SURFACE_POINTS)
    surface = sparse.surface(rotmat, joints, guess.shape) - joints[..., :1, :]
    true_surface = sparse.surface(true_rotmat, true_joints, truth.shape) - true_joints[..., :1, :]
    known = (joint_mask @ sparse.weights.to(x).mT > 0.99).to(x.dtype)  # (B, 1, V)
    missed = length(
        project(landmarks, view.intrinsics) - _at(batch.landmarks_px, frame)
    ) / view.scale.unsqueeze(-1)
    depth = truth.root_cam[..., 2]
    logits = x[..., SLICES["contacts"]] * stats.std[SLICES["contacts"]]
    contact_error = F.binary_cross_entropy_with_logits(
        logits + stats.mean[SLICES["contacts"]], truth.contacts, reduction="none"
    )
    astray, path = _astray(guess, truth, weight)
    terms = {
        "vector": clip_mean(_vector_error(x, truth, view, stats, joint_mask), weight),
        "joints": clip_mean(masked_mean(length(aligned), joint_mask), weight),
        "vertices": clip_mean(masked_mean(length(surface - true_surface), known), weight),
        "place": clip_mean(length(guess.root_cam - truth.root_cam) / depth, weight),
        "velocity": clip_mean(masked_mean(length(moved), joint_mask), pair),
        "reprojection": clip_mean(
            masked_mean(missed.clamp_max(MAX_REPROJECTION), landmark_mask), weight
        ),
        "orientation": clip_mean(angle_between(guess.rotmat_gv, truth.rotmat_gv), weight),
        "root_vel": clip_mean(length(guess.root_vel - truth.root_vel), weight),
        "trajectory": clip_mean(astray, path),
        "contacts": clip_mean(
            masked_mean(contact_error, batch.contact_mask[:, None].float()), weight
        ),
        "shape": clip_mean(
            length(rest - true_rest).mean(-1)
            + 0.01 * (guess.shape - truth.shape).square().mean(-1),
            weight,
        ),
    }
    return Losses(**{name: WEIGHTS[name] * term for name, term in terms.items()})


def project(points: Tensor, intrinsics: Tensor) -> Tensor:
    """(..., N, 3) metres in the camera and (..., 4) fx, fy, cx, cy to (..., N, 2) pixels."""
    focal, principal = intrinsics[..., None, :2], intrinsics[..., None, 2:]
    return points[..., :2] / points[..., 2:].clamp_min(MIN_DEPTH_M) * focal + principal


def _astray(guess: Motion, truth: Motion, weight: Tensor) -> tuple[Tensor, Tensor]:
    """(B, L − n) metres that the root drifts in n = PATH_FRAMES frames, and where that counts."""
    frames = min(PATH_FRAMES, weight.shape[1] - 1)
    off = turn(guess.rotmat_gv, guess.root_vel) - turn(truth.rotmat_gv, truth.root_vel)
    path = (off * weight[..., None]).cumsum(1) / TICK_HZ
    counted = weight.cumsum(1)
    whole = counted[:, frames:] - counted[:, :-frames] == frames
    return length(path[:, frames:] - path[:, :-frames]), whole.to(weight.dtype)


def _vector_error(
    x: Tensor, truth: Motion, view: View, stats: MotionStats, joint_mask: Tensor
) -> Tensor:
    """(B, L) mean squared error of the normalised vector where its truth is known."""
    error = (x - stats.normalise(motion.encode(truth, view))).square()
    known = torch.ones_like(error)
    known[..., SLICES["pose"]] = joint_mask.repeat_interleave(6, dim=-1)
    known[..., SLICES["betas"]] = 0
    known[..., SLICES["contacts"]] = 0
    return masked_mean(error, known)


def _at(value: Tensor, frame: Tensor) -> Tensor:
    """Gathers (B, L, ...) along time at (B, L) frame numbers; negative ones read frame 0."""
    row = torch.arange(value.shape[0], device=value.device)[:, None]
    return value[row, frame.clamp_min(0)]


def turn(rotmat: Tensor, vector: Tensor) -> Tensor:
    """(..., 3, 3) and (..., 3) to (..., 3)."""
    return (rotmat @ vector[..., None]).squeeze(-1)

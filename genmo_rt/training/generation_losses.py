"""What generation minimises: the clean motion under the noise, its joints, speeds and feet.

The diffusion loss is the prediction of the clean motion (GENMO, arXiv 2505.01425, section 3.3);
the geometric terms are MDM's (Tevet et al. 2023, eq. 3 to 5), in the world. A clip that is known
from the picture alone has one term: where its landmarks lie (GENMO's estimation-guided objective).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from genmo_rt import motion
from genmo_rt.averages import clip_mean, length, masked_mean
from genmo_rt.clock import TICK_HZ
from genmo_rt.conditions import Conditions
from genmo_rt.data.batch import TrainingBatch
from genmo_rt.metrics import FEET
from genmo_rt.motion import SLICES, MotionStats
from genmo_rt.rotation import rot6d_to_rotmat
from genmo_rt.skeleton import NUM_JOINTS
from genmo_rt.smpl import Body
from genmo_rt.training.losses import MAX_REPROJECTION, WEIGHTS, project, turn

CONTACT_WEIGHT = 0.05  # a label is ±4 where other numbers are about ±1


@dataclass(frozen=True, slots=True)
class GenerationLosses:
    """The terms of generation mode, weighted as they are summed; each a scalar.

    Attributes:
        diffusion: squared error of the normalised clean motion vector.
        joints: distance of the joints with the roots laid on each other, in the world, metres.
        velocity: distance of the joints' velocities in the world, metres per second.
        feet: speed of feet that stand, metres per second.
    """

    diffusion: Tensor
    joints: Tensor
    velocity: Tensor
    feet: Tensor

    def total(self) -> Tensor:
        """The sum."""
        return self.diffusion + self.joints + self.velocity + self.feet


@dataclass(frozen=True, slots=True)
class GuidedLosses:
    """The term of the estimation-guided branch.

    Attributes:
        reprojection: distance of the landmarks from where they were seen, in view scales.
    """

    reprojection: Tensor

    def total(self) -> Tensor:
        """The sum."""
        return self.reprojection


def generation_losses(
    x: Tensor, clean: Tensor, batch: TrainingBatch, stats: MotionStats, body: Body
) -> GenerationLosses:
    """Compares a denoised motion with the one that was noised.

    Args:
        x: (B, L, 181) normalised, from Model.forward.
        clean: (B, L, 181) normalised.
        batch: says which frames and joints are known.
        stats: that normalised both.
        body: whose shape coefficients batch.shape are.
    """
    weight = batch.valid.to(x.dtype)
    joint_mask = batch.joint_mask[:, None].to(x.dtype)
    counts = torch.ones_like(x)
    counts[..., SLICES["pose"]] = joint_mask.repeat_interleave(6, dim=-1)
    counts[..., SLICES["contacts"]] = CONTACT_WEIGHT * batch.contact_mask[:, None].to(x.dtype)

    joints, velocity = in_world(x, stats, body)
    true_joints, true_velocity = in_world(clean, stats, body)
    pair = weight[:, 1:] * weight[:, :-1]
    stands = batch.contacts[..., :4] * batch.contact_mask[:, None, :4]
    standing = stands[:, 1:] * stands[:, :-1]
    feet = length(velocity[..., list(FEET), :])
    return GenerationLosses(
        diffusion=clip_mean(masked_mean((x - clean).square(), counts), weight),
        joints=0.5 * clip_mean(masked_mean(length(joints - true_joints), joint_mask), weight),
        velocity=0.05 * clip_mean(masked_mean(length(velocity - true_velocity), joint_mask), pair),
        feet=0.05 * clip_mean(masked_mean(feet, standing), pair),
    )


def guided_losses(
    x: Tensor, batch: TrainingBatch, seen: Conditions, stats: MotionStats, body: Body
) -> GuidedLosses:
    """Compares a denoised motion with the picture, and with nothing else.

    Args:
        x: (B, L, 181) normalised, from Model.forward.
        batch: only its observed landmarks, their confidence and its padding are read.
        seen: the conditions of the whole picture, for their view.
        stats: that normalised x.
        body: that is posed.
    """
    guess = motion.decode(stats.denormalise(x), seen.view)
    rotmat, joints = body.forward_kinematics(
        guess.rotmat_cam, guess.root_cam, body.rest_joints(guess.shape)
    )
    landmarks = body.landmarks(rotmat, joints, guess.shape)
    missed = length(project(landmarks, seen.view.intrinsics) - batch.pixels)
    missed = (missed / seen.view.scale[..., None]).clamp_max(MAX_REPROJECTION)
    weight = (batch.valid & seen.present).to(x.dtype)
    return GuidedLosses(
        WEIGHTS["reprojection"] * clip_mean(masked_mean(missed, batch.confidence), weight)
    )


def in_world(x: Tensor, stats: MotionStats, body: Body) -> tuple[Tensor, Tensor]:
    """(B, L, 24, 3) joints about the root and (B, L − 1, 24, 3) velocities, in the gravity view."""
    vector = stats.denormalise(x)
    turned = rot6d_to_rotmat(vector[..., SLICES["orient_gv"]])
    pose = rot6d_to_rotmat(vector[..., SLICES["pose"]].reshape(*vector.shape[:-1], NUM_JOINTS, 6))
    velocity = turn(turned, vector[..., SLICES["root_vel"]])
    _, joints = body.forward_kinematics(
        torch.cat((turned[..., None, :, :], pose[..., 1:, :, :]), dim=-3),
        torch.zeros_like(velocity),
        body.rest_joints(vector[..., SLICES["betas"]]),
    )
    # The velocity is a backward difference: row t leads from t − 1 to t.
    return joints, joints.diff(dim=1) * TICK_HZ + velocity[:, 1:, None]

"""Estimation on held-out clips before synthetic cameras, whose truth is known.

The model's own output is scored, before rays, smoothing and feet: what a user gets is better. The
world is where its velocities lead, as GENMO and GVHMR evaluate it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from genmo_rt import metrics, motion
from genmo_rt.checkpoint import Checkpoint
from genmo_rt.clock import TICK_HZ
from genmo_rt.data.batch import TrainingBatch
from genmo_rt.errors import InputError
from genmo_rt.motion import SLICES, MotionStats, View
from genmo_rt.rotation import rot6d_to_rotmat
from genmo_rt.smpl import Body
from genmo_rt.training.generation_losses import in_world
from genmo_rt.training.losses import turn
from genmo_rt.training.validation import SCORED, conditions_of

SURFACE_POINTS = 512


@dataclass(frozen=True, slots=True)
class EstimationScores:
    """Means over all frames from the first sight of a person on.

    Attributes:
        mpjpe: millimetres, pelvis on pelvis.
        pa_mpjpe: millimetres, after the best similarity of each frame.
        pve: millimetres, of about 500 points of the surface, pelvis on pelvis.
        acceleration: error, metres per second squared.
        jitter: in the world, metres per second cubed.
        skating: speed of feet whose truth stands, in the world, metres per second.
        w_mpjpe100: millimetres, segments of 100 frames laid on by their first two.
        wa_mpjpe100: millimetres, laid on by all of them.
        rte: percent of the path's length, of clips whose root goes at least a metre.
    """

    mpjpe: float
    pa_mpjpe: float
    pve: float
    acceleration: float
    jitter: float
    skating: float
    w_mpjpe100: float
    wa_mpjpe100: float
    rte: float


@torch.inference_mode()
def score_estimation(
    checkpoint: Checkpoint,
    body: Body,
    batches: Sequence[TrainingBatch],
    window: tuple[int, int] | None = None,
    delay: int = 0,
    clips: int | None = None,
) -> EstimationScores:
    """Runs the model over held-out clips.

    Args:
        window: (left, right); None for the live one.
        delay: R of the live window.
        clips: how many of the clips with all of the scored joints, evenly drawn; None for all.
    Raises:
        InputError: there is no clip whose truth has all of the scored joints.
    """
    tally = Tally()
    chosen = choose(batches, clips)
    for number, batch in enumerate(batches):
        conditions = conditions_of(batch)
        count, length = batch.present.shape
        x = checkpoint.model(conditions, torch.full((count,), delay), window)[:, delay:]
        ahead = length - delay
        view = View(*(getattr(conditions.view, f.name)[:, :ahead] for f in fields(View)))
        counts = (batch.valid & conditions.present.cummax(1).values)[:, :ahead]
        posed = Posed.of(x, view, checkpoint.stats, body)
        truth = true_poses(batch, body, ahead)
        for clip in [row for at, row in chosen if at == number]:
            at = counts[clip]
            tally.add(posed.clip(clip, at), truth.clip(clip, at), batch.contacts[clip, :ahead][at])
    return tally.scores()


def choose(batches: Sequence[TrainingBatch], clips: int | None = None) -> list[tuple[int, int]]:
    """Number of the batch and row of clips whose source has all of the scored joints.

    Args:
        clips: so many, evenly drawn; None for all.
    """
    fit = [
        (number, row)
        for number, batch in enumerate(batches)
        for row in range(len(batch.present))
        if batch.joint_mask[row, list(SCORED)].all()
    ]
    if clips is None or len(fit) <= clips:
        return fit
    return [fit[(2 * n + 1) * len(fit) // (2 * clips)] for n in range(clips)]


@dataclass(frozen=True, slots=True)
class Posed:
    """B clips of L frames, or one: joints and surface in the camera, joints in the world."""

    joints_cam: Tensor
    surface_cam: Tensor
    joints_world: Tensor

    @classmethod
    def of(cls, x: Tensor, view: View, stats: MotionStats, body: Body) -> "Posed":
        """What the model said."""
        vector = stats.denormalise(x)
        guess = motion.decode(vector, view)
        rest = body.rest_joints(guess.shape)
        rotmat, joints = body.forward_kinematics(guess.rotmat_cam, guess.root_cam, rest)
        surface = body.sparse(SURFACE_POINTS).surface(rotmat, joints, guess.shape)
        about_root, _ = in_world(x, stats, body)
        return cls(joints, surface, about_root + root_path(vector)[..., None, :])

    def clip(self, index: int, at: Tensor) -> "Posed":
        """The frames of one clip that count."""
        return Posed(*(getattr(self, f.name)[index][at] for f in fields(Posed)))


def root_path(vector: Tensor) -> Tensor:
    """(..., L, 181) in the table's units to (..., L, 3): where the velocities lead from 0."""
    turned = rot6d_to_rotmat(vector[..., SLICES["orient_gv"]])
    return turn(turned, vector[..., SLICES["root_vel"]]).cumsum(-2) / TICK_HZ


def true_poses(batch: TrainingBatch, body: Body, frames: int) -> Posed:
    """The first frames of all clips, as they were."""
    shape = batch.shape[:, None]
    rotmat, joints = body.forward_kinematics(
        batch.rotmat_cam[:, :frames], batch.root_cam[:, :frames], body.rest_joints(shape)
    )
    shape = shape.expand(*joints.shape[:2], -1)
    surface = body.sparse(SURFACE_POINTS).surface(rotmat, joints, shape)
    world = joints @ batch.R_c2w.mT[:, None]
    return Posed(joints, surface, world)


class Tally:
    """Collects the errors of clips."""

    def __init__(self) -> None:
        self._found: dict[str, list[Tensor]] = {f.name: [] for f in fields(EstimationScores)}

    def add(self, mine: Posed, right: Posed, contacts: Tensor) -> None:
        """Scores one clip.

        Args:
            mine, right: of the L frames that count; fewer than four are not scored.
            contacts: (L, 6) true labels.
        """
        if len(contacts) < 4:
            return
        scored = list(SCORED)
        joints, truth = mine.joints_cam[:, scored], right.joints_cam[:, scored]
        world, true_world = mine.joints_world[:, scored], right.joints_world[:, scored]
        roots = mine.joints_cam[:, 0], right.joints_cam[:, 0]
        rows = {
            "mpjpe": metrics.mpjpe(joints, truth),
            "pa_mpjpe": metrics.pa_mpjpe(joints, truth),
            "pve": metrics.pve(mine.surface_cam, right.surface_cam, roots),
            "acceleration": metrics.acceleration_error(joints, truth),
            "jitter": metrics.jitter(world),
            "skating": metrics.foot_speed_at_rest(mine.joints_world, contacts)[None],
            "w_mpjpe100": metrics.w_mpjpe(world, true_world),
            "wa_mpjpe100": metrics.wa_mpjpe(world, true_world),
        }
        path = right.joints_world[:, 0]
        if torch.linalg.vector_norm(path.diff(dim=0), dim=-1).sum() > 1.0:
            rows["rte"] = metrics.rte(mine.joints_world[:, 0], path)
        for name, values in rows.items():
            self._found[name].append(values)

    def scores(self) -> EstimationScores:
        """Means over all frames so far.

        Raises:
            InputError: no clip was scored.
        """
        if not self._found["mpjpe"]:
            raise InputError(
                "no held-out clip has all of the scored joints; expected one with wrists and ankles"
            )
        return EstimationScores(**{name: _mean(values) for name, values in self._found.items()})


def _mean(values: list[Tensor]) -> float:
    """The mean of what is known; nan where no clip had it."""
    return float(torch.cat(values).nanmean()) if values else math.nan

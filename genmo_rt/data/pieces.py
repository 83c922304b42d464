"""Turns a captured clip into labelled pieces on the SMPL body: retarget, repair, set the floor."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from genmo_rt.data.clean import clean, unreliable_wrists
from genmo_rt.data.clips import Clip, FloatArray, TimedText
from genmo_rt.data.contacts import contact_points, floor_height, label_contacts
from genmo_rt.data.retarget import BodyMotion, SubjectFit, retarget
from genmo_rt.data.texts import said_of
from genmo_rt.rotation import quat_xyzw_to_rotmat, rotmat_to_quat_xyzw
from genmo_rt.smpl import Body

SHORTEST_TEXT = 10  # frames of a piece that a text must speak of


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of good frames of a clip.

    Attributes:
        clip: what it is part of.
        motion: of the SMPL body, the floor at 0.
        joints: (N, 24, 3) metres in the world.
        contacts: (N, 6) bool.
        shape: (10,) the performer's.
        joint_mask: (24,) bool, False where the source lacks the joint.
        captions: what may be said of it, in its own frames.
    """

    clip: Clip
    motion: BodyMotion
    joints: FloatArray
    contacts: NDArray[np.bool_]
    shape: FloatArray
    joint_mask: NDArray[np.bool_]
    captions: tuple[TimedText, ...]


def pieces_of(clip: Clip, fit: SubjectFit, body: Body, *, halve: bool = False) -> list[Piece]:
    """The clip's good pieces, in order.

    Args:
        fit: of the clip's performer.
        halve: play it at half speed; some sets were packed at twice their own.
    """
    motion = retarget(clip, fit)
    joint_mask = fit.joint_mask & ~unreliable_wrists(motion)
    pieces = []
    for part in clean(motion, fit.rest_joints):
        captions = _captions(clip, part, 2 if halve else 1)
        played = half_speed(part) if halve else part
        rotmat, pelvis = played.rotmat.copy(), played.pelvis.copy()
        rotmat[:, ~joint_mask] = np.eye(3, dtype=np.float32)
        points = contact_points(BodyMotion(rotmat, pelvis), body, fit.shape)
        floor = np.float32(floor_height(points))
        pelvis[:, 1] -= floor
        points[..., 1] -= floor
        rest = body.rest_joints(torch.from_numpy(fit.shape))
        _, joints = body.forward_kinematics(
            torch.from_numpy(rotmat), torch.from_numpy(pelvis), rest
        )
        pieces.append(
            Piece(
                clip=clip,
                motion=BodyMotion(rotmat, pelvis, part.first),
                joints=joints.numpy(),
                contacts=label_contacts(points, pelvis),
                shape=fit.shape,
                joint_mask=joint_mask,
                captions=captions,
            )
        )
    return pieces


def half_speed(motion: BodyMotion) -> BodyMotion:
    """Puts a frame between every two, on the cubic through four."""
    quat = aligned_quaternions(motion.rotmat)
    between = torch.from_numpy(_between_frames(quat))
    return BodyMotion(
        rotmat=quat_xyzw_to_rotmat(between).numpy(),
        pelvis=_between_frames(motion.pelvis),
    )


def aligned_quaternions(rotmat: FloatArray) -> FloatArray:
    """(N, 24, 3, 3) to (N, 24, 4) x, y, z, w whose sign never jumps, so that they interpolate."""
    quat = rotmat_to_quat_xyzw(torch.from_numpy(rotmat)).numpy()
    flips = (quat[1:] * quat[:-1]).sum(-1) < 0  # against the frame before
    sign = np.where(np.cumsum(flips, axis=0) % 2 == 1, -1, 1).astype(np.float32)
    quat[1:] *= sign[..., None]
    return quat


def _between_frames(values: FloatArray) -> FloatArray:
    """(N, ...) to (2N − 1, ...), Catmull–Rom."""
    padded = np.concatenate((values[:1], values, values[-1:]))
    between = (9 * (padded[1:-2] + padded[2:-1]) - padded[:-3] - padded[3:]) / 16
    out = np.empty((2 * len(values) - 1, *values.shape[1:]), np.float32)
    out[::2], out[1::2] = values, between
    return out


def _captions(clip: Clip, part: BodyMotion, stretch: int) -> tuple[TimedText, ...]:
    """The clip's texts in the frames of a part of it, `stretch` times as many."""
    length = len(part.pelvis)
    moved = []
    for said in said_of(clip):
        start, end = max(said.start - part.first, 0), min(said.end - part.first, length)
        if end - start >= SHORTEST_TEXT:
            moved.append(TimedText(said.text, stretch * start, stretch * end))
    return tuple(moved)

"""Retargets a captured clip to the SMPL body: limbs point where the source's limbs point.

Every SMPL joint follows one source joint: R_target = R_source · A, both global. The alignment A
carries SMPL's rest pose into the source's: for limbs it is the shortest rotation between the two
bone directions, for the trunk the tilt between the two lines hips–shoulders, for the feet the
spread of the shins. The pelvis and feet of captured skeletons sit at angles that differ from
performer to performer, so their A takes out the performer's mean tilt while upright or standing
on them; neck and head have a tilt per family.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from genmo_rt.data.clips import FPS, Clip, FloatArray, SourceSkeleton
from genmo_rt.data.families import Driver, family_of
from genmo_rt.rotation import axis_angle_to_rotmat
from genmo_rt.skeleton import JOINT_NAMES, NUM_JOINTS, PARENTS
from genmo_rt.smpl import Body

UPRIGHT = np.cos(np.radians(25))
STANDING_SPEED = 0.15  # metres per second
STANDING_HEIGHT = 0.05  # metres above the ankle's lowest
FIT_STEPS = 12
FIT_RIDGE = 2e-4  # metres² per unit of shape²: 1.4 cm of bone is worth one standard deviation

PELVIS, SPINE1, SPINE2, SPINE3, NECK, HEAD = (
    JOINT_NAMES.index(name) for name in ("pelvis", "spine1", "spine2", "spine3", "neck", "head")
)
L_HIP, R_HIP, L_SHOULDER, R_SHOULDER = (
    JOINT_NAMES.index(name) for name in ("left_hip", "right_hip", "left_shoulder", "right_shoulder")
)
L_ANKLE, R_ANKLE = JOINT_NAMES.index("left_ankle"), JOINT_NAMES.index("right_ankle")
# A performer's mean tilt beyond this is motion, not convention; radians.
MAX_TILT = {PELVIS: np.radians(25), L_ANKLE: np.radians(8), R_ANKLE: np.radians(8)}
LIMBS = tuple(
    (JOINT_NAMES.index(f"{side}_{joint}"), JOINT_NAMES.index(f"{side}_{tail}"))
    for side in ("left", "right")
    for joint, tail in (
        ("hip", "knee"),
        ("knee", "ankle"),
        ("shoulder", "elbow"),
        ("elbow", "wrist"),
    )
)
FEET = tuple(
    (JOINT_NAMES.index(f"{side}_ankle"), JOINT_NAMES.index(f"{side}_foot"))
    for side in ("left", "right")
)


@dataclass(frozen=True, slots=True)
class SubjectFit:
    """How one performer's skeleton becomes an SMPL body.

    Attributes:
        drivers: the source joint behind each SMPL joint.
        alignment: (24, 3, 3) the A of the module's formula.
        shape: (10,) coefficients fitted to the bone lengths.
        rest_joints: (24, 3) of that shape, metres.
        scale: SMPL leg length over source leg length; the path is scaled by it.
        joint_mask: (24,) bool, False where the source lacks the joint.
    """

    drivers: tuple[Driver, ...]
    alignment: FloatArray
    shape: FloatArray
    rest_joints: FloatArray
    scale: float
    joint_mask: np.ndarray[tuple[int], np.dtype[np.bool_]]


@dataclass(frozen=True, slots=True)
class BodyMotion:
    """A motion of the SMPL body at 30 fps, y up; the floor isn't set yet.

    Attributes:
        rotmat: (N, 24, 3, 3) joint 0 in the world, 1..23 relative to the parent.
        pelvis: (N, 3) metres.
        first: which frame of its clip is the first.
    """

    rotmat: FloatArray
    pelvis: FloatArray
    first: int = 0


def retarget(clip: Clip, fit: SubjectFit) -> BodyMotion:
    """The clip's motion on the fitted body."""
    skeleton = clip.skeleton
    source_global, source_joints = skeleton.forward_kinematics(_local(clip), clip.root)
    index = [skeleton.names.index(driver.joint) for driver in fit.drivers]
    global_rotmat = source_global[:, index] @ fit.alignment
    rotmat = global_rotmat.copy()
    for joint, parent in enumerate(PARENTS):
        if parent >= 0:
            rotmat[:, joint] = global_rotmat[:, parent].swapaxes(1, 2) @ global_rotmat[:, joint]
    source_hips = source_joints[:, [index[L_HIP], index[R_HIP]]].mean(1)
    hips = fit.rest_joints[[L_HIP, R_HIP]].mean(0) - fit.rest_joints[PELVIS]
    pelvis = source_hips * np.float32(fit.scale) - global_rotmat[:, PELVIS] @ hips
    return BodyMotion(rotmat=rotmat, pelvis=pelvis)


def fit_subject(clips: Sequence[Clip], body: Body) -> SubjectFit:
    """Fits shape and alignment to the clips of one performer, which share one skeleton."""
    skeleton = clips[0].skeleton
    family = family_of(skeleton)
    drivers = family.drivers()
    source_rest = _rest_with_lost_bones(skeleton, drivers)
    shape, rest = fit_shape(source_rest, body)
    lengths = [
        np.linalg.norm(rest_ - rest_[list(PARENTS)], axis=1) for rest_ in (rest, source_rest)
    ]
    legs = [sum(length[tail] for _, tail in LIMBS[:2] + LIMBS[4:6]) for length in lengths]
    alignment = _rest_alignment(source_rest, rest)
    for joint, gaze in zip((NECK, HEAD), family.gaze, strict=True):
        alignment[joint] = _rotation_x(np.radians(gaze))
    if family.levelled:
        alignment = _level_pelvis_and_feet(clips, drivers, alignment)
    return SubjectFit(
        drivers=drivers,
        alignment=alignment.astype(np.float32),
        shape=shape,
        rest_joints=rest,
        scale=float(legs[0] / legs[1]),
        joint_mask=np.array([driver.known for driver in drivers]),
    )


def fit_shape(source_rest: FloatArray, body: Body) -> tuple[FloatArray, FloatArray]:
    """Ridge least squares of the shape coefficients on bone lengths (Gauss–Newton).

    Args:
        source_rest: (24, 3) source joints at their SMPL places, metres.
        body: whose shape space is fitted.
    Returns:
        (10,) shape and (24, 3) rest joints.
    """
    target = _measures(torch.from_numpy(source_rest).double())
    shape = torch.zeros(body.num_shape, dtype=torch.float64)
    steps = 1e-4 * torch.eye(body.num_shape, dtype=torch.float64)
    for _ in range(FIT_STEPS):
        ahead, behind = (_measures(body.rest_joints(shape + sign * steps)) for sign in (1, -1))
        jacobian = (ahead - behind).T / 2e-4
        residual = target - _measures(body.rest_joints(shape)) + jacobian @ shape
        normal = jacobian.T @ jacobian + FIT_RIDGE * torch.eye(body.num_shape).double()
        shape = torch.linalg.solve(normal, jacobian.T @ residual)
    shape = shape.float()
    return shape.numpy(), body.rest_joints(shape).numpy()


def _measures(joints: Tensor) -> Tensor:
    """Lengths that all families of skeletons mean alike: limbs, widths, trunk.

    (..., 24, 3) joints to (..., 11) metres.
    """
    place = joints.unbind(-2)
    hips, shoulders = place[L_HIP] + place[R_HIP], place[L_SHOULDER] + place[R_SHOULDER]
    vectors = [place[tail] - place[joint] for joint, tail in LIMBS] + [
        place[L_HIP] - place[R_HIP],
        place[L_SHOULDER] - place[R_SHOULDER],
        (shoulders - hips) / 2,
    ]
    lengths: Tensor = torch.linalg.vector_norm(torch.stack(vectors, dim=-2), dim=-1)
    return lengths


def _rest_with_lost_bones(skeleton: SourceSkeleton, drivers: Sequence[Driver]) -> FloatArray:
    """(24, 3) source rest joints at SMPL's places.

    Some BVH converters drop the length of a bone with several children. The bone from the chest
    to neck and collars is then given its predecessor's length, forearms half as much again.
    """
    rest = skeleton.rest_joints()
    places = np.stack([rest[skeleton.names.index(driver.joint)] for driver in drivers])
    for joint, tail in LIMBS:
        name = drivers[joint].tail
        if name is not None:
            places[tail] = rest[skeleton.names.index(name)]
    chest = skeleton.names.index(drivers[SPINE3].joint)
    collar = skeleton.names.index(drivers[JOINT_NAMES.index("left_collar")].joint)
    if np.linalg.norm(rest[collar] - rest[chest]) < 1e-3:
        lost = rest[chest] - rest[skeleton.parents[chest]]
        above = [
            joint
            for joint, name in enumerate(JOINT_NAMES)
            if joint in (NECK, HEAD) or any(part in name for part in UPPER_BODY)
        ]
        places[above] += lost
    for joint, tail in LIMBS:
        name = drivers[tail].joint
        hand = skeleton.names.index(name)
        wrist = drivers[joint].tail
        if drivers[tail].known and "elbow" in JOINT_NAMES[joint] and name != wrist:
            start = skeleton.names.index(str(wrist))
            bone = rest[hand] - rest[start]
            if np.linalg.norm(bone) < 1e-3:
                bone = 0.5 * (places[tail] - places[joint])
            places[tail] += bone
    return places


UPPER_BODY = ("collar", "shoulder", "elbow", "wrist", "hand")


def _rest_alignment(source_rest: FloatArray, rest: FloatArray) -> FloatArray:
    """(24, 3, 3) rotations that carry SMPL's rest pose into the source's."""
    alignment = np.tile(np.eye(3), (NUM_JOINTS, 1, 1))

    def trunk(joints: FloatArray) -> FloatArray:
        line = joints[[L_SHOULDER, R_SHOULDER]].mean(0) - joints[[L_HIP, R_HIP]].mean(0)
        return np.asarray(line * (0, 1, 1), np.float32)

    alignment[[SPINE1, SPINE2, SPINE3]] = shortest_rotation(trunk(rest), trunk(source_rest))
    for joint, tail in LIMBS:
        alignment[joint] = shortest_rotation(
            rest[tail] - rest[joint], source_rest[tail] - source_rest[joint]
        )
    for ankle, foot in FEET:
        knee = PARENTS[ankle]
        shins = [(joints[ankle] - joints[knee]) * (1, 1, 0) for joints in (rest, source_rest)]
        alignment[[ankle, foot]] = shortest_rotation(*shins)
    return alignment.astype(np.float32)


def shortest_rotation(start: FloatArray, end: FloatArray) -> FloatArray:
    """(3, 3) rotation with the least angle that turns direction `start` into `end`."""
    a, b = start / np.linalg.norm(start), end / np.linalg.norm(end)
    axis = np.cross(a, b)
    sine = np.linalg.norm(axis)
    angle = np.arctan2(sine, a @ b)
    axis_angle = axis * (angle / sine) if sine > 1e-8 else np.zeros(3)
    return axis_angle_to_rotmat(torch.from_numpy(axis_angle)).numpy().astype(np.float32)


def _level_pelvis_and_feet(
    clips: Sequence[Clip], drivers: Sequence[Driver], alignment: FloatArray
) -> FloatArray:
    """(24, 3, 3) alignment with the performer's mean tilt of pelvis and standing feet taken out."""
    skeleton = clips[0].skeleton
    index = [skeleton.names.index(driver.joint) for driver in drivers]
    pitches: dict[int, list[FloatArray]] = {PELVIS: [], L_ANKLE: [], R_ANKLE: []}
    for clip in clips:
        source_global, source_joints = skeleton.forward_kinematics(_local(clip), clip.root)
        oriented = source_global[:, index] @ alignment
        upright = oriented[:, SPINE2, 1, 1] > UPRIGHT
        pitches[PELVIS].append(_pitch(oriented[upright, PELVIS]))
        for ankle in (L_ANKLE, R_ANKLE):
            path = source_joints[:, index[ankle]]
            speed = np.linalg.norm(np.gradient(path, axis=0), axis=1) * FPS
            low = path[:, 1] < np.percentile(path[:, 1], 5) + STANDING_HEIGHT
            pitches[ankle].append(_pitch(oriented[(speed < STANDING_SPEED) & low, ankle]))
    levelled = alignment.copy()
    for joint, parts in pitches.items():
        pitch = np.concatenate(parts)
        if len(pitch) >= FPS:
            limit = MAX_TILT[joint]
            levelled[joint] @= _rotation_x(float(np.clip(np.median(pitch), -limit, limit)))
    for ankle, foot in FEET:
        levelled[foot] = levelled[ankle]
    return levelled


def _rotation_x(angle: float) -> FloatArray:
    return axis_angle_to_rotmat(torch.tensor([angle, 0.0, 0.0])).numpy()


def _pitch(rotmat: FloatArray) -> FloatArray:
    """Angle of the joint's forward (z) axis above the horizontal, radians."""
    return np.asarray(np.arcsin(np.clip(rotmat[:, 1, 2], -1, 1)), np.float32)


def _local(clip: Clip) -> FloatArray:
    return axis_angle_to_rotmat(torch.from_numpy(clip.rotvec)).numpy()

"""Repairs a retargeted motion: flipped thighs, spikes, T-pose lead-ins; cuts it at jumps."""

from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from genmo_rt.data.clips import FPS, FloatArray
from genmo_rt.data.retarget import LIMBS, BodyMotion
from genmo_rt.rotation import angle_between, axis_angle_to_rotmat, rotmat_to_axis_angle
from genmo_rt.skeleton import JOINT_NAMES, NUM_JOINTS

SHORTEST = 20  # frames
SHORTEST_PIECE = 45  # frames
BRIDGE = 8  # frames; two jumps this close are a spike and are bridged
TUMBLE = np.radians(17)  # per frame; the pelvis tips over no faster
TUMBLE_MARGIN = 8  # frames lost on either side
TOP_ACCELERATION = 90.0  # metres per second² of the pelvis; a hard landing reaches 60
T_POSE = np.radians(12)
STRAIGHT_KNEE = np.radians(35)

# What a joint turns from frame to frame at most (radians at 30 fps); beyond it the solver jumped.
MAX_STEP = {"wrist": 60, "ankle": 50, "foot": 50, "shoulder": 65, "elbow": 65, "hand": 180}
STEP_LIMIT = np.radians([MAX_STEP.get(name.split("_")[-1], 50) for name in JOINT_NAMES])
# Beyond these angles the ends of limbs are solver noise; radians.
MAX_ANGLE = {"wrist": 95, "ankle": 70, "foot": 50}
ANGLE_LIMIT = np.radians([MAX_ANGLE.get(name.split("_")[-1], 180) for name in JOINT_NAMES])
ENDS = np.array([name.split("_")[-1] in ("wrist", "hand", "foot", "ankle") for name in JOINT_NAMES])
ARMS = [j for j, name in enumerate(JOINT_NAMES) if name.split("_")[-1] in ("shoulder", "elbow")]
WRISTS = tuple(JOINT_NAMES.index(f"{side}_wrist") for side in ("left", "right"))
LEGS = (LIMBS[0:2], LIMBS[4:6])


def clean(motion: BodyMotion, rest_joints: FloatArray) -> list[BodyMotion]:
    """The usable pieces of a motion, in order.

    A whole motion is at least SHORTEST frames long, a piece between two jumps SHORTEST_PIECE:
    where a solver jumps it is often lost for longer.
    """
    rotmat = unflip_thighs(motion.rotmat, rest_joints)
    rotmat = _bridge_spikes(_limit_angles(rotmat))
    arm_angles = angle_between(_tensor(rotmat[:, ARMS]), torch.eye(3)).numpy()
    usable = (arm_angles > T_POSE).any(1)
    usable[int(usable.argmax()) :] = True  # a T-pose later on is motion
    usable &= ~_tumbling(rotmat)
    edges = np.flatnonzero(np.diff(usable, prepend=False, append=False))
    cuts = np.union1d(edges, _cuts(rotmat, motion.pelvis))
    shortest = SHORTEST_PIECE if len(cuts) > 2 else SHORTEST
    return [
        BodyMotion(rotmat=rotmat[a:b], pelvis=motion.pelvis[a:b], first=int(a))
        for a, b in pairwise(cuts)
        if usable[a] and b - a >= shortest
    ]


def unreliable_wrists(motion: BodyMotion) -> NDArray[np.bool_]:
    """(24,) True for wrists and hands that point backwards in a tenth of the frames."""
    bad = np.zeros(NUM_JOINTS, np.bool_)
    for wrist in WRISTS:
        angle = angle_between(_tensor(motion.rotmat[:, wrist]), torch.eye(3)).numpy()
        bad[[wrist, wrist + 2]] = np.mean(angle > ANGLE_LIMIT[wrist] * 1.1) > 0.1
    return bad


def unflip_thighs(rotmat: FloatArray, rest_joints: FloatArray) -> FloatArray:
    """Turns thigh and shin half around their bones where the solver had them back to front.

    That is where the foot points backwards, the hip is less twisted after the turn, and the knee
    is too straight to say which way it bends. No joint moves.
    """
    rotmat = rotmat.copy()
    for (hip, knee), (_, ankle) in LEGS:
        thigh_turn = _half_turn(rest_joints[knee] - rest_joints[hip])
        shin_turn = _half_turn(rest_joints[ankle] - rest_joints[knee])
        turned_hip = rotmat[:, hip] @ thigh_turn
        flipped = (
            (rotmat[:, ankle, 2, 2] + rotmat[:, ankle, 0, 0] < 0)
            & (_trace(turned_hip) > _trace(rotmat[:, hip]))
            & (_trace(rotmat[:, knee]) > 1 + 2 * np.cos(STRAIGHT_KNEE))
        )
        rotmat[flipped, hip] = turned_hip[flipped]
        rotmat[flipped, knee] = thigh_turn.T @ rotmat[flipped, knee] @ shin_turn
        rotmat[flipped, ankle] = shin_turn.T @ rotmat[flipped, ankle]
    return rotmat


def _half_turn(axis: FloatArray) -> FloatArray:
    unit = axis / np.linalg.norm(axis)
    return np.asarray(2 * np.outer(unit, unit) - np.eye(3), np.float32)


def _trace(rotmat: FloatArray) -> FloatArray:
    return np.asarray(np.trace(rotmat, axis1=-2, axis2=-1), np.float32)


def _limit_angles(rotmat: FloatArray) -> FloatArray:
    axis_angle = rotmat_to_axis_angle(_tensor(rotmat))
    angle = axis_angle.norm(dim=-1, keepdim=True).clamp_min(1e-6)
    limit = torch.from_numpy(ANGLE_LIMIT).float()[:, None]
    return axis_angle_to_rotmat(axis_angle * (limit / angle).clamp_max(1)).numpy()


def _bridge_spikes(rotmat: FloatArray) -> FloatArray:
    """Interpolates a joint between jumps that follow each other within BRIDGE frames.

    A single jump of a hand or foot is smoothed over; of another joint it is left, to be cut at.
    """
    rotmat = rotmat.copy()
    jumps = _steps(rotmat) > STEP_LIMIT
    for joint in range(NUM_JOINTS):
        at = np.flatnonzero(jumps[:, joint])
        for burst in np.split(at, np.flatnonzero(np.diff(at) > BRIDGE) + 1):
            if len(burst) > 1 or (len(burst) and ENDS[joint]):
                pad = 2 if len(burst) == 1 else 0
                start, end = int(burst[0]) - pad, int(burst[-1]) + 1 + pad
                _interpolate(rotmat, joint, max(start, 0), min(end, len(rotmat) - 1))
    return rotmat


def _interpolate(rotmat: FloatArray, joint: int, start: int, end: int) -> None:
    """Replaces the frames strictly between start and end along the shortest turn."""
    a, b = rotmat[start, joint], rotmat[end, joint]
    turn = rotmat_to_axis_angle(_tensor(a.T @ b))
    share = torch.linspace(0, 1, end - start + 1)[:, None]
    rotmat[start : end + 1, joint] = a @ axis_angle_to_rotmat(turn * share).numpy()


def _tumbling(rotmat: FloatArray) -> NDArray[np.bool_]:
    """(N,) True around frames where the pelvis tips over faster than anybody does on the ground."""
    up = rotmat[:, 0, 1]  # the vertical in the pelvis' frame
    tips = np.arccos(np.clip((up[1:] * up[:-1]).sum(-1), -1, 1)) > TUMBLE
    near = np.convolve(tips, np.ones(2 * TUMBLE_MARGIN + 1), mode="full")[TUMBLE_MARGIN:] > 0
    return np.asarray(near[: len(rotmat)], np.bool_)


def _cuts(rotmat: FloatArray, pelvis: FloatArray) -> NDArray[np.intp]:
    """Frames that don't continue the frame before."""
    jump = ((_steps(rotmat) > STEP_LIMIT) & ~ENDS).any(1)
    step = np.diff(pelvis, axis=0)
    jerk = np.diff(step, axis=0, prepend=step[:1])
    jump |= np.linalg.norm(jerk, axis=1) * FPS * FPS > TOP_ACCELERATION
    return np.flatnonzero(jump) + 1


def _steps(rotmat: FloatArray) -> NDArray[np.float32]:
    """(N − 1, 24) angle between neighbouring frames, radians."""
    return angle_between(_tensor(rotmat[1:]), _tensor(rotmat[:-1])).numpy()


def _tensor(array: FloatArray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))

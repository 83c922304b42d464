"""A sampled motion becomes a clip in the world: path, floor, feet that stand.

turns at a pace (turns) → velocities → path (rollout) → keyframes' places
→ floor under resting feet → feet held (contacts)
Nothing here is causal: it is for whole clips that were generated.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genmo_rt.clock import TICK_HZ
from genmo_rt.contacts import LEGS, Leg, reach
from genmo_rt.formats.clip import Clip
from genmo_rt.generation.keyframes import Keyframe, ease, spread
from genmo_rt.generation.turns import unhurried
from genmo_rt.motion import SLICES
from genmo_rt.rollout import integrate
from genmo_rt.rotation import rot6d_to_rotmat, rotmat_to_axis_angle
from genmo_rt.skeleton import NUM_JOINTS, PARENTS
from genmo_rt.smpl import Body
from genmo_rt.soles import Soles

Array = NDArray[np.float64]

RESTING = 0.5  # contact probability from which a foot rests
FLOOR_STIFFNESS = 1e5  # of the height's correction: it follows drift slower than about 2 s
SINKING_M = 0.02  # deeper than this under the floor counts as resting on it
LONGEST_FLIGHT = 20  # frames
DRAWN_DOWN = 0.1  # weight of a frame of a longer one
SHORTEST_REST = 4  # frames; a shorter contact is noise
FADE = 9  # frames over which a foot comes to its place and leaves it
FURTHEST_M = 0.15  # a foot that is further off its place isn't held there


@dataclass(frozen=True, slots=True)
class _Posed:
    """The body at L frames: global rotations (L, 24, 3, 3) and joints (L, 24, 3), metres."""

    rotmat: Array
    joints: Array


def ground(
    vector: Tensor,
    seen: NDArray[np.bool_],
    body: Body,
    soles: Soles,
    keyframes: Sequence[Keyframe] = (),
) -> Clip:
    """Puts a motion into the world.

    The world is y up, metres, the floor at 0. Without keyframes the clip starts above the origin,
    and if nothing was seen in a picture, facing +z.

    Args:
        vector: (L, 181) in the table's units; orient_gv, root_vel, joints 1..23, betas and
            contacts are read, the camera isn't.
        seen: (L,) whether a picture showed the person: becomes the clip's confidence, 1 or 0.
        body: whose shape it is.
        soles: of the body.
        keyframes: that the vector holds; their places are met exactly.
    """
    vector = vector.double().cpu()
    local = rot6d_to_rotmat(vector[:, SLICES["pose"]].reshape(-1, NUM_JOINTS, 6))
    placed = [keyframe for keyframe in keyframes if keyframe.joints[0]]
    fixed = seen.copy()
    fixed[[keyframe.frame for keyframe in placed]] = True
    facing_as_told = rot6d_to_rotmat(vector[:, SLICES["orient_gv"]]).numpy()
    local[:, 0] = torch.from_numpy(unhurried(facing_as_told, fixed))
    velocity = (local[:, 0] @ vector[:, SLICES["root_vel"], None]).squeeze(-1).numpy()
    if not placed and not seen.any():
        facing = _heading(local[0, 0].numpy())
        local[:, 0] = torch.from_numpy(facing) @ local[:, 0]
        velocity = velocity @ facing.T
    shape = vector[:, SLICES["betas"]].mean(0)
    contacts = vector[:, SLICES["contacts"]].sigmoid().numpy()
    rest = body.rest_joints(shape)

    path = integrate(velocity, 1 / TICK_HZ)
    for keyframe in placed[:1]:
        path[:, [0, 2]] += (keyframe.pelvis - path[keyframe.frame])[[0, 2]]
    frames = [keyframe.frame for keyframe in placed]
    missing = np.array([k.pelvis - path[k.frame] for k in placed]).reshape(-1, 3)
    path[:, [0, 2]] += ease(frames, missing[:, [0, 2]], len(path))

    posed = _pose(body, local, path, rest)
    points = soles.points(posed.rotmat, posed.joints, shape.numpy())  # (L, 8, 3)
    path[:, 1] += _floor(points[..., 1], contacts[:, soles.contact] > RESTING)
    missing = np.array([k.pelvis[1] - path[k.frame, 1] for k in placed])
    path[:, 1] += _bumps(frames, missing, len(path))

    free = 1 - _bumps([k.frame for k in keyframes], np.ones(len(keyframes)), len(path))
    local = _local(_hold_feet(_pose(body, local, path, rest), contacts, np.clip(free, 0, 1)))
    return Clip(
        fps=float(TICK_HZ),
        body=body.name,
        shape=shape.numpy(),
        rest_joints=rest.numpy(),
        axis_angle=rotmat_to_axis_angle(local).numpy(),
        pelvis=path,
        joints=_pose(body, local, path, rest).joints,
        contacts=contacts,
        confidence=seen.astype(np.float64),
        t_capture_us=np.round(np.arange(len(path)) * 1e6 / TICK_HZ).astype(np.int64),
        camera=None,
    )


def _pose(body: Body, local: Tensor, path: Array, rest: Tensor) -> _Posed:
    rotmat, joints = body.forward_kinematics(local, torch.from_numpy(path), rest)
    return _Posed(rotmat.numpy(), joints.numpy())


def smooth(target: Array, weight: Array, stiffness: float) -> Array:
    """Whittaker's smoother (Eilers 2003): near the targets where they weigh, straight elsewhere.

    It minimises Σ weight (x − target)² + stiffness Σ (second differences of x)². The normal
    equations have five diagonals and are solved by L D Lᵀ without pivots.

    Args:
        target: (L,), anything where the weight is 0.
        weight: (L,) 0 or more, not all 0.
        stiffness: half of a wave of period T comes through at (1 / (2 sin(π / T)))⁴.
    Returns:
        (L,).
    """
    length = len(target)
    main, first, second = weight + 1e-6, np.zeros(length), np.zeros(length)
    right = weight * target + 1e-6 * np.average(target, weights=weight)
    for i in range(length - 2):  # the curvature at i + 1 is x[i] − 2 x[i + 1] + x[i + 2]
        main[i : i + 3] += stiffness * np.array([1.0, 4.0, 1.0])
        first[i : i + 2] -= 2 * stiffness
        second[i] += stiffness
    low1, low2 = np.zeros(length), np.zeros(length)  # L[i, i − 1] and L[i, i − 2]
    for i in range(length):
        if i > 1:
            low2[i] = second[i - 2] / main[i - 2]
            right[i] -= low2[i] * right[i - 2]
        if i > 0:
            above = first[i - 1] - (low2[i] * main[i - 2] * low1[i - 1] if i > 1 else 0.0)
            low1[i] = above / main[i - 1]
            right[i] -= low1[i] * right[i - 1]
            main[i] -= low1[i] ** 2 * main[i - 1]
        if i > 1:
            main[i] -= low2[i] ** 2 * main[i - 2]
    x = right / main
    for i in range(length - 2, -1, -1):
        x[i] -= low1[i + 1] * x[i + 1] + (low2[i + 2] * x[i + 2] if i + 2 < length else 0.0)
    return np.asarray(x)


def _heading(rotmat: Array) -> Array:
    """The turn about y after which a root (3, 3) faces +z."""
    x, _, z = rotmat[:, 2]
    length = np.hypot(x, z)
    if length < 1e-6:  # lying: any heading is as good
        return np.eye(3)
    cos, sin = z / length, x / length
    return np.array([[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]])


def _floor(heights: Array, rests: NDArray[np.bool_]) -> Array:
    """(L, 8) heights of the soles, and which rest, to the (L,) shift that stands them on 0.

    Nobody flies for long: where no foot rests for LONGEST_FLIGHT, the lowest one is drawn down.
    """
    lowest: Array = heights.min(1)
    standing = np.asarray(rests.any(1))
    rise = -lowest
    rise[standing] = -np.where(rests, heights, np.inf).min(1)[standing]
    reached = np.convolve(standing, np.ones(2 * LONGEST_FLIGHT + 1))
    near = reached[LONGEST_FLIGHT : LONGEST_FLIGHT + len(standing)] > 0.5
    weight = np.where(standing, 1.0, np.where(near, 0.0, DRAWN_DOWN))
    shift = smooth(rise, weight, FLOOR_STIFFNESS)
    for _ in range(2):
        sinks = ~standing & (lowest + shift < -SINKING_M)
        shift = smooth(rise, np.where(sinks, 1.0, weight), FLOOR_STIFFNESS)
    return shift


def _bumps(frames: Sequence[int], values: Array, length: int) -> Array:
    """(L,) meets the (K,) values at their frames and fades to 0 within keyframes.REACH of them."""
    matrix = spread(torch.tensor(frames, dtype=torch.int64), length)
    return np.asarray(matrix.double().numpy() @ values)


def _hold_feet(posed: _Posed, contacts: Array, free: Array) -> Array:
    """Turns legs so that resting feet stay in place; (L, 24, 3, 3) global rotations.

    An ankle is moved by what its resting points are off the middle of where they rest: the ankle
    itself, the ball of the foot, or both.

    Args:
        posed: the body.
        contacts: (L, 6) probability.
        free: (L,) 1 where a leg may be moved, 0 at keyframes.
    """
    rotmat = posed.rotmat.copy()
    for side, leg in enumerate(LEGS):
        ankle_and_foot = contacts[:, 2 * side : 2 * side + 2]
        shift = _shift(posed.joints, leg, ankle_and_foot) * free[:, None]
        for frame in np.flatnonzero(np.abs(shift).max(1) > 1e-5):
            joints = posed.joints[frame]
            target = joints[leg.ankle] + shift[frame]
            rotmat[frame] = reach(rotmat[frame], joints, leg, target)
    return rotmat


def _shift(joints: Array, leg: Leg, contacts: Array) -> Array:
    """How far to move a leg's ankle; upright nothing, that is the floor's business.

    Args:
        contacts: (L, 2) probability of its ankle and foot.
    Returns:
        (L, 3) metres.
    """
    total, weights = np.zeros((len(joints), 3)), np.zeros((len(joints), 1))
    foot = leg.ankle + 3  # SMPL's order
    for joint, resting in zip((leg.ankle, foot), contacts.T > RESTING, strict=True):
        for start, end in _runs(resting):
            place = np.median(joints[start:end, joint], axis=0)
            window = slice(max(start - FADE, 0), min(end + FADE, len(joints)))
            frame = np.arange(window.start, window.stop)
            outside = np.maximum(start - frame, frame - (end - 1)).clip(0)
            weight = (0.5 + 0.5 * np.cos(np.pi * outside / (FADE + 1)))[:, None]
            # Before and after, the foot isn't drawn back but keeps the shift it had at the edge.
            off = place - joints[frame.clip(start, end - 1), joint]
            off[:, 1] = 0
            far = np.linalg.norm(off, axis=1, keepdims=True)
            off *= np.minimum(1, FURTHEST_M / np.maximum(far, 1e-9))
            total[window] += weight * off
            weights[window] += weight
    return total / np.maximum(weights, 1)


def _runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """[start, end) of the runs of True that are long enough."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8)))
    return [
        (int(start), int(end))
        for start, end in edges.reshape(-1, 2)
        if end - start >= SHORTEST_REST
    ]


def _local(rotmat: Array) -> Tensor:
    """(L, 24, 3, 3) global rotations to those relative to the parent."""
    turned = torch.from_numpy(rotmat)
    local = turned.clone()
    local[:, 1:] = turned[:, list(PARENTS[1:])].mT @ turned[:, 1:]
    return local

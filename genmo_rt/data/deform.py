"""Gives motions other poses and bodies: squats, leans, raised limbs, wiggles, new proportions.

Feet that stood still before stand still after: the body is moved so that the lower foot keeps its
path.
"""

import math
from dataclasses import replace

import torch
from torch import Tensor

from genmo_rt.data.augment import AugmentConfig, Motions
from genmo_rt.data.clips import FPS
from genmo_rt.data.waves import bump, chance, uniform, waves
from genmo_rt.rotation import axis_angle_to_rotmat, rotmat_to_axis_angle
from genmo_rt.skeleton import JOINT_NAMES
from genmo_rt.smpl import Body

J = {name: joint for joint, name in enumerate(JOINT_NAMES)}
SPINE = [J["spine1"], J["spine2"], J["spine3"]]
LEG_CHAINS = tuple(
    tuple(J[f"{side}_{part}"] for part in ("hip", "knee", "ankle", "foot"))
    for side in ("left", "right")
)
SUPPORT_HEIGHT = 0.03  # metres; a foot this much higher carries a third of the weight
IN_THE_AIR = 0.15  # metres; feet above this hardly hold the body
SLIDING = 0.45  # metres per second; a foot faster than this is not in contact
HINGES = [J["left_knee"], J["right_knee"], J["left_elbow"], J["right_elbow"]]
# The way a hinge bends, as a rotation vector in the parent's frame.
FLEXION = torch.tensor([[1.0, 0, 0], [1, 0, 0], [0, -1, 0], [0, 1, 0]])

# Spread of the smooth random motion that a joint is given, radians.
WIGGLE = {
    "pelvis": 0.06,
    "hip": 0.12,
    "spine1": 0.08,
    "spine2": 0.08,
    "spine3": 0.08,
    "knee": 0.0,
    "ankle": 0.08,
    "foot": 0.05,
    "neck": 0.15,
    "head": 0.12,
    "collar": 0.06,
    "shoulder": 0.35,
    "elbow": 0.0,
    "wrist": 0.15,
    "hand": 0.0,
}
WIGGLE_STD = torch.tensor([WIGGLE[name.split("_")[-1]] for name in JOINT_NAMES])


def deform(
    motions: Motions,
    body: Body,
    config: AugmentConfig,
    random: torch.Generator,
    spared: Tensor | None = None,
) -> Motions:
    """Gives limbs and trunk other poses and the body another shape; feet keep their footing.

    Args:
        spared: (B,) bool, samples whose poses stay; their shape changes all the same.
    """
    batch = len(motions.shape)
    turn, flex, keep = _random_turns(motions.rotmat, config, random)
    if spared is not None:
        changed = (~spared).float()[:, None, None, None]
        turn, flex, keep = turn * changed, flex * changed, 1 - (1 - keep) * changed
    turns = axis_angle_to_rotmat(turn)
    rotmat = turns @ motions.rotmat
    rotmat[:, :, 0] = motions.rotmat[:, :, 0] @ turns[:, :, 0]  # leans are in the body's own frame
    bends = axis_angle_to_rotmat(
        torch.cat((rotmat_to_axis_angle(motions.rotmat[:, :, HINGES]) * keep, flex), dim=2)
    )
    rotmat[:, :, HINGES] = bends[:, :, 4:] @ bends[:, :, :4]
    shape = motions.shape
    if config.shape_std > 0:
        spread = config.shape_std * torch.randn(shape.shape, generator=random)
        shape = (shape * uniform((batch, 1), random) + spread).clamp(-3, 3)
    return _keep_footing(motions, replace(motions, rotmat=rotmat, shape=shape), body)


def _random_turns(
    rotmat: Tensor, config: AugmentConfig, random: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Draws what is added to a batch of poses.

    Returns:
        (B, L, 24, 3) rotation vectors in the parents' frames (the pelvis: in its own),
        (B, L, 4, 3) flexion added to the hinges, and (B, L, 4, 1) the share of their own bend
        that they keep.
    """
    batch, length, joints = rotmat.shape[:3]
    wiggles = chance(batch, config.wiggle, random)[:, None] * (
        0.3 + 1.2 * uniform((batch, 1), random)
    )
    curves = waves(batch, length, 8 + joints * 3, random)
    turn = curves[..., 8:].view(batch, length, joints, 3) * (WIGGLE_STD * wiggles)[:, None, :, None]
    flex = 0.4 * curves[..., :4].clamp_min(0) * wiggles[..., None]
    keep = (1 - 0.35 * wiggles[..., None] * curves[..., 4:8].clamp_min(0)).clamp(0, 1)

    squat, lean, sway, leg, arm = (
        bump(batch, length, config.act, random) * uniform((batch, 1), random) for _ in range(5)
    )
    left = chance(batch, 0.5, random)[:, None].float()
    right = 1 - left
    # Squat: hips and ankles share what the knees bend.
    for side, knee in (("left", 0), ("right", 1)):
        turn[:, :, J[f"{side}_hip"], 0] -= 1.3 * squat
        turn[:, :, J[f"{side}_ankle"], 0] -= 0.7 * squat
        flex[:, :, knee] += 2.0 * squat
    # Lean forward or to a side: pelvis and spine go over while the legs stay, or nearly.
    stay = 0.85 + 0.15 * uniform((batch, 1), random)
    sideways = 0.7 * sway * (left - right)
    turn[:, :, J["pelvis"]] += torch.stack((1.05 * lean, 0 * lean, 0.7 * sideways), dim=-1)
    for hip in (J["left_hip"], J["right_hip"]):
        turn[:, :, hip, 0] -= 1.05 * lean * stay
        turn[:, :, hip, 2] -= 0.7 * sideways * stay
    for spine in SPINE:
        turn[:, :, spine, 0] += 0.15 * lean
        turn[:, :, spine, 2] += 0.1 * sideways
    # One leg up: forward, to the side or back, its knee bent more or less.
    way = math.pi * (uniform((batch, 1), random) - 0.1)
    bend = 1.6 * uniform((batch, 1), random)
    for side, knee, chosen, out in (("left", 0, left, 1), ("right", 1, right, -1)):
        turn[:, :, J[f"{side}_hip"], 0] -= 1.6 * way.cos().clamp_min(-0.4) * leg * chosen
        turn[:, :, J[f"{side}_hip"], 2] += out * way.sin().abs() * leg * chosen
        flex[:, :, knee] += bend * leg * chosen
    # Arms up, one or both, and straighter; the collar lifts with them.
    both = chance(batch, 0.5, random)[:, None].float()
    for side, elbow, chosen, up in (("left", 2, left, 1), ("right", 3, right, -1)):
        raised = arm * torch.maximum(chosen, both)
        elevation = (up * rotmat[:, :, J[f"{side}_shoulder"], 1, 0]).clamp(-1, 1).asin()
        lift = torch.minimum(2.7 * raised, (1.4 - elevation).clamp_min(0))
        turn[:, :, J[f"{side}_shoulder"], 2] += up * 0.85 * lift
        turn[:, :, J[f"{side}_collar"], 2] += up * 0.15 * lift
        keep[:, :, elbow] *= 1 - 0.8 * raised
    return turn, flex[..., None] * FLEXION, keep[..., None]


def _keep_footing(before: Motions, after: Motions, body: Body) -> Motions:
    """Moves the changed body so that its lower foot goes where it went, scaled to the new legs."""
    rest_before, rest_after = body.rest_joints(before.shape), body.rest_joints(after.shape)
    scale = (_leg_length(rest_after) / _leg_length(rest_before))[:, None, None]
    feet_before = scale[..., None] * _feet(before.rotmat, before.pelvis, rest_before)
    pelvis = scale * before.pelvis
    feet_after = _feet(after.rotmat, pelvis, rest_after)  # (B, L, 2 sides, 3)
    height_before, height_after = feet_before[..., 1], feet_after[..., 1]
    lowest = height_after.amin(-1, keepdim=True)
    # Three hold the body: either foot, and its own path when both feet are off the floor.
    logits = -torch.cat((height_before + height_after - lowest, 0 * lowest + IN_THE_AIR), dim=-1)
    support = torch.softmax(logits / SUPPORT_HEIGHT, dim=-1)
    shift = ((feet_before - feet_after) * support[..., :2, None]).sum(2)
    drop = height_before.amin(-1) - lowest[..., 0]
    shift[..., 1] = drop * (1 - support[..., 2])
    shift = _smooth(shift)
    pelvis = pelvis + shift
    moved = replace(after, pelvis=pelvis)
    slow = (_foot_speed(feet_after + shift[:, :, None]) < SLIDING).repeat_interleave(2, dim=-1)
    on_floor = (height_after + shift[..., 1:2] < height_before + 0.05).repeat_interleave(2, dim=-1)
    feet = before.contacts[..., :4] * (slow & on_floor)
    return replace(moved, contacts=torch.cat((feet, before.contacts[..., 4:]), dim=-1))


def _smooth(path: Tensor) -> Tensor:
    """(B, L, 3) averaged over five ticks; weight goes from foot to foot within that time."""
    padded = torch.cat((path[:, :1].expand(-1, 2, -1), path, path[:, -1:].expand(-1, 2, -1)), dim=1)
    return padded.unfold(1, 5, 1).mean(-1)


def _feet(rotmat: Tensor, pelvis: Tensor, rest: Tensor) -> Tensor:
    """(B, L, 2, 3) each foot's middle, at the height of its lower joint."""
    feet = []
    for chain in LEG_CHAINS:
        global_rotmat, position, joints = rotmat[:, :, 0], pelvis, []
        for joint, parent in zip(chain, (0, *chain), strict=False):
            bone = (rest[:, joint] - rest[:, parent])[:, None, :, None]
            position = position + (global_rotmat @ bone)[..., 0]
            global_rotmat = global_rotmat @ rotmat[:, :, joint]
            joints.append(position)
        ankle, ball = joints[-2:]
        above = (rest[:, chain[-2], 1] - rest[:, chain[-1], 1])[:, None]
        middle = (ankle + ball) / 2
        middle[..., 1] = torch.minimum(ankle[..., 1] - above, ball[..., 1])
        feet.append(middle)
    return torch.stack(feet, dim=2)


def _leg_length(rest: Tensor) -> Tensor:
    """(..., 24, 3) to (...), metres."""
    hip, knee, ankle = (rest[..., joint, :] for joint in LEG_CHAINS[0][:3])
    thigh: Tensor = torch.linalg.vector_norm(hip - knee, dim=-1)
    shin: Tensor = torch.linalg.vector_norm(knee - ankle, dim=-1)
    return thigh + shin


def _foot_speed(feet: Tensor) -> Tensor:
    """(B, L, 2, 3) metres to (B, L, 2) metres per second."""
    step: Tensor = torch.linalg.vector_norm(torch.gradient(feet, dim=1)[0], dim=-1)
    return step * FPS

"""Which landmarks hide behind the person's own body: rays against capsules."""

import torch
from torch import Tensor

from genmo_rt.keypoints import LANDMARK_NAMES
from genmo_rt.skeleton import JOINT_NAMES

HIDDEN_STEP = 3  # tested at every third tick

L = {name: index for index, name in enumerate(LANDMARK_NAMES)}
J = {name: index for index, name in enumerate(JOINT_NAMES)}
SIDES = ("left", "right")
# Capsules that hide what is behind them: joints at the ends, radius in metres.
CAPSULES = (
    ("pelvis", "spine3", 0.13),
    ("spine3", "neck", 0.12),
    ("head", "head", 0.1),
    *((f"{side}_hip", f"{side}_knee", 0.075) for side in SIDES),
    *((f"{side}_knee", f"{side}_ankle", 0.05) for side in SIDES),
    *((f"{side}_shoulder", f"{side}_elbow", 0.045) for side in SIDES),
    *((f"{side}_elbow", f"{side}_wrist", 0.04) for side in SIDES),
)
# The test is made for these landmarks; the others share the result of the nearest.
TESTED = [
    L[name]
    for name in (
        "nose",
        *(
            f"{side}_{p}"
            for p in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
            for side in SIDES
        ),
    )
]


def _tested_of(name: str) -> int:
    """Which of TESTED stands for a landmark."""
    side = "left" if "left" in name else "right"
    for parts, tested in (
        (("pinky", "index", "thumb", "wrist"), "wrist"),
        (("heel", "ankle"), "ankle"),
        (("shoulder",), "shoulder"),
        (("elbow",), "elbow"),
        (("hip",), "hip"),
        (("knee",), "knee"),
    ):
        if any(part in name for part in parts):
            tested = "ankle" if "foot" in name else tested
            return TESTED.index(L[f"{side}_{tested}"])
    return 0


STANDS_FOR = [_tested_of(name) for name in LANDMARK_NAMES]


def hidden_landmarks(landmarks_cam: Tensor, joints_cam: Tensor) -> Tensor:
    """(B, L, 33) 0..1: how far a landmark is behind another part of the body.

    A capsule hides a point when it is nearer by over its radius and the point's ray passes it
    within the radius; tested at every third tick and held.
    """
    length = landmarks_cam.shape[1]
    points = landmarks_cam[:, ::HIDDEN_STEP, TESTED]  # (B, T, P, 3)
    joints = joints_cam[:, ::HIDDEN_STEP]
    start = joints[:, :, [J[a] for a, _, _ in CAPSULES]]  # (B, T, C, 3)
    end = joints[:, :, [J[b] for _, b, _ in CAPSULES]]
    radius = torch.tensor([r for _, _, r in CAPSULES])
    flat_start = start[..., :2] / start[..., 2:].clamp_min(0.2)
    bone = end[..., :2] / end[..., 2:].clamp_min(0.2) - flat_start
    point = points[..., :2] / points[..., 2:].clamp_min(0.2)
    x = point[..., :, None, 0] - flat_start[..., None, :, 0]  # (B, T, P, C)
    y = point[..., :, None, 1] - flat_start[..., None, :, 1]
    bone_x, bone_y = bone[..., None, :, 0], bone[..., None, :, 1]
    along = (x * bone_x + y * bone_y) / (bone_x * bone_x + bone_y * bone_y).clamp_min(1e-6)
    along = along.clamp(0, 1)
    depth = torch.lerp(start[..., None, :, 2], end[..., None, :, 2], along)
    away = torch.hypot(x - along * bone_x, y - along * bone_y) * depth / radius
    behind = (points[..., :, None, 2] - depth) / radius - 1.2
    covered = (behind.clamp(0, 1) * ((1.1 - away) * 5).clamp(0, 1)).amax(-1)  # (B, T, P)
    return covered[:, :, STANDS_FOR].repeat_interleave(HIDDEN_STEP, dim=1)[:, :length]

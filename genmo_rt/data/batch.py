"""One training batch: what the 2D stage would have seen, and the truth behind it."""

from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from genmo_rt.conditions import Observed
from genmo_rt.model import Texts


@dataclass(frozen=True, slots=True)
class TrainingBatch:
    """B clips of L ticks at 30 Hz, each one person before one static camera.

    The camera is OpenCV (x right, y down, z forward); the world is y up with its origin on the
    floor below the camera and −z along the optical axis projected to the horizontal. A mask is
    True where data is present. Everything else is float32; metres, metres per second, pixels.

    Attributes:
        pixels: (B, L, 33, 2) observed landmarks, noisy; may lie outside the picture. Zero where
            `present` is False.
        confidence: (B, L, 33) observed visibility, 0..1; zero where `present` is False.
        present: (B, L) bool, False for a masked tick or a drop-out of the whole person.
        valid: (B, L) bool, False for padding behind a clip's end: no loss there.
        image_size: (B, 2) width, height.
        intrinsics_true: (B, 4) fx, fy, cx, cy of the camera that made the picture.
        intrinsics_given: (B, 4) what the model is told: the true ones or the default guess.
        rotmat_cam: (B, L, 24, 3, 3) joint 0 in the camera, 1..23 relative to the parent.
        root_cam: (B, L, 3) pelvis joint in the camera.
        joints_cam: (B, L, 24, 3) in the camera.
        landmarks_cam: (B, L, 33, 3) noise-free landmarks in the camera.
        landmarks_px: (B, L, 33, 2) their noise-free projections.
        gravity_cam: (B, 3) unit vector "up" in the camera.
        root_world: (B, L, 3) pelvis joint in the world.
        root_vel_world: (B, L, 3) its velocity, backward difference (the first repeats the next).
        R_c2w: (B, 3, 3) with p_world = R_c2w @ p_cam + (0, camera height, 0).
        shape: (B, 10) coefficients of the built-in body.
        contacts: (B, L, 6) 0 or 1, in the order of pose.CONTACT_NAMES.
        contact_mask: (B, 6) bool, False where the source lacks the joint.
        joint_mask: (B, 24) bool, False where the source lacks the joint.
        texts: what is said of which ticks; masked for samples of which nothing is said.
        music: (B, L, 1, 35) features of what plays and (B, L, 1) bool.
    """

    pixels: Tensor
    confidence: Tensor
    present: Tensor
    valid: Tensor
    image_size: Tensor
    intrinsics_true: Tensor
    intrinsics_given: Tensor
    rotmat_cam: Tensor
    root_cam: Tensor
    joints_cam: Tensor
    landmarks_cam: Tensor
    landmarks_px: Tensor
    gravity_cam: Tensor
    root_world: Tensor
    root_vel_world: Tensor
    R_c2w: Tensor
    shape: Tensor
    contacts: Tensor
    contact_mask: Tensor
    joint_mask: Tensor
    texts: Texts
    music: Observed

    def to(self, device: str | torch.device) -> "TrainingBatch":
        """The same batch on another device."""
        return TrainingBatch(
            **{f.name: _moved(getattr(self, f.name), device) for f in fields(self)}
        )


def _moved(value: Tensor | Texts | Observed, device: str | torch.device) -> Any:
    if isinstance(value, Tensor):
        return value.to(device)
    return type(value)(**{f.name: getattr(value, f.name).to(device) for f in fields(value)})

"""Motion in the layout of GENMO's official release (GEM-SMPL), and the way to ours and back.

151 numbers per frame, and two heads beside them (github.com/NVlabs/GENMO, gem/network/endecoder.py
and gem/utils/cam_utils.py):

| field     | what                                                                      |
|-----------|---------------------------------------------------------------------------|
| body_pose | 21 × 6D: joints 1..21 relative to the parent; SMPL-X has no hand joints   |
| betas     | 10 coefficients of SMPL-X, the same in all frames                         |
| orient    | root rotation in the camera, 6D                                           |
| orient_gv | root rotation in the gravity view, 6D                                     |
| root_vel  | velocity in the root's own frame, metres per 1/30 s                       |
| camera    | weak perspective (s, x, y): see `decode`                                  |
| contacts  | 6 logits, in the order of pose.CONTACT_NAMES                              |

Two conventions differ from ours: 6D are the first two rows of the matrix, and the release's
gravity view is an upright OpenCV camera (y down, z forward), ours has y up and −z forward.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from genmo_rt.clock import TICK_HZ
from genmo_rt.motion import MAX_LOGIT, Field, Motion, MotionStats, slices
from genmo_rt.rotation import rot6d_to_rotmat, rotmat_to_rot6d
from genmo_rt.skeleton import NUM_JOINTS

NUM_POSED = 22  # joints of the release's body, the root included
GEM_FIELDS = (
    Field("body_pose", (NUM_POSED - 1) * 6),
    Field("betas", 10),
    Field("orient", 6),
    Field("orient_gv", 6),
    Field("root_vel", 3),
)
GEM_WIDTH = sum(field.width for field in GEM_FIELDS)
GEM_SLICES = slices(GEM_FIELDS)
BETAS = GEM_SLICES["betas"]
GEM_LAYOUT = "+".join(f"{field.name}:{field.width}" for field in GEM_FIELDS)

_UPRIGHT = torch.tensor([1.0, -1.0, -1.0])  # from the release's gravity view to ours, and back
_STATISTICS = Path(__file__).parent / "statistics.json"


@dataclass(frozen=True, slots=True)
class Box:
    """The square crop that the release frames a person by, and the camera.

    Attributes:
        centre: (..., 2) pixels.
        size: (...,) pixels.
        intrinsics: (..., 4) fx, fy, cx, cy in pixels; the release knows one focal length, fx.
    """

    centre: Tensor
    size: Tensor
    intrinsics: Tensor


@dataclass(frozen=True, slots=True)
class GemMotion:
    """A motion in the release's layout, in the table's units, leading dimensions "...".

    Attributes:
        vector: (..., 151) GEM_FIELDS.
        camera: (..., 3).
        contacts: (..., 6) logits.
    """

    vector: Tensor
    camera: Tensor
    contacts: Tensor


@dataclass(frozen=True, slots=True)
class GemStatistics:
    """What the release's code, not its weights, holds.

    Attributes:
        motion: (151,) mean and standard deviation.
        camera: (3,) of the camera head.
        cam_angvel: (6,) of the camera's turn.
    """

    motion: MotionStats
    camera: MotionStats
    cam_angvel: MotionStats

    @classmethod
    def published(cls) -> "GemStatistics":
        """The release's numbers; its standard deviations of motion are never under 1."""
        table = json.loads(_STATISTICS.read_text())
        return cls(
            **{
                name: MotionStats(torch.tensor(one["mean"]), torch.tensor(one["std"]))
                for name, one in table.items()
            }
        )


def encode(motion: Motion, box: Box, rest_pelvis: Tensor) -> GemMotion:
    """Writes a motion in the release's layout; the hands' rotations have no place there.

    Args:
        motion: leading dimensions "..."; its shape in the release's coefficients.
        box: of the same frames.
        rest_pelvis: (..., 3) joint 0 of the body at rest, metres: the release places SMPL's
            translation, which is the pelvis less that.
    """
    focal, principal = box.intrinsics[..., 0], box.intrinsics[..., 2:]
    at = motion.root_cam - rest_pelvis
    scaled = 2 * focal / at[..., 2].clamp_min(1e-3)  # s × size of the box
    offset = at[..., :2] - 2 * (box.centre - principal) / scaled[..., None]
    upright = _UPRIGHT.to(motion.root_vel)[:, None]
    return GemMotion(
        vector=torch.cat(
            (
                _rows(motion.rotmat_cam[..., 1:NUM_POSED, :, :]).flatten(-2),
                motion.shape,
                _rows(motion.rotmat_cam[..., 0, :, :]),
                _rows(upright * motion.rotmat_gv),
                motion.root_vel / TICK_HZ,
            ),
            dim=-1,
        ),
        camera=torch.cat(((scaled / box.size)[..., None], offset), dim=-1),
        contacts=motion.contacts.logit(eps=1e-6).clamp(-MAX_LOGIT, MAX_LOGIT),
    )


def decode(motion: GemMotion, box: Box, rest_pelvis: Tensor) -> Motion:
    """Reads a motion in the release's layout.

    SMPL's translation is t = (x + c_x, y + c_y, 2 f / (s b)) with c = 2 (centre − principal point)
    / (s b) and b the box's size (CLIFF, Li et al. 2022, eq. 3). The camera stands where the
    release does not say, at 0; its rotation is R_gv R_camᵀ of the root.

    Args:
        motion: leading dimensions "...".
        box: of the same frames.
        rest_pelvis: as for `encode`.
    """
    vector = motion.vector
    at = {name: vector[..., where] for name, where in GEM_SLICES.items()}
    focal, principal = box.intrinsics[..., 0], box.intrinsics[..., 2:]
    scaled = motion.camera[..., 0] * box.size
    across = motion.camera[..., 1:] + 2 * (box.centre - principal) / scaled[..., None]
    root = torch.cat((across, (2 * focal / scaled)[..., None]), dim=-1) + rest_pelvis
    orient = _from_rows(at["orient"])
    rotmat_gv = _UPRIGHT.to(vector)[:, None] * _from_rows(at["orient_gv"])
    body = _from_rows(at["body_pose"].reshape(*vector.shape[:-1], NUM_POSED - 1, 6))
    hands = torch.eye(3).to(vector).expand(*vector.shape[:-1], NUM_JOINTS - NUM_POSED, 3, 3)
    return Motion(
        rotmat_gv=rotmat_gv,
        root_vel=at["root_vel"] * TICK_HZ,
        rotmat_cam=torch.cat((orient[..., None, :, :], body, hands), dim=-3),
        shape=at["betas"],
        root_cam=root,
        R_c2gv=rotmat_gv @ orient.transpose(-1, -2),
        camera_pos=torch.zeros_like(root),
        contacts=motion.contacts.sigmoid(),
    )


def _rows(rotmat: Tensor) -> Tensor:
    """(..., 3, 3) to (..., 6): the first row, then the second."""
    return rotmat_to_rot6d(rotmat.transpose(-1, -2))


def _from_rows(rot6d: Tensor) -> Tensor:
    """(..., 6) to (..., 3, 3)."""
    return rot6d_to_rotmat(rot6d).transpose(-1, -2)

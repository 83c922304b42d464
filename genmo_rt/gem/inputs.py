"""What the release's network is told of landmarks before a static camera."""

import torch
from torch import Tensor

from genmo_rt.conditions import Absent, Observed
from genmo_rt.gem.coco import COCO_LANDMARKS
from genmo_rt.gem.layout import Box
from genmo_rt.gem.model import CAM_ANGVEL, CLIFF, IMAGE, MUSIC, GemInputs
from genmo_rt.motion import MotionStats

VISIBLE = 0.5  # a landmark below this confidence is absent
MIN_VISIBLE = 3  # a person with no more landmarks than this is absent
ASPECT = 192 / 256  # of the box that the crop is made from, width by height
ENLARGED = 1.2
STILL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)  # no turn, as two rows


def inputs_of(
    pixels: Tensor, confidence: Tensor, intrinsics: Tensor, cam_angvel: MotionStats
) -> tuple[GemInputs, Box]:
    """Inputs of whole clips; pictures' features and music can be put in by `replace`.

    The box is the smallest around the visible landmarks, 3 : 4, and a fifth larger; while nobody is
    visible it stays (gem/utils/geo_transform.py, get_bbx_xys and normalize_kp2d).

    Args:
        pixels: (B, L, 33, 2) MediaPipe's landmarks, or `coco.from_coco`'s.
        confidence: (B, L, 33) 0..1.
        intrinsics: (B, 4) fx, fy, cx, cy.
        cam_angvel: of GemCheckpoint.
    Returns:
        The inputs, and the box that gem.decode needs.
    """
    points, sure = pixels[..., list(COCO_LANDMARKS), :], confidence[..., list(COCO_LANDMARKS)]
    visible = sure > VISIBLE  # (B, L, 17)
    present = visible.sum(-1) > MIN_VISIBLE  # (B, L)
    box = _box(points, visible, present, intrinsics)
    place = 2 * (points - box.centre[:, :, None]) / box.size[..., None, None]
    visible = visible & present[..., None] & (place.abs() <= 1).all(-1)
    focal, principal = intrinsics[:, None, :1], intrinsics[:, None, 2:]
    cliff = torch.cat((box.centre - principal, box.size[..., None]), dim=-1) / focal
    still = cam_angvel.normalise(torch.tensor(STILL)).to(pixels)
    frames = pixels.new_zeros(*present.shape, 0)
    inputs = GemInputs(
        landmarks=Observed(place, visible),
        cliff=Observed(cliff[:, :, None], present[..., None]),
        image=Absent(IMAGE, frames),
        cam_angvel=Observed(
            still.expand(*present.shape, CAM_ANGVEL.items, CAM_ANGVEL.width),
            torch.ones_like(present)[..., None],
        ),
        music=Absent(MUSIC, frames),
        valid=torch.ones_like(present),
    )
    assert cliff.shape[-1] == CLIFF.width
    return inputs, box


def _box(points: Tensor, visible: Tensor, present: Tensor, intrinsics: Tensor) -> Box:
    inside = visible[..., None]
    low = torch.where(inside, points, torch.inf).amin(-2)
    high = torch.where(inside, points, -torch.inf).amax(-2)
    width, height = (high - low).unbind(-1)
    size = torch.maximum(height, width / ASPECT) * ENLARGED
    centre = (low + high) / 2
    # The last sight's box, or before any the first one's.
    number = torch.arange(present.shape[1], device=present.device).expand_as(present)
    last = torch.where(present, number, -1).cummax(1).values
    first = torch.where(present, 1, 0).argmax(1, keepdim=True)
    held = torch.where(last < 0, first, last)
    size = torch.where(present, size, 1.0).gather(1, held)
    centre = torch.where(present[..., None], centre, 0.0).take_along_dim(held[..., None], dim=1)
    return Box(centre, size.clamp_min(1e-2), intrinsics[:, None].expand(-1, present.shape[1], -1))

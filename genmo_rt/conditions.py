"""What the model is told of each frame, with a mask for everything that may be missing.

One table of modalities; each is a few items of a few numbers with one mask per item (True where
present). What is absent is masked, not zero: the model has a learned embedding for it.

| modality    | items × numbers | what                                                          |
|-------------|--------|------------------------------------------------------------------------|
| keypoints2d | 33 × 5 | (x − centre, y − centre) / scale, the ray's x / z, y / z, confidence   |
| bbox        | 1 × 4  | CLIFF: the centre's ray, log(scale / f), log(f / longer side)          |
| cam_angvel  | 1 × 6  | the camera's rotation since the last frame, 6D                         |
| features    | 33 × 4 | MediaPipe's 3D landmarks in metres and their visibility                |

CLIFF (Li et al. 2022): a crop alone does not say from where the person is seen; the ray does.
The last two modalities are masked for the checkpoint that ships: its camera stands still, and the
3D landmarks made a first model worse.
"""

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from genmo_rt.camera import Intrinsics
from genmo_rt.keypoints import LANDMARK_NAMES, NUM_LANDMARKS, Keypoints
from genmo_rt.motion import View

MIN_CONFIDENCE = 0.1  # a landmark below it is masked: the detector is guessing
MIN_LANDMARKS = 4  # fewer confident ones say nothing of where the person is
MAX_OFFSET = 8.0  # in view scales; the detector now and then puts a landmark far outside


@dataclass(frozen=True, slots=True)
class Modality:
    """One kind of input: `items` things of `width` numbers, each present or not."""

    name: str
    items: int
    width: int


MODALITIES = (
    Modality("keypoints2d", NUM_LANDMARKS, 5),
    Modality("bbox", 1, 4),
    Modality("cam_angvel", 1, 6),
    Modality("features", NUM_LANDMARKS, 4),
)


@dataclass(frozen=True, slots=True)
class Observed:
    """One modality's values and what of them is there.

    Attributes:
        value: (B, L, items, width) float32; anything finite where absent.
        mask: (B, L, items) bool, True where present.
    """

    value: Tensor
    mask: Tensor


@dataclass(frozen=True, slots=True)
class Conditions:
    """B streams, L frames; the field names are those of MODALITIES.

    Attributes:
        keypoints2d: the landmarks as pixels and rays.
        bbox: where the person is in the picture.
        cam_angvel: how the camera turned.
        features: MediaPipe's 3D landmarks.
        view: (B, L) frames of reference for root_cam; held where nobody was seen.
        present: (B, L) bool: somebody was seen.
    """

    keypoints2d: Observed
    bbox: Observed
    cam_angvel: Observed
    features: Observed
    view: View
    present: Tensor

    def to(self, device: str | torch.device) -> "Conditions":
        """The same conditions on another device."""
        observed = {
            m.name: Observed(old.value.to(device), old.mask.to(device))
            for m in MODALITIES
            for old in [getattr(self, m.name)]
        }
        view = View(*(getattr(self.view, f.name).to(device) for f in fields(View)))
        return Conditions(**observed, view=view, present=self.present.to(device))


def from_keypoints(
    keypoints: Keypoints | None, intrinsics: Intrinsics, previous: View | None
) -> Conditions:
    """The conditions of one live frame: B = 1, L = 1.

    Args:
        keypoints: the person's landmarks; None for a tick without a frame or without the person.
        intrinsics: of the camera, scaled to the picture's size by the caller.
        previous: the last frame's `view` (kept while nobody is seen); None at the start.
    """
    camera = torch.tensor([[intrinsics.fx, intrinsics.fy, intrinsics.cx, intrinsics.cy]])
    image_size = torch.tensor([[float(intrinsics.width), float(intrinsics.height)]])
    if keypoints is None:
        pixels = torch.zeros(1, 1, NUM_LANDMARKS, 2)
        confidence = torch.zeros(1, 1, NUM_LANDMARKS)
    else:
        pixels = torch.from_numpy(keypoints.pixels)[None, None]
        confidence = torch.from_numpy(keypoints.confidence)[None, None]
    return from_landmarks(pixels, confidence, camera, image_size, previous)


def from_landmarks(
    pixels: Tensor,
    confidence: Tensor,
    intrinsics: Tensor,
    image_size: Tensor,
    previous: View | None = None,
) -> Conditions:
    """The conditions of whole clips, or of a live frame: one code path for both.

    A frame counts as present when MIN_LANDMARKS of its landmarks are confident. Frames where
    nobody is seen keep the view of the last frame where somebody was; before the first of those
    it is `previous`, or the whole picture.

    Args:
        pixels: (B, L, 33, 2).
        confidence: (B, L, 33) 0..1; zero where nobody was seen.
        intrinsics: (B, 4) fx, fy, cx, cy as the model is to believe them.
        image_size: (B, 2) width and height in pixels.
        previous: (B, 1) view of the frame before the first.
    """
    confident = confidence >= MIN_CONFIDENCE  # (B, L, 33)
    present = confident.sum(-1) >= MIN_LANDMARKS  # (B, L)
    confident = confident & present[..., None]

    focal, principal = intrinsics[:, None, :2], intrinsics[:, None, 2:]  # (B, 1, 2)
    if previous is None:
        side = image_size.amax(-1)
        previous = View(image_size[:, None] / 2, side[:, None] / 8, intrinsics[:, None])
    view = _hold(_frame_person(pixels, confidence), present, previous, intrinsics)

    offset = (pixels - view.centre[:, :, None]) / view.scale[:, :, None, None]
    ray = (pixels - principal[:, :, None]) / focal[:, :, None]
    landmarks = torch.cat((offset.clamp(-MAX_OFFSET, MAX_OFFSET), ray, confidence[..., None]), -1)
    f = focal.mean(-1)  # (B, 1)
    longer_side = image_size.amax(-1, keepdim=True)
    cliff = torch.cat(
        (
            (view.centre - principal) / focal,
            (view.scale / f).log()[..., None],
            (f / longer_side).log()[..., None].expand_as(view.scale[..., None]),
        ),
        dim=-1,
    )
    return Conditions(
        keypoints2d=Observed(landmarks, confident),
        bbox=Observed(cliff[:, :, None], present[..., None]),
        cam_angvel=_absent("cam_angvel", present, pixels.dtype),
        features=_absent("features", present, pixels.dtype),
        view=view,
        present=present,
    )


def concatenate(frames: list[Conditions]) -> Conditions:
    """Joins conditions along time."""

    def join(parts: list[Tensor]) -> Tensor:
        return torch.cat(parts, dim=1)

    observed = {
        m.name: Observed(
            join([getattr(frame, m.name).value for frame in frames]),
            join([getattr(frame, m.name).mask for frame in frames]),
        )
        for m in MODALITIES
    }
    view = View(*(join([getattr(frame.view, f.name) for frame in frames]) for f in fields(View)))
    return Conditions(**observed, view=view, present=join([frame.present for frame in frames]))


_WEIGHT = torch.tensor(
    [
        0.2
        if name.split("_")[-1] in ("nose", "inner", "eye", "outer", "ear")
        or name.startswith("mouth")
        else 0.3
        if name.split("_")[-1] in ("pinky", "thumb", "index")
        else 1.0
        for name in LANDMARK_NAMES
    ]
)
"""(33,) what a landmark counts for the view: eleven lie on the face, six on the hands."""


def _frame_person(pixels: Tensor, confidence: Tensor) -> tuple[Tensor, Tensor]:
    """Centre (B, L, 2) and scale (B, L) of the landmarks, in pixels.

    Weighted moments, not the extremes: one wild landmark, or one whose confidence crosses a
    threshold, barely moves them.
    """
    weight = confidence * _WEIGHT.to(confidence)
    weight = weight / weight.sum(-1, keepdim=True).clamp_min(1e-6)
    centre = (weight[..., None] * pixels).sum(-2)
    squared = (pixels - centre[..., None, :]).square().sum(-1)
    scale = (weight * squared).sum(-1).sqrt()
    return centre, scale.clamp_min(1.0)


def _hold(
    framed: tuple[Tensor, Tensor], present: Tensor, previous: View, intrinsics: Tensor
) -> View:
    """Each frame's own view, or that of the last frame where somebody was seen."""
    centre = torch.cat((previous.centre, framed[0]), dim=1)  # (B, 1 + L, 2)
    scale = torch.cat((previous.scale, framed[1]), dim=1)
    number = torch.arange(1, present.shape[1] + 1, device=present.device)
    last_seen = torch.where(present, number, 0).cummax(1).values  # (B, L); 0 is `previous`
    return View(
        centre=centre.take_along_dim(last_seen[..., None], dim=1),
        scale=scale.take_along_dim(last_seen, dim=1),
        intrinsics=intrinsics[:, None].expand(-1, present.shape[1], -1),
    )


def _absent(name: str, present: Tensor, dtype: torch.dtype) -> Observed:
    """A modality nobody observed."""
    modality = next(m for m in MODALITIES if m.name == name)
    shape = (*present.shape, modality.items)
    return Observed(
        value=present.new_zeros((*shape, modality.width), dtype=dtype),
        mask=present.new_zeros(shape),
    )

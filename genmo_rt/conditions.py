"""What the model is told of each frame, with a mask for everything that may be missing.

One table of modalities; each is a few items of a few numbers with one mask per item (True where
present). What is absent is masked, not zero: the model has a learned embedding for it.

| modality    | items × numbers | what                                                          |
|-------------|---------|-----------------------------------------------------------------------|
| keypoints2d | 33 × 5  | (x − centre, y − centre) / scale, the ray's x / z, y / z, confidence  |
| bbox        | 1 × 4   | CLIFF: the centre's ray, log(scale / f), log(f / longer side)         |
| cam_angvel  | 1 × 6   | the camera's rotation since the last frame, 6D                        |
| features    | 33 × 4  | MediaPipe's 3D landmarks in metres and their visibility               |
| image       | 1 × 1024 | features of the person's crop, as large as HMR2's                    |
| music       | 1 × 35  | what music.music_features gives                                       |
| keyframe    | 181 × 1 | numbers of the normalised motion vector that are known                |

CLIFF (Li et al. 2022): a crop alone does not say from where the person is seen; the ray does.
Live, all but the first two are absent: the camera stands still, the 3D landmarks made a first
model worse, and nobody makes the others. Texts are apart (model.Texts): they have no frame rate.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor

from genmo_rt.camera import Intrinsics
from genmo_rt.keypoints import LANDMARK_NAMES, NUM_LANDMARKS, Keypoints
from genmo_rt.motion import MOTION_WIDTH, View

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
    Modality("image", 1, 1024),
    Modality("music", 1, 35),
    Modality("keyframe", MOTION_WIDTH, 1),
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
class Absent:
    """A modality that no frame has: known without looking at a mask, so it costs nothing.

    Attributes:
        modality: which.
        frames: (B, L, 0) holds nothing but the shape, the dtype and the device.
    """

    modality: Modality
    frames: Tensor

    @property
    def value(self) -> Tensor:
        """(B, L, items, width) zeros."""
        shape = (*self.frames.shape[:2], self.modality.items, self.modality.width)
        return self.frames.new_zeros(shape)

    @property
    def mask(self) -> Tensor:
        """(B, L, items) False."""
        shape = (*self.frames.shape[:2], self.modality.items)
        return self.frames.new_zeros(shape, dtype=torch.bool)


@dataclass(frozen=True, slots=True)
class Conditions:
    """B streams, L frames; the field names are those of MODALITIES.

    `dataclasses.replace` puts in what else is known; a mixture may change at any frame.

    Attributes:
        keypoints2d: the landmarks as pixels and rays.
        bbox: where the person is in the picture.
        cam_angvel: how the camera turned.
        features: MediaPipe's 3D landmarks.
        image: features of the picture.
        music: what plays.
        keyframe: parts of the motion that are known.
        view: (B, L) frames of reference for root_cam; held where nobody was seen.
        present: (B, L) bool: somebody was seen.
    """

    keypoints2d: Observed | Absent
    bbox: Observed | Absent
    cam_angvel: Observed | Absent
    features: Observed | Absent
    image: Observed | Absent
    music: Observed | Absent
    keyframe: Observed | Absent
    view: View
    present: Tensor

    @classmethod
    def blank(cls, batch: int, length: int, *, view: View) -> "Conditions":
        """Frames of which nothing is known.

        Args:
            batch: B.
            length: L.
            view: (B, L) the frames of reference that root_cam is to be in.
        """
        frames = view.centre.new_zeros(batch, length, 0)
        present = frames.new_zeros((batch, length), dtype=torch.bool)
        return cls(**{m.name: Absent(m, frames) for m in MODALITIES}, view=view, present=present)

    def to(self, device: str | torch.device) -> "Conditions":
        """The same conditions on another device."""
        return _joined([self], lambda parts: parts[0].to(device))

    def cut(self, where: slice) -> "Conditions":
        """Some of the frames."""
        return _joined([self], lambda parts: parts[0][:, where])

    def rows(self) -> list["Conditions"]:
        """(1, L) of each stream."""
        streams = len(self.present)
        parts = [_rows(getattr(self, modality.name)) for modality in MODALITIES]
        views = map(View, *(getattr(self.view, f.name).chunk(streams) for f in fields(View)))
        return [
            Conditions(*row) for row in zip(*parts, views, self.present.chunk(streams), strict=True)
        ]


def from_keypoints(
    keypoints: Keypoints | None, intrinsics: Intrinsics, previous: View | None
) -> Conditions:
    """The conditions of one live frame: B = 1, L = 1.

    Args:
        keypoints: the person's landmarks; None for a tick without a frame or without the person.
        intrinsics: of the camera, scaled to the picture's size by the caller.
        previous: the last frame's `view` (kept while nobody is seen); None at the start.
    """
    return from_keypoints_together([(keypoints, intrinsics, previous)])[0]


def from_keypoints_together(
    frames: Sequence[tuple[Keypoints | None, Intrinsics, View | None]],
) -> list[Conditions]:
    """from_keypoints of several persons' frames at once.

    Args:
        frames: what from_keypoints takes, of each.
    Returns:
        (1, 1) of each.
    """
    cameras = [(of.fx, of.fy, of.cx, of.cy) for _, of, _ in frames]
    intrinsics = torch.tensor(cameras)
    image_size = torch.tensor([(float(of.width), float(of.height)) for _, of, _ in frames])
    pixels = np.zeros((len(frames), 1, NUM_LANDMARKS, 2), np.float32)
    confidence = np.zeros((len(frames), 1, NUM_LANDMARKS), np.float32)
    for row, (keypoints, _, _) in enumerate(frames):
        if keypoints is not None:
            pixels[row, 0], confidence[row, 0] = keypoints.pixels, keypoints.confidence
    before = [
        previous or _whole_picture(intrinsics[row : row + 1], image_size[row : row + 1])
        for row, (_, _, previous) in enumerate(frames)
    ]
    joined = View(*(torch.cat([getattr(v, f.name) for v in before]) for f in fields(View)))
    return from_landmarks(
        torch.from_numpy(pixels), torch.from_numpy(confidence), intrinsics, image_size, joined
    ).rows()


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
        previous = _whole_picture(intrinsics, image_size)
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
    blank = Conditions.blank(*present.shape, view=view)
    return replace(
        blank,
        keypoints2d=Observed(landmarks, confident),
        bbox=Observed(cliff[:, :, None], present[..., None]),
        present=present,
    )


def _whole_picture(intrinsics: Tensor, image_size: Tensor) -> View:
    """(B, 1) the view before anybody was seen."""
    side = image_size.amax(-1)
    return View(image_size[:, None] / 2, side[:, None] / 8, intrinsics[:, None])


def concatenate(parts: Sequence[Conditions], dim: int = 1) -> Conditions:
    """Joins conditions along time, or along the batch with `dim` = 0."""
    return _joined(parts, lambda tensors: torch.cat(list(tensors), dim=dim))


def _rows(of: Observed | Absent) -> Sequence[Observed | Absent]:
    """A modality of B streams as B of one."""
    if isinstance(of, Absent):
        return [Absent(of.modality, of.frames[:1])] * len(of.frames)
    streams = len(of.value)
    return [
        Observed(*row) for row in zip(of.value.chunk(streams), of.mask.chunk(streams), strict=True)
    ]


def _joined(parts: Sequence[Conditions], join: Callable[[Sequence[Tensor]], Tensor]) -> Conditions:
    """Conditions made of others, tensor by tensor; what no part has stays absent."""
    observed: dict[str, Observed | Absent] = {}
    for modality in MODALITIES:
        of = [getattr(part, modality.name) for part in parts]
        if all(isinstance(one, Absent) for one in of):
            observed[modality.name] = Absent(modality, join([one.frames for one in of]))
        else:
            value, mask = join([one.value for one in of]), join([one.mask for one in of])
            observed[modality.name] = Observed(value, mask)
    view = View(*(join([getattr(part.view, f.name) for part in parts]) for f in fields(View)))
    return Conditions(**observed, view=view, present=join([part.present for part in parts]))


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

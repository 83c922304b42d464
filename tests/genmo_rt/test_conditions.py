"""Conditions: one code path for live frames and clips; absent is masked, not zero."""

import numpy as np
import torch

from genmo_rt.camera import Intrinsics
from genmo_rt.conditions import MODALITIES, concatenate, from_keypoints, from_landmarks
from genmo_rt.keypoints import Keypoints

INTRINSICS = Intrinsics(500.0, 510.0, 320.0, 240.0, 640, 480)


def _clip(length: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    pixels = 320 + 60 * torch.randn(1, length, 33, 2, generator=generator)
    confidence = 0.2 + 0.8 * torch.rand(1, length, 33, generator=generator)
    return pixels, confidence


def _from_clip(pixels: torch.Tensor, confidence: torch.Tensor):  # type: ignore[no-untyped-def]
    camera = torch.tensor([[500.0, 510.0, 320.0, 240.0]])
    return from_landmarks(pixels, confidence, camera, torch.tensor([[640.0, 480.0]]))


def test_live_frames_equal_the_clip() -> None:
    pixels, confidence = _clip()
    confidence[:, 3:5] = 0
    pixels[:, 3:5] = 0
    view, frames = None, []
    for t in range(8):
        keypoints = Keypoints(pixels[0, t].numpy(), confidence[0, t].numpy(), None, (640, 480))
        seen = keypoints if t not in (3, 4) else None
        frames.append(from_keypoints(seen, INTRINSICS, view))
        view = frames[-1].view
    live, clip = concatenate(frames), _from_clip(pixels, confidence)
    for modality in MODALITIES:
        one, other = getattr(live, modality.name), getattr(clip, modality.name)
        assert torch.equal(one.mask, other.mask)
        torch.testing.assert_close(
            one.value * one.mask[..., None], other.value * other.mask[..., None]
        )
    torch.testing.assert_close(live.view.centre, clip.view.centre)
    torch.testing.assert_close(live.view.scale, clip.view.scale)


def test_view_is_held_while_nobody_is_seen() -> None:
    pixels, confidence = _clip()
    confidence[:, 4:6] = 0
    view = _from_clip(pixels, confidence).view
    assert torch.equal(view.centre[:, 3], view.centre[:, 5])
    assert torch.equal(view.scale[:, 3], view.scale[:, 5])
    assert not torch.equal(view.centre[:, 3], view.centre[:, 6])


def test_doubtful_landmarks_are_masked() -> None:
    pixels, confidence = _clip()
    confidence[0, 2, 7] = 0.01
    mask = _from_clip(pixels, confidence).keypoints2d.mask
    assert not mask[0, 2, 7]
    assert mask[0, 2, 8]


def test_three_landmarks_are_nobody() -> None:
    pixels, confidence = _clip()
    confidence[0, 1, 3:] = 0
    conditions = _from_clip(pixels, confidence)
    assert not conditions.present[0, 1]
    assert not conditions.keypoints2d.mask[0, 1].any()
    assert not conditions.bbox.mask[0, 1].any()


def test_one_wild_landmark_hardly_moves_the_view() -> None:
    pixels, confidence = _clip()
    before = _from_clip(pixels, confidence).view
    pixels[0, 0, 31] += 400
    after = _from_clip(pixels, confidence).view
    assert (after.centre - before.centre)[0, 0].norm() < 40


def test_features_stay_masked() -> None:
    pixels, confidence = _clip(1)
    keypoints = Keypoints(
        pixels[0, 0].numpy(), confidence[0, 0].numpy(), np.ones((33, 3), np.float32), (640, 480)
    )
    assert not from_keypoints(keypoints, INTRINSICS, None).features.mask.any()

"""COCO's keypoints are seventeen of the landmarks; the rest is absent."""

import numpy as np
import pytest
import torch
from torch import Tensor

from genmo_rt.conditions import from_keypoints
from genmo_rt.errors import InputError
from genmo_rt.gem.coco import COCO_LANDMARKS, COCO_NAMES, from_coco
from genmo_rt.gem.inputs import inputs_of
from genmo_rt.gem.layout import Box, GemStatistics
from genmo_rt.gem.model import GemInputs
from genmo_rt.keypoints import LANDMARK_NAMES
from tests.genmo_rt.walk import INTRINSICS, seen


def test_what_coco_lacks_is_masked_and_the_rest_is_where_it_was_seen() -> None:
    whole = seen(0.3)
    index = list(COCO_LANDMARKS)
    made = from_coco(whole.pixels[index], whole.confidence[index], whole.image_size)
    assert [LANDMARK_NAMES[i] for i in index] == list(COCO_NAMES)
    conditions = from_keypoints(made, INTRINSICS, None)
    present = conditions.keypoints2d.mask[0, 0]
    assert present.nonzero()[:, 0].tolist() == sorted(index)
    assert np.array_equal(made.pixels[index], whole.pixels[index])
    rays = from_keypoints(whole, INTRINSICS, None).keypoints2d.value[0, 0, index, 2:4]
    torch.testing.assert_close(conditions.keypoints2d.value[0, 0, index, 2:4], rays)


def test_thirty_three_landmarks_are_not_coco() -> None:
    with pytest.raises(InputError, match=r"\(33, 2\); expected \(17, 2\), COCO"):
        from_coco(np.zeros((33, 2), np.float32), np.zeros(33, np.float32), (640, 480))


def _gem_inputs(visible_from: int) -> tuple[Tensor, GemInputs, Box]:
    walk = [seen(t / 30) for t in range(6)]
    pixels = torch.from_numpy(np.stack([one.pixels for one in walk]))[None]
    confidence = torch.from_numpy(np.stack([one.confidence for one in walk]))[None].clone()
    confidence[:, :visible_from] = 0.2
    confidence[:, 4] = 0.2
    given = torch.tensor([[INTRINSICS.fx, INTRINSICS.fy, INTRINSICS.cx, INTRINSICS.cy]])
    stats = GemStatistics.published().cam_angvel
    inputs, box = inputs_of(pixels, confidence, given, stats)
    return pixels, inputs, box


def test_the_release_s_inputs_are_the_landmarks_in_their_box() -> None:
    pixels, inputs, box = _gem_inputs(0)
    place, mask = inputs.landmarks.value[0], inputs.landmarks.mask[0]
    back = place * box.size[0, :, None, None] / 2 + box.centre[0, :, None]
    seen_at = pixels[0][:, list(COCO_LANDMARKS)]
    torch.testing.assert_close(back[mask], seen_at[mask], atol=1e-2, rtol=0)
    assert mask[[0, 1, 2, 3, 5]].all()
    assert not mask[4].any()
    assert place[mask].abs().max() <= 1 / 1.2 + 1e-5
    assert not inputs.cam_angvel.value.any()


def test_the_box_stays_while_nobody_is_visible() -> None:
    _, inputs, box = _gem_inputs(2)
    assert torch.equal(box.size[0, :2], box.size[0, 2:3].expand(2))
    assert torch.equal(box.centre[0, 4], box.centre[0, 3])
    present = inputs.cliff.mask[0, :, 0]
    assert present.tolist() == [False, False, True, True, False, True]

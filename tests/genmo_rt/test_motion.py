"""The motion vector's table reads back what it wrote."""

from dataclasses import fields, replace

import pytest
import torch

from genmo_rt import motion
from genmo_rt.conditions import from_landmarks
from genmo_rt.motion import FIELDS, MOTION_WIDTH, SLICES, Motion, MotionStats, View
from genmo_rt.training.losses import true_motion, true_view
from tests.genmo_rt.tiny_batch import tiny_batch

BATCH = tiny_batch()
CONDITIONS = from_landmarks(
    BATCH.pixels, BATCH.confidence, BATCH.intrinsics_given, BATCH.image_size
)


def test_table_has_the_papers_181_numbers() -> None:
    assert MOTION_WIDTH == 181
    assert [field.width for field in FIELDS] == [6, 3, 144, 10, 3, 6, 3, 6]
    assert SLICES["contacts"] == slice(175, 181)


def test_decode_reads_what_encode_wrote() -> None:
    truth = true_motion(BATCH)
    view = true_view(BATCH, CONDITIONS)
    read = motion.decode(motion.encode(truth, view), view)
    for field in fields(Motion):
        if field.name != "contacts":
            # Metres and matrix entries in float32, depths up to 5 m.
            torch.testing.assert_close(
                getattr(read, field.name), getattr(truth, field.name), atol=2e-5, rtol=0
            )
    assert torch.equal(read.contacts > 0.5, truth.contacts > 0.5)


def test_normalised_vectors_come_back() -> None:
    stats = MotionStats(torch.randn(181), torch.rand(181) + 0.5)
    vector = torch.randn(3, 181)
    torch.testing.assert_close(stats.denormalise(stats.normalise(vector)), vector)


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_root_code_does_not_depend_on_focal_length_at_equal_framing(factor: float) -> None:
    """Twice the focal length at twice the depth looks the same and is encoded the same."""
    root = torch.tensor([0.0, 0.1, 3.0])
    view = View(
        torch.tensor([330.0, 250.0]), torch.tensor(60.0), torch.tensor([500.0, 500, 320, 240])
    )
    far = replace(view, intrinsics=torch.tensor([500.0 * factor, 500 * factor, 320, 240]))
    truth = true_motion(BATCH)
    one = Motion(**{f.name: getattr(truth, f.name)[0, 0] for f in fields(Motion)})
    near_code = motion.encode(replace(one, root_cam=root), view)[SLICES["root_cam"]]
    far_root = root * torch.tensor([1.0, 1.0, factor])
    far_code = motion.encode(replace(one, root_cam=far_root), far)[SLICES["root_cam"]]
    torch.testing.assert_close(near_code, far_code)


def test_camera_field_is_its_height_above_the_floor() -> None:
    truth = true_motion(BATCH)
    torch.testing.assert_close(
        truth.camera_pos[0, 0], torch.tensor([0.0, 1.4, 0.0]), atol=1e-5, rtol=0
    )

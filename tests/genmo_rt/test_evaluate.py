"""Scores: exact on cases that can be worked out by hand."""

from pathlib import Path

import numpy as np
import pytest
import torch

from genmo_rt.errors import FileFormatError
from genmo_rt.evaluate import (
    FEET,
    HIPS,
    SCORED,
    Scores,
    read_keypoints,
    read_reference,
    score,
    table,
)

K = torch.tensor([[1000.0, 0, 500], [0, 1000, 400], [0, 0, 1]], dtype=torch.float64)


def _still(frames: int = 10) -> torch.Tensor:
    """(frames, 33, 3) landmarks that rest four metres before the camera."""
    generator = torch.Generator().manual_seed(2)
    one = torch.randn(33, 3, generator=generator, dtype=torch.float64) * 0.4
    return (one + torch.tensor([0.0, 0.0, 4.0])).expand(frames, 33, 3).clone()


def _pixels(points: torch.Tensor) -> torch.Tensor:
    image = points @ K.T
    return image[..., :2] / image[..., 2:]


def test_the_truth_scores_zero() -> None:
    truth = _still()
    scores = score(truth, truth, _pixels(truth), K)
    for name in Scores.__slots__:
        assert getattr(scores, name) == pytest.approx(0, abs=1e-6), name


def test_a_shift_of_the_whole_body_is_a_root_error_only() -> None:
    truth = _still()
    scores = score(truth + torch.tensor([0.0, 0.0, 0.25]), truth, _pixels(truth), K)
    assert scores.mpjpe == pytest.approx(0, abs=1e-6)
    assert scores.root == pytest.approx(250)
    assert scores.reprojection > 5


def test_an_error_in_depth_is_told_from_one_across() -> None:
    truth = _still()
    deeper = truth.clone()
    wrist = SCORED[4]
    deeper[:, wrist, 2] += 0.12
    scores = score(deeper, truth, None, K)
    assert scores.mpjpe == pytest.approx(120 / 12)
    assert scores.depth == pytest.approx(120 / 12)
    assert scores.across == pytest.approx(0, abs=1e-6)


def test_a_turned_and_scaled_body_costs_nothing_after_alignment() -> None:
    truth = _still()
    turn = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]], dtype=torch.float64)
    scores = score(truth @ turn.T * 1.3, truth, None, K)
    assert scores.mpjpe > 100
    assert scores.pa_mpjpe == pytest.approx(0, abs=1e-6)


def test_sliding_feet_are_measured_where_the_reference_rests() -> None:
    truth = _still()
    sliding = truth.clone()
    sliding[:, FEET, 0] += torch.arange(10.0)[:, None] * 0.3 / 30
    assert score(sliding, truth, None, K).resting_feet == pytest.approx(0.3)
    truth[:, FEET, 0] += torch.arange(10.0)[:, None] * 1.0 / 30
    assert np.isnan(score(sliding, truth, None, K).resting_feet)


def test_unknown_reference_landmarks_of_the_face_do_not_matter() -> None:
    truth = _still()
    truth[:, 0] = torch.nan
    assert score(_still(), truth, None, K).mpjpe == pytest.approx(0, abs=1e-6)


def test_scored_landmarks_are_six_pairs_and_hips_are_among_them() -> None:
    assert len(set(SCORED)) == 12
    assert set(HIPS) <= set(SCORED)


def test_the_table_has_a_row_for_each_method_and_a_column_for_each_score() -> None:
    lines = table([("ours", Scores(*range(8))), ("theirs", Scores(*range(100, 108)))]).splitlines()
    assert len(lines) == 4
    assert len({line.count("|") for line in lines}) == 1
    assert lines[2].startswith("| ours | 0 | 1 |")


def test_cached_keypoints_come_back_with_nobody_as_none(tmp_path: Path) -> None:
    confidence = np.ones((2, 33), np.float32)
    confidence[1] = 0
    path = tmp_path / "seen.npz"
    np.savez(
        path,
        t=[0.0, 0.5],
        pixels=np.full((2, 33, 2), 7.0),
        confidence=confidence,
        world=np.zeros((2, 33, 3)),
        image_size=[640, 480],
    )
    (t, keypoints), (_, nobody) = read_keypoints(path)
    assert t == 0
    assert keypoints is not None
    assert keypoints.image_size == (640, 480)
    assert nobody is None


def test_the_reference_is_put_into_its_camera(tmp_path: Path) -> None:
    path = tmp_path / "reference.npz"
    np.savez(
        path,
        landmarks_world=np.ones((3, 33, 3), np.float32),
        R_w2c=np.eye(3)[None],
        t_w2c=np.array([[0.0, 0, 2]]),
        K=K.numpy()[None],
        fps=60.0,
    )
    reference = read_reference(path, 0, (1000, 800))
    np.testing.assert_array_equal(reference.landmarks_cam[0, 0], [1, 1, 3])
    np.testing.assert_allclose(reference.t, [0, 1 / 60, 2 / 60])
    assert (reference.intrinsics.fx, reference.intrinsics.cy) == (1000, 400)


@pytest.mark.parametrize("content", [b"", b"not a zip"])
def test_a_file_that_is_no_npz_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.npz"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=r"broken\.npz"):
        read_keypoints(path)
    with pytest.raises(FileFormatError, match=r"broken\.npz"):
        read_reference(path, 0, (1, 1))


def test_a_camera_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "one.npz"
    np.savez(path, landmarks_world=np.ones((1, 33, 3)), R_w2c=np.eye(3)[None], fps=60.0)
    with pytest.raises(FileFormatError, match="camera 3"):
        read_reference(path, 3, (1, 1))

"""Scores: exact on cases that can be worked out by hand."""

from pathlib import Path

import numpy as np
import pytest
import torch

from genmo_rt.camera import Intrinsics
from genmo_rt.errors import FileFormatError, InputError
from genmo_rt.evaluation.real import (
    FEET,
    HEADS,
    HIPS,
    SCORED,
    Footage,
    RealScores,
    mean,
    score,
    score_mediapipe,
)
from genmo_rt.evaluation.recorded import (
    Reference,
    read_keypoints,
    read_reference,
    write_keypoints,
)
from genmo_rt.evaluation.tables import table
from genmo_rt.keypoints import Keypoints

INTRINSICS = Intrinsics(1000, 1000, 500, 400, 1000, 800)
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
    assert scores.coverage == 100
    for name in RealScores.__slots__[:-1]:
        assert getattr(scores, name) == pytest.approx(0, abs=1e-5), name


def test_a_shift_of_the_whole_body_is_a_root_error_only() -> None:
    truth = _still()
    scores = score(truth + torch.tensor([0.0, 0.0, 0.25]), truth, _pixels(truth), K)
    assert scores.mpjpe == pytest.approx(0, abs=1e-6)
    assert scores.root == pytest.approx(250)
    assert scores.path == pytest.approx(0, abs=1e-5)
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
    assert score(sliding, truth, None, K).resting_feet == pytest.approx(30)
    truth[:, FEET, 0] += torch.arange(10.0)[:, None] * 1.0 / 30
    assert np.isnan(score(sliding, truth, None, K).resting_feet)


def test_unknown_reference_landmarks_of_the_face_do_not_matter() -> None:
    truth = _still()
    truth[:, 0] = torch.nan
    assert score(_still(), truth, None, K).mpjpe == pytest.approx(0, abs=1e-6)


def test_scored_landmarks_are_six_pairs_and_hips_are_among_them() -> None:
    assert len(set(SCORED)) == 12
    assert set(HIPS) <= set(SCORED)


def test_a_path_that_bends_wrongly_is_a_path_error() -> None:
    truth = _still(31)
    truth[:, :, 0] += torch.linspace(0, 3, 31)[:, None]
    bent = truth.clone()
    bent[15:, :, 2] += torch.linspace(0, 1.5, 16)[:, None]
    assert score(bent, truth, _pixels(truth), K).path > 100


def test_ticks_without_a_pose_cost_coverage_and_nothing_else() -> None:
    truth = _still()
    held = truth.clone()
    held[3:5] = torch.nan
    scores = score(held, truth, _pixels(truth), K)
    assert scores.coverage == pytest.approx(80)
    assert scores.mpjpe == pytest.approx(0, abs=1e-6)
    assert scores.root == pytest.approx(0, abs=1e-6)


def test_the_table_has_a_row_for_each_method_and_a_column_for_each_score() -> None:
    count = len(HEADS)
    one, other = (RealScores(*range(first, first + count)) for first in (0, 100))
    lines = table([("ours", one), ("mean", mean([one, other]))], HEADS).splitlines()
    assert len(lines) == 4
    assert len({line.count("|") for line in lines}) == 1
    assert lines[0].startswith("| | MPJPE mm | PA-MPJPE mm |")
    assert lines[2].startswith("| ours | 0 | 1 |")
    assert lines[3].startswith("| mean | 50 | 51 |")


def test_mediapipe_is_given_the_true_root_and_missed_ticks_count_against_coverage() -> None:
    """At 60 fps every other frame is used; here the third and fourth ticks have none."""
    truth = _still(12).numpy()
    reference = Reference(np.arange(12) / 60, truth, INTRINSICS)
    world = truth[0] - truth[0][list(HIPS)].mean(0)
    seen = Keypoints(
        _pixels(_still(1))[0].float().numpy(),
        np.ones(33, np.float32),
        world.astype(np.float32),
        (1000, 800),
    )
    frames = [(k / 60, seen) for k in range(12) if k not in (4, 5, 6, 7)]
    footage = Footage.of(frames, reference)
    scores = score_mediapipe(footage)
    assert [tick.index for tick, _ in footage.frames] == [0, 1, 4, 5]
    assert scores.mpjpe == pytest.approx(0, abs=1e-3)
    assert scores.coverage == pytest.approx(100 * 4 / 6)
    assert np.isnan(scores.root)


def test_a_frame_after_the_reference_ends_is_not_compared() -> None:
    reference = Reference(np.arange(3) / 60, _still(3).numpy(), INTRINSICS)
    assert np.isfinite(reference.at(2 / 60)).all()
    assert np.isnan(reference.at(5 / 60)).all()


def _seen(world: bool = True) -> Keypoints:
    random = np.random.default_rng(4)
    pixels, confidence = random.random((33, 2)), random.random(33)
    place = random.random((33, 3)).astype(np.float32) if world else None
    return Keypoints(pixels.astype(np.float32), confidence.astype(np.float32), place, (640, 480))


def test_kept_keypoints_come_back_with_nobody_as_none(tmp_path: Path) -> None:
    path, seen = tmp_path / "seen.npz", _seen()
    write_keypoints(path, [(0.0, seen), (0.5, None)], (640, 480), "a video")
    (t, keypoints), (later, nobody) = read_keypoints(path, "a video")
    assert (t, later) == (0, 0.5)
    assert keypoints is not None
    assert keypoints.image_size == (640, 480)
    for name in ("pixels", "confidence", "world"):
        np.testing.assert_array_equal(getattr(keypoints, name), getattr(seen, name))
    assert nobody is None


def test_keypoints_of_another_video_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "seen.npz"
    write_keypoints(path, [(0.0, _seen())], (640, 480), "a video")
    with pytest.raises(FileFormatError, match="made from a video, not from another"):
        read_keypoints(path, "another")


def test_keypoints_without_mediapipes_3d_are_not_kept(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no 3D landmarks"):
        write_keypoints(tmp_path / "seen.npz", [(0.0, _seen(world=False))], (640, 480), "a video")


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
    with pytest.raises(FileFormatError, match="camera 4"):
        read_reference(path, 3, (1, 1))

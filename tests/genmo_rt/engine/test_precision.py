"""What fewer bits cost on a real recording with the checkpoint that ships, in millimetres."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from genmo_rt.camera import Intrinsics
from genmo_rt.clock import TickClock
from genmo_rt.engine.folding import Precision, live_precision
from genmo_rt.estimate import Estimator
from genmo_rt.evaluation.recorded import read_keypoints

LANDMARKS = Path(__file__).parents[2] / "fixtures" / "landmarks" / "pose2sim_cam02.npz"


def joints_mm(precision: Precision) -> NDArray[np.float64]:
    """(L, 24, 3) in the camera, relative to the pelvis."""
    stream = Estimator.load(precision=precision).stream(Intrinsics.default(1080, 1920))
    clock, joints = TickClock(), []
    for t, keypoints in read_keypoints(LANDMARKS):
        tick = clock.admit(round(t * 1e6))
        pose = None if tick is None else stream.step(tick, keypoints)
        if pose is not None:
            joints.append(pose.joints_cam - pose.joints_cam[:1])
    return 1e3 * np.array(joints, np.float64)


@pytest.fixture(scope="module")
def exact() -> NDArray[np.float64]:
    return joints_mm("float32")


@pytest.mark.parametrize(("precision", "mean", "most"), [("bfloat16", 0.6, 4), ("int8", 2.0, 12)])
def test_fewer_bits_move_joints_by_far_less_than_the_estimate_is_wrong(
    exact: NDArray[np.float64], precision: Precision, mean: float, most: float
) -> None:
    """Of four checkpoints: 0.2–0.3 and 0.5–0.9 mm on average, 0.8–1.6 and 2–6 mm for 99 of 100.

    The estimate is 80 mm off. A single joint went 37 mm, where a limb's depth is a toss-up.
    """
    moved = np.linalg.norm(joints_mm(precision) - exact, axis=-1)
    assert 0 < moved.mean() < mean
    assert np.percentile(moved, 99) < most
    assert moved.mean(-1).max() < most  # no frame is another pose


def test_a_server_runs_8_bit_weights_where_the_cpu_has_fast_products_for_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for vectors, expected in (("AVX512", "int8"), ("AVX2", "int8"), ("DEFAULT", None)):
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda v=vectors: v)
        assert live_precision("cpu") == expected
        assert live_precision("cuda:0") is None

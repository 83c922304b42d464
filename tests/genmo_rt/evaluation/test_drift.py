"""Long streams: frame by frame is the windowed pass, and a drift would be seen."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from genmo_rt.checkpoint import Checkpoint
from genmo_rt.errors import InputError
from genmo_rt.evaluation.chart import Line, draw_lines
from genmo_rt.evaluation.drift import bins, long_streams, score_drift
from genmo_rt.motion import MotionStats
from genmo_rt.smpl import load_body
from tests.genmo_rt.data.tiny_dataset import tiny_dataset
from tests.genmo_rt.tiny_batch import tiny_batch
from tests.genmo_rt.tiny_model import tiny_model

PLAIN = MotionStats(torch.zeros(181), torch.ones(181))


def test_frame_by_frame_is_the_windowed_pass() -> None:
    checkpoint = Checkpoint(tiny_model(torch.float32), PLAIN, "builtin", "")
    frames: list[None] = []
    drift = score_drift(checkpoint, tiny_batch(length=40), load_body(), lambda: frames.append(None))
    assert len(frames) == len(drift.streamed) == 40
    # float32 through random weights: millimetres, of errors of metres
    assert drift.apart < 1
    np.testing.assert_allclose(drift.streamed, drift.windowed, rtol=1e-3)
    assert drift.streamed.min() > 10


def test_long_streams_go_on_after_their_clip_has_ended() -> None:
    dataset = tiny_dataset(frames=60)
    dataset = replace(dataset, held_out=np.arange(4) < 2)
    batch = long_streams(dataset, load_body(), 200, streams=3)
    assert batch.joints_cam.shape == (2, 200, 24, 3)
    step = batch.joints_cam.diff(dim=1).norm(dim=-1)
    assert float(step.max()) < 0.2  # no clip is cut to its start: metres a frame
    torch.testing.assert_close(batch.intrinsics_given, batch.intrinsics_true)


def test_long_streams_need_a_clip_with_wrists() -> None:
    with pytest.raises(InputError, match="no held-out clip"):
        long_streams(tiny_dataset(), load_body(), 100)


def test_bins_are_means_of_equal_parts() -> None:
    assert bins(np.arange(20, dtype=np.float64), 4) == [2, 7, 12, 17]


def test_a_chart_has_a_line_and_a_name_for_each_and_leaves_out_what_is_not_known() -> None:
    x = np.arange(4, dtype=np.float64)
    svg = draw_lines(
        [
            Line("a < b", x, np.array([np.nan, 1, 2, 3]), (1, 2)),
            Line("flat", x, np.full(4, 3.0)),
        ],
        "frame",
        "MPJPE, mm",
    )
    lines = svg.split("<polyline")[1:]
    assert [line.split('"')[1].count(",") for line in lines] == [3, 4]
    assert "a &lt; b" in svg
    assert "nan" not in svg
    assert svg.count("<rect") == 2  # the background and the shaded span

"""Whole clips: every pose knows what follows, and nothing lags or is cut off."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from genmo_rt import whole_clip
from genmo_rt.camera import Intrinsics
from genmo_rt.checkpoint import Checkpoint
from genmo_rt.clock import Tick, TickClock
from genmo_rt.estimate import Estimator
from genmo_rt.evaluation.real import Footage, score_live, score_whole
from genmo_rt.evaluation.recorded import read_keypoints, read_reference
from genmo_rt.keypoints import Keypoints
from genmo_rt.model import Model, ModelConfig
from genmo_rt.motion import MOTION_WIDTH, Motion, MotionStats, mirror
from genmo_rt.recording import whole_poses
from genmo_rt.smpl import load_body
from genmo_rt.whole_clip import stretches, watch
from tests.genmo_rt.walk import INTRINSICS, frames, seen

LANDMARKS = Path(__file__).parents[1] / "fixtures" / "landmarks"


def _checkpoint(centred: bool = False) -> Checkpoint:
    torch.manual_seed(0)
    model = Model(ModelConfig(width=32, layers=2, heads=2, head_dim=16, window=8))
    stats = MotionStats(torch.zeros(MOTION_WIDTH), torch.ones(MOTION_WIDTH))
    return Checkpoint(model.eval().requires_grad_(False), stats, "builtin", "random", centred)


def _walk(fps: float = 30, seconds: float = 2) -> list[tuple[Tick, Keypoints | None]]:
    return [(tick, seen(t)) for tick, t in frames(fps, seconds)]


def _largest_change(before: Motion, after: Motion) -> torch.Tensor:
    """(L,) of any number of a motion."""
    pairs = [(getattr(before, f.name), getattr(after, f.name)) for f in fields(Motion)]
    return torch.stack([(a - b).abs().flatten(1).amax(1) for a, b in pairs]).amax(0)


@pytest.mark.parametrize(("centred", "ahead"), [(True, 2 * 3), (False, 8)])
def test_a_pose_knows_as_far_ahead_as_its_weights_were_trained_to(
    centred: bool, ahead: int
) -> None:
    """Centred: W / 2 − 1 frames a layer. Else the largest delay."""
    told = _walk()
    changed = told.copy()
    at = 30
    changed[at] = (told[at][0], seen(0.2))
    motions = [
        watch(_checkpoint(centred), stretches(one, INTRINSICS)[0], INTRINSICS)[0]
        for one in (told, changed)
    ]
    change = _largest_change(*motions)
    assert (change[: at - ahead] < 1e-5).all()
    assert (change[at - ahead : at] > 1e-5).all()


@pytest.mark.parametrize("centred", [True, False])
def test_a_long_clip_in_pieces_is_the_clip_in_one(
    centred: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = stretches(_walk(seconds=4), INTRINSICS)[0]
    whole, shape = watch(_checkpoint(centred), part, INTRINSICS)
    monkeypatch.setattr(whole_clip, "CHUNK", 11)
    pieces, same_shape = watch(_checkpoint(centred), part, INTRINSICS)
    # float32 in another order, through rotations that random weights leave nearly undefined
    assert (_largest_change(whole, pieces) < 5e-3).all()
    torch.testing.assert_close(shape, same_shape, atol=1e-5, rtol=1e-5)


def test_the_mirrored_video_has_the_mirrored_motion() -> None:
    part = stretches(_walk(), INTRINSICS)[0]
    other = replace(
        part, keypoints=tuple(whole_clip._mirrored(one) for one in part.keypoints if one)
    )
    straight, turned = (watch(_checkpoint(), one, INTRINSICS)[0] for one in (part, other))
    assert (_largest_change(mirror(straight), turned) < 1e-3).all()  # pixels are float32


def test_ticks_without_a_frame_are_told_and_not_posed() -> None:
    part = stretches(_walk(fps=15), INTRINSICS)[0]
    assert len(part.t) == 61
    assert part.framed.sum() == 31
    motion, _ = watch(_checkpoint(), part, INTRINSICS)
    assert len(motion.contacts) == 31


def test_a_cut_begins_another_shot_and_a_long_gap_another_stretch() -> None:
    def elsewhere(keypoints: Keypoints) -> Keypoints:
        return replace(keypoints, pixels=keypoints.pixels + np.float32([700, 0]))

    clock, told = TickClock(), list[tuple[Tick, Keypoints | None]]()
    for t in [*np.arange(20) / 30, *(3 + np.arange(20) / 30), *(3.7 + np.arange(20) / 30)]:
        tick = clock.admit(round(t * 1e6))
        assert tick is not None
        told.append((tick, elsewhere(seen(t)) if t >= 3.7 else seen(t)))
    told.insert(0, (Tick(-1, -1 / 30, 0, True, True), None))
    parts = stretches(told, INTRINSICS)
    assert [part.shot for part in parts] == [0, 0, 1]
    assert [round(float(part.t[0]), 2) for part in parts] == [0, 3, 3.7]
    poses = whole_poses(Estimator(_checkpoint(), load_body()), told, INTRINSICS)
    assert [pose.t for pose in poses] == sorted(pose.t for pose in poses)
    assert len(poses) == sum(len(part.t) for part in parts)


def test_on_real_video_it_is_nearer_and_smoother_than_the_stream() -> None:
    size = (1080, 1920)
    reference = read_reference(LANDMARKS / "pose2sim_reference.npz", 1, size)
    seen_frames = read_keypoints(LANDMARKS / "pose2sim_cam02.npz")
    estimator = Estimator.load()
    footage = Footage.of(seen_frames, reference)
    for camera in (reference.intrinsics, Intrinsics.default(*size)):
        live = score_live(estimator, footage, camera)
        whole = score_whole(estimator, footage, camera)
        assert whole.mpjpe < live.mpjpe
        assert whole.pa_mpjpe < live.pa_mpjpe
        assert whole.jitter < 0.6 * live.jitter
        assert whole.resting_feet < live.resting_feet

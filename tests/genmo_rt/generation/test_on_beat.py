"""Generated dances meet the beats of their music, and what has its own time keeps it."""

from dataclasses import replace

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from genmo_rt.checkpoint import load_checkpoint
from genmo_rt.conditions import Observed
from genmo_rt.generation.on_beat import FASTEST, FURTHEST, SLOWEST, fixed_frames, on_beat, retimed
from genmo_rt.generation.prompt import Told, gather
from genmo_rt.generation.timeline import Timeline
from genmo_rt.generation_metrics import beat_alignment, kinematic_beats
from genmo_rt.model import Texts
from genmo_rt.motion import SLICES
from genmo_rt.music import BEAT

LENGTH = 120
STATS = load_checkpoint().stats


def _ends(length: int = LENGTH) -> NDArray[np.bool_]:
    fixed = np.zeros(length, np.bool_)
    fixed[[0, -1]] = True
    return fixed


def _told(beats: NDArray[np.int64], start: int = 0, end: int = LENGTH) -> Told:
    told = gather(Timeline(LENGTH), [], STATS)
    value = torch.zeros(1, LENGTH, 1, 35)
    mask = torch.zeros(1, LENGTH, 1, dtype=torch.bool)
    value[0, beats, 0, BEAT] = 1
    mask[0, start:end] = True
    return replace(told, conditions=replace(told.conditions, music=Observed(value, mask)))


def test_beats_near_the_musics_are_put_on_them() -> None:
    moved, music = np.array([22, 50, 83]), np.array([20, 55, 80])
    frame, _ = retimed(moved, music, _ends())
    np.testing.assert_allclose(frame[music], moved, atol=1e-9)


def test_beats_that_are_too_far_stay_where_they_are() -> None:
    frame, speed = retimed(np.array([60]), np.array([60 + FURTHEST + 1]), _ends())
    np.testing.assert_allclose(frame, np.arange(LENGTH), atol=1e-9)
    np.testing.assert_allclose(speed, 1, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(
    st.sets(st.integers(1, LENGTH - 2), max_size=8),
    st.sets(st.integers(1, LENGTH - 2), max_size=12),
    st.sets(st.integers(1, LENGTH - 2), max_size=3),
)
def test_time_never_stands_nor_runs_back_and_fixed_frames_keep_theirs(
    moved: set[int], music: set[int], still: set[int]
) -> None:
    fixed = _ends()
    fixed[list(still)] = True
    beats, played = (np.array(sorted(each), np.int64) for each in (moved, music))
    frame, speed = retimed(beats, played, fixed)
    np.testing.assert_allclose(frame[fixed], np.flatnonzero(fixed), atol=1e-9)
    steps = np.diff(frame)
    assert steps.min() > 0.4 * SLOWEST
    assert steps.max() < 1.5 * FASTEST
    assert np.abs(np.diff(speed)).max() < 1.0


def _swaying(period: float) -> tuple[torch.Tensor, NDArray[np.float64]]:
    """A body that goes to and fro, and its vector, whose root's velocity says so."""
    t = np.arange(LENGTH) / 30
    joints = np.zeros((LENGTH, 24, 3))
    joints[..., 0] = np.sin(np.pi * t / period)[:, None]
    vector = torch.zeros(LENGTH, 181, dtype=torch.float64)
    vector[:, SLICES["root_vel"]][:, 0] = torch.from_numpy(
        np.cos(np.pi * t / period) * np.pi / period
    )
    vector[:, SLICES["pose"]] = torch.from_numpy(joints[:, :1, 0])
    return vector, joints


def test_a_dance_comes_nearer_to_the_beats_and_its_velocity_fits() -> None:
    vector, joints = _swaying(0.8)
    beats = np.arange(10, LENGTH, 20)
    told = _told(beats)
    after = on_beat(vector, joints, told)
    shown = np.broadcast_to(after[:, SLICES["pose"]].numpy()[:, :1, None], (LENGTH, 24, 1))
    moved = torch.from_numpy(np.concatenate((shown, 0 * shown, 0 * shown), axis=-1))
    before = beat_alignment(kinematic_beats(torch.from_numpy(joints)), torch.from_numpy(beats))
    assert beat_alignment(kinematic_beats(moved), torch.from_numpy(beats)) > before + 0.2
    velocity = after[:, SLICES["root_vel"]][:, 0].numpy()
    place = after[:, SLICES["pose"]][:, 0].numpy()
    off = velocity - np.gradient(place) * 30  # of up to 4 m/s
    assert np.abs(off[1:-1]).max() < 0.5


def test_nothing_changes_without_music_and_outside_of_it() -> None:
    vector, joints = _swaying(0.8)
    silent = gather(Timeline(LENGTH), [], STATS)
    assert on_beat(vector, joints, silent) is vector
    after = on_beat(vector, joints, _told(np.arange(45, 90, 18), 40, 100))
    torch.testing.assert_close(after[:40], vector[:40])
    torch.testing.assert_close(after[101:], vector[101:])
    assert not torch.allclose(after[45:95], vector[45:95], atol=1e-3)


def test_borders_of_texts_keep_their_time() -> None:
    told = _told(np.arange(5, LENGTH, 15))
    span = torch.tensor([[[0, 30], [30, LENGTH]]])
    tokens, mask = torch.zeros(1, 2, 1, 384), torch.ones(1, 2, 1, dtype=torch.bool)
    told = replace(told, texts=Texts(tokens, mask, span))
    fixed = fixed_frames(told, np.ones(LENGTH, np.bool_))
    assert np.flatnonzero(fixed).tolist() == [0, 30, LENGTH - 1]

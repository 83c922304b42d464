"""Music: beats are where the dance is slow, the band plays on them, features follow the motion."""

import numpy as np
import torch

from genmo_rt.data.beats import joint_speed, kinematic_beats, pulse
from genmo_rt.data.clips import FloatArray
from genmo_rt.data.music import MUSIC_WIDTH, VARIANTS, MusicTable, build_music, draw_music
from genmo_rt.data.synth import SAMPLE_RATE, Audio, draw_style, play

BEAT = 18  # frames; the dance below stands still at every multiple


def _dance(frames: int = 300) -> FloatArray:
    """Two joints that swing to and fro, slowest at every beat, one in four a little late."""
    time = np.arange(frames, dtype=np.float64)
    joints = np.zeros((frames, 2, 3), np.float32)
    joints[:, 0, 0] = 0.3 * np.cos(np.pi * time / BEAT)
    joints[:, 1, 1] = 0.2 * np.cos(np.pi * time / BEAT)
    return joints


def test_a_swinging_body_has_a_beat_at_every_turn() -> None:
    found = kinematic_beats(_dance())
    wanted = np.arange(BEAT, 300 - BEAT, BEAT)
    assert all(np.abs(found - beat).min() <= 1 for beat in wanted)
    assert len(found) <= len(wanted) + 2


def test_speed_is_in_metres_per_second() -> None:
    joints = np.zeros((60, 1, 3), np.float32)
    joints[:, 0, 2] = np.arange(60) * 0.05
    np.testing.assert_allclose(joint_speed(joints)[10:-10], 1.5, rtol=1e-5)


def test_the_pulse_keeps_to_the_beats_and_to_its_period() -> None:
    beats = pulse(_dance())
    inner = beats[2:-2]
    assert (np.abs(inner - BEAT * np.round(inner / BEAT)) <= 1).all()
    assert (np.abs(np.diff(inner) - BEAT) <= 2).all()
    assert beats[0] < 2 * BEAT
    assert beats[-1] > 300 - 2 * BEAT


def test_a_body_that_never_moves_still_gets_a_pulse() -> None:
    beats = pulse(np.zeros((120, 3, 3), np.float32))
    assert len(beats) > 3
    assert (np.diff(beats) > 0).all()


def test_the_band_is_loudest_just_after_its_beats() -> None:
    beats_s = np.arange(0.5, 6, 0.6)
    audio = play(beats_s, 6.5, draw_style(3))
    assert len(audio) == round(6.5 * SAMPLE_RATE)
    assert 0.85 < np.abs(audio).max() <= 0.9

    def power(offset_s: float) -> float:
        starts = ((beats_s + offset_s) * SAMPLE_RATE).astype(int)
        return float(
            np.mean([np.square(audio[at : at + SAMPLE_RATE // 20]).mean() for at in starts])
        )

    assert power(0.0) > 3 * power(-0.1)


def test_the_same_seed_plays_the_same_music_and_another_does_not() -> None:
    beats_s = np.arange(0.5, 4, 0.5)
    first, again, other = (play(beats_s, 4.5, draw_style(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def _loudness(audio: Audio) -> FloatArray:
    """Stands for librosa: each frame's loudness in every place."""
    step = SAMPLE_RATE // 30
    frames = audio[: len(audio) // step * step].reshape(-1, step)
    return np.repeat(np.abs(frames).mean(1)[:, None], MUSIC_WIDTH, axis=1).astype(np.float32)


def test_only_dances_get_music_and_it_says_that_it_is_synthetic() -> None:
    table = build_music([None, _dance(90), _dance(120)], ["walk", "a", "b"], _loudness)
    assert table.first.tolist() == [-1, 0, 90]
    assert table.features.shape == (VARIANTS, 210, MUSIC_WIDTH)
    assert table.provenance[0] == ""
    assert "synthetic" in table.provenance[1]
    assert not np.array_equal(table.features[0], table.features[1])


def test_without_features_nothing_plays() -> None:
    table = build_music([_dance(90)], ["a"], None)
    assert table.first.tolist() == [-1]


def _draw(source: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(L, 35) and (L,) of a table whose row t says t / 100 and beats at every tenth."""
    features = np.zeros((VARIANTS, 100, MUSIC_WIDTH), np.float16)
    features[:, :, :33] = np.arange(100)[:, None] / 100
    features[:, ::10, 34] = 1
    table = MusicTable(features, np.zeros(1, np.int64), ("made in code",))
    drawn = draw_music(
        table,
        np.zeros(1, np.int64),
        source[None],
        torch.tensor([True]),
        torch.Generator().manual_seed(0),
    )
    return drawn.value[0, :, 0], drawn.mask[0, :, 0]


def test_music_follows_the_motions_own_time() -> None:
    source = 5 + 1.4 * torch.arange(60.0)
    value, mask = _draw(source)
    assert mask.all()
    torch.testing.assert_close(value[:, 0], source.round() / 100, atol=1e-3, rtol=0)


def test_a_quicker_playing_skips_no_beat_and_a_slower_one_repeats_none() -> None:
    for speed in (0.7, 1.0, 1.4):
        value, _ = _draw(5 + speed * torch.arange(60.0))
        passed = (5 + speed * 59) // 10
        assert abs(float(value[:, 34].sum()) - passed) <= 1


def test_nothing_plays_where_time_stands_still_or_runs_backwards() -> None:
    source = torch.cat((torch.arange(30.0), torch.full((10,), 29.0), 29 - torch.arange(20.0)))
    value, mask = _draw(source)
    assert mask[:29].all()
    assert not mask[31:].any()
    assert not value[31:].any()

"""Music to features; needs the extra `generate`."""

import sys
from pathlib import Path

import numpy as np
import pytest

from genmo_rt.errors import FileFormatError, GenmoError, InputError
from genmo_rt.music import (
    BEAT,
    CHROMA,
    HOP,
    MUSIC_WIDTH,
    PEAK,
    SAMPLE_RATE,
    music_features,
)

FRAMES = 180
EVERY = 15  # frames between clicks: 120 beats a minute


def _clicks(frames: int = FRAMES, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """A short burst of A at every 15th frame."""
    samples = np.zeros(round(frames * sample_rate / 30), np.float32)
    t = np.arange(sample_rate // 20) / sample_rate
    burst = np.sin(2 * np.pi * 440 * t) * np.exp(-60 * t)
    for frame in range(EVERY, frames - EVERY, EVERY):
        at = round(frame * sample_rate / 30)
        samples[at : at + len(burst)] += burst.astype(np.float32)
    return samples


def test_beats_and_onsets_fall_on_the_frames_of_the_clicks() -> None:
    features = music_features(_clicks())
    assert features.shape == (FRAMES + 1, MUSIC_WIDTH)
    assert features.dtype == np.float32
    clicks = np.arange(EVERY, FRAMES - EVERY, EVERY)
    onsets = np.flatnonzero(features[:, PEAK])
    assert np.abs(onsets[:, None] - clicks).min(0).max() <= 1  # every click has an onset
    beats = np.flatnonzero(features[:, BEAT])
    assert np.abs(beats[:, None] - clicks).min(1).max() <= 2  # no beat is off the clicks


def test_chroma_names_the_tone() -> None:
    t = np.arange(4 * SAMPLE_RATE) / SAMPLE_RATE
    features = music_features(np.sin(2 * np.pi * 440 * t).astype(np.float32))
    assert (features[20:-20, CHROMA].argmax(1) == 9).all()  # A, counted from C


def test_a_later_start_shifts_the_frames() -> None:
    whole = music_features(_clicks())
    later = music_features(_clicks(), start_s=1.0)
    inside = slice(5, 140)  # the tuning of edges differs
    np.testing.assert_allclose(
        later[inside, 1:21], whole[30:][inside, 1:21], atol=0.05
    )  # dB are clipped relative to the loudest of the piece
    assert len(later) == len(whole) - 30


def test_another_sample_rate_tells_the_same(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    stereo = np.stack([_clicks(sample_rate=44100)] * 2, axis=1)
    path = tmp_path / "clicks.wav"
    soundfile.write(path, stereo, 44100)
    from_file, from_samples = music_features(path), music_features(_clicks())
    assert len(from_file) == len(from_samples)
    np.testing.assert_array_equal(from_file[:, PEAK], from_samples[:, PEAK])


def test_silence_has_no_beat() -> None:
    features = music_features(np.zeros(SAMPLE_RATE * 2, np.float32))
    assert np.isfinite(features).all()
    assert not features[:, [PEAK, BEAT]].any()


def test_the_shortest_sound_has_features() -> None:
    assert np.isfinite(music_features(_clicks()[: HOP // 2])).all()


def test_a_corrupt_sound_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    with pytest.raises(FileFormatError, match=r"song\.wav: no such file"):
        music_features(path)
    path.write_bytes(b"RIFF\x00\x00no sound at all" * 9)
    with pytest.raises(FileFormatError, match=r"song\.wav can't be read as sound .*WAV, FLAC"):
        music_features(path)


def test_a_start_behind_the_end_is_refused() -> None:
    with pytest.raises(InputError, match=r"6\.00 s long, to be played from 6 s on"):
        music_features(_clicks(), start_s=6.0)


def test_samples_that_are_not_finite_are_refused() -> None:
    samples = _clicks()
    samples[100] = np.nan
    with pytest.raises(InputError, match="not finite"):
        music_features(samples)


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "librosa", None)
    with pytest.raises(GenmoError, match=r"pip install 'genmo-rt\[generate\]'"):
        music_features(_clicks())

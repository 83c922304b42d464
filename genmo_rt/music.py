"""Music becomes 35 numbers per frame at 30 Hz: the set of AIST++ (Li et al. 2021), by librosa.

| numbers | what |
|---|---|
| 1 | onset envelope: how much the spectrum rises |
| 20 | mel-frequency cepstral coefficients |
| 12 | chroma, energy normalised |
| 1 | 1 where an onset is |
| 1 | 1 where a beat is |

Row t tells of the sound around t / 30 s. Envelope and coefficients are divided by constants, so
that all are about of size one.
"""

from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from genmo_rt.clock import TICK_HZ
from genmo_rt.errors import FileFormatError, GenmoError, InputError

Array = NDArray[np.float32]

HOP = 512  # samples per frame
SAMPLE_RATE = HOP * TICK_HZ
MUSIC_WIDTH = 35
ENVELOPE, MFCC, CHROMA = slice(0, 1), slice(1, 21), slice(21, 33)
PEAK, BEAT = 33, 34
ENVELOPE_SCALE, MFCC_SCALE = 5.0, 100.0
LONGEST_WINDOW = 80 * HOP  # samples: what chroma's lowest octave looks at
EXPECTED = "expected a sound file: WAV, FLAC, Ogg or MP3"
EXTRA = "music needs librosa; install the extra: pip install 'genmo-rt[generate]'"


def music_features(
    source: Path | Array, *, sample_rate: int = SAMPLE_RATE, start_s: float = 0.0
) -> Array:
    """Describes music frame by frame.

    Args:
        source: a sound file, or its samples (N,) or (N, channels).
        sample_rate: of the samples, Hz; a file says its own.
        start_s: seconds into the music that frame 0 lies.
    Returns:
        (L, 35) float32, L = one more than the whole frames in the music after start_s.
    Raises:
        FileFormatError: the file can't be read as sound.
        InputError: nothing is left after start_s, or samples aren't finite.
        GenmoError: the extra `generate` isn't installed.
    """
    librosa = _librosa()
    name = "the music"
    if isinstance(source, Path):
        name = str(source)
        source, sample_rate = _read(source)
    mono = source.mean(axis=1) if source.ndim == 2 else source
    first = round(start_s * sample_rate)
    if start_s < 0 or first >= len(mono):
        raise InputError(
            f"{name} is {len(mono) / sample_rate:.2f} s long, to be played from {start_s:g} s on; "
            "expected a start inside it"
        )
    if not np.isfinite(mono).all():
        raise InputError(f"{name} has samples that are not finite; expected sound")
    sound = mono[first:]
    if sample_rate != SAMPLE_RATE:
        sound = librosa.resample(sound, orig_sr=sample_rate, target_sr=SAMPLE_RATE)
    return _describe(librosa, sound)


def music_frames(path: Path) -> int:
    """How many whole frames a sound file lasts.

    Raises:
        FileFormatError: the file can't be read as sound.
        GenmoError: the extra `generate` isn't installed.
    """
    _librosa()
    samples, sample_rate = _read(path)
    return len(samples) * TICK_HZ // sample_rate


def _describe(librosa: ModuleType, sound: Array) -> Array:
    """(N,) samples at SAMPLE_RATE to (1 + N // HOP, 35); frames are centred on their times."""
    grid = {"sr": SAMPLE_RATE, "hop_length": HOP}
    frames = 1 + len(sound) // HOP
    sound = np.pad(sound, (0, max(0, LONGEST_WINDOW - len(sound))))
    envelope = librosa.onset.onset_strength(y=sound, **grid)
    features = np.zeros((len(envelope), MUSIC_WIDTH), np.float32)
    features[:, ENVELOPE] = envelope[:, None] / ENVELOPE_SCALE
    features[:, MFCC] = librosa.feature.mfcc(y=sound, n_mfcc=20, **grid).T / MFCC_SCALE
    # Without its tuning estimate: that is not defined for silence.
    features[:, CHROMA] = librosa.feature.chroma_cens(y=sound, n_chroma=12, tuning=0.0, **grid).T
    if envelope.any():
        features[librosa.onset.onset_detect(onset_envelope=envelope, **grid), PEAK] = 1
        features[librosa.beat.beat_track(onset_envelope=envelope, **grid)[1], BEAT] = 1
    return features[:frames]


def _read(path: Path) -> tuple[Array, int]:
    """A file's samples, (N, channels), and their rate."""
    import soundfile  # type: ignore[import-untyped]  # comes with librosa

    if not path.is_file():
        raise FileFormatError(f"{path}: no such file; {EXPECTED}")
    try:
        samples, sample_rate = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.SoundFileError as error:
        raise FileFormatError(
            f"{path} can't be read as sound ({error}); {EXPECTED} "
            "(others can be converted: ffmpeg -i SOUND OUT.wav)"
        ) from error
    if len(samples) == 0:
        raise FileFormatError(f"{path} has no sound in it; {EXPECTED}")
    return samples, int(sample_rate)


def _librosa() -> ModuleType:
    try:
        import librosa
    except ImportError as error:
        raise GenmoError(EXTRA) from error
    module: ModuleType = librosa
    return module

"""Plays a little band to given beats: drums, bass and chords, made of numpy alone.

The music is made up, so that it may be shipped with anything; it is synthetic and says so wherever
it is listed.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 22050  # hertz
Audio = NDArray[np.float32]

# Chords as semitones above the key's root; each lasts a bar of four beats.
PROGRESSIONS = (
    ((0, 4, 7), (9, 12, 16), (5, 9, 12), (7, 11, 14)),  # I vi IV V
    ((0, 3, 7), (8, 12, 15), (3, 7, 10), (10, 14, 17)),  # i VI III VII
    ((0, 3, 7), (5, 8, 12), (0, 3, 7), (7, 11, 14)),  # i iv i V
    ((0, 4, 7), (5, 9, 12), (7, 11, 14), (5, 9, 12)),  # I IV V IV
)
# Which drums sound on the four beats of a bar and, softly, on the off-beats between them. Loud ones
# there would hide the beats that the dance was found to have.
PATTERNS = (
    ("k", "s", "k", "s", "...."),
    ("k", "k", "k", "k", "...."),
    ("k", "s", "ks", "s", "hhhh"),
    ("kh", "sh", "kh", "sh", "...."),
)


@dataclass(frozen=True, slots=True)
class Style:
    """What is played.

    Attributes:
        root: MIDI note of the key, 45 is A2.
        progression, pattern: which of PROGRESSIONS and PATTERNS.
        brightness: 0..1, how many harmonics the chords have.
        swing: where the off-beats lie between two beats, 0.5 is the middle.
    """

    root: int
    progression: int
    pattern: int
    brightness: float
    swing: float


def draw_style(seed: int) -> Style:
    """A style; the same seed gives the same one."""
    random = np.random.default_rng(seed)
    return Style(
        root=int(random.integers(40, 52)),
        progression=int(random.integers(len(PROGRESSIONS))),
        pattern=int(random.integers(len(PATTERNS))),
        brightness=float(random.uniform(0.1, 0.9)),
        swing=float(random.choice([0.5, 0.5, 0.6])),
    )


def play(beats_s: NDArray[np.float64], length_s: float, style: Style) -> Audio:
    """Renders the band.

    Args:
        beats_s: times of the beats in order, seconds; every fourth begins a bar.
        length_s: of the result.
        style: of the music.
    Returns:
        (length_s * SAMPLE_RATE,) float32, at most 0.9 in size.
    """
    out = np.zeros(round(length_s * SAMPLE_RATE) + SAMPLE_RATE, np.float32)
    beats_s = np.asarray(beats_s, np.float64)
    gaps = np.diff(beats_s, append=beats_s[-1] + (beats_s[-1] - beats_s[-2]))
    drums = _drums()
    *on_beats, off_beats = PATTERNS[style.pattern]
    for number, (at, gap) in enumerate(zip(beats_s, gaps, strict=True)):
        chord = PROGRESSIONS[style.progression][number // 4 % 4]
        for drum in on_beats[number % 4]:
            _add(out, at, drums[drum] * (1.0 if number % 4 == 0 else 0.85))
        if off_beats[number % 4] != ".":
            _add(out, at + style.swing * gap, 0.15 * drums[off_beats[number % 4]])
        _add(out, at, 0.5 * _note(style.root - 12 + chord[0], 0.8 * gap, 0.3, 6.0))
        if number % 4 == 0 or number % 4 == 2:
            for tone in chord:
                _add(out, at, 0.16 * _note(style.root + 12 + tone, 1.8 * gap, style.brightness, 2))
    out = out[: round(length_s * SAMPLE_RATE)]
    return (0.9 * out / max(float(np.abs(out).max()), 1e-6)).astype(np.float32)


def _add(out: Audio, at_s: float, sound: Audio) -> None:
    start = round(at_s * SAMPLE_RATE)
    if 0 <= start < len(out):
        end = min(start + len(sound), len(out))
        out[start:end] += sound[: end - start]


def _note(midi: float, length_s: float, brightness: float, decay: float) -> Audio:
    """A plucked tone of up to six harmonics."""
    time = np.arange(round(max(length_s, 0.05) * SAMPLE_RATE)) / SAMPLE_RATE
    frequency = 440 * 2 ** ((midi - 69) / 12)
    tone = sum(
        brightness ** (harmonic - 1) * np.sin(2 * np.pi * frequency * harmonic * time)
        for harmonic in range(1, 7)
    )
    attack = np.minimum(time / 0.01, 1)
    release = np.minimum((time[-1] - time) / 0.03, 1)
    return np.asarray(tone * attack * release * np.exp(-decay * time), np.float32)


def _kick() -> Audio:
    time = np.arange(round(0.25 * SAMPLE_RATE)) / SAMPLE_RATE
    sweep = 2 * np.pi * (50 * time + 110 / 30 * (1 - np.exp(-30 * time)))
    return np.asarray(np.sin(sweep) * np.exp(-14 * time), np.float32)


def _snare() -> Audio:
    time = np.arange(round(0.18 * SAMPLE_RATE)) / SAMPLE_RATE
    noise = np.random.default_rng(1).standard_normal(len(time))
    body = np.sin(2 * np.pi * 190 * time) * np.exp(-25 * time)
    return np.asarray(0.35 * noise * np.exp(-22 * time) + 0.5 * body, np.float32)


def _hat() -> Audio:
    time = np.arange(round(0.06 * SAMPLE_RATE)) / SAMPLE_RATE
    noise = np.diff(np.random.default_rng(2).standard_normal(len(time) + 1))
    return np.asarray(0.15 * noise * np.exp(-80 * time), np.float32)


@cache
def _drums() -> dict[str, Audio]:
    return {"k": _kick(), "s": _snare(), "h": _hat()}

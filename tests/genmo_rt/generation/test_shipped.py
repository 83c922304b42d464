"""The weights that ship generate: what is said is what is done, out of the same noise."""

import numpy as np
import pytest

from genmo_rt.formats.clip import Clip
from genmo_rt.generation.generator import Generator
from genmo_rt.generation.timeline import TextInterval, Timeline

FRAMES = 90


@pytest.fixture(scope="module")
def generator() -> Generator:
    return Generator.load()


def _told(generator: Generator, text: str) -> list[Clip]:
    timeline = Timeline(length=FRAMES, texts=(TextInterval(text, 0, FRAMES),))
    return generator.generate(timeline, seed=3, variations=4, steps=20)


def test_who_walks_goes_who_stands_stays_and_who_sits_is_low(generator: Generator) -> None:
    """Three seconds each, out of the same noise, means of four."""
    walks, stands, sits = (
        _told(generator, f"a person {does}")
        for does in ("walks forward", "stands still", "sits down")
    )
    assert _went(walks) > 0.8
    assert _went(stands) < 0.3
    assert _head(sits) < _head(stands) - 0.2


def _went(clips: list[Clip]) -> float:
    """Metres of path along the floor."""
    steps = [np.linalg.norm(np.diff(clip.pelvis[:, [0, 2]], axis=0), axis=1) for clip in clips]
    return float(np.mean([step.sum() for step in steps]))


def _head(clips: list[Clip]) -> float:
    """Metres above the floor, at the lowest."""
    return float(np.mean([clip.joints[:, 15, 1].min() for clip in clips]))

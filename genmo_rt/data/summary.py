"""Says what is in a dataset: each clip with its provenance, and each set in a table."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from genmo_rt.data.clips import FPS
from genmo_rt.data.dataset import Dataset


@dataclass(frozen=True, slots=True)
class SetSummary:
    """One set, or all of them.

    Attributes:
        name: of the set.
        clips, performers: how many.
        hours, held_out_hours, music_hours: of motion, of it held out, of it with music.
        texts: distinct ones that are said of its clips.
        licence: its terms.
    """

    name: str
    clips: int
    performers: int
    hours: float
    held_out_hours: float
    music_hours: float
    texts: int
    licence: str


@dataclass(frozen=True, slots=True)
class ClipSummary:
    """One clip and where it is from.

    Attributes:
        name: SET/NAME.
        seconds: how long it is.
        label: the action, "" if unknown.
        held_out: whether it is never trained on.
        texts: how many may be said of it.
        music: what plays to it, "" for nothing.
        licence: of the motion.
    """

    name: str
    seconds: float
    label: str
    held_out: bool
    texts: int
    music: str
    licence: str


def clip_summaries(dataset: Dataset) -> Iterator[ClipSummary]:
    """Every clip, in the dataset's order."""
    captions = np.diff(dataset.texts.caption_starts)
    for clip, name in enumerate(dataset.names):
        yield ClipSummary(
            name=f"{dataset.sets[clip]}/{name}",
            seconds=float(dataset.lengths[clip]) / FPS,
            label=dataset.labels[clip],
            held_out=bool(dataset.held_out[clip]),
            texts=int(captions[clip]),
            music=dataset.music.provenance[clip],
            licence=dataset.licences[clip],
        )


def set_summaries(dataset: Dataset) -> list[SetSummary]:
    """Every set in the dataset's order, and their sum as the last, named "all"."""
    sets = np.array(dataset.sets)
    named = [(name, np.flatnonzero(sets == name)) for name in dict.fromkeys(dataset.sets)]
    return [
        _summary(dataset, name, clips)
        for name, clips in (*named, ("all", np.arange(len(dataset.names))))
    ]


def _summary(
    dataset: Dataset, name: str, clips: np.ndarray[tuple[int], np.dtype[np.intp]]
) -> SetSummary:
    hours = dataset.lengths[clips] / FPS / 3600
    starts = dataset.texts.caption_starts
    said = {
        int(text)
        for clip in clips
        for text in dataset.texts.caption_text[starts[clip] : starts[clip + 1]]
    }
    return SetSummary(
        name=name,
        clips=len(clips),
        performers=len({dataset.subjects[clip] for clip in clips}),
        hours=float(hours.sum()),
        held_out_hours=float(hours[dataset.held_out[clips]].sum()),
        music_hours=float(hours[dataset.music.first[clips] >= 0].sum()),
        texts=len(said),
        licence=dataset.licences[clips[0]] if name != "all" else "",
    )

"""A timeline says what a generated clip is to hold: texts, videos, music and keyframes over time.

Read from TOML or JSON, or made from a command's flags; in frames at 30 Hz from there on, half
open: an interval holds the frames start, …, end - 1.
"""

import json
import math
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from genmo_rt.clock import TICK_HZ
from genmo_rt.errors import FileFormatError, InputError
from genmo_rt.generation.keyframes import Keyframe, read_keyframe
from genmo_rt.text import check_text

Table: TypeAlias = Mapping[str, Any]

EXPECTED = "expected a timeline in TOML or JSON; docs/generate.md shows one"
MODALITIES = ("text", "video", "music", "keyframe")
SETTINGS = ("seconds", "fps", "blend")
MAX_SECONDS = 3600.0
MAX_TIME = 1e6  # seconds that can still be told as frames


@dataclass(frozen=True, slots=True)
class TextInterval:
    """Frames that show what a text says."""

    text: str
    start: int
    end: int

    def __post_init__(self) -> None:
        check_text(self.text)


@dataclass(frozen=True, slots=True)
class FileInterval:
    """Frames that follow a video, or that are danced to music.

    Attributes:
        file: the video or sound.
        start, end: frames of the timeline.
        from_s: seconds into the file at which the interval begins.
    """

    file: Path
    start: int
    end: int
    from_s: float = 0.0


Interval: TypeAlias = TextInterval | FileInterval


@dataclass(frozen=True, slots=True)
class Timeline:
    """What is asked for. Any mixture; frames that nothing is said of are made up.

    Attributes:
        length: frames.
        texts: they overlap only where `blend` is set.
        videos: of one person each; never overlap.
        music: never overlap.
        keyframes: in the order of their frames.
        blend: frames in two texts follow both.
    """

    length: int
    texts: tuple[TextInterval, ...] = ()
    videos: tuple[FileInterval, ...] = ()
    music: tuple[FileInterval, ...] = ()
    keyframes: tuple[Keyframe, ...] = ()
    blend: bool = False

    def __post_init__(self) -> None:
        """Checks that everything lies inside and nothing is asked twice.

        Raises:
            InputError: an interval ends before it starts, begins before 0, ends behind the clip or
                overlaps another of its kind; a keyframe lies outside or on another.
        """
        if not 1 <= self.length <= MAX_SECONDS * TICK_HZ:
            raise InputError(
                f"the clip is {_s(self.length)} s long; expected more than 0, "
                f"at most {MAX_SECONDS:g} s"
            )
        for kind, intervals in (
            ("text", self.texts),
            ("video", self.videos),
            ("music", self.music),
        ):
            self._check(kind, intervals, may_overlap=kind == "text" and self.blend)
        frames = [keyframe.frame for keyframe in self.keyframes]
        for frame in frames:
            if not 0 <= frame < self.length:
                raise InputError(
                    f"a keyframe is at {_s(frame)} s; expected 0 to "
                    f"{_s(self.length - 1)} s, inside the clip"
                )
        for first, second in pairwise(frames):
            if second <= first:
                raise InputError(
                    f"keyframes are at {_s(first)} s and then at {_s(second)} s; expected "
                    "each at a later frame than the one before"
                )

    def _check(self, kind: str, intervals: Iterable[Interval], *, may_overlap: bool) -> None:
        before: Interval | None = None
        for interval in sorted(intervals, key=lambda one: (one.start, one.end)):
            where = f"a {kind} interval is {_s(interval.start)} to {_s(interval.end)} s"
            if interval.end <= interval.start:
                raise InputError(f"{where}; expected its end after its start")
            if interval.start < 0 or interval.end > self.length:
                raise InputError(f"{where}; expected 0 to {_s(self.length)} s, inside the clip")
            if before is not None and interval.start < before.end and not may_overlap:
                raise InputError(
                    f"{where} and another {_s(before.start)} to {_s(before.end)} s: they overlap; "
                    + (
                        "set blend (--blend) where both texts are meant to hold at once"
                        if kind == "text"
                        else "expected one at a time"
                    )
                )
            before = interval


def read_timeline(path: Path) -> Timeline:
    """Reads a timeline file; names of files in it are relative to its folder.

    Raises:
        FileFormatError: the file can't be read, or isn't TOML or JSON.
        InputError: what it asks for is wrong: an unknown modality or key, another frame rate, and
            what Timeline refuses.
    """
    table = _read(path)
    unknown = sorted(set(table) - set(MODALITIES) - set(SETTINGS))
    if unknown:
        raise InputError(
            f"{path}: unknown modality or setting '{unknown[0]}'; expected "
            f"{', '.join(MODALITIES)}, or {', '.join(SETTINGS)}"
        )
    try:
        return _timeline(table, path.parent)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def read_keyframes(path: Path) -> tuple[Keyframe, ...]:
    """Reads a file with nothing but a timeline's keyframes.

    Raises:
        FileFormatError: as read_timeline.
        InputError: it holds something else, or no keyframe, or a wrong one.
    """
    table = _read(path)
    if set(table) != {"keyframe"}:
        found = ", ".join(sorted(table)) or "nothing"
        raise InputError(f"{path} holds {found}; expected keyframes, a table 'keyframe' each")
    try:
        return _keyframes(table, path.parent)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


_WINDOW = re.compile(r"(?P<text>.*)@(?P<start>[0-9.]+)-(?P<end>[0-9.]*)", re.DOTALL)


def parse_text(flag: str, length: int) -> TextInterval:
    """Reads "a person walks@0-3.5" (seconds); "…@2-" lasts to the end, no @ the whole clip.

    Args:
        flag: what the user wrote.
        length: frames of the clip.
    Raises:
        InputError: the text is empty, or a time isn't a number.
    """
    found = _WINDOW.fullmatch(flag)
    if found is None:
        return TextInterval(flag.strip(), 0, length)
    start, end = _window_s(flag, found)
    last = length if end is None else frames_of(end)
    return TextInterval(found["text"].strip(), frames_of(start), last)


def text_end_s(flag: str) -> float | None:
    """Where the window of a text flag ends, seconds; None if it doesn't say."""
    found = _WINDOW.fullmatch(flag)
    return None if found is None else _window_s(flag, found)[1]


def frames_of(seconds: float) -> int:
    """The nearest frame.

    Raises:
        InputError: no clip is that long.
    """
    if not abs(seconds) <= MAX_TIME:
        raise InputError(f"a time is {seconds:g} s; expected 0 to {MAX_SECONDS:g} s")
    return round(seconds * TICK_HZ)


def _window_s(flag: str, found: re.Match[str]) -> tuple[float, float | None]:
    try:
        return float(found["start"]), float(found["end"]) if found["end"] else None
    except ValueError as error:
        raise InputError(
            f"'{flag}' has a window that can't be read; expected TEXT@START-END in seconds, "
            "for example 'a person walks@0-3.5'"
        ) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise FileFormatError(f"{path}: {error.strerror}; {EXPECTED}") from error
    try:
        text = content.decode()
        table = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except ValueError as error:  # of JSON, TOML and UTF-8 alike
        raise FileFormatError(f"{path} can't be read ({error}); {EXPECTED}") from error
    if not isinstance(table, dict):
        raise FileFormatError(f"{path} holds a {type(table).__name__}; {EXPECTED}")
    return table


def _timeline(table: Table, folder: Path) -> Timeline:
    fps = table.get("fps", TICK_HZ)
    if fps != TICK_HZ:
        raise InputError(
            f"fps is {fps!r}; expected {TICK_HZ}: the model runs at that rate, times are in seconds"
        )
    length = _length(table)
    return Timeline(
        length=length,
        texts=tuple(_text(entry, length) for entry in _entries(table, "text")),
        videos=tuple(_file(entry, "video", length, folder) for entry in _entries(table, "video")),
        music=tuple(_file(entry, "music", length, folder) for entry in _entries(table, "music")),
        keyframes=_keyframes(table, folder),
        blend=_flag(table, "blend"),
    )


def _length(table: Table) -> int:
    """As said, or to the end of what is said last."""
    if "seconds" in table:
        return frames_of(_number(table, "seconds", "the timeline"))
    ends = [0.0]
    for kind in ("text", "video", "music"):
        for entry in _entries(table, kind):
            if "end" not in entry:
                raise InputError(f"a {kind} interval has no end, and the timeline no 'seconds'")
            ends.append(_number(entry, "end", f"a {kind} interval"))
    for entry in _entries(table, "keyframe"):
        ends.append(_number(entry, "at", "a keyframe") + 1 / TICK_HZ)
    return frames_of(max(ends))


def _text(entry: Table, length: int) -> TextInterval:
    _known(entry, "text", {"text", "start", "end"})
    text = entry.get("text")
    if not isinstance(text, str):
        raise InputError(f"a text interval has text = {text!r}; expected words")
    start, end = _span(entry, "text", length)
    return TextInterval(text.strip(), start, end)


def _file(entry: Table, kind: str, length: int, folder: Path) -> FileInterval:
    _known(entry, kind, {"file", "start", "end", "from"})
    file = entry.get("file")
    if not isinstance(file, str):
        raise InputError(f"a {kind} interval has file = {file!r}; expected the name of a file")
    start, end = _span(entry, kind, length)
    from_s = _number(entry, "from", f"a {kind} interval", 0.0)
    if from_s < 0:
        raise InputError(f"a {kind} interval has from = {from_s:g}; expected 0 or more seconds")
    return FileInterval(folder / file, start, end, from_s)


def _keyframes(table: Table, folder: Path) -> tuple[Keyframe, ...]:
    keyframes = [
        read_keyframe(entry, frames_of(_number(entry, "at", "a keyframe")), folder)
        for entry in _entries(table, "keyframe")
    ]
    return tuple(sorted(keyframes, key=lambda keyframe: keyframe.frame))


def _span(entry: Table, kind: str, length: int) -> tuple[int, int]:
    """Frames of an interval; the whole clip where it doesn't say."""
    where = f"a {kind} interval"
    start = frames_of(_number(entry, "start", where, 0.0))
    return start, frames_of(_number(entry, "end", where, length / TICK_HZ))


def _entries(table: Table, kind: str) -> list[Table]:
    entries = table.get(kind, [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise InputError(f"'{kind}' is no list of tables; expected [[{kind}]] for each")
    return entries


def _known(entry: Table, kind: str, keys: set[str]) -> None:
    unknown = sorted(set(entry) - keys)
    if unknown:
        expected = ", ".join(sorted(keys))
        raise InputError(f"a {kind} interval has a key '{unknown[0]}'; expected {expected}")


def _number(entry: Table, key: str, where: str, default: float | None = None) -> float:
    value = entry.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InputError(f"{where} has {key} = {value!r}; expected seconds")
    return float(value)


def _flag(table: Table, key: str) -> bool:
    value = table.get(key, False)
    if not isinstance(value, bool):
        raise InputError(f"{key} is {value!r}; expected true or false")
    return value


def _s(frames: int) -> str:
    """Frames as seconds, for people."""
    return f"{np.round(frames / TICK_HZ, 2):g}"

"""What is known of a take without reading it: a small file beside the recording."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from genmo_stream.errors import TakeError

INFO_NAME = "info.json"
MAX_NAME = 100  # characters


@dataclass(frozen=True, slots=True)
class TakeInfo:
    """What a list of takes says of one.

    Attributes:
        id: names it in URLs; made here, safe as a file name.
        name: for people, may be anything.
        stream: where it was recorded.
        started_us: Unix microseconds.
        recording: whether it is still growing.
        ended: why it ended, in words; "cut short" when the server died meanwhile.
        seconds: how long it is.
        frames: used frames in it.
        bytes: of its file.
        persons: ids with poses, oldest first.
    """

    id: str
    name: str
    stream: str
    started_us: int
    recording: bool
    ended: str | None
    seconds: float
    frames: int
    bytes: int
    persons: tuple[int, ...]


def read_info(folder: Path) -> TakeInfo | None:
    """What the file says; None where it is missing or can't be read."""
    try:
        fields = json.loads((folder / INFO_NAME).read_text(encoding="utf-8"))
        return TakeInfo(**{**fields, "persons": tuple(fields["persons"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def write_info(folder: Path, info: TakeInfo) -> None:
    """Replaces the file in one step: a crash leaves the old one or the new one."""
    path = folder / INFO_NAME
    new = path.with_suffix(".new")
    new.write_text(json.dumps(asdict(info), indent=1), encoding="utf-8")
    os.replace(new, path)


def checked_name(name: Any) -> str:
    """A take's name as people may write it.

    Raises:
        TakeError: it isn't text, is empty or too long, or has control characters.
    """
    if not isinstance(name, str) or not 1 <= len(name.strip()) <= MAX_NAME:
        raise TakeError(f"name is {str(name)[:120]!r}; expected 1 to {MAX_NAME} characters")
    if not name.isprintable():
        raise TakeError(f"name is {name!r}; expected no control characters")
    return name.strip()

"""Says in many words what a clip shows: a set's own description becomes paraphrases and an action.

The paraphrases are ours, in `texts.toml`. Some of them are held out: no training batch ever has
them, so that evaluation can ask for actions in words that the model has not met.
"""

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from genmo_rt.errors import FileFormatError

TABLE = Path(__file__).with_name("texts.toml")
_SWAPPED = {"left": "right", "right": "left", "Left": "Right", "Right": "Left"}


@dataclass(frozen=True, slots=True)
class Wording:
    """How a description may be put.

    Attributes:
        label: the action, one word: what a classifier of motions should answer.
        train: paraphrases to train on, without the description itself.
        held_out: paraphrases that are never trained on.
    """

    label: str
    train: tuple[str, ...]
    held_out: tuple[str, ...]


def wording_of(description: str) -> Wording:
    """Our paraphrases of a description; none, and no label, where the table lacks it."""
    return _wordings().get(description, Wording("", (), ()))


def clean_description(description: str) -> str:
    """The index's own words as a sentence would have them: no dashes or slashes, lower case."""
    return re.sub(r"\s+", " ", re.sub(r"\s+-\s+|/", ", ", description)).strip().lower()


def mirrored(text: str) -> str:
    """The text of the mirrored motion: left and right change places."""
    return re.sub(r"\b(left|right|Left|Right)\b", lambda found: _SWAPPED[found[0]], text)


def read_wordings(path: Path) -> dict[str, Wording]:
    """Reads the table: description to wording; the blocks a description is in are joined.

    Raises:
        FileFormatError: a block lacks a field, two blocks disagree on a label, or a text is both
            trained on and held out.
    """
    with path.open("rb") as file:
        blocks = tomllib.load(file).get("block", [])
    found: dict[str, Wording] = {}
    for block in blocks:
        missing = {"label", "of", "train", "held_out"} - block.keys()
        if missing:
            raise FileFormatError(f"{path}: a block lacks {', '.join(sorted(missing))}")
        for description in block["of"]:
            before = found.get(description, Wording(block["label"], (), ()))
            if before.label != block["label"]:
                raise FileFormatError(
                    f"{path}: {description!r} is both {before.label!r} and {block['label']!r}; "
                    "expected one label"
                )
            found[description] = Wording(
                before.label,
                before.train + tuple(block["train"]),
                before.held_out + tuple(block["held_out"]),
            )
    trained = {text for wording in found.values() for text in wording.train}
    both = {text for wording in found.values() for text in wording.held_out} & trained
    if both:
        raise FileFormatError(f"{path}: both trained on and held out: {', '.join(sorted(both))}")
    return found


@cache
def _wordings() -> dict[str, Wording]:
    return read_wordings(TABLE)

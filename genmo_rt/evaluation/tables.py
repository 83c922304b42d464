"""Scores as Markdown."""

import math
from collections.abc import Sequence
from dataclasses import astuple, fields
from typing import Any


def table(rows: Sequence[tuple[str, Any]], heads: Sequence[str] | None = None) -> str:
    """A row for each name and dataclass of floats; all dataclasses are of one type.

    Args:
        heads: what the columns are called; the names of the fields if None.
    """
    names = heads or [field.name for field in fields(rows[0][1])]
    return grid(names, [(name, astuple(scores)) for name, scores in rows])


def grid(heads: Sequence[str], rows: Sequence[tuple[str, Sequence[float]]]) -> str:
    """A row for each name and its numbers."""
    lines = [f"| | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    lines += [f"| {name} | {' | '.join(map(number, values))} |" for name, values in rows]
    return "\n".join(lines)


def number(value: float) -> str:
    """Three digits that count; a dash for what isn't known."""
    if math.isnan(value):
        return "–"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"

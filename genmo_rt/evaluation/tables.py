"""Scores as Markdown."""

from collections.abc import Sequence
from dataclasses import astuple, fields
from typing import Any


def table(rows: Sequence[tuple[str, Any]]) -> str:
    """A row for each name and dataclass of floats; all dataclasses are of one type."""
    names = [field.name for field in fields(rows[0][1])]
    lines = [f"| | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for name, scores in rows:
        lines.append(f"| {name} | {' | '.join(number(value) for value in astuple(scores))} |")
    return "\n".join(lines)


def number(value: float) -> str:
    """Three digits that count."""
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"

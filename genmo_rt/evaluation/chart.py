"""Draws lines over frames as an SVG, for figures in documents."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 720, 320  # pixels
LEFT, RIGHT, TOP, BOTTOM = 60, 20, 38, 46  # margins; the legend stands above the lines
LETTER = 6.5  # pixels, about
COLOURS = ("#334155", "#c2410c", "#1d4ed8", "#15803d")
SPAN_COLOURS = ("#fed7aa", "#bfdbfe")
TICKS = 5


@dataclass(frozen=True, slots=True)
class Line:
    """One line.

    Attributes:
        name: for the legend.
        x, y: (N,); a nan in y is left out.
        span: the stretch of x that is shaded for it.
    """

    name: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    span: tuple[float, float] | None = None


def draw_lines(lines: Sequence[Line], x_label: str, y_label: str) -> str:
    """An SVG with y from 0."""
    first, last = (f(float(f(line.x)) for line in lines) for f in (min, max))
    top = _round_up(max(float(np.nanmax(line.y)) for line in lines))

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - first) / max(last - first, 1e-9)
        return (
            LEFT + across * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - y / top * (HEIGHT - TOP - BOTTOM),
        )

    parts = []
    spans = [line.span for line in lines if line.span is not None]
    # The longest lies lowest.
    for (start, end), colour in zip(
        sorted(spans, key=lambda s: s[0] - s[1]), SPAN_COLOURS, strict=False
    ):
        (x0, y0), (x1, y1) = place(start, top), place(end, 0)
        parts.append(
            f'<rect x="{x0:.1f}" y="{y0:.1f}" width="{x1 - x0:.1f}" height="{y1 - y0:.1f}" '
            f'fill="{colour}" fill-opacity="0.6"/>'
        )
    for y in np.linspace(0, top, TICKS + 1):
        _, py = place(first, y)
        parts.append(f'<path d="M{LEFT} {py:.1f}H{WIDTH - RIGHT}" stroke="#e2e8f0"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{py + 4:.1f}" text-anchor="end">{y:g}</text>')
    step = _round_up((last - first) / TICKS)
    for x in np.arange(np.ceil(first / step) * step, last + 1e-9, step):
        px, _ = place(x, 0)
        parts.append(
            f'<text x="{px:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{x:g}</text>'
        )
    legend_x = float(LEFT)
    for number, line in enumerate(lines):
        colour = COLOURS[number % len(COLOURS)]
        known = np.isfinite(line.y)
        points = " ".join(
            f"{px:.1f},{py:.1f}"
            for px, py in (place(x, y) for x, y in zip(line.x[known], line.y[known], strict=True))
        )
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
            f'<text x="{legend_x:.0f}" y="{TOP - 16}" fill="{colour}">{escape(line.name)}</text>'
        )
        legend_x += LETTER * len(line.name) + 24
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(
        f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x_label)}</text>'
        f'<text transform="translate(14 {HEIGHT / 2}) rotate(-90)" text-anchor="middle">'
        f"{escape(y_label)}</text>"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12" fill="#0f172a">'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#f8fafc"/>{"".join(parts)}</svg>\n'
    )


def _round_up(value: float) -> float:
    """To a number whose fifths are round."""
    size = 10.0 ** np.floor(np.log10(max(value, 1e-9)))
    return float(next(s * size for s in (1, 1.5, 2, 2.5, 3, 4, 5, 7.5, 10) if s * size >= value))

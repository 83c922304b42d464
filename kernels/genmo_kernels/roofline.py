"""The roofline picture: what each op reached under what memory and arithmetic allow, as SVG."""

import math
from collections.abc import Sequence
from xml.sax.saxutils import escape

from genmo_kernels.results import Ceilings, Work

WIDTH, HEIGHT = 760, 460  # of the picture
LEFT, RIGHT, TOP, BOTTOM = 92, 230, 54, 56  # margins; names stand in the right one
COLOURS = ("#1b6ca8", "#c8553d", "#3a7d44", "#8e5aa8", "#b8860b", "#d1495b", "#2a9d8f", "#555555")


def svg(work: Sequence[Work], ceilings: Ceilings, title: str) -> str:
    """A picture with logarithmic axes: operations per byte, operations per second.

    Args:
        work: what was run; at least one.
        ceilings: of the machine, measured in the same run.
        title: what and where.
    """
    axes = _Axes.around(work, ceilings)
    ridge = ceilings.flops / ceilings.bandwidth
    roof = [
        axes.place(axes.x[0], ceilings.bandwidth * axes.x[0]),
        axes.place(ridge, ceilings.flops),
        axes.place(axes.x[1], ceilings.flops),
    ]
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        _text(LEFT, 24, title, size=15),
        _text(
            LEFT,
            42,
            f"copy {ceilings.bandwidth / 1e3:.0f} GB/s, "
            f"product in {ceilings.what} {_rate(ceilings.flops)}",
            colour="#555",
        ),
        *axes.grid(),
        '<polyline id="roof" fill="none" stroke="black" stroke-width="2" points="'
        + " ".join(f"{x:.1f},{y:.1f}" for x, y in roof)
        + '"/>',
    ]
    for number, run in enumerate(work):
        x, y = axes.place(run.intensity, run.rate)
        colour = COLOURS[number % len(COLOURS)]
        row = TOP + 14 + 30 * number
        lines += [
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{colour}"/>',
            f'<circle cx="{WIDTH - RIGHT + 18}" cy="{row - 4}" r="5" fill="{colour}"/>',
            _text(WIDTH - RIGHT + 30, row, run.name),
            _text(
                WIDTH - RIGHT + 30,
                row + 13,
                f"{run.share(ceilings):.0%} of its ceiling, {run.microseconds:.3g} µs",
                colour="#555",
                size=11,
            ),
        ]
    return "\n".join((*lines, "</svg>")) + "\n"


class _Axes:
    """Logarithmic axes that hold all that is to be shown."""

    def __init__(self, x: tuple[float, float], y: tuple[float, float]) -> None:
        self.x, self.y = x, y

    @classmethod
    def around(cls, work: Sequence[Work], ceilings: Ceilings) -> "_Axes":
        ridge = ceilings.flops / ceilings.bandwidth
        xs = [run.intensity for run in work] + [ridge]
        ys = [run.rate for run in work] + [ceilings.flops]
        return cls((_decade(min(xs), -1), _decade(max(xs), 1)), (_decade(min(ys), -1), max(ys) * 2))

    def place(self, intensity: float, rate: float) -> tuple[float, float]:
        """Where in the picture; what lies below the lower axis is put on it."""
        across = _share(max(intensity, self.x[0]), *self.x)
        up = _share(max(rate, self.y[0]), *self.y)
        wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
        return LEFT + across * wide, HEIGHT - BOTTOM - up * high

    def grid(self) -> list[str]:
        """Lines and numbers at every power of ten."""
        low, high = HEIGHT - BOTTOM, TOP
        left, right = LEFT, WIDTH - RIGHT
        lines = []
        for value in _powers(*self.x):
            x, _ = self.place(value, self.y[0])
            lines += [_line(x, low, x, high), _text(x, low + 18, f"{value:g}", anchor="middle")]
        for value in _powers(*self.y):
            _, y = self.place(self.x[0], value)
            lines += [_line(left, y, right, y), _text(left - 6, y + 4, _rate(value), anchor="end")]
        middle = (left + right) / 2
        return [*lines, _text(middle, HEIGHT - 14, "operations per byte", anchor="middle")]


def _share(value: float, low: float, high: float) -> float:
    return math.log(value / low) / math.log(high / low)


def _decade(value: float, direction: int) -> float:
    """The next power of ten below or above."""
    power = math.log10(value)
    exponent = math.floor(power) if direction < 0 else math.ceil(power)
    return float(10.0**exponent)


def _powers(low: float, high: float) -> list[float]:
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    return [float(10.0**exponent) for exponent in range(first, last + 1)]


def _rate(per_microsecond: float) -> str:
    """Operations per second with a unit."""
    per_second = per_microsecond * 1e6
    for unit, size in (("TFLOP/s", 1e12), ("GFLOP/s", 1e9), ("MFLOP/s", 1e6)):
        if per_second >= size:
            return f"{per_second / size:.3g} {unit}"
    return f"{per_second:.3g} FLOP/s"


def _line(x: float, y: float, x_end: float, y_end: float) -> str:
    return f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{x_end:.1f}" y2="{y_end:.1f}" stroke="#ddd"/>'


def _text(
    x: float, y: float, text: str, *, anchor: str = "start", size: int = 12, colour: str = "black"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" '
        f'fill="{colour}">{escape(text)}</text>'
    )

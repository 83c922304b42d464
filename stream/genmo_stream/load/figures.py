"""A load's figures as a Markdown table, and as a picture of latency against load."""

from collections.abc import Sequence

import numpy as np

from genmo_rt.errors import InputError
from genmo_rt.evaluation.chart import Line, draw_lines
from genmo_stream.load.bench import LoadPoint
from genmo_stream.load.watcher import Seen

COLUMNS = (
    "streams",
    "persons",
    "accepted",
    "refused",
    "poses/s each",
    "p50 ms",
    "p95 ms",
    "worst stream's p95",
    "tracked",
    "dropped",
    "rung",
    "ids",
    "server CPU",
    "generator CPU",
)
HEAD = f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|"


def row(point: LoadPoint) -> str:
    """One row under HEAD.

    poses/s is a stream's mean; tracked is the share of the persons of all poses; dropped sums
    over all streams; ids is how many a stream's viewer saw, fewest to most; CPU is cores.
    """
    phase = point.phase
    streams = phase.streams
    poses = [len(seen.latency_ms) for seen in streams]
    p50, p95 = percentiles(streams)
    worst = max((np.percentile(s.latency_ms, 95) for s in streams if s.latency_ms), default=np.nan)
    expected = point.persons * sum(poses)
    ids = sorted({len(seen.ids) for seen in streams})
    cells = (
        phase.offered,
        point.persons,
        phase.accepted,
        phase.refusals,
        f"{np.mean(poses) / phase.seconds:.1f}" if poses else "",
        f"{p50:.0f}",
        f"{p95:.0f}",
        f"{worst:.0f}",
        f"{sum(seen.tracked for seen in streams) / expected:.0%}" if expected else "",
        sum(seen.dropped for seen in streams),
        "/".join(sorted(frozenset().union(*(seen.rungs for seen in streams)))),
        "–".join(map(str, (ids[0], ids[-1]) if len(ids) > 1 else ids)),
        f"{phase.server_cpu_s / phase.seconds:.2f}",
        f"{phase.generator_cpu_s / phase.seconds:.2f}",
    )
    return f"| {' | '.join(map(str, cells))} |"


def percentiles(streams: Sequence[Seen]) -> tuple[float, float]:
    """Median and 95th percentile of capture to publish over all poses, ms; nan without any."""
    every = np.concatenate([np.array(seen.latency_ms) for seen in streams] or [np.empty(0)])
    if not every.size:
        return float("nan"), float("nan")
    p50, p95 = np.percentile(every, (50, 95))
    return float(p50), float(p95)


def excess(before: LoadPoint, after: LoadPoint) -> str:
    """What offering more than there is room for did to those who were there before."""
    first = before.phase.accepted
    refused = after.phase.offered - after.phase.accepted
    retry = ", ".join(sorted(after.phase.retry_after)) or "nothing"
    _, p95_before = percentiles(before.phase.streams)
    _, p95_after = percentiles(after.phase.streams[:first])
    return (
        f"{after.phase.offered - before.phase.offered} more offered: {refused} refused "
        f"({after.phase.refusals} answers of 503, Retry-After {retry}); p95 of the {first} that "
        f"were there: {p95_before:.0f} ms before, {p95_after:.0f} ms with the excess"
    )


def picture(points: Sequence[LoadPoint]) -> str:
    """p50 and p95 of capture to publish against the number of streams, as an SVG.

    Raises:
        InputError: there are fewer than two loads with poses to draw a line through.
    """
    lines = []
    several = len({point.persons for point in points}) > 1
    for persons in sorted({point.persons for point in points}):
        own = [p for p in points if p.persons == persons and p.phase.streams]
        own.sort(key=lambda point: point.phase.offered)
        of = f", {persons} person{'s'[: persons > 1]}" if several else ""
        x = np.array([float(point.phase.offered) for point in own])
        both = np.array([percentiles(point.phase.streams) for point in own]).reshape(-1, 2)
        lines += [Line(f"p95{of}", x, both[:, 1])]
        lines += [] if several else [Line("p50", x, both[:, 0])]
    if len({x for line in lines for x in line.x}) < 2:
        raise InputError("a picture needs two loads or more with poses; give --streams 1..4, say")
    return draw_lines(lines, "streams", "capture to publish, ms")

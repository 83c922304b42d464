"""The part of `genmo-rt evaluate` that runs whole streams: hidden limbs, and very long ones."""

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress

from genmo_rt.errors import InputError

if TYPE_CHECKING:
    from genmo_rt.checkpoint import Checkpoint
    from genmo_rt.data.dataset import Dataset
    from genmo_rt.estimate import Estimator
    from genmo_rt.evaluation.drift import Drift
    from genmo_rt.evaluation.occlusion import Occlusions

CLIPS = 16  # whose limbs are hidden
STREAMS = 4  # long ones
OCCLUSION_HEADS = (
    "before mm",
    "during mm",
    "after mm",
    "hidden joints mm",
    "the same, unhidden mm",
    "jump mm",
)


def evaluate_streams(
    checkpoint: "Checkpoint", path: Path, dataset: "Dataset", frames: int, out: Path | None
) -> None:
    """Prints the tables, and draws the figures where there is a folder for them.

    Args:
        path: of the checkpoint.
        frames: of the long streams.
        out: made if it isn't there.
    """
    from genmo_rt.estimate import Estimator

    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    try:
        hidden = _occlusion(Estimator.load(path), dataset)
    except InputError as error:
        print(f"Hidden limbs were not scored: {error}\n")
    else:
        _print_occlusion(hidden, out)
    _print_drift(_drift(checkpoint, dataset, frames), frames, out)


def _occlusion(estimator: "Estimator", dataset: "Dataset") -> "Occlusions":
    from genmo_rt.data.loader import LoaderConfig, heldout
    from genmo_rt.evaluation.occlusion import OCCLUDERS, score_occlusion
    from genmo_rt.training.run import HELD_OUT_FRAMES

    config = LoaderConfig(batch_size=8, length=HELD_OUT_FRAMES)
    batches = heldout(dataset, config, body=estimator.body)
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("hiding limbs", total=CLIPS * (1 + len(OCCLUDERS)))
        return score_occlusion(estimator, batches, CLIPS, each=lambda: bar.advance(task))


def _print_occlusion(hidden: "Occlusions", out: Path | None) -> None:
    import numpy as np

    from genmo_rt.evaluation.chart import Line, draw_lines
    from genmo_rt.evaluation.occlusion import FIRST, OCCLUDERS
    from genmo_rt.evaluation.tables import table

    rows = list(hidden.scores.items())
    print(f"Hidden limbs, published poses of {CLIPS} held-out clips\n")
    print(table(rows, OCCLUSION_HEADS) + "\n", flush=True)
    if out is not None:
        spans = {o.name: (float(FIRST), float(FIRST + o.frames)) for o in OCCLUDERS}
        lines = [
            Line(name, np.arange(len(error), dtype=np.float64), error, spans.get(name))
            for name, error in hidden.errors.items()
        ]
        (out / "occlusion.svg").write_text(draw_lines(lines, "frame", "MPJPE, mm"))


def _drift(checkpoint: "Checkpoint", dataset: "Dataset", frames: int) -> "Drift":
    from genmo_rt.evaluation.drift import long_streams, score_drift
    from genmo_rt.smpl import load_body

    body = load_body()
    batch = long_streams(dataset, body, frames, STREAMS)
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("streaming", total=frames)
        return score_drift(checkpoint, batch, body, lambda: bar.advance(task))


def _print_drift(drift: "Drift", frames: int, out: Path | None) -> None:
    import numpy as np

    from genmo_rt.evaluation.chart import Line, draw_lines
    from genmo_rt.evaluation.drift import bins
    from genmo_rt.evaluation.tables import grid

    ways = (("true streaming", drift.streamed), ("one windowed pass", drift.windowed))
    ends = [len(part) for part in np.array_split(drift.streamed, 10)]
    heads = [f"to {end}" for end in np.cumsum(ends)]
    rows = [(name, bins(errors)) for name, errors in ways]
    print(f"MPJPE, mm, by frame of streams of {frames} frames, mean of {STREAMS}\n")
    print(grid(heads, rows))
    print(f"\nNo joint is over {drift.apart:.3g} mm apart in the two.\n", flush=True)
    if out is not None:
        middles = np.cumsum(ends) - np.array(ends) / 2
        lines = [Line(name, middles, np.array(bins(errors))) for name, errors in ways]
        (out / "drift.svg").write_text(draw_lines(lines, "frame", "MPJPE, mm"))

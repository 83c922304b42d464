"""The part of `genmo-rt evaluate` that compares published poses with the model's own output."""

from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress

from genmo_rt.errors import InputError

if TYPE_CHECKING:
    from genmo_rt.data.dataset import Dataset
    from genmo_rt.data.loader import LoaderConfig
    from genmo_rt.estimate import Estimator
    from genmo_rt.evaluation.estimation import EstimationScores
    from genmo_rt.evaluation.published import Way

HEADS = (
    "MPJPE mm",
    "PA-MPJPE mm",
    "PVE mm",
    "acceleration m/s²",
    "jitter m/s³",
    "feet at rest m/s",
    "W-MPJPE100 mm",
    "WA-MPJPE100 mm",
    "RTE %",
)


def evaluate_published(estimator: "Estimator", dataset: "Dataset", clips: int) -> None:
    """Prints a table of ordinary views and one of hard ones.

    Args:
        clips: how many held-out clips each row is the mean of.
    """
    from genmo_rt.data.cameras import CameraConfig
    from genmo_rt.data.loader import LoaderConfig
    from genmo_rt.data.observe import NoiseConfig
    from genmo_rt.evaluation.published import Way
    from genmo_rt.model import MAX_DELAY
    from genmo_rt.training.run import HELD_OUT_FRAMES

    every_frame = NoiseConfig(gap=0, half_rate=0, three_quarter_rate=0, drops=0)
    ordinary = LoaderConfig(
        batch_size=8,
        length=HELD_OUT_FRAMES,
        told_intrinsics=1.0,
        camera=CameraConfig(close=0),
        noise=every_frame,
    )
    hard = LoaderConfig(batch_size=8, length=HELD_OUT_FRAMES, told_intrinsics=1.0)
    delays = [Way(f"published, R={delay}", delay) for delay in range(MAX_DELAY + 1)]
    whole = Way("published, whole clip", None)
    guessed = Way("published, R=0, guessed f", 0, true_camera=False)
    told = Way("published, R=0, height told", 0, true_height=True)
    _print(
        "The whole person in view, every frame arrives, measured 2D noise",
        ordinary,
        [*delays, guessed, told, whole],
        estimator,
        dataset,
        clips,
    )
    _print(
        "As in training: a quarter cut off by the picture, lost and missing frames",
        hard,
        [delays[0], whole],
        estimator,
        dataset,
        clips,
    )


def _print(
    title: str,
    config: "LoaderConfig",
    ways: "list[Way]",
    estimator: "Estimator",
    dataset: "Dataset",
    clips: int,
) -> None:
    from genmo_rt.data.loader import heldout
    from genmo_rt.evaluation.estimation import choose, score_estimation
    from genmo_rt.evaluation.published import score_published
    from genmo_rt.evaluation.tables import table

    batches = heldout(dataset, config, body=estimator.body)
    count = len(choose(batches, clips))
    rows: list[tuple[str, EstimationScores]] = []
    try:
        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("posing", total=count * len(ways))
            own = score_estimation(estimator.checkpoint, estimator.body, batches, clips=clips)
            rows.append(("model's own, R=0", own))
            for way in ways:
                scores = score_published(
                    estimator, batches, way, clips, each=lambda: bar.advance(task)
                )
                rows.append((way.name, scores))
    except InputError as error:
        print(f"Published poses were not scored: {error}\n")
        return
    print(f"Published poses of {count} held-out clips. {title}; true f unless said\n")
    print(table(rows, HEADS) + "\n", flush=True)

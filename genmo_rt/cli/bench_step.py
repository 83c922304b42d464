"""`genmo-rt bench step`: a streaming step against recomputing its window."""

import argparse

from genmo_rt.arguments import Commands, command, positive
from genmo_rt.cli.common import progress


def add(kinds: Commands) -> None:
    """Registers the kind."""
    step = command(
        kinds,
        "step",
        _bench_step,
        "A streaming step against recomputing its window, in one run.",
        "genmo-rt bench step --size base",
    )
    step.add_argument(
        "--size", choices=("small", "base"), default="small", help="size of the model"
    )
    step.add_argument(
        "--threads",
        type=positive,
        nargs="+",
        default=[1, 2],
        metavar="N",
        help="torch's threads, one measurement each",
    )


def _bench_step(args: argparse.Namespace) -> int:
    from genmo_rt.bench import bench_step

    print("| size | window | threads | step ms | recompute ms | ratio |")
    print("|---|---|---|---|---|---|")
    for threads in args.threads:
        with progress(f"timing on {threads} threads", 0):
            rows = bench_step(args.size, threads)
        for row in rows:
            assert row.recompute_ms is not None  # float32 has one
            print(
                f"| {row.size} | {row.window} | {row.threads} | {row.step_ms:.2f} "
                f"| {row.recompute_ms:.1f} | {row.ratio:.1f} |",
                flush=True,
            )
    return 0

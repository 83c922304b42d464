"""`genmo-rt bench engine`: what the engine's step costs, as Markdown tables."""

import argparse

from genmo_rt.arguments import Commands, command, positive
from genmo_rt.cli.common import progress


def add(kinds: Commands) -> None:
    """Registers the kind."""
    engine = command(
        kinds,
        "engine",
        _bench_engine,
        "What a step costs: against recomputing, for many streams, at any age.",
        "genmo-rt bench engine --size base",
    )
    engine.add_argument(
        "--size", choices=("small", "base"), default="small", help="size of the model"
    )
    engine.add_argument(
        "--streams",
        type=positive,
        nargs="+",
        default=[1, 4, 16, 64],
        metavar="S",
        help="streams at once, one measurement each",
    )
    engine.add_argument(
        "--threads",
        type=positive,
        nargs="+",
        default=[1, 2],
        metavar="N",
        help="torch's threads on a CPU, one measurement each",
    )
    engine.add_argument(
        "--precision",
        choices=("float32", "bfloat16", "int8"),
        nargs="+",
        help="of the weights; on a CPU float32, bfloat16 and int8, on a GPU bfloat16",
    )
    engine.add_argument(
        "--frames", type=positive, default=20_000, metavar="N", help="frames that a stream lives"
    )
    device = engine.add_mutually_exclusive_group()
    device.add_argument("--gpu", type=int, metavar="N", help="number of the CUDA device to measure")
    device.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where")


def _bench_engine(args: argparse.Namespace) -> int:
    from genmo_rt import bench
    from genmo_rt.device import device_figures, resolve_device

    device = resolve_device(args.device, args.gpu)
    on_cpu = device == "cpu"
    precisions = args.precision or (["float32", "bfloat16", "int8"] if on_cpu else ["bfloat16"])
    threads = args.threads if on_cpu else args.threads[:1]
    print(f"{args.size} on {device_figures(device)}, random weights.\n")
    _table("window", "threads", "precision", "step ms", "recompute ms", "ratio")
    for count in threads:
        with progress(f"a step and its window on {count} threads", 0):
            costs = bench.bench_step(args.size, count, precisions=precisions, device=device)
        for cost in costs:
            recompute = "" if cost.recompute_ms is None else f"{cost.recompute_ms:.1f}"
            ratio = "" if cost.ratio is None else f"{cost.ratio:.1f}"
            _row(cost.window, count, cost.precision, f"{cost.step_ms:.2f}", recompute, ratio)
    _table("streams", "threads", "precision", "batch ms", "a frame ms", "at 30 Hz", "state MB")
    for count in threads:
        for precision in precisions:
            title = f"streams at once, {precision}, {count} threads"
            with progress(title, len(args.streams)) as on:
                rows = bench.engine_rows(device, [args.size], args.streams, precision, count)
                for row in map(on, rows):
                    _row(
                        row.streams,
                        count,
                        row.precision,
                        f"{row.batch_ms:.2f}",
                        f"{row.frame_ms:.2f}",
                        f"{row.most_at_30_hz:.0f}",
                        f"{row.arena_bytes / 1e6:.1f}",
                    )
    _table("frame it is set to", "step ms")
    for age in bench.age_rows(device, args.size, precisions[0]):
        _row(age.frame, f"{age.step_ms:.2f}")
    _table("frame it has lived to", "median step ms of the last tenth")
    with progress("living", args.frames) as on:
        lived = bench.lived_rows(
            device, args.size, args.frames, precisions[0], lambda _: [on(0) for _ in range(100)]
        )
    for age in lived:
        _row(age.frame, f"{age.step_ms:.2f}")
    return 0


def _table(*titles: str) -> None:
    print(f"\n| {' | '.join(titles)} |\n{'|---' * len(titles)}|", flush=True)


def _row(*cells: object) -> None:
    print(f"| {' | '.join(map(str, cells))} |", flush=True)

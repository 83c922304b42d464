"""`genmo-rt bench kernels`: each op under what memory and arithmetic allow."""

import argparse
from pathlib import Path

from genmo_rt.arguments import Commands, command
from genmo_rt.cli.common import progress


def add(kinds: Commands) -> None:
    """Registers the kind."""
    kernels = command(
        kinds,
        "kernels",
        _bench_kernels,
        "Each kernel against the speed of a copy and of a matrix product, in one run; "
        "on a CPU the reference ops.",
        "genmo-rt bench kernels --picture roofline.svg",
    )
    kernels.add_argument(
        "--picture", type=Path, metavar="FILE.svg", help="write the roofline picture"
    )
    device = kernels.add_mutually_exclusive_group()
    device.add_argument("--gpu", type=int, metavar="N", help="number of the CUDA device to measure")
    device.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="what to measure (auto: a GPU if there is one)",
    )


def _bench_kernels(args: argparse.Namespace) -> int:
    from contextlib import nullcontext

    import torch

    from genmo_kernels import timing, work
    from genmo_kernels.roofline import svg
    from genmo_rt.device import device_name, resolve_device

    name = resolve_device(args.device, args.gpu)
    device, gpu = torch.device(name), name.startswith("cuda")
    amount = work.ON_GPU if gpu else work.ON_CPU
    with torch.cuda.device(device) if gpu else nullcontext():
        with progress("measuring the ceilings", 0):
            ceilings = timing.ceilings(device, amount.dtype, 2**30 if gpu else 2**26)
        print(
            f"copy {ceilings.bandwidth / 1e3:.1f} GB/s, "
            f"product in {ceilings.what} {ceilings.flops / 1e3:.0f} GFLOP/s\n"
        )
        print("| op | µs | GFLOP/s | GB/s | of its ceiling |")
        print("|---|---|---|---|---|")
        done = []
        for run in work.measure(device, amount):
            done.append(run)
            print(
                f"| {run.name} | {run.microseconds:.1f} | {run.rate / 1e3:.1f} "
                f"| {run.bytes / run.microseconds / 1e3:.1f} | {run.share(ceilings):.0%} |",
                flush=True,
            )
    if args.picture is not None:
        where = device_name(name) if gpu else f"a CPU, {torch.get_num_threads()} threads"
        args.picture.write_text(svg(done, ceilings, f"genmo_kernels on {where}"))
        print(f"\nwrote {args.picture}")
    return 0

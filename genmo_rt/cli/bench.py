"""`genmo-rt bench`: speed on this machine, one measurement per kind."""

from genmo_rt.arguments import Commands
from genmo_rt.cli import bench_engine, bench_generate, bench_kernels, bench_live, bench_step

KINDS = (bench_step, bench_engine, bench_generate, bench_kernels, bench_live)


def add(commands: Commands) -> None:
    """Registers the command."""
    summary = "Measure speed on this machine."
    parser = commands.add_parser(
        "bench", help=summary, description=summary, epilog="example: genmo-rt bench step"
    )
    kinds = parser.add_subparsers(required=True, metavar="KIND")
    for kind in KINDS:
        kind.add(kinds)

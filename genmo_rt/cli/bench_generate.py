"""`genmo-rt bench generate`: what a text-to-motion clip costs."""

import argparse

from genmo_rt.arguments import Commands, command, positive
from genmo_rt.cli.common import wait_asleep
from genmo_rt.generation import STEPS


def add(kinds: Commands) -> None:
    """Registers the kind."""
    parser = command(
        kinds,
        "generate",
        _bench_generate,
        "A text-to-motion clip on the CPU, from the text to the clip, with random weights.",
        "genmo-rt bench generate --size base",
    )
    parser.add_argument(
        "--size", choices=("small", "base", "large"), default="base", help="size of the model"
    )
    parser.add_argument(
        "--seconds", type=positive, default=10, metavar="N", help="length of the clip"
    )
    parser.add_argument(
        "--steps", type=positive, default=STEPS, metavar="N", help="denoising steps"
    )
    parser.add_argument("--threads", type=positive, default=2, metavar="N", help="torch's threads")


def _bench_generate(args: argparse.Namespace) -> int:
    wait_asleep()
    from genmo_rt.cli.generate import shown
    from genmo_rt.generation.bench import bench_generate
    from genmo_rt.text import MiniLM

    encoder = MiniLM()
    print("| size | clip s | steps | threads | bfloat16 | wall s | CPU s |")
    print("|---|---|---|---|---|---|---|")
    with shown(f"timing on {args.threads} threads") as show:
        cost = bench_generate(
            args.size, args.threads, encoder, seconds=args.seconds, steps=args.steps, show=show
        )
    fast = "yes" if cost.bfloat16 else "no"
    print(
        f"| {cost.size} | {cost.seconds:g} | {cost.steps} | {cost.threads} | {fast} "
        f"| {cost.wall_s:.2f} | {cost.cpu_s:.2f} |"
    )
    return 0

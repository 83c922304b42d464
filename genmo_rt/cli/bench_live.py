"""`genmo-rt bench live`: a live server, end to end."""

import argparse
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from genmo_rt.arguments import Commands, add_playback_flags, add_server_flags, command, positive
from genmo_rt.cli.common import server_config


def add(kinds: Commands) -> None:
    """Registers the kind."""
    live = command(
        kinds,
        "live",
        _bench_live,
        "Latency and rate of a live server on this machine, end to end.",
        "genmo-rt bench live walk.mp4 --size 640x480 --fps 30",
    )
    live.add_argument("video", type=Path, metavar="VIDEO", help="the file to play as a camera")
    live.add_argument(
        "--seconds", type=positive, default=60, metavar="N", help="how long to measure"
    )
    add_playback_flags(live)
    add_server_flags(live)


def _bench_live(args: argparse.Namespace) -> int:
    from genmo_rt.device import resolve_device
    from genmo_stream.bench import bench_live
    from genmo_stream.video import count_frames

    config = server_config(args)
    resolve_device(config.device, config.gpu)  # said here, not by the server's process
    count_frames(args.video)
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("measuring", total=args.seconds)
        figures = bench_live(
            args.video,
            config,
            seconds=args.seconds,
            size=args.size,
            fps=args.fps,
            show=lambda seconds: bar.update(task, completed=seconds),
        )
    print(figures)
    return 0

"""`genmo-rt bench live`: a live server, end to end, with one stream or under load."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress

from genmo_rt.arguments import Commands, add_playback_flags, add_server_flags, command, positive
from genmo_rt.cli.common import progress, server_config
from genmo_rt.errors import InputError

if TYPE_CHECKING:
    from genmo_stream.config import ServerConfig
    from genmo_stream.load.bench import LoadPoint, Loop

SEND_KEYPOINTS = "sent"


def add(kinds: Commands) -> None:
    """Registers the kind."""
    live = command(
        kinds,
        "live",
        _bench_live,
        "Latency and rate of a live server on this machine, end to end: of one stream by a "
        "barcode in the picture, or of many at once (--streams).",
        "genmo-rt bench live walk.mp4 --size 640x480 --fps 30 --streams 1..4 --picture load.svg",
    )
    live.add_argument("video", type=Path, metavar="VIDEO", help="the file to play as a camera")
    live.add_argument(
        "--seconds", type=positive, default=60, metavar="N", help="how long to measure each load"
    )
    add_playback_flags(live)
    add_server_flags(live)
    load = live.add_argument_group("load")
    load.add_argument(
        "--streams",
        type=counts,
        metavar="S",
        help="this many at once, sending what was encoded beforehand; 1,2,4 or 1..6 measures "
        "one load after the other",
    )
    load.add_argument(
        "--persons",
        type=counts,
        metavar="P",
        help="people in each picture: one of the video's, side by side (1); several as --streams",
    )
    load.conflict_handler = "resolve"  # the server's --keypoints needs a value, ours does not
    load.add_argument(
        "--keypoints",
        nargs="?",
        const=SEND_KEYPOINTS,
        choices=("full", "lite", SEND_KEYPOINTS),
        default=argparse.SUPPRESS,
        metavar="MODEL",
        help="alone: send keypoints found beforehand, no video; with full or lite: the server's "
        "2D model (full)",
    )
    load.add_argument(
        "--over",
        action="store_true",
        help="then offer half as many more, and measure how those fare who were there",
    )
    load.add_argument(
        "--codec", choices=("VP8", "H264"), default="VP8", help="how the load is encoded"
    )
    load.add_argument("--picture", type=Path, metavar="FILE.svg", help="draw latency against load")


def counts(text: str) -> list[int]:
    """Reads 4, 1,2,4 or 1..6."""
    parts = text.split("..")
    if len(parts) == 2:
        first, last = (positive(part) for part in parts)
        if first > last:
            raise argparse.ArgumentTypeError(f"'{text}'; expected the smaller number first")
        return list(range(first, last + 1))
    return [positive(part) for part in text.split(",")]


def _bench_live(args: argparse.Namespace) -> int:
    from genmo_rt.device import resolve_device

    args.send_keypoints = vars(args).get("keypoints") == SEND_KEYPOINTS
    if args.send_keypoints:
        del args.keypoints
    config = server_config(args)
    resolve_device(config.device, config.gpu)  # said here, not by the server's process
    if args.streams is not None:
        return _load(args, config)
    for name in ("send_keypoints", "persons", "over", "picture"):
        if vars(args)[name]:
            flag = name.removeprefix("send_")
            raise InputError(f"--{flag} is for loads; give --streams too, --streams 1 for one")
    return _one(args, config)


def _one(args: argparse.Namespace, config: "ServerConfig") -> int:
    from genmo_stream.bench import bench_live
    from genmo_stream.video import count_frames

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


def _load(args: argparse.Namespace, config: "ServerConfig") -> int:
    from genmo_stream.load import figures
    from genmo_stream.load.bench import prepare

    if args.picture is not None and args.picture.suffix != ".svg":
        raise InputError(f"--picture is {args.picture}; expected a file that ends in .svg")
    points: list[LoadPoint] = []
    said: list[str] = []
    print(figures.HEAD, flush=True)
    for persons in args.persons or [1]:
        with progress(f"making the footage of {persons}", 0):
            loop = prepare(
                args.video,
                persons,
                keypoints=args.send_keypoints,
                size=args.size,
                fps=args.fps,
                codec=args.codec,
            )
        for streams in args.streams:
            measured = _measure(args, config, loop, streams, persons)
            points.append(measured[0])
            for point in measured:
                print(figures.row(point), flush=True)
                said += point.phase.failures
            if len(measured) > 1:
                said.append(figures.excess(*measured))
    for line in said:
        print(f"\n{line}")
    if args.picture is not None:
        args.picture.write_text(figures.picture(points))
        print(f"\nwrote {args.picture}")
    return 0


def _measure(
    args: argparse.Namespace, config: "ServerConfig", loop: "Loop", streams: int, persons: int
) -> "list[LoadPoint]":
    from genmo_stream.load.bench import bench_load

    more = -(-streams // 2) if args.over else 0
    with Progress(console=Console(stderr=True), transient=True) as bar:
        total = args.seconds * (2 if more else 1)
        task = bar.add_task(f"{streams} streams of {persons}", total=total)
        return bench_load(
            loop,
            config,
            streams=streams,
            persons=persons,
            more=more,
            seconds=args.seconds,
            show=lambda seconds: bar.update(task, completed=seconds),
        )

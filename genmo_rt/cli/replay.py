"""`genmo-rt replay`: a take as a live stream, for who writes plugins without a camera."""

import argparse
import logging
from pathlib import Path

from genmo_rt.arguments import Commands, add_server_flags, command
from genmo_rt.cli.common import server_config
from genmo_rt.cli.export import find_take


def add(commands: Commands) -> None:
    """Registers the command."""
    parser = command(
        commands,
        "replay",
        _replay,
        "Serve a recorded take as a stream: page, websockets and sinks, no camera needed.",
        "genmo-rt replay 20261122-184009-a3f1c2 --loop --vmc 127.0.0.1",
    )
    parser.add_argument("take", metavar="TAKE", help="a take's id, its folder or its .genmo file")
    parser.add_argument(
        "--loop",
        action="store_true",
        help="start over at the end; else it is played once, from the first viewer on",
    )
    parser.add_argument(
        "--stream", metavar="NAME", help="name of the stream (the one that was recorded)"
    )
    add_server_flags(parser)


def _replay(args: argparse.Namespace) -> int:
    from genmo_stream.replay import replay

    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    config = server_config(args)
    path: Path = find_take(args.take, config.takes_dir)
    replay(config, path, args.stream, loop=args.loop, say=lambda line: print(line, flush=True))
    return 0

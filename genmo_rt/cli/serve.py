"""`genmo-rt serve`: the live server."""

import argparse
import logging

from genmo_rt.arguments import Commands, add_server_flags, command
from genmo_rt.cli.common import server_config


def add(commands: Commands) -> None:
    """Registers the command."""
    parser = command(
        commands,
        "serve",
        _serve,
        "Start the server: page, WHIP, websockets.",
        "genmo-rt serve --gpu 0",
    )
    add_server_flags(parser)


def _serve(args: argparse.Namespace) -> int:
    from genmo_stream.server import serve

    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("genmo_stream").setLevel(logging.INFO)
    serve(server_config(args), lambda line: print(line, flush=True))
    return 0

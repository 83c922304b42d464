"""The `genmo-rt` command: the composition root, the one package that sees every room.

Exit codes: 0 done, 1 failed, 2 wrong use.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version

from genmo_rt.arguments import Command
from genmo_rt.cli import (
    bench,
    data,
    doctor,
    estimate,
    evaluate,
    export,
    generate,
    import_gem,
    replay,
    send,
    serve,
    token,
    train,
)
from genmo_rt.errors import DeviceError, GenmoError, InputError

COMMANDS = (
    serve,
    estimate,
    generate,
    export,
    replay,
    send,
    data,
    train,
    evaluate,
    import_gem,
    doctor,
    bench,
    token,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; see the module's docstring for exit codes."""
    args = _parser().parse_args(argv)
    run: Command = args.command
    try:
        return run(args)
    except KeyboardInterrupt:
        return 130
    except (DeviceError, InputError) as error:
        return _fail(str(error), 2)
    except GenmoError as error:
        return _fail(str(error), 2 if type(error).__name__ == "ConfigError" else 1)
    except OSError as error:
        if error.filename is None:
            raise
        return _fail(f"{error.filename}: {error.strerror}", 1)


def _fail(reason: str, code: int) -> int:
    print(f"genmo-rt: {reason}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="genmo-rt",
        description="Real-time motion capture from any camera: WebRTC in, SMPL poses out.",
        epilog="example: genmo-rt serve, then open the page whose address it prints",
    )
    parser.add_argument("--version", action="version", version=f"genmo-rt {version('genmo-rt')}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for module in COMMANDS:
        module.add(commands)
    return parser

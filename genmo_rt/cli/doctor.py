"""`genmo-rt doctor`: what works on this machine."""

import argparse

from genmo_rt.arguments import Commands, add_server_flags, command
from genmo_rt.cli.common import server_config


def add(commands: Commands) -> None:
    """Registers the command."""
    parser = command(
        commands,
        "doctor",
        _doctor,
        "Say what works on this machine, and what to do about what doesn't.",
        "genmo-rt doctor",
    )
    add_server_flags(parser)


def _doctor(args: argparse.Namespace) -> int:
    from genmo_stream.doctor import examine

    healthy = True
    for finding in examine(server_config(args)):  # said as it is found: some take a while
        mark = "ok  " if finding.ok else "FAIL" if finding.needed else "warn"
        print(f"{mark}  {finding.text}", flush=True)
        healthy = healthy and (finding.ok or not finding.needed)
    return 0 if healthy else 1

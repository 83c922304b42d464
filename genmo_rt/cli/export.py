"""`genmo-rt export`: a recorded take as a file for other tools."""

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from genmo_rt.arguments import Commands, add_device_flags, command
from genmo_rt.cli.common import progress
from genmo_rt.errors import InputError
from genmo_rt.formats.bones import BONE_NAMES

if TYPE_CHECKING:
    from genmo_stream.takes import Take


def add(commands: Commands) -> None:
    """Registers the command."""
    parser = command(
        commands,
        "export",
        _export,
        "Write a recorded take as .npz, .bvh, .glb or .jsonl.",
        "genmo-rt export 20261122-184009-a3f1c2 -o walk.bvh",
    )
    add_take(parser)
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        required=True,
        metavar="OUT.npz|OUT.bvh|OUT.glb|OUT.jsonl",
        help="where it goes; several persons become a .zip of such files",
    )
    parser.add_argument("--person", type=int, metavar="ID", help="this person alone")
    parser.add_argument(
        "--solve",
        choices=("live", "second"),
        default="live",
        help="the poses that went out live, or estimated again with what followed each of them",
    )
    parser.add_argument(
        "--bones", choices=BONE_NAMES, default="smpl", help="what joints are called in bvh and glb"
    )
    add_device_flags(parser)


def add_take(parser: argparse.ArgumentParser) -> None:
    """The take that a command is about, and where takes are."""
    parser.add_argument("take", metavar="TAKE", help="a take's id, its folder or its .genmo file")
    parser.add_argument(
        "--takes-dir",
        type=Path,
        default=argparse.SUPPRESS,
        metavar="FOLDER",
        help="where ids are looked up (~/.local/share/genmo-rt/takes)",
    )


def find_take(text: str, folder: Path) -> Path:
    """The take of this id or path.

    Raises:
        InputError: there is none.
    """
    for path in (Path(text), folder / text):
        if path.exists():
            return path
    raise InputError(f"there is no take '{text}', neither here nor in {folder}; check --takes-dir")


def _export(args: argparse.Namespace) -> int:
    from genmo_rt.smpl import load_body
    from genmo_stream.takes import read_take
    from genmo_stream.takes.export import FORMATS, ExportOptions, export_take

    ending = args.out.suffix.removeprefix(".")
    if ending not in FORMATS:
        raise InputError(
            f"--out is {args.out}; expected a name that ends in .{', .'.join(FORMATS)}"
        )
    if not args.out.parent.is_dir():
        raise InputError(f"--out is {args.out}; expected a folder that exists")
    path = find_take(args.take, takes_folder(args))
    take = read_take(path)
    options = ExportOptions(ending, args.person, args.solve, args.bones)
    with tempfile.TemporaryDirectory() as scratch:
        if args.solve == "second":
            _solve(take, Path(scratch), args)
        written = export_take(take, Path(scratch), options, load_body(args.body), args.out)
    print(f"{written}: {len(take.persons)} person(s) seen in {take.seconds:.1f} s")
    return 0


def takes_folder(args: argparse.Namespace) -> Path:
    """Where ids are looked up: --takes-dir, GENMO_RT_TAKES_DIR or the user's data folder."""
    from genmo_rt.cli.common import server_config

    return server_config(argparse.Namespace(**_takes_dir(args))).takes_dir


def _takes_dir(args: argparse.Namespace) -> dict[str, Path]:
    return {"takes_dir": args.takes_dir} if "takes_dir" in args else {}


def _solve(take: "Take", folder: Path, args: argparse.Namespace) -> None:
    """Solves the take again into a folder and prints how the two compare."""
    from genmo_rt.device import resolve_device
    from genmo_rt.estimate import Estimator
    from genmo_rt.smpl import load_body
    from genmo_stream.takes.solve import comparison_table, count_steps, solve_take

    device = resolve_device(args.device or "auto", args.gpu)
    estimator = Estimator.load(args.checkpoint, device=device, body=load_body(args.body))
    with progress("solving the take again", count_steps(take)) as advance:
        comparisons = solve_take(take, folder, estimator, lambda: advance(None))
    print(comparison_table(comparisons))

"""`genmo-rt data`: captured motion in, one dataset file out; and looks at such a file."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from genmo_rt.arguments import Commands, command, positive
from genmo_rt.errors import InputError

if TYPE_CHECKING:
    from genmo_rt.data.clips import Clip

SETS = (
    ("amass", "AMASS: SET/SUBJECT/TRIAL_poses.npz"),
    ("aist", "AIST++: motions/*.pkl"),
    ("3dpw", "3DPW: sequenceFiles/*/*.pkl"),
    ("emdb", "EMDB: P*/*/*_data.pkl"),
    ("rich", "RICH: bodies/*/*/*/*.pkl and multicam2world"),
)


def add(commands: Commands) -> None:
    """Registers the command and its three parts."""
    summary = "Build the training motion out of captures, and look at it."
    parser = commands.add_parser(
        "data",
        help=summary,
        description=summary,
        epilog="example: genmo-rt data build captures -o motions.npz",
    )
    parts = parser.add_subparsers(required=True, metavar="PART")
    _add_build(parts)
    show = command(
        parts,
        "show",
        _show,
        "Say where each clip of a dataset is from and what each set holds.",
        "genmo-rt data show motions.npz",
    )
    show.add_argument("file", type=Path, metavar="FILE", help="what data build wrote")
    show.add_argument("--sets", action="store_true", help="the table of the sets alone")
    picture = command(
        parts,
        "picture",
        _picture,
        "Draw samples of every set of a dataset as stick figures.",
        "genmo-rt data picture motions.npz -o motions.svg",
    )
    picture.add_argument("file", type=Path, metavar="FILE", help="what data build wrote")
    picture.add_argument("-o", "--out", type=Path, required=True, metavar="OUT.svg")
    picture.add_argument("--per-set", type=positive, default=6, metavar="N", help="clips of each")
    picture.add_argument("--seed", type=int, default=0, help="which clips")


def _add_build(parts: Commands) -> None:
    parser = command(
        parts,
        "build",
        _build,
        "Retarget, repair, label and describe captured motion; write one file to train from.",
        "genmo-rt data build captures --amass AMASS --humanml3d HumanML3D -o motions.npz",
    )
    parser.add_argument(
        "mocap", type=Path, nargs="?", metavar="MOCAP", help="folder of packed captures and glb/"
    )
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="OUT.npz")
    for name, layout in SETS:
        parser.add_argument(f"--{name}", type=Path, metavar="DIR", help=f"your copy of {layout}")
    parser.add_argument(
        "--humanml3d", type=Path, metavar="DIR", help="texts for AMASS: index.csv and texts/"
    )
    parser.add_argument("--bvh", type=Path, metavar="DIR", help="a folder of .bvh files")
    parser.add_argument(
        "--bvh-unit", type=float, metavar="METRES", help="of the .bvh files; found out if not given"
    )
    parser.add_argument(
        "--asf", type=Path, metavar="DIR", help="a folder of .asf with .amc at 120 fps beside them"
    )
    parser.add_argument(
        "--body", type=Path, metavar="SMPL", help="your SMPL file: the performers' own bones"
    )
    parser.add_argument(
        "--no-texts", action="store_true", help="leave out what needs the extra `generate`: texts"
    )
    parser.add_argument("--no-music", action="store_true", help="leave out music likewise")


def _build(args: argparse.Namespace) -> int:
    from genmo_rt.data.dataset import build_dataset
    from genmo_rt.data.summary import set_summaries

    if args.humanml3d and not args.amass:
        raise InputError("--humanml3d describes AMASS' trials; expected --amass too")
    more = list(_others(args))
    if args.mocap is None and not more:
        raise InputError("there is nothing to build from; expected MOCAP, --amass or another set")
    dataset = build_dataset(
        args.mocap, args.out, more=more, texts=not args.no_texts, music=not args.no_music
    )
    total = set_summaries(dataset)[-1]
    held_out_texts = int(dataset.texts.held_out.sum())
    print(
        f"{args.out}: {args.out.stat().st_size / 2**20:.1f} MiB, {total.clips} clips, "
        f"{total.hours:.2f} hours, {total.held_out_hours:.2f} held out; {total.texts} texts and "
        f"{held_out_texts} held out; music for {total.music_hours:.2f} hours"
    )
    return 0


def _others(args: argparse.Namespace) -> "Iterator[Clip]":
    """The clips of every other set that was named."""
    from genmo_rt.data.loaders.aist import read_aist
    from genmo_rt.data.loaders.amass import read_amass
    from genmo_rt.data.loaders.asf import read_asf
    from genmo_rt.data.loaders.bvh import read_bvh
    from genmo_rt.data.loaders.emdb import read_emdb
    from genmo_rt.data.loaders.humanml3d import read_humanml3d
    from genmo_rt.data.loaders.rich import read_rich
    from genmo_rt.data.loaders.smpl import Bodies
    from genmo_rt.data.loaders.threedpw import read_3dpw
    from genmo_rt.smpl import load_body

    bodies = Bodies(load_body(args.body) if args.body else None)
    if args.amass:
        said = read_humanml3d(args.humanml3d) if args.humanml3d else None
        yield from read_amass(args.amass, bodies, said)
    readers = (
        (args.aist, read_aist),
        (vars(args)["3dpw"], read_3dpw),
        (args.emdb, read_emdb),
        (args.rich, read_rich),
    )
    for folder, read in readers:
        if folder:
            yield from read(folder, bodies)
    if args.bvh:
        paths = sorted(args.bvh.rglob("*.bvh"))
        if not paths:
            raise InputError(f"--bvh is {args.bvh}; expected a folder with .bvh files")
        for path in paths:
            yield read_bvh(path, unit_m=args.bvh_unit)
    if args.asf:
        yield from read_asf(args.asf)


def _show(args: argparse.Namespace) -> int:
    from genmo_rt.data.dataset import load_dataset
    from genmo_rt.data.summary import clip_summaries, set_summaries

    dataset = load_dataset(args.file)
    if not args.sets:
        for clip in clip_summaries(dataset):
            music = f"; music: {clip.music}" if clip.music else ""
            held_out = ", held out" if clip.held_out else ""
            print(
                f"{clip.name}: {clip.seconds:.1f} s, {clip.label or 'no label'}, "
                f"{clip.texts} texts{held_out}; {clip.licence}{music}"
            )
    print(
        f"{'set':22}{'clips':>6}{'people':>8}{'hours':>8}{'held out':>10}{'music':>8}{'texts':>7}"
    )
    for row in set_summaries(dataset):
        print(
            f"{row.name:22}{row.clips:6}{row.performers:8}{row.hours:8.3f}"
            f"{row.held_out_hours:10.3f}{row.music_hours:8.3f}{row.texts:7}  {row.licence}"
        )
    return 0


def _picture(args: argparse.Namespace) -> int:
    from genmo_rt.data.dataset import load_dataset
    from genmo_rt.data.picture import draw_samples
    from genmo_rt.smpl import load_body

    if args.out.suffix != ".svg":
        raise InputError(f"--out is {args.out}; expected a name that ends in .svg")
    dataset = load_dataset(args.file)
    args.out.write_text(draw_samples(dataset, load_body(), args.per_set, args.seed), "utf-8")
    print(f"{args.out}: {len(set(dataset.sets))} sets, up to {args.per_set} clips of each")
    return 0

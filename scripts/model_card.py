"""Everything that a model card reports of a checkpoint, in one Markdown file, commands included.

    scripts/model_card.py CKPT motions.npz OUT --real FOLDER --seen FOLDER

runs the commands below one after the other, each in a process of its own, and writes what they
print to OUT/figures.md as they end; figures and pictures go to OUT, too. About a quarter of an
hour on one core; `--quick` takes two minutes and is good for nothing but trying. A part that fails
is said in the file, and at the end by the exit status; the others go on.
"""

import argparse
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SCRIPTS = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Part:
    """One command.

    Attributes:
        name: the heading.
        shown: the command as people type it.
        argv: as it is run.
    """

    name: str
    shown: str
    argv: tuple[str, ...]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("motions", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--real", type=Path, metavar="FOLDER", help="as for evaluate real")
    parser.add_argument("--cameras", nargs="+", default=["1", "2", "3"], help="of --real")
    parser.add_argument("--seen", type=Path, metavar="FOLDER", help="as for score_rendered.py")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", metavar="WORD", help="parts whose name has this word in it")
    args = parser.parse_args()
    for path in filter(None, (args.checkpoint, args.motions, args.real, args.seen)):
        if not path.exists():
            parser.error(f"{path} doesn't exist")
    args.out.mkdir(parents=True, exist_ok=True)
    report = args.out / "figures.md"
    failed = []
    with report.open("w") as file:
        for part in parts(args):
            if args.only and args.only not in part.name.lower():
                continue
            print(f"{part.name} …", end=" ", file=sys.stderr, flush=True)
            start = time.monotonic()
            done = subprocess.run(part.argv, capture_output=True, text=True, env=_one_thread())
            seconds = time.monotonic() - start
            print(f"{seconds:.0f} s", file=sys.stderr, flush=True)
            file.write(f"## {part.name}\n\n    {part.shown}\n\n{done.stdout.strip()}\n\n")
            if done.returncode:
                failed.append(part.name)
                file.write(f"FAILED ({done.returncode}):\n\n    {done.stderr.strip()[-2000:]}\n\n")
            file.flush()
    print(report, *(f"\nfailed: {name}" for name in failed))
    return 1 if failed else 0


def parts(args: argparse.Namespace) -> Iterator[Part]:
    """What is run, in order: what matters most first."""
    ckpt, motions, out = str(args.checkpoint), str(args.motions), args.out
    quick = args.quick
    held_out = ("evaluate", ckpt, "--motions", motions)
    if args.real is not None:
        yield _cli(
            "Real video beside MediaPipe",
            *("evaluate", "real", str(args.real), "--checkpoint", ckpt),
            *("--cameras", *args.cameras, "--out", str(out / "real")),
            *(() if quick else ("--video", str(out / "beside.mp4"))),
        )
    yield _cli(
        "Published poses of held-out clips, and the model's own output",
        *(*held_out, "--only", "published", "--clips", "1" if quick else "12"),
    )
    yield _script(
        "Rendered actions, real 2D stage, beside MediaPipe",
        *("gallery.py", motions, str(out), "--checkpoint", ckpt),
        *(("--only", "sit") if quick else ()),
    )
    if args.seen is not None:
        yield _script(
            "Rendered people in ordinary motion, real 2D stage, beside MediaPipe",
            *("score_rendered.py", str(args.seen), "--checkpoint", ckpt),
        )
    yield _cli("The model's own output by delay", *held_out, "--only", "estimation")
    yield _cli(
        "Hidden limbs and long streams",
        *(*held_out, "--only", "streams", "--out", str(out)),
        *("--stream-frames", "200" if quick else "10000"),
    )
    few = ("--texts", "1", "--variations", "2", "--steps", "5", "--frames", "60")
    yield _cli(
        "Generation",
        *(*held_out, "--only", "generation"),
        *(few if quick else ("--texts", "3", "--variations", "4")),
    )
    if not quick:
        yield _cli("Time of a step", "bench", "step", "--threads", "1")


def _cli(name: str, *argv: str) -> Part:
    return Part(
        name, shlex.join(("genmo-rt", *argv)), (sys.executable, "-m", "genmo_rt.cli", *argv)
    )


def _script(name: str, script: str, *argv: str) -> Part:
    path = SCRIPTS / script
    return Part(name, shlex.join((f"scripts/{script}", *argv)), (sys.executable, str(path), *argv))


def _one_thread() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


if __name__ == "__main__":
    sys.exit(main())

"""`genmo-rt estimate`: the person in a video file, to a motion file."""

import argparse
import itertools
from collections.abc import Iterable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from genmo_rt.arguments import Commands, add_device_flags, command
from genmo_rt.cli.common import progress
from genmo_rt.clock import Tick, TickClock
from genmo_rt.errors import InputError
from genmo_rt.keypoints import Keypoints

if TYPE_CHECKING:
    from genmo_stream.keypoints.offline import SeenFrame


def add(commands: Commands) -> None:
    """Registers the command."""
    parser = command(
        commands,
        "estimate",
        _estimate,
        "Estimate the person in a video file.",
        "genmo-rt estimate walk.mp4 -o walk.npz",
    )
    parser.add_argument("video", type=Path, metavar="VIDEO", help="a file with one person in view")
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        required=True,
        metavar="OUT.npz|OUT.bvh",
        help="where the motion goes: AMASS keys (.npz) or a skeleton animation (.bvh)",
    )
    parser.add_argument(
        "--streaming",
        action="store_true",
        help="frame by frame, as the live server does; else each pose knows the whole video",
    )
    parser.add_argument(
        "--keypoints", choices=("full", "lite"), default="full", help="MediaPipe's 2D model"
    )
    parser.add_argument(
        "--fov", type=float, metavar="DEGREES", help="the camera's field of view, longer side"
    )
    parser.add_argument(
        "--height-m", type=float, metavar="METRES", help="the person's standing height"
    )
    parser.add_argument(
        "--delay", type=int, metavar="N", help="frames of lookahead of --streaming, 0 to 8"
    )
    add_device_flags(parser)


WRITERS = (".npz", ".bvh")


def _estimate(args: argparse.Namespace) -> int:
    if args.out.suffix not in WRITERS:
        raise InputError(
            f"--out is {args.out}; expected a name that ends in {' or '.join(WRITERS)}"
        )
    if not args.out.parent.is_dir():
        raise InputError(f"--out is {args.out}; expected a folder that exists")
    if args.delay is not None and not args.streaming:
        raise InputError(
            f"--delay is {args.delay}; expected it with --streaming: else all frames are known"
        )
    from genmo_rt.camera import Intrinsics
    from genmo_rt.device import resolve_device
    from genmo_rt.estimate import Estimator
    from genmo_rt.formats.bvh import write_bvh
    from genmo_rt.formats.npz import write_npz
    from genmo_rt.recording import estimate_clip
    from genmo_rt.smpl import load_body
    from genmo_stream.keypoints.offline import watch_video
    from genmo_stream.video import count_frames

    total = count_frames(args.video)
    device = resolve_device(args.device or "auto", args.gpu)
    estimator = Estimator.load(args.checkpoint, device=device, body=load_body(args.body))
    with (
        progress(f"watching {args.video.name}", total) as advance,
        closing(watch_video(args.video, args.keypoints)) as watched,
    ):
        seen = (advance(frame) for frame in watched)
        first = next(seen)
        height, width = first.frame.image.shape[:2]
        estimate = partial(
            estimate_clip,
            estimator,
            intrinsics=Intrinsics.of_picture(width, height, args.fov),
            height_m=args.height_m,
            start_us=first.frame.t_capture_us,
        )
        ticked = _ticked(itertools.chain([first], seen))
        if args.streaming:
            clip = estimate(ticked, delay=args.delay or 0, streaming=True)
        else:
            frames = list(ticked)
    if not args.streaming:
        with progress("posing", len(frames)) as posed:
            clip = estimate(frames, each=lambda: posed(None))
    (write_npz if args.out.suffix == ".npz" else write_bvh)(args.out, clip)
    print(f"{args.out}: {len(clip.pelvis)} poses at {clip.fps:g} Hz")
    return 0


def _ticked(frames: "Iterable[SeenFrame]") -> Iterator[tuple[Tick, Keypoints | None]]:
    """The frames that the model's clock takes, with their ticks."""
    clock = TickClock()
    for seen in frames:
        tick = clock.admit(seen.frame.t_capture_us)
        if tick is not None:
            yield tick, seen.keypoints

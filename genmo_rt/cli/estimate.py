"""`genmo-rt estimate`: the person in a video file, to a motion file."""

import argparse
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from genmo_rt.arguments import Commands, add_device_flags, command
from genmo_rt.cli.common import progress
from genmo_rt.clock import TickClock
from genmo_rt.errors import InputError

if TYPE_CHECKING:
    from genmo_rt.camera import Intrinsics
    from genmo_rt.camera_motion import CameraMotion
    from genmo_rt.whole_clip import Frame
    from genmo_stream.keypoints.landmarker import PoseModel


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
    from genmo_rt.device import resolve_device
    from genmo_rt.estimate import Estimator
    from genmo_rt.formats.bvh import write_bvh
    from genmo_rt.formats.npz import write_npz
    from genmo_rt.model import MAX_DELAY
    from genmo_rt.recording import estimate_clip
    from genmo_rt.smpl import load_body
    from genmo_rt.stature import ShapeRule

    if args.delay is not None and not 0 <= args.delay <= MAX_DELAY:
        raise InputError(f"--delay is {args.delay}; expected 0 to {MAX_DELAY} frames")
    device = resolve_device(args.device or "auto", args.gpu)
    estimator = Estimator.load(args.checkpoint, device=device, body=load_body(args.body))
    ShapeRule(estimator.body, args.height_m)  # refuses a wrong height before the video is read
    video = _watch(args.video, args.keypoints, args.fov)
    with progress("posing", 0 if args.streaming else len(video.frames)) as posed:
        clip = estimate_clip(
            estimator,
            video.frames,
            video.intrinsics,
            height_m=args.height_m,
            delay=args.delay or 0,
            start_us=video.start_us,
            streaming=args.streaming,
            motions=video.motions,
            each=lambda: posed(None),
        )
    (write_npz if args.out.suffix == ".npz" else write_bvh)(args.out, clip)
    print(f"{args.out}: {len(clip.pelvis)} poses at {clip.fps:g} Hz")
    return 0


@dataclass(frozen=True, slots=True)
class _Video:
    """What was seen in a video, in the frames that the model's clock takes.

    Attributes:
        frames: each one's tick, and the person's landmarks.
        motions: how the camera moved until each.
        intrinsics: of the camera.
        start_us: capture time of the first frame.
    """

    frames: "list[Frame]"
    motions: "list[CameraMotion]"
    intrinsics: "Intrinsics"
    start_us: int


def _watch(path: Path, model: "PoseModel", fov: float | None) -> _Video:
    """Runs the 2D stage over a video, and follows its background."""
    from genmo_rt.camera import Intrinsics
    from genmo_stream.camera_watch import CameraWatch
    from genmo_stream.keypoints.offline import watch_video
    from genmo_stream.seen import SeenPerson
    from genmo_stream.video import count_frames

    clock, camera = TickClock(), CameraWatch(fov)
    video: _Video | None = None
    with (
        progress(f"watching {path.name}", count_frames(path)) as advance,
        closing(watch_video(path, model)) as watched,
    ):
        for seen in map(advance, watched):
            image, t_us, keypoints = seen.frame.image, seen.frame.t_capture_us, seen.keypoints
            if video is None:
                height, width = image.shape[:2]
                video = _Video([], [], Intrinsics.of_picture(width, height, fov), t_us)
            tick = clock.admit(t_us)
            if tick is not None:
                people = () if keypoints is None else (SeenPerson(keypoints),)
                video.frames.append((tick, keypoints))
                video.motions.append(camera.look(image, t_us, people))
    assert video is not None, "a video without a frame is refused where it is read"
    return video

"""`genmo-rt generate`: motion from texts, music, keyframes, or a timeline that mixes them."""

import argparse
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress

from genmo_rt.arguments import Commands, add_device_flags, command, positive
from genmo_rt.cli.common import progress, wait_asleep
from genmo_rt.clock import TICK_HZ
from genmo_rt.errors import GenmoError, InputError
from genmo_rt.generation import GUIDANCE, STEPS, Show

if TYPE_CHECKING:
    from genmo_rt.conditions import Conditions
    from genmo_rt.formats.clip import Clip
    from genmo_rt.generation.timeline import FileInterval, Timeline
    from genmo_rt.smpl import Body

SUFFIXES = (".npz", ".bvh", ".glb", ".mp4")
DEFAULT_SECONDS = 5.0  # where neither a window nor music says how long


def add(commands: Commands) -> None:
    """Registers the command."""
    parser = command(
        commands,
        "generate",
        _generate,
        "Make motion from texts, music, keyframes and video, in any mixture.",
        'genmo-rt generate --text "a person walks@0-4" --text "dances@4-8" -o dance.npz dance.mp4',
    )
    asked = parser.add_argument_group("what is asked for")
    asked.add_argument(
        "--text",
        action="append",
        metavar="TEXT[@START-END]",
        help="what the person does, from START to END seconds (the whole clip); may be repeated",
    )
    asked.add_argument("--blend", action="store_true", help="texts may overlap: both hold there")
    asked.add_argument("--music", type=Path, metavar="FILE", help="sound to dance to")
    asked.add_argument(
        "--keyframes", type=Path, metavar="FILE", help="poses to hold, in TOML or JSON"
    )
    asked.add_argument(
        "--timeline",
        type=Path,
        metavar="FILE",
        help="all of these and video intervals, in TOML or JSON, instead of the flags above",
    )
    asked.add_argument(
        "--seconds",
        type=float,
        metavar="N",
        help=f"length of the clip (to the last window's end, the music's, or {DEFAULT_SECONDS:g})",
    )
    drawn = parser.add_argument_group("how it is drawn")
    drawn.add_argument(
        "--seed", type=int, default=0, metavar="N", help="the same seed gives the same motion"
    )
    drawn.add_argument(
        "--variations", type=positive, default=1, metavar="N", help="how many motions"
    )
    drawn.add_argument("--steps", type=positive, default=STEPS, metavar="N", help="denoising steps")
    drawn.add_argument(
        "--guidance",
        type=float,
        default=GUIDANCE,
        metavar="G",
        help="how much texts and music count",
    )
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        nargs="+",
        required=True,
        metavar="OUT.npz|.bvh|.glb|.mp4",
        help="where the motion goes: AMASS keys, skeleton animation, skinned mesh, preview video",
    )
    seen = parser.add_argument_group("video intervals")
    seen.add_argument(
        "--keypoints", choices=("full", "lite"), default="full", help="MediaPipe's 2D model"
    )
    seen.add_argument(
        "--fov", type=float, metavar="DEGREES", help="the camera's field of view, longer side"
    )
    add_device_flags(parser)


def _generate(args: argparse.Namespace) -> int:
    wait_asleep()
    _check_outputs(args.out)
    timeline = _timeline(args)
    from genmo_rt.device import resolve_device
    from genmo_rt.generation.generator import Generator
    from genmo_rt.smpl import load_body

    body = load_body(args.body)
    device = resolve_device(args.device or "auto", args.gpu)
    generator = Generator.load(args.checkpoint, device=device, body=body)
    videos = [_watch(interval, args) for interval in timeline.videos]
    with shown(f"generating {timeline.length / TICK_HZ:g} s") as show:
        clips = generator.generate(
            timeline,
            args.seed,
            args.variations,
            args.steps,
            args.guidance,
            videos=videos,
            show=show,
        )
    for number, clip in enumerate(clips, start=1):
        for out in args.out:
            path = out if len(clips) == 1 else out.with_stem(f"{out.stem}-{number}")
            _write(path, clip, body)
            print(f"{path}: {len(clip.pelvis)} poses at {clip.fps:g} Hz")
    return 0


def _check_outputs(paths: list[Path]) -> None:
    for path in paths:
        if path.suffix not in SUFFIXES:
            raise InputError(f"--out is {path}; expected a name that ends in {', '.join(SUFFIXES)}")
        if not path.parent.is_dir():
            raise InputError(f"--out is {path}; expected a folder that exists")


def _timeline(args: argparse.Namespace) -> "Timeline":
    from genmo_rt.generation.timeline import read_timeline

    flags = {
        "--text": args.text,
        "--music": args.music,
        "--keyframes": args.keyframes,
        "--seconds": args.seconds,
        "--blend": args.blend,
    }
    given = [name for name, value in flags.items() if value]
    if args.timeline is not None:
        if given:
            raise InputError(f"{given[0]} beside --timeline; expected it inside the timeline")
        return read_timeline(args.timeline)
    if not given:
        raise InputError(
            "nothing is asked for; expected --text, --music, --keyframes or --timeline "
            "(--seconds alone makes something up)"
        )
    return _timeline_of_flags(args)


def _timeline_of_flags(args: argparse.Namespace) -> "Timeline":
    from genmo_rt.generation.timeline import (
        FileInterval,
        Timeline,
        frames_of,
        parse_text,
        read_keyframes,
        text_end_s,
    )
    from genmo_rt.music import music_frames

    texts: list[str] = args.text or []
    keyframes = read_keyframes(args.keyframes) if args.keyframes else ()
    heard = music_frames(args.music) if args.music else 0
    if args.seconds is not None:
        length = frames_of(args.seconds)
    else:
        ends = [text_end_s(text) for text in texts]
        length = max(
            *(0 if end is None else frames_of(end) for end in ends),
            *(keyframe.frame + 1 for keyframe in keyframes),
            heard,
            frames_of(DEFAULT_SECONDS) if None in ends and not heard else 1,
            1,
        )
    return Timeline(
        length=length,
        texts=tuple(parse_text(text, length) for text in texts),
        music=(FileInterval(args.music, 0, min(length, heard)),) if args.music else (),
        keyframes=keyframes,
        blend=args.blend,
    )


def _watch(interval: "FileInterval", args: argparse.Namespace) -> "Conditions":
    """What the 2D stage sees in a video interval: (1, n) frames at 30 Hz."""
    import torch

    from genmo_rt.camera import Intrinsics
    from genmo_rt.conditions import from_landmarks
    from genmo_rt.keypoints import NUM_LANDMARKS
    from genmo_stream.keypoints.offline import watch_video

    count = interval.end - interval.start
    end_s = interval.from_s + count / TICK_HZ
    pixels = torch.zeros(1, count, NUM_LANDMARKS, 2)
    confidence = torch.zeros(1, count, NUM_LANDMARKS)
    size, first_us, last = (0, 0), None, -1
    with (
        progress(f"watching {interval.file.name}", count) as advance,
        closing(
            watch_video(interval.file, args.keypoints, start_s=interval.from_s, end_s=end_s)
        ) as watched,
    ):
        for seen in watched:
            height, width = seen.frame.image.shape[:2]
            size = (width, height)
            first_us = seen.frame.t_capture_us if first_us is None else first_us
            tick = round((seen.frame.t_capture_us - first_us) * TICK_HZ / 1e6)
            if tick <= last or tick >= count:
                continue  # another frame was nearer
            last = advance(tick)
            if seen.keypoints is not None:
                pixels[0, tick] = torch.from_numpy(seen.keypoints.pixels)
                confidence[0, tick] = torch.from_numpy(seen.keypoints.confidence)
    if last < count - 1 - TICK_HZ // 10:  # slow cameras' last frame lies before the end
        raise InputError(
            f"{interval.file} lasts {(last + 1) / TICK_HZ:.2f} s from {interval.from_s:g} s on; "
            f"expected {count / TICK_HZ:.2f} s, as its interval is long"
        )
    if not confidence.any():
        raise GenmoError(f"nobody was found in {interval.file}; expected one person in view")
    camera = Intrinsics.of_picture(*size, args.fov)
    return from_landmarks(
        pixels,
        confidence,
        torch.tensor([[camera.fx, camera.fy, camera.cx, camera.cy]]),
        torch.tensor([[float(side) for side in size]]),
    )


@contextmanager
def shown(title: str) -> Iterator[Show]:
    """A bar on stderr, told how far it is."""
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _write(path: Path, clip: "Clip", body: "Body") -> None:
    from genmo_rt.formats.bvh import write_bvh
    from genmo_rt.formats.glb import write_glb
    from genmo_rt.formats.npz import write_npz
    from genmo_rt.generation.preview import draw
    from genmo_stream.video import write_video

    if path.suffix == ".npz":
        write_npz(path, clip)
    elif path.suffix == ".bvh":
        write_bvh(path, clip)
    elif path.suffix == ".glb":
        write_glb(path, clip, body)
    else:
        with progress(f"drawing {path.name}", len(clip.pelvis)) as advance:
            pictures = (advance(picture) for picture in draw(clip, body))
            write_video(path, pictures, TICK_HZ)

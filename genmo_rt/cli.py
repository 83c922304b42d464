"""The `genmo-rt` command: the composition root, the one module that sees every room.

Exit codes: 0 done, 1 failed, 2 wrong use.
"""

import argparse
import asyncio
import dataclasses
import itertools
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from rich.console import Console
from rich.progress import Progress

from genmo_rt.arguments import (
    Command,
    Commands,
    add_device_flags,
    add_playback_flags,
    add_server_flags,
    command,
    positive,
    web_url,
)
from genmo_rt.clock import Tick, TickClock
from genmo_rt.errors import DeviceError, GenmoError, InputError
from genmo_rt.keypoints import Keypoints

if TYPE_CHECKING:
    from genmo_stream.config import ServerConfig
    from genmo_stream.keypoints.offline import SeenFrame

Item = TypeVar("Item")


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
    for add in (_add_serve, _add_estimate, _add_send, _add_doctor, _add_bench, _add_token):
        add(commands)
    return parser


# ---- serve -------------------------------------------------------------------------------------


def _add_serve(commands: Commands) -> None:
    parser = command(
        commands,
        "serve",
        _serve,
        "Start the server: page, WHIP, websockets.",
        "genmo-rt serve --gpu 0",
    )
    add_server_flags(parser)


def _server_config(args: argparse.Namespace) -> "ServerConfig":
    from genmo_stream.config import ServerConfig, load_config

    names = {field.name for field in dataclasses.fields(ServerConfig)}
    flags = {name: value for name, value in vars(args).items() if name in names}
    file = getattr(args, "config", None) or os.environ.get("GENMO_RT_CONFIG")
    return load_config(Path(file) if file else None, os.environ, flags)


def _serve(args: argparse.Namespace) -> int:
    from genmo_stream.server import serve

    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("genmo_stream").setLevel(logging.INFO)
    serve(_server_config(args), lambda line: print(line, flush=True))
    return 0


# ---- estimate ----------------------------------------------------------------------------------


def _add_estimate(commands: Commands) -> None:
    parser = command(
        commands,
        "estimate",
        _estimate,
        "Estimate the person in a video file, as the live server would.",
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
        help="frame by frame, as the live server does; so far the only way",
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
        "--delay", type=int, default=0, metavar="N", help="frames of lookahead, 0 to 8"
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
        _progress(f"estimating {args.video.name}", total) as advance,
        closing(watch_video(args.video, args.keypoints)) as watched,
    ):
        seen = (advance(frame) for frame in watched)
        first = next(seen)
        height, width = first.frame.image.shape[:2]
        clip = estimate_clip(
            estimator,
            _ticked(itertools.chain([first], seen)),
            Intrinsics.of_picture(width, height, args.fov),
            height_m=args.height_m,
            delay=args.delay,
            start_us=first.frame.t_capture_us,
        )
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


@contextmanager
def _progress(title: str, total: int) -> Iterator[Callable[[Item], Item]]:
    """A bar on stderr that grows with every item passed through the yielded function."""
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=total or None)

        def advance(item: Item) -> Item:
            bar.advance(task)
            return item

        yield advance


# ---- send --------------------------------------------------------------------------------------


def _add_send(commands: Commands) -> None:
    parser = command(
        commands,
        "send",
        _send,
        "Publish a video file to a server by WHIP, in real time, as a camera would.",
        "genmo-rt send walk.mp4 http://127.0.0.1:8080/whip/camera --loop",
    )
    parser.add_argument("video", type=Path, metavar="VIDEO", help="the file to play")
    parser.add_argument("url", type=web_url, metavar="URL", help="http(s)://HOST:PORT/whip/STREAM")
    parser.add_argument("--loop", action="store_true", help="start over at the end")
    add_playback_flags(parser)
    parser.add_argument("--codec", choices=("VP8", "H264"), default="VP8", help="how it is encoded")
    parser.add_argument(
        "--stamp", action="store_true", help="write the time into each picture, for bench live"
    )
    parser.add_argument("--token", help="bearer token, where the server wants one (GENMO_RT_TOKEN)")


def _send(args: argparse.Namespace) -> int:
    from genmo_stream.publish import SendOptions, publish

    options = SendOptions(
        loop=args.loop,
        size=args.size,
        fps=args.fps,
        codec=args.codec,
        stamp=args.stamp,
        token=args.token or os.environ.get("GENMO_RT_TOKEN"),
    )

    async def run() -> None:
        task = asyncio.current_task()
        assert task is not None
        # Stopping it is how a looping camera ends: it says goodbye to the server.
        for stop in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(stop, task.cancel)
        sent = await publish(args.video, args.url, options, lambda line: print(line, flush=True))
        print(f"sent {sent.frames} frames, skipped {sent.skipped}")

    with suppress(asyncio.CancelledError):
        asyncio.run(run())
    return 0


# ---- doctor ------------------------------------------------------------------------------------


def _add_doctor(commands: Commands) -> None:
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
    for finding in examine(_server_config(args)):  # said as it is found: some take a while
        mark = "ok  " if finding.ok else "FAIL" if finding.needed else "warn"
        print(f"{mark}  {finding.text}", flush=True)
        healthy = healthy and (finding.ok or not finding.needed)
    return 0 if healthy else 1


# ---- bench -------------------------------------------------------------------------------------


def _add_bench(commands: Commands) -> None:
    summary = "Measure speed on this machine."
    parser = commands.add_parser(
        "bench", help=summary, description=summary, epilog="example: genmo-rt bench step"
    )
    kinds = parser.add_subparsers(required=True, metavar="KIND")
    step = command(
        kinds,
        "step",
        _bench_step,
        "A streaming step against recomputing its window, in one run.",
        "genmo-rt bench step --size base",
    )
    step.add_argument(
        "--size", choices=("small", "base"), default="small", help="size of the model"
    )
    step.add_argument(
        "--threads",
        type=positive,
        nargs="+",
        default=[1, 2],
        metavar="N",
        help="torch's threads, one measurement each",
    )
    live = command(
        kinds,
        "live",
        _bench_live,
        "Latency and rate of a live server on this machine, end to end.",
        "genmo-rt bench live walk.mp4 --size 640x480 --fps 30",
    )
    live.add_argument("video", type=Path, metavar="VIDEO", help="the file to play as a camera")
    live.add_argument(
        "--seconds", type=positive, default=60, metavar="N", help="how long to measure"
    )
    add_playback_flags(live)
    add_server_flags(live)


def _bench_step(args: argparse.Namespace) -> int:
    from genmo_rt.bench import bench_step

    print("| size | window | threads | step ms | recompute ms | ratio |")
    print("|---|---|---|---|---|---|")
    for threads in args.threads:
        with _progress(f"timing on {threads} threads", 0):
            rows = bench_step(args.size, threads)
        for row in rows:
            print(
                f"| {row.size} | {row.window} | {row.threads} | {row.step_ms:.2f} "
                f"| {row.recompute_ms:.1f} | {row.ratio:.1f} |",
                flush=True,
            )
    return 0


def _bench_live(args: argparse.Namespace) -> int:
    from genmo_rt.device import resolve_device
    from genmo_stream.bench import bench_live
    from genmo_stream.video import count_frames

    config = _server_config(args)
    resolve_device(config.device, config.gpu)  # said here, not by the server's process
    count_frames(args.video)
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("measuring", total=args.seconds)
        figures = bench_live(
            args.video,
            config,
            seconds=args.seconds,
            size=args.size,
            fps=args.fps,
            show=lambda seconds: bar.update(task, completed=seconds),
        )
    print(figures)
    return 0


# ---- token -------------------------------------------------------------------------------------


def _add_token(commands: Commands) -> None:
    parser = command(
        commands,
        "token",
        _token,
        "Make a bearer token and the lines for the server's config.",
        "genmo-rt token --scopes view publish",
    )
    parser.add_argument(
        "--scopes",
        nargs="+",
        choices=("publish", "view", "admin"),
        default=["publish", "view"],
        help="what it allows",
    )


def _token(args: argparse.Namespace) -> int:
    from genmo_stream.auth import make_token

    token, digest = make_token()
    scopes = ", ".join(f'"{scope}"' for scope in args.scopes)
    print(f"# give this to the client, it is not stored anywhere:\n# {token}\n")
    print(f'[[tokens]]\nsha256 = "{digest}"\nscopes = [{scopes}]')
    return 0


if __name__ == "__main__":
    sys.exit(main())

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
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from rich.console import Console
from rich.progress import Progress

from genmo_rt.clock import Tick, TickClock
from genmo_rt.errors import DeviceError, GenmoError, InputError
from genmo_rt.keypoints import Keypoints

if TYPE_CHECKING:
    from genmo_stream.config import ServerConfig
    from genmo_stream.keypoints.offline import SeenFrame

Command = Callable[[argparse.Namespace], int]
Item = TypeVar("Item")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; see the module's docstring for exit codes."""
    args = _parser().parse_args(argv)
    command: Command = args.command
    try:
        return command(args)
    except KeyboardInterrupt:
        return 130
    except (DeviceError, InputError) as error:
        return _fail(error, 2)
    except GenmoError as error:
        return _fail(error, 2 if type(error).__name__ == "ConfigError" else 1)


def _fail(error: Exception, code: int) -> int:
    print(f"genmo-rt: {error}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="genmo-rt",
        description="Real-time motion capture from any camera: WebRTC in, SMPL poses out.",
        epilog="Start with: genmo-rt serve, then open the page it prints.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in (_add_serve, _add_estimate, _add_send, _add_doctor, _add_bench, _add_token):
        add(commands)
    return parser


Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def _command(
    commands: Commands, name: str, run: Command, summary: str, example: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=summary,
        description=summary,
        epilog=f"example: {example}",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.set_defaults(command=run)
    return parser


# ---- serve -------------------------------------------------------------------------------------


def _add_serve(commands: Commands) -> None:
    parser = _command(
        commands,
        "serve",
        _serve,
        "Start the server: page, WHIP, websockets.",
        "genmo-rt serve --gpu 0",
    )
    _add_server_flags(parser)


def _add_server_flags(parser: argparse.ArgumentParser) -> None:
    # No defaults here: ServerConfig has them, and a flag that wasn't given must not win.
    flags = parser.add_argument_group("server (each also as GENMO_RT_* or a key of --config)")
    none = argparse.SUPPRESS
    device = flags.add_mutually_exclusive_group()
    device.add_argument("--gpu", type=int, metavar="N", default=none, help="CUDA device to use")
    device.add_argument("--device", choices=("auto", "cpu", "cuda"), default=none)
    flags.add_argument("--host", default=none, help="address to listen on (127.0.0.1)")
    flags.add_argument("--port", type=int, default=none, help="TCP port (8080)")
    flags.add_argument("--keypoints", choices=("full", "lite"), default=none, help="2D model")
    flags.add_argument("--checkpoint", type=Path, default=none, help="weights to use instead")
    flags.add_argument("--body", type=Path, default=none, help="your SMPL .npz or .pkl")
    flags.add_argument("--max-streams", type=int, default=none, help="live publishers at once")
    flags.add_argument("--max-viewers", type=int, default=none, help="viewers of one stream")
    flags.add_argument("--ice-interfaces", nargs="+", default=none, metavar="NAME")
    flags.add_argument("--udp-ports", nargs=2, type=int, default=none, metavar=("FIRST", "LAST"))
    flags.add_argument("--ice-servers", nargs="+", default=none, metavar="URL")
    flags.add_argument("--allowed-origins", nargs="+", default=none, metavar="ORIGIN")
    flags.add_argument("--tls-cert", type=Path, default=none, metavar="PEM")
    flags.add_argument("--tls-key", type=Path, default=none, metavar="PEM")
    flags.add_argument(
        "--insecure", action="store_true", default=none, help="reachable without tokens and TLS"
    )
    flags.add_argument("--config", type=Path, default=none, metavar="FILE.toml")


def _server_config(args: argparse.Namespace) -> "ServerConfig":
    from genmo_stream.config import ServerConfig, load_config

    names = {field.name for field in dataclasses.fields(ServerConfig)}
    flags = {name: value for name, value in vars(args).items() if name in names}
    return load_config(getattr(args, "config", None), os.environ, flags)


def _serve(args: argparse.Namespace) -> int:
    from genmo_stream.server import serve

    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("genmo_stream").setLevel(logging.INFO)
    serve(_server_config(args), lambda line: print(line, flush=True))
    return 0


# ---- estimate ----------------------------------------------------------------------------------


def _add_estimate(commands: Commands) -> None:
    parser = _command(
        commands,
        "estimate",
        _estimate,
        "Estimate the person in a video file, as the live server would.",
        "genmo-rt estimate walk.mp4 -o walk.npz",
    )
    parser.add_argument("video", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="OUT.npz|OUT.bvh")
    parser.add_argument("--keypoints", choices=("full", "lite"), default="full", help="2D model")
    parser.add_argument("--fov", type=float, help="camera's field of view, degrees, longer side")
    parser.add_argument("--height-m", type=float, help="the person's standing height")
    parser.add_argument("--delay", type=int, default=0, help="frames of lookahead, 0 to 8")
    _add_model_flags(parser)


WRITERS = (".npz", ".bvh")


def _estimate(args: argparse.Namespace) -> int:
    if args.out.suffix not in WRITERS:
        raise InputError(
            f"--out is {args.out}; expected a name that ends in {' or '.join(WRITERS)}"
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
    device = resolve_device(args.device, args.gpu)
    estimator = Estimator.load(args.checkpoint, device=device, body=load_body(args.body))
    with _progress(f"estimating {args.video.name}", total) as advance:
        seen = (advance(frame) for frame in watch_video(args.video, args.keypoints))
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
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=total or None)

        def advance(item: Item) -> Item:
            bar.advance(task)
            return item

        yield advance


def _add_model_flags(parser: argparse.ArgumentParser) -> None:
    device = parser.add_mutually_exclusive_group()
    device.add_argument("--gpu", type=int, metavar="N", help="CUDA device to use")
    device.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--checkpoint", type=Path, help="weights to use instead")
    parser.add_argument("--body", type=Path, help="your SMPL .npz or .pkl")


# ---- send --------------------------------------------------------------------------------------


def _add_send(commands: Commands) -> None:
    parser = _command(
        commands,
        "send",
        _send,
        "Publish a video file to a server by WHIP, in real time, as a camera would.",
        "genmo-rt send walk.mp4 http://127.0.0.1:8080/whip/camera --loop",
    )
    parser.add_argument("video", type=Path)
    parser.add_argument("url", help="WHIP endpoint, http(s)://HOST:PORT/whip/STREAM")
    parser.add_argument("--loop", action="store_true", help="start over at the end")
    parser.add_argument("--size", type=_size, metavar="WxH", help="picture size (the file's)")
    parser.add_argument("--fps", type=float, help="pictures per second (the file's)")
    parser.add_argument("--codec", choices=("VP8", "H264"), default="VP8")
    parser.add_argument("--stamp", action="store_true", help="write the time into each picture")
    parser.add_argument("--token", help="bearer token (or GENMO_RT_TOKEN)")


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise argparse.ArgumentTypeError(
            f"'{text}' is no size; expected WIDTHxHEIGHT, e.g. 640x480"
        )
    return int(width), int(height)


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
        # Told to stop, say goodbye to the server as after Ctrl-C.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        sent = await publish(args.video, args.url, options, lambda line: print(line, flush=True))
        print(f"sent {sent.frames} frames, skipped {sent.skipped}")

    with suppress(asyncio.CancelledError):
        asyncio.run(run())
    return 0


# ---- doctor ------------------------------------------------------------------------------------


def _add_doctor(commands: Commands) -> None:
    parser = _command(
        commands,
        "doctor",
        _doctor,
        "Say what works on this machine, and what to do about what doesn't.",
        "genmo-rt doctor",
    )
    _add_server_flags(parser)


def _doctor(args: argparse.Namespace) -> int:
    from genmo_stream.doctor import examine

    findings = examine(_server_config(args))
    for finding in findings:
        print(f"{'ok  ' if finding.ok else 'FAIL' if finding.needed else 'warn'}  {finding.text}")
    return 1 if any(finding.needed and not finding.ok for finding in findings) else 0


# ---- bench -------------------------------------------------------------------------------------


def _add_bench(commands: Commands) -> None:
    parser = commands.add_parser("bench", help="Measure speed on this machine.")
    kinds = parser.add_subparsers(required=True, metavar="KIND")
    step = _command(
        kinds,
        "step",
        _bench_step,
        "A streaming step against recomputing its window, in one run.",
        "genmo-rt bench step --size base",
    )
    step.add_argument("--size", choices=("small", "base"), default="small")
    step.add_argument("--threads", type=int, nargs="+", default=[1, 2], metavar="N")
    live = _command(
        kinds,
        "live",
        _bench_live,
        "Latency and rate of a live server on this machine, end to end.",
        "genmo-rt bench live walk.mp4 --size 640x480 --fps 30",
    )
    live.add_argument("video", type=Path)
    live.add_argument("--seconds", type=float, default=60.0)
    live.add_argument("--size", type=_size, metavar="WxH", help="picture size (the file's)")
    live.add_argument("--fps", type=float, help="pictures per second (the file's)")
    _add_server_flags(live)


def _bench_step(args: argparse.Namespace) -> int:
    from genmo_rt.bench import bench_step

    print("| size | window | threads | step ms | recompute ms | ratio |")
    print("|---|---|---|---|---|---|")
    for threads in args.threads:
        for row in bench_step(args.size, threads):
            print(
                f"| {row.size} | {row.window} | {row.threads} | {row.step_ms:.2f} "
                f"| {row.recompute_ms:.1f} | {row.ratio:.1f} |"
            )
    return 0


def _bench_live(args: argparse.Namespace) -> int:
    from genmo_stream.bench import bench_live

    config = _server_config(args)
    print(bench_live(args.video, config, seconds=args.seconds, size=args.size, fps=args.fps))
    return 0


# ---- token -------------------------------------------------------------------------------------


def _add_token(commands: Commands) -> None:
    parser = _command(
        commands,
        "token",
        _token,
        "Make a bearer token and the lines for the server's config.",
        "genmo-rt token --scopes view publish",
    )
    parser.add_argument(
        "--scopes", nargs="+", choices=("publish", "view", "admin"), default=["publish", "view"]
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

"""`genmo-rt send`: a video file as a camera."""

import argparse
import asyncio
import os
import signal
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit, urlunsplit

from genmo_rt.arguments import Commands, add_playback_flags, command, web_url
from genmo_rt.errors import InputError

if TYPE_CHECKING:
    from genmo_stream.publish import Sent


def add(commands: Commands) -> None:
    """Registers the command."""
    parser = command(
        commands,
        "send",
        _send,
        "Publish a video file to a server by WHIP, in real time, as a camera would; or only the "
        "keypoints seen in it.",
        "genmo-rt send walk.mp4 http://127.0.0.1:8080/whip/camera --loop",
    )
    parser.add_argument("video", type=Path, metavar="VIDEO", help="the file to play")
    parser.add_argument("url", type=web_url, metavar="URL", help="http(s)://HOST:PORT/whip/STREAM")
    parser.add_argument(
        "--keypoints",
        nargs="?",
        const="full",
        choices=("full", "lite"),
        metavar="MODEL",
        help="find people's keypoints here, with MediaPipe's full or lite model, and send these "
        "alone: no picture leaves",
    )
    parser.add_argument("--loop", action="store_true", help="start over at the end")
    add_playback_flags(parser)
    parser.add_argument(
        "--delay",
        type=int,
        choices=range(9),
        metavar="N",
        help="let poses come N ticks (1/30 s) later and better: 0 to 8 (the server's, 0)",
    )
    parser.add_argument("--codec", choices=("VP8", "H264"), default="VP8", help="how it is encoded")
    parser.add_argument(
        "--stamp", action="store_true", help="write the time into each picture, for bench live"
    )
    parser.add_argument(
        "--ca", type=Path, metavar="PEM", help="trust this certificate: a server's own, say"
    )
    parser.add_argument("--token", help="bearer token, where the server wants one (GENMO_RT_TOKEN)")


def _send(args: argparse.Namespace) -> int:
    token = args.token or os.environ.get("GENMO_RT_TOKEN")
    args.url = _with_delay(args.url, args.delay)
    publishing = _video(args, token) if args.keypoints is None else _keypoints(args, token)

    async def run() -> None:
        task = asyncio.current_task()
        assert task is not None
        # Stopping it is how a looping camera ends: it says goodbye to the server.
        for stop in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(stop, task.cancel)
        sent = await publishing
        print(f"sent {sent.frames} frames, skipped {sent.skipped}")

    with suppress(asyncio.CancelledError):
        asyncio.run(run())
    return 0


def _with_delay(url: str, delay: int | None) -> str:
    """The address with the delay in its query, where the server reads it."""
    if delay is None:
        return url
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    if "delay" in query:
        raise InputError(f"--delay is {delay} and {url} says delay={query['delay'][0]}; give one")
    told = "&".join(part for part in (parts.query, f"delay={delay}") if part)
    return urlunsplit(parts._replace(query=told))


def _video(args: argparse.Namespace, token: str | None) -> "Coroutine[Any, Any, Sent]":
    from genmo_stream.publish import SendOptions, publish

    options = SendOptions(
        loop=args.loop,
        size=args.size,
        fps=args.fps,
        codec=args.codec,
        stamp=args.stamp,
        token=token,
        ca=args.ca,
    )
    return publish(args.video, args.url, options, _say)


def _keypoints(args: argparse.Namespace, token: str | None) -> "Coroutine[Any, Any, Sent]":
    from genmo_stream.publish_keypoints import KeypointOptions, publish_keypoints

    if args.stamp:
        raise InputError("--stamp writes into pictures, and --keypoints sends none; give one")
    options = KeypointOptions(
        loop=args.loop,
        size=args.size,
        fps=args.fps,
        model=args.keypoints,
        token=token,
        ca=args.ca,
    )
    return publish_keypoints(args.video, args.url, options, _say)


def _say(line: str) -> None:
    print(line, flush=True)

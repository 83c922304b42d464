"""`genmo-rt send`: a video file as a camera."""

import argparse
import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

from genmo_rt.arguments import Commands, add_playback_flags, command, web_url


def add(commands: Commands) -> None:
    """Registers the command."""
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
    parser.add_argument(
        "--ca", type=Path, metavar="PEM", help="trust this certificate: a server's own, say"
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
        ca=args.ca,
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

"""What the commands' flags are called and say."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

Command = Callable[[argparse.Namespace], int]
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
Flags: TypeAlias = "argparse.ArgumentParser | argparse._ArgumentGroup"


def command(
    commands: Commands, name: str, run: Command, summary: str, example: str
) -> argparse.ArgumentParser:
    """Adds a command: its name, what runs it, one line of help, an example."""
    parser = commands.add_parser(
        name,
        help=summary,
        description=summary,
        epilog=f"example: {example}",
        formatter_class=_Help,
    )
    parser.set_defaults(command=run)
    return parser


def add_server_flags(parser: argparse.ArgumentParser) -> None:
    """The keys of ServerConfig, and --config."""
    # No defaults here: ServerConfig has them, and a flag that wasn't given must not win.
    flags = parser.add_argument_group("server (each also as GENMO_RT_* or a key of --config)")
    none = argparse.SUPPRESS
    add_device_flags(flags, none)
    flags.add_argument(
        "--host", metavar="ADDRESS", default=none, help="address to listen on (127.0.0.1)"
    )
    flags.add_argument(
        "--port", type=int, metavar="N", default=none, help="TCP port; 0 takes a free one (8080)"
    )
    flags.add_argument(
        "--keypoints", choices=("full", "lite"), default=none, help="MediaPipe's 2D model (full)"
    )
    flags.add_argument(
        "--max-streams",
        type=int,
        metavar="N",
        default=none,
        help="cameras at once; one more gets 503 (as many as this machine carries, measured)",
    )
    flags.add_argument(
        "--max-keypoint-streams",
        type=int,
        metavar="N",
        default=none,
        help="publishers of keypoints at once; one more gets 503 (measured, as --max-streams)",
    )
    flags.add_argument(
        "--max-persons",
        type=int,
        metavar="N",
        default=none,
        help="people followed in one stream; each one who is there costs 2D work (4)",
    )
    flags.add_argument(
        "--max-viewers", type=int, metavar="N", default=none, help="viewers of one stream (64)"
    )
    flags.add_argument(
        "--ice-interfaces",
        nargs="+",
        default=none,
        metavar="NAME",
        help="network interfaces or addresses that media may use (all)",
    )
    flags.add_argument(
        "--udp-ports",
        nargs=2,
        type=int,
        default=none,
        metavar=("FIRST", "LAST"),
        help="UDP ports that media may use (any)",
    )
    flags.add_argument(
        "--ice-servers",
        nargs="+",
        default=none,
        metavar="URL",
        help="stun:HOST:PORT or turn:USER:PASSWORD@HOST:PORT, for cameras behind a NAT (none)",
    )
    flags.add_argument(
        "--allowed-origins",
        nargs="+",
        default=none,
        metavar="ORIGIN",
        help="further sites whose pages may use this server, e.g. https://stage.example",
    )
    flags.add_argument(
        "--tls-cert", type=Path, default=none, metavar="PEM", help="certificate chain, for HTTPS"
    )
    flags.add_argument("--tls-key", type=Path, default=none, metavar="PEM", help="its private key")
    add_sink_flags(flags)
    flags.add_argument(
        "--takes-dir",
        type=Path,
        default=none,
        metavar="FOLDER",
        help="where takes are recorded (~/.local/share/genmo-rt/takes)",
    )
    flags.add_argument(
        "--take-minutes", type=int, metavar="N", default=none, help="longest take (60)"
    )
    flags.add_argument(
        "--take-megabytes",
        type=int,
        metavar="N",
        default=none,
        help="largest file of a take, MiB (2048)",
    )
    flags.add_argument(
        "--insecure",
        action="store_true",
        default=none,
        help="let other machines in without tokens and TLS",
    )
    flags.add_argument(
        "--config", type=Path, default=none, metavar="FILE.toml", help="settings in a file"
    )


def add_sink_flags(flags: Flags) -> None:
    """Where poses are sent on to; each may be given several times."""
    for name, metavar, text in (
        ("--vmc", "HOST[:PORT]", "send poses to a VMC marionette (port 39539)"),
        ("--vrchat", "HOST[:PORT]", "send trackers to VRChat (port 9000); auto looks for it"),
        ("--zmq", "tcp://ADDRESS:PORT", "publish poses for humanoid robots, as GEAR-SONIC's"),
    ):
        flags.add_argument(
            name, action="append", metavar=metavar, default=argparse.SUPPRESS, help=text
        )


def add_device_flags(flags: Flags, default: str | None = None) -> None:
    """Where the model runs, and with which weights and body."""
    device = flags.add_mutually_exclusive_group()
    device.add_argument(
        "--gpu", type=int, metavar="N", default=default, help="number of the CUDA device to use"
    )
    device.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default=default,
        help="where the model runs (auto: a GPU if there is one)",
    )
    flags.add_argument(
        "--checkpoint",
        type=Path,
        metavar="FILE",
        default=default,
        help="weights to use instead of those that ship",
    )
    flags.add_argument(
        "--body",
        type=Path,
        metavar="FILE",
        default=default,
        help="your SMPL .npz or .pkl instead of the built-in body",
    )


def add_playback_flags(parser: argparse.ArgumentParser) -> None:
    """How a file is played."""
    parser.add_argument("--size", type=size, metavar="WxH", help="picture size (the file's)")
    parser.add_argument("--fps", type=float, metavar="N", help="pictures per second (the file's)")


def size(text: str) -> tuple[int, int]:
    """Reads WxH."""
    width, _, height = text.lower().partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise argparse.ArgumentTypeError(
            f"'{text}' is no size; expected WIDTHxHEIGHT, e.g. 640x480"
        )
    return int(width), int(height)


def positive(text: str) -> int:
    """Reads a whole number above 0."""
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"'{text}'; expected a whole number above 0")
    return int(text)


def web_url(text: str) -> str:
    """Reads an http or https URL."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise argparse.ArgumentTypeError(
            f"'{text}' is no URL; expected e.g. http://127.0.0.1:8080/whip/camera"
        )
    return text


class _Help(argparse.ArgumentDefaultsHelpFormatter):
    """Tells the defaults that say something."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        default = action.default
        if default is None or default is False or default is argparse.SUPPRESS:
            return action.help
        return super()._get_help_string(action)

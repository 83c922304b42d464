"""`genmo-rt token`: a bearer token and its line of config."""

import argparse

from genmo_rt.arguments import Commands, command


def add(commands: Commands) -> None:
    """Registers the command."""
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

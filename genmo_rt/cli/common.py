"""What several commands share: the server's settings, a progress bar."""

import argparse
import dataclasses
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from rich.console import Console
from rich.progress import Progress

if TYPE_CHECKING:
    from genmo_stream.config import ServerConfig

Item = TypeVar("Item")


def server_config(args: argparse.Namespace) -> "ServerConfig":
    """The server's settings from flags, environment and --config."""
    from genmo_stream.config import ServerConfig, load_config

    names = {field.name for field in dataclasses.fields(ServerConfig)}
    flags = {name: value for name, value in vars(args).items() if name in names}
    file = getattr(args, "config", None) or os.environ.get("GENMO_RT_CONFIG")
    return load_config(Path(file) if file else None, os.environ, flags)


def wait_asleep() -> None:
    """Lets torch's threads sleep while they wait for each other; call it before torch is imported.

    By default they spin: beside another busy process a clip then takes ten times as long and more.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@contextmanager
def progress(title: str, total: int) -> Iterator[Callable[[Item], Item]]:
    """A bar on stderr that grows with every item passed through the yielded function."""
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=total or None)

        def advance(item: Item) -> Item:
            bar.advance(task)
            return item

        yield advance

"""What several tests share: a real server, the fixture videos."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving import ServerProcess

VIDEOS = Path(__file__).parent / "fixtures" / "video"


@pytest.fixture(scope="session")
def videos() -> Path:
    """Folder of the fixture videos."""
    return VIDEOS


@pytest.fixture(scope="module")
def live_server() -> Iterator[ServerProcess]:
    """A running `genmo-rt serve` with the defaults, one per test module."""
    with ServerProcess() as server:
        yield server

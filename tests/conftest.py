"""What several tests share: a real server, the fixture videos."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving import ServerProcess

# librosa's compiled functions are cached in files that two test processes can't both write: the
# mixture crashes whoever loads it. Each process has its own, before anything imports numba.
_PROCESS = os.environ.get("PYTEST_XDIST_WORKER", "alone")
os.environ["NUMBA_CACHE_DIR"] = str(Path(sys.prefix, "numba", _PROCESS))

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

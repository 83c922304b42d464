"""Memory that threads leave behind goes to those that follow."""

import gc
import subprocess
import sys
import weakref

import pytest

from genmo_stream.memory import settle, trim

TRIMMED = """
import ctypes, platform
from genmo_stream.memory import trim

def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * 4096

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
blocks = [libc.malloc(64000) for _ in range(1000)]  # below what malloc maps by itself
for block in blocks:
    ctypes.memset(block, 1, 64000)
for block in blocks[:-1]:  # the last one keeps the heap's end from being given back
    libc.free(block)
before = resident()
assert trim() == (platform.libc_ver()[0] == "glibc")
print(before - resident())
"""

GROWTH = """
import ctypes, platform, threading
from genmo_stream.memory import share_arenas

assert share_arenas() == (platform.libc_ver()[0] == "glibc")
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]

def work():
    for block in [libc.malloc(4096) for _ in range(100)]:
        libc.free(block)

for _ in range(2):  # at once, so that every thread would get a heap of its own
    threads = [threading.Thread(target=work) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
libc.malloc_stats()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's heaps")
def test_any_number_of_threads_shares_two_heaps() -> None:
    done = subprocess.run(
        [sys.executable, "-c", GROWTH], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    heaps = [line for line in done.stderr.splitlines() if line.startswith("Arena")]
    assert 1 <= len(heaps) <= 2


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's heaps")
def test_what_was_freed_is_given_back() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TRIMMED], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 50_000_000


class Ring:
    """Refers to itself, as a connection and its callbacks do."""

    def __init__(self) -> None:
        self.me = self


def test_rings_are_swept_up_with_each_publisher_and_what_was_there_before_is_not_looked_at() -> (
    None
):
    gc.disable()
    try:
        settle()
        assert gc.get_freeze_count() > 1000
        ring = weakref.ref(Ring())
        assert ring() is not None
        trim()
        assert ring() is None
    finally:
        gc.unfreeze()
        gc.enable()

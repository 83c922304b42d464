"""Keeps a server's memory flat while publishers, and their threads, come and go.

Every new thread is given one of up to 8 of glibc's heaps per core, and what MediaPipe and the
decoders free in it stays with the process: 75 publishers, one after the other, grew it by 2.9 MB
each. With two heaps for all it stops at 60 MB.

A connection that ended is a ring of Python objects that hold decoders and TLS state, about 1 MB.
Python looks for old rings only once there are a quarter as many new objects as old ones, and
torch and MediaPipe alone are 280,000: it would be hundreds of publishers later. So what was there
at the start is set aside, and each publisher's end is swept up.
"""

import ctypes
import gc

M_ARENA_MAX = -8  # malloc.h
ARENAS = 2


def share_arenas() -> bool:
    """Lets all threads share a few heaps; to be called before the first one starts.

    Returns:
        Whether this is glibc, and did it.
    """
    try:
        return bool(ctypes.CDLL(None).mallopt(M_ARENA_MAX, ARENAS))
    except (OSError, AttributeError):  # another C library
        return False


def settle() -> None:
    """Sets aside all objects that are there, so that sweeps after publishers cost next to nothing.

    To be called once, when everything is loaded and before anything is served.
    """
    gc.collect()
    gc.freeze()


def trim() -> bool:
    """Sweeps up what a publisher left and gives it back to the system; takes some milliseconds.

    Returns:
        Whether there was any to give.
    """
    gc.collect()
    try:
        return bool(ctypes.CDLL(None).malloc_trim(0))
    except (OSError, AttributeError):
        return False

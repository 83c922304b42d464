"""Keeps a server's memory flat while publishers, and their threads, come and go.

Every new thread is given one of up to 8 of glibc's heaps per core, and what MediaPipe and the
decoders free in it stays with the process: 75 publishers, one after the other, grew it by 2.9 MB
each. With two heaps for all it stops at 60 MB, and trimmed after each publisher it stays flat.
"""

import ctypes

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


def trim() -> bool:
    """Gives freed memory back to the system; takes some milliseconds.

    Returns:
        Whether there was any to give.
    """
    try:
        return bool(ctypes.CDLL(None).malloc_trim(0))
    except (OSError, AttributeError):
        return False

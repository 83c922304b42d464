"""Takes: recordings of a stream without its video, kept as append-only files."""

from genmo_stream.takes.info import TakeInfo
from genmo_stream.takes.store import Takes
from genmo_stream.takes.take import Take, read_take
from genmo_stream.takes.writer import TakeLimits

__all__ = ["Take", "TakeInfo", "TakeLimits", "Takes", "read_take"]

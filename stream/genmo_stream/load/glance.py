"""As much of a binary pose as a load's viewer needs: times, and who is there in what state.

Decoding whole poses of forty streams would cost more than sending them.
"""

from dataclasses import dataclass

from genmo_stream.wire import WireError
from genmo_stream.wire.binary import HEADER, PERSON


@dataclass(frozen=True, slots=True)
class Glance:
    """One pose message.

    Attributes:
        seq: the stream's number of it.
        t_capture_us: when the picture was taken, server's clock.
        t_publish_us: when the pose was published.
        persons: (id, state) of everybody.
    """

    seq: int
    t_capture_us: int
    t_publish_us: int
    persons: tuple[tuple[int, int], ...]


def glance(buffer: bytes) -> Glance:
    """Reads the heads of a pose message and of its persons.

    Raises:
        WireError: the lengths don't fit the buffer.
    """
    if len(buffer) < HEADER.size:
        raise WireError(f"message of {len(buffer)} bytes; a pose header has {HEADER.size}")
    head = HEADER.unpack_from(buffer)
    offset, seq, t_capture_us, t_publish_us, count = head[3], head[5], head[7], head[8], head[10]
    persons = []
    for _ in range(count):
        if offset + PERSON.size > len(buffer):
            raise WireError(f"{len(buffer)} bytes; expected a person's block at {offset}")
        person, state, _, _, _, block_len, _ = PERSON.unpack_from(buffer, offset)
        persons.append((person, state))
        offset += block_len
    if offset != len(buffer):
        raise WireError(f"message of {len(buffer)} bytes; its blocks end at {offset}")
    return Glance(seq, t_capture_us, t_publish_us, tuple(persons))

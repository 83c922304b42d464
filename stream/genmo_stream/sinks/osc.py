"""Open Sound Control 1.0: messages, and bundles of them that fit into a packet."""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

BUNDLE_HEAD = b"#bundle\0" + struct.pack(">Q", 1)  # a time tag of 1: at once


@dataclass(frozen=True, slots=True)
class OscMessage:
    """An address with its arguments: texts, whole numbers (int32) and numbers (float32)."""

    address: str
    arguments: tuple[str | int | float, ...]

    def encode(self) -> bytes:
        """The message's bytes, a multiple of four."""
        tags, values = ",", b""
        for argument in self.arguments:
            match argument:
                case str():
                    tags, values = tags + "s", values + _text(argument)
                case int():
                    tags, values = tags + "i", values + struct.pack(">i", argument)
                case float():
                    tags, values = tags + "f", values + struct.pack(">f", argument)
        return _text(self.address) + _text(tags) + values


def bundles(messages: Iterable[OscMessage], limit: int) -> Iterator[bytes]:
    """Packs messages, in order, into as few bundles of at most `limit` bytes as they need."""
    bundle = BUNDLE_HEAD
    for message in messages:
        content = message.encode()
        element = struct.pack(">i", len(content)) + content
        if len(bundle) + len(element) > limit and len(bundle) > len(BUNDLE_HEAD):
            yield bundle
            bundle = BUNDLE_HEAD
        bundle += element
    if len(bundle) > len(BUNDLE_HEAD):
        yield bundle


def _text(text: str) -> bytes:
    """Ended by a zero and filled up to a multiple of four."""
    content = text.encode("ascii") + b"\0"
    return content + b"\0" * (-len(content) % 4)

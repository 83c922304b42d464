"""One sink's settings, from a flag, a `[[sinks]]` table or a JSON object."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, Self, get_args

from genmo_stream.errors import SinkError

SinkKind = Literal["vmc", "vrchat", "zmq"]
KINDS: tuple[str, ...] = get_args(SinkKind)
Preset = Literal["full", "legs", "hips-feet"]
PRESETS: tuple[str, ...] = get_args(Preset)
DEFAULT_PORTS = {"vmc": 39539, "vrchat": 9000, "zmq": 5556}
MAX_RATE = 240.0
MAX_PERSONS = 16
EXAMPLES = {"vmc": "127.0.0.1:39539", "vrchat": "127.0.0.1:9000", "zmq": "tcp://0.0.0.0:5556"}
AUTO = "auto"


@dataclass(frozen=True, slots=True)
class SinkConfig:
    """Where one sink sends, what, and how often.

    Attributes:
        kind: one of KINDS.
        to: HOST or HOST:PORT; tcp://ADDRESS:PORT to bind for zmq; "auto" looks for VRChat on the
            local network.
        stream: of which stream; None takes whichever is live, one at a time.
        rate: poses per second at most, None sends every one. For zmq the rate of the frames that
            poses are resampled to, None for 50.
        persons: how many, the one who came first first; each further person's goes to the next
            port.
        mirror: left and right exchanged, as a mirror shows people.
        preset: which trackers VRChat gets.
        height_m: the height set in VRChat, which trackers are scaled to; None leaves the person's.
    """

    kind: SinkKind
    to: str
    stream: str | None = None
    rate: float | None = None
    persons: int = 1
    mirror: bool = False
    preset: Preset = "full"
    height_m: float | None = None

    def __post_init__(self) -> None:
        """Checks values.

        Raises:
            SinkError: names the value and what was expected.
        """
        _check("kind", self.kind, self.kind in KINDS, " or ".join(KINDS))
        _check("to", self.to, isinstance(self.to, str), f"text, e.g. {EXAMPLES[self.kind]}")
        if not (self.kind == "vrchat" and self.to == AUTO):
            self.address(0)
        named = self.stream is None or isinstance(self.stream, str)
        _check("stream", self.stream, named, "a stream's name")
        ok = self.rate is None or _is_number(self.rate, 1, MAX_RATE)
        _check("rate", self.rate, ok, f"1 to {MAX_RATE:g} per second")
        most = 1 if self.kind == "vrchat" else MAX_PERSONS
        whole = isinstance(self.persons, int) and not isinstance(self.persons, bool)
        expected = "1: VRChat takes one person" if most == 1 else f"1 to {most}"
        _check("persons", self.persons, whole and 1 <= self.persons <= most, expected)
        _check("mirror", self.mirror, isinstance(self.mirror, bool), "true or false")
        _check("preset", self.preset, self.preset in PRESETS, " or ".join(PRESETS))
        ok = self.height_m is None or _is_number(self.height_m, 0.5, 3.0)
        _check("height_m", self.height_m, ok, "0.5 to 3 metres")

    @classmethod
    def from_fields(cls, values: Mapping[str, Any]) -> Self:
        """Reads a TOML table or JSON object.

        Raises:
            SinkError: a key is unknown or missing, or a value is wrong.
        """
        known = [field.name for field in fields(cls)]
        unknown = [key for key in values if key not in known]
        if unknown:
            raise SinkError(f"unknown key '{unknown[0]}' of a sink; known are {', '.join(known)}")
        missing = [key for key in ("kind", "to") if key not in values]
        if missing:
            raise SinkError(f"a sink has no {' and no '.join(missing)}; expected kind and to")
        return cls(**values)

    def address(self, person: int) -> tuple[str, int]:
        """Host and port for the so-manieth person, from 0.

        Raises:
            SinkError: `to` is no address.
        """
        text = self.to.removeprefix("tcp://") if self.kind == "zmq" else self.to
        host, colon, port_text = text.rpartition(":")
        if not colon or text.endswith("]"):  # no port; an IPv6 address stands in brackets
            host, port_text = text, str(DEFAULT_PORTS[self.kind])
        host = host.removeprefix("[").removesuffix("]")
        digits = port_text.isascii() and port_text.isdigit() and len(port_text) <= 5
        port = int(port_text) + person if digits else 0
        if not host or "/" in host or not 1 <= port <= 65535:
            raise SinkError(
                f"{self.kind} address is {self.to!r}; expected e.g. {EXAMPLES[self.kind]}"
            )
        return host, port


def _is_number(value: Any, low: float, high: float) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value) and low <= value <= high


def _check(key: str, value: Any, ok: bool, expected: str) -> None:
    if not ok:
        raise SinkError(f"sink's {key} is {value!r}; expected {expected}")

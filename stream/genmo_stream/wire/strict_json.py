"""JSON read strictly: every value is checked, and refused with what was expected."""

import json
from collections.abc import Iterator
from math import isfinite, isnan
from typing import NoReturn

import numpy as np

from genmo_stream.wire.messages import Floats, WireError


def dumps(fields: dict[str, object]) -> str:
    return json.dumps(fields, separators=(",", ":"), allow_nan=False, ensure_ascii=False)


def rounded(values: Floats) -> list[object]:
    """Six decimals: micrometres; −0 becomes 0."""
    nested: list[object] = (np.round(values.astype(np.float64), 6) + 0.0).tolist()
    return nested


def loads(text: str) -> dict[str, object]:
    """Reads an object.

    Raises:
        NotFinite: it holds a NaN or an infinity, which Python writes and JSON doesn't know.
        WireError: it isn't one.
    """
    try:
        fields = _DECODER.decode(text)
    except _Constant:
        raise _not_finite(text) from None
    except (ValueError, RecursionError) as error:
        raise WireError(f"not JSON ({error}): {short(text)}; expected an object") from error
    if not isinstance(fields, dict):
        raise WireError(f"JSON {kind(fields)}; expected an object")
    return fields


PLACE_LENGTH = 60  # characters that say where a value is


class NotFinite(WireError):
    """A message that would be JSON but for a NaN or an infinity.

    Attributes:
        type: what kind of message it says it is; None where it doesn't say.
    """

    def __init__(self, message: str, type: object) -> None:
        super().__init__(message)
        self.type = type


class _Constant(ValueError):
    """JSON doesn't know this one."""


def _refuse_constant(name: str) -> NoReturn:
    raise _Constant(name)


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def _not_finite(text: str) -> WireError:
    """Names the first value that isn't finite."""
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):  # what follows the value isn't JSON either
        fields = None
    for place, value in _leaves(fields):
        if isinstance(value, float) and not isfinite(value):
            name = "NaN" if isnan(value) else "Infinity" if value > 0 else "-Infinity"
            said = f"{place or 'the message'} is {name}, and {name} is not JSON"
            kind_of = fields.get("type") if isinstance(fields, dict) else None
            return NotFinite(f"{said}; expected a finite number", kind_of)
    return WireError(f"NaN is not JSON: {short(text)}; expected an object of finite numbers")


def _leaves(fields: object) -> Iterator[tuple[str, object]]:
    """Every value that holds no others, in order, each with its place: persons[0].landmarks[3]."""
    waiting = [("", fields)]
    while waiting:
        place, value = waiting.pop()
        inner: list[tuple[str, object]] = []
        if isinstance(value, dict):
            inner = [
                (f"{place}.{key}".lstrip(".")[:PLACE_LENGTH], one) for key, one in value.items()
            ]
        elif isinstance(value, list):
            inner = [(f"{place}[{k}]"[:PLACE_LENGTH], one) for k, one in enumerate(value)]
        if inner:
            waiting += reversed(inner)
        else:
            yield place, value


def integer(fields: dict[str, object], name: str, low: int, high: int) -> int:
    value = fields.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise WireError(f"{name} is {short(value)}; expected an integer from {low} to {high}")
    return value


def number(fields: dict[str, object], name: str) -> float:
    value = fields.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < 2**63:
        raise WireError(f"{name} is {short(value)}; expected a number")
    return value


def array(fields: dict[str, object], name: str) -> Floats:
    try:
        array = np.asarray(fields.get(name))
    except ValueError as error:
        raise WireError(f"{name} is ragged; expected rows of one length") from error
    if array.dtype.kind not in "iuf":
        raise WireError(f"{_no_number(name, fields.get(name))}; expected numbers")
    with np.errstate(over="ignore"):  # too large for float32 becomes inf, refused with NaN
        return array.astype(np.float32)


def _no_number(name: str, value: object) -> str:
    """Names the first value in a list that is no number, or the whole."""
    if isinstance(value, list):
        for place, one in _leaves(value):
            if isinstance(one, bool) or not isinstance(one, int | float) or abs(one) >= 2**63:
                return f"{name} is not numbers alone: {name}{place} is {short(one)}"
    return f"{name} is {short(value)}"


def list_of(fields: dict[str, object], name: str) -> list[object]:
    value = fields.get(name)
    if not isinstance(value, list):
        raise WireError(f"{name} is {kind(value)}; expected a list")
    return value


def object_of(fields: dict[str, object], name: str) -> dict[str, object]:
    value = fields.get(name)
    if not isinstance(value, dict):
        raise WireError(f"{name} is {kind(value)}; expected an object")
    return value


def kind(value: object) -> str:
    return "nothing" if value is None else type(value).__name__


def short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."

"""JSON read strictly: every value is checked, and refused with what was expected."""

import json
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
    try:
        fields = _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        raise WireError(f"not JSON ({error}): {short(text)}; expected an object") from error
    if not isinstance(fields, dict):
        raise WireError(f"JSON {kind(fields)}; expected an object")
    return fields


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


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
        raise WireError(f"{name} is {short(fields.get(name))}; expected numbers")
    with np.errstate(over="ignore"):  # too large for float32 becomes inf, refused with NaN
        return array.astype(np.float32)


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

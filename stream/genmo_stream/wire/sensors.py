"""What a camera's device says of its motion: one JSON object per sample, on a data channel."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genmo_stream.wire.messages import WireError
from genmo_stream.wire.strict_json import array, dumps, integer, loads, short

CHANNEL = "sensors"  # label of the data channel
BAD_SENSOR = "bad_sensor"  # code of the error that says that samples can't be used
TIME_MAX = 2**62  # microseconds: far beyond any clock
MAX_SAMPLE_BYTES = 512
GRAVITY_RANGE = (7.0, 13.0)  # m/s²; hands shake it
MAX_RATE = 40.0  # rad/s: what gyroscopes in phones can measure

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SensorText:
    """A sample among other messages, not read yet."""

    text: str


@dataclass(frozen=True, slots=True, eq=False)
class SensorSample:
    """One sample, in the camera's axes (OpenCV: x right, y down, z forward, as in the picture).

    Attributes:
        t_us: when it was measured, on the client's own clock, microseconds.
        gravity: (3,) m/s², points down: (0, 9.81, 0) for a level camera; None where not measured.
        rotation_rate: (3,) rad/s about the axes, mean since the sample before; None likewise.
    """

    t_us: int
    gravity: Array | None
    rotation_rate: Array | None


def parse_sample(message: str | bytes) -> SensorSample:
    """Reads what came on the data channel.

    Raises:
        WireError: the message is binary, too long, garbage, or says what no device measures.
    """
    if isinstance(message, bytes):
        raise WireError(f"binary message of {len(message)} bytes; expected JSON text")
    if len(message) > MAX_SAMPLE_BYTES:
        raise WireError(f"message of {len(message)} bytes; expected at most {MAX_SAMPLE_BYTES}")
    fields = loads(message)
    if fields.get("type") != "sensor":
        raise WireError(f"message type {short(fields.get('type'))}; expected sensor")
    t_us = integer(fields, "t_capture_us", 0, TIME_MAX)
    gravity, rate = _vector(fields, "gravity"), _vector(fields, "rotation_rate")
    if gravity is None and rate is None:
        raise WireError("neither gravity nor rotation_rate; expected one of them")
    if gravity is not None:
        size = float(np.linalg.norm(gravity))
        if not GRAVITY_RANGE[0] <= size <= GRAVITY_RANGE[1]:
            raise WireError(
                f"gravity of {size:g} m/s²; expected {GRAVITY_RANGE[0]:g} to {GRAVITY_RANGE[1]:g}"
            )
    if rate is not None and float(np.linalg.norm(rate)) > MAX_RATE:
        size = float(np.linalg.norm(rate))
        raise WireError(f"rotation_rate of {size:g} rad/s; expected at most {MAX_RATE:g}")
    return SensorSample(t_us, gravity, rate)


def encode_sample(sample: SensorSample) -> str:
    """The sample as JSON."""
    fields: dict[str, object] = {"type": "sensor", "t_capture_us": sample.t_us}
    for name, vector in (("gravity", sample.gravity), ("rotation_rate", sample.rotation_rate)):
        if vector is not None:
            fields[name] = [round(float(value), 6) for value in vector]
    return dumps(fields)


def _vector(fields: dict[str, object], name: str) -> Array | None:
    if fields.get(name) is None:
        return None
    vector = array(fields, name)
    if vector.shape != (3,) or not np.isfinite(vector).all():
        raise WireError(f"{name} is {short(fields.get(name))}; expected three finite numbers")
    return vector.astype(np.float64)

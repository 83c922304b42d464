"""What checks and measurements give back. Imports no torch: reports are written without it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison.

    Attributes:
        name: op, dtype and case.
        error: largest difference, over the largest true value.
        bound: what is allowed; 0 where bits must agree.
    """

    name: str
    error: float
    bound: float

    @property
    def passed(self) -> bool:
        """NaN fails."""
        return self.error <= self.bound


@dataclass(frozen=True, slots=True)
class Timing:
    """One contender in one case.

    Attributes:
        case: what was computed.
        contender: who computed it.
        microseconds: per layer, median; None if it wasn't timed.
        floor: the shortest time that memory allows, microseconds; None where it doesn't bind.
        note: why it wasn't timed.
    """

    case: str
    contender: str
    microseconds: float | None
    floor: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Ceilings:
    """What the machine can do, measured in the same run.

    Attributes:
        bandwidth: bytes per microsecond of a copy, read and written ones counted.
        flops: floating-point operations per microsecond of a matrix product.
        what: the product's dtype.
    """

    bandwidth: float
    flops: float
    what: str


@dataclass(frozen=True, slots=True)
class Work:
    """An op's run as a point of the roofline picture.

    Attributes:
        name: op and case.
        flops: that the definition needs.
        bytes: that must cross memory at least once.
        microseconds: that it took.
    """

    name: str
    flops: float
    bytes: float
    microseconds: float

    @property
    def intensity(self) -> float:
        """Floating-point operations per byte."""
        return self.flops / self.bytes

    @property
    def rate(self) -> float:
        """Floating-point operations per microsecond."""
        return self.flops / self.microseconds

    def share(self, ceilings: Ceilings) -> float:
        """Of what the lower ceiling allows at this intensity."""
        return self.rate / min(ceilings.flops, ceilings.bandwidth * self.intensity)

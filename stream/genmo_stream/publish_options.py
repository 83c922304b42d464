"""What a publisher says of its camera."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PublishOptions:
    """What a publisher says about its camera, in the query of its POST.

    Attributes:
        fov: field of view along the longer side in degrees; None = not known.
        height_m: the person's height in metres; None = not known.
        delay: frames of lookahead, 0..8.
    """

    fov: float | None = None
    height_m: float | None = None
    delay: int = 0

"""What the numbers in video planes mean."""

from dataclasses import dataclass
from typing import Literal, get_args

Matrix = Literal["bt601", "bt709"]
Layout = Literal["nv12", "i420"]

LUMA_OF = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722)}
"""Share of red and of blue in luma (ITU-R BT.601-7, 2.5.1; BT.709-6, 3.2)."""


@dataclass(frozen=True, slots=True)
class Colour:
    """R = Y + red_v V, G = Y + green_u U + green_v V, B = Y + blue_u U, each 0..1.

    Attributes:
        black: luma's code for 0.
        luma: what one step of luma adds to Y.
        chroma: what one step from 128 adds to U or V.
        red_v: and the others: as above.
    """

    black: float
    luma: float
    chroma: float
    red_v: float
    green_u: float
    green_v: float
    blue_u: float

    @classmethod
    def of(cls, matrix: Matrix, full_range: bool) -> "Colour":
        """The numbers of a standard.

        Args:
            matrix: "bt601" (standard definition, most webcams) or "bt709" (HD).
            full_range: codes 0..255 instead of 16..235 (chroma 16..240).
        """
        red, blue = LUMA_OF[matrix]
        green = 1 - red - blue
        return cls(
            black=0.0 if full_range else 16.0,
            luma=1 / 255 if full_range else 1 / 219,
            chroma=1 / 255 if full_range else 1 / 224,
            red_v=2 * (1 - red),
            green_u=-2 * blue * (1 - blue) / green,
            green_v=-2 * red * (1 - red) / green,
            blue_u=2 * (1 - blue),
        )


MATRICES, LAYOUTS = get_args(Matrix), get_args(Layout)

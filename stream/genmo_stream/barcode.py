"""A capture time written into the picture: black and white cells along the top edge.

What a camera that can write does, so that latency can be measured from the light to the pose, past
every clock in between. CELLS cells: white, black, white, black, then 40 bits of the time in µs and
8 bits of checksum, most significant first, white is 1. They survive VP8 at 640 × 480.
"""

import numpy as np
from numpy.typing import NDArray

TIME_BITS = 40  # of the Unix time in µs: unique within 12.7 days
CHECK_BITS = 8
GUARD = (1, 0, 1, 0)
CELLS = len(GUARD) + TIME_BITS + CHECK_BITS
MIN_WIDTH = 4 * CELLS  # pixels; narrower cells would not survive
BLACK, WHITE = 16, 235  # of video luma; full range shows them nearly as black and white
CONTRAST = 48  # least difference between the guard's white and black


def stripe_height(height: int) -> int:
    """Rows that a barcode covers in a picture of this height; even, for 4:2:0 chroma."""
    return 2 * max(4, height // 60)


def stamp(image: NDArray[np.uint8], t_us: int) -> None:
    """Writes a time over the top rows of a picture.

    Args:
        image: (H, W) luma or (H, W, C) picture, at least MIN_WIDTH wide; changed in place.
        t_us: Unix µs.
    Raises:
        ValueError: the picture is too narrow.
    """
    width = image.shape[1]
    if width < MIN_WIDTH:
        raise ValueError(f"the picture is {width} px wide; expected at least {MIN_WIDTH}")
    value = t_us % (1 << TIME_BITS)
    value = value << CHECK_BITS | _checksum(value)
    bits = [*GUARD, *_bits(value)]
    cell_of_column = np.arange(width) * CELLS // width
    row = np.where(np.array(bits)[cell_of_column] == 1, WHITE, BLACK).astype(np.uint8)
    stripe = image[: stripe_height(image.shape[0])]
    stripe[:] = row if image.ndim == 2 else row[:, None]


def read(image: NDArray[np.uint8], near_us: int) -> int | None:
    """The time a picture carries, or None if it carries none that can be read.

    Args:
        image: (H, W) luma or (H, W, C) picture.
        near_us: a Unix time in µs within 6 days of it.
    """
    height, width = image.shape[:2]
    if width < MIN_WIDTH:
        return None
    rows = image[stripe_height(height) // 4 : stripe_height(height) * 3 // 4]
    luma = rows.reshape(len(rows), width, -1).mean(axis=(0, 2))  # (W,)
    middles = (np.arange(CELLS) + 0.5) * width / CELLS
    reach = max(1, width // CELLS // 4)
    cells = np.array([luma[int(m) - reach : int(m) + reach + 1].mean() for m in middles])
    white, black = cells[[0, 2]].min(), cells[[1, 3]].max()
    if white - black < CONTRAST:
        return None
    value = 0
    for bit in cells[len(GUARD) :] > (white + black) / 2:
        value = value << 1 | int(bit)
    time, check = value >> CHECK_BITS, value & ((1 << CHECK_BITS) - 1)
    if check != _checksum(time):
        return None
    period = 1 << TIME_BITS
    return near_us + (time - near_us + period // 2) % period - period // 2


def _bits(value: int) -> list[int]:
    count = TIME_BITS + CHECK_BITS
    return [value >> (count - 1 - i) & 1 for i in range(count)]


def _checksum(value: int) -> int:
    """CRC-8 (polynomial 0x07) of the time bits, started at 0xFF so that black isn't valid."""
    crc = 0xFF
    for byte in value.to_bytes(TIME_BITS // 8, "big"):
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x07) & 0xFF if crc & 0x80 else crc << 1
    return crc

"""What somebody's clothes look like: colours of torso and thighs, as numbers to compare."""

import cv2
import numpy as np
from numpy.typing import NDArray

SHOULDERS, HIPS, KNEES = (11, 12), (23, 24), (25, 26)
SHOWN = 0.5  # confidence of landmarks between which clothes are looked at
ALONG, ACROSS = 10, 6  # samples on a torso; thighs have as many
MIN_SAMPLES = 20  # in the picture, or a part says nothing
LIGHTNESS_BINS, CHROMA_BINS = 5, 10
CHROMA_SPAN = 60.0  # Lab's a and b of clothes seldom lie further from grey ...
CHROMA_KNEE = 10.0  # ... and in haze and dim light all lie within this: bins are finer there
PART_WIDTH = LIGHTNESS_BINS + CHROMA_BINS**2
UNKNOWN = 0.35  # the distance of what can't be compared: between those of same and other clothes

Floats = NDArray[np.float32]


def clothes(image: NDArray[np.uint8], pixels: Floats, confidence: Floats) -> Floats | None:
    """Histograms of torso and thighs, lightness and chroma apart, or None when neither is seen.

    Args:
        image: (H, W, 3) uint8 RGB.
        pixels: (33, 2) landmarks in this picture.
        confidence: (33,) of them, 0..1.
    Returns:
        (2, PART_WIDTH): a part's lightness and chroma each sum to 1/2; zeros for one not seen.
    """
    shown = confidence >= SHOWN
    parts = np.zeros((2, PART_WIDTH), np.float32)
    torso = [*SHOULDERS, *HIPS]
    if shown[torso].all():
        parts[0] = _histogram(image, _grid(*pixels[torso]))
    thighs = [_line(pixels[h], pixels[k]) for h, k in zip(HIPS, KNEES, strict=True) if shown[k]]
    if thighs and shown[list(HIPS)].all():
        parts[1] = _histogram(image, np.concatenate(thighs))
    return parts if parts.any() else None


def distance(one: Floats | None, other: Floats | None) -> float:
    """Hellinger's distance, 0 (alike) to 1, over the parts both show; UNKNOWN where none is."""
    if one is None or other is None:
        return UNKNOWN
    common = one.any(axis=1) & other.any(axis=1)
    if not common.any():
        return UNKNOWN
    overlap = np.sqrt(one[common] * other[common]).sum(axis=1).mean()
    return float(np.sqrt(max(0.0, 1.0 - float(overlap))))


def blend(known: Floats | None, new: Floats | None, share: float) -> Floats | None:
    """Known clothes with a share of a new sight of them; a part not seen before is taken whole."""
    if known is None or new is None:
        return new if known is None else known
    shares = np.where(known.any(axis=1), share, 1.0) * new.any(axis=1)
    return np.asarray(known + shares[:, None] * (new - known), np.float32)


def _grid(left: Floats, right: Floats, left_low: Floats, right_low: Floats) -> Floats:
    """Points in a quadrilateral, away from its edges."""
    down, aside = np.meshgrid(np.linspace(0.1, 0.9, ALONG), np.linspace(0.2, 0.8, ACROSS))
    down, aside = down.reshape(-1, 1), aside.reshape(-1, 1)
    upper, lower = left + aside * (right - left), left_low + aside * (right_low - left_low)
    return np.asarray(upper + down * (lower - upper), np.float32)


def _line(start: Floats, end: Floats) -> Floats:
    along = np.linspace(0.15, 0.8, ALONG * ACROSS // 2)[:, None]
    return np.asarray(start + along * (end - start), np.float32)


def _histogram(image: NDArray[np.uint8], points: Floats) -> Floats:
    places = np.round(points).astype(int)
    inside = ((places >= 0) & (places < image.shape[1::-1])).all(axis=1)
    if inside.sum() < MIN_SAMPLES:
        return np.zeros(PART_WIDTH, np.float32)
    x, y = places[inside].T
    rgb = image[y, x][None].astype(np.float32) / 255
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB)[0]
    lightness = _soft_bins(lab[:, 0] / 100, LIGHTNESS_BINS)
    spread = np.arcsinh(lab[:, 1:] / CHROMA_KNEE) / np.arcsinh(CHROMA_SPAN / CHROMA_KNEE)
    a, b = (_soft_bins(spread[:, i] / 2 + 0.5, CHROMA_BINS) for i in (0, 1))
    chroma = np.einsum("na,nb->ab", a, b).reshape(-1)
    counts = np.concatenate((lightness.sum(axis=0), chroma))
    return np.asarray(counts / (2 * len(lab)), np.float32)


def _soft_bins(values: Floats, bins: int) -> Floats:
    """(N,) in 0..1 to (N, bins): each value shared between the two bins that it lies between."""
    places = np.clip(values, 0, 1)[:, None] * (bins - 1)
    return np.asarray(np.clip(1 - np.abs(places - np.arange(bins)), 0, None), np.float32)

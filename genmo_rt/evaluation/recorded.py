"""Reads what a calibrated recording is judged by: its reference, and landmarks that were kept."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from genmo_rt.camera import Intrinsics
from genmo_rt.errors import FileFormatError, InputError
from genmo_rt.keypoints import NUM_LANDMARKS, Keypoints

_UNREADABLE = (OSError, EOFError, BadZipFile, KeyError, IndexError, ValueError)

TimedKeypoints = Sequence[tuple[float, Keypoints | None]]
"""Capture time in seconds and landmarks of every frame of a video."""


@dataclass(frozen=True, slots=True)
class Reference:
    """What really happened, in one camera.

    Attributes:
        t: (L,) seconds.
        landmarks_cam: (L, 33, 3) metres; nan where unknown.
        intrinsics: the calibrated camera.
    """

    t: NDArray[np.float64]
    landmarks_cam: NDArray[np.float64]
    intrinsics: Intrinsics

    def at(self, t: float) -> NDArray[np.float64]:
        """(33, 3) at the nearest time; nan where that is over a frame away."""
        nearest = int(np.abs(self.t - t).argmin())
        apart = float(self.t[1] - self.t[0]) if len(self.t) > 1 else np.inf
        if abs(float(self.t[nearest]) - t) > apart:
            return np.full((NUM_LANDMARKS, 3), np.nan)
        found: NDArray[np.float64] = self.landmarks_cam[nearest]
        return found


def read_reference(path: Path, camera: int, image_size: tuple[int, int]) -> Reference:
    """Reads triangulated landmarks and one of their cameras.

    Args:
        path: an .npz with landmarks_world (L, 33, 3), R_w2c, t_w2c, K per camera, and fps.
        camera: its index, from 0.
        image_size: (width, height) of its pictures.
    Raises:
        FileFormatError: the file lacks one of those.
    """
    try:
        with np.load(path) as arrays:
            world = arrays["landmarks_world"].astype(np.float64)
            R_w2c, t_w2c, K = (arrays[name][camera] for name in ("R_w2c", "t_w2c", "K"))
            fps = float(arrays["fps"])
    except _UNREADABLE as error:
        raise FileFormatError(
            f"{path}: not a reference of camera {camera + 1} ({error}); expected an .npz with "
            "landmarks_world, R_w2c, t_w2c, K and fps"
        ) from error
    intrinsics = Intrinsics(
        float(K[0, 0]), float(K[1, 1]), float(K[0, 2]), float(K[1, 2]), *image_size
    )
    return Reference(np.arange(len(world)) / fps, world @ R_w2c.T + t_w2c, intrinsics)


def read_keypoints(path: Path, source: str | None = None) -> list[tuple[float, Keypoints | None]]:
    """Reads one person's landmarks of a video.

    Args:
        path: an .npz with t (L,) seconds, pixels (L, 33, 2), confidence (L, 33), world
            (L, 33, 3) and image_size (2,); a row of zero confidence is a frame with nobody.
        source: what `write_keypoints` was told that they were made from; None takes any.
    Raises:
        FileFormatError: the file lacks one of those, or was made from something else.
    """
    try:
        with np.load(path) as arrays:
            width, height = (int(side) for side in arrays["image_size"])
            if source is not None and str(arrays["source"]) != source:
                raise ValueError(f"made from {arrays['source']}, not from {source}")
            rows = zip(
                arrays["t"],
                arrays["pixels"].astype(np.float32),
                arrays["confidence"].astype(np.float32),
                arrays["world"].astype(np.float32),
                strict=True,
            )
            return [
                (float(t), Keypoints(pixels, confidence, world, (width, height)))
                if confidence.any()
                else (float(t), None)
                for t, pixels, confidence, world in rows
            ]
    except _UNREADABLE as error:
        raise FileFormatError(
            f"{path}: not these keypoints ({error}); expected an .npz with t, pixels, "
            "confidence, world and image_size; delete it to have it made anew"
        ) from error


def write_keypoints(
    path: Path,
    frames: Iterable[tuple[float, Keypoints | None]],
    image_size: tuple[int, int],
    source: str,
) -> None:
    """Keeps landmarks for `read_keypoints`.

    Args:
        image_size: (width, height) of the video.
        source: names what they were made from, so that others are not taken for them.
    Raises:
        InputError: a person has no 3D landmarks.
    """
    kept = list(frames)
    pixels = np.zeros((len(kept), NUM_LANDMARKS, 2), np.float32)
    confidence = np.zeros((len(kept), NUM_LANDMARKS), np.float32)
    world = np.zeros((len(kept), NUM_LANDMARKS, 3), np.float32)
    for row, (t, seen) in enumerate(kept):
        if seen is None:
            continue
        if seen.world is None:
            raise InputError(f"the person at {t:.3f} s has no 3D landmarks; expected MediaPipe's")
        pixels[row], confidence[row], world[row] = seen.pixels, seen.confidence, seen.world
    np.savez_compressed(
        path,
        t=np.array([t for t, _ in kept]),
        pixels=pixels,
        confidence=confidence,
        world=world,
        image_size=np.array(image_size),
        source=np.array(source),
    )

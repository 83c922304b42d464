"""Landmarks over time: left stays left, and jitter is smoothed without visible lag."""

import math
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from genmo_rt.keypoints import LANDMARK_NAMES, NUM_LANDMARKS
from genmo_stream.keypoints.landmarker import Landmarks
from genmo_stream.keypoints.measure import box_size, shoulder_centre, torso_size

Cutoff = TypeVar("Cutoff", float, NDArray[np.floating])


def _other_side(name: str) -> str:
    return name.replace("left", "\0").replace("right", "left").replace("\0", "right")


MIRROR = np.array([LANDMARK_NAMES.index(_other_side(name)) for name in LANDMARK_NAMES])
"""MIRROR[i] is the landmark on the other side of the body (the nose is its own)."""

MAX_GAP_S = 0.5  # after a longer gap nothing is joined
MAX_MOVE = 2.0  # torsos, from frame to frame
MAX_GROWTH = 2.0

MIN_CUTOFF, BETA, SPEED_CUTOFF = 2.0, 20.0, 3.0  # halves the jitter for 2 to 8 ms of lag
PERSON_M = 1.4  # shoulder to ankle, the size that the filter of the metres goes by
DOUBT_CONFIDENCE = 0.25  # of the visibility, for landmarks that fit the last ones neither way

UPPER_BODY = np.arange(0, 23)
LOWER_BODY = np.arange(23, NUM_LANDMARKS)

SWAP_RATIO = 0.5  # sides are swapped when that halves the step from the last frame ...
SWAP_STEP = 0.04  # ... and shortens it by this much of the person's box per landmark
DOUBT_SPEED = 3.0  # box sizes per second, mean: faster than people move, so it's half a swap
MAX_DOUBT_S = 0.25  # how long frames may be doubted before the newest one is the measure
MAX_TRUST_S = 0.7  # how long the model may contradict the sides held so far


@dataclass(frozen=True, slots=True)
class Steady:
    """One frame's landmarks, joined to those before.

    Attributes:
        pixels: (33, 2) float32 in the picture.
        confidence: (33,) float32 0..1.
        world: (33, 3) float32 metres, origin mid-hip.
    """

    pixels: NDArray[np.float32]
    confidence: NDArray[np.float32]
    world: NDArray[np.float32]


class Continuity:
    """Joins each frame's landmarks to the person's last ones: sides kept, jitter smoothed.

    Doubtful landmarks are held where they were, moved along with the rest, at low confidence.
    It starts afresh after a gap, or when the landmarks are clearly somebody else's.
    """

    def __init__(self) -> None:
        self._t_us = 0
        self._last: NDArray[np.float32] | None = None  # (33, 2) as the model gave them
        self._restart()

    def _restart(self) -> None:
        self._steady: Steady | None = None
        self._sides = SideGuard()
        self._smooth_pixels = OneEuro(MIN_CUTOFF, BETA, SPEED_CUTOFF)
        self._smooth_world = OneEuro(MIN_CUTOFF, BETA, SPEED_CUTOFF)

    def join(self, pixels: NDArray[np.float32], landmarks: Landmarks, t_us: int) -> Steady:
        """Takes the next frame's landmarks, in picture pixels, at its capture time."""
        size = box_size(pixels)
        gap_s = (t_us - self._t_us) / 1e6
        if self._last is None or not 0 < gap_s < MAX_GAP_S or _is_elsewhere(pixels, self._last):
            self._restart()
            gap_s = MAX_GAP_S
        sides = self._sides.check(pixels, size, gap_s)
        named, world = pixels[sides.order], landmarks.world[sides.order]
        confidence = landmarks.visibility[sides.order]
        if self._steady is not None:
            doubtful = sides.doubtful
            steps = (named - self._steady.pixels)[~doubtful]
            moved = np.median(steps, axis=0) if len(steps) else np.zeros(2, np.float32)
            named = np.where(doubtful[:, None], self._steady.pixels + moved, named)
            world = np.where(doubtful[:, None], self._steady.world, world)
            confidence = np.where(doubtful, DOUBT_CONFIDENCE * confidence, confidence)
        self._last, self._t_us = pixels, t_us
        self._steady = Steady(
            pixels=self._smooth_pixels(named, size, gap_s),
            confidence=confidence,
            world=self._smooth_world(world, PERSON_M, gap_s),
        )
        return self._steady


def _is_elsewhere(pixels: NDArray[np.float32], last: NDArray[np.float32]) -> bool:
    """Tells whether these are hardly the person of the last frame: another place or size."""
    torso, last_torso = torso_size(pixels), torso_size(last)
    moved = float(np.linalg.norm(shoulder_centre(pixels) - shoulder_centre(last)))
    same_size = 1 / MAX_GROWTH < torso / last_torso < MAX_GROWTH
    return moved > MAX_MOVE * max(torso, last_torso) or not same_size


@dataclass(frozen=True, slots=True)
class Sides:
    """What the guard says about one frame.

    Attributes:
        order: (33,) which of the model's landmarks to take for each landmark.
        doubtful: (33,) True where the landmarks fit the last frame neither way.
    """

    order: NDArray[np.intp]
    doubtful: NDArray[np.bool_]


class SideGuard:
    """Undoes swaps of left and right, of the upper and the lower body each by itself.

    With the face hidden the model takes front for back for up to half a second at a time, and
    seen from the side it swaps the legs. Nobody turns around between two frames, so a frame in
    which swapped landmarks fit the last ones much better is swapped back.
    """

    def __init__(self) -> None:
        self._halves = (_HalfGuard(UPPER_BODY), _HalfGuard(LOWER_BODY))

    def check(self, pixels: NDArray[np.float32], size: float, dt: float) -> Sides:
        """Compares a frame with the ones before.

        Args:
            pixels: (33, 2) landmarks as the model names them.
            size: the person's size in pixels.
            dt: seconds since the last frame.
        """
        order, doubtful = np.arange(NUM_LANDMARKS), np.zeros(NUM_LANDMARKS, bool)
        for half in self._halves:
            swapped, doubt = half.check(pixels, size, dt)
            doubtful[half.landmarks] = doubt
            if swapped:
                order[half.landmarks] = MIRROR[half.landmarks]
        return Sides(order, doubtful)


class _HalfGuard:
    """The guard of one half: trust in the sides held grows while the model agrees with them.

    It shrinks while the model doesn't; when it is used up, the model is believed.
    """

    def __init__(self, landmarks: NDArray[np.intp]) -> None:
        self.landmarks = landmarks
        self._last: NDArray[np.float32] | None = None
        self._swapped = False
        self._trust_s = 0.0
        self._doubt_s = 0.0

    def check(self, pixels: NDArray[np.float32], size: float, dt: float) -> tuple[bool, bool]:
        """Returns whether to swap this frame's sides, and whether it is doubtful either way."""
        # about their own middle: a runner crosses the picture fast, but turns around no faster
        middle = pixels[self.landmarks].mean(axis=0)
        plain, mirrored = pixels[self.landmarks] - middle, pixels[MIRROR[self.landmarks]] - middle
        doubt = False
        if self._last is not None:
            held, other = (mirrored, plain) if self._swapped else (plain, mirrored)
            step, other_step = _mean_step(held, self._last), _mean_step(other, self._last)
            if other_step < SWAP_RATIO * step and step - other_step > SWAP_STEP * size:
                self._swapped = not self._swapped
                step = other_step
            self._doubt_s += dt
            doubt = step > DOUBT_SPEED * self._doubt_s * size and self._doubt_s < MAX_DOUBT_S
            self._trust_s = min(self._trust_s + (-dt if self._swapped else dt), MAX_TRUST_S)
            if self._trust_s < 0:
                self._swapped, self._trust_s = False, 0.0
        if not doubt:
            self._last = mirrored if self._swapped else plain
            self._doubt_s = 0.0
        return self._swapped, doubt


def _mean_step(points: NDArray[np.float32], last: NDArray[np.float32]) -> float:
    return float(np.linalg.norm(points - last, axis=1).mean())


class OneEuro:
    """The One Euro filter (Casiez, Roussel, Vogel, CHI 2012) on points, speeds in body sizes.

    Args:
        min_cutoff: Hz, at rest.
        beta: Hz added per unit of speed (body sizes per second).
        speed_cutoff: Hz, of the speed's own low-pass.
    """

    def __init__(self, min_cutoff: float, beta: float, speed_cutoff: float) -> None:
        self._min_cutoff, self._beta, self._speed_cutoff = min_cutoff, beta, speed_cutoff
        self._value: NDArray[np.float32] | None = None
        self._velocity = np.zeros(1, np.float32)

    def __call__(self, points: NDArray[np.float32], size: float, dt: float) -> NDArray[np.float32]:
        """Filters (N, D) points; `size` is the body's size in their unit, `dt` in seconds."""
        if self._value is None:
            self._value, self._velocity = points, np.zeros_like(points)
            return points
        change = (points - self._value) / dt - self._velocity
        self._velocity = self._velocity + change * _share(self._speed_cutoff, dt)
        speed = np.linalg.norm(self._velocity, axis=1, keepdims=True) / size  # (N, 1)
        share = _share(self._min_cutoff + self._beta * speed, dt)
        self._value = (self._value + share * (points - self._value)).astype(np.float32)
        return self._value


def _share(cutoff: Cutoff, dt: float) -> Cutoff:
    """The share of a new value that a low-pass of this cutoff (Hz) lets through."""
    return cutoff / (cutoff + 1 / (2 * math.pi * dt))

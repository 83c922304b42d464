"""The predicted pose put back on its 2D landmarks: live reprojection with rigid bones.

Each landmark is a point of the body; its ray is known to about a centimetre, while a predicted
pose is off by several. A few damped Gauss-Newton steps move the root and turn the joints that the
landmarks can see, as little as the evidence asks: the prediction is the prior, and mostly what it
says of depth stays. Bone lengths don't change, so the rotations that are published agree with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genmo_rt.bodies.landmarks import LANDMARK_JOINTS
from genmo_rt.camera import Intrinsics
from genmo_rt.keypoints import LANDMARK_NAMES, NUM_LANDMARKS, Keypoints
from genmo_rt.live_math import ANCESTRY, axis_angle_to_rotmat
from genmo_rt.prediction_error import precision_at
from genmo_rt.skeleton import JOINT_NAMES, NUM_JOINTS, PARENTS

Array = NDArray[np.float64]
Floats = NDArray[np.float32]

MIN_CONFIDENCE = 0.1  # a landmark below it is the detector's guess
MIN_DEPTH_M = 0.1


@dataclass(frozen=True, slots=True)
class Figure:
    """A posed body in the camera, or several.

    Attributes:
        rotmat: (..., 24, 3, 3) rotations of all joints in the camera (not relative to the parent).
        joints: (..., 24, 3) metres.
        landmark_offsets: (..., 33, 3) each landmark in the rest frame of its joint, metres.
    """

    rotmat: Array
    joints: Array
    landmark_offsets: Array

    def landmarks(self, which: NDArray[np.intp] | None = None) -> Array:
        """(..., 33, 3) where the landmarks are, or (..., N, 3) where some of them are."""
        of, offsets = _JOINT_OF, self.landmark_offsets
        if which is not None:
            of, offsets = of[which], offsets[..., which, :]
        turned = self.rotmat[..., of, :, :] @ offsets[..., None]
        return np.asarray(self.joints[..., of, :] + turned[..., 0])

    def of(self, row: int | NDArray[np.intp]) -> "Figure":
        """One of several, or some of them."""
        return Figure(self.rotmat[row], self.joints[row], self.landmark_offsets[row])


@dataclass(frozen=True, slots=True)
class RefineNoise:
    """How much evidence is trusted, beside predictions whose errors prediction_error.py knows.

    Attributes:
        landmark: standard deviation of a fully visible landmark across its ray, metres on the
            body.
        outlier: error from which a landmark loses its say (Cauchy weights), metres.
        steadiness: how strongly a tick's correction is tied to that of the tick before, as a
            share of the prior's weight.
    """

    landmark: float = 0.025
    outlier: float = 0.12
    steadiness: float = 2.0


TURNING = (
    "pelvis",
    "spine2",
    "neck",
    *(
        f"{side}_{part}"
        for part in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
        for side in ("left", "right")
    ),
)
"""The joints that turn."""

ITERATIONS = 3

_FACE = ("nose", "eye", "ear", "mouth")
_HAND = ("pinky", "index", "thumb")
_JOINT_OF = np.array(LANDMARK_JOINTS)
_TURNING = np.array([JOINT_NAMES.index(name) for name in TURNING])


class Refiner:
    """Refines one person's poses, tick after tick.

    Attributes:
        noise: how much is trusted.
        focal, centre: (2,) of the camera, pixels.
        previous: (3, 16) the last tick's correction by axes: of the root, metres, and turns of
            TURNING.
    """

    def __init__(self, intrinsics: Intrinsics, noise: RefineNoise | None = None) -> None:
        self.focal = np.array([intrinsics.fx, intrinsics.fy])
        self.centre = np.array([intrinsics.cx, intrinsics.cy])
        self.noise = noise or RefineNoise()
        self.restart()

    def restart(self) -> None:
        """Forgets the corrections of the ticks before."""
        self.previous = np.zeros((3, 1 + len(TURNING)))

    def refine(self, figure: Figure, keypoints: Keypoints) -> Figure:
        """Moves a predicted figure towards its landmarks.

        Args:
            figure: as predicted; its bones keep their lengths.
            keypoints: the picture's landmarks, of the same size as the intrinsics.
        """
        alone = Figure(figure.rotmat[None], figure.joints[None], figure.landmark_offsets[None])
        return refine_together([self], alone, [keypoints]).of(0)

    def turn(self, rotmat: Array) -> None:
        """Goes on in another camera at the same place: rotmat (3, 3), old to new."""
        self.previous = rotmat @ self.previous


def refine_together(
    refiners: Sequence[Refiner], figures: Figure, keypoints: Sequence[Keypoints]
) -> Figure:
    """Refiner.refine of several persons at once.

    Args:
        refiners: P distinct ones, of one RefineNoise.
        figures: P of them.
        keypoints: of each.
    """
    noise = refiners[0].noise
    weight = landmark_weights(np.stack([seen.confidence for seen in keypoints]))  # (P, 33)
    weight = (weight / noise.landmark**2).astype(np.float32)
    centre, focal = (np.stack([getattr(of, k) for of in refiners]) for k in ("centre", "focal"))
    pixels = np.stack([seen.pixels for seen in keypoints])
    rays = ((pixels - centre[:, None]) / focal[:, None]).astype(np.float32)  # (P, 33, 2) by z
    precision = precision_at(figures.joints[:, 0])
    previous = np.stack([of.previous.ravel() for of in refiners])  # (P, 48)
    correction = np.zeros_like(previous)
    held = np.float32(1 + noise.steadiness) * precision
    for _ in range(ITERATIONS):
        error, jacobian = _linearise(figures, rays)
        pull = weight / (1 + (error * error).sum(1) / np.float32(noise.outlier**2))
        pulled = (jacobian * np.concatenate((pull, pull), 1)[..., None]).transpose(0, 2, 1)
        prior = (1 + noise.steadiness) * correction - noise.steadiness * previous
        slope = pulled @ error.reshape(len(error), -1, 1)
        slope += precision @ prior.astype(np.float32)[..., None]
        step = np.linalg.solve(pulled @ jacobian + held, -slope)[..., 0].astype(np.float64)
        correction += step
        figures = _moved(figures, step)
    for of, made in zip(refiners, correction, strict=True):
        of.previous = made.reshape(3, -1)
    return figures


def landmark_weights(confidence: NDArray[np.float32]) -> Array:
    """What each landmark counts, 0..1: its visibility, and less where many lie close together.

    Args:
        confidence: (..., 33) 0..1.
    Returns:
        (..., 33).
    """
    confident = np.where(confidence < MIN_CONFIDENCE, 0.0, confidence.astype(np.float64))
    return np.asarray(confident**2 * _CROWDING)


def _linearise(figures: Figure, rays: Floats) -> tuple[Floats, Floats]:
    """Errors across the rays in metres and their derivatives by root motion and joint turns.

    In float32: what is lost is a thousandth of a step, and steps are short in the end.

    Returns:
        (P, 2, 33) point minus ray at the point's depth, and (P, 66, 48): as the errors lie, by x
        of root and turns, then y, then z.
    """
    # by axes: (3, P, 33) and (3, P, turns)
    points = np.moveaxis(figures.landmarks(), -1, 0).astype(np.float32, order="C")
    joints = np.moveaxis(figures.joints[:, _TURNING], -1, 0).astype(np.float32, order="C")
    depth = np.maximum(points[2], np.float32(MIN_DEPTH_M))
    flat = np.empty((len(rays), 2, NUM_LANDMARKS), np.float32)
    np.divide(points[:2], depth, out=flat.swapaxes(0, 1))
    error = (flat - rays.swapaxes(1, 2)) * depth[:, None]
    # A point that moves by d moves across its ray by d_x − flat_x d_z and d_y − flat_y d_z; a turn
    # w moves it by w × lever, and row · (w × lever) = w · (lever × row).
    jacobian = np.empty((len(rays), 2, NUM_LANDMARKS, 3, 1 + len(TURNING)), np.float32)
    jacobian[..., 0] = _ROOT_ROWS
    np.negative(flat, out=jacobian[..., 2, 0])
    x, y, z = (points[..., None] - joints[:, :, None]) * _MOVES
    u, v = flat[:, 0, :, None], flat[:, 1, :, None]
    across, down = jacobian[:, 0, :, :, 1:], jacobian[:, 1, :, :, 1:]  # (P, 33, 3, turns)
    ux, vy = u * x, v * y
    np.multiply(-u, y, out=across[:, :, 0])
    np.add(z, ux, out=across[:, :, 1])
    np.negative(y, out=across[:, :, 2])
    np.subtract(-z, vy, out=down[:, :, 0])
    np.multiply(v, x, out=down[:, :, 1])
    down[:, :, 2] = x
    return error, jacobian.reshape(len(rays), 2 * NUM_LANDMARKS, -1)


def _moved(figures: Figure, step: Array) -> Figure:
    """Figures after a step (P, 48): the root's, then each turning joint about itself."""
    by_axes = step.reshape(len(step), 3, -1).swapaxes(1, 2)  # (P, 16, 3)
    turned = axis_angle_to_rotmat(by_axes[:, 1:])
    for own, above in _CHAINS:
        turned[:, own] = turned[:, above] @ turned[:, own]
    turned = turned[:, _TURNED_BY]  # (P, 24, 3, 3)
    bones = figures.joints[:, 1:] - figures.joints[:, _PARENTS]
    edges = (turned[:, _PARENTS] @ bones[..., None])[..., 0]
    root = figures.joints[:, 0] + by_axes[:, 0]
    joints = root[:, None] + ANCESTRY @ edges
    return Figure(turned @ figures.rotmat, joints, figures.landmark_offsets)


def _turning_tree() -> tuple[list[tuple[list[int], list[int]]], NDArray[np.intp]]:
    """Which turning joints hang on which, level by level, and (24,) which of them turns a joint."""
    turned_by, depth = np.zeros(NUM_JOINTS, np.intp), np.zeros(len(TURNING), np.intp)
    above = np.zeros(len(TURNING), np.intp)
    places = {int(joint): place for place, joint in enumerate(_TURNING)}
    for joint in range(1, NUM_JOINTS):
        turned_by[joint] = turned_by[PARENTS[joint]]
        if joint in places:
            own = places[joint]
            above[own], depth[own] = turned_by[joint], depth[turned_by[joint]] + 1
            turned_by[joint] = own
    levels = [np.flatnonzero(depth == level).tolist() for level in range(1, depth.max() + 1)]
    return [(own, above[own].tolist()) for own in levels], turned_by


def _which_move() -> Array:
    """(33, turns): 1 where a landmark's joint is the turning joint or below it."""
    below = np.eye(NUM_JOINTS)
    for joint in range(1, NUM_JOINTS):
        below[joint] += below[PARENTS[joint]]
    return np.asarray(below[_JOINT_OF][:, _TURNING])


def _crowding() -> Array:
    """(33,) eleven landmarks lie on the face and six on the hands: together they count for few."""

    def share(name: str) -> float:
        parts = name.split("_")
        if any(part in _FACE for part in parts):
            return 0.2
        return 0.3 if "foot" not in parts and any(part in _HAND for part in parts) else 1.0

    return np.array([share(name) for name in LANDMARK_NAMES])


_PARENTS = np.array(PARENTS[1:])
_CHAINS, _TURNED_BY = _turning_tree()
_MOVES = _which_move().astype(np.float32)
_ROOT_ROWS = np.eye(3, dtype=np.float32)[:2, None]
_CROWDING = _crowding()

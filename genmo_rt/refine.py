"""The predicted pose put back on its 2D landmarks: live reprojection with rigid bones.

Each landmark is a point of the body; its ray is known to about a centimetre, while a predicted
pose is off by several. A few damped Gauss-Newton steps move the root and turn the joints that the
landmarks can see, as little as the evidence asks: the prediction is the prior, and mostly what it
says of depth stays. Bone lengths don't change, so the rotations that are published agree with it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genmo_rt.bodies.landmarks import LANDMARK_JOINTS
from genmo_rt.camera import Intrinsics
from genmo_rt.keypoints import LANDMARK_NAMES, NUM_LANDMARKS, Keypoints
from genmo_rt.live_math import axis_angle_to_rotmat, forward_kinematics
from genmo_rt.skeleton import JOINT_NAMES, NUM_JOINTS, PARENTS

Array = NDArray[np.float64]

MIN_CONFIDENCE = 0.1  # a landmark below it is the detector's guess
MIN_DEPTH_M = 0.1


@dataclass(frozen=True, slots=True)
class Figure:
    """A posed body in the camera.

    Attributes:
        rotmat: (24, 3, 3) rotations of all joints in the camera (not relative to the parent).
        joints: (24, 3) metres.
        landmark_offsets: (33, 3) each landmark in the rest frame of its joint, metres.
    """

    rotmat: Array
    joints: Array
    landmark_offsets: Array

    def landmarks(self, which: NDArray[np.intp] | None = None) -> Array:
        """(33, 3) where the landmarks are, or (N, 3) where some of them are."""
        of, offsets = _JOINT_OF, self.landmark_offsets
        if which is not None:
            of, offsets = of[which], offsets[which]
        return np.asarray(self.joints[of] + (self.rotmat[of] @ offsets[..., None])[..., 0])


@dataclass(frozen=True, slots=True)
class RefineNoise:
    """How much evidence and prediction are trusted (standard deviations).

    Attributes:
        landmark: error of a fully visible landmark across its ray, metres on the body.
        outlier: error from which a landmark loses its say (Cauchy weights), metres.
        lateral: error of the predicted root across its ray, metres.
        depth: error of the predicted root along its ray, in parts of its distance.
        turn_scale: factor on the prior turns of TURNS.
        steadiness: how strongly a tick's correction is tied to that of the tick before, as a
            share of the prior's weight.
    """

    landmark: float = 0.025
    outlier: float = 0.12
    lateral: float = 0.2
    depth: float = 0.02
    turn_scale: float = 1.0
    steadiness: float = 1.0


TURNS = (
    ("pelvis", 5.0),
    ("spine2", 4.0),
    ("neck", 8.0),
    ("left_hip", 9.0),
    ("right_hip", 9.0),
    ("left_knee", 9.0),
    ("right_knee", 9.0),
    ("left_ankle", 9.0),
    ("right_ankle", 9.0),
    ("left_shoulder", 12.0),
    ("right_shoulder", 12.0),
    ("left_elbow", 12.0),
    ("right_elbow", 12.0),
    ("left_wrist", 12.0),
    ("right_wrist", 12.0),
)
"""The joints that turn, and the prediction's error per axis there, degrees."""

ITERATIONS = 3

_FACE = ("nose", "eye", "ear", "mouth")
_HAND = ("pinky", "index", "thumb")
_JOINT_OF = np.array(LANDMARK_JOINTS)
_TURNING = np.array([JOINT_NAMES.index(name) for name, _ in TURNS])


class Refiner:
    """Refines one person's poses, tick after tick."""

    def __init__(self, intrinsics: Intrinsics, noise: RefineNoise | None = None) -> None:
        self._focal = np.array([intrinsics.fx, intrinsics.fy])
        self._centre = np.array([intrinsics.cx, intrinsics.cy])
        self._noise = noise or RefineNoise()
        self._turn_precision = np.array(
            [np.radians(self._noise.turn_scale * degrees) ** -2 for _, degrees in TURNS]
        ).repeat(3)
        self._previous = np.zeros(3 + 3 * len(TURNS))

    def restart(self) -> None:
        """Forgets the corrections of the ticks before."""
        self._previous[:] = 0.0

    def refine(self, figure: Figure, keypoints: Keypoints) -> Figure:
        """Moves a predicted figure towards its landmarks.

        Args:
            figure: as predicted; its bones keep their lengths.
            keypoints: the picture's landmarks, of the same size as the intrinsics.
        """
        weight = landmark_weights(keypoints.confidence) / self._noise.landmark**2  # (33,)
        rays = (keypoints.pixels - self._centre) / self._focal  # (33, 2)
        precision = np.zeros((self._previous.size, self._previous.size))
        precision[:3, :3] = self._root_precision(figure.joints[0])
        precision[range(3, len(precision)), range(3, len(precision))] = self._turn_precision
        steadiness = self._noise.steadiness
        correction = np.zeros(self._previous.size)
        for _ in range(ITERATIONS):
            points = figure.landmarks()
            error, jacobian = _linearise(figure, points, rays)
            pull = weight / (1 + (error**2).sum(-1) / self._noise.outlier**2)  # (33,)
            flat = jacobian.reshape(error.size, -1)
            pulled = flat.T * pull.repeat(2)
            hessian = pulled @ flat
            gradient = pulled @ error.ravel()
            prior = (1 + steadiness) * correction - steadiness * self._previous
            step = np.linalg.solve(
                hessian + (1 + steadiness) * precision, -gradient - precision @ prior
            )
            correction += step
            figure = _moved(figure, step)
        self._previous = correction
        return figure

    def turn(self, rotmat: Array) -> None:
        """Goes on in another camera at the same place: rotmat (3, 3), old to new."""
        self._previous = (self._previous.reshape(-1, 3) @ rotmat.T).ravel()

    def _root_precision(self, root: Array) -> Array:
        distance = max(float(np.linalg.norm(root)), MIN_DEPTH_M)
        ray = root / distance
        along = np.outer(ray, ray)
        depth = self._noise.depth * distance
        return np.asarray(along / depth**2 + (np.eye(3) - along) / self._noise.lateral**2)


def landmark_weights(confidence: NDArray[np.float32]) -> Array:
    """What each landmark counts, 0..1: its visibility, and less where many lie close together.

    Args:
        confidence: (33,) 0..1.
    Returns:
        (33,).
    """
    confident = np.where(confidence < MIN_CONFIDENCE, 0.0, confidence.astype(np.float64))
    return np.asarray(confident**2 * _CROWDING)


def _linearise(figure: Figure, points: Array, rays: Array) -> tuple[Array, Array]:
    """Errors across the rays in metres and their derivatives by root motion and joint turns.

    Returns:
        (33, 2) point minus ray at the point's depth, and (33, 2, 3 + 3·turns).
    """
    depth = np.maximum(points[:, 2:], MIN_DEPTH_M)
    flat = points[:, :2] / depth
    error = (flat - rays) * depth
    across = np.zeros((NUM_LANDMARKS, 2, 3))  # derivative by the point
    across[:, 0, 0] = across[:, 1, 1] = 1.0
    across[:, :, 2] = -flat
    lever = points[:, None] - figure.joints[_TURNING]  # (33, turns, 3)
    # A turn w moves the point by w × lever; row · (w × lever) = w · (lever × row).
    turns = _cross(lever[:, None], across[:, :, None]) * _MOVES[:, None, :, None]
    return error, np.concatenate((across, turns.reshape(NUM_LANDMARKS, 2, -1)), axis=2)


def _moved(figure: Figure, step: Array) -> Figure:
    """The figure after a step: root by step[:3], then each turning joint about itself."""
    own = np.broadcast_to(np.eye(3), (NUM_JOINTS, 3, 3)).copy()
    own[_TURNING] = axis_angle_to_rotmat(step[3:].reshape(-1, 3))
    turned, joints = forward_kinematics(own, figure.joints[0] + step[:3], figure.joints)
    return Figure(turned @ figure.rotmat, joints, figure.landmark_offsets)


def _cross(a: Array, b: Array) -> Array:
    """np.cross without its overhead."""
    ax, ay, az = a[..., 0], a[..., 1], a[..., 2]
    bx, by, bz = b[..., 0], b[..., 1], b[..., 2]
    return np.stack((ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx), axis=-1)


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


_MOVES = _which_move()
_CROWDING = _crowding()

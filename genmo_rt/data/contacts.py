"""Labels which of six points rest on something, from their speed and height, with hysteresis."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from genmo_rt.data.clips import FPS, FloatArray
from genmo_rt.data.retarget import BodyMotion
from genmo_rt.skeleton import JOINT_NAMES
from genmo_rt.smpl import Body

BoolArray = NDArray[np.bool_]
# In the order of pose.CONTACT_NAMES.
CONTACT_JOINTS = tuple(
    JOINT_NAMES.index(name)
    for name in (
        "left_ankle",
        "left_foot",
        "right_ankle",
        "right_foot",
        "left_wrist",
        "right_wrist",
    )
)
FOOT_POINTS = slice(0, 4)
HEEL_BEHIND_ANKLE = 0.04  # metres
FLOOR_PERCENTILE = 15  # of the heights of resting feet; some rest on boxes and bars


@dataclass(frozen=True, slots=True)
class Threshold:
    """A contact begins below the `on` values and ends above the `off` values.

    Attributes:
        on_speed, off_speed: of the point, metres per second.
        on_height, off_height: of the point above the floor, metres.
        body_speed: of the pelvis; a point that stays while the body moves faster than this rests
            on something, whatever its height.
    """

    on_speed: float
    off_speed: float
    on_height: float
    off_height: float
    body_speed: float


FOOT = Threshold(on_speed=0.2, off_speed=0.4, on_height=0.05, off_height=0.09, body_speed=0.5)
WRIST = Threshold(on_speed=0.1, off_speed=0.25, on_height=0.12, off_height=0.2, body_speed=0.3)


def contact_points(motion: BodyMotion, body: Body, shape: FloatArray) -> FloatArray:
    """(N, 6, 3) heel and ball of each foot on the sole, and the wrists; metres."""
    coefficients = torch.from_numpy(shape)
    rest = body.rest_joints(coefficients)
    global_rotmat, joints = body.forward_kinematics(
        torch.from_numpy(motion.rotmat), torch.from_numpy(motion.pelvis), rest
    )
    sole = float(body.rest_vertices(coefficients)[:, 1].min())
    offsets = torch.zeros(len(CONTACT_JOINTS), 3)
    offsets[FOOT_POINTS, 1] = sole - rest[list(CONTACT_JOINTS[FOOT_POINTS]), 1]
    offsets[[0, 2], 2] = -HEEL_BEHIND_ANKLE
    index = list(CONTACT_JOINTS)
    return (joints[:, index] + (global_rotmat[:, index] @ offsets[..., None])[..., 0]).numpy()


def floor_height(points: FloatArray) -> float:
    """Height of the floor under a motion, from where feet rest; metres.

    Args:
        points: (N, 6, 3) from contact_points.
    """
    feet = points[:, FOOT_POINTS]
    resting = feet[..., 1][_speed(feet) < FOOT.on_speed]
    if len(resting) < FPS // 3:
        return float(np.percentile(feet[..., 1].min(1), FLOOR_PERCENTILE))
    return float(np.percentile(resting, FLOOR_PERCENTILE))


def label_contacts(points: FloatArray, pelvis: FloatArray) -> BoolArray:
    """(N, 6) True where a point rests on the floor or on something else that doesn't move.

    Args:
        points: (N, 6, 3) from contact_points, the floor at height 0.
        pelvis: (N, 3) metres.
    """
    speed, height = _speed(points), points[..., 1]
    body_speed = _speed(pelvis)[:, None]
    labels = np.zeros(speed.shape, np.bool_)
    for threshold, columns in ((FOOT, FOOT_POINTS), (WRIST, slice(4, 6))):
        v, h = speed[:, columns], height[:, columns]
        carried = (body_speed > threshold.body_speed) & (v < 0.5 * threshold.on_speed)
        begin = (v < threshold.on_speed) & ((h < threshold.on_height) | carried)
        end = (v > threshold.off_speed) | ((h > threshold.off_height) & ~_held(carried))
        labels[:, columns] = _latch(begin, end)
    return labels


def _latch(begin: BoolArray, end: BoolArray) -> BoolArray:
    """On from a `begin` until the next `end`; `end` wins."""
    state = np.zeros(begin.shape[1], np.bool_)
    out = np.empty_like(begin)
    for frame in range(len(begin)):
        state = (state | begin[frame]) & ~end[frame]
        out[frame] = state
    return out


def _held(mask: BoolArray) -> BoolArray:
    """True for up to half a second after the mask was True."""
    out = mask.copy()
    for lag in range(1, FPS // 2):
        out[lag:] |= mask[:-lag]
    return out


def _speed(points: FloatArray) -> FloatArray:
    """(N, ..., 3) metres at 30 fps to (N, ...) metres per second, central differences."""
    return np.asarray(np.linalg.norm(np.gradient(points, axis=0), axis=-1) * FPS, np.float32)

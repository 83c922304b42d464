"""What the estimator says of one person at one tick."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CONTACT_NAMES = (
    "left_ankle",
    "left_foot",
    "right_ankle",
    "right_foot",
    "left_wrist",
    "right_wrist",
)


@dataclass(frozen=True, slots=True)
class Pose:
    """One SMPL pose, in the stream's world and in its camera.

    The world is y up, metres, right-handed; the camera is OpenCV (x right, y down, z forward).

    Attributes:
        t: seconds on the stream's capture clock.
        quat_xyzw: (24, 4) unit rotations: joint 0 in the world, 1..23 relative to the parent.
        pelvis: (3,) pelvis joint in the world, metres.
        velocity: (3,) of the pelvis, metres per second.
        joints: (24, 3) in the world, metres.
        contacts: (6,) probability 0..1, in the order of CONTACT_NAMES.
        confidence: 0..1, how much evidence stands behind the pose.
        shape: (10,) coefficients of the body in use.
        joints_cam: (24, 3) in the camera, metres.
        root_quat_xyzw_cam: (4,) rotation of joint 0 in the camera.
    """

    t: float
    quat_xyzw: NDArray[np.float32]
    pelvis: NDArray[np.float32]
    velocity: NDArray[np.float32]
    joints: NDArray[np.float32]
    contacts: NDArray[np.float32]
    confidence: float
    shape: NDArray[np.float32]
    joints_cam: NDArray[np.float32]
    root_quat_xyzw_cam: NDArray[np.float32]

"""One person's poses over time, as files hold them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from genmo_rt.clock import TICK_HZ
from genmo_rt.errors import InputError
from genmo_rt.pose import Pose
from genmo_rt.rotation import quat_xyzw_to_rotmat, rotmat_to_axis_angle
from genmo_rt.skeleton import NUM_JOINTS


@dataclass(frozen=True, slots=True, eq=False)
class CameraView:
    """The same poses as the camera saw them: OpenCV axes (x right, y down, z forward), metres.

    Attributes:
        K: (3, 3) intrinsics, pixels.
        root_axis_angle: (N, 3) rotation of joint 0 in the camera.
        joints: (N, 24, 3).
    """

    K: NDArray[np.float64]
    root_axis_angle: NDArray[np.float64]
    joints: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """N poses at equal distances in time, in a world that is y up, metres.

    Attributes:
        fps: poses per second.
        body: whose joints and shape coefficients these are.
        shape: (10,) coefficients of that body.
        rest_joints: (24, 3) of the person in the T-pose.
        axis_angle: (N, 24, 3) joint 0 in the world, 1..23 relative to the parent, radians.
        pelvis: (N, 3) joint 0 in the world.
        joints: (N, 24, 3) in the world.
        contacts: (N, 6) probability 0..1, in the order of CONTACT_NAMES.
        confidence: (N,) 0..1.
        t_capture_us: (N,) int64, microseconds on the capture clock.
        camera: the camera's view, None where no camera was seen.
    """

    fps: float
    body: Literal["builtin", "smpl"]
    shape: NDArray[np.float64]
    rest_joints: NDArray[np.float64]
    axis_angle: NDArray[np.float64]
    pelvis: NDArray[np.float64]
    joints: NDArray[np.float64]
    contacts: NDArray[np.float64]
    confidence: NDArray[np.float64]
    t_capture_us: NDArray[np.int64]
    camera: CameraView | None

    def __post_init__(self) -> None:
        """Checks that all arrays tell of the same N poses.

        Raises:
            InputError: there is no pose, or an array has another shape.
        """
        count = len(self.axis_angle)
        shapes = {
            "shape": (10,),
            "rest_joints": (NUM_JOINTS, 3),
            "axis_angle": (count, NUM_JOINTS, 3),
            "pelvis": (count, 3),
            "joints": (count, NUM_JOINTS, 3),
            "contacts": (count, 6),
            "confidence": (count,),
            "t_capture_us": (count,),
        }
        if count == 0:
            raise InputError("a clip has no pose; expected at least one")
        for name, expected in shapes.items():
            found = getattr(self, name).shape
            if found != expected:
                raise InputError(f"clip has {name} of shape {found}; expected {expected}")
        if self.camera is not None and self.camera.joints.shape != (count, NUM_JOINTS, 3):
            raise InputError(f"clip has {count} poses, {len(self.camera.joints)} in the camera")

    @classmethod
    def from_poses(
        cls,
        poses: Sequence[Pose],
        *,
        body: Literal["builtin", "smpl"],
        rest_joints: NDArray[np.floating],
        K: NDArray[np.floating] | None,
        start_us: int = 0,
    ) -> "Clip":
        """Gathers what the estimator said tick by tick.

        Args:
            poses: one per 30 Hz tick, masked ones too.
            body: the name of the body in use.
            rest_joints: (24, 3) of the person, the last estimate.
            K: (3, 3) of the camera, or None if the poses come from no camera.
            start_us: capture time of t = 0.
        """
        root_quat_cam = np.array([pose.root_quat_xyzw_cam for pose in poses])
        return cls(
            fps=float(TICK_HZ),
            body=body,
            shape=poses[-1].shape.astype(np.float64),
            rest_joints=rest_joints.astype(np.float64),
            axis_angle=_axis_angle(np.array([pose.quat_xyzw for pose in poses])),
            pelvis=np.array([pose.pelvis for pose in poses], dtype=np.float64),
            joints=np.array([pose.joints for pose in poses], dtype=np.float64),
            contacts=np.array([pose.contacts for pose in poses], dtype=np.float64),
            confidence=np.array([pose.confidence for pose in poses], dtype=np.float64),
            t_capture_us=np.array([start_us + round(pose.t * 1e6) for pose in poses]),
            camera=None
            if K is None
            else CameraView(
                K=K.astype(np.float64),
                root_axis_angle=_axis_angle(root_quat_cam),
                joints=np.array([pose.joints_cam for pose in poses], dtype=np.float64),
            ),
        )


def _axis_angle(quat_xyzw: NDArray[np.float32]) -> NDArray[np.float64]:
    rotmat = quat_xyzw_to_rotmat(torch.as_tensor(quat_xyzw.astype(np.float64)))
    return np.asarray(rotmat_to_axis_angle(rotmat))

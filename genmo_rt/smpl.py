"""The body: SMPL's 24-joint tree with shape, kinematics, landmarks on the surface and skinning.

Rest pose is SMPL's T-pose: y up, facing +z, +x to the body's left, metres, pelvis joint as the
file has it; every joint's frame is aligned with the axes. Everything below is linear in the shape
coefficients, as SMPL is (Loper et al. 2015), without its pose-dependent corrections.
"""

from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genmo_rt.bodies.landmarks import LANDMARK_JOINTS, RestBody, landmarks_on
from genmo_rt.bodies.smpl_file import read_smpl_file
from genmo_rt.skeleton import NUM_JOINTS, PARENTS

NUM_SHAPE = 10
BUILTIN_FILE = Path(__file__).parent / "bodies" / "builtin.npz"

# Joints that are equally far from the root are neighbours in SMPL's order, so that kinematics is
# eight batched products, not 23.
_LEVELS = ((1, 4), (4, 7), (7, 10), (10, 15), (15, 18), (18, 20), (20, 22), (22, 24))


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """A body whose rest pose is linear in 10 shape coefficients; zero is the mean adult.

    Results have the dtype and device of the arguments.

    Attributes:
        name: "builtin" or "smpl".
        joint_mean: (24, 3) rest joints at shape zero, metres.
        joint_dirs: (24, 3, 10) their change per unit of each coefficient.
        vertex_mean: (V, 3) rest surface at shape zero.
        vertex_dirs: (V, 3, 10).
        landmark_mean: (33, 3) MediaPipe's landmarks on the body at rest.
        landmark_dirs: (33, 3, 10).
        faces: (F, 3) int64, counter-clockwise seen from outside.
        weights: (V, 24) skinning weights, rows sum to 1.
    """

    name: Literal["builtin", "smpl"]
    joint_mean: Tensor
    joint_dirs: Tensor
    vertex_mean: Tensor
    vertex_dirs: Tensor
    landmark_mean: Tensor
    landmark_dirs: Tensor
    faces: Tensor
    weights: Tensor

    @property
    def num_shape(self) -> int:
        """How many shape coefficients there are."""
        return self.joint_dirs.shape[-1]

    def rest_joints(self, shape: Tensor) -> Tensor:
        """(..., 10) shape to (..., 24, 3) joints in the T-pose, metres."""
        return _linear(self.joint_mean, self.joint_dirs, shape)

    def rest_vertices(self, shape: Tensor) -> Tensor:
        """(..., 10) shape to the (..., V, 3) surface in the T-pose, metres."""
        return _linear(self.vertex_mean, self.vertex_dirs, shape)

    def forward_kinematics(
        self, rotmat: Tensor, pelvis: Tensor, rest_joints: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Poses the skeleton.

        Args:
            rotmat: (..., 24, 3, 3) joint 0 in the target frame, 1..23 relative to the parent.
            pelvis: (..., 3) where joint 0 is, metres.
            rest_joints: (..., 24, 3) of the same person; leading dimensions broadcast.
        Returns:
            (..., 24, 3, 3) rotations of all joints in the target frame, and (..., 24, 3) joints.
        """
        levels = [rotmat[..., :1, :, :]]
        done = levels[0]
        for start, end in _LEVELS:
            parents = done[..., list(PARENTS[start:end]), :, :]
            levels.append(parents @ rotmat[..., start:end, :, :])
            done = torch.cat((done, levels[-1]), dim=-3)
        parent_index = list(PARENTS[1:])
        bones = rest_joints[..., 1:, :] - rest_joints[..., parent_index, :]
        edges = (done[..., parent_index, :, :] @ bones[..., None]).squeeze(-1)  # (..., 23, 3)
        offsets = _ancestry().to(edges) @ edges
        return done, pelvis[..., None, :] + offsets

    def landmarks(self, global_rotmat: Tensor, joints: Tensor, shape: Tensor) -> Tensor:
        """Where MediaPipe's 33 landmarks are on the posed body.

        Each is a point of the surface or near a joint, fixed to one joint:
        joint + R_global @ offset(shape).

        Args:
            global_rotmat: (..., 24, 3, 3) from forward_kinematics.
            joints: (..., 24, 3) from forward_kinematics.
            shape: (..., 10).
        Returns:
            (..., 33, 3) in the frame of the joints, metres.
        """
        index = list(LANDMARK_JOINTS)
        rotated = global_rotmat[..., index, :, :] @ self.landmark_offsets(shape)[..., None]
        return joints[..., index, :] + rotated.squeeze(-1)

    def landmark_offsets(self, shape: Tensor) -> Tensor:
        """(..., 10) shape to (..., 33, 3) each landmark in its joint's rest frame, metres."""
        points = _linear(self.landmark_mean, self.landmark_dirs, shape)
        return points - self.rest_joints(shape)[..., list(LANDMARK_JOINTS), :]

    def skin(self, rotmat: Tensor, pelvis: Tensor, shape: Tensor) -> Tensor:
        """Poses the surface by linear blend skinning.

        Args:
            rotmat: (..., 24, 3, 3) joint 0 in the target frame, 1..23 relative to the parent.
            pelvis: (..., 3) where joint 0 is, metres.
            shape: (..., 10).
        Returns:
            (..., V, 3) metres.
        """
        turned, joints = self.forward_kinematics(rotmat, pelvis, self.rest_joints(shape))
        return self.surface(turned, joints, shape)

    def surface(self, global_rotmat: Tensor, joints: Tensor, shape: Tensor) -> Tensor:
        """The surface of a posed skeleton, by linear blend skinning.

        Args:
            global_rotmat: (..., 24, 3, 3) from forward_kinematics.
            joints: (..., 24, 3) from forward_kinematics.
            shape: (..., 10).
        Returns:
            (..., V, 3) in the frame of the joints, metres.
        """
        shift = joints - (global_rotmat @ self.rest_joints(shape)[..., None]).squeeze(-1)
        weights = self.weights.to(global_rotmat)
        blended = weights @ global_rotmat.flatten(-2)  # (..., V, 9)
        blended = blended.reshape(*blended.shape[:-1], 3, 3)
        turned = (blended @ self.rest_vertices(shape)[..., None]).squeeze(-1)
        return turned + weights @ shift

    def sparse(self, points: int) -> "Body":
        """The same body with about that many of its vertices, evenly drawn, and no faces."""
        every = slice(None, None, max(1, len(self.vertex_mean) // points))
        return replace(
            self,
            vertex_mean=self.vertex_mean[every],
            vertex_dirs=self.vertex_dirs[every],
            weights=self.weights[every],
            faces=self.faces[:0],
        )

    def to(self, target: torch.device | torch.dtype | str) -> "Body":
        """The same body on another device, or of another floating-point type."""
        moved: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            integer = isinstance(value, Tensor) and not value.is_floating_point()
            if isinstance(value, Tensor) and not (integer and isinstance(target, torch.dtype)):
                moved[field.name] = value.to(target)
        return replace(self, **moved)


def load_body(path: Path | None = None) -> Body:
    """Loads the built-in body, or a user's SMPL file.

    Args:
        path: an SMPL .npz or .pkl (6890 vertices, 10 or more shape directions, of which the
            first 10 are used). None: the built-in body.
    Raises:
        FileFormatError: the file can't be read, isn't SMPL's layout, or is a pickle that asks
            for anything but arrays.
    """
    if path is None:
        return _builtin_body()
    arrays = read_smpl_file(path)
    joint_mean = arrays.joint_regressor @ arrays.vertex_mean
    joint_dirs = np.einsum("jv,vck->jck", arrays.joint_regressor, arrays.vertex_dirs)
    builtin = _builtin_body()
    landmark_mean, nearest = landmarks_on(
        RestBody(joint_mean, arrays.vertex_mean),
        like=RestBody(builtin.joint_mean.double().numpy(), builtin.vertex_mean.double().numpy()),
        like_landmarks=builtin.landmark_mean.double().numpy(),
    )
    landmark_dirs = np.where(
        (nearest >= 0)[:, None, None],
        arrays.vertex_dirs[nearest],
        joint_dirs[list(LANDMARK_JOINTS)],
    )
    weights = arrays.weights / arrays.weights.sum(1, keepdims=True)
    return Body(
        name="smpl",
        joint_mean=_tensor(joint_mean),
        joint_dirs=_tensor(joint_dirs),
        vertex_mean=_tensor(arrays.vertex_mean),
        vertex_dirs=_tensor(arrays.vertex_dirs),
        landmark_mean=_tensor(landmark_mean),
        landmark_dirs=_tensor(landmark_dirs),
        faces=torch.as_tensor(arrays.faces),
        weights=_tensor(weights),
    )


@cache
def _builtin_body() -> Body:
    with np.load(BUILTIN_FILE) as arrays:
        weights = arrays["weights"].astype(np.float32)
        return Body(
            name="builtin",
            joint_mean=_tensor(arrays["joint_mean"]),
            joint_dirs=_tensor(arrays["joint_dirs"]),
            vertex_mean=_tensor(arrays["vertex_mean"]),
            vertex_dirs=_tensor(arrays["vertex_dirs"]),
            landmark_mean=_tensor(arrays["landmark_mean"]),
            landmark_dirs=_tensor(arrays["landmark_dirs"]),
            faces=torch.as_tensor(arrays["faces"].astype(np.int64)),
            # Stored in half precision: the rows' sums are off by up to 3e-4.
            weights=_tensor(weights / weights.sum(1, keepdims=True)),
        )


def _tensor(array: NDArray[np.floating[Any]]) -> Tensor:
    return torch.as_tensor(array.astype(np.float32))


def _linear(mean: Tensor, dirs: Tensor, shape: Tensor) -> Tensor:
    """mean (N, 3) + dirs (N, 3, 10) @ shape (..., 10), in the shape's dtype and device."""
    flat = shape @ dirs.to(shape).flatten(0, 1).mT  # (..., N·3)
    return mean.to(shape) + flat.reshape(*shape.shape[:-1], *mean.shape)


@cache
def _ancestry() -> Tensor:
    """(24, 23) row j has ones at the edges between the pelvis and joint j."""
    matrix = torch.zeros(NUM_JOINTS, NUM_JOINTS - 1)
    for joint in range(1, NUM_JOINTS):
        matrix[joint] = matrix[PARENTS[joint]]
        matrix[joint, joint - 1] = 1
    return matrix

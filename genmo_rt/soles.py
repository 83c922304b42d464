"""The points under a body's feet: what rests on the floor."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from genmo_rt.pose import CONTACT_NAMES
from genmo_rt.skeleton import JOINT_NAMES
from genmo_rt.smpl import Body

SOLE_THICKNESS_M = 0.015  # surface points this close to the lowest one belong to the sole
_FOOT_JOINTS = {JOINT_NAMES.index(name): i for i, name in enumerate(CONTACT_NAMES[:4])}


@dataclass(frozen=True, slots=True, eq=False)
class Soles:
    """Heel, toe, inner and outer edge of both soles, each fixed to the joint that carries it.

    Attributes:
        joint: (8,) the carrying joint.
        contact: (8,) index into Pose.contacts.
        mean: (8, 3) each point in its joint's rest frame at shape zero, metres.
        dirs: (8, 3, 10) its change per unit of each shape coefficient.
    """

    joint: NDArray[np.int64]
    contact: NDArray[np.int64]
    mean: NDArray[np.float64]
    dirs: NDArray[np.float64]

    @classmethod
    def of(cls, body: Body) -> "Soles":
        """Finds the points on a body's rest surface."""
        carrier = body.weights.argmax(dim=1)
        vertices = body.vertex_mean
        chosen: list[int] = []
        for side in ("left", "right"):
            ankle, foot = (JOINT_NAMES.index(f"{side}_{part}") for part in ("ankle", "foot"))
            own = ((carrier == ankle) | (carrier == foot)).nonzero()[:, 0]
            height = vertices[own, 1]
            sole = own[height < height.min() + SOLE_THICKNESS_M]
            for axis in (2, 0):
                ends = vertices[sole, axis]
                chosen += [int(sole[ends.argmin()]), int(sole[ends.argmax()])]
        index = torch.tensor(chosen)
        joint = carrier[index]
        return cls(
            joint=joint.numpy(),
            contact=np.array([_FOOT_JOINTS[int(j)] for j in joint]),
            mean=(vertices[index] - body.joint_mean[joint]).double().numpy(),
            dirs=(body.vertex_dirs[index] - body.joint_dirs[joint]).double().numpy(),
        )

    def points(
        self,
        rotmat: NDArray[np.float64],
        joints: NDArray[np.float64],
        shape: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Where they are on a posed body.

        Args:
            rotmat: (..., 24, 3, 3) rotations of all joints in the target frame.
            joints: (..., 24, 3).
            shape: (10,), or (..., 10).
        Returns:
            (..., 8, 3) in the frame of the joints, metres.
        """
        offsets = self.mean + (self.dirs @ shape[..., None, :, None])[..., 0]
        turned = rotmat[..., self.joint, :, :] @ offsets[..., None]
        return np.asarray(joints[..., self.joint, :] + turned[..., 0])

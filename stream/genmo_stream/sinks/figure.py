"""One person as sinks send them: the pose with its bones, in our axes, mirrored where asked."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from genmo_rt.rotation import quat_xyzw_to_rotmat
from genmo_rt.skeleton import MIRROR, PARENTS
from genmo_stream.wire import Subject

Floats = NDArray[np.float32]
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Figure:
    """A person at one time; y up, metres, right-handed.

    Attributes:
        person: id.
        t_capture_us: Unix microseconds.
        pelvis: (3,) in the world.
        quat_xyzw: (24, 4) joint 0 in the world, 1..23 relative to the parent.
        offsets: (24, 3) from the parent in the T-pose, row 0 zero.
        height_m: standing height.
    """

    person: int
    t_capture_us: int
    pelvis: Floats
    quat_xyzw: Floats
    offsets: Floats
    height_m: float

    @classmethod
    def of(cls, subject: Subject, t_capture_us: int, pelvis: Floats, quat_xyzw: Floats) -> "Figure":
        """A pose with the bones of its subject."""
        return cls(
            subject.person, t_capture_us, pelvis, quat_xyzw, subject.offsets, subject.height_m
        )

    def mirrored(self) -> "Figure":
        """Reflected in the plane x = 0: left limbs become right ones."""
        flip = np.array([-1.0, 1.0, 1.0], np.float32)
        order = list(MIRROR)
        return replace(
            self,
            pelvis=self.pelvis * flip,
            # A reflection turns rotation axes the other way round, but for its own.
            quat_xyzw=self.quat_xyzw[order] * np.array([1.0, -1.0, -1.0, 1.0], np.float32),
            offsets=self.offsets[order] * flip,
        )

    @cached_property
    def rotmat_world(self) -> Array:
        """(24, 3, 3) each joint's rotation in the world."""
        local = quat_xyzw_to_rotmat(torch.as_tensor(self.quat_xyzw, dtype=torch.float64)).numpy()
        turned = local.copy()
        for joint, parent in enumerate(PARENTS[1:], start=1):
            turned[joint] = turned[parent] @ local[joint]
        return turned

    @cached_property
    def joints(self) -> Array:
        """(24, 3) in the world."""
        places = np.empty((len(PARENTS), 3))
        places[0] = self.pelvis
        for joint, parent in enumerate(PARENTS[1:], start=1):
            places[joint] = places[parent] + self.rotmat_world[parent] @ self.offsets[joint]
        return places

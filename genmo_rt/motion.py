"""The motion vector: one table of named fields, and the way there and back.

The layout is the paper's (GENMO, arXiv 2505.01425, section 3.1), 181 numbers per frame. The
gravity view ("gv") is the stream's world: y up, −z along the optical axis projected to the
horizontal, origin on the floor below the camera.

| field    | what                                                                  |
|----------|-----------------------------------------------------------------------|
| orient_gv | root rotation in the gravity view, 6D                                |
| root_vel | pelvis velocity in the root's own frame, m/s: R_gvᵀ v_gv (GVHMR, eq. 4) |
| pose     | 24 × 6D: joint 0 in the camera, 1..23 relative to the parent          |
| betas    | 10 shape coefficients                                                 |
| root_cam | (log(z s / f), (u − u₀) / s, (v − v₀) / s): see `encode`              |
| camera   | camera to gravity view: rotation 6D and position in metres            |
| contacts | 6 logits, clipped to ±4, in the order of pose.CONTACT_NAMES           |
"""

from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from genmo_rt.pose import CONTACT_NAMES
from genmo_rt.rotation import rot6d_to_rotmat, rotmat_to_rot6d
from genmo_rt.skeleton import JOINT_NAMES, NUM_JOINTS

MAX_LOGIT = 4.0  # a label of 0 or 1 is encoded as this many, probability 0.018 or 0.982


@dataclass(frozen=True, slots=True)
class Field:
    """One named run of numbers in the motion vector."""

    name: str
    width: int


FIELDS = (
    Field("orient_gv", 6),
    Field("root_vel", 3),
    Field("pose", NUM_JOINTS * 6),
    Field("betas", 10),
    Field("root_cam", 3),
    Field("camera_rot", 6),
    Field("camera_pos", 3),
    Field("contacts", 6),
)
MOTION_WIDTH = sum(field.width for field in FIELDS)


def slices(fields: tuple[Field, ...]) -> dict[str, slice]:
    """Where each field of a table lies in its vector."""
    ends = accumulate(field.width for field in fields)
    return {f.name: slice(end - f.width, end) for f, end in zip(fields, ends, strict=True)}


SLICES = slices(FIELDS)
"""Where each field of FIELDS lies in the motion vector."""


def _other_side(names: tuple[str, ...]) -> tuple[int, ...]:
    sides = {"left": "right", "right": "left"}
    parts = (name.split("_", 1) for name in names)
    other = ("_".join((sides.get(first, first), *rest)) for first, *rest in parts)
    return tuple(names.index(name) for name in other)


MIRRORED_JOINTS, MIRRORED_CONTACTS = _other_side(JOINT_NAMES), _other_side(CONTACT_NAMES)
"""For each joint and contact, the number of the one on the other side."""

LAYOUT = "+".join(f"{field.name}:{field.width}" for field in FIELDS)
"""The table as text: written into checkpoints, so that another layout is refused."""


@dataclass(frozen=True, slots=True)
class View:
    """How the picture frames the person: what turns root_cam into metres and back.

    Attributes:
        centre: (..., 2) pixels, the confidence-weighted mean of the landmarks.
        scale: (...,) pixels, their confidence-weighted RMS distance from it: about a quarter of
            a standing person's height.
        intrinsics: (..., 4) fx, fy, cx, cy in pixels.
    """

    centre: Tensor
    scale: Tensor
    intrinsics: Tensor


@dataclass(frozen=True, slots=True)
class Motion:
    """A decoded motion vector, leading dimensions "...".

    Attributes:
        rotmat_gv: (..., 3, 3) root rotation in the gravity view.
        root_vel: (..., 3) pelvis velocity in the root's own frame, metres per second.
        rotmat_cam: (..., 24, 3, 3) joint 0 in the camera, 1..23 relative to the parent.
        shape: (..., 10) coefficients of the body.
        root_cam: (..., 3) pelvis joint in the camera, metres.
        R_c2gv: (..., 3, 3) with p_gv = R_c2gv @ p_cam + camera_pos.
        camera_pos: (..., 3) the camera in the gravity view, metres; y is its height over the floor.
        contacts: (..., 6) probability 0..1.
    """

    rotmat_gv: Tensor
    root_vel: Tensor
    rotmat_cam: Tensor
    shape: Tensor
    root_cam: Tensor
    R_c2gv: Tensor
    camera_pos: Tensor
    contacts: Tensor


def observed_motion(
    rotmat_cam: Tensor,
    root_cam: Tensor,
    velocity_gv: Tensor,
    R_c2gv: Tensor,
    camera_pos: Tensor,
    shape: Tensor,
    contacts: Tensor,
) -> Motion:
    """What the table says of a body whose pose in the camera and whose camera are known.

    The root in the gravity view is Γ^gv = R_c2gv Γ^cam (GVHMR, Shen et al. 2024, section 3.1), its
    velocity is told in its own frame, Γ^gvᵀ v (eq. 4). Leading dimensions broadcast.

    Args:
        rotmat_cam: (..., 24, 3, 3) as in Motion, like root_cam, R_c2gv, camera_pos, shape and
            contacts.
        root_cam: (..., 3).
        velocity_gv: (..., 3) of the pelvis in the gravity view, metres per second.
        R_c2gv: (..., 3, 3).
        camera_pos: (..., 3).
        shape: (..., 10).
        contacts: (..., 6).
    """
    rotmat_gv = R_c2gv @ rotmat_cam[..., 0, :, :]
    root_vel = (rotmat_gv.transpose(-1, -2) @ velocity_gv[..., None])[..., 0]
    frames = root_cam.shape[:-1]
    return Motion(
        rotmat_gv=rotmat_gv,
        root_vel=root_vel,
        rotmat_cam=rotmat_cam,
        shape=shape.expand(*frames, 10),
        root_cam=root_cam,
        R_c2gv=R_c2gv.expand(*frames, 3, 3),
        camera_pos=camera_pos.expand(*frames, 3),
        contacts=contacts,
    )


def mirror(motion: Motion) -> Motion:
    """The motion in a mirror that stands along the camera's axis: left is right.

    With M = diag(−1, 1, 1) and left and right joints swapped: M R M for rotations, M v for places
    and velocities. Shapes stay: bodies are symmetric.
    """
    joints, contacts = list(MIRRORED_JOINTS), list(MIRRORED_CONTACTS)
    flip = torch.tensor([-1.0, 1.0, 1.0]).to(motion.root_vel)
    both = flip[:, None] * flip
    return Motion(
        rotmat_gv=both * motion.rotmat_gv,
        root_vel=flip * motion.root_vel,
        rotmat_cam=both * motion.rotmat_cam[..., joints, :, :],
        shape=motion.shape,
        root_cam=flip * motion.root_cam,
        R_c2gv=both * motion.R_c2gv,
        camera_pos=flip * motion.camera_pos,
        contacts=motion.contacts[..., contacts],
    )


def mirror_view(view: View, width: Tensor) -> View:
    """The view of the mirrored picture.

    Args:
        view: leading dimensions "...".
        width: of the picture, pixels; (...,) or broadcast to it.
    """

    def x_of(point: Tensor) -> Tensor:
        return torch.stack((width - point[..., 0], point[..., 1]), dim=-1)

    intrinsics = torch.cat((view.intrinsics[..., :2], x_of(view.intrinsics[..., 2:])), dim=-1)
    return View(x_of(view.centre), view.scale, intrinsics)


@dataclass(frozen=True, slots=True)
class MotionStats:
    """Mean and standard deviation of the training motion, (181,) each: what x is normalised by."""

    mean: Tensor
    std: Tensor

    def normalise(self, vector: Tensor) -> Tensor:
        """(..., 181) in the table's units to zero mean and unit variance."""
        return (vector - self.mean) / self.std

    def denormalise(self, x: Tensor) -> Tensor:
        """The way back."""
        return x * self.std + self.mean


def encode(motion: Motion, view: View) -> Tensor:
    """Writes a motion into vectors, in the table's units (not normalised).

    The root's place is encoded relative to the view, as weak perspective cameras do (CLIFF, Li et
    al. 2022, eq. 3; GVHMR): with the pelvis at depth z projected to (u, v), a view with centre
    (u₀, v₀) and scale s, and focal length f = (fx + fy) / 2, it is (log(z s / f), (u − u₀) / s,
    (v − v₀) / s). The first is the person's RMS size in metres, as a logarithm, and the others
    are in body sizes: none depends on focal length or distance, so lifting looks the same near
    and far, and a wrong guess of f moves the person along the ray instead of off it.

    Args:
        motion: leading dimensions "...".
        view: leading dimensions "...".
    Returns:
        (..., 181).
    """
    focal, centre = view.intrinsics[..., :2], view.intrinsics[..., 2:]
    depth = motion.root_cam[..., 2:].clamp_min(1e-3)
    pixel = motion.root_cam[..., :2] / depth * focal + centre
    scale = view.scale[..., None]
    size = (depth * scale / focal.mean(-1, keepdim=True)).log()
    return torch.cat(
        (
            rotmat_to_rot6d(motion.rotmat_gv),
            motion.root_vel,
            rotmat_to_rot6d(motion.rotmat_cam).flatten(-2),
            motion.shape,
            size,
            (pixel - view.centre) / scale,
            rotmat_to_rot6d(motion.R_c2gv),
            motion.camera_pos,
            motion.contacts.logit(eps=1e-6).clamp(-MAX_LOGIT, MAX_LOGIT),
        ),
        dim=-1,
    )


def decode(vector: Tensor, view: View) -> Motion:
    """Reads motion vectors in the table's units (`MotionStats.denormalise` first).

    Args:
        vector: (..., 181).
        view: leading dimensions "...": of the frame the vector describes, hence R ticks back for
            a stream with a delay of R.
    """
    at = {name: vector[..., where] for name, where in SLICES.items()}
    focal, centre = view.intrinsics[..., :2], view.intrinsics[..., 2:]
    scale = view.scale[..., None]
    size, offset = at["root_cam"][..., :1], at["root_cam"][..., 1:]
    depth = size.exp() * focal.mean(-1, keepdim=True) / scale
    ray = (view.centre + offset * scale - centre) / focal
    return Motion(
        rotmat_gv=rot6d_to_rotmat(at["orient_gv"]),
        root_vel=at["root_vel"],
        rotmat_cam=rot6d_to_rotmat(at["pose"].reshape(*vector.shape[:-1], NUM_JOINTS, 6)),
        shape=at["betas"],
        root_cam=torch.cat((ray * depth, depth), dim=-1),
        R_c2gv=rot6d_to_rotmat(at["camera_rot"]),
        camera_pos=at["camera_pos"],
        contacts=at["contacts"].sigmoid(),
    )

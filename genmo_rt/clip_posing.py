"""Poses of a whole recording: what posing does tick by tick, with what follows known as well.

One shape for all ticks; figures put back on their landmarks from both sides in time; smoothed
without lag; roots fused forwards and backwards; feet held where they rest; and only then a world
whose gravity and floor all ticks have settled.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from genmo_rt.camera import Intrinsics
from genmo_rt.contacts import hold_clip
from genmo_rt.motion import Motion
from genmo_rt.pose import Pose
from genmo_rt.poser import FADE_S
from genmo_rt.posing import confidences, local_rotations
from genmo_rt.refine import Figure, RefineNoise, Refiner
from genmo_rt.rests import POINTS, RestDetector
from genmo_rt.rollout import settle_path
from genmo_rt.rotation import rotmat_to_quat_xyzw
from genmo_rt.smooth import FilterTimes, half_way, smooth_clip
from genmo_rt.smpl import Body
from genmo_rt.soles import Soles
from genmo_rt.whole_clip import Stretch
from genmo_rt.world import SettledWorld

Array = NDArray[np.float64]

AHEAD = 8  # ticks after each that tell whether a foot rests
NOISE = RefineNoise(landmark=0.0125, steadiness=3.0)
TIMES = FilterTimes(follow=0.07)
"""Without lag, smoothing can be stronger than live, and then the landmarks can be trusted as far as
their own noise, which is measured, allows: their tremble does not get through."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who is posed: the same in every tick.

    Attributes:
        body: in use.
        soles: of that body.
        shape: (10,) coefficients of that body.
        scale: how much larger the person is than the model thought.
    """

    body: Body
    soles: Soles
    shape: Array
    scale: float

    def rest_joints(self) -> NDArray[np.float32]:
        """(24, 3) the T-pose skeleton, metres."""
        return self.body.rest_joints(torch.from_numpy(self.shape)).float().numpy()

    def figures(self, rotmat: Array, pelvis: Array) -> tuple[Array, Array]:
        """(L, 24, 3, 3) rotations and (L, 24, 3) joints in the camera.

        Args:
            rotmat: (L, 24, 3, 3) as in Motion.rotmat_cam.
            pelvis: (L, 3) in the camera.
        """
        rest = self.body.rest_joints(torch.from_numpy(self.shape))
        turned, joints = self.body.forward_kinematics(
            torch.from_numpy(rotmat), torch.from_numpy(pelvis), rest
        )
        return turned.numpy(), joints.numpy()


@dataclass(frozen=True, slots=True)
class Settled:
    """A stretch whose poses in the camera are done.

    Attributes:
        stretch: its ticks.
        rotmat: (L, 24, 3, 3) joint 0 in the camera, 1..23 relative to the parent.
        turned: (L, 24, 3, 3) all joints in the camera.
        joints: (L, 24, 3) in the camera.
        contacts: (L, 6) probability.
        up_cam: (L, 3) "up" as the model says.
    """

    stretch: Stretch
    rotmat: Array
    turned: Array
    joints: Array
    contacts: Array
    up_cam: Array


def settle(
    stretch: Stretch,
    said: Motion,
    person: Person,
    intrinsics: Intrinsics,
    each: Callable[[], None] = lambda: None,
) -> Settled:
    """Poses one stretch in its camera.

    Args:
        stretch: L ticks.
        said: what the model says of them, leading dimension L.
        person: who it is.
        intrinsics: of the camera.
        each: called for every tick, for a progress bar.
    """
    t, seen = stretch.t, stretch.seen
    rotmat, root = _array(said.rotmat_cam), _array(said.root_cam) * person.scale
    contacts = _array(said.contacts)
    turned, joints = person.figures(rotmat, root)
    turned, joints = _on_landmarks(stretch, turned, joints, person, intrinsics, each)
    velocity = (turned[:, 0] @ _array(said.root_vel)[..., None])[..., 0] * person.scale
    root = settle_path(t, velocity * _fade(t, seen)[:, None], joints[:, 0], seen)
    rotmat = smooth_clip(t, local_rotations(turned), TIMES)
    turned, joints = person.figures(rotmat, root)
    rotmat = local_rotations(_feet_held(stretch, turned, joints, contacts, person, intrinsics))
    turned, joints = person.figures(rotmat, root)
    return Settled(stretch, rotmat, turned, joints, contacts, _array(said.R_c2gv)[:, 1])


def publish(settled: list[Settled], person: Person) -> list[list[Pose]]:
    """Poses in the world, of each stretch in turn; every shot of the camera has its own world."""
    poses = []
    for shot in sorted({one.stretch.shot for one in settled}):
        own = [one for one in settled if one.stretch.shot == shot]
        world = _world(own, person)
        for one in own:
            poses.append(_in_world(one, world, person))
    return poses


def _world(settled: list[Settled], person: Person) -> SettledWorld:
    parts = [
        (
            one.up_cam[i],
            person.soles.points(one.turned[i], one.joints[i], person.shape),
            one.contacts[i, person.soles.contact],
        )
        for one in settled
        for i in one.stretch.seen.nonzero()[0]
    ]
    return SettledWorld.of(*(np.stack(column) for column in zip(*parts, strict=True)))


def _in_world(settled: Settled, world: SettledWorld, person: Person) -> list[Pose]:
    stretch, local = settled.stretch, settled.rotmat
    root = np.stack((local[:, 0], world.R_c2w @ local[:, 0]), axis=1)
    quat_xyzw = _quaternions(np.concatenate((root, local[:, 1:]), axis=1))
    joints = world.points(settled.joints).astype(np.float32)
    pelvis = joints[:, 0].astype(np.float64)
    confidence = confidences(stretch.keypoints)
    still = len(pelvis) < 2
    velocity = np.zeros_like(pelvis) if still else np.gradient(pelvis, stretch.t, axis=0)
    return [
        Pose(
            t=float(stretch.t[i]),
            quat_xyzw=quat_xyzw[i, 1:],
            pelvis=joints[i, 0],
            velocity=velocity[i].astype(np.float32),
            joints=joints[i],
            contacts=settled.contacts[i].astype(np.float32),
            confidence=confidence[i],
            shape=person.shape.astype(np.float32),
            joints_cam=settled.joints[i].astype(np.float32),
            root_quat_xyzw_cam=quat_xyzw[i, 0],
        )
        for i in range(len(stretch.t))
    ]


def _on_landmarks(
    stretch: Stretch,
    turned: Array,
    joints: Array,
    person: Person,
    intrinsics: Intrinsics,
    each: Callable[[], None],
) -> tuple[Array, Array]:
    """Figures put back on their landmarks, each steadied by its past and by its future."""
    offsets = person.body.landmark_offsets(torch.from_numpy(person.shape)).numpy()
    figures = [Figure(*parts, offsets) for parts in zip(turned, joints, strict=True)]

    def refined(order: int, after: Callable[[], None]) -> list[Figure]:
        refiner = Refiner(intrinsics, NOISE)
        moved = []
        for keypoints, figure in zip(stretch.keypoints[::order], figures[::order], strict=True):
            moved.append(figure if keypoints is None else refiner.refine(figure, keypoints))
            after()
        return moved[::order]

    both = list(zip(refined(1, each), refined(-1, lambda: None), strict=True))
    ahead, back = (np.stack([pair[side].rotmat for pair in both]) for side in (0, 1))
    root = np.stack([(one.joints[0] + other.joints[0]) / 2 for one, other in both])
    return person.figures(local_rotations(half_way(ahead, back)), root)


def _feet_held(
    stretch: Stretch,
    turned: Array,
    joints: Array,
    contacts: Array,
    person: Person,
    intrinsics: Intrinsics,
) -> Array:
    """(L, 24, 3, 3) rotations in the camera with resting feet where they are."""
    offsets = person.body.landmark_offsets(torch.from_numpy(person.shape)).numpy()
    figures = [Figure(*parts, offsets) for parts in zip(turned, joints, strict=True)]
    soles = np.stack([figure.landmarks(POINTS) for figure in figures])
    detector = RestDetector(intrinsics)
    seen = list(zip(stretch.t.tolist(), stretch.keypoints, strict=True))
    rests = [
        detector.step(t, contacts[i], keypoints, soles[i, :, 2], seen[i + 1 : i + 1 + AHEAD])
        for i, (t, keypoints) in enumerate(seen)
    ]
    return hold_clip(stretch.t, figures, soles, np.stack(rests))


def _fade(t: Array, seen: NDArray[np.bool_]) -> Array:
    """(L,) what is left of the velocity of somebody who isn't seen, by the nearer sight."""
    last = t - np.maximum.accumulate(np.where(seen, t, -np.inf))
    following = np.minimum.accumulate(np.where(seen, t, np.inf)[::-1])[::-1] - t
    return np.exp(-np.minimum(last, following) / FADE_S)


def _quaternions(rotmat: Array) -> NDArray[np.float32]:
    return rotmat_to_quat_xyzw(torch.from_numpy(rotmat)).numpy().astype(np.float32)


def _array(tensor: torch.Tensor) -> Array:
    return tensor.double().cpu().numpy()

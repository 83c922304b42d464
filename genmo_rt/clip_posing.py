"""Poses of a whole recording: what posing does tick by tick, with what follows known as well.

One shape for all ticks; figures put back on their landmarks from both sides in time; smoothed
without lag; roots fused forwards and backwards; and feet held where they rest, once it is known how
the camera went (clip_world.py). Landmarks are those of steady cameras; from the smoothing on, all
is in the first camera of the shot.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from genmo_rt.camera import Intrinsics
from genmo_rt.contacts import hold_clip
from genmo_rt.motion import Motion
from genmo_rt.poser import FADE_S, feet_seen
from genmo_rt.posing import local_rotations
from genmo_rt.refine import Figure, RefineNoise, Refiner
from genmo_rt.rests import POINTS, RestDetector
from genmo_rt.rollout import settle_path
from genmo_rt.smooth import FilterTimes, half_way, smooth_clip
from genmo_rt.smpl import Body
from genmo_rt.soles import Soles
from genmo_rt.stature import ShapeRule
from genmo_rt.whole_clip import Stretch

Array = NDArray[np.float64]

AHEAD = 8  # ticks after each that tell whether a foot rests
NOISE = RefineNoise(landmark=0.0125, steadiness=6.0)
TIMES = FilterTimes(follow=0.07)
"""Without lag, smoothing can be stronger than live, and then the landmarks can be trusted as far as
their own noise, which is measured, allows: their tremble does not get through."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who is posed: the same in every tick.

    Attributes:
        body: in use.
        soles: of that body.
        rule: how shapes of that body are made.
        shape: (10,) coefficients of that body.
        scale: how much larger the person is than the model thought.
    """

    body: Body
    soles: Soles
    rule: ShapeRule
    shape: Array
    scale: float

    @property
    def stature(self) -> float:
        """Standing height, metres."""
        return self.rule.height(self.shape)

    def grown(self, size: float) -> "Person":
        """Somebody who is `size` times as tall."""
        return replace(self, shape=self.rule.grown(self.shape, size), scale=self.scale * size)

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


@dataclass(frozen=True, eq=False)
class Settled:
    """A stretch whose poses are done, in the first camera of its shot.

    Attributes:
        person: who it is.
        stretch: its ticks.
        rotmat: (L, 24, 3, 3) joint 0 in the camera, 1..23 relative to the parent.
        loose: the same before feet that rest are held; None unless the camera is carried.
        joints: (L, 24, 3) in the camera.
        soles: (L, 8, 3) points under the feet.
        contacts: (L, 6) probability, as the model says.
        rests: (L, 4) how surely heels and toes rest, as in rests.POINTS.
        up: (L, 3) "up" as the model says.
    """

    person: Person
    stretch: Stretch
    rotmat: Array
    loose: Array | None
    joints: Array
    soles: Array
    contacts: Array
    rests: Array
    up: Array

    @property
    def seen(self) -> list[int]:
        """The ticks in which the person is seen."""
        return [int(i) for i in self.stretch.seen.nonzero()[0]]

    @property
    def loose_soles(self) -> Array:
        """(L, 8, 3) the soles before feet that rest are held."""
        if self.loose is None:
            return self.soles
        figures = self.person.figures(self.loose, self.joints[:, 0])
        return self.person.soles.points(*figures, self.person.shape)

    @cached_property
    def carries(self) -> Array:
        """(L, 8) how surely each of them rests."""
        both = (self.contacts[:, :4] + self.rests) / 2
        return np.asarray(both[:, self.person.soles.contact])

    @cached_property
    def feet_seen(self) -> Array:
        """(L,) how surely the feet are seen."""
        seen = self.stretch.keypoints
        return np.array([0.0 if one is None else feet_seen(one) for one in seen])

    def sized(self, size: float) -> "Settled":
        """The same person `size` times as large, and as far away."""
        person = self.person.grown(size)
        turned, joints = person.figures(self.rotmat, size * self.joints[:, 0])
        soles = person.soles.points(turned, joints, person.shape)
        return replace(self, person=person, joints=joints, soles=soles)


def settle(
    stretch: Stretch,
    said: Motion,
    person: Person,
    intrinsics: Intrinsics,
    each: Callable[[], None] = lambda: None,
) -> Settled:
    """Poses one stretch before its camera.

    Args:
        stretch: L ticks.
        said: what the model says of them, leading dimension L.
        person: who it is.
        intrinsics: of the camera.
        each: called for every tick, for a progress bar.
    """
    t, seen, anchors = stretch.t, stretch.seen, stretch.anchors
    rotmat, root = _array(said.rotmat_cam), _array(said.root_cam) * person.scale
    contacts = _array(said.contacts)
    turned, joints = person.figures(rotmat, root)
    turned, joints = _on_landmarks(stretch, turned, joints, person, intrinsics, each)
    velocity = (turned[:, 0] @ _array(said.root_vel)[..., None])[..., 0] * person.scale
    velocity = velocity * _fade(t, seen)[:, None]
    root = settle_path(t, velocity, joints[:, 0], seen, stretch.turns)
    local = local_rotations(turned)
    local[:, 0] = anchors @ local[:, 0]
    rotmat = smooth_clip(t, local, TIMES)
    turned, joints = person.figures(rotmat, _turned(anchors, root))
    rests = _rests(stretch, turned, joints, contacts, person, intrinsics)
    up = _turned(anchors, _array(said.R_c2gv)[:, 1])
    soles = person.soles.points(turned, joints, person.shape)
    loose = Settled(person, stretch, rotmat, rotmat, joints, soles, contacts, rests, up)
    settled = feet_held(loose, np.zeros_like(root))
    carried = any(camera.carried for camera in stretch.cameras)
    return settled if carried else replace(settled, loose=None)


def feet_held(settled: Settled, gone: Array) -> Settled:
    """The same with feet that rest where they are; they are so already if it has no loose ones.

    Args:
        settled: L ticks.
        gone: (L, 3) how far the camera has gone until each tick, in the first camera of its shot.
    """
    if settled.loose is None:
        return settled
    person, root = settled.person, settled.joints[:, 0]
    figures = _figures(person, *person.figures(settled.loose, root))
    points = np.stack([figure.landmarks(POINTS) for figure in figures])
    moved = -np.diff(gone, axis=0, prepend=gone[:1])
    held = hold_clip(settled.stretch.t, figures, points, settled.rests, moved=moved)
    rotmat = local_rotations(held)
    turned, joints = person.figures(rotmat, root)
    soles = person.soles.points(turned, joints, person.shape)
    return replace(settled, rotmat=rotmat, joints=joints, soles=soles)


def _on_landmarks(
    stretch: Stretch,
    turned: Array,
    joints: Array,
    person: Person,
    intrinsics: Intrinsics,
    each: Callable[[], None],
) -> tuple[Array, Array]:
    """Figures put back on their landmarks, each steadied by its past and by its future."""
    figures = _figures(person, turned, joints)
    anchors = [camera.anchor for camera in stretch.cameras]

    def refined(order: int, after: Callable[[], None]) -> list[Figure]:
        refiner = Refiner(intrinsics, NOISE)
        moved = []
        ticks = zip(stretch.keypoints[::order], figures[::order], anchors[::order], strict=True)
        anchor = anchors[::order][0]
        for keypoints, figure, now in ticks:
            if now is not anchor:
                refiner.turn(now.T @ anchor)
                anchor = now
            moved.append(figure if keypoints is None else refiner.refine(figure, keypoints))
            after()
        return moved[::order]

    both = list(zip(refined(1, each), refined(-1, lambda: None), strict=True))
    ahead, back = (np.stack([pair[side].rotmat for pair in both]) for side in (0, 1))
    root = np.stack([(one.joints[0] + other.joints[0]) / 2 for one, other in both])
    return person.figures(local_rotations(half_way(ahead, back)), root)


def _rests(
    stretch: Stretch,
    turned: Array,
    joints: Array,
    contacts: Array,
    person: Person,
    intrinsics: Intrinsics,
) -> Array:
    """(L, 4) how surely heels and toes rest; figures are in the first camera of the shot.

    What rests is not seen to rest by a camera that is carried.
    """
    figures = _figures(person, turned, joints)
    points = np.stack([figure.landmarks(POINTS) for figure in figures])
    depth = (points @ stretch.anchors[:, :, 2:])[..., 0]  # in the steady cameras
    cameras = stretch.cameras
    seen = [
        (t, None if camera.carried else keypoints)
        for t, keypoints, camera in zip(stretch.t.tolist(), stretch.keypoints, cameras, strict=True)
    ]
    detector = RestDetector(intrinsics)
    rests = []
    for i, (t, keypoints) in enumerate(seen):
        if i > 0 and cameras[i].anchor is not cameras[i - 1].anchor:
            detector.turn()
        after = range(i + 1, min(i + 1 + AHEAD, len(seen)))
        ahead = [seen[k] for k in after if cameras[k].anchor is cameras[i].anchor]
        rests.append(detector.step(t, contacts[i], keypoints, depth[i], ahead))
    return np.stack(rests)


def _figures(person: Person, turned: Array, joints: Array) -> list[Figure]:
    offsets = person.body.landmark_offsets(torch.from_numpy(person.shape)).numpy()
    return [Figure(*parts, offsets) for parts in zip(turned, joints, strict=True)]


def _turned(rotmat: Array, vectors: Array) -> Array:
    """(L, 3) vectors turned by (L, 3, 3)."""
    return np.asarray((rotmat @ vectors[..., None])[..., 0])


def _fade(t: Array, seen: NDArray[np.bool_]) -> Array:
    """(L,) what is left of the velocity of somebody who isn't seen, by the nearer sight."""
    last = t - np.maximum.accumulate(np.where(seen, t, -np.inf))
    following = np.minimum.accumulate(np.where(seen, t, np.inf)[::-1])[::-1] - t
    return np.exp(-np.minimum(last, following) / FADE_S)


def _array(tensor: torch.Tensor) -> Array:
    return tensor.double().cpu().numpy()

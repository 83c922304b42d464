"""The world of a whole recording: gravity, sizes, the camera's way and the floor, known at the end.

The evidence is weighed as live (gravity.py, sizes.py, carried.py). But nothing has to move towards
what is found: the world is right from its first frame.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from genmo_rt.carried import Carrier, Passing
from genmo_rt.clip_posing import Settled, feet_held
from genmo_rt.gravity import (
    LEVEL_UP_CAM,
    MEMORY_TICKS,
    Balance,
    Gravity,
    camera_to_world,
    unit,
)
from genmo_rt.pose import Pose
from genmo_rt.posing import confidences
from genmo_rt.rotation import rotmat_to_quat_xyzw
from genmo_rt.sizes import Sizes, Standing
from genmo_rt.world import ANOTHER_FLOOR_M, MIN_CONTACT

Array = NDArray[np.float64]

HARDLY_UNDER = 10  # percentile of the lowest sole's height
SENSED = 0.5  # of the frames, at least, with a sensor that is believed: one that lies is dropped


@dataclass(frozen=True, slots=True, eq=False)
class SettledWorld:
    """A world that is known from the start, because the whole recording was looked at.

    Attributes:
        R_c2w: (3, 3) rotation of the first camera of a shot, as in World.
        camera_height: metres.
        t: (T,) capture times, seconds, rising.
        way: (T, 3) how far the camera went until then, metres; heights are in camera_height.
    """

    R_c2w: Array
    camera_height: float
    t: Array
    way: Array

    def gone(self, t: Array) -> Array:
        """(L, 3) how far the camera went until those times, (L,)."""
        return np.stack([np.interp(t, self.t, along) for along in self.way.T], axis=-1)

    def points(self, t: Array, points: Array) -> Array:
        """(L, N, 3) points in the first camera at those times, (L,), to the world."""
        place = self.gone(t) + np.array([0.0, self.camera_height, 0.0])
        return np.asarray(points @ self.R_c2w.T + place[:, None])


def in_their_worlds(settled: Sequence[Settled]) -> list[tuple[Settled, SettledWorld]]:
    """Everything that was seen, with its world; every place of the camera has its own.

    Feet that rest are held anew before a camera that goes.
    """
    found = dict[Settled, tuple[Settled, SettledWorld]]()
    for place in {one.stretch.place for one in settled}:
        own = held = [one for one in settled if one.stretch.place == place]
        R_c2w = camera_to_world(gravity_of(own).up)
        world = SettledWorld(R_c2w, 0.0, *_way(own, R_c2w))
        if world.way.any():
            held = [feet_held(one, world.gone(one.stretch.t) @ R_c2w) for one in own]
        worlds = _on_floors(world, held)
        found |= {one: (its, worlds[its]) for one, its in zip(own, held, strict=True)}
    return [found[one] for one in settled]


def gravity_of(settled: Sequence[Settled]) -> Gravity:
    """What is known of "up" in the first camera: by a sensor that lasted, or else by people.

    As many ticks are heard as live remembers, from all over the recording and in no order: a
    while of nonsense is outvoted, also where it comes first.

    Args:
        settled: all that was seen from one place of the camera.
    """
    gravity = Gravity(LEVEL_UP_CAM)
    cameras = [camera for one in settled for camera in one.stretch.cameras]
    sensed = [camera.up for camera in cameras if camera.up is not None]
    if len(sensed) > SENSED * len(cameras):
        gravity.know(unit(np.mean(sensed, axis=0)))
        return gravity
    rows = list(_by_time(settled))
    heard = np.random.default_rng(0).permutation(len(rows))[: int(MEMORY_TICKS)]
    for one, i in (rows[row] for row in heard):
        balance = Balance.of(one.joints[i], one.soles[i], one.carries[i], one.person.stature)
        sure = balance.sure * float(one.feet_seen[i])
        gravity.remember(one.up[i], Balance(balance.up_cam, sure))
    return gravity


def sizes_of(people: Sequence[Sequence[Settled]], stated: bool) -> list[float]:
    """How much larger each person is, and further away, than the model says.

    Args:
        people: what was seen of each.
        stated: whether all sizes are known from elsewhere.
    """
    if sum(map(bool, people)) < 2:
        return [1.0] * len(people)
    standing = [Standing(stated) for _ in people]
    of = {one: who for who, parts in zip(standing, people, strict=True) for one in parts}
    sizes = Sizes()
    for place in sorted({one.stretch.place for one in of}):
        own = [one for one in of if one.stretch.place == place]
        gravity = gravity_of(own)
        sizes.forget()
        for one, i in _by_time(own):
            if not one.stretch.cameras[i].carried:
                t, stature, soles = float(one.stretch.t[i]), one.person.stature, one.soles[i]
                rests = one.carries[i] * one.feet_seen[i]
                sizes.see(t, of[one], stature, soles, rests, gravity)
    return [who.target for who in standing]


def _by_time(settled: Sequence[Settled]) -> Iterator[tuple[Settled, int]]:
    """Every tick in which somebody is seen, with whose it is."""
    rows = [(one.stretch.t[i], n, i) for n, one in enumerate(settled) for i in one.seen]
    for _, n, i in sorted(rows):
        yield settled[n], i


def _on_floors(world: SettledWorld, settled: Sequence[Settled]) -> dict[Settled, SettledWorld]:
    """A world over its floor; who jumped through the picture may stand on another one, as live."""
    found = dict[Settled, SettledWorld]()
    for shot in sorted({one.stretch.shot for one in settled}):
        own = [one for one in settled if one.stretch.shot == shot]
        height = -_floor(own, world.R_c2w[1])
        if not found or abs(height - world.camera_height) > ANOTHER_FLOOR_M:
            world = replace(world, camera_height=height)
        found |= dict.fromkeys(own, world)
    return found


def _floor(settled: Sequence[Settled], up: Array) -> float:
    """How high the floor is over the camera, metres.

    It is the median height at which a foot rests, or where no foot ever does, the height that the
    feet hardly go under.
    """
    rows = list(_by_time(settled))
    heights = np.stack([one.soles[i] @ up for one, i in rows])
    contact = np.stack([one.contacts[i, one.person.soles.contact] for one, i in rows])
    resting = np.where(contact >= MIN_CONTACT, heights, np.inf).min(1)
    resting = resting[np.isfinite(resting)]
    if len(resting):
        return float(np.median(resting))
    return float(np.percentile(heights.min(1), HARDLY_UNDER))


def _way(settled: Sequence[Settled], R_c2w: Array) -> tuple[Array, Array]:
    """Times, (T,), and (T, 3) how far a camera that is carried went until then."""
    t = np.unique(np.concatenate([one.stretch.t for one in settled]))
    steps = list[tuple[int, Passing, Array]]()
    soles = {one: one.loose_soles for one in settled}
    for one, i in _by_time(settled):
        if i > 0 and one.stretch.cameras[i].carried:
            dt = one.stretch.t[i] - one.stretch.t[i - 1]
            moved = [points[i] - points[i - 1] for points in (soles[one], one.joints[:, 0])]
            passing = Passing(*(of @ R_c2w.T / dt for of in moved))
            contact = one.contacts[i, one.person.soles.contact]
            steps.append((int(np.searchsorted(t, one.stretch.t[i])), passing, contact))
    people = np.bincount([row for row, _, _ in steps], minlength=len(t))
    dt, velocity = np.diff(t, prepend=t[0]), np.zeros((2, len(t), 3))
    for both, order in zip(velocity, (1, -1), strict=True):
        carrier = Carrier()
        for row, passing, contact in steps[::order]:
            seen = Passing(order * passing.soles, order * passing.root)
            carrier.step(dt[row] / people[row], seen, contact)
            both[row] = order * carrier.velocity
    return t, np.cumsum(velocity.mean(0) * dt[:, None], axis=0)


def publish(settled: Settled, world: SettledWorld) -> list[Pose]:
    """Its poses in the world."""
    stretch, local = settled.stretch, settled.rotmat
    R_first2now = np.stack([camera.R_now2first.T for camera in stretch.cameras])
    root = np.stack((R_first2now @ local[:, 0], world.R_c2w @ local[:, 0]), axis=1)
    quat_xyzw = _quaternions(np.concatenate((root, local[:, 1:]), axis=1))
    joints = world.points(stretch.t, settled.joints).astype(np.float32)
    joints_cam = settled.joints @ np.swapaxes(R_first2now, 1, 2)
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
            shape=settled.person.shape.astype(np.float32),
            joints_cam=joints_cam[i].astype(np.float32),
            root_quat_xyzw_cam=quat_xyzw[i, 0],
        )
        for i in range(len(stretch.t))
    ]


def _quaternions(rotmat: Array) -> NDArray[np.float32]:
    return rotmat_to_quat_xyzw(torch.from_numpy(rotmat)).numpy().astype(np.float32)

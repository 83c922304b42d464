"""What the model says of a tick, and what the picture shows, become poses in their worlds.

figure in the camera → put back on its landmarks (refine), which what follows has smoothed where it
is known (lookahead) → limbs that were hidden eased (easing) → smoothed (smooth) → root fused over
time (rollout) → resting feet held (rests, contacts) → the stream's world (world) → Pose

Several persons go through this side by side: arithmetic is done for all of them at once, and what
each of them remembers is in their Poser.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genmo_rt.contacts import hold_together, placed, root_errors
from genmo_rt.keypoints import NUM_LANDMARKS, Keypoints
from genmo_rt.live_math import forward_kinematics, rot6d_to_rotmat, rotmat_to_quat_xyzw
from genmo_rt.lookahead import Timed
from genmo_rt.motion import SLICES, MotionStats, View
from genmo_rt.pose import Pose
from genmo_rt.poser import Poser
from genmo_rt.refine import Figure, landmark_weights, refine_together
from genmo_rt.rests import POINTS, rest_together
from genmo_rt.skeleton import NUM_JOINTS, PARENTS
from genmo_rt.smooth import smooth_together
from genmo_rt.smpl import Body

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Posing:
    """Asks for one person's pose of one tick.

    Attributes:
        poser: the person's.
        t: capture time, seconds; later than that of the tick before.
        keypoints: the landmarks, in a picture of the intrinsics' size; None: nobody was seen.
        anchor: the steady camera that they were seen in (World.anchor).
        vector: (181,) what the model says, normalised.
        stats: what it is normalised by, the same for all who are posed together.
        view: of the picture, (1, 1).
        ahead: landmarks of the ticks after, as far as they are known, in the same camera.
    """

    poser: Poser
    t: float
    keypoints: Keypoints | None
    anchor: Array
    vector: Tensor
    stats: MotionStats
    view: View
    ahead: Sequence[Timed]


def pose_together(asked: Sequence[Posing]) -> list[Pose]:
    """The poses of several persons, each at a tick of their own.

    Args:
        asked: of distinct persons of one body; those who share a world move it in this order.
    """
    said = _say(asked)
    skeletons = _Skeletons.fit(asked, said)
    seen = [
        None if of.keypoints is None else of.poser.look(of.t, of.keypoints, of.ahead)
        for of in asked
    ]
    figures = _refined(asked, skeletons.pose(said.rotmat_cam, skeletons.root_cam), seen)
    local = _steadied(asked, local_rotations(figures.rotmat), seen)
    velocity = said.velocity_cam * skeletons.scale[:, None]
    roots = np.stack(
        [
            of.poser.root(of.t, velocity[n], figures.joints[n, 0], seen=seen[n] is not None)
            for n, of in enumerate(asked)
        ]
    )
    figures = skeletons.pose(local, roots)
    passings = []
    for n, of in enumerate(asked):
        of.poser.world.see_from(of.anchor)
        passings.append(of.poser.passing(of.t, figures.of(n), skeletons.shape[n]))
    soles = figures.landmarks(POINTS)
    shifts, rests = _hold_feet(asked, roots, soles, said.contacts, seen)
    local = local_rotations(placed(figures, soles, shifts, rests))
    figures = skeletons.pose(local, roots)
    quat_xyzw, confidence = rotmat_to_quat_xyzw(local), confidences(seen)
    under = asked[0].poser.soles.points(figures.rotmat, figures.joints, skeletons.shape)
    poses = []
    for n, of in enumerate(asked):
        of.poser.world.see_from(of.anchor)
        figure, contacts = figures.of(n), said.contacts[n]
        if seen[n] is not None:
            of.poser.observe_world(
                *(of.t, figure, under[n], skeletons.shape[n], said.up_cam[n], contacts),
                *(rests[n], passings[n]),
            )
        poses.append(of.poser.publish(of.t, figure, quat_xyzw[n], contacts, confidence[n]))
    return poses


@dataclass(frozen=True, slots=True, eq=False)
class _Said:
    """What the model said of P ticks, as float64 arrays in their cameras.

    Attributes:
        rotmat_cam: (P, 24, 3, 3) joint 0 in the camera, 1..23 relative to the parent.
        root_cam: (P, 3) metres.
        velocity_cam: (P, 3) of the pelvis, metres per second.
        up_cam: (P, 3) unit vectors.
        shape: (P, 10) of the built-in body.
        contacts: (P, 6) probability.
    """

    rotmat_cam: Array
    root_cam: Array
    velocity_cam: Array
    up_cam: Array
    shape: Array
    contacts: Array


def _say(asked: Sequence[Posing]) -> _Said:
    """motion.decode of what is needed here, without torch's cost of every call."""
    vectors = _array(asked[0].stats.denormalise(torch.stack([of.vector for of in asked])))
    at = {name: vectors[:, where] for name, where in SLICES.items()}
    centre, scale, intrinsics = (
        _array(torch.cat([getattr(of.view, f.name) for of in asked])[:, 0]) for f in fields(View)
    )
    focal, principal = intrinsics[:, :2], intrinsics[:, 2:]
    size, offset = at["root_cam"][:, 0], at["root_cam"][:, 1:]
    depth = (np.exp(size) * focal.mean(-1) / scale)[:, None]
    ray = (centre + offset * scale[:, None] - principal) / focal
    rot6d = np.concatenate((at["pose"], at["camera_rot"]), axis=1).reshape(len(asked), -1, 6)
    rotmat = rot6d_to_rotmat(rot6d)  # (P, 25, 3, 3)
    return _Said(
        rotmat_cam=rotmat[:, :-1],
        root_cam=np.concatenate((ray * depth, depth), axis=1),
        velocity_cam=(rotmat[:, 0] @ at["root_vel"][..., None])[..., 0],
        up_cam=rotmat[:, -1, 1],
        shape=at["betas"],
        contacts=1 / (1 + np.exp(-at["contacts"])),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Skeletons:
    """P persons' bones.

    Attributes:
        shape: (P, 10) to be published.
        scale: (P,) how much larger each is than the model said.
        root_cam: (P, 3) where the model saw their pelvis, further away by as much; metres.
        rest_joints: (P, 24, 3) metres.
        landmark_offsets: (P, 33, 3) as in Figure.
    """

    shape: Array
    scale: Array
    root_cam: Array
    rest_joints: Array
    landmark_offsets: Array

    @classmethod
    def fit(cls, asked: Sequence[Posing], said: _Said) -> "_Skeletons":
        """Takes the shapes that the model says, and tells the persons."""
        body = asked[0].poser.body
        fitted = [of.poser.fit(shape) for of, shape in zip(asked, said.shape, strict=True)]
        shape, scale = np.stack([of for of, _ in fitted]), np.array([size for _, size in fitted])
        mean, dirs = _points(body)
        points = (mean + shape @ dirs).reshape(len(asked), -1, 3)
        rest_joints = points[:, :NUM_JOINTS]
        for n, of in enumerate(asked):
            of.poser.set_shape(shape[n], rest_joints[n])
        return cls(
            shape=shape,
            scale=scale,
            root_cam=said.root_cam * scale[:, None],
            rest_joints=rest_joints,
            landmark_offsets=points[:, NUM_JOINTS:],
        )

    def pose(self, local: Array, pelvis: Array) -> Figure:
        """P figures; local (P, 24, 3, 3) as in _Said.rotmat_cam, pelvis (P, 3)."""
        turned, joints = forward_kinematics(local, pelvis, self.rest_joints)
        return Figure(turned, joints, self.landmark_offsets)


@lru_cache(maxsize=4)
def _points(body: Body) -> tuple[Array, Array]:
    """Joints and landmark offsets of a body, (171,) at shape zero and (10, 171) by its shape."""
    shapes = torch.cat((torch.zeros(1, body.num_shape), torch.eye(body.num_shape))).double()
    points = torch.cat((body.rest_joints(shapes), body.landmark_offsets(shapes)), dim=1).flatten(1)
    mean, *moved = points.numpy()
    return mean, np.stack(moved) - mean


def _refined(
    asked: Sequence[Posing], figures: Figure, keypoints: Sequence[Keypoints | None]
) -> Figure:
    """Those who are seen put back on their landmarks."""
    seen = [seen for seen in keypoints if seen is not None]
    rows = np.array([n for n, one in enumerate(keypoints) if one is not None], np.intp)
    if not seen:
        return figures
    refined = refine_together([asked[n].poser.refiner for n in rows], figures.of(rows), seen)
    rotmat, joints = figures.rotmat.copy(), figures.joints.copy()
    rotmat[rows], joints[rows] = refined.rotmat, refined.joints
    return Figure(rotmat, joints, figures.landmark_offsets)


def _steadied(
    asked: Sequence[Posing], local: Array, keypoints: Sequence[Keypoints | None]
) -> Array:
    """(P, 24, 3, 3) without the jumps of limbs that come back into sight, and smoothed."""
    eased = [
        of.poser.easing.step(of.t, own, seen)
        for of, own, seen in zip(asked, local, keypoints, strict=True)
    ]
    t = np.array([of.t for of in asked])
    return smooth_together([of.poser.smooth for of in asked], t, np.stack(eased))


def _hold_feet(
    asked: Sequence[Posing],
    roots: Array,
    soles: Array,
    contacts: Array,
    keypoints: Sequence[Keypoints | None],
) -> tuple[Array, Array]:
    """Keeps resting feet where they are; contacts.placed puts them there.

    Args:
        asked: P persons.
        roots: (P, 3) of the pelvis in the camera; each follows feet that rest from now on.
        soles: (P, 4, 3) of rests.POINTS in the camera.
        contacts: (P, 6) the model's probabilities.
        keypoints: what is seen of each.
    Returns:
        (P, 4, 3) how far heels and toes are held from there, metres, and (P, 4) how surely they
        rest.
    """
    t = np.array([of.t for of in asked])
    holds = [of.poser.feet for of in asked]
    before = [of.t if hold.t is None else hold.t for of, hold in zip(asked, holds, strict=True)]
    # What rests is not seen to rest by a camera that is carried.
    visible = [
        None if of.poser.world.carried else own for of, own in zip(asked, keypoints, strict=True)
    ]
    rests = rest_together(
        [of.poser.rests for of in asked],
        t,
        contacts,
        visible,
        soles[..., 2],
        [of.ahead for of in asked],
    )
    shifts = hold_together(holds, t, soles, rests)
    for of, moved in zip(asked, root_errors(holds, t - before, roots, rests), strict=True):
        of.poser.rollout.move(moved)
    return shifts, rests


def local_rotations(rotmat: Array) -> Array:
    """(..., 24, 3, 3) in the camera to joint 0 there and 1..23 relative to the parent."""
    relative = np.swapaxes(rotmat[..., list(PARENTS[1:]), :, :], -1, -2) @ rotmat[..., 1:, :, :]
    return np.concatenate((rotmat[..., :1, :, :], relative), axis=-3)


def confidences(keypoints: Sequence[Keypoints | None]) -> list[float]:
    """0..1 of each: the landmarks' confidence, averaged as refinement weighs them."""
    shown = [_UNSEEN if one is None else one.confidence for one in keypoints]
    sums: list[float] = ((np.stack(shown) * _WEIGHTS).sum(1) / _WEIGHTS.sum()).tolist()
    return sums


def _array(tensor: Tensor) -> Array:
    return tensor.double().cpu().numpy()


_UNSEEN = np.zeros(NUM_LANDMARKS, np.float32)
_WEIGHTS = landmark_weights(np.ones(NUM_LANDMARKS, np.float32))

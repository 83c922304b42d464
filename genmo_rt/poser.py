"""What one person's pose hangs on beside the tick's evidence: the stages' memories of the past.

posing.py leads several persons through these stages together.
"""

import math
from collections import deque
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from genmo_rt.camera import Intrinsics
from genmo_rt.carried import Passing
from genmo_rt.contacts import FootHold
from genmo_rt.easing import Easing
from genmo_rt.gravity import Balance
from genmo_rt.keypoints import Keypoints
from genmo_rt.live_math import rotmat_to_quat_xyzw
from genmo_rt.lookahead import Timed, smoothed
from genmo_rt.pose import Pose
from genmo_rt.refine import Figure, Refiner
from genmo_rt.rests import POINTS, RestDetector
from genmo_rt.rollout import Rollout
from genmo_rt.sizes import Standing
from genmo_rt.skeleton import NUM_JOINTS, PARENTS
from genmo_rt.smooth import RotationFilter
from genmo_rt.smpl import Body
from genmo_rt.soles import Soles
from genmo_rt.stature import ShapeRule
from genmo_rt.world import World

Array = NDArray[np.float64]

FADE_S = 1.0  # an unseen person's velocity fades with this time constant
UNSEEN_FEET, SEEN_FEET = 0.2, 0.5  # confidence of the surest among heels and toes
BEHIND = 8  # ticks of landmarks kept to be smoothed with what follows, at most


class Poser:
    """One person's stages; `posing.pose_together` calls them in their order, tick after tick.

    Attributes:
        body: whose poses these are.
        soles: of that body.
        world: the stream's.
        shape: (10,) float32, the running estimate.
        rest_joints: (24, 3) float32, the T-pose skeleton of that shape.
        refiner, easing, smooth, rests, feet, rollout: what posing.py calls by itself.
    """

    def __init__(
        self, body: Body, soles: Soles, intrinsics: Intrinsics, height_m: float | None, world: World
    ) -> None:
        self.body = body
        self.soles = soles
        self._intrinsics = intrinsics
        self.world = world
        self._rule = ShapeRule(body, height_m)
        self._standing = Standing(stated=height_m is not None)
        self.shape = np.zeros(10, np.float32)
        self.rest_joints = body.rest_joints(torch.zeros(10)).numpy()
        self.restart()

    @property
    def height_m(self) -> float:
        """Standing height of the running shape, metres."""
        return self._rule.height(self.shape.astype(np.float64))

    def restart(self, *, cut: bool = False) -> None:
        """Forgets the ticks before; shape and world stay.

        Args:
            cut: the person jumped through the picture: the floor may be another.
        """
        self._cut = cut
        self._t_seen = 0.0
        self._feet_seen = 0.0
        self.rollout = Rollout()
        self.refiner = Refiner(self._intrinsics)
        self.easing = Easing()
        self.smooth = RotationFilter()
        self.rests = RestDetector(self._intrinsics)
        self.feet = FootHold()
        self._behind: deque[Timed] = deque(maxlen=BEHIND)
        self._stood: tuple[float, Array] | None = None

    def turn(self, rotmat: Array) -> None:
        """Goes on in another steady camera (world.py): rotmat (3, 3), old to new."""
        self.rollout.turn(rotmat)
        self.refiner.turn(rotmat)
        self.easing.turn(rotmat)
        self.smooth.turn(0, rotmat)
        self.rests.turn()
        self.feet.turn(rotmat)
        self._behind.clear()
        if self._stood is not None:
            self._stood = self._stood[0], self._stood[1] @ rotmat.T

    def fit(self, model_shape: Array) -> tuple[Array, float]:
        """ShapeRule.apply: the shape to publish, and how much larger the person is than said."""
        return self._rule.apply(model_shape)

    def set_shape(self, shape: Array, rest_joints: Array) -> None:
        """Takes the shape to publish, (10,), with its skeleton, (24, 3)."""
        self.shape = shape.astype(np.float32)
        self.rest_joints = rest_joints.astype(np.float32)

    def look(self, t: float, keypoints: Keypoints, ahead: Sequence[Timed]) -> Keypoints:
        """Takes a tick's landmarks; returns them smoothed by what follows, where that is known."""
        as_seen = (t, keypoints)
        if ahead:
            keypoints = smoothed(list(self._behind)[-len(ahead) :], as_seen, ahead)
        self._behind.append(as_seen)
        self._t_seen = t
        self._feet_seen = feet_seen(keypoints)
        return keypoints

    def root(self, t: float, velocity: Array, predicted: Array, *, seen: bool) -> Array:
        """(3,) where the pelvis goes.

        Args:
            t: seconds.
            velocity: (3,) in the camera, metres per second, as the model says.
            predicted: (3,) where this tick alone would have it.
            seen: whether a picture says so.
        """
        velocity = velocity * math.exp((self._t_seen - t) / FADE_S)
        if self.rollout.started:
            return self.rollout.step(t, velocity, predicted if seen else None)
        self.rollout.start(t, predicted, velocity)
        return predicted

    def passing(self, t: float, figure: Figure, shape: Array) -> Passing | None:
        """How somebody moves before a camera that is carried; None before others.

        Feet that rest are held where such a camera would see them.
        """
        before, self._stood = self._stood, None
        if not self.world.carried:
            return None
        points = self.soles.points(figure.rotmat, figure.joints, shape)
        self._stood = t, points
        if before is None:
            return None
        dt = t - before[0]
        self.feet.carry(-dt / self._standing.size * self.world.velocity @ self.world.R_c2w)
        size = self._standing.size
        return Passing(size * (points - before[1]) / dt, size * self.rollout.velocity)

    def observe_world(
        self,
        t: float,
        figure: Figure,
        points: Array,
        shape: Array,
        up_cam: Array,
        contacts: Array,
        rests: Array,
        passing: Passing | None,
    ) -> None:
        """Tells the world of somebody who is seen.

        Args:
            t: seconds.
            figure: in the camera.
            points: (N, 3) under its feet, as soles has them.
            shape: (10,) of it.
            up_cam: (3,) as the model says.
            contacts: (6,) as it says, too.
            rests: (4,) how surely heels and toes rest, as in rests.POINTS.
            passing: of this tick.
        """
        stature = self._rule.height(shape)
        carries = ((contacts[:4] + rests) / 2)[self.soles.contact]
        balance = Balance.of(figure.joints, points, carries, stature)
        balance = Balance(balance.up_cam, balance.sure * self._feet_seen)
        first = not self.world.started
        if first:
            self.world.start(t, points, up_cam, balance)
        self.world.stand(t, self._standing, stature, points, carries * self._feet_seen)
        points = self._standing.size * points
        if self._cut and not first:
            self.world.cut(t, points)
        elif not first:
            self.world.observe(t, up_cam, points, contacts[self.soles.contact], passing, balance)
        self._cut = False

    def publish(
        self, t: float, figure: Figure, local_quat_xyzw: Array, contacts: Array, confidence: float
    ) -> Pose:
        """The pose in the world.

        Args:
            t: seconds.
            figure: in the camera.
            local_quat_xyzw: (24, 4) joint 0 in the camera, 1..23 relative to the parent.
            contacts: (6,) probabilities.
            confidence: 0..1.
        """
        figure, size = self._sized(figure), self._standing.size
        quat_xyzw = local_quat_xyzw.astype(np.float32)
        root_cam = quat_xyzw[0].copy()
        quat_xyzw[0] = rotmat_to_quat_xyzw(self.world.R_c2w @ figure.rotmat[0])
        joints = self.world.points(figure.joints).astype(np.float32)
        velocity = self.world.directions(size * self.rollout.velocity) + self.world.velocity
        return Pose(
            t=t,
            quat_xyzw=quat_xyzw,
            pelvis=joints[0],
            velocity=velocity.astype(np.float32),
            joints=joints,
            contacts=contacts.astype(np.float32),
            confidence=confidence,
            shape=self.shape,
            joints_cam=figure.joints.astype(np.float32),
            root_quat_xyzw_cam=root_cam,
        )

    def _sized(self, figure: Figure) -> Figure:
        """The figure as large, and as far away, as the person is; takes their shape over."""
        size = self._standing.size
        if size == 1.0:
            return figure
        shape = self._rule.grown(self.shape.astype(np.float64), size)
        rest = self.body.rest_joints(torch.from_numpy(shape)).numpy()
        self.set_shape(shape, rest)
        bones = rest[1:] - rest[_PARENTS]
        bones = (figure.rotmat[_PARENTS] @ bones[..., None])[..., 0]
        joints = size * figure.joints[0] + _CHAINS @ bones
        return Figure(figure.rotmat, joints, figure.landmark_offsets)


def feet_seen(keypoints: Keypoints) -> float:
    """How surely somebody's feet are seen, 0..1."""
    surest = float(keypoints.confidence[POINTS].max())
    return max(0.0, min((surest - UNSEEN_FEET) / (SEEN_FEET - UNSEEN_FEET), 1.0))


def _chains() -> Array:
    """(24, 23): 1 where a bone, by the joint at its end, is between a joint and the pelvis."""
    chains = np.zeros((NUM_JOINTS, NUM_JOINTS))
    for joint in range(1, NUM_JOINTS):
        chains[joint] = chains[PARENTS[joint]]
        chains[joint, joint] = 1.0
    return chains[:, 1:]


_PARENTS = np.array(PARENTS[1:])
_CHAINS = _chains()

"""What one person's pose hangs on beside the tick's evidence: the stages' memories of the past.

posing.py leads several persons through these stages together.
"""

from collections import deque
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from genmo_rt.camera import Intrinsics
from genmo_rt.carried import Passing
from genmo_rt.contacts import FootHold
from genmo_rt.easing import Easing
from genmo_rt.keypoints import Keypoints
from genmo_rt.live_math import rotmat_to_quat_xyzw
from genmo_rt.lookahead import Timed, smoothed
from genmo_rt.pose import Pose
from genmo_rt.refine import Figure, Refiner
from genmo_rt.rests import RestDetector
from genmo_rt.rollout import Rollout
from genmo_rt.smooth import RotationFilter
from genmo_rt.smpl import Body
from genmo_rt.soles import Soles
from genmo_rt.stature import ShapeRule
from genmo_rt.world import World

Array = NDArray[np.float64]

FADE_S = 1.0  # an unseen person's velocity fades with this time constant
BEHIND = 8  # ticks of landmarks kept to be smoothed with what follows, at most


class Poser:
    """One person's stages; `posing.pose_together` calls them in their order, tick after tick.

    Attributes:
        body: whose poses these are.
        world: the stream's.
        shape: (10,) float32, the running estimate.
        rest_joints: (24, 3) float32, the T-pose skeleton of that shape.
        refiner, easing, smooth: what posing.py calls by itself.
    """

    def __init__(
        self, body: Body, soles: Soles, intrinsics: Intrinsics, height_m: float | None, world: World
    ) -> None:
        self.body = body
        self._soles = soles
        self._intrinsics = intrinsics
        self.world = world
        self._rule = ShapeRule(body, height_m)
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
        self._rollout = Rollout()
        self.refiner = Refiner(self._intrinsics)
        self.easing = Easing()
        self.smooth = RotationFilter()
        self._rests = RestDetector(self._intrinsics)
        self._feet = FootHold()
        self._behind: deque[Timed] = deque(maxlen=BEHIND)
        self._t: float | None = None
        self._stood: tuple[float, Array] | None = None

    def turn(self, rotmat: Array) -> None:
        """Goes on in another steady camera (world.py): rotmat (3, 3), old to new."""
        self._rollout.turn(rotmat)
        self.refiner.turn(rotmat)
        self.easing.turn(rotmat)
        self.smooth.turn(0, rotmat)
        self._rests.turn()
        self._feet.turn(rotmat)
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
        return keypoints

    def root(self, t: float, velocity: Array, predicted: Array, *, seen: bool) -> Array:
        """(3,) where the pelvis goes.

        Args:
            t: seconds.
            velocity: (3,) in the camera, metres per second, as the model says.
            predicted: (3,) where this tick alone would have it.
            seen: whether a picture says so.
        """
        velocity = velocity * np.exp((self._t_seen - t) / FADE_S)
        if self._rollout.started:
            return self._rollout.step(t, velocity, predicted if seen else None)
        self._rollout.start(t, predicted, velocity)
        return predicted

    def hold_feet(
        self,
        t: float,
        root: Array,
        soles: Array,
        contacts: Array,
        keypoints: Keypoints | None,
        ahead: Sequence[Timed],
    ) -> tuple[Array, Array]:
        """Keeps resting feet where they are; contacts.placed puts them there.

        Args:
            t: seconds.
            root: (3,) of the pelvis in the camera; it follows feet that rest from now on.
            soles: (4, 3) of rests.POINTS in the camera.
            contacts: (6,) the model's probabilities.
            keypoints: what is seen.
            ahead: and what follows.
        Returns:
            (4, 3) how far heels and toes are held from there, metres, and (4,) how surely they
            rest.
        """
        dt = 0.0 if self._t is None else t - self._t
        self._t = t
        # What rests is not seen to rest by a camera that is carried.
        visible = None if self.world.carried else keypoints
        rests = self._rests.step(t, contacts, visible, soles[:, 2], ahead)
        shifts = self._feet.shifts(t, soles, rests)
        self._rollout.move(self._feet.root_error(dt, root, rests))
        return shifts, rests

    def passing(self, t: float, figure: Figure, shape: Array) -> Passing | None:
        """How somebody moves before a camera that is carried; None before others.

        Feet that rest are held where such a camera would see them.
        """
        before, self._stood = self._stood, None
        if not self.world.carried:
            return None
        points = self._soles.points(figure.rotmat, figure.joints, shape)
        self._stood = t, points
        if before is None:
            return None
        dt = t - before[0]
        self._feet.carry(-dt * self.world.velocity @ self.world.R_c2w)
        return Passing((points - before[1]) / dt, self._rollout.velocity)

    def observe_world(
        self,
        t: float,
        figure: Figure,
        shape: Array,
        up_cam: Array,
        contacts: Array,
        passing: Passing | None,
    ) -> None:
        """Tells the world of somebody who is seen."""
        points = self._soles.points(figure.rotmat, figure.joints, shape)
        if not self.world.started:
            self.world.start(t, points)
        elif self._cut:
            self.world.cut(t, points)
        else:
            self.world.observe(t, up_cam, points, contacts[self._soles.contact], passing)
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
        quat_xyzw = local_quat_xyzw.astype(np.float32)
        root_cam = quat_xyzw[0].copy()
        quat_xyzw[0] = rotmat_to_quat_xyzw(self.world.R_c2w @ figure.rotmat[0])
        joints = self.world.points(figure.joints).astype(np.float32)
        velocity = self.world.directions(self._rollout.velocity) + self.world.velocity
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

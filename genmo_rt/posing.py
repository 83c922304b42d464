"""What the model says of one tick, and what the picture shows, become a pose in the world.

figure in the camera → put back on its landmarks (refine), which what follows has smoothed where it
is known (lookahead) → limbs that were hidden eased (easing) → smoothed (smooth) → root fused over
time (rollout) → resting feet held (rests, contacts) → the stream's world (world) → Pose
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from genmo_rt.camera import Intrinsics
from genmo_rt.carried import Passing
from genmo_rt.contacts import FootHold, placed
from genmo_rt.easing import Easing
from genmo_rt.keypoints import Keypoints
from genmo_rt.live_math import forward_kinematics, rotmat_to_quat_xyzw
from genmo_rt.lookahead import Timed, smoothed
from genmo_rt.motion import Motion
from genmo_rt.pose import Pose
from genmo_rt.refine import Figure, Refiner, landmark_weights
from genmo_rt.rests import POINTS, RestDetector
from genmo_rt.rollout import Rollout
from genmo_rt.skeleton import PARENTS
from genmo_rt.smooth import RotationFilter
from genmo_rt.smpl import Body
from genmo_rt.soles import Soles
from genmo_rt.stature import ShapeRule
from genmo_rt.world import World

Array = NDArray[np.float64]

FADE_S = 1.0  # an unseen person's velocity fades with this time constant
BEHIND = 8  # ticks of landmarks kept to be smoothed with what follows, at most


class Poser:
    """Turns one person's decoded motion vectors into poses, tick after tick.

    Attributes:
        shape: (10,) float32, the running estimate.
        rest_joints: (24, 3) float32, the T-pose skeleton of that shape.
    """

    def __init__(
        self, body: Body, soles: Soles, intrinsics: Intrinsics, height_m: float | None, world: World
    ) -> None:
        self._body = body
        self._soles = soles
        self._intrinsics = intrinsics
        self._world = world
        self._rule = ShapeRule(body, height_m)
        self._set_shape(np.zeros(10))
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
        self._refiner = Refiner(self._intrinsics)
        self._easing = Easing()
        self._smooth = RotationFilter()
        self._rests = RestDetector(self._intrinsics)
        self._feet = FootHold()
        self._behind: deque[Timed] = deque(maxlen=BEHIND)
        self._t: float | None = None
        self._stood: tuple[float, Array] | None = None

    def turn(self, rotmat: Array) -> None:
        """Goes on in another steady camera (world.py): rotmat (3, 3), old to new."""
        self._rollout.turn(rotmat)
        self._refiner.turn(rotmat)
        self._easing.turn(rotmat)
        self._smooth.turn(0, rotmat)
        self._rests.turn()
        self._feet.turn(rotmat)
        self._behind.clear()
        if self._stood is not None:
            self._stood = self._stood[0], self._stood[1] @ rotmat.T

    def pose(
        self,
        t: float,
        keypoints: Keypoints | None,
        decoded: Motion,
        ahead: Sequence[Timed] = (),
    ) -> Pose:
        """The pose of one tick.

        Args:
            t: capture time, seconds; later than that of the tick before.
            keypoints: the person's landmarks, in a picture of the intrinsics' size.
            decoded: what the model says, leading dimension 1.
            ahead: landmarks of the ticks after, as far as they are known, in the same camera.
        """
        said = _Said.of(decoded)
        shape, scale = self._rule.apply(said.shape)
        self._set_shape(shape)
        figure = self._figure(said.rotmat_cam, said.root_cam * scale)
        if keypoints is not None:
            as_seen = (t, keypoints)
            if ahead:
                keypoints = smoothed(list(self._behind)[-len(ahead) :], as_seen, ahead)
            self._behind.append(as_seen)
            figure = self._refiner.refine(figure, keypoints)
            self._t_seen = t
        local = self._easing.step(t, local_rotations(figure.rotmat), keypoints)
        local = self._smooth.step(t, local)
        fade = np.exp((self._t_seen - t) / FADE_S)
        seen_root = figure.joints[0] if keypoints is not None else None
        root = self._root(t, said.velocity_cam * scale * fade, figure.joints[0], seen_root)
        figure = self._figure(local, root)
        passing = self._passing(t, figure, shape)
        local = local_rotations(self._hold_feet(t, figure, said.contacts, keypoints, ahead))
        figure = self._figure(local, root)
        if keypoints is not None:
            self._observe_world(t, figure, shape, said, passing)
        return self._publish(t, figure, local, said.contacts, confidence_of(keypoints))

    def _root(self, t: float, velocity: Array, predicted: Array, seen: Array | None) -> Array:
        if self._rollout.started:
            return self._rollout.step(t, velocity, seen)
        self._rollout.start(t, predicted, velocity)
        return predicted

    def _hold_feet(
        self,
        t: float,
        figure: Figure,
        contacts: Array,
        keypoints: Keypoints | None,
        ahead: Sequence[Timed],
    ) -> Array:
        """(24, 3, 3) rotations in the camera with resting feet where they are."""
        dt = 0.0 if self._t is None else t - self._t
        self._t = t
        # What rests is not seen to rest by a camera that is carried.
        visible = None if self._world.carried else keypoints
        soles = figure.landmarks(POINTS)
        rests = self._rests.step(t, contacts, visible, soles[:, 2], ahead)
        held = placed(figure, soles, self._feet.shifts(t, soles, rests), rests)
        self._rollout.move(self._feet.root_error(dt, figure.joints[0], rests))
        return held

    def _figure(self, rotmat: Array, pelvis: Array) -> Figure:
        """The body in the camera; rotmat (24, 3, 3) as in Motion.rotmat_cam."""
        turned, joints = forward_kinematics(rotmat, pelvis, self._rest_joints)
        return Figure(turned, joints, self._landmark_offsets)

    def _passing(self, t: float, figure: Figure, shape: Array) -> Passing | None:
        """How somebody moves before a camera that is carried; None before others.

        Feet that rest are held where such a camera would see them.
        """
        before, self._stood = self._stood, None
        if not self._world.carried:
            return None
        points = self._soles.points(figure.rotmat, figure.joints, shape)
        self._stood = t, points
        if before is None:
            return None
        dt = t - before[0]
        self._feet.carry(-dt * self._world.velocity @ self._world.R_c2w)
        return Passing((points - before[1]) / dt, self._rollout.velocity)

    def _observe_world(
        self, t: float, figure: Figure, shape: Array, said: "_Said", passing: Passing | None
    ) -> None:
        points = self._soles.points(figure.rotmat, figure.joints, shape)
        if not self._world.started:
            self._world.start(t, points)
        elif self._cut:
            self._world.cut(t, points)
        else:
            resting = said.contacts[self._soles.contact]
            self._world.observe(t, said.up_cam, points, resting, passing)
        self._cut = False

    def _publish(
        self, t: float, figure: Figure, local: Array, contacts: Array, confidence: float
    ) -> Pose:
        rotmat = np.concatenate((local[:1], self._world.R_c2w @ local[:1], local[1:]))
        quat_xyzw = rotmat_to_quat_xyzw(rotmat).astype(np.float32)
        joints = self._world.points(figure.joints).astype(np.float32)
        return Pose(
            t=t,
            quat_xyzw=quat_xyzw[1:],
            pelvis=joints[0],
            velocity=(self._world.directions(self._rollout.velocity) + self._world.velocity).astype(
                np.float32
            ),
            joints=joints,
            contacts=contacts.astype(np.float32),
            confidence=confidence,
            shape=self.shape,
            joints_cam=figure.joints.astype(np.float32),
            root_quat_xyzw_cam=quat_xyzw[0],
        )

    def _set_shape(self, shape: Array) -> None:
        coefficients = torch.from_numpy(shape)
        self._rest_joints = self._body.rest_joints(coefficients).numpy()
        self._landmark_offsets = self._body.landmark_offsets(coefficients).numpy()
        self.shape = shape.astype(np.float32)
        self.rest_joints = self._rest_joints.astype(np.float32)


@dataclass(frozen=True, slots=True)
class _Said:
    """What the model said of one tick, as float64 arrays in the camera.

    Attributes:
        rotmat_cam: (24, 3, 3) joint 0 in the camera, 1..23 relative to the parent.
        root_cam: (3,) metres.
        velocity_cam: (3,) of the pelvis, metres per second.
        up_cam: (3,) unit vector.
        shape: (10,) of the built-in body.
        contacts: (6,) probability.
    """

    rotmat_cam: Array
    root_cam: Array
    velocity_cam: Array
    up_cam: Array
    shape: Array
    contacts: Array

    @classmethod
    def of(cls, decoded: Motion) -> "_Said":
        rotmat_cam = _array(decoded.rotmat_cam)
        return cls(
            rotmat_cam=rotmat_cam,
            root_cam=_array(decoded.root_cam),
            velocity_cam=rotmat_cam[0] @ _array(decoded.root_vel),
            up_cam=_array(decoded.R_c2gv)[1],
            shape=_array(decoded.shape),
            contacts=_array(decoded.contacts),
        )


def local_rotations(rotmat: Array) -> Array:
    """(..., 24, 3, 3) in the camera to joint 0 there and 1..23 relative to the parent."""
    relative = np.swapaxes(rotmat[..., list(PARENTS[1:]), :, :], -1, -2) @ rotmat[..., 1:, :, :]
    return np.concatenate((rotmat[..., :1, :, :], relative), axis=-3)


def _array(tensor: torch.Tensor) -> Array:
    """The first row of a tensor with a leading dimension of 1."""
    return tensor[0].double().cpu().numpy()


def confidence_of(keypoints: Keypoints | None) -> float:
    """0..1: the landmarks' confidence, averaged as refinement weighs them."""
    if keypoints is None:
        return 0.0
    weights = landmark_weights(np.ones_like(keypoints.confidence))
    return float(weights @ keypoints.confidence / weights.sum())

"""One world per stream: where the camera stands over the floor, refined as people move.

The world is y up, metres, origin on the floor below the camera, −z the optical axis projected to
the horizontal: a person who faces the camera faces +z. The camera is OpenCV. What changes is the
camera's tilt (gravity) and its height (the floor); both move slowly, as the contract asks, however
soon more is known.

A camera that turns is followed by its measured turns (docs/cameras.md). People are posed in a
*steady* camera: the real one as it stood at the last anchor. It has the real one's place and
stands still until the real one has turned away from it by ANCHOR_TURN; then there is a new anchor.
"""

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from genmo_rt.camera import Intrinsics
from genmo_rt.camera_motion import CameraMotion, rotation
from genmo_rt.carried import Carrier, Passing
from genmo_rt.gravity import (
    LEVEL_UP_CAM,
    Balance,
    Gravity,
    angle_between,
    camera_to_world,
    unit,
)
from genmo_rt.keypoints import Keypoints
from genmo_rt.sizes import Sizes, Standing

Array = NDArray[np.float64]

MAX_TURN_PER_S = math.radians(2.0)
MAX_RISE_PER_S = 0.05  # metres
ANOTHER_FLOOR_M = 0.3  # nobody stands this far off the floor right after a cut
FLOOR_MEMORY = 60.0  # contacts over which the floor is averaged
MIN_CONTACT = 0.5  # a foot below this probability says nothing of the floor ...
MAX_SINKING_M = 0.05  # ... unless it is this far under it
ANCHOR_TURN = np.radians(20.0)
SENSOR_S = 0.5  # over which the sensor's gravity is averaged: hands shake it
SENSOR_LIFE_S = 1.0  # without a sensor for so long, poses tell gravity again
BEHIND = 0.2  # z of a ray, at least: landmarks don't go behind the steady camera


class World:
    """The world of one stream, shared by its persons.

    Attributes:
        R_c2w: (3, 3) rotation of the steady camera, p_world = R_c2w @ p_cam + place.
        place: (3,) of the camera in the world, metres; y is its height over the floor.
        started: whether a first pose has set the floor.
        shot: grows with every cut: what was seen before says nothing of where people are now.
    """

    R_c2w: Array
    place: Array
    started: bool
    _up: Array  # in the first steady camera
    _R_first2w: Array
    _now: Array  # rotation of the camera to the first steady one, like the next two
    _newest: Array
    _anchor: Array  # of the steady camera that is seen from
    _still: bool  # the camera is the newest steady one
    _carrier: Carrier | None  # of a camera that may go from place to place
    _sensed_at: float

    def __init__(self, up_cam: Array | None = None) -> None:
        """Starts from gravity's prior.

        Args:
            up_cam: (3,) "up" in the camera, from the device's sensor; None for a level camera.
        """
        self._prior = unit(LEVEL_UP_CAM if up_cam is None else np.asarray(up_cam, np.float64))
        self.shot = 0
        self.reset()

    def reset(self) -> None:
        """Forgets everything but the prior."""
        self.place = np.zeros(3)
        self._gravity = Gravity(self._prior)  # in the first steady camera
        self._sizes = Sizes()
        self._face(self._prior)
        self._floor_offset, self._floor_weight = 0.0, 0.0
        self._t = 0.0
        self.started = False

    @property
    def camera_height(self) -> float:
        """Metres over the floor."""
        return float(self.place[1])

    @property
    def anchor(self) -> Array:
        """(3, 3) rotation of the newest steady camera to the first one: which it is."""
        return self._newest

    @property
    def R_now2steady(self) -> Array | None:
        """(3, 3) rotation of the camera now to the newest steady one; None where it is that one."""
        return None if self._still else np.asarray(self._newest.T @ self._now)

    @property
    def carried(self) -> bool:
        """Whether the camera may go from place to place."""
        return self._carrier is not None

    @property
    def velocity(self) -> Array:
        """(3,) of the camera in the world, metres per second."""
        return np.zeros(3) if self._carrier is None else self._carrier.velocity

    def see_from(self, anchor: Array) -> None:
        """Says which steady camera what follows is seen from; `anchor` was that once."""
        if anchor is not self._anchor:
            self._anchor = anchor
            self.R_c2w = self._R_first2w @ anchor

    def move_camera(self, t: float, motion: CameraMotion) -> None:
        """Takes how the camera moved, once for every used frame, before its people.

        Args:
            t: capture time of the frame, seconds.
            motion: since the frame before.
        """
        if motion.carried != self.carried:
            self._carrier = Carrier() if motion.carried else None
        if motion.cut:
            self.shot += 1
            self._face(unit(self._now.T @ self._up))
            return
        if motion.turn.any():
            self._still = False
            self._now = self._now @ rotation(motion.turn)
        if motion.up_cam is not None:
            self._sense(t, self._now @ motion.up_cam)
        if not self._still and _turn_of(self._newest.T @ self._now) > ANCHOR_TURN:
            self._newest, self._still = self._now, True
            self.see_from(self._newest)

    def start(
        self,
        t: float,
        soles_cam: Array,
        up_cam: Array | None = None,
        balance: Balance | None = None,
    ) -> None:
        """Sets the floor under the lowest sole of the first pose.

        Args:
            t: capture time, seconds.
            soles_cam: (N, 3) points under the feet.
            up_cam: (3,) as in observe, like the balance; None where gravity is known already.
        """
        if up_cam is not None and not self._senses(t):
            self._remember_up(up_cam, balance)
        self.place[1] = -float((soles_cam @ self.R_c2w[1]).min())
        self._floor_offset, self._floor_weight = 0.0, 0.0
        self._t = t
        self.started = True

    def cut(self, t: float, soles_cam: Array) -> None:
        """Goes on after a cut in the video: who is far off the floor now is seen from elsewhere.

        Args:
            t: capture time, seconds.
            soles_cam: (N, 3) points under the feet of the first pose after the cut.
        """
        lowest = float((soles_cam @ self.R_c2w[1]).min()) + self.camera_height
        if not self.started or abs(lowest) > ANOTHER_FLOOR_M:
            self.start(t, soles_cam)

    def observe(
        self,
        t: float,
        up_cam: Array,
        soles_cam: Array,
        contact: Array,
        passing: Passing | None = None,
        balance: Balance | None = None,
    ) -> None:
        """Takes one person's evidence of one tick and moves the world towards it.

        The tilt turns about the lowest sole, so that nobody leaves the floor while it turns.

        Args:
            t: capture time, seconds; several persons may share one.
            up_cam: (3,) "up" in the camera as this tick's pose implies.
            soles_cam: (N, 3) points under the feet.
            contact: (N,) probability that the point rests on the floor.
            passing: how the person seems to move, in the camera's axes; None where not known.
            balance: where their feet carry them, in the camera's axes; None where not known.
        """
        dt = max(t - self._t, 0.0)
        self._t = max(t, self._t)
        if not self._senses(t):
            self._remember_up(up_cam, balance)
        heights = soles_cam @ self.R_c2w[1]
        lowest = int(heights.argmin())
        self._remember_floor(heights + self.camera_height, contact)
        self._up = _turn_towards(self._up, self._gravity.up, MAX_TURN_PER_S * dt)
        self._set_up()
        self.place[1] += float(heights[lowest] - soles_cam[lowest] @ self.R_c2w[1])
        rise = max(-MAX_RISE_PER_S * dt, min(-self._floor_offset, MAX_RISE_PER_S * dt))
        self.place[1] += rise
        self._floor_offset += rise
        if self._carrier is not None and passing is not None and dt > 0:
            seen = Passing(self.directions(passing.soles), self.directions(passing.root))
            self._carrier.step(dt, seen, contact)
            self.place = self.place + dt * self._carrier.velocity

    def stand(
        self, t: float, person: Standing, stature: float, soles_cam: Array, rests: Array
    ) -> None:
        """Takes what one person's feet say of the sizes of all who stand on this floor.

        The person's own size moves on, as far as may be seen.

        Args:
            t: capture time, seconds.
            person: who it is.
            stature: metres at the model's size, like the soles.
            soles_cam: (N, 3) points under the feet.
            rests: (N,) 0..1 how surely each rests, and is seen to.
        """
        if self._carrier is None:
            soles = soles_cam @ self._anchor.T
            self._sizes.see(t, person, stature, soles, rests, self._gravity)
            person.show(t, self._gravity.up)

    def points(self, points_cam: Array) -> Array:
        """(..., 3) points in the steady camera to the world."""
        return np.asarray(points_cam @ self.R_c2w.T + self.place)

    def directions(self, directions_cam: Array) -> Array:
        """(..., 3) directions or velocities in the steady camera to the world."""
        return np.asarray(directions_cam @ self.R_c2w.T)

    def _face(self, up_cam: Array) -> None:
        """Starts anew with the camera as it stands now; what is known of the floor stays."""
        self._up = up_cam  # in the first steady camera
        self._gravity.face(up_cam)
        self._sizes.forget()
        self._now = self._newest = np.eye(3)  # rotations to the first steady camera
        self._still = True
        self._carrier = None
        self._sensed_at = -np.inf
        self._anchor = self._newest
        self.place = self.place * [0.0, 1.0, 0.0]
        self._set_up()

    def _set_up(self) -> None:
        self._R_first2w = camera_to_world(self._up)
        self.R_c2w = self._R_first2w @ self._anchor

    def _senses(self, t: float) -> bool:
        return t - self._sensed_at < SENSOR_LIFE_S

    def _sense(self, t: float, up: Array) -> None:
        """The sensor's gravity, in the first steady camera: at once until somebody is seen."""
        share = 1 - np.exp(-max(t - self._sensed_at, 0.0) / SENSOR_S) if self._senses(t) else 1.0
        self._gravity.know(unit(self._gravity.up + share * (unit(up) - self._gravity.up)))
        self._sensed_at = t
        if not self.started:
            self._up = self._gravity.up
            self._set_up()

    def _remember_up(self, up_cam: Array, balance: Balance | None) -> None:
        self._gravity.remember(up_cam, balance, self._anchor)

    def _remember_floor(self, heights: Array, contact: Array) -> None:
        """A running mean of the height at which resting soles are seen."""
        resting = [
            height
            for height, rests in zip(heights.tolist(), contact.tolist(), strict=True)
            if rests >= MIN_CONTACT or height < -MAX_SINKING_M
        ]
        if not resting:
            return
        height = min(resting)
        self._floor_weight = min(self._floor_weight + 1.0, FLOOR_MEMORY)
        self._floor_offset += (height - self._floor_offset) / self._floor_weight


def as_steady(keypoints: Keypoints, intrinsics: Intrinsics, R_now2steady: Array) -> Keypoints:
    """Landmarks as the steady camera would see them: along the same rays, x ~ K R K⁻¹ x.

    Args:
        keypoints: in a picture of the intrinsics' size.
        intrinsics: of both cameras.
        R_now2steady: as World has it.
    """
    focal = np.array([intrinsics.fx, intrinsics.fy])
    centre = np.array([intrinsics.cx, intrinsics.cy])
    flat = (keypoints.pixels - centre) / focal
    rays = np.concatenate((flat, np.ones((len(flat), 1))), axis=1) @ R_now2steady.T
    pixels = rays[:, :2] / np.maximum(rays[:, 2:], BEHIND) * focal + centre
    return replace(keypoints, pixels=pixels.astype(np.float32))


def _turn_towards(start: Array, target: Array, max_angle: float) -> Array:
    """start turned towards target (both unit) by at most max_angle radians."""
    angle = angle_between(start, target)
    if angle <= max_angle:
        return target
    if max_angle == 0.0:
        return start
    side = unit(target - (target @ start) * start)
    return np.asarray(math.cos(max_angle) * start + math.sin(max_angle) * side)


def _turn_of(rotmat: Array) -> float:
    """The angle of a rotation, radians."""
    return float(np.arccos(np.clip((np.trace(rotmat) - 1) / 2, -1.0, 1.0)))

"""Poses that a generated clip has to hold, and how a denoised motion is brought to hold them.

At each denoising step the predicted motion is moved onto the keyframes, smoothly: held numbers by
what they miss, fading over half a second around each keyframe; the root's velocity by the slope of
a spline through what its path misses. So the next step sees a motion that already meets them, and
the last one meets them exactly.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genmo_rt.clock import TICK_HZ
from genmo_rt.conditions import Observed
from genmo_rt.errors import InputError
from genmo_rt.formats.npz import read_npz
from genmo_rt.gravity import LEVEL_UP_CAM, camera_to_world
from genmo_rt.motion import MOTION_WIDTH, SLICES, MotionStats
from genmo_rt.rotation import (
    axis_angle_to_rotmat,
    quat_xyzw_to_rotmat,
    rot6d_to_rotmat,
    rotmat_to_rot6d,
)
from genmo_rt.skeleton import JOINT_NAMES, NUM_JOINTS

Array = NDArray[np.float64]

REACH = 20  # frames before and after a keyframe over which what is missing fades
EXPECTED = (
    "expected a take (a .npz of genmo-rt) and take_at, or pelvis and rotations (without pelvis if "
    "joints names others alone)"
)


@dataclass(frozen=True, slots=True, eq=False)
class Keyframe:
    """A pose at a frame.

    Attributes:
        frame: of the timeline.
        rotmat: (24, 3, 3) joint 0 in the world, 1..23 relative to the parent.
        pelvis: (3,) joint 0 in the world, metres; y over the floor.
        joints: (24,) bool, whose rotations are held; joint 0 stands for the root's place too.
        shape: (10,) coefficients of the body, None where they are free.
        body: whose coefficients they are.
    """

    frame: int
    rotmat: Array
    pelvis: Array
    joints: NDArray[np.bool_]
    shape: Array | None = None
    body: Literal["builtin", "smpl"] | None = None


def read_keyframe(entry: Mapping[str, Any], frame: int, folder: Path) -> Keyframe:
    """Reads a keyframe of a timeline: a pose of a take, or one written out.

    Args:
        entry: `at`; `take` and `take_at`, or `pelvis` (3 metres) and `rotations` (24 quaternions
            xyzw, as in pose messages); `joints` (names) where not all are held: without "pelvis"
            among them the root is free, and no `pelvis` is needed.
        frame: of the timeline.
        folder: that `take` is relative to.
    Raises:
        InputError: a key is missing, unknown or wrong, or take_at is outside the take.
        FileFormatError: the take can't be read.
    """
    unknown = sorted(set(entry) - {"at", "take", "take_at", "pelvis", "rotations", "joints"})
    if unknown:
        raise InputError(f"a keyframe has a key '{unknown[0]}'; {EXPECTED}")
    joints = _held_joints(entry.get("joints", list(JOINT_NAMES)))
    if isinstance(entry.get("take"), str) and "take_at" in entry:
        return _from_take(folder / entry["take"], entry["take_at"], frame, joints)
    if "rotations" not in entry or (joints[0] and "pelvis" not in entry):
        raise InputError(f"a keyframe has {', '.join(sorted(entry))}; {EXPECTED}")
    quat_xyzw = _numbers(entry["rotations"], (NUM_JOINTS, 4), "rotations")
    if np.abs(np.linalg.norm(quat_xyzw, axis=1) - 1).max() > 1e-2:
        raise InputError("a keyframe has rotations that are not of length 1; expected quaternions")
    return Keyframe(
        frame=frame,
        rotmat=quat_xyzw_to_rotmat(torch.from_numpy(quat_xyzw)).numpy(),
        pelvis=_numbers(entry.get("pelvis", (0, 0, 0)), (3,), "pelvis"),
        joints=joints,
    )


@dataclass(frozen=True, slots=True)
class _Group:
    """Columns of the motion vector that the same frames hold.

    Attributes:
        columns: (C,) numbers of the columns.
        frames: (K,) numbers of the frames.
        spread: (L, K) how much of what is missing at each of them goes to every frame.
    """

    columns: Tensor
    frames: Tensor
    spread: Tensor


class Held:
    """What keyframes ask of the L frames of a motion vector.

    Attributes:
        value: (L, 181) normalised, anything where not held.
        mask: (L, 181) bool, True where held.
    """

    def __init__(
        self, keyframes: Sequence[Keyframe], length: int, stats: MotionStats, *, level_camera: bool
    ) -> None:
        """Collects what is held.

        Args:
            keyframes: in the order of their frames.
            length: L.
            stats: that normalise the motion; of the device that everything is to be on.
            level_camera: there is no camera: take one that looks level along −z, as training
                keyframes have one.
        """
        self._stats = stats
        vector = torch.zeros(length, MOTION_WIDTH, dtype=torch.float64)
        held = torch.zeros(length, MOTION_WIDTH, dtype=torch.bool)
        for keyframe in keyframes:
            _write(keyframe, vector[keyframe.frame], held[keyframe.frame], level_camera)
        device = stats.mean.device
        self.value = stats.normalise(vector.to(device, torch.float32))
        self.mask = held.to(device)
        betas = held[:, SLICES["betas"]].any(1).nonzero()
        self._betas = self.value[int(betas[0]), SLICES["betas"]] if len(betas) else None
        self._groups = [
            _Group(columns.to(device), frames.to(device), spread(frames, length).to(device))
            for columns, frames in _by_frames(held)
        ]
        placed = [keyframe for keyframe in keyframes if keyframe.joints[0]]
        self._place_frames = torch.tensor([k.frame for k in placed], dtype=torch.int64).to(device)
        places = torch.tensor(np.array([k.pelvis for k in placed]).reshape(-1, 3))
        self._places = places.to(device, torch.float32)
        eased = ease([k.frame for k in placed], np.eye(len(placed)), length)
        self._ease = torch.from_numpy(eased).to(device, torch.float32)  # (L, K)

    def condition(self) -> Observed:
        """What the model is told: (1, L, 181) numbers."""
        return Observed(self.value[None, ..., None], self.mask[None])

    def apply(self, x0: Tensor) -> Tensor:
        """Moves a motion onto the keyframes.

        Args:
            x0: (B, L, 181) normalised.
        Returns:
            (B, L, 181): equal to `value` where held; the path of the root, integrated, has the
            keyframes' distances along the floor.
        """
        x0 = x0.clone()
        for group in self._groups:
            missing = self.value[group.frames] - x0[:, group.frames]  # (B, K, 181)
            x0[..., group.columns] += group.spread @ missing[..., group.columns]
        x0 = torch.where(self.mask, self.value, x0)
        if self._betas is not None:
            x0[..., SLICES["betas"]] = self._betas
        return self._meet(x0) if len(self._places) > 1 else x0

    def _meet(self, x0: Tensor) -> Tensor:
        """Changes the root's velocity so that its path goes through the keyframes' places."""
        vector = self._stats.denormalise(x0)
        R = rot6d_to_rotmat(vector[..., SLICES["orient_gv"]])
        velocity = (R @ vector[..., SLICES["root_vel"], None]).squeeze(-1)
        path = velocity.cumsum(1) / TICK_HZ
        missing = self._places - path[:, self._place_frames]  # (B, K, 3)
        missing = missing - missing[:, :1]
        missing[..., 1] = 0  # heights are the floor's business
        shift = self._ease @ missing
        added = shift.diff(dim=1, prepend=shift[:, :1]) * TICK_HZ
        turned = (R.mT @ added[..., None]).squeeze(-1)
        vector[..., SLICES["root_vel"]] += torch.where(
            self.mask[:, SLICES["root_vel"]], torch.zeros_like(turned), turned
        )
        met: Tensor = torch.where(self.mask, self.value, self._stats.normalise(vector))
        return met


def spread(frames: Tensor, length: int) -> Tensor:
    """The smoothest interpolation that fades: Wendland's C² kernel in one dimension (1995).

    Args:
        frames: (K,) int64, where values are given.
        length: L.
    Returns:
        (L, K) what each value adds to each frame: the identity at `frames`, 0 beyond REACH.
    """
    between = _wendland(frames[:, None] - frames[None])
    onto = _wendland(torch.arange(length)[:, None] - frames[None])
    matrix: Tensor = onto @ torch.linalg.inv(between)
    return matrix.float()


def ease(frames: Sequence[int], values: Array, length: int) -> Array:
    """A cubic spline through values at frames, level at both ends and constant beyond them.

    Args:
        frames: K of them, rising.
        values: (K, C).
        length: L.
    Returns:
        (L, C); zero if K is 0.
    """
    count = len(frames)
    if count == 0:
        return np.zeros((length, values.shape[-1]))
    t = np.asarray(frames, np.float64)
    slopes = np.zeros_like(values, dtype=np.float64)
    if count > 2:  # equal curvature on both sides of every inner value
        h = np.diff(t)
        inner = np.diag(2 / h[:-1] + 2 / h[1:])
        inner += np.diag(1 / h[1:-1], 1) + np.diag(1 / h[1:-1], -1)
        rise = 3 * np.diff(values, axis=0) / h[:, None] ** 2
        slopes[1:-1] = np.linalg.solve(inner, rise[:-1] + rise[1:])
    at = np.clip(np.arange(length), t[0], t[-1])
    k = np.clip(np.searchsorted(t, at, side="right") - 1, 0, max(count - 2, 0))
    if count == 1:
        return np.repeat(values, length, axis=0)
    h = (t[k + 1] - t[k])[:, None]
    s = (at - t[k])[:, None] / h
    return np.asarray(
        (1 + 2 * s) * (1 - s) ** 2 * values[k]
        + s * (1 - s) ** 2 * h * slopes[k]
        + s**2 * (3 - 2 * s) * values[k + 1]
        + s**2 * (s - 1) * h * slopes[k + 1]
    )


def _wendland(distance: Tensor) -> Tensor:
    r = (distance.double().abs() / REACH).clamp_max(1)
    value: Tensor = (1 - r) ** 3 * (3 * r + 1)
    return value


def _write(keyframe: Keyframe, vector: Tensor, held: Tensor, level_camera: bool) -> None:
    """Writes a keyframe into its row, (181,), in the table's units."""
    rotmat = torch.from_numpy(keyframe.rotmat)
    joints = torch.from_numpy(keyframe.joints).clone()
    if joints[0]:
        vector[SLICES["orient_gv"]] = rotmat_to_rot6d(rotmat[0])
        held[SLICES["orient_gv"]] = True
    R_c2gv = torch.from_numpy(camera_to_world(LEVEL_UP_CAM))
    in_camera = torch.cat((R_c2gv.mT[None] @ rotmat[:1], rotmat[1:]))
    joints[0] &= level_camera
    vector[SLICES["pose"]] = rotmat_to_rot6d(in_camera).flatten()
    held[SLICES["pose"]] = joints.repeat_interleave(6)
    if keyframe.shape is not None:
        vector[SLICES["betas"]] = torch.from_numpy(keyframe.shape)
        held[SLICES["betas"]] = True


def _by_frames(held: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Columns that are held at the same frames, with these frames; but for the shape."""
    free = held.clone()
    free[:, SLICES["betas"]] = False
    patterns, which = torch.unique(free, dim=1, return_inverse=True)
    return [
        ((which == i).nonzero()[:, 0], patterns[:, i].nonzero()[:, 0])
        for i in range(patterns.shape[1])
        if patterns[:, i].any()
    ]


def _from_take(path: Path, take_at: object, frame: int, joints: NDArray[np.bool_]) -> Keyframe:
    clip = read_npz(path)
    last = (len(clip.pelvis) - 1) / clip.fps
    number = isinstance(take_at, int | float) and not isinstance(take_at, bool)
    if not number or not 0 <= float(take_at) <= last + 0.5 / clip.fps:  # type: ignore[arg-type]
        raise InputError(f"a keyframe has take_at = {take_at!r}; {path} holds 0 to {last:.2f} s")
    row = round(float(take_at) * clip.fps)  # type: ignore[arg-type]
    if not (np.isfinite(clip.axis_angle[row]).all() and np.isfinite(clip.pelvis[row]).all()):
        raise InputError(
            f"a keyframe's pose, {path} at {take_at} s, has numbers that are not finite; expected "
            "a pose (another take_at, or another take)"
        )
    return Keyframe(
        frame=frame,
        rotmat=axis_angle_to_rotmat(torch.from_numpy(clip.axis_angle[row])).numpy(),
        pelvis=clip.pelvis[row],
        joints=joints,
        shape=clip.shape,
        body=clip.body,
    )


def _held_joints(names: object) -> NDArray[np.bool_]:
    if not isinstance(names, list) or not names or not set(names) <= set(JOINT_NAMES):
        raise InputError(
            f"a keyframe has joints = {names!r}; expected names out of {', '.join(JOINT_NAMES)}"
        )
    return np.array([name in names for name in JOINT_NAMES])


def _numbers(value: object, shape: tuple[int, ...], name: str) -> Array:
    expected = " × ".join(map(str, shape))
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"a keyframe has {name} = {value!r}; expected {expected} finite numbers"
        ) from error
    if array.shape != shape or not np.isfinite(array).all():
        raise InputError(
            f"a keyframe has {name} of shape {array.shape}; expected {expected} finite numbers"
        )
    return array

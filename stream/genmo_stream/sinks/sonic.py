"""Poses for humanoid teleoperation, as NVIDIA's GEAR-SONIC reads them: ZMQ protocol version 3.

https://nvlabs.github.io/GR00T-WholeBodyControl/tutorials/zmq.html. A message is one part: the
topic, a JSON header of 1280 bytes filled up with zeros, and the fields' little-endian bytes in the
header's order. Frames are 50 Hz and numbered; a message brings the new ones.

- `body_quat` (N, 4) wxyz: the pelvis in a world with z up, with SMPL's rest orientation, a third of
  a turn about (1, 1, 1), taken off: a person who stands and faces +x has the identity.
- `smpl_joints` (N, 24, 3): joints from the pelvis, in the frame of body_quat.
- `smpl_pose` (N, 21, 3): axis-angle of joints 1 to 21, relative to their parents.
- `joint_pos`, `joint_vel` (N, 29): of the robot; in version 3 only the wrists' six count. They stay
  zero: the robot keeps its wrists straight.
"""

import json
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from genmo_rt.rotation import (
    quat_xyzw_to_rotmat,
    rotmat_to_axis_angle,
    rotmat_to_quat_xyzw,
)
from genmo_stream.sinks.figure import Array, Figure, Floats

HEADER_SIZE = 1280
VERSION = 3
RATE_HZ = 50.0
MAX_GAP_US = 500_000  # over a longer gap nothing is blended: the motion goes on from there
Y_UP_TO_Z_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
SMPL_REST = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])  # wxyz 0.5 0.5 0.5 0.5
DTYPES = {"float32": "f32", "int64": "i64"}


class SonicStream:
    """One person's poses at any rate → numbered frames at an even one, by blending neighbours."""

    def __init__(self, topic: str = "pose", rate_hz: float = RATE_HZ) -> None:
        self._topic = topic.encode("ascii")
        self._step_us = 1e6 / rate_hz
        self._before: Figure | None = None
        self._next_us = 0.0
        self._frame = 0

    def message(self, figure: Figure) -> bytes | None:
        """The frames from the pose before to this one; None when none is due between them."""
        before, self._before = self._before, figure
        now = figure.t_capture_us
        gap = None if before is None else now - before.t_capture_us
        if before is None or before.person != figure.person or not 0 < (gap or 0) <= MAX_GAP_US:
            before, self._next_us = figure, float(now)
        frames = []
        while self._next_us <= now:
            share = (self._next_us - before.t_capture_us) / max(gap or 1, 1)
            frames.append(figure if before is figure else _between(before, figure, share))
            self._next_us += self._step_us
        if not frames:
            return None
        numbers = np.arange(self._frame, self._frame + len(frames), dtype=np.int64)
        self._frame += len(frames)
        return self._topic + packed({**_fields(frames), "frame_index": numbers})


def packed(fields: dict[str, NDArray[np.float32 | np.int64]]) -> bytes:
    """Header and payload of these fields."""
    header = {
        "v": VERSION,
        "endian": "le",
        "count": 1,
        "fields": [
            {"name": name, "dtype": DTYPES[value.dtype.name], "shape": list(value.shape)}
            for name, value in fields.items()
        ],
    }
    text = json.dumps(header, separators=(",", ":")).encode("ascii")
    payload = b"".join(
        value.astype(value.dtype.newbyteorder("<")).tobytes() for value in fields.values()
    )
    return text.ljust(HEADER_SIZE, b"\0") + payload


def _fields(frames: list[Figure]) -> dict[str, NDArray[np.float32 | np.int64]]:
    root = np.stack([Y_UP_TO_Z_UP @ frame.rotmat_world[0] @ SMPL_REST.T for frame in frames])
    from_pelvis = np.stack([frame.joints - frame.joints[0] for frame in frames]) @ Y_UP_TO_Z_UP.T
    quat_xyzw = np.stack([frame.quat_xyzw for frame in frames]).astype(np.float64)
    local = quat_xyzw_to_rotmat(torch.as_tensor(quat_xyzw[:, 1:22]))
    root_quat = rotmat_to_quat_xyzw(torch.as_tensor(root)).numpy()
    still = np.zeros((len(frames), 29), np.float32)
    return {
        "smpl_joints": _floats(from_pelvis @ root),  # rows times R: R transposed times columns
        "smpl_pose": _floats(rotmat_to_axis_angle(local).numpy()),
        "joint_pos": still,
        "joint_vel": still,
        "body_quat": _floats(root_quat[:, [3, 0, 1, 2]]),
    }


def _between(a: Figure, b: Figure, share: float) -> Figure:
    """Blended: places straight, rotations the shorter way."""
    signs = np.where((a.quat_xyzw * b.quat_xyzw).sum(-1, keepdims=True) < 0, -1.0, 1.0)
    mixed = a.quat_xyzw * (1 - share) + b.quat_xyzw * signs * share
    return replace(
        b,
        pelvis=(a.pelvis * (1 - share) + b.pelvis * share).astype(np.float32),
        quat_xyzw=_floats(mixed / np.linalg.norm(mixed, axis=-1, keepdims=True)),
    )


def _floats(values: Array) -> Floats:
    return np.ascontiguousarray(values, dtype=np.float32)

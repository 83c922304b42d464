"""A take in memory: read from its file, and each person's poses as a clip."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from genmo_rt.camera import Intrinsics
from genmo_rt.clock import SLACK_US, TICK_HZ
from genmo_rt.errors import FileFormatError, InputError
from genmo_rt.formats.clip import CameraView, Clip
from genmo_rt.rotation import (
    axis_angle_to_rotmat,
    quat_xyzw_to_rotmat,
    rotmat_to_axis_angle,
    rotmat_to_quat_xyzw,
)
from genmo_rt.smpl import load_body
from genmo_stream.listener import Sighting
from genmo_stream.takes.records import (
    MAGIC,
    SOLVED,
    Kind,
    decode_sighting,
    decode_solved,
    read_records,
)
from genmo_stream.wire import PoseMessage, Skeleton, Subject, WireError, decode_pose

FILE_NAME = "take.genmo"
EXPECTED = "expected a take, as POST /v1/streams/STREAM/takes records it"

MAX_GAP = 3600 * TICK_HZ  # ticks; a longer one is a clock that was set, not a person away

Array = NDArray[np.float64]
Told = Skeleton | Subject | PoseMessage


@dataclass(frozen=True, slots=True, eq=False)
class Take:
    """A recording.

    Attributes:
        stream: the name of the stream it was recorded from.
        started_us: Unix microseconds.
        body: the body whose joints and shapes these are.
        told: what viewers were sent, in order: skeletons, subjects and poses.
        sightings: every used frame's landmarks.
        solved: by person, one SOLVED row (records.py) a tick, masked ones too.
        ended: why, in words; None when the file was cut short or is still being written.
    """

    stream: str
    started_us: int
    body: Literal["builtin", "smpl"]
    told: list[Told] = field(repr=False)
    sightings: list[Sighting] = field(repr=False)
    solved: dict[int, NDArray[Any]] = field(repr=False)
    ended: str | None

    @property
    def persons(self) -> tuple[int, ...]:
        """Who has poses, oldest id first."""
        return tuple(sorted(self.solved))

    @property
    def poses(self) -> list[PoseMessage]:
        """The pose messages as viewers got them."""
        return [message for message in self.told if isinstance(message, PoseMessage)]

    @property
    def seconds(self) -> float:
        """From the first used frame to the last."""
        if not self.sightings:
            return 0.0
        return (self.sightings[-1].t_capture_us - self.sightings[0].t_capture_us) / 1e6

    def clip(self, person: int) -> Clip:
        """One person's live poses at every 30 Hz tick from their first to their last.

        All poses get the shape that was known at the end, so that bones are constant. Where no
        tick was (after long gaps, or while the person was away) the pose is blended from its
        neighbours and has confidence 0.

        Raises:
            InputError: this person has no poses here.
        """
        if person not in self.solved:
            raise InputError(
                f"person {person} has no poses in this take; it has persons "
                f"{', '.join(map(str, self.persons)) or 'none'}"
            )
        return _clip(_every_tick(self.solved[person]), self.body, self._intrinsics())

    def _intrinsics(self) -> Intrinsics | None:
        """The camera, if it was the same one all along."""
        cameras = {(sighting.image_size, sighting.fov) for sighting in self.sightings}
        if len(cameras) != 1:
            return None
        ((width, height), fov) = cameras.pop()
        return Intrinsics.of_picture(width, height, fov)


def read_take(path: Path) -> Take:
    """Reads a take's file, or the folder that it is in.

    Raises:
        FileFormatError: it can't be read or isn't a take. A take that was cut short is read up
            to where it was cut.
    """
    file_path = path / FILE_NAME if path.is_dir() else path
    try:
        with file_path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise FileFormatError(f"{file_path} doesn't start as a take does; {EXPECTED}")
            return _take([(record.kind, record.payload) for record in read_records(file)])
    except OSError as error:
        raise FileFormatError(
            f"{file_path} can't be read ({error.strerror}); {EXPECTED}"
        ) from error
    except (ValueError, KeyError, IndexError, WireError) as error:
        raise FileFormatError(f"{file_path} doesn't fit together: {error}; {EXPECTED}") from error


def without_gaps(clip: Clip, intrinsics: Intrinsics) -> Clip:
    """The same clip with blended poses where ticks are missing, as `Take.clip` has them."""
    assert clip.camera is not None
    rows = np.zeros(len(clip.pelvis), SOLVED)
    rows["t_capture_us"] = clip.t_capture_us
    rows["t"] = (clip.t_capture_us - clip.t_capture_us[0]) / 1e6
    rows["confidence"], rows["contacts"] = clip.confidence, clip.contacts
    rows["quat_xyzw"] = _quat_xyzw(clip.axis_angle)
    rows["root_quat_xyzw_cam"] = _quat_xyzw(clip.camera.root_axis_angle)
    rows["pelvis"], rows["pelvis_cam"] = clip.pelvis, clip.camera.joints[:, 0]
    rows["shape"], rows["rest_joints"] = clip.shape, clip.rest_joints
    return _clip(_every_tick(rows), clip.body, intrinsics)


def _take(records: list[tuple[Kind, bytes]]) -> Take:
    if not records or records[0][0] is not Kind.ABOUT:
        raise ValueError("its first record is missing")
    about = json.loads(records[0][1])
    told: list[Told] = []
    sightings: list[Sighting] = []
    rows: list[bytes] = []
    ended = None
    for kind, payload in records[1:]:
        match kind:
            case Kind.POSE:
                told.append(decode_pose(payload))
            case Kind.CONTROL:
                told.append(_control(json.loads(payload)))
            case Kind.SIGHTING:
                sightings.append(decode_sighting(payload))
            case Kind.SOLVED:
                rows.append(payload)
            case Kind.END:
                ended = str(json.loads(payload)["reason"])
    solved = decode_solved(rows)
    return Take(
        stream=str(about["stream"]),
        started_us=int(about["started_us"]),
        body="smpl" if about["body"] == "smpl" else "builtin",
        told=told,
        sightings=sightings,
        solved={int(who): solved[solved["person"] == who] for who in np.unique(solved["person"])},
        ended=ended,
    )


def _control(fields: dict[str, Any]) -> Skeleton | Subject:
    if fields["type"] == "skeleton":
        offsets = np.array([joint["offset"] for joint in fields["joints"]], np.float32)
        return Skeleton(rev=int(fields["rev"]), offsets=offsets)
    return Subject(
        person=int(fields["person"]),
        state=fields["state"],
        body=str(fields["body"]),
        betas=np.array(fields["betas"], np.float32),
        shape=np.array(fields["shape"], np.float32),
        height_m=float(fields["height_m"]),
        offsets=np.array(fields["offsets"], np.float32),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Ticks:
    """One row a tick: what SOLVED has, without gaps.

    Attributes:
        quat_xyzw: (N, 24, 4) in the world.
        root_quat_xyzw_cam: (N, 4).
        pelvis, pelvis_cam: (N, 3).
        contacts: (N, 6).
        confidence: (N,).
        t_capture_us: (N,).
        shape: (10,) the last one known.
        rest_joints: (24, 3) of that shape.
    """

    quat_xyzw: Array
    root_quat_xyzw_cam: Array
    pelvis: Array
    pelvis_cam: Array
    contacts: Array
    confidence: Array
    t_capture_us: NDArray[np.int64]
    shape: Array
    rest_joints: Array


def _every_tick(rows: NDArray[Any]) -> _Ticks:
    index = _tick_index(rows["t"])
    ticks = np.arange(index[-1] + 1)
    after = np.searchsorted(index, ticks)  # the row at or after each tick
    before = np.where(index[after] == ticks, after, after - 1)
    span = np.maximum(index[after] - index[before], 1)
    share = (ticks - index[before]) / span  # 0 where a row is
    there = before == after

    def blend(name: str) -> Array:
        a, b = rows[name][before].astype(np.float64), rows[name][after].astype(np.float64)
        weight = share.reshape(-1, *(1,) * (a.ndim - 1))
        return np.asarray(a + (b - a) * weight)

    def turn(name: str) -> Array:
        """Along the shorter way, at nearly even speed: these poses are guesses anyway."""
        a, b = rows[name][before].astype(np.float64), rows[name][after].astype(np.float64)
        b = np.where((a * b).sum(-1, keepdims=True) < 0, -b, b)
        mixed = a + (b - a) * share.reshape(-1, *(1,) * (a.ndim - 1))
        return np.asarray(mixed / np.linalg.norm(mixed, axis=-1, keepdims=True))

    times = rows["t_capture_us"]
    return _Ticks(
        quat_xyzw=turn("quat_xyzw"),
        root_quat_xyzw_cam=turn("root_quat_xyzw_cam"),
        pelvis=blend("pelvis"),
        pelvis_cam=blend("pelvis_cam"),
        contacts=blend("contacts"),
        confidence=np.where(there, rows["confidence"][before].astype(np.float64), 0.0),
        t_capture_us=times[before] + np.rint((times[after] - times[before]) * share).astype(int),
        shape=rows["shape"][-1].astype(np.float64),
        rest_joints=rows["rest_joints"][-1].astype(np.float64),
    )


def _quat_xyzw(axis_angle: Array) -> Array:
    return rotmat_to_quat_xyzw(axis_angle_to_rotmat(torch.as_tensor(axis_angle))).numpy()


def _tick_index(t: Array) -> NDArray[np.int64]:
    """Tick numbers from 0, as TickClock gives them; they grow even where a clock was set anew."""
    steps = np.floor((t - SLACK_US / 1e6) * TICK_HZ + 0.5).astype(np.int64)
    grown = np.clip(np.diff(steps, prepend=steps[0] - 1), 1, MAX_GAP)
    return np.cumsum(grown) - 1


def _clip(ticks: _Ticks, body: Literal["builtin", "smpl"], intrinsics: Intrinsics | None) -> Clip:
    rotmat = quat_xyzw_to_rotmat(torch.as_tensor(ticks.quat_xyzw))
    rotmat_cam = rotmat.clone()
    rotmat_cam[:, 0] = quat_xyzw_to_rotmat(torch.as_tensor(ticks.root_quat_xyzw_cam))
    rest = torch.as_tensor(ticks.rest_joints)
    kinematics = load_body().forward_kinematics  # the tree alone; bones are the take's own
    joints = kinematics(rotmat, torch.as_tensor(ticks.pelvis), rest)[1]
    joints_cam = kinematics(rotmat_cam, torch.as_tensor(ticks.pelvis_cam), rest)[1]
    camera = None
    if intrinsics is not None:
        camera = CameraView(
            K=intrinsics.matrix(torch.float64).numpy(),
            root_axis_angle=rotmat_to_axis_angle(rotmat_cam[:, 0]).numpy(),
            joints=joints_cam.numpy(),
        )
    return Clip(
        fps=float(TICK_HZ),
        body=body,
        shape=ticks.shape,
        rest_joints=ticks.rest_joints,
        axis_angle=rotmat_to_axis_angle(rotmat).numpy(),
        pelvis=ticks.pelvis,
        joints=joints.numpy(),
        contacts=ticks.contacts,
        confidence=ticks.confidence,
        t_capture_us=ticks.t_capture_us,
        camera=camera,
    )

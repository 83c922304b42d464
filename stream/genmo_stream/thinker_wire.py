"""Orders to the model's process and its answers as bytes: flat tuples and arrays' own memory.

Pickles of the same objects take several times as long on both sides. Both ends are one program of
one version on one machine: nothing is checked, and what is rare is pickled all the same.
"""

import marshal
import pickle
from dataclasses import dataclass, fields
from functools import lru_cache
from struct import Struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genmo_rt.camera import Intrinsics
from genmo_rt.camera_motion import STILL, CameraMotion
from genmo_rt.clock import Tick
from genmo_rt.engine.engine import EngineFigures
from genmo_rt.keypoints import NUM_LANDMARKS, Keypoints
from genmo_rt.pose import Pose
from genmo_stream.observation import Observation, PersonState
from genmo_stream.publish_options import PublishOptions
from genmo_stream.seen import Seen
from genmo_stream.solvers import Followed
from genmo_stream.thinker import Advance, Answer, Order, Posed, Thought

LENGTH = Struct("!I")  # of the message that follows

Flat = tuple[Any, ...]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Asked:
    """An order on its way to the process; the answer has its number."""

    number: int
    order: Order


@dataclass(frozen=True, slots=True)
class Told:
    """What came of a batch, on its way back.

    Attributes:
        answers: by the orders' numbers.
        figures: how the engine does.
    """

    answers: tuple[tuple[int, Answer], ...]
    figures: EngineFigures


class Inbox:
    """Bytes as they come become whole messages."""

    def __init__(self) -> None:
        self._data = bytearray()

    def add(self, data: bytes) -> None:
        """Takes what came."""
        self._data += data

    def take(self) -> bytes | None:
        """The next message, without its length; None while it isn't whole."""
        if len(self._data) < LENGTH.size:
            return None
        (size,) = LENGTH.unpack_from(self._data)
        end = LENGTH.size + size
        if len(self._data) < end:
            return None
        message = bytes(memoryview(self._data)[LENGTH.size : end])
        del self._data[:end]
        return message


def encode_asked(asked: Asked) -> bytes:
    """An order as a message with its length before it; a frame goes without its `people`."""
    order = asked.order
    if isinstance(order, Advance):
        return _message((asked.number, order.stream, order.publisher, *_frame(order)))
    return _message((asked.number, pickle.dumps(order)))


def decode_asked(message: bytes) -> Asked:
    """The way back."""
    number, *rest = marshal.loads(message)
    if len(rest) == 1:
        return Asked(number, pickle.loads(rest[0]))
    stream, publisher, options, seen, persons, followed = rest
    frame = Followed(_seen_of(seen), tuple(map(_observation_of, persons)), followed)
    return Asked(number, Advance(stream, publisher, _options_of(options), frame))


def encode_told(told: Told) -> bytes:
    """A batch's answers as a message with its length before it."""
    numbers: list[Floats] = []  # of all poses and bodies, in their order
    answers = [(number, _answer(answer, numbers)) for number, answer in told.answers]
    floats = np.concatenate(numbers, dtype=np.float32).tobytes() if numbers else b""
    return _message((answers, floats, tuple(getattr(told.figures, name) for name in _FIGURES)))


def decode_told(message: bytes) -> Told:
    """The way back; arrays can't be written to."""
    flat, floats, figures = marshal.loads(message)
    numbers = _Numbers(np.frombuffer(floats, np.float32))
    answers = tuple((number, _answer_of(answer, numbers)) for number, answer in flat)
    return Told(answers, EngineFigures(*figures))


def _message(flat: Flat) -> bytes:
    data = marshal.dumps(flat, 2)  # later versions look for what is there twice
    return LENGTH.pack(len(data)) + data


# ---- a frame ------------------------------------------------------------------------------------


def _frame(order: Advance) -> Flat:
    options, seen = order.options, order.followed.seen
    tick, k = seen.tick, seen.intrinsics
    return (
        (options.fov, options.height_m, options.delay),
        (
            *(seen.number, seen.t_capture_us, float(seen.decode_ms), float(seen.keypoints_ms)),
            seen.image_size,
            (tick.index, float(tick.t), tick.missed, tick.restart, tick.reset),
            k and (float(k.fx), float(k.fy), float(k.cx), float(k.cy), k.width, k.height),
            None if seen.camera is STILL else pickle.dumps(seen.camera),
            seen.complaint,
        ),
        tuple(
            (of.person, int(of.state), of.moved, of.keypoints and _landmarks(of.keypoints))
            for of in order.followed.persons
        ),
        order.followed.number,
    )


def _landmarks(keypoints: Keypoints) -> Flat:
    pixels, confidence, world = keypoints.pixels, keypoints.confidence, keypoints.world
    return (
        pixels.astype(np.float32, copy=False).tobytes(),
        confidence.astype(np.float32, copy=False).tobytes(),
        None if world is None else world.astype(np.float32, copy=False).tobytes(),
        keypoints.image_size,
    )


def _seen_of(flat: Flat) -> Seen:
    number, t_capture_us, decode_ms, keypoints_ms, image_size, tick, k, camera, complaint = flat
    motion: CameraMotion = STILL if camera is None else pickle.loads(camera)
    return Seen(
        *(number, t_capture_us, decode_ms, keypoints_ms, image_size, Tick(*tick), ()),
        *(k and Intrinsics(*k), motion, complaint),
    )


def _observation_of(flat: Flat) -> Observation:
    person, state, moved, landmarks = flat
    return Observation(person, PersonState(state), landmarks and _landmarks_of(landmarks), moved)


def _landmarks_of(flat: Flat) -> Keypoints:
    pixels, confidence, world, image_size = flat
    made = object.__new__(Keypoints)  # they were checked where they came in
    for name, value in (
        ("pixels", np.frombuffer(pixels, np.float32).reshape(NUM_LANDMARKS, 2)),
        ("confidence", np.frombuffer(confidence, np.float32)),
        ("world", world and np.frombuffer(world, np.float32).reshape(NUM_LANDMARKS, 3)),
        ("image_size", image_size),
    ):
        object.__setattr__(made, name, value)
    return made


@lru_cache(maxsize=256)
def _options_of(flat: Flat) -> PublishOptions:
    return PublishOptions(*flat)


# ---- an answer ----------------------------------------------------------------------------------

_FIGURES = tuple(field.name for field in fields(EngineFigures))


def _answer(answer: Answer, numbers: list[Floats]) -> Flat | bytes | None:
    if not isinstance(answer, Thought):
        return None if answer is None else pickle.dumps(answer)
    return tuple(_posed(of, numbers) for of in answer.persons), answer.due, answer.places


def _posed(of: Posed, numbers: list[Floats]) -> Flat:
    numbers += (of.shape, of.rest_joints.ravel())
    for pose, _ in of.poses:
        numbers += (
            *(pose.quat_xyzw.ravel(), pose.pelvis, pose.velocity, pose.joints.ravel()),
            *(pose.contacts, pose.shape, pose.joints_cam.ravel(), pose.root_quat_xyzw_cam),
        )
    poses = [(float(pose.t), float(pose.confidence), framed) for pose, framed in of.poses]
    return of.person, poses, float(of.height_m)


def _answer_of(flat: Flat | bytes | None, numbers: "_Numbers") -> Answer:
    if not isinstance(flat, tuple):
        answer: Answer = None if flat is None else pickle.loads(flat)
        return answer
    persons, due, places = flat
    return Thought(tuple(_posed_of(one, numbers) for one in persons), due, places)


def _posed_of(flat: Flat, numbers: "_Numbers") -> Posed:
    person, poses, height_m = flat
    shape, rest_joints = numbers.take(10), numbers.take(72).reshape(24, 3)
    posed = [(_pose_of(t, confidence, numbers), framed) for t, confidence, framed in poses]
    return Posed(person, posed, shape, rest_joints, height_m)


def _pose_of(t: float, confidence: float, numbers: "_Numbers") -> Pose:
    own = numbers.take(266)
    return Pose(
        t=t,
        quat_xyzw=own[:96].reshape(24, 4),
        pelvis=own[96:99],
        velocity=own[99:102],
        joints=own[102:174].reshape(24, 3),
        contacts=own[174:180],
        confidence=confidence,
        shape=own[180:190],
        joints_cam=own[190:262].reshape(24, 3),
        root_quat_xyzw_cam=own[262:266],
    )


class _Numbers:
    """Floats, taken from the front."""

    def __init__(self, floats: Floats) -> None:
        self._floats, self._at = floats, 0

    def take(self, count: int) -> Floats:
        start, self._at = self._at, self._at + count
        return self._floats[start : self._at]

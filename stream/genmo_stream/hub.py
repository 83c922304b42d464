"""Fan-out of one stream: each message to every viewer, and what a late viewer must know first."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np

from genmo_rt.clock import TICK_HZ
from genmo_stream.frame import CaptureClock
from genmo_stream.wire import (
    Control,
    Hello,
    Limits,
    PoseMessage,
    Profile,
    Skeleton,
    Space,
    StateName,
    Stats,
    StreamState,
    Subject,
    bone_offsets,
    encode_control,
    encode_pose,
    pose_to_json,
)
from genmo_stream.wire.messages import DEFAULT_LIMITS, Floats

BONE_CHANGE_M = 0.005  # a smaller change of every bone is not worth an update
SUBJECT_PERIOD_S = 1.0


def unix_us() -> int:
    """The server's clock on the wire: Unix time in microseconds."""
    return time.time_ns() // 1000


@dataclass(frozen=True, slots=True)
class View:
    """What decides the bytes of a pose: viewers with equal views share one encoding."""

    profile: Profile
    space: Space
    persons: int | None = None
    landmarks: bool = False


class PublishedPose:
    """A stamped pose and its encodings, each made when the first viewer needs it."""

    def __init__(self, message: PoseMessage) -> None:
        self.message = message
        self._encoded: dict[View, str | bytes] = {}

    def encoded(self, view: View) -> str | bytes:
        """The message as this view wants it: bytes or JSON text."""
        if view.persons is not None and view.persons >= len(self.message.persons):
            view = replace(view, persons=None)  # nobody is left out: share with the unlimited
        if view not in self._encoded:
            encode = encode_pose if view.profile is Profile.BIN else pose_to_json
            message = self.message.limited(view.persons)
            self._encoded[view] = encode(message, view.space, landmarks=view.landmarks)
        return self._encoded[view]


class HubViewer(Protocol):
    """What the hub asks of a viewer; every call returns at once."""

    @property
    def view(self) -> View:
        """How the viewer wants poses."""

    @property
    def dropped(self) -> int:
        """Poses that were dropped for this viewer."""

    def offer(self, pose: PublishedPose, now: float) -> None:
        """Takes the newest pose; an older one that still waits is dropped."""

    def tell(self, text: str) -> None:
        """Queues a control message."""

    def close(self, code: int, reason: str) -> None:
        """Ends the connection once what is queued was sent."""


class Hub:
    """One stream's viewers and its last state. Only for the event loop's thread."""

    def __init__(
        self,
        stream: str,
        *,
        server: str,
        limits: Limits = DEFAULT_LIMITS,
        clock: Callable[[], float] = time.monotonic,
        clock_us: Callable[[], int] = unix_us,
    ) -> None:
        """Starts a stream that waits for its publisher.

        Args:
            stream: its name.
            server: program and version, told in hello.
            limits: granted to every viewer.
            clock: seconds, steady; measures acks and rates.
            clock_us: Unix microseconds; stamps messages.
        """
        self.stream = stream
        self.server = server
        self.limits = limits
        self.clock = clock
        self.clock_us = clock_us
        self.state = StreamState()
        self.seq = 0  # of the last published pose; the first one is 1
        self._skeleton: Skeleton | None = None
        self._subjects: dict[int, _Subject] = {}
        self._viewers: list[HubViewer] = []

    @property
    def viewers(self) -> tuple[HubViewer, ...]:
        """The viewers that are attached now."""
        return tuple(self._viewers)

    def attach(self, viewer: HubViewer) -> None:
        """Adds a viewer and tells it hello, the stream's state, the skeleton and who is there."""
        for message in self._greeting(viewer.view.space):
            viewer.tell(encode_control(message, viewer.view.space))
        self._viewers.append(viewer)

    def detach(self, viewer: HubViewer) -> None:
        """Forgets a viewer."""
        self._viewers.remove(viewer)

    def publish(self, message: PoseMessage) -> PoseMessage:
        """Stamps seq, t_publish_us and skeleton_rev, offers it to all, returns it as stamped."""
        self.seq += 1
        rev = self._skeleton.rev if self._skeleton else 0
        stamped = replace(message, seq=self.seq, t_publish_us=self.clock_us(), skeleton_rev=rev)
        pose = PublishedPose(stamped)
        now = self.clock()
        for viewer in self.viewers:
            viewer.offer(pose, now)
        return stamped

    def set_state(
        self, state: StateName, *, capture_clock: CaptureClock = "arrival", fps_in: float = 0.0
    ) -> None:
        """Retains the state; tells it when state or clock changed. At the end everybody leaves."""
        before = self.state
        self.state = StreamState(state, capture_clock, fps_in)
        if state == "ended":
            for person in tuple(self._subjects):
                self.remove_subject(person)
        if (state, capture_clock) != (before.state, before.capture_clock):
            self.broadcast(self.state)

    def set_skeleton(self, rest_joints: Floats) -> None:
        """Takes the (24, 3) T-pose joints of the body in use, metres; a change makes a new rev."""
        offsets = bone_offsets(rest_joints)
        if self._skeleton and np.array_equal(self._skeleton.offsets, offsets):
            return
        self._skeleton = Skeleton(self._skeleton.rev + 1 if self._skeleton else 1, offsets)
        self.broadcast(self._skeleton)

    def set_subject(
        self,
        person: int,
        *,
        body: Literal["builtin", "smpl"],
        shape: Floats,
        height_m: float,
        rest_joints: Floats,
    ) -> None:
        """Takes one person's body as known now; call it as often as you like.

        A new person is announced at once; later only when a bone changed by over 5 mm, and at
        most once a second.

        Args:
            shape: (10,) coefficients of the body in use; also the betas if that is SMPL.
            height_m: metres.
            rest_joints: (24, 3) T-pose joints, metres.
        """
        known = self._subjects.get(person)
        offsets = bone_offsets(rest_joints)
        now = self.clock()
        if known:
            moved = np.linalg.norm(offsets - known.message.offsets, axis=-1).max()
            if moved <= BONE_CHANGE_M or now - known.told_at < SUBJECT_PERIOD_S:
                return
        message = Subject(
            person=person,
            state="update" if known else "enter",
            body=body,
            betas=shape if body == "smpl" else np.zeros_like(shape),
            shape=shape,
            height_m=height_m,
            offsets=offsets,
        )
        self._subjects[person] = _Subject(message, now)
        self.broadcast(message)

    def remove_subject(self, person: int) -> None:
        """Tells that a person left; nobody of that id: nothing happens."""
        known = self._subjects.pop(person, None)
        if known:
            self.broadcast(replace(known.message, state="leave"))

    def set_stats(self, stats: Stats) -> None:
        """Tells every viewer the stream's figures, with the viewer's own drops added."""
        for viewer in self.viewers:
            own = replace(stats, dropped=stats.dropped + viewer.dropped)
            viewer.tell(encode_control(own, viewer.view.space))

    def broadcast(self, message: Control) -> None:
        """Sends a control message to every viewer, encoded once per space."""
        texts: dict[Space, str] = {}
        for viewer in self.viewers:
            space = viewer.view.space
            if space not in texts:
                texts[space] = encode_control(message, space)
            viewer.tell(texts[space])

    def close(self, reason: str) -> None:
        """Says bye to every viewer and closes its connection (1001, going away)."""
        for viewer in self.viewers:
            viewer.close(1001, reason)

    def _greeting(self, space: Space) -> list[Control]:
        hello = Hello(
            server=self.server,
            stream=self.stream,
            clock_us=self.clock_us(),
            space=space,
            fps=TICK_HZ,
            limits=self.limits,
        )
        skeleton = [self._skeleton] if self._skeleton else []
        present = [replace(known.message, state="enter") for known in self._subjects.values()]
        return [hello, self.state, *skeleton, *present]


@dataclass(frozen=True, slots=True)
class _Subject:
    """What viewers were last told of a person, and when."""

    message: Subject
    told_at: float

"""Fan-out of one stream: each message to every viewer, and what a late viewer must know first."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from genmo_rt.clock import TICK_HZ
from genmo_stream.listener import Note, StreamListener
from genmo_stream.wire import (
    Control,
    Hello,
    Limits,
    PoseMessage,
    Profile,
    Skeleton,
    Space,
    Stats,
    StreamState,
    Subject,
    encode_control,
    encode_pose,
    pose_to_json,
)
from genmo_stream.wire.messages import DEFAULT_LIMITS


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
        listeners: tuple[StreamListener, ...] = (),
        clock: Callable[[], float] = time.monotonic,
        clock_us: Callable[[], int] = unix_us,
    ) -> None:
        """Starts a stream that waits for its publisher.

        Args:
            stream: its name.
            server: program and version, told in hello.
            limits: granted to every viewer.
            listeners: what else hears everything, takes and sinks.
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
        self._subjects: dict[int, Subject] = {}
        self._viewers: list[HubViewer] = []
        self._listeners = listeners

    @property
    def viewer_count(self) -> int:
        """How many viewers are attached now."""
        return len(self._viewers)

    def attach(self, viewer: HubViewer) -> None:
        """Adds a viewer and tells it hello, the stream's state, the skeleton and who is there."""
        for message in self._greeting(viewer.view.space):
            viewer.tell(encode_control(message, viewer.view.space))
        self._viewers.append(viewer)

    def detach(self, viewer: HubViewer) -> None:
        """Forgets a viewer."""
        self._viewers.remove(viewer)

    def publish(self, message: PoseMessage) -> None:
        """Stamps seq, t_publish_us and skeleton_rev and offers the pose to every viewer."""
        self.seq += 1
        rev = self._skeleton.rev if self._skeleton else 0
        stamped = replace(message, seq=self.seq, t_publish_us=self.clock_us(), skeleton_rev=rev)
        pose = PublishedPose(stamped)
        now = self.clock()
        for viewer in self._viewers:
            viewer.offer(pose, now)
        self.note(stamped)

    def note(self, note: Note) -> None:
        """Lets listeners hear what viewers aren't sent: evidence and every tick's poses."""
        for listener in self._listeners:
            listener.hear(self.stream, note)

    def set_state(self, state: StreamState) -> None:
        """Retains the state; tells it when more than its frame rate changed."""
        before, self.state = self.state, state
        if replace(state, fps_in=before.fps_in) != before:
            self.send(state)

    def set_skeleton(self, skeleton: Skeleton) -> None:
        """Retains and tells the skeleton; poses from now on carry its rev."""
        self._skeleton = skeleton
        self.send(skeleton)

    def set_subject(self, subject: Subject) -> None:
        """Tells of one person; who entered is retained for late viewers until they leave."""
        if subject.state == "leave":
            self._subjects.pop(subject.person, None)
        else:
            self._subjects[subject.person] = replace(subject, state="enter")
        self.send(subject)

    def set_stats(self, stats: Stats) -> None:
        """Tells every viewer the stream's figures, with the viewer's own drops added."""
        for viewer in self._viewers:
            own = replace(stats, dropped=stats.dropped + viewer.dropped)
            viewer.tell(encode_control(own, viewer.view.space))

    def send(self, message: Control) -> None:
        """Sends a control message to every viewer, encoded once per space."""
        self.note(message)
        texts: dict[Space, str] = {}
        for viewer in self._viewers:
            space = viewer.view.space
            if space not in texts:
                texts[space] = encode_control(message, space)
            viewer.tell(texts[space])

    def close(self, reason: str) -> None:
        """Says bye to every viewer and closes its connection (1001, going away)."""
        for viewer in self._viewers:
            viewer.close(1001, reason)

    def retained(self) -> list[Control]:
        """What whoever comes late must know: the state, the skeleton and who is there."""
        skeleton = [self._skeleton] if self._skeleton else []
        return [self.state, *skeleton, *self._subjects.values()]

    def _greeting(self, space: Space) -> list[Control]:
        hello = Hello(
            server=self.server,
            stream=self.stream,
            clock_us=self.clock_us(),
            space=space,
            fps=TICK_HZ,
            limits=self.limits,
        )
        return [hello, *self.retained()]

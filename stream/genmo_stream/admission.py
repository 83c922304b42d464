"""Who may still publish: limits of cameras and of keypoint streams, and what is left of them."""

from dataclasses import dataclass

from genmo_stream.capacity import Capacity
from genmo_stream.errors import ServerFull
from genmo_stream.seen import SourceKind

RETRY_AFTER_S = 5
SLACK = 1e-6  # shares are sums of fractions

NAMES: dict[SourceKind, str] = {"video": "cameras", "keypoints": "keypoint streams"}
SETTINGS: dict[SourceKind, str] = {"video": "max_streams", "keypoints": "max_keypoint_streams"}


@dataclass(frozen=True, slots=True)
class Live:
    """Streams that publish now, of each kind."""

    video: int = 0
    keypoints: int = 0

    def of(self, kind: SourceKind) -> int:
        """How many of a kind."""
        return self.video if kind == "video" else self.keypoints


@dataclass(frozen=True, slots=True)
class Admission:
    """Lets publishers in as long as those who are there keep what they have.

    An operator's limit is the operator's word, for its kind alone. Measured ones share the
    machine: who takes half of what it carries of one kind leaves half of the other.

    Attributes:
        capacity: as measured.
        max_streams: the operator's limit of cameras; None = as measured.
        max_keypoint_streams: likewise of keypoint streams.
    """

    capacity: Capacity
    max_streams: int | None = None
    max_keypoint_streams: int | None = None

    @classmethod
    def to(cls, streams: int, keypoint_streams: int | None = None) -> "Admission":
        """An operator's limits on a machine that carries any number."""
        keypoints = streams if keypoint_streams is None else keypoint_streams
        return cls(Capacity(streams, streams, keypoints), streams, keypoints)

    def __str__(self) -> str:
        """For people: both limits and where they come from."""
        cameras, keypoints = (
            f"{self.limit(kind)} {NAMES[kind]} ({'measured' if self.is_measured(kind) else 'told'})"
            for kind in NAMES
        )
        return f"{cameras}, {self.capacity.full} of them at every frame, or {keypoints}"

    def limit(self, kind: SourceKind) -> int:
        """Streams of a kind at once, with none of the other."""
        told = self._told(kind)
        return self._measured(kind) if told is None else told

    def free(self, kind: SourceKind, live: Live) -> int:
        """How many more of a kind may come."""
        if not self.is_measured(kind):
            return max(0, self.limit(kind) - live.of(kind))
        left = 1 - sum(live.of(k) / self._measured(k) for k in NAMES)
        return max(0, int(left * self.limit(kind) + SLACK))

    def is_measured(self, kind: SourceKind) -> bool:
        """Whether the limit of a kind was measured, not told."""
        return self._told(kind) is None

    def check(self, kind: SourceKind, live: Live, *, overloaded: bool) -> None:
        """Whether one more of a kind may come.

        Args:
            kind: of the newcomer.
            live: the others.
            overloaded: those who are there have too little already.
        Raises:
            ServerFull: there is no room; says why and what to do.
        """
        if overloaded and self.is_measured(kind):
            raise ServerFull(
                "this machine can't keep up with its live streams although it looks at every "
                "second frame only; try again when one ends",
                retry_after_s=RETRY_AFTER_S,
            )
        if self.free(kind, live) > 0:
            return
        raise ServerFull(
            f"{live.video} cameras and {live.keypoints} keypoint streams are live and this server "
            f"takes {self.limit(kind)} {NAMES[kind]}{self._reason(kind)}; try again when one "
            f"ends, or raise {SETTINGS[kind]}",
            retry_after_s=RETRY_AFTER_S,
        )

    def _told(self, kind: SourceKind) -> int | None:
        return self.max_streams if kind == "video" else self.max_keypoint_streams

    def _measured(self, kind: SourceKind) -> int:
        return self.capacity.cameras if kind == "video" else self.capacity.keypoint_streams

    def _reason(self, kind: SourceKind) -> str:
        return ", as measured, with none of the other kind" if self.is_measured(kind) else ""

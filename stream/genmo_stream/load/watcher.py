"""One stream's viewer in a load: acks every pose and notes how late it was and who was in it."""

import json
from dataclasses import dataclass, field

import numpy as np
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from genmo_stream.load.glance import Glance, glance
from genmo_stream.observation import PersonState
from genmo_stream.wire.client import ACK, ACK_BYTE

OPEN_S = 30.0  # a server that is busy may take its time over a handshake
UNKNOWN_RUNG = "?"  # of a server that doesn't tell


@dataclass(frozen=True, slots=True)
class Seen:
    """What a viewer saw of one stream between two moments.

    Attributes:
        latency_ms: capture to publish of every pose, by the server's stamps.
        tracked: persons in state tracked, summed over the poses.
        dropped: frames that became no pose and poses that this viewer wasn't sent, as told.
        rungs: of the server's ladder.
        ids: of everybody who was there.
    """

    latency_ms: tuple[float, ...]
    tracked: int
    dropped: int
    rungs: frozenset[str]
    ids: frozenset[int]


@dataclass(slots=True)
class Watcher:
    """A viewer of one stream.

    Attributes:
        poses: that came, in their order.
    """

    host: str
    stream: str
    poses: list[Glance] = field(default_factory=list)
    _stats: list[tuple[int, int, str]] = field(default_factory=list)  # poses by then, drops, rung

    async def run(self) -> None:
        """Watches until the task is cancelled.

        Raises:
            ConnectionClosed: the server ended it.
            WireError: a pose can't be read.
        """
        async with viewer_socket(self.host, self.stream) as socket:
            async for message in socket:
                if isinstance(message, bytes):
                    pose = glance(message)
                    self.poses.append(pose)
                    await socket.send(ACK.pack(ACK_BYTE, pose.seq))
                elif '"stats"' in message[:40]:
                    stats = json.loads(message)
                    rung = stats.get("rung", UNKNOWN_RUNG)
                    self._stats.append((len(self.poses), stats["dropped"], rung))

    def between(self, start_us: int, end_us: int) -> Seen:
        """What was published in that time, Unix microseconds."""
        times = np.array([pose.t_publish_us for pose in self.poses])
        first, last = (int(n) for n in np.searchsorted(times, (start_us, end_us)))
        poses = self.poses[first:last]
        told = [stats for stats in self._stats if first <= stats[0] <= last]
        people = [person for pose in poses for person in pose.persons]
        return Seen(
            latency_ms=tuple((p.t_publish_us - p.t_capture_us) / 1e3 for p in poses),
            tracked=sum(state == PersonState.TRACKED for _, state in people),
            dropped=told[-1][1] - told[0][1] if told else 0,
            rungs=frozenset(rung for _, _, rung in told),
            ids=frozenset(person for person, _ in people),
        )


def viewer_socket(host: str, stream: str) -> connect:
    """A viewer's connection, ready to be entered."""
    return connect(
        f"ws://{host}/v1/streams/{stream}/poses",
        subprotocols=[Subprotocol("genmo.v1.bin")],
        compression=None,
        proxy=None,
        open_timeout=OPEN_S,
    )

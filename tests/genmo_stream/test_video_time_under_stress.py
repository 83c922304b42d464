"""A camera at 5 to 60 fps that freezes for a second and loses a fifth of its packets.

Over real WebRTC, with the shipped weights. Each picture carries its capture time as a barcode, and
a stage that reads it sees the synthetic walker as they were at that time.
"""

import asyncio
import random
from itertools import pairwise

import numpy as np
import pytest
from aiortc import RTCDtlsTransport
from av.video.frame import PictureType, VideoFrame
from numpy.typing import NDArray

from genmo_rt.estimate import Estimator
from genmo_stream import barcode
from genmo_stream.admission import Admission
from genmo_stream.encoding import beat_length, make_encoder
from genmo_stream.ingest import FrameSource, IngestConfig
from genmo_stream.listener import Note
from genmo_stream.publish import SendOptions, publish_shots
from genmo_stream.publish_options import PublishOptions
from genmo_stream.seen import SeenPerson
from genmo_stream.streams import Streams
from genmo_stream.wire import PoseMessage, StreamState
from tests.camera_server import Host, camera_server, until
from tests.genmo_rt.walk import seen, walker

FPS = 60.0
BEATS = (1, 1, 2, 2, 3, 4, 6, 12)  # from one picture to the next: 1/60 to 1/5 s
SECONDS = 7.0
FREEZE = (4.0, 5.0)
SIZE = (320, 180)  # as wide as the walker's picture is
LOOPBACK = IngestConfig(ice_interfaces=("127.0.0.1",))


class Shutter:
    """Pictures with their capture times in them, each 1/60 to 1/5 s after the last."""

    fps = FPS

    def __init__(self) -> None:
        self.first_us = 0
        self.taken: set[int] = set()  # Unix microseconds
        self._beats = 0
        self._next = 0
        self._asked = False
        self._random = random.Random(4)
        self._encoder = make_encoder("VP8", SIZE, FPS)

    async def shoot(self, missed: int, t_us: int, *, keyframe: bool) -> bytes | None:
        beat = self._beats = self._beats + missed + 1
        self.first_us = self.first_us or t_us
        t = (t_us - self.first_us) / 1e6
        if t > SECONDS:
            return None
        self._asked |= keyframe
        if beat < self._next or FREEZE[0] < t < FREEZE[1]:
            return b""
        self._next = beat + self._random.choice(BEATS)
        self.taken.add(t_us)
        picture = np.full((SIZE[1] * 3 // 2, SIZE[0]), 128, np.uint8)
        barcode.stamp(picture[: SIZE[1]], t_us)
        frame = VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts, frame.time_base = beat, beat_length(FPS)
        if self._asked:
            frame.pict_type, self._asked = PictureType.I, False
        return b"".join(bytes(packet) for packet in self._encoder.encode(frame))


class BarcodeStage:
    """Sees the walker as they were when the picture was taken."""

    def __init__(self, camera: Shutter) -> None:
        self.times: list[tuple[int, int]] = []  # told capture time, and the picture's own
        self._camera = camera

    def look(self, image: NDArray[np.uint8], t_us: int) -> tuple[SeenPerson, ...]:
        """The walker; nobody where the barcode can't be read."""
        stamp = barcode.read(image, t_us)
        if stamp is None:
            return ()
        self.times.append((t_us, stamp))
        return (SeenPerson(seen((stamp - self._camera.first_us) / 1e6).in_picture(SIZE)),)

    def close(self) -> None:
        """Holds nothing."""


class Theatre(Host):
    """Takes publishers as the server does, and hears what comes of them."""

    def __init__(self, stage: BarcodeStage) -> None:
        super().__init__()
        self.poses: list[PoseMessage] = []
        self.states: list[StreamState] = []
        self.streams = Streams(Estimator.load(streams=2), lambda: stage, admission=Admission.to(1))
        self.streams.listen(self)

    def hear(self, stream: str, note: Note) -> None:
        if isinstance(note, PoseMessage):
            self.poses.append(note)
        elif isinstance(note, StreamState):
            self.states.append(note)

    def publish(self, stream: str, source: FrameSource, options: PublishOptions) -> None:
        self.streams.publish(stream, source, options)

    async def close(self) -> None:
        await self.streams.close()


def test_video_with_all_that_keeps_its_path_and_the_pictures_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    camera = Shutter()
    stage = BarcodeStage(camera)
    lost = _lose_a_fifth(monkeypatch)

    async def perform() -> Theatre:
        theatre = Theatre(stage)
        async with camera_server(theatre, LOOPBACK) as url:
            await publish_shots(camera, f"{url}/whip/cam", SendOptions())
            await until(lambda: theatre.states[-1].state == "ended")
        return theatre

    theatre = asyncio.run(perform())
    assert len(lost) > 10
    assert theatre.states[-1].capture_clock == "sender"
    own = dict(stage.times)
    _check_times(stage.times, camera.taken)
    _check_poses(theatre.poses, own, camera.first_us)


def _lose_a_fifth(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Drops every fifth packet of media on average, those that are sent again too."""
    chance, lost = random.Random(5), list[int]()
    send = RTCDtlsTransport._send_rtp

    async def lossy(transport: RTCDtlsTransport, data: bytes) -> None:
        is_media = not 192 <= data[1] <= 223  # RFC 5761, section 4
        if is_media and chance.random() < 0.2:
            lost.append(len(data))
        else:
            await send(transport, data)

    monkeypatch.setattr(RTCDtlsTransport, "_send_rtp", lossy)
    return lost


def _check_times(times: list[tuple[int, int]], taken: set[int]) -> None:
    assert {own for _, own in times} <= taken
    assert all(b > a for (a, _), (b, _) in pairwise(times))
    assert all(b > a for (_, a), (_, b) in pairwise(times))
    settled = times[-10:]
    assert max(abs(told - own) for told, own in settled) < 1_500


def _check_poses(poses: list[PoseMessage], own: dict[int, int], first_us: int) -> None:
    assert {pose.t_capture_us for pose in poses} <= set(own)
    assert len({pose.t_capture_us for pose in poses}) == len(poses) > 20
    rows = [((own[p.t_capture_us] - first_us) / 1e6, p.persons[0].pelvis) for p in poses]
    assert {len(pose.persons) for pose in poses} == {1}
    late = [(t, pelvis) for t, pelvis in rows if t > 1.5]
    off = np.array([np.linalg.norm(pelvis - walker(t).joints_world[0]) for t, pelvis in late])
    assert np.median(off) < 0.15
    assert off.max() < 0.5  # just after the holes that lost keyframes leave

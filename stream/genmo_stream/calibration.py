"""Measures what a frame costs on this machine: a made-up person through every stage.

Processor time, not time by the clock, and of the fastest runs: what else runs on the machine should
not count.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from statistics import quantiles
from typing import ParamSpec

import av
import cv2
import numpy as np
from aiortc.rtp import RtpPacket
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from genmo_rt.clock import TICK_HZ, Tick
from genmo_rt.errors import GenmoError
from genmo_rt.estimate import Estimator
from genmo_rt.keypoints import Keypoints
from genmo_stream.assembler import EncodedFrame, FrameAssembler
from genmo_stream.camera_watch import CameraWatch
from genmo_stream.capacity import Costs
from genmo_stream.capture import CaptureTimeline
from genmo_stream.decoder import create_decoder, to_rgb
from genmo_stream.keypoints import KeypointStage
from genmo_stream.observation import PersonState
from genmo_stream.publish_options import PublishOptions
from genmo_stream.seen import Seen, SeenPerson
from genmo_stream.solvers import Followed
from genmo_stream.thinker import Advance, Forget, Thinker, Thought
from genmo_stream.thinker_wire import (
    LENGTH,
    Asked,
    Told,
    decode_asked,
    decode_told,
    encode_asked,
    encode_told,
)
from genmo_stream.tracking import PersonTracker
from genmo_stream.wire import PoseMessage, PosePerson, Space, encode_pose
from genmo_stream.wire.keypoints import (
    PUBLISHER_LIMITS,
    KeypointsMessage,
    encode_keypoints,
    parse_publisher,
)

PICTURE = Path(__file__).parent / "models" / "somebody.jpg"  # scripts/draw_somebody.py made it
FEW, TOGETHER = 2, 16  # streams in one batch of the model
REPEATS = 12  # of every stage
BIT_RATE = 1_500_000
PACKETS = 6  # of a frame at BIT_RATE
PACKET_BYTES, PAYLOAD_TYPE = 1200, 96
MAX_SIDE = 4096
# What can't be run without a network, in shares of what is: measured in a server with four cameras.
ASSEMBLY = 10.0  # all that a packet costs, over reading it and putting it to others
EVENT_LOOP = 2.8  # a published pose, over what is run here of it

Image = NDArray[np.uint8]
P = ParamSpec("P")


def measure(estimator: Estimator, make_stage: Callable[[], KeypointStage]) -> Costs:
    """Costs of a frame; blocks for about half a second of processor time.

    Args:
        estimator: with TOGETHER free places.
        make_stage: makes the 2D stage.
    Raises:
        GenmoError: the picture can't be read, or the 2D stage sees nobody in it.
    """
    picture = _picture()
    frames = _encoded(picture)
    pictures, decode = _decoding(frames)
    person, look = _looking(pictures[0], make_stage)
    few, publish = _posing(estimator, person, FEW)
    late, _ = _posing(estimator, person, FEW, missed=1)
    many, _ = _posing(estimator, person, TOGETHER)
    think = (many - few) / (TOGETHER - FEW)
    return Costs(
        packets=PACKETS * ASSEMBLY * _assembling(frames),
        parse=_parsing(person.keypoints),
        decode=decode,
        look=look,
        batch=max(few - FEW * think, 0.0),
        think=think,
        masked=max(late - few, 0.0) / FEW,
        publish=EVENT_LOOP * publish,
    )


def _picture() -> Image:
    image = cv2.imread(str(PICTURE))
    if image is None:
        raise GenmoError(f"{PICTURE} can't be read; install genmo-rt again")
    return np.ascontiguousarray(image[..., ::-1], np.uint8)


def _encoded(picture: Image) -> list[bytes]:
    """The picture, moving, as a camera would send it."""
    encoder = av.CodecContext.create("libvpx", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.height, encoder.width = picture.shape[:2]
    encoder.pix_fmt = "yuv420p"
    encoder.time_base = Fraction(1, TICK_HZ)
    encoder.bit_rate = BIT_RATE
    encoder.gop_size = 3000
    encoder.thread_count = 1
    encoder.options = {"deadline": "realtime", "cpu-used": "16", "lag-in-frames": "0"}
    encoded = []
    for index in range(REPEATS):
        frame = VideoFrame.from_ndarray(np.roll(picture, 4 * index, axis=1), format="rgb24")
        frame.pts, frame.time_base = index, encoder.time_base
        encoded.append(b"".join(bytes(packet) for packet in encoder.encode(frame)))
    return encoded


def _decoding(frames: Sequence[bytes]) -> tuple[list[VideoFrame], float]:
    """The pictures, and what one costs."""
    decoder = create_decoder("VP8")
    pictures: list[VideoFrame] = []
    took = [_timed(_decode, decoder, data, pictures) for data in frames]
    return pictures, _least(took)


def _decode(decoder: VideoCodecContext, data: bytes, pictures: list[VideoFrame]) -> None:
    pictures.extend(decoder.decode(av.Packet(data)))


def _assembling(frames: Sequence[bytes]) -> float:
    """What reading one RTP packet and putting it to the others of its frame costs."""
    whole: list[EncodedFrame] = []
    timeline = CaptureTimeline()
    assembler = FrameAssembler({PAYLOAD_TYPE: "VP8"}, timeline, whole.append, lambda: 0)
    sequence = 0
    took = []
    for index, data in enumerate(frames):
        parts = [data[at : at + PACKET_BYTES] for at in range(0, len(data), PACKET_BYTES)]
        packets = []
        for part in parts:
            packet = RtpPacket(PAYLOAD_TYPE, sequence_number=sequence, timestamp=3000 * index)
            packet.marker, packet.payload = int(part is parts[-1]), part
            packets.append(packet.serialize())
            sequence += 1
        took.append(_timed(_assemble, assembler, packets) / len(packets))
    assert len(whole) == len(frames), "every frame is whole"
    return _least(took)


def _assemble(assembler: FrameAssembler, packets: Sequence[bytes]) -> None:
    for data in packets:
        packet = RtpPacket.parse(data)
        setattr(packet, "_data", packet.payload)  # noqa: B010  as aiortc's receiver does
        assembler.add(packet)


def _parsing(keypoints: Keypoints) -> float:
    """What reading one message with landmarks costs."""
    message = KeypointsMessage(0, 0, keypoints.image_size, None, (keypoints,))
    text = encode_keypoints(message)
    return _least(_timed(parse_publisher, text, PUBLISHER_LIMITS) for _ in range(REPEATS))


def _looking(
    picture: VideoFrame, make_stage: Callable[[], KeypointStage]
) -> tuple[SeenPerson, float]:
    """Somebody seen, and what seeing them costs."""
    stage, camera = make_stage(), CameraWatch()
    people: tuple[SeenPerson, ...] = ()
    took = []

    def look(t_us: int) -> None:
        nonlocal people
        image = to_rgb(picture, MAX_SIDE)
        people = stage.look(image, t_us)
        camera.look(image, t_us, people)

    try:
        for index in range(REPEATS):
            took.append(_timed(look, index * 1_000_000 // TICK_HZ))
    finally:
        stage.close()
    if not people:
        raise GenmoError(f"the 2D stage sees nobody in {PICTURE}; install genmo-rt again")
    return people[0], _least(took)


def _posing(
    estimator: Estimator, person: SeenPerson, streams: int, *, missed: int = 0
) -> tuple[float, float]:
    """What so many streams' frames that come together cost the model's process, all of them.

    Args:
        streams: with a frame each.
        missed: ticks by which each frame is late.
    Returns:
        and what one of them costs the server.
    """
    thinker = Thinker(estimator)
    trackers = [PersonTracker(1) for _ in range(streams)]
    thought, served = [], []
    for turn in range(REPEATS):
        index = turn * (1 + missed)
        first = turn == 0
        tick = Tick(index, index / TICK_HZ, 0 if first else missed, restart=first, reset=first)
        orders: list[bytes] = []
        told: list[bytes] = []
        ordering = _timed(_order, trackers, person, tick, orders)
        thought.append(_timed(_think, thinker, orders, told))
        served.append((ordering + _timed(_publish, told, person, tick)) / streams)
    thinker([Forget(stream) for stream in range(streams)])
    return _least(thought), _least(served)


def _order(
    trackers: Sequence[PersonTracker], person: SeenPerson, tick: Tick, orders: list[bytes]
) -> None:
    """A frame of each stream, from its landmarks to what the model's process gets."""
    for stream, tracker in enumerate(trackers):
        seen = Seen(tick.index, 0, 0.0, 0.0, person.keypoints.image_size, tick, ())
        followed = Followed(seen, tracker.update((person,), tick.t))
        asked = Asked(stream, Advance(stream, 0, PublishOptions(), followed))
        orders.append(encode_asked(asked)[LENGTH.size :])


def _think(thinker: Thinker, orders: Sequence[bytes], told: list[bytes]) -> None:
    """All of it, as the process does it."""
    answers = thinker([decode_asked(order).order for order in orders])
    told.append(encode_told(Told(tuple(enumerate(answers)), thinker.figures))[LENGTH.size :])


def _publish(told: Sequence[bytes], person: SeenPerson, tick: Tick) -> None:
    """From what the model's process says to bytes for viewers."""
    for _, thought in decode_told(told[0]).answers:
        assert isinstance(thought, Thought)
        (posed,) = thought.persons
        on_wire = PosePerson.from_pose(
            posed.person, PersonState.TRACKED, posed.poses[-1][0], person.keypoints
        )
        encode_pose(PoseMessage(tick.index, 0, (on_wire,)), Space.SMPL)


def _timed(work: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> float:
    """Processor time of all the process's threads for some work, milliseconds."""
    started = time.process_time()
    work(*args, **kwargs)
    return 1e3 * (time.process_time() - started)


def _least(took: Iterable[float]) -> float:
    """What something takes when nothing disturbs it: the first decile."""
    return quantiles(took, n=10)[0]

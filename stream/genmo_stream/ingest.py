"""WebRTC → Frame: the one adapter around aiortc. Bounded; the newest decodable frame wins.

aiortc negotiates, decrypts and asks for retransmission. Between its packets and our frames it has
an unbounded queue to a decoder thread and another on the track (aiortc issues 104, 554, 1176); here
the packets go another way:

    packets → FrameAssembler → DecoderThread (at most MAX_QUEUED wait) → one newest picture → next()

Rotation: aiortc knows no video-orientation header extension, so it is not negotiated, and a phone
turns its pictures before it sends them (RFC 7742, section 4). What H.264 says about display
orientation is applied.
"""

import asyncio
import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from aioice import Candidate
from aiortc import (
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCSessionDescription,
)
from aiortc.rtp import AnyRtcpPacket, RtcpSrPacket, RtpPacket

from genmo_stream.assembler import EncodedFrame, FrameAssembler
from genmo_stream.bandwidth import BandwidthGuide
from genmo_stream.capture import CaptureTimeline
from genmo_stream.decoder import DecoderThread, Picture, to_rgb
from genmo_stream.errors import ServerFull, StreamError
from genmo_stream.frame import CaptureClock, Frame
from genmo_stream.ice import (
    MediaNetwork,
    confine,
    ice_connections,
    ice_servers,
    replace_part,
)
from genmo_stream.offer import Offer, OfferError
from genmo_stream.sensors import Sensors
from genmo_stream.wire import ErrorMessage, Space, encode_control
from genmo_stream.wire.sensors import BAD_SENSOR, CHANNEL

RETRY_AFTER_S = 5  # for a publisher that found all ports taken
WATCH_PERIOD_S = 0.25  # how often a source looks for silence
RATE_SPAN_S = 2.0  # fps_in is measured over this

logger = logging.getLogger(__name__)


class SourceEnded(StreamError):
    """The publisher is gone; the text says how it went."""


@dataclass(frozen=True, slots=True)
class IngestConfig:
    """How media comes in.

    Attributes:
        ice_interfaces: interface names or addresses media may use; empty = all.
        udp_ports: (first, last) UDP port media may use; None = any free one.
        ice_servers: "stun:HOST:PORT" or "turn:USER:PASSWORD@HOST:PORT", used here and given to
            publishers. None is contacted unless named here.
        connect_timeout_s: a publisher whose first packet takes longer is ended.
        stalled_after_s: without media for longer a source is stalled and can be taken over.
        ended_after_s: without media for longer it is ended. aioice ends it when the peer doesn't
            answer six consent checks (RFC 7675), which takes about as long.
        max_bitrate: most that a publisher is allowed, bit/s; 720p at 30 fps takes 2.5 Mbit/s.
        max_side: larger pictures are scaled down to this many pixels.
    """

    ice_interfaces: tuple[str, ...] = ()
    udp_ports: tuple[int, int] | None = None
    ice_servers: tuple[str, ...] = ()
    connect_timeout_s: float = 20.0
    stalled_after_s: float = 3.0
    ended_after_s: float = 30.0
    max_bitrate: int = 4_000_000
    max_side: int = 4096


async def answer_offer(offer: Offer, config: IngestConfig) -> tuple[str, "FrameSource"]:
    """Accepts a publisher.

    Returns:
        The SDP answer, with all our candidates, and the publisher's frames. Who takes the source
        closes it.

    Raises:
        OfferError: aiortc can't use the offer.
        ConfigError: the config names an interface or server that can't be used.
        ServerFull: all UDP ports are taken.
    """
    servers = ice_servers(config.ice_servers)
    network = MediaNetwork(config.ice_interfaces, config.udp_ports)
    addresses = network.addresses()  # a wrong config is said before anything is opened
    connection = RTCPeerConnection(RTCConfiguration(iceServers=servers))
    source: FrameSource | None = None
    try:
        try:
            await connection.setRemoteDescription(RTCSessionDescription(offer.sdp, "offer"))
        except Exception as error:  # aiortc raises whatever its parts raise
            raise OfferError(f"the offer can't be used: {error}") from error
        for ice in ice_connections(connection):
            confine(ice, network)
        for transceiver in connection.getTransceivers():
            if transceiver.kind == "video":
                codecs = {c.payloadType: c.name for c in transceiver._codecs if c.payloadType}
                source = FrameSource(connection, transceiver.receiver, codecs, config)
        assert source is not None, "read_offer lets no offer without video pass"
        await connection.setLocalDescription()
        for transceiver in connection.getTransceivers():
            if transceiver.kind == "audio":  # its packets are read and dropped
                replace_part(transceiver.receiver, "_enabled", False)
        if not all(ice.local_candidates for ice in ice_connections(connection)):
            raise ServerFull(
                f"no UDP port of {config.udp_ports} is free on {', '.join(addresses)}; try again "
                "when a stream has ended, or widen udp_ports",
                retry_after_s=RETRY_AFTER_S,
            )
        return connection.localDescription.sdp, source
    except BaseException:
        await (source.close() if source is not None else connection.close())
        raise


class FrameSource:
    """The frames of one publisher; made by `answer_offer`. Event-loop only.

    Attributes:
        last_media_monotonic: time.monotonic() when the last video packet came, or the source was
            made.
        decode_ms: time the newest frame took from encoded to RGB.
        sensors: of the publisher's device, which it may send on a data channel.
    """

    def __init__(
        self,
        connection: RTCPeerConnection,
        receiver: RTCRtpReceiver,
        codecs: dict[int, str],
        config: IngestConfig,
    ) -> None:
        self.last_media_monotonic = time.monotonic()
        self.decode_ms = 0.0
        self.sensors = Sensors()
        self._config = config
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._timeline = CaptureTimeline()
        self._assembler = FrameAssembler(codecs, self._timeline, self._decode, _now_us)
        self._decoder = DecoderThread(self._show, self._assembler.ask_keyframe)
        self._arrivals: deque[float] = deque(maxlen=256)
        self._lock = threading.Lock()  # of the next two, which the decoder's thread changes
        self._newest: Picture | None = None
        self._overtaken = 0
        self._media_seen = False
        self._channel: RTCDataChannel | None = None
        self._ended: str | None = None
        self._change = asyncio.Event()  # a picture came, or the end
        self._at_end: Callable[[], None] = _nothing
        self._gone = asyncio.Event()
        self._tap(receiver)
        connection.on("connectionstatechange", self._follow_connection)
        connection.on("datachannel", self._open_channel)
        self._watch = asyncio.create_task(self._watch_publisher(), name="publisher watch")

    @property
    def received(self) -> int:
        """Whole frames that arrived."""
        return self._assembler.received

    @property
    def dropped(self) -> int:
        """Frames that arrived and will not be handed out: undecodable, refused or overtaken."""
        return self._assembler.undecodable + self._decoder.dropped + self._overtaken

    @property
    def keyframes_asked(self) -> int:
        """Times the publisher was asked for a keyframe."""
        return self._assembler.asked

    @property
    def clock(self) -> CaptureClock:
        """Where capture times come from: "arrival" until sender reports have settled."""
        return self._timeline.clock

    @property
    def fps_in(self) -> float:
        """Frames per second that arrived during the last two seconds."""
        since = time.monotonic() - RATE_SPAN_S
        recent = [t for t in self._arrivals if t >= since]
        return (len(recent) - 1) / (recent[-1] - recent[0]) if len(recent) > 2 else 0.0

    @property
    def live(self) -> bool:
        """Whether video came during the last stalled_after_s."""
        silent_s = time.monotonic() - self.last_media_monotonic
        return self._media_seen and self._ended is None and silent_s < self._config.stalled_after_s

    @property
    def ended(self) -> bool:
        """Whether the publisher is gone."""
        return self._ended is not None

    @property
    def queued(self) -> int:
        """Packets, encoded and decoded frames held, all queues together."""
        return self._assembler.waiting + self._decoder.queued + (self._newest is not None)

    async def next(self) -> Picture:
        """The newest picture not handed out yet; waits for one.

        Raises:
            SourceEnded: the publisher is gone.
        """
        while self._ended is None:
            self._change.clear()
            picture = self.newest()
            if picture is not None:
                return picture
            await self._change.wait()
        raise SourceEnded(self._ended)

    def newest(self) -> Picture | None:
        """The newest picture not handed out yet, if there is one."""
        with self._lock:
            picture, self._newest = self._newest, None
        return picture

    def develop(self, picture: Picture) -> Frame:
        """A picture in upright RGB; takes a millisecond, in any thread, one at a time."""
        started = time.perf_counter()
        image = to_rgb(picture.frame, self._config.max_side)
        self.decode_ms = picture.decode_ms + (time.perf_counter() - started) * 1e3
        return Frame(
            image=image,
            number=picture.encoded.number,
            t_capture_us=picture.t_capture_us,
            clock=picture.clock,
            decode_ms=self.decode_ms,
        )

    def at_end(self, call: Callable[[], None]) -> None:
        """Has this called once the publisher is gone."""
        self._at_end = call

    async def add_candidates(self, candidates: Iterable[Candidate]) -> None:
        """Takes further ICE candidates of the publisher."""
        for candidate in candidates:
            for ice in ice_connections(self._connection):
                await ice.add_remote_candidate(candidate)

    async def close(self, reason: str = "the server closed the stream") -> None:
        """Ends the source and frees all it holds; waiting next() calls raise SourceEnded."""
        self._end(reason)
        await asyncio.gather(self._watch, return_exceptions=True)

    def _tap(self, receiver: RTCRtpReceiver) -> None:
        """Leads packets and sender reports here instead of to aiortc's queues."""
        replace_part(receiver, "_RTCRtpReceiver__jitter_buffer", _PacketTap(self._take))
        guide = BandwidthGuide(self._config.max_bitrate)
        replace_part(receiver, "_RTCRtpReceiver__remote_bitrate_estimator", guide)
        # An RTCP BYE is no end: browsers send one when a track pauses. DTLS tells the end.
        handle_rtcp = receiver._handle_rtcp_packet

        async def handle_rtcp_packet(packet: AnyRtcpPacket) -> None:
            if isinstance(packet, RtcpSrPacket):
                report = packet.sender_info
                self._timeline.report(report.ntp_timestamp, report.rtp_timestamp, _now_us())
            await handle_rtcp(packet)

        replace_part(receiver, "_handle_rtcp_packet", handle_rtcp_packet)

    def _open_channel(self, channel: RTCDataChannel) -> None:
        """Listens to the first channel for sensors, and closes every other one."""
        if channel.label != CHANNEL or self._channel is not None:
            channel.close()
            return
        self._channel = channel

        def take(message: str | bytes) -> None:
            complaint = self.sensors.take(message, _now_us())
            if complaint is not None and channel.readyState == "open":
                channel.send(encode_control(ErrorMessage(BAD_SENSOR, complaint), Space.SMPL))

        channel.on("message", take)

    def _take(self, packet: RtpPacket) -> tuple[bool, None]:
        self.last_media_monotonic = time.monotonic()
        self._media_seen = True
        return self._assembler.add(packet)

    def _decode(self, frame: EncodedFrame) -> None:
        self._arrivals.append(self.last_media_monotonic)
        self._decoder.put(frame)

    def _show(self, picture: Picture) -> None:
        """Takes a decoded picture, in the decoder's thread."""
        with self._lock:
            self._overtaken += self._newest is not None
            self._newest = picture
        self._loop.call_soon_threadsafe(self._change.set)

    def _end(self, reason: str) -> None:
        if self._ended is None:
            self._ended = reason
            self._gone.set()
            self._change.set()
            self._at_end()

    def _follow_connection(self) -> None:
        state = self._connection.connectionState
        if state in ("failed", "closed"):
            self._end(f"the connection to the publisher has {state}")

    async def _watch_publisher(self) -> None:
        try:
            while self._ended is None:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._gone.wait(), WATCH_PERIOD_S)
                self._end_if_silent()
        finally:
            self._end("the server is shutting down")
            logger.info("publisher ended: %s", self._ended)
            await self._connection.close()
            await asyncio.to_thread(self._decoder.close)
            self._newest = None

    def _end_if_silent(self) -> None:
        silent_s = time.monotonic() - self.last_media_monotonic
        if not self._media_seen and silent_s > self._config.connect_timeout_s:
            self._end(f"no media within {self._config.connect_timeout_s:g} s of the offer")
        elif self._media_seen and silent_s > self._config.ended_after_s:
            self._end(f"no media for {self._config.ended_after_s:g} s")


@dataclass(frozen=True, slots=True)
class _PacketTap:
    """What aiortc's receiver sees of us: a jitter buffer that never gives it a frame."""

    add: Callable[[RtpPacket], tuple[bool, None]]


def _nothing() -> None:
    """Nobody waits for the end."""


def _now_us() -> int:
    return time.time_ns() // 1000

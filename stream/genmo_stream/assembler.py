"""RTP packets become encoded frames: in order, whole, and decodable.

Stands where aiortc has its jitter buffer. That one hands a frame on when the next one's first
packet arrives, a frame's time too late; waits for a lost packet until 512 others have come, some
seconds; and feeds a decoder that can't use what follows a loss. Here a frame is whole at its
marker, a hole has LOSS_WAIT_US to be filled by retransmission, and the undecodable ends here.
"""

from collections.abc import Callable
from dataclasses import dataclass

from aiortc.rtp import RtpPacket

from genmo_stream.capture import CaptureTimeline, Unwrapper
from genmo_stream.frame import CaptureClock

LOSS_WAIT_US = 120_000  # a lost packet may come again for this long
MAX_WAITING = 1024  # packets behind a hole; a 4096 px keyframe has some hundreds
MAX_PACKETS = 4096  # packets of one frame
MAX_JUMP = 4096  # a sequence number further off means: the sender started anew
ASK_PERIOD_US = 500_000  # keyframes are asked for at most this often


@dataclass(frozen=True, slots=True)
class EncodedFrame:
    """One whole frame as the codec made it.

    Attributes:
        codec: "VP8" or "H264".
        data: the bitstream (H.264 with start codes).
        keyframe: decodable without an earlier frame.
        number: ingest frame number, from 0.
        t_capture_us: when it was captured, Unix µs.
        clock: where that is known from.
    """

    codec: str
    data: bytes
    keyframe: bool
    number: int
    t_capture_us: int
    clock: CaptureClock


@dataclass(frozen=True, slots=True)
class _Part:
    """A packet's payload without its RTP payload header, and when it came."""

    data: bytes
    payload_type: int
    rtp_time: int
    marker: bool
    arrival_us: int


class FrameAssembler:
    """Puts one track's packets together; event-loop only, bounded in memory.

    Args:
        codecs: codec name of each negotiated payload type.
        timeline: tells frames' capture times.
        deliver: takes each decodable frame.
        now_us: the server's Unix time in µs.
    """

    def __init__(
        self,
        codecs: dict[int, str],
        timeline: CaptureTimeline,
        deliver: Callable[[EncodedFrame], None],
        now_us: Callable[[], int],
    ) -> None:
        self.received = 0  # whole frames
        self.undecodable = 0  # of these, not delivered: no keyframe since a loss or the start
        self.asked = 0  # keyframes asked for
        self._codecs = codecs
        self._timeline = timeline
        self._deliver = deliver
        self._now_us = now_us
        self._sequence = Unwrapper(16)
        self._next: int | None = None  # the sequence number to go on with
        self._waiting: dict[int, _Part] = {}  # behind a hole, by sequence number
        self._frame: list[_Part] = []  # of the frame in the making
        self._broken = True  # nothing is decodable before a keyframe
        self._wanted = False
        self._asked_us = 0

    @property
    def waiting(self) -> int:
        """Packets held: behind a hole, or of a frame that isn't whole yet."""
        return len(self._waiting) + len(self._frame)

    def ask_keyframe(self) -> None:
        """Asks the sender for a keyframe with the next packet that arrives; any thread."""
        self._wanted = True

    def add(self, packet: RtpPacket) -> tuple[bool, None]:
        """Takes a packet as aiortc's JitterBuffer.add does, with its payload in `_data`.

        Returns:
            Whether to ask for a keyframe now, and None: frames go to `deliver`.
        """
        now_us = self._now_us()
        self._put(packet, now_us)
        self._go_on()
        while self._waiting and self._hole_is_lost(now_us):
            self._lose()
            self._next = min(self._waiting)
            self._go_on()
        ask = self._wanted and now_us - self._asked_us >= ASK_PERIOD_US
        if ask:
            self._asked_us = now_us
            self.asked += 1
        return ask, None

    def _put(self, packet: RtpPacket, now_us: int) -> None:
        sequence = self._sequence.next(packet.sequence_number)
        if self._next is None:
            self._next = sequence
        elif abs(sequence - self._next) > MAX_JUMP:
            self._waiting.clear()
            self._lose()
            self._next = sequence
        if sequence >= self._next:  # else it is late or a duplicate
            data: bytes = getattr(packet, "_data")  # noqa: B009  aiortc's receiver sets it
            part = _Part(data, packet.payload_type, packet.timestamp, bool(packet.marker), now_us)
            self._waiting.setdefault(sequence, part)

    def _go_on(self) -> None:
        assert self._next is not None
        while (part := self._waiting.pop(self._next, None)) is not None:
            self._next += 1
            if self._frame and self._frame[0].rtp_time != part.rtp_time:
                self._finish()  # the sender sets no markers
            if part.data:  # else padding, which probes the network
                self._frame.append(part)
            if self._frame and part.marker:
                self._finish()
            if len(self._frame) > MAX_PACKETS:
                self._lose()

    def _hole_is_lost(self, now_us: int) -> bool:
        behind_it = self._waiting[min(self._waiting)]
        return len(self._waiting) > MAX_WAITING or now_us - behind_it.arrival_us > LOSS_WAIT_US

    def _lose(self) -> None:
        self._frame.clear()
        self._broken = self._wanted = True

    def _finish(self) -> None:
        parts, self._frame = self._frame, []
        data = b"".join(part.data for part in parts)
        arrival_us = min(part.arrival_us for part in parts)
        codec = self._codecs.get(parts[0].payload_type, "")
        frame = EncodedFrame(
            codec=codec,
            data=data,
            keyframe=is_keyframe(codec, data),
            number=self.received,
            t_capture_us=self._timeline.frame(parts[0].rtp_time, arrival_us),
            clock=self._timeline.clock,
        )
        self.received += 1
        if self._broken and not frame.keyframe:
            self._wanted = True
            self.undecodable += 1
            return
        if frame.keyframe:
            self._broken = self._wanted = False
        self._deliver(frame)


def is_keyframe(codec: str, data: bytes) -> bool:
    """Whether a frame can be decoded without an earlier one.

    VP8: the frame tag's first bit is 0 and the start code follows (RFC 6386, section 9.1).
    H.264: it begins with a NAL unit and holds an IDR slice (5) or parameter set (7).
    """
    if codec == "VP8":
        return len(data) > 9 and data[0] & 1 == 0 and data[3:6] == b"\x9d\x01\x2a"
    if not data.startswith(b"\x00\x00\x00\x01"):
        return False
    at = 0
    while (at := data.find(b"\x00\x00\x01", at)) >= 0 and at + 3 < len(data):
        if data[at + 3] & 0x1F in (5, 7):
            return True
        at += 3
    return False

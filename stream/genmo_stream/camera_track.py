"""Encoded pictures as a WebRTC track whose clock is the time at which they were captured."""

import asyncio
import time
from collections import deque
from dataclasses import dataclass
from typing import Any, Protocol

import av
from aiortc import RTCRtpSender
from aiortc.mediastreams import (
    VIDEO_CLOCK_RATE,
    VIDEO_TIME_BASE,
    MediaStreamError,
    MediaStreamTrack,
)
from aiortc.rtp import AnyRtcpPacket, RtcpSrPacket

from genmo_stream.capture import NTP_TO_UNIX_S
from genmo_stream.ice import replace_part


class Shots(Protocol):
    """Encoded pictures for a camera, one per beat."""

    @property
    def fps(self) -> float:
        """Beats per second."""

    async def shoot(self, missed: int, t_us: int, *, keyframe: bool) -> bytes | None:
        """The next picture, encoded.

        Args:
            missed: beats that passed without a picture since the last one.
            t_us: when the picture is captured, Unix microseconds.
            keyframe: whether the receiver asked for one that needs none before it.
        Returns:
            Nothing (b"") where the encoder leaves this one out; None after the last.
        """


class CameraTrack(MediaStreamTrack):
    """A track of encoded pictures, each captured on its beat.

    Its RTP clock is its capture clock, and its sender reports say so: aiortc's own name the time
    at which a frame was sent, which hides what encoding took.
    """

    kind = "video"

    def __init__(self, shots: Shots) -> None:
        super().__init__()
        self.sent = 0
        self.skipped = 0
        self.started = asyncio.Event()
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._shots = shots
        self._keyframe = False
        self._beat = -1
        self._start, self._start_us = 0.0, 0
        self._handed: deque[_Handed] = deque(maxlen=2)

    def drive(self, sender: RTCRtpSender) -> None:
        """Takes the sender's keyframe requests and corrects its reports."""
        send_rtcp = sender._send_rtcp

        async def send_corrected(packets: list[AnyRtcpPacket]) -> None:
            for packet in packets:
                if isinstance(packet, RtcpSrPacket):
                    packet.sender_info.ntp_timestamp = self._ntp(packet.sender_info.ntp_timestamp)
            await send_rtcp(packets)

        replace_part(sender, "_send_rtcp", send_corrected)
        replace_part(sender, "_send_keyframe", self._ask_keyframe)

    async def recv(self) -> "av.Packet[Any]":
        """The next encoded picture, when it is due."""
        self.started.set()
        missed = await self._next_beat()
        t_us = self._start_us + round(self._beat * 1e6 / self._shots.fps)
        keyframe, self._keyframe = self._keyframe, False
        try:
            data = await self._shots.shoot(missed, t_us, keyframe=keyframe)
        except Exception as error:  # the file breaks off: said where publish() waits
            self._finish(error)
            raise MediaStreamError from error
        if data is None:
            self._finish(None)
            raise MediaStreamError
        packet: av.Packet[Any] = av.Packet(data)
        packet.pts = round(self._beat * VIDEO_CLOCK_RATE / self._shots.fps)
        packet.time_base = VIDEO_TIME_BASE
        if data:  # else the encoder left this one out to keep its bit rate
            self._handed.append(_Handed(t_us, time.time_ns() // 1000))
            self.sent += 1
        return packet

    async def _next_beat(self) -> int:
        """Sleeps to the next beat; returns how many were missed."""
        now = time.monotonic()
        self._beat += 1
        if self._beat == 0:
            self._start, self._start_us = now, time.time_ns() // 1000
        late = (now - self._start) * self._shots.fps - self._beat
        missed = max(0, int(late))
        self._beat += missed
        self.skipped += missed
        await asyncio.sleep(self._start + self._beat / self._shots.fps - now)
        return missed

    def _ask_keyframe(self) -> None:
        self._keyframe = True

    def _finish(self, error: Exception | None) -> None:
        if self.over.done():
            return
        if error is None:
            self.over.set_result(None)
        else:
            self.over.set_exception(error)

    def _ntp(self, sent_ntp: int) -> int:
        """When the frame was captured whose packets were sent last, at sent_ntp."""
        sent_us = sent_ntp * 1_000_000 // (1 << 32) - NTP_TO_UNIX_S * 1_000_000
        for handed in reversed(self._handed):
            if handed.t_us <= sent_us:
                return ((handed.t_capture_us + NTP_TO_UNIX_S * 1_000_000) << 32) // 1_000_000
        return 0  # nothing was sent yet: no clock to report


@dataclass(frozen=True, slots=True)
class _Handed:
    """A frame given to the sender: when it was captured and when it was given, Unix µs."""

    t_capture_us: int
    t_us: int

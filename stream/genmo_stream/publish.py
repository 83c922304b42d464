"""Publishes a video file to a server by WHIP (RFC 9725), in real time, as a camera would."""

import asyncio
import ssl
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, Protocol
from urllib.parse import urljoin

import av
import httpx
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import (
    VIDEO_CLOCK_RATE,
    VIDEO_TIME_BASE,
    MediaStreamError,
    MediaStreamTrack,
)
from aiortc.rtp import AnyRtcpPacket, RtcpSrPacket
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame

from genmo_rt.errors import InputError
from genmo_stream import barcode
from genmo_stream.capture import NTP_TO_UNIX_S
from genmo_stream.errors import StreamError
from genmo_stream.ice import MediaNetwork, confine, ice_connections, replace_part
from genmo_stream.playback import Luma420, Playback, planes

Codec = Literal["VP8", "H264"]
Say = Callable[[str], None]

CONNECT_TIMEOUT_S = 15.0
BITS_PER_PIXEL = 0.16  # 1.5 Mbit/s at 640 × 480 and 30 fps
# Cheapest settings that keep people sharp: 1.5 ms (VP8) and 0.9 ms (H.264) a frame at 640 × 480.
ASKED_KEYFRAMES = 3000  # as good as never: they are asked for
ENCODERS: dict[Codec, tuple[str, dict[str, str]]] = {
    "VP8": ("libvpx", {"deadline": "realtime", "cpu-used": "16", "lag-in-frames": "0"}),
    "H264": ("libx264", {"preset": "ultrafast", "tune": "zerolatency", "forced-idr": "1"}),
}


class PublishError(StreamError):
    """The server refused or ended the stream; the text says why and what to do."""


class Refused(PublishError):
    """The server took the request and said no.

    Attributes:
        status: HTTP's.
        retry_after: what its header Retry-After says, seconds as text; None without one.
    """

    def __init__(self, text: str, status: int, retry_after: str | None) -> None:
        super().__init__(text)
        self.status = status
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class SendOptions:
    """How a file is published.

    Attributes:
        loop: start over at its end, without a pause.
        size: (width, height) of the pictures; None = the file's. Proportions are kept.
        fps: pictures per second; None = the file's.
        codec: "VP8" or "H264".
        stamp: write each picture's capture time into its top rows (barcode.py).
        token: bearer token, or None.
        ca: certificates (PEM) to trust instead of the system's, for a server with its own.
    """

    loop: bool = False
    size: tuple[int, int] | None = None
    fps: float | None = None
    codec: Codec = "VP8"
    stamp: bool = False
    token: str | None = None
    ca: Path | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """What was published: frames, and beats that were skipped because we were late."""

    frames: int
    skipped: int


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


async def publish(
    path: Path, url: str, options: SendOptions = SendOptions(), say: Say = lambda line: None
) -> Sent:
    """Publishes a file until it ends or the task is cancelled; then deletes the session.

    Args:
        path: a video file.
        url: WHIP endpoint, http(s)://HOST:PORT/whip/STREAM.
        say: takes lines for the user.
    Raises:
        InputError: size or fps can't be played, or the pictures are too narrow for a stamp.
        FileFormatError: the file is no video, or breaks off.
        PublishError: the server can't be reached, refuses, or ends the stream.
    """
    playback = await asyncio.to_thread(
        Playback, path, size=options.size, fps=options.fps, loop=options.loop
    )
    if options.stamp and playback.width < barcode.MIN_WIDTH:
        playback.close()
        raise InputError(
            f"a stamp needs pictures {barcode.MIN_WIDTH} px wide; these have {playback.width}"
        )
    film = _Film(playback, options)
    try:
        return await publish_shots(
            film,
            url,
            options,
            lambda: say(
                f"publishing {path.name} as {options.codec} {playback.width}x{playback.height} "
                f"at {playback.fps:g} fps to {url}"
            ),
        )
    finally:
        await film.close()


async def publish_shots(
    shots: Shots, url: str, options: SendOptions, connected: Callable[[], None] = lambda: None
) -> Sent:
    """Publishes encoded pictures until they end or the task is cancelled.

    Args:
        shots: the pictures, in options.codec.
        url: WHIP endpoint.
        options: codec, token and ca; the rest is the pictures' own affair.
        connected: called once the server has accepted.
    Raises:
        PublishError: the server can't be reached, refuses (Refused), or ends the stream.
    """
    camera = _Camera(shots)
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    # No proxy from the environment: media goes straight to the server as well.
    async with _client(options) as http:
        session: str | None = None
        try:
            offer = await _offer(connection, camera, options.codec)
            session, answer = await _post(http, url, offer)
            await connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
            connected()
            await _until_over(connection, camera)
            return Sent(camera.sent, camera.skipped)
        finally:
            if session is not None:
                await _delete(http, session)
            await connection.close()
            camera.stop()


@dataclass(frozen=True, slots=True)
class _Handed:
    """A frame given to the sender: when it was captured and when it was given, Unix µs."""

    t_capture_us: int
    t_us: int


class _Camera(MediaStreamTrack):
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


class _Film:
    """A file's pictures, encoded as they are taken, in a thread."""

    def __init__(self, playback: Playback, options: SendOptions) -> None:
        self._playback = playback
        self._stamp = options.stamp
        size = (playback.width, playback.height)
        self._encoder = make_encoder(options.codec, size, playback.fps)
        self._worker = ThreadPoolExecutor(1, "camera")
        self._beat = -1

    @property
    def fps(self) -> float:
        return self._playback.fps

    async def shoot(self, missed: int, t_us: int, *, keyframe: bool) -> bytes | None:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._worker, self._shoot, missed, t_us, keyframe)

    async def close(self) -> None:
        """Stops reading and encoding."""
        await asyncio.to_thread(self._playback.close)
        await asyncio.to_thread(self._worker.shutdown)

    def _shoot(self, missed: int, t_us: int, keyframe: bool) -> bytes | None:
        """The next picture, stamped and encoded; None after the last. In the worker's thread."""
        self._beat += missed + 1
        for _ in range(missed):
            if self._playback.take() is None:
                return None
        picture = self._playback.take()
        if picture is None:
            return None
        if self._stamp:
            picture = _stamped(picture, t_us)
        frame = VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts = self._beat
        frame.time_base = beat_length(self._playback.fps)
        if keyframe:
            frame.pict_type = PictureType.I
        return b"".join(bytes(packet) for packet in self._encoder.encode(frame))


def make_encoder(
    codec: Codec, size: tuple[int, int], fps: float, gop_size: int = ASKED_KEYFRAMES
) -> VideoCodecContext:
    """An encoder with the cheapest settings that keep people sharp.

    Args:
        codec: "VP8" or "H264".
        size: (width, height), even.
        fps: pictures per second.
        gop_size: pictures from one keyframe to the next.
    """
    name, options = ENCODERS[codec]
    width, height = size
    rate = max(300_000, int(width * height * fps * BITS_PER_PIXEL))
    encoder = av.CodecContext.create(name, "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.framerate = Fraction(fps).limit_denominator(1001)
    encoder.time_base = beat_length(fps)
    encoder.bit_rate = rate
    encoder.gop_size = gop_size
    encoder.thread_count = 1
    encoder.options = {**options, "maxrate": str(rate), "bufsize": str(rate)}
    if codec == "H264":
        encoder.profile = "Baseline"
    return encoder


def beat_length(fps: float) -> Fraction:
    """Seconds from one picture to the next."""
    return 1 / Fraction(fps).limit_denominator(1001)


def _stamped(picture: Luma420, t_us: int) -> Luma420:
    picture = picture.copy()  # a looped clip's picture is played again
    luma, *chroma = planes(picture)
    barcode.stamp(luma, t_us)
    for plane in chroma:
        plane[: barcode.stripe_height(len(luma)) // 2] = 128
    return picture


async def _offer(connection: RTCPeerConnection, camera: _Camera, codec: Codec) -> str:
    transceiver = connection.addTransceiver(camera, direction="sendonly")
    known = RTCRtpSender.getCapabilities("video").codecs
    wanted = (f"video/{codec}".lower(), "video/rtx")
    transceiver.setCodecPreferences([c for c in known if c.mimeType.lower() in wanted])
    camera.drive(transceiver.sender)
    for ice in ice_connections(connection):
        confine(ice, MediaNetwork())  # loopback too, for a server on this machine
    await connection.setLocalDescription(await connection.createOffer())
    return connection.localDescription.sdp


async def _until_over(connection: RTCPeerConnection, camera: _Camera) -> None:
    def follow() -> None:
        if connection.connectionState in ("failed", "closed") and not camera.over.done():
            camera.over.set_exception(
                PublishError(
                    f"the connection has {connection.connectionState}: the server ended the "
                    "stream, another publisher took it over, or the network is gone"
                )
            )

    connection.on("connectionstatechange", follow)
    started = asyncio.ensure_future(camera.started.wait())
    either: set[asyncio.Future[Any]] = {started, camera.over}
    try:
        await asyncio.wait(either, timeout=CONNECT_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
        if not camera.started.is_set() and not camera.over.done():
            raise PublishError(
                f"no media connection within {CONNECT_TIMEOUT_S:g} s; let UDP pass between here "
                "and the server (`genmo-rt doctor` there shows its addresses and ports)"
            )
        await camera.over
    finally:
        started.cancel()
        connection.remove_listener("connectionstatechange", follow)


def _client(options: SendOptions) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {options.token}"} if options.token else {}
    trusted: ssl.SSLContext | bool = True
    if options.ca is not None:
        try:
            trusted = ssl.create_default_context(cafile=options.ca)
        except (OSError, ssl.SSLError) as error:
            raise InputError(
                f"--ca is {options.ca}: {error}; expected a PEM file with certificates"
            ) from error
    return httpx.AsyncClient(timeout=10, trust_env=False, headers=headers, verify=trusted)


async def _post(http: httpx.AsyncClient, url: str, offer: str) -> tuple[str | None, str]:
    """Opens the session; returns its url, if the server names one, and the SDP answer."""
    try:
        response = await http.post(url, content=offer, headers={"Content-Type": "application/sdp"})
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise PublishError(f"{url} is no url; expected http://HOST:PORT/whip/STREAM") from error
    except httpx.HTTPError as error:
        raise PublishError(
            f"{url} can't be reached ({error}); start a server with `genmo-rt serve` or check "
            "host and port"
        ) from error
    if response.status_code != httpx.codes.CREATED:
        text = f"{url} refused with {_reason(response)}"
        raise Refused(text, response.status_code, response.headers.get("retry-after"))
    location = response.headers.get("location")
    return urljoin(url, location) if location else None, response.text


def _reason(response: httpx.Response) -> str:
    """Status, what the server says about it, and when to come again."""
    try:
        said = response.json().get("detail", "")
    except (ValueError, AttributeError):
        said = response.text[:200]
    again = response.headers.get("retry-after")
    wait = f"; try again in {again} s" if again else ""
    return f"{response.status_code} {response.reason_phrase}: {said}{wait}"


async def _delete(http: httpx.AsyncClient, session: str) -> None:
    try:
        await http.delete(session, timeout=3)
    except httpx.HTTPError:
        return  # the server is gone, and the session with it

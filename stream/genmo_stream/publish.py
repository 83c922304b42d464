"""Publishes a video file to a server by WHIP (RFC 9725), in real time, as a camera would."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription

from genmo_rt.errors import InputError
from genmo_stream import barcode
from genmo_stream.camera_track import CameraTrack, Shots
from genmo_stream.encoding import Codec
from genmo_stream.film import Film
from genmo_stream.ice import MediaNetwork, confine, ice_connections
from genmo_stream.playback import Playback
from genmo_stream.whip_client import PublishError, delete_session, make_client, post_offer

Say = Callable[[str], None]

CONNECT_TIMEOUT_S = 15.0


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
    film = Film(playback, options.codec, stamp=options.stamp)
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
    camera = CameraTrack(shots)
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    # No proxy from the environment: media goes straight to the server as well.
    async with make_client(options.token, options.ca) as http:
        session: str | None = None
        try:
            offer = await _offer(connection, camera, options.codec)
            session, answer = await post_offer(http, url, offer)
            await connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
            connected()
            await _until_over(connection, camera)
            return Sent(camera.sent, camera.skipped)
        finally:
            if session is not None:
                await delete_session(http, session)
            await connection.close()
            camera.stop()


async def _offer(connection: RTCPeerConnection, camera: CameraTrack, codec: Codec) -> str:
    transceiver = connection.addTransceiver(camera, direction="sendonly")
    known = RTCRtpSender.getCapabilities("video").codecs
    wanted = (f"video/{codec}".lower(), "video/rtx")
    transceiver.setCodecPreferences([c for c in known if c.mimeType.lower() in wanted])
    camera.drive(transceiver.sender)
    for ice in ice_connections(connection):
        confine(ice, MediaNetwork())  # loopback too, for a server on this machine
    await connection.setLocalDescription(await connection.createOffer())
    return connection.localDescription.sdp


async def _until_over(connection: RTCPeerConnection, camera: CameraTrack) -> None:
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

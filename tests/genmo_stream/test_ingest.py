"""Frames from real publishers on loopback: their times, their bound, and how they end."""

import asyncio
import time
from collections.abc import Coroutine
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from aiortc import RTCPeerConnection

from genmo_stream import barcode
from genmo_stream.decoder import MAX_QUEUED
from genmo_stream.encoding import Codec
from genmo_stream.ice import replace_part
from genmo_stream.ingest import FrameSource, IngestConfig, SourceEnded
from genmo_stream.publish import SendOptions, publish
from tests.camera_server import (
    CHROMIUM_OFFER,
    Host,
    TestCamera,
    bar_picture,
    camera_server,
    make_clip,
    until,
)

LOOPBACK = IngestConfig(ice_interfaces=("127.0.0.1",))
SDP = {"Content-Type": "application/sdp"}
MAX_OLD = MAX_QUEUED + 2  # frames behind the last to come: queued, being decoded, just arrived


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(test)


async def connect(url: str, camera: TestCamera) -> None:
    async with httpx.AsyncClient(trust_env=False, timeout=20) as http:
        response = await http.post(f"{url}/whip/cam", content=await camera.offer(), headers=SDP)
        assert response.status_code == 201, response.text
        await camera.connect(response.text)


async def stop(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def aiortc_queues(source: FrameSource) -> list[int]:
    """What waits in aiortc's own queues, which have no bound."""
    connection: RTCPeerConnection = source._connection
    lengths = []
    for receiver in connection.getReceivers():
        lengths.append(getattr(receiver, "_RTCRtpReceiver__decoder_queue").qsize())  # noqa: B009
        lengths.append(getattr(receiver.track, "_queue").qsize())  # noqa: B009
        lengths.append(receiver.transport.transport._connection._queue.qsize())
    return lengths


@pytest.mark.parametrize("codec", ["VP8", "H264"])
def test_frames_come_with_the_time_at_which_they_were_captured(
    tmp_path: Path, codec: Codec
) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=30)

    async def test() -> None:
        host = Host()
        async with camera_server(host, LOOPBACK) as url:
            options = SendOptions(loop=True, codec=codec, stamp=True)
            sending = asyncio.create_task(publish(clip, f"{url}/whip/cam", options))
            await until(lambda: bool(host.published))
            source = host.published[0].source
            await until(lambda: source.clock == "sender")
            frames = await host.frames(len(host.published[0].frames) + 20)
            assert 25 < source.fps_in < 35
            assert source.decode_ms > 0
            await stop(sending)
        numbers = [frame.number for frame in frames]
        assert all(b > a for a, b in pairwise(numbers))
        assert all(b.t_capture_us > a.t_capture_us for a, b in pairwise(frames))
        assert frames[0].clock == "arrival"
        assert [frame.clock for frame in frames[-15:]] == ["sender"] * 15
        for frame in frames:
            assert frame.image.shape == (240, 320, 3)
            stamped_us = barcode.read(frame.image, frame.t_capture_us)
            assert stamped_us is not None
            late_us = frame.t_capture_us - stamped_us
            if frame.clock == "sender":
                assert abs(late_us) < 1_500  # the slew's last millisecond, and rounding
            else:
                assert -1_500 < late_us < 2_000_000
        below = slice(barcode.stripe_height(240), None)
        differences = [
            np.abs(frames[-1].image[below].astype(int) - bar_picture(i, (320, 240))[below]).mean()
            for i in range(30)
        ]
        assert min(differences) < 10

    run(test())


def test_a_slow_consumer_gets_the_newest_frame_and_queues_stay_short(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=30)

    async def test() -> None:
        host = Host(read=False)
        async with camera_server(host, LOOPBACK) as url:
            options = SendOptions(loop=True, fps=60)
            sending = asyncio.create_task(publish(clip, f"{url}/whip/cam", options))
            await until(lambda: bool(host.published))
            source = host.published[0].source
            handed, longest = 0, 0
            for _ in range(12):
                come = source.received + 12

                def enough(come: int = come) -> bool:
                    nonlocal longest
                    longest = max(longest, source.queued - source._assembler.waiting)
                    assert source._assembler.waiting < 64  # packets of one frame in the making
                    assert max(aiortc_queues(source)) < 256  # datagrams of a moment
                    return source.received >= come

                await until(enough)
                received = source.received
                frame = source.develop(await source.next())
                handed += 1
                assert frame.number >= received - 1 - MAX_OLD
            assert longest <= MAX_QUEUED + 1
            assert source.received >= 12 * 12
            assert source.dropped >= source.received - handed - MAX_QUEUED
            await stop(sending)

    run(test())


def test_a_consumer_that_comes_late_starts_with_the_newest_frame(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=30)

    async def test() -> None:
        host = Host(read=False)
        async with camera_server(host, LOOPBACK) as url:
            options = SendOptions(loop=True, fps=60)
            sending = asyncio.create_task(publish(clip, f"{url}/whip/cam", options))
            await until(lambda: bool(host.published))
            source = host.published[0].source
            await until(lambda: source.received > 60)
            received = source.received
            assert source.develop(await source.next()).number >= received - 1 - MAX_OLD
            await stop(sending)

    run(test())


def test_audio_is_taken_and_dropped_unheard() -> None:
    async def test() -> None:
        host, camera = Host(), TestCamera(audio=True)
        async with camera_server(host, LOOPBACK) as url:
            await connect(url, camera)
            await host.frames(20)
            source = host.published[0].source
            audio = next(t for t in camera.connection.getTransceivers() if t.kind == "audio")
            assert audio.currentDirection == "sendonly"
            assert max(aiortc_queues(source)) <= 2
            await camera.close()

    run(test())


def test_a_frame_4000_px_wide_comes_whole_and_a_limit_scales_it(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=6, size=(4000, 800))

    async def test() -> None:
        for limit, shape in ((4096, (800, 4000, 3)), (1000, (200, 1000, 3))):
            host = Host()
            config = IngestConfig(ice_interfaces=("127.0.0.1",), max_side=limit)
            async with camera_server(host, config) as url:
                options = SendOptions(loop=True, fps=10)
                sending = asyncio.create_task(publish(clip, f"{url}/whip/cam", options))
                frames = await host.frames(3)
                assert {frame.image.shape for frame in frames} == {shape}
                await stop(sending)

    run(test())


def test_after_lost_packets_a_keyframe_is_asked_for_and_frames_go_on() -> None:
    async def test() -> None:
        host, camera = Host(), TestCamera()
        async with camera_server(host, LOOPBACK) as url:
            await connect(url, camera)
            before = len(await host.frames(10))
            source = host.published[0].source
            sender = camera.connection.getSenders()[0]
            send, lost = sender.transport._send_rtp, 0

            async def lossy(data: bytes) -> None:
                nonlocal lost
                is_media = not 192 <= data[1] <= 223  # RFC 5761, section 4
                if is_media and lost < 15:
                    lost += 1
                else:
                    await send(data)

            async def never(sequence_number: int) -> None:
                """What is lost is asked for again in vain."""

            replace_part(sender, "_retransmit", never)
            replace_part(sender.transport, "_send_rtp", lossy)
            await until(lambda: source.keyframes_asked >= 1)
            await host.frames(before + 30)
            assert lost == 15
            assert source.dropped >= 1
            await camera.close()

    run(test())


def test_a_publisher_that_freezes_is_stalled_goes_on_and_at_last_ended() -> None:
    async def test() -> None:
        config = IngestConfig(ice_interfaces=("127.0.0.1",), stalled_after_s=0.3, ended_after_s=1.5)
        host, camera = Host(), TestCamera()
        async with camera_server(host, config) as url:
            await connect(url, camera)
            seen = len(await host.frames(5))
            source = host.published[0].source
            assert source.live
            camera.freeze()
            await until(lambda: not source.live)
            assert not source.ended
            camera.running.set()
            await host.frames(seen + 10)
            assert source.live
            camera.freeze()
            await until(lambda: host.published[0].ended is not None)
            assert host.published[0].ended == "no media for 1.5 s"
            with pytest.raises(SourceEnded, match="no media"):
                await source.next()
            await camera.close()

    run(test())


def test_a_publisher_that_vanishes_without_a_word_is_ended() -> None:
    async def test() -> None:
        config = IngestConfig(ice_interfaces=("127.0.0.1",), ended_after_s=0.5)
        host, camera = Host(), TestCamera()
        async with camera_server(host, config) as url:
            await connect(url, camera)
            await host.frames(5)
            camera.vanish()
            await until(lambda: host.published[0].ended is not None)
            assert host.published[0].ended == "no media for 0.5 s"
            await camera.close()

    run(test())


def test_a_publisher_that_closes_its_connection_ends_at_once() -> None:
    async def test() -> None:
        host, camera = Host(), TestCamera()
        async with camera_server(host, LOOPBACK) as url:
            await connect(url, camera)
            await host.frames(5)
            closed = time.monotonic()
            await camera.close()
            await until(lambda: host.published[0].ended is not None)
            assert host.published[0].ended == "the connection to the publisher has closed"
            assert time.monotonic() - closed < LOOPBACK.stalled_after_s

    run(test())


def test_a_publisher_that_never_connects_is_ended() -> None:
    async def test() -> None:
        config = IngestConfig(ice_interfaces=("127.0.0.1",), connect_timeout_s=0.3)
        host = Host()
        async with camera_server(host, config) as url, httpx.AsyncClient(trust_env=False) as http:
            response = await http.post(f"{url}/whip/cam", content=CHROMIUM_OFFER, headers=SDP)
            assert response.status_code == 201
            await until(lambda: host.published[0].ended is not None)
            assert host.published[0].ended == "no media within 0.3 s of the offer"

    run(test())


def test_closing_a_source_ends_its_waiting_reader_and_the_publisher_hears_of_it() -> None:
    async def test() -> None:
        host, camera = Host(), TestCamera()
        async with camera_server(host, LOOPBACK) as url:
            await connect(url, camera)
            await host.frames(3)
            await host.published[0].source.close("enough")
            await until(lambda: host.published[0].ended == "enough")
            await until(lambda: camera.connection.connectionState == "closed")
            await host.published[0].source.close()

    run(test())

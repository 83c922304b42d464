"""A file published as a camera would: beat, loop, size, and what goes wrong."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from numpy.typing import NDArray

from genmo_rt.errors import FileFormatError, InputError
from genmo_stream import barcode
from genmo_stream.ingest import IngestConfig
from genmo_stream.playback import AHEAD, Playback, planes
from genmo_stream.publish import SendOptions, publish
from genmo_stream.whip_client import PublishError
from tests.camera_server import Host, bar_picture, camera_server, make_clip, until

LOOPBACK = IngestConfig(ice_interfaces=("127.0.0.1",))
FRAME_US = 1_000_000 / 30


def run(test: Coroutine[Any, Any, object]) -> None:
    asyncio.run(test)


def lumas(playback: Playback, limit: int = 1000) -> list[NDArray[np.uint8]]:
    """The luma planes of the next pictures, up to the end."""
    pictures: list[NDArray[np.uint8]] = []
    while len(pictures) < limit and (picture := playback.take()) is not None:
        pictures.append(planes(picture)[0])
    playback.close()
    return pictures


def test_a_clip_plays_once_on_its_beat_and_its_session_is_deleted(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=30)

    async def test() -> None:
        host, said = Host(), list[str]()
        async with camera_server(host, LOOPBACK) as url:
            options = SendOptions(stamp=True, token="t")
            sent = await publish(clip, f"{url}/whip/cam", options, said.append)
            assert sent.frames + sent.skipped == 30
            assert said == [f"publishing clip.mp4 as VP8 320x240 at 30 fps to {url}/whip/cam"]
            await until(lambda: host.published[0].ended is not None)
            assert host.published[0].ended == "the publisher deleted its session"
        stamps = [barcode.read(f.image, f.t_capture_us) for f in host.published[0].frames]
        times = [stamp for stamp in stamps if stamp is not None]
        assert len(times) == len(stamps) > 20
        beats = [(b - a) / FRAME_US for a, b in pairwise(times)]
        assert all(abs(beat - round(beat)) < 0.001 for beat in beats)

    run(test())


def test_a_loop_goes_on_without_a_gap(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=7)
    playback = Playback(clip, size=None, fps=None, loop=True)
    pictures = lumas(playback, 21)
    for index, picture in enumerate(pictures):
        assert np.array_equal(picture, pictures[index % 7])
    assert not np.array_equal(pictures[0], pictures[1])


@pytest.mark.parametrize(("fps", "shown"), [(10, [0, 3, 6, 9]), (60, [0, 0, 1, 1, 2, 2])])
def test_another_frame_rate_repeats_or_leaves_out_pictures(
    tmp_path: Path, fps: float, shown: list[int]
) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=12)
    own = lumas(Playback(clip, size=None, fps=None, loop=False))
    assert len(own) == 12
    played = lumas(Playback(clip, size=None, fps=fps, loop=False))
    assert len(played) == 12 * fps / 30
    for picture, index in zip(played, shown, strict=False):
        assert np.array_equal(picture, own[index])


def test_another_size_keeps_proportions_between_black_bars(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=2, size=(320, 160))
    playback = Playback(clip, size=(200, 200), fps=None, loop=False)
    assert (playback.width, playback.height) == (200, 200)
    picture = playback.take()
    playback.close()
    assert picture is not None
    luma, blue, red = planes(picture)
    assert luma.shape == (200, 200)
    for plane, black, half in ((luma, 16, 1), (blue, 128, 2), (red, 128, 2)):
        assert np.all(plane[: 50 // half] == black)
        assert np.all(plane[150 // half :] == black)
    assert luma[60:140].min() > 30


def test_reading_ahead_is_bounded_and_can_be_stopped(tmp_path: Path) -> None:
    playback = Playback(make_clip(tmp_path / "c.mp4"), size=None, fps=None, loop=True)
    assert playback.take() is not None
    assert playback._queue.maxsize == AHEAD
    playback.close()
    assert playback.take() is None


def test_a_cancelled_publisher_deletes_its_session(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4")

    async def test() -> None:
        host = Host()
        async with camera_server(host, LOOPBACK) as url:
            sending = asyncio.create_task(publish(clip, f"{url}/whip/cam", SendOptions(loop=True)))
            await host.frames(3)
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            assert sending.cancelled()
            assert host.published[0].source.ended
            await until(lambda: host.published[0].ended is not None)
            assert host.published[0].ended == "the publisher deleted its session"

    run(test())


SEND = """
import asyncio, sys
from pathlib import Path
from genmo_stream.publish import SendOptions, publish
try:
    asyncio.run(publish(Path(sys.argv[1]), sys.argv[2], SendOptions(loop=True)))
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_sender_says_goodbye_and_a_killed_one_is_missed(
    tmp_path: Path, kind: signal.Signals
) -> None:
    clip = make_clip(tmp_path / "clip.mp4")

    async def test() -> None:
        config = IngestConfig(ice_interfaces=("127.0.0.1",), ended_after_s=1.0)
        host = Host()
        async with camera_server(host, config) as url:
            sender = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", SEND, str(clip), f"{url}/whip/cam"),
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
                stdout=subprocess.PIPE,
            )
            try:
                await host.frames(3)
                sender.send_signal(kind)
                said, _ = await sender.communicate()
            finally:
                with contextlib.suppress(ProcessLookupError):
                    sender.kill()
            await until(lambda: host.published[0].ended is not None)
            if kind is signal.SIGINT:
                assert said == b"interrupted\n"
                assert host.published[0].ended == "the publisher deleted its session"
            else:
                assert host.published[0].ended == "no media for 1 s"

    run(test())


def test_a_server_that_refuses_is_quoted(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=5)

    async def test() -> None:
        host = Host(room=0)
        async with camera_server(host, LOOPBACK) as url:
            with pytest.raises(PublishError, match=r"503 .* the limit; try again in 7 s"):
                await publish(clip, f"{url}/whip/cam")
            with pytest.raises(PublishError, match=r"400 .* expected 1 to 64"):
                await publish(clip, f"{url}/whip/a.b")
            with pytest.raises(PublishError, match="404 Not Found"):
                await publish(clip, f"{url}/elsewhere")
        with pytest.raises(PublishError, match=r"can't be reached .*genmo-rt serve"):
            await publish(clip, f"{url}/whip/cam")
        with pytest.raises(PublishError, match="expected http"):
            await publish(clip, "here/whip/cam")

    run(test())


def own_certificate(path: Path) -> Path:
    """A self-signed certificate for 127.0.0.1 with its key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(pem))
    return path


def test_a_servers_own_certificate_is_trusted_when_it_is_named(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=5)
    certificate = own_certificate(tmp_path / "own.pem")

    async def test() -> None:
        async with camera_server(Host(), LOOPBACK, certificate=certificate) as url:
            with pytest.raises(PublishError, match=r"can't be reached .*certificate"):
                await publish(clip, f"{url}/whip/cam", SendOptions())
            await publish(clip, f"{url}/whip/cam", SendOptions(ca=certificate))

    run(test())
    (tmp_path / "no.pem").write_text("hello")
    for name in ("no.pem", "missing.pem"):
        with pytest.raises(InputError, match=rf"{name}.*expected a PEM file"):
            run(publish(clip, "https://127.0.0.1:9/whip/cam", SendOptions(ca=tmp_path / name)))


def test_a_server_that_ends_the_stream_is_noticed(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4")

    async def test() -> None:
        host = Host()
        async with camera_server(host, LOOPBACK) as url:
            sending = asyncio.create_task(publish(clip, f"{url}/whip/cam", SendOptions(loop=True)))
            await host.frames(3)
            await host.published[0].source.close()
            with pytest.raises(PublishError, match="the server ended the stream"):
                await sending

    run(test())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (SendOptions(size=(0, 480)), r"size is \(0, 480\); expected sides from 16 to 8192 px"),
        (SendOptions(fps=0), "fps is 0; expected 1 to 120"),
        (SendOptions(stamp=True, size=(160, 120)), "a stamp needs pictures 208 px wide"),
    ],
)
def test_wishes_that_cannot_be_met_say_so(tmp_path: Path, options: SendOptions, said: str) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=2)
    with pytest.raises(InputError, match=said):
        run(publish(clip, "http://127.0.0.1:9/whip/cam", options))


def test_files_that_are_no_whole_video_say_so(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4").read_bytes()
    (tmp_path / "text.mp4").write_text("hello")
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "half.mp4").write_bytes(clip[: len(clip) // 2])
    with av.open(str(tmp_path / "sound.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        sound = AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
    for name in ("text.mp4", "empty.mp4", "half.mp4", "sound.wav", "missing.mp4"):
        with pytest.raises(FileFormatError, match=rf"{name} .*; expected a video file"):
            run(publish(tmp_path / name, "http://127.0.0.1:9/whip/cam"))


def test_a_file_that_breaks_off_says_where_once_it_is_there(tmp_path: Path) -> None:
    whole = tmp_path / "whole.mp4"
    with (
        av.open(str(make_clip(tmp_path / "clip.mp4", frames=60))) as source,
        av.open(str(whole), "w", options={"movflags": "+faststart"}) as target,
    ):
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    playback = Playback(cut, size=None, fps=None, loop=False)
    with pytest.raises(FileFormatError, match=r"cut.mp4 breaks off after \d.\d of 2.0 s"):
        lumas(playback)
    playback.close()


def test_the_first_picture_is_the_files(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=3)
    first = lumas(Playback(clip, size=None, fps=None, loop=False))[0]
    grey = bar_picture(0, (320, 240)).astype(float) @ (0.257, 0.504, 0.098) + 16
    assert np.abs(first - grey).mean() < 4

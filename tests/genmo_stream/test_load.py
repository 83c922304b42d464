"""The load generator: footage made beforehand, senders that replay it, viewers that glance."""

import argparse
import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.codeccontext import VideoCodecContext

from genmo_rt.cli.bench_live import counts
from genmo_rt.errors import InputError
from genmo_stream.encoding import Codec
from genmo_stream.ingest import IngestConfig
from genmo_stream.load.bench import LoadPoint
from genmo_stream.load.figures import COLUMNS, excess, picture, row
from genmo_stream.load.footage import EncodedLoop, encode, film, watch
from genmo_stream.load.generator import Phase, cpu_seconds
from genmo_stream.load.glance import Glance, glance
from genmo_stream.load.senders import Replay, send_video
from genmo_stream.load.watcher import Seen, Watcher
from genmo_stream.whip_client import Refused
from genmo_stream.wire import WireError, decode_pose
from genmo_stream.wire.keypoints import KeypointsMessage, parse_publisher
from tests import golden
from tests.camera_server import Host, camera_server, make_clip

LOOPBACK = IngestConfig(ice_interfaces=("127.0.0.1",))


def run(test: Coroutine[Any, Any, object]) -> None:
    asyncio.run(test)


def decoded(codec: Codec, packets: list[bytes]) -> int:
    """How many pictures a decoder that starts here gets."""
    decoder = av.CodecContext.create({"VP8": "vp8", "H264": "h264"}[codec], "r")
    assert isinstance(decoder, VideoCodecContext)
    pictures = sum(len(decoder.decode(av.Packet(packet))) for packet in packets)
    return pictures + len(decoder.decode(None))


# ---- footage ------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", ["VP8", "H264"])
def test_a_loop_decodes_from_each_of_its_keyframes_on(tmp_path: Path, codec: Codec) -> None:
    footage = film(make_clip(tmp_path / "clip.mp4", frames=70), 1, size=None, fps=None)
    loop = encode(footage, codec)
    assert loop.fps == 30
    assert len(loop.packets) == 70
    assert loop.keyframes == (0, 30, 60)
    for place in loop.keyframes:
        assert decoded(codec, list(loop.packets[place:])) == 70 - place


def test_two_copies_stand_side_by_side_and_both_are_seen(videos: Path) -> None:
    footage = film(videos / "demo.mp4", 2, size=(640, 480), fps=10)
    assert footage.size == (640, 480)
    assert len(footage.pictures) == 58  # 30 of one stretch, and back without its ends
    loop = watch(footage, 2)
    pairs = 0
    for before, after in loop.messages:
        message = parse_publisher(f'{before}"frame":7,"t_capture_us":1234567,{after}')
        assert isinstance(message, KeypointsMessage)
        assert (message.frame, message.t_capture_us) == (7, 1234567)
        assert message.image_size == (640, 480)
        middles = sorted(float(person.pixels[:, 0].mean()) for person in message.persons)
        pairs += len(middles) == 2 and middles[0] < 320 < middles[1]
    assert pairs > 40


def test_a_video_without_anybody_cannot_be_copied(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=8)
    with pytest.raises(InputError, match=r"clip.mp4: nobody is seen .* give a video with a person"):
        film(clip, 2, size=None, fps=None)
    with pytest.raises(InputError, match="nobody is seen in the video"):
        watch(film(clip, 1, size=None, fps=None), 1)


# ---- senders ------------------------------------------------------------------------------------


def test_a_keyframe_that_is_asked_for_is_the_next_one_of_the_loop() -> None:
    loop = EncodedLoop("VP8", 30.0, (b"K0", b"1", b"2", b"K3", b"4"), (0, 3))

    async def main() -> None:
        replay = Replay(loop, start=1)
        asked = (False, False, False, False, True, True, False)
        sent = [await replay.shoot(0, 0, keyframe=keyframe) for keyframe in asked]
        assert sent == [b"K3", b"4", b"K0", b"1", b"K3", b"K0", b"1"]

    run(main())


def test_replayed_packets_arrive_as_pictures(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=20)
    loop = encode(film(clip, 1, size=None, fps=None), "VP8")

    async def main() -> None:
        host = Host()
        async with camera_server(host, LOOPBACK) as url:
            sending = asyncio.create_task(send_video(url.removeprefix("http://"), "cam", loop, 0))
            frames = await host.frames(25)  # more than the loop has
            assert {frame.image.shape for frame in frames} == {(240, 320, 3)}
            steps = np.diff([frame.t_capture_us for frame in frames])
            assert steps.min() > 0
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    run(main())


def test_a_refusal_says_when_to_come_again() -> None:
    loop = EncodedLoop("VP8", 30.0, (b"K",), (0,))

    async def main() -> None:
        async with camera_server(Host(room=0), LOOPBACK) as url:
            with pytest.raises(Refused) as refused:
                await send_video(url.removeprefix("http://"), "cam", loop, 0)
            assert (refused.value.status, refused.value.retry_after) == (503, "7")

    run(main())


# ---- viewers ------------------------------------------------------------------------------------

GOLDEN = ("poses/t_pose.smpl.bin", "accepted/nobody.bin", "accepted/three_persons.bin")
LONGER = ("accepted/longer_block.bin", "accepted/longer_header.bin", "accepted/landmarks.bin")


@pytest.mark.parametrize("path", [*GOLDEN, *LONGER])
def test_a_glance_sees_what_decoding_sees(path: str) -> None:
    buffer = golden.read(path)
    pose = decode_pose(buffer)
    assert glance(buffer) == Glance(
        pose.seq,
        pose.t_capture_us,
        pose.t_publish_us,
        tuple((person.person, person.state) for person in pose.persons),
    )


@pytest.mark.parametrize("left", [0, 47, 48, 60, 479])
def test_a_cut_off_message_is_an_error(left: int) -> None:
    with pytest.raises(WireError, match="bytes"):
        glance(golden.read("poses/t_pose.smpl.bin")[:left])


def test_a_viewer_sums_up_what_was_published_in_a_time() -> None:
    watcher = Watcher("127.0.0.1:1", "cam")
    for number in range(10):
        published_us = 1_000_000 * number
        persons = ((1, 2), (4, 3)) if number < 5 else ((1, 1),)
        watcher.poses.append(Glance(number, published_us - 20_000, published_us, persons))
    seen = watcher.between(2_000_000, 6_500_000)
    assert seen.latency_ms == (20.0,) * 5
    assert seen.tracked == 3
    assert seen.ids == {1, 4}
    assert seen.rungs == frozenset()


# ---- figures ------------------------------------------------------------------------------------


def point(offered: int, latencies: list[tuple[float, ...]], *, refusals: int = 0) -> LoadPoint:
    streams = tuple(
        Seen(
            latency, tracked=len(latency), dropped=2, rungs=frozenset({"full"}), ids=frozenset({1})
        )
        for latency in latencies
    )
    return LoadPoint(
        persons=1,
        phase=Phase(
            offered=offered,
            accepted=len(streams),
            refusals=refusals,
            retry_after=frozenset({"5"} if refusals else ()),
            failures=(),
            seconds=2.0,
            streams=streams,
            server_cpu_s=3.0,
            generator_cpu_s=0.5,
        ),
    )


def test_a_row_has_every_columns_figure() -> None:
    cells = row(point(2, [(10.0,) * 60, (30.0,) * 20])).strip("| ").split(" | ")
    assert len(cells) == len(COLUMNS)
    told = dict(zip(COLUMNS, cells, strict=True))
    assert told == {
        "streams": "2",
        "persons": "1",
        "accepted": "2",
        "refused": "0",
        "poses/s each": "20.0",
        "p50 ms": "10",
        "p95 ms": "30",
        "worst stream's p95": "30",
        "tracked": "100%",
        "dropped": "4",
        "rung": "full",
        "ids": "1",
        "server CPU": "1.50",
        "generator CPU": "0.25",
    }


def test_an_excess_is_told_by_those_who_were_there_before() -> None:
    before = point(1, [(10.0,) * 9])
    after = point(3, [(12.0,) * 9, (90.0,) * 9], refusals=4)
    assert excess(before, after) == (
        "2 more offered: 1 refused (4 answers of 503, Retry-After 5); p95 of the 1 that were "
        "there: 10 ms before, 12 ms with the excess"
    )


def test_a_picture_needs_two_loads_and_skips_those_without_poses() -> None:
    one, four = point(1, [(10.0, 20.0)]), point(4, [(10.0, 40.0)])
    drawn = picture([one, four, point(6, [], refusals=6)])
    assert drawn.startswith("<svg")
    assert drawn.count("<polyline") == 2
    assert "p95" in drawn
    with pytest.raises(InputError, match="two loads"):
        picture([one])


# ---- the command --------------------------------------------------------------------------------


def test_loads_are_listed_or_counted_up() -> None:
    assert counts("4") == [4]
    assert counts("1,2,4") == [1, 2, 4]
    assert counts("2..5") == [2, 3, 4, 5]
    for wrong in ("0", "a", "1..", "1...3", "5..2", ""):
        with pytest.raises(argparse.ArgumentTypeError):
            counts(wrong)


def test_cpu_time_grows_with_work() -> None:
    before, until = cpu_seconds(os.getpid()), time.process_time() + 0.05
    while time.process_time() < until:
        pass
    assert 0.02 < cpu_seconds(os.getpid()) - before < 5


@pytest.mark.slow
def test_two_keypoint_streams_are_measured_end_to_end(videos: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "genmo_rt.cli", "bench", "live", str(videos / "demo.mp4")]
    done = subprocess.run(
        [*command, "--streams", "2", "--keypoints", "--fps", "5", "--seconds", "2"],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    cells = done.stdout.splitlines()[2].strip("| ").split(" | ")
    told = dict(zip(COLUMNS, cells, strict=True))
    assert (told["streams"], told["accepted"], told["refused"]) == ("2", "2", "0"), done.stdout
    assert float(told["poses/s each"]) > 0
    assert float(told["server CPU"]) > 0


@pytest.mark.slow
def test_one_camera_is_measured_by_the_barcode_in_its_pictures(videos: Path) -> None:
    command = [sys.executable, "-m", "genmo_rt.cli", "bench", "live", str(videos / "demo.mp4")]
    done = subprocess.run(
        [*command, "--size", "320x240", "--fps", "5", "--seconds", "2"],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "with a tracked person" in done.stdout
    assert "| glass to pose (barcode) |" in done.stdout

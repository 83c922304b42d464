"""Keypoints found where the video is against those that the server finds: the poses they give.

    .venv/bin/python scripts/compare_keypoints.py tests/fixtures/video/pose2sim_cam02.mp4 \\
        --figure docs/images/keypoints-apart.svg

Everybody sees the same pictures, 640 x 480 at 30 a second, with MediaPipe's full model:

- `send --keypoints` and the page's worker, in a real Chromium, find people in the pictures
  themselves, and their landmarks go through the messages of docs/wire.md;
- the server finds them in what `send` and a camera send: the pictures after VP8, or H.264.

Each of the four goes through the shipped estimator. What VP8 and H.264 make of one and the same
video is the poses' noise. --delegate GPU tries the browser's other way to run the model.
"""

import argparse
import asyncio
import base64
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from numpy.typing import NDArray
from playwright.async_api import async_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))

from genmo_rt.camera import Intrinsics
from genmo_rt.clock import TICK_HZ, TickClock
from genmo_rt.conditions import MIN_CONFIDENCE
from genmo_rt.estimate import Estimator
from genmo_rt.evaluation.chart import Line, draw_lines
from genmo_rt.keypoints import Keypoints
from genmo_rt.pose import Pose
from genmo_stream.encoding import Codec, make_encoder
from genmo_stream.keypoints import PeopleStage
from genmo_stream.page import WEB_ROOT
from genmo_stream.playback import Luma420, Playback
from genmo_stream.wire.keypoints import KeypointsMessage, encode_keypoints, parse_publisher
from tests.serving import ServerProcess

SIZE = (640, 480)
STEP_US = 1_000_000 // TICK_HZ
START_S = 0.5  # nobody has been found yet, or just now
HERE, PAGE, VP8, H264 = "send --keypoints", "the page", "send, VP8", "send, H.264"
PAIRS = ((HERE, PAGE), (HERE, VP8), (PAGE, VP8), (VP8, H264))
SOFTWARE_GL = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
LOOK = """async ([worker, loader, binary, delegate, pictures, stepUs]) => {
    const here = (path) => new URL(path, location.href).href;
    const watcher = new Worker(here(worker), { type: "module" });
    const told = (message, moved = []) => new Promise((resolve) => {
        watcher.onmessage = ({ data }) => resolve(data);
        watcher.postMessage(message, moved);
    });
    const model = here("/v1/models/pose_landmarker_full.task");
    const parts = { loader: here(loader), binary: here(binary), model, delegate };
    const ready = await told({ parts, limit: 1 });
    if (ready.kind !== "ready") throw new Error(ready.reason);
    const seen = [];
    for (let k = 0; k < pictures.length; k++) {
        const bytes = Uint8Array.from(atob(pictures[k]), (c) => c.charCodeAt(0));
        const picture = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
        const answer = await told({ picture, tUs: (k + 1) * stepUs }, [picture]);
        seen.push(answer.sighting);
    }
    watcher.terminate();
    return seen;
}"""
Image = NDArray[np.uint8]
Seen = list[Keypoints | None]


@dataclass(frozen=True)
class Apart:
    """How far two ways of seeing are apart.

    Attributes:
        seconds: of the pictures with a pose in both.
        landmarks: per landmark that both are sure of, % of the person's box.
        rooted: mean over the joints at each time, about the pelvis, mm.
        world: the same in the world.
    """

    seconds: NDArray[np.float64]
    landmarks: NDArray[np.float64]
    rooted: NDArray[np.float64]
    world: NDArray[np.float64]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video", type=Path)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--delegate", choices=("CPU", "GPU"), default="CPU")
    parser.add_argument("--figure", type=Path, help="an SVG of the distances over time")
    args = parser.parse_args()
    films = pictures(args.video, args.frames)
    images = [rgb(film) for film in films]
    paged, took_ms = asyncio.run(in_browser(images, args.delegate))
    seen = {
        HERE: wired(on_server(images)),
        PAGE: wired(paged),
        VP8: on_server(sent(films, "VP8")),
        H264: on_server(sent(films, "H264")),
    }
    estimator = Estimator.load()
    poses = {name: estimate(estimator, one) for name, one in seen.items()}
    aparts = {(a, b): apart((seen[a], poses[a]), (seen[b], poses[b])) for a, b in PAIRS}
    print(table(aparts))
    print(f"\n{args.delegate} in the browser: a look takes {np.median(took_ms):.0f} ms, median")
    if args.figure:
        args.figure.write_text(figure(aparts))
    return 0


def pictures(video: Path, count: int) -> list[Luma420]:
    """The first pictures of the video as a camera would take them."""
    playback = Playback(video, size=SIZE, fps=TICK_HZ, loop=False)
    films: list[Luma420] = []
    try:
        while len(films) < count and (picture := playback.take()) is not None:
            films.append(picture)
    finally:
        playback.close()
    return films


def rgb(film: Luma420) -> Image:
    """(480, 640, 3) RGB."""
    image = VideoFrame.from_ndarray(film, format="yuv420p").to_ndarray(format="rgb24")
    return image.astype(np.uint8, copy=False)


def sent(films: Sequence[Luma420], codec: Codec) -> list[Image]:
    """The pictures as the server has them: encoded as `genmo-rt send` does, and decoded."""
    encoder = make_encoder(codec, SIZE, TICK_HZ)
    decoder = av.CodecContext.create({"VP8": "vp8", "H264": "h264"}[codec], "r")
    assert isinstance(decoder, VideoCodecContext)
    images: list[Image] = []
    for k, film in enumerate([*films, None]):
        frame = None
        if film is not None:
            frame = VideoFrame.from_ndarray(film, format="yuv420p")
            frame.pts, frame.time_base = k, encoder.time_base
        for packet in [*encoder.encode(frame), *([None] if frame is None else [])]:
            decoded = decoder.decode(packet)
            images += [one.to_ndarray(format="rgb24").astype(np.uint8) for one in decoded]
    assert len(images) == len(films), "the encoder leaves pictures out"
    return images


def on_server(images: Sequence[Image]) -> Seen:
    """The first person in each picture, as the live 2D stage follows them."""
    stage = PeopleStage("full", limit=1)
    try:
        looks = [stage.look(image, (k + 1) * STEP_US) for k, image in enumerate(images)]
    finally:
        stage.close()
    return [people[0].keypoints if people else None for people in looks]


async def in_browser(images: Sequence[Image], delegate: str) -> tuple[Seen, list[float]]:
    """The same by the page's worker, and how long each look took, ms."""
    pngs = [cv2.imencode(".png", image[..., ::-1])[1].tobytes() for image in images]
    encoded = [base64.b64encode(png).decode() for png in pngs]
    assets = [asset("watcher-worker-*.js"), asset("vision_*.js"), asset("vision_*.wasm")]
    with ServerProcess() as server:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path="/usr/bin/chromium", args=["--no-sandbox", *SOFTWARE_GL]
            )
            page = await browser.new_page()
            await page.goto(f"{server.url}/favicon.svg")  # the page itself would draw
            page.set_default_timeout(0)
            seen = await page.evaluate(LOOK, [*assets, delegate, encoded, STEP_US])
            await browser.close()
    return [keypoints(one) for one in seen], [one["tookMs"] for one in seen]


def asset(pattern: str) -> str:
    (path,) = (WEB_ROOT / "assets").glob(pattern)
    return f"/assets/{path.name}"


def keypoints(sighting: Mapping[str, object]) -> Keypoints | None:
    people = sighting["people"]
    assert isinstance(people, list)
    if not people:
        return None
    (person,) = people
    pixels, visibility, world = (
        np.array(person[name], np.float32) for name in ("pixels", "visibility", "world")
    )
    return Keypoints(pixels, visibility, world, SIZE)


def wired(seen: Seen) -> Seen:
    """What a server reads of these landmarks' messages."""
    read: Seen = []
    for k, one in enumerate(seen):
        persons = () if one is None else (one,)
        message = parse_publisher(encode_keypoints(KeypointsMessage(k, k, SIZE, None, persons)))
        assert isinstance(message, KeypointsMessage)
        read.append(message.persons[0] if message.persons else None)
    return read


def estimate(estimator: Estimator, seen: Seen) -> list[Pose | None]:
    solver, clock = estimator.stream(Intrinsics.default(*SIZE)), TickClock()
    poses = []
    for k, one in enumerate(seen):
        tick = clock.admit((k + 1) * STEP_US)
        assert tick is not None
        poses.append(solver.step(tick, one))
    solver.close()
    return poses


def apart(one: tuple[Seen, list[Pose | None]], other: tuple[Seen, list[Pose | None]]) -> Apart:
    landmarks = []
    for a, b in zip(one[0], other[0], strict=True):
        if a is None or b is None:
            continue
        sure = (a.confidence >= MIN_CONFIDENCE) & (b.confidence >= MIN_CONFIDENCE)
        box = float(np.ptp(a.pixels, axis=0).max())
        landmarks.append(np.linalg.norm(a.pixels - b.pixels, axis=1)[sure] / box * 100)
    both = [
        (k * STEP_US / 1e6, a.joints, b.joints)
        for k, (a, b) in enumerate(zip(one[1], other[1], strict=True))
        if a is not None and b is not None and k * STEP_US / 1e6 >= START_S
    ]
    rooted = [np.linalg.norm((a - a[0]) - (b - b[0]), axis=1).mean() * 1e3 for _, a, b in both]
    world = [np.linalg.norm(a - b, axis=1).mean() * 1e3 for _, a, b in both]
    seconds = np.array([t for t, _, _ in both])
    return Apart(seconds, np.concatenate(landmarks), np.array(rooted), np.array(world))


def table(aparts: Mapping[tuple[str, str], Apart]) -> str:
    rows = [
        "| mean / median / p95 | landmarks, % of the box | joints about the pelvis, mm "
        "| joints in the world, mm |",
        "|---|---|---|---|",
    ]
    for (a, b), one in aparts.items():
        figures = " | ".join(_three(v) for v in (one.landmarks, one.rooted, one.world))
        rows.append(f"| {a} to {b} | {figures} |")
    return "\n".join(rows)


def _three(values: NDArray[np.float64]) -> str:
    return " / ".join(
        f"{value:.2f}" for value in (values.mean(), np.median(values), np.percentile(values, 95))
    )


def figure(aparts: Mapping[tuple[str, str], Apart]) -> str:
    lines = [Line(f"{a} to {b}", one.seconds, one.rooted) for (a, b), one in aparts.items()]
    return draw_lines(lines, "seconds", "joints apart about the pelvis, mm")


if __name__ == "__main__":
    sys.exit(main())

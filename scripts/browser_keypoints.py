"""The page's 2D stage against the server's on the same pictures of a video.

    .venv/bin/python scripts/browser_keypoints.py tests/fixtures/video/demo.mp4 --frames 90

Both see the same PNGs, 640 x 480 at 30 a second: MediaPipeStage here, the page's worker in a real
Chromium. Prints how far their landmarks are apart, and the poses estimated from them; beside it
what JPEG does to the server's own, as a measure of their noise.
"""

import argparse
import asyncio
import base64
import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray
from playwright.async_api import async_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))

from genmo_rt.camera import Intrinsics
from genmo_rt.clock import TICK_HZ, TickClock
from genmo_rt.conditions import MIN_CONFIDENCE
from genmo_rt.estimate import Estimator
from genmo_rt.keypoints import Keypoints
from genmo_rt.pose import Pose
from genmo_stream.keypoints import MediaPipeStage
from genmo_stream.page import WEB_ROOT
from genmo_stream.playback import Playback
from tests.serving import ServerProcess

SIZE = (640, 480)
STEP_US = 1_000_000 // TICK_HZ
LOOK = """async ([worker, loader, binary, pictures, stepUs]) => {
    const here = (path) => new URL(path, location.href).href;
    const watcher = new Worker(here(worker), { type: "module" });
    const told = (message, moved = []) => new Promise((resolve) => {
        watcher.onmessage = ({ data }) => resolve(data);
        watcher.postMessage(message, moved);
    });
    const model = here("/v1/models/pose_landmarker_full.task");
    const parts = { loader: here(loader), binary: here(binary), model };
    const ready = await told({ parts });
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


@dataclass(frozen=True)
class Seen:
    """What one 2D stage saw: landmarks by frame, and the time each look took."""

    keypoints: list[Keypoints | None]
    took_ms: list[float]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video", type=Path)
    parser.add_argument("--frames", type=int, default=90)
    args = parser.parse_args()
    images = pictures(args.video, args.frames)
    here = on_server(images)
    noisy = on_server([compressed(image) for image in images])
    there = asyncio.run(in_browser(images))
    print(table(here, there, noisy))
    return 0


def pictures(video: Path, count: int) -> list[Image]:
    """The first pictures of the video as a camera would send them, (480, 640, 3) RGB."""
    playback = Playback(video, size=SIZE, fps=TICK_HZ, loop=False)
    images = []
    try:
        while len(images) < count and (picture := playback.take()) is not None:
            image = VideoFrame.from_ndarray(picture, format="yuv420p").to_ndarray(format="rgb24")
            images.append(image.astype(np.uint8, copy=False))
    finally:
        playback.close()
    return images


def compressed(image: Image) -> Image:
    """The picture after JPEG at quality 80: noise that a pose should not mind."""
    data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])[1]
    return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1], np.uint8)


def on_server(images: list[Image]) -> Seen:
    with MediaPipeStage("full") as stage:
        keypoints = [stage.detect(image, (k + 1) * STEP_US) for k, image in enumerate(images)]
    return Seen(keypoints, [])


async def in_browser(images: list[Image]) -> Seen:
    pngs = [cv2.imencode(".png", image[..., ::-1])[1].tobytes() for image in images]
    encoded = [base64.b64encode(png).decode() for png in pngs]
    assets = [asset("watcher-worker-*.js"), asset("vision_*.js"), asset("vision_*.wasm")]
    with ServerProcess() as server:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path="/usr/bin/chromium", args=["--no-sandbox"]
            )
            page = await browser.new_page()
            await page.goto(f"{server.url}/favicon.svg")  # the page itself would draw
            page.set_default_timeout(0)
            seen = await page.evaluate(LOOK, [*assets, encoded, STEP_US])
            await browser.close()
    return Seen([keypoints(one) for one in seen], [one["tookMs"] for one in seen])


def asset(pattern: str) -> str:
    (path,) = (WEB_ROOT / "assets").glob(pattern)
    return f"/assets/{path.name}"


def keypoints(sighting: dict[str, object]) -> Keypoints | None:
    person = sighting["person"]
    if not isinstance(person, dict):
        return None
    pixels, visibility, world = (
        np.array(person[name], np.float32) for name in ("pixels", "visibility", "world")
    )
    return Keypoints(pixels, visibility, world, SIZE)


def table(here: Seen, there: Seen, noisy: Seen) -> str:
    """Browser against server, beside server against itself on compressed pictures."""
    estimator = Estimator.load()
    columns = [differences(estimator, here, other) for other in (there, noisy)]
    rows = [
        "| | browser to server | JPEG to PNG, both on the server |",
        "|---|---|---|",
        *(f"| {name} | {columns[0][name]} | {columns[1][name]} |" for name in columns[0]),
        f"| a look in the browser, ms: median | {np.median(there.took_ms):.0f} | |",
    ]
    return "\n".join(rows)


def differences(estimator: Estimator, here: Seen, there: Seen) -> dict[str, str]:
    pairs = list(zip(here.keypoints, there.keypoints, strict=True))
    both = [(a, b) for a, b in pairs if a is not None and b is not None]
    apart = []
    for a, b in both:
        sure = (a.confidence >= MIN_CONFIDENCE) & (b.confidence >= MIN_CONFIDENCE)
        box = float(np.ptp(a.pixels, axis=0).max())
        apart.append(np.linalg.norm(a.pixels - b.pixels, axis=1)[sure] / box * 100)
    landmarks = np.concatenate(apart)
    visibility = np.mean([np.abs(a.confidence - b.confidence).mean() for a, b in both])
    joints = [
        (one.joints, other.joints)
        for one, other in zip(estimate(estimator, here), estimate(estimator, there), strict=True)
        if one is not None and other is not None
    ]
    world = [np.linalg.norm(a - b, axis=1).mean() * 1e3 for a, b in joints]
    rooted = [np.linalg.norm((a - a[0]) - (b - b[0]), axis=1).mean() * 1e3 for a, b in joints]
    return {
        "pictures with somebody in both": f"{len(both)} of {len(pairs)}",
        "landmarks, % of the box: mean / median / p95": _three(landmarks),
        "visibility, mean": f"{visibility:.3f}",
        "joints about the pelvis, mm: mean / median / p95": _three(np.array(rooted)),
        "joints in the world, mm: mean / median / p95": _three(np.array(world)),
    }


def _three(values: NDArray[np.floating]) -> str:
    return " / ".join(
        f"{value:.2f}" for value in (values.mean(), np.median(values), np.percentile(values, 95))
    )


def estimate(estimator: Estimator, seen: Seen) -> list[Pose | None]:
    solver, clock = estimator.stream(Intrinsics.default(*SIZE)), TickClock()
    poses = []
    for k, keypoints in enumerate(seen.keypoints):
        tick = clock.admit((k + 1) * STEP_US)
        assert tick is not None
        poses.append(solver.step(tick, keypoints))
    solver.close()
    return poses


if __name__ == "__main__":
    sys.exit(main())

"""Chromium as camera, publisher and viewer of a server on the same machine: rate and latency.

    .venv/bin/python scripts/bench_browser.py tests/fixtures/video/demo.mp4 --seconds 60

Chromium plays the video as its camera (640 × 480, 30 fps) and draws the body in software; a second
viewer reads the server's ledger. Prints both.
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.async_api import async_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))

from genmo_stream.bench import figures, watch
from tests.serving import ServerProcess

FLAGS = (
    "--no-sandbox",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--disable-features=WebRtcHideLocalIpsWithMdns",
    "--allow-loopback-in-peer-connection",
    "--disable-background-networking",
)
FIT = "fps=30,scale=-2:480,crop='min(iw,640)':480,pad=640:480:(ow-iw)/2:0"
SAMPLE_S = 1.0


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video", type=Path)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--screenshots", type=Path, help="folder for a picture every 5 s")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ServerProcess() as server:
        camera = Path(folder) / "camera.mjpeg"
        await asyncio.to_thread(film, args.video, camera)
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path="/usr/bin/chromium",
                args=[*FLAGS, f"--use-file-for-fake-video-capture={camera}"],
            )
            page = await browser.new_page(viewport={"width": 1280, "height": 800})
            await page.goto(f"{server.url}/?stream=bench")
            await page.wait_for_selector("#app[data-body=ready]")
            url = server.url.replace("http", "ws") + "/v1/streams/bench/poses"
            watching = asyncio.create_task(watch(url, args.seconds))
            await page.click("#start")
            shown: list[float] = []
            while not watching.done():
                await asyncio.sleep(SAMPLE_S)
                text = await page.inner_text("#latency")
                shown += [float(text)] if text.replace(".", "").isdigit() else []
                if args.screenshots and len(shown) % 5 == 0:
                    await page.screenshot(path=args.screenshots / f"page-{len(shown):03d}.png")
            await browser.close()
    print(figures(watching.result(), {}))
    shown.sort()
    if shown:
        print(
            f"| capture to drawn, as the page shows it | {shown[len(shown) // 2]:.0f} "
            f"| {shown[len(shown) * 95 // 100]:.0f} |"
        )
    return 0


def film(video: Path, camera: Path) -> None:
    """Writes the video in the form that Chromium plays as a camera."""
    command = ["ffmpeg", "-v", "error", "-i", str(video), "-vf", FIT]
    subprocess.run([*command, "-pix_fmt", "yuvj420p", "-q:v", "3", str(camera)], check=True)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))

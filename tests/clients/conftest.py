"""What the browser tests share: a video as a camera, and a Chromium that has it."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.clients.browsing import chromium


@pytest.fixture(scope="session")
def camera(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video in the form that Chromium plays as a camera."""
    path = tmp_path_factory.mktemp("camera") / "camera.mjpeg"
    fit = "scale=640:480:force_original_aspect_ratio=decrease:force_divisible_by=2"
    filters = f"fps=30,{fit},pad=640:480:(ow-iw)/2:(oh-ih)/2"
    command = ["ffmpeg", "-v", "error", "-i", str(videos / "demo.mp4"), "-vf", filters]
    command += ["-pix_fmt", "yuvj420p", "-q:v", "3", str(path)]
    subprocess.run(command, check=True)
    return path


@pytest.fixture
def browser(camera: Path) -> Iterator[Browser]:
    """A Chromium with the video as its camera, and cameras allowed."""
    allowed = "--use-fake-ui-for-media-stream"
    with chromium(allowed, f"--use-file-for-fake-video-capture={camera}") as browser:
        yield browser

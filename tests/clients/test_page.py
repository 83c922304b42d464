"""The page in a real Chromium against a real server, with a video file as its camera."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Page,
    Request,
    TimeoutError,
    sync_playwright,
)

from tests.serving import ServerProcess

pytestmark = pytest.mark.browser

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox",
    "--use-fake-device-for-media-stream",
    "--disable-features=WebRtcHideLocalIpsWithMdns",
    "--allow-loopback-in-peer-connection",
    "--disable-background-networking",
)
SCREENSHOTS = Path(__file__).parents[2] / "test-results"
WAIT_MS = 60_000  # two busy cores decode, track, encode and draw in software all at once
# Without a graphics chip Chromium reads every drawn canvas back and remarks on it.
NOT_OURS = "GL Driver Message"


class OpenedPage:
    """A page with what its console said and what it asked the server to do."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        page.on("request", self._request)

    def wait(self, **states: str) -> None:
        """Waits until the data attributes that say where the page stands have these values."""
        wanted = "".join(f'[data-{k.replace("_", "-")}="{v}"]' for k, v in states.items())
        try:
            self.page.wait_for_selector(f"#app{wanted}", timeout=WAIT_MS)
        except TimeoutError as error:
            now = self.page.evaluate("({...document.getElementById('app').dataset})")
            raise AssertionError(f"waited for {states}; the page says {now}") from error

    def wait_for_poses(self, more: int) -> None:
        """Waits until so many more poses were drawn."""
        drawn = int(self.page.get_attribute("#app", "data-poses") or 0)
        self.page.wait_for_function(
            "least => Number(document.getElementById('app').dataset.poses) >= least",
            arg=drawn + more,
            timeout=WAIT_MS,
        )

    def screenshot(self, name: str) -> None:
        """Keeps a picture of the page for people to look at."""
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png")

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and NOT_OURS not in message.text:
            where = message.location["url"]
            self.complaints.append(f"{message.type}: {message.text} ({where})")

    def _request(self, request: Request) -> None:
        self.requests.append(f"{request.method} {request.url}")


@pytest.fixture(scope="module")
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


@contextmanager
def chromium(*flags: str) -> Iterator[Browser]:
    # Started and ended within each test: Playwright's event loop would be in others' way.
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *flags])
        try:
            yield browser
        finally:
            browser.close()


def open_page(browser: Browser, url: str, *, phone: bool = False) -> OpenedPage:
    width, height = (390, 844) if phone else (1280, 800)
    context = browser.new_context(
        viewport={"width": width, "height": height}, is_mobile=phone, has_touch=phone
    )
    opened = OpenedPage(context.new_page())
    opened.page.goto(url)
    return opened


def test_start_shows_a_tracked_body_and_stop_ends_the_stream(
    live_server: ServerProcess, browser: Browser
) -> None:
    """Camera, WHIP, poses, drawn body; for the publisher and for a viewer on a phone."""
    viewer = open_page(browser, f"{live_server.url}/?stream=room&view=1", phone=True)
    viewer.wait(connection="open", body="ready", stream_state="waiting")
    page = open_page(browser, f"{live_server.url}/?stream=room")
    page.wait(connection="open", body="ready", publish="idle")
    page.screenshot("page-ready")

    page.page.click("#start")
    page.wait(publish="live", stream_state="live", person="tracked")
    page.wait_for_poses(30)
    page.screenshot("page-tracked")
    assert page.page.inner_text("#status") == "Tracking"
    assert int(page.page.inner_text("#latency")) > 0
    viewer.page.bring_to_front()
    viewer.wait(stream_state="live", person="tracked")
    viewer.wait_for_poses(15)
    viewer.screenshot("page-viewer-phone")
    page.page.bring_to_front()
    page.page.click("#start")
    page.wait(publish="idle", stream_state="ended", person="none")
    viewer.wait(stream_state="ended")

    assert any(r.startswith("DELETE ") and "/whip/room/" in r for r in page.requests)
    assert httpx.get(f"{live_server.url}/v1/streams/room").json()["state"] == "ended"
    assert not any("/whip/" in request for request in viewer.requests)
    assert all(live_server.url in request for request in page.requests + viewer.requests)
    assert page.complaints == []
    assert viewer.complaints == []


def test_a_video_file_plays_as_the_camera(
    live_server: ServerProcess, browser: Browser, videos: Path
) -> None:
    """Choosing a file starts it; cam03's man is tracked over the file's end and start."""
    page = open_page(browser, f"{live_server.url}/?stream=file")
    page.wait(connection="open", body="ready")
    page.page.set_input_files("#file", videos / "pose2sim_cam03.mp4")
    page.wait(publish="live", stream_state="live", person="tracked")
    page.wait_for_poses(75)  # the file has 50 ticks
    page.screenshot("page-file")
    assert page.page.locator("#camera option:checked").inner_text() == "pose2sim_cam03.mp4"
    assert page.complaints == []


def test_leaving_the_page_ends_the_stream(live_server: ServerProcess, browser: Browser) -> None:
    """The DELETE outlives the page."""
    page = open_page(browser, f"{live_server.url}/?stream=leaving")
    viewer = open_page(browser, f"{live_server.url}/?stream=leaving&view=1")
    page.page.click("#start")
    viewer.wait(stream_state="live")
    page.page.goto("about:blank")
    viewer.wait(stream_state="ended")


def test_a_denied_camera_is_explained(live_server: ServerProcess) -> None:
    """Nobody answers a headless browser's prompt, which denies it."""
    with chromium() as browser:
        page = open_page(browser, f"{live_server.url}/?stream=denied")
        page.wait(connection="open")
        page.page.click("#start")
        page.page.wait_for_selector("#notice:visible", timeout=WAIT_MS)
        assert "camera is not allowed" in page.page.inner_text("#notice")
        assert page.page.inner_text("#start") == "Start"
        page.screenshot("page-denied")
        assert page.complaints == []


def test_a_stream_that_someone_else_publishes_is_explained(
    live_server: ServerProcess, browser: Browser
) -> None:
    """The second publisher is told; it sees the first one's body all the same."""
    first = open_page(browser, f"{live_server.url}/?stream=shared")
    first.page.click("#start")
    first.wait(publish="live", stream_state="live")
    second = open_page(browser, f"{live_server.url}/?stream=shared")
    second.wait(stream_state="live")
    second.page.click("#start")
    second.wait(publish="refused")
    assert "Someone else is publishing" in second.page.inner_text("#notice")
    second.wait_for_poses(5)
    first.page.bring_to_front()
    first.wait(publish="live", stream_state="live")
    first.wait_for_poses(5)


def test_the_same_token_takes_a_stream_over_and_keeps_it(
    live_server: ServerProcess, browser: Browser
) -> None:
    """The page that lost its stream says so and does not fight for it."""
    first = open_page(browser, f"{live_server.url}/?stream=moved#token=mine")
    first.page.click("#start")
    first.wait(publish="live", stream_state="live")
    second = open_page(browser, f"{live_server.url}/?stream=moved#token=mine")
    second.wait(stream_state="live")
    second.page.click("#start")
    second.wait(publish="live")
    first.wait(publish="refused", stream_state="live")
    assert "Someone else is publishing" in first.page.inner_text("#notice")
    second.wait(publish="live", stream_state="live")
    second.wait_for_poses(5)
    assert second.complaints == []


def test_the_page_comes_back_when_the_server_does(browser: Browser) -> None:
    """Both the websocket and the publisher reconnect by themselves."""
    with ServerProcess() as server:
        page = open_page(browser, f"{server.url}/?stream=steady")
        page.page.click("#start")
        page.wait(publish="live", stream_state="live")
        server.stop()
        page.wait(connection="retrying")
        page.screenshot("page-server-gone")
        server.start()
        page.wait(connection="open", publish="live", stream_state="live")
        page.wait_for_poses(15)
        assert not any(complaint.startswith("uncaught") for complaint in page.complaints)


def test_a_full_server_is_explained_and_asked_again(browser: Browser) -> None:
    """The page waits as long as the server says and starts when there is room."""
    with ServerProcess("--max-streams", "1") as server:
        first = open_page(browser, f"{server.url}/?stream=first")
        first.page.click("#start")
        first.wait(publish="live")
        second = open_page(browser, f"{server.url}/?stream=second")
        second.page.click("#start")
        second.wait(publish="retrying")
        assert "server is full" in second.page.inner_text("#notice")
        first.page.click("#start")
        second.wait(publish="live")
        assert not second.page.is_visible("#notice")

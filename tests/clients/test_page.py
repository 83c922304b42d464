"""The page in a real Chromium against a real server, with a video file as its camera."""

from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser

from tests.clients.browsing import WAIT_MS, chromium, open_page
from tests.serving import ServerProcess

pytestmark = pytest.mark.browser


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
    # On a busy machine the two people of the video are lost for moments: it says so, and goes on.
    page.page.wait_for_selector(
        "#status-text:text-matches('^(Tracking|Partly hidden)$')", timeout=WAIT_MS
    )
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

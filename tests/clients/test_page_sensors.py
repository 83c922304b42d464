"""The page's motion sensors, from the browser's events to what the server says about them."""

import pytest
from playwright.sync_api import Browser

from tests.clients.browsing import WAIT_MS, open_page
from tests.serving import ServerProcess

pytestmark = pytest.mark.browser

BACK_CAMERA = """() => {
  const settings = MediaStreamTrack.prototype.getSettings;
  MediaStreamTrack.prototype.getSettings = function () {
    return { ...settings.call(this), facingMode: "environment" };
  };
}"""
SPIN = """() => void setInterval(() => {
  const alpha = 360 - ((performance.now() * 0.12) % 360);  // 120 degrees a second
  const orientation = { alpha, beta: 90, gamma: 0 };
  window.dispatchEvent(new DeviceOrientationEvent("deviceorientation", orientation));
}, 16)"""


def test_a_spinning_sensor_before_a_still_background_is_said_to_lie(
    live_server: ServerProcess, browser: Browser
) -> None:
    """Orientation events, data channel, background, control error, notice; poses go on."""
    page = open_page(browser, f"{live_server.url}/?stream=spinning")
    page.page.evaluate(BACK_CAMERA)
    page.page.evaluate(SPIN)
    page.page.click("#start")
    page.wait(publish="live", stream_state="live", person="tracked")
    page.page.wait_for_selector("#notice:visible", timeout=WAIT_MS)
    assert "sensors of this camera are ignored" in page.page.inner_text("#notice")
    page.wait_for_poses(10)
    page.wait(person="tracked")
    assert page.complaints == []

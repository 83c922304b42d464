"""The page tells how wide the camera sees (known by its name, or typed) and how tall people are."""

from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page, Request

from tests.clients.browsing import WAIT_MS, OpenedPage
from tests.serving import ServerProcess

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# Chromium's made-up camera gets the name of one that is sold.
NAMED = """
    Object.defineProperty(MediaStreamTrack.prototype, "label", {
        get() { return "HD Pro Webcam C920 (046d:082d)"; },
    });
"""


def test_a_known_camera_is_told_and_what_is_typed_goes_before_it(
    live_server: ServerProcess, browser: Browser
) -> None:
    context = browser.new_context()
    context.add_init_script(NAMED)
    page = OpenedPage(context.new_page()).page
    page.goto(f"{live_server.url}/?stream=angle")
    with page.expect_request(publishing, timeout=WAIT_MS) as asked:
        page.click("#start")
    assert angle(asked.value.url) == pytest.approx(55.8, abs=0.1)  # 4:3 of 70.4 degrees in 16:9
    assert page.get_attribute("#fov", "placeholder") == "55.8"
    with page.expect_request(publishing, timeout=WAIT_MS) as asked:
        retype(page, "64.5")
    assert angle(asked.value.url) == 64.5
    with page.expect_request(publishing, timeout=WAIT_MS) as asked:
        retype(page, "")
    assert angle(asked.value.url) == pytest.approx(55.8, abs=0.1)
    context.close()


def test_an_unknown_camera_is_guessed_and_no_angle_that_cannot_be_is_sent(
    live_server: ServerProcess, browser: Browser
) -> None:
    context = browser.new_context()
    opened = OpenedPage(context.new_page())
    page = opened.page
    page.goto(f"{live_server.url}/?stream=guess")
    with page.expect_request(publishing, timeout=WAIT_MS) as asked:
        page.click("#start")
    assert "fov" not in asked.value.url
    assert page.get_attribute("#fov", "placeholder") == "guessed"
    retype(page, "400")
    assert page.evaluate("document.querySelector('#fov').validity.rangeOverflow")
    with page.expect_request(publishing, timeout=WAIT_MS) as asked:
        retype(page, "80")
    assert angle(asked.value.url) == 80
    told = [
        request for request in opened.requests if request.startswith("POST") and "fov=" in request
    ]
    assert {angle(request.split(" ", 1)[1]) for request in told} == {80}
    context.close()


def test_a_height_that_is_typed_is_told_and_taken_back(
    live_server: ServerProcess, browser: Browser
) -> None:
    context = browser.new_context()
    opened = OpenedPage(context.new_page())
    page = opened.page
    page.goto(f"{live_server.url}/?stream=height&height_m=1.9")
    with page.expect_request(publishing, timeout=WAIT_MS) as asked:
        page.click("#start")
    assert height(asked.value.url) == 1.9
    assert page.input_value("#height") == "1.9"
    retype(page, "5", "#height")
    assert page.evaluate("document.querySelector('#height').validity.rangeOverflow")
    with page.expect_request(publishing, timeout=WAIT_MS) as asked:
        retype(page, "1.64", "#height")
    assert height(asked.value.url) == 1.64
    with page.expect_request(publishing, timeout=WAIT_MS) as asked:
        retype(page, "", "#height")
    assert "height_m" not in asked.value.url
    opened.wait(publish="live", stream_state="live", person="tracked")
    assert opened.complaints == []
    context.close()


def publishing(asked: Request) -> bool:
    return asked.method == "POST" and "/whip/" in asked.url


def retype(page: Page, text: str, where: str = "#fov") -> None:
    page.fill(where, text)
    page.locator(where).blur()


def angle(url: str) -> float:
    return told_number(url, "fov")


def height(url: str) -> float:
    return told_number(url, "height_m")


def told_number(url: str, name: str) -> float:
    (told,) = parse_qs(urlsplit(url).query)[name]
    return float(told)

"""A real Chromium with the page in it, for tests: what it says, shows and asks for."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Page,
    Request,
    TimeoutError,
    sync_playwright,
)

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

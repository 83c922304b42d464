"""Takes and outputs on the page, in a real Chromium against a real server."""

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from playwright.sync_api import Browser

from genmo_rt.estimate import Estimator
from tests.clients.browsing import WAIT_MS, OpenedPage, open_page
from tests.genmo_stream import recorded
from tests.serving import ServerProcess

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with one take in its folder: two seconds of the walker of other tests."""
    folder = tmp_path_factory.mktemp("takes")
    recorded.record_walk(folder, Estimator.load(), seconds=2.0)
    with ServerProcess("--takes-dir", str(folder)) as server:
        yield server


def test_a_take_is_recorded_listed_renamed_and_deleted(
    server: ServerProcess, browser: Browser
) -> None:
    """The record button and the list say what the server has, at every step."""
    before = takes(server)
    page = open_page(browser, f"{server.url}/?stream=room")
    page.wait(connection="open", body="ready")
    assert page.page.is_disabled("#record")
    page.page.click("#start")
    page.wait(publish="live", stream_state="live", person="tracked")

    page.page.click("#record")
    page.page.wait_for_selector("#record[data-recording=true]", timeout=WAIT_MS)
    page.wait_for_poses(10)
    page.page.wait_for_selector(".take-facts:has-text('recording, 0:')", timeout=WAIT_MS)
    assert takes(server)[0]["recording"]
    page.page.click("#record")
    page.page.wait_for_selector("#record[data-recording=false]", timeout=WAIT_MS)
    page.page.click("#start")
    page.wait(publish="idle", stream_state="ended")
    assert page.page.is_disabled("#record")

    new = takes(server)[0]
    assert (new["recording"], new["ended"], new["stream"]) == (False, "stopped", "room")
    assert new["frames"] >= 10
    assert page.page.locator("#take-list > li").count() == len(before) + 1
    row = page.page.locator(f"[data-take='{new['id']}']")
    row.locator("summary").click()
    row.get_by_role("button", name="Rename").click()
    row.get_by_label("New name").fill("walk about")
    page.page.keyboard.press("Enter")
    row.locator(".take-name:has-text('walk about')").wait_for(timeout=WAIT_MS)
    assert takes(server)[0]["name"] == "walk about"
    row.get_by_role("button", name="Delete").click()
    assert len(takes(server)) == len(before) + 1  # it asks first
    row.get_by_role("button", name="Delete for good?").click()
    row.wait_for(state="detached", timeout=WAIT_MS)
    assert takes(server) == before
    assert page.complaints == []


def test_a_take_is_previewed_downloaded_solved_again_and_compared(
    server: ServerProcess, browser: Browser, tmp_path: Path
) -> None:
    """All that can be done with a take without a camera."""
    page = open_page(browser, f"{server.url}/?stream=room")
    page.wait(connection="open", body="ready")
    row = page.page.locator(f"[data-take='{takes(server)[-1]['id']}']")
    page.page.click("#takes summary")
    row.locator("summary").click()
    row.get_by_role("button", name="Preview").click()
    wait_for_people(page, 1)
    page.page.click("#player-toggle")
    page.page.focus("#player-time")
    page.page.keyboard.press("End")
    page.page.wait_for_selector("#player-clock:has-text('2.0 / 2.0 s')", timeout=WAIT_MS)
    at_end = hips(page)[0]
    page.page.keyboard.press("Home")
    page.page.wait_for_selector("#player-clock:has-text('0.0 / 2.0 s')", timeout=WAIT_MS)
    page.page.wait_for_function(
        "end => Math.hypot(...genmoInspect()[0].joints[0].map((v, i) => v - end[i])) > 0.3",
        arg=at_end,
        timeout=WAIT_MS,
    )
    check_downloads(page, tmp_path)
    page.page.click("#player-close")
    page.wait(preview="off")

    row.get_by_role("button", name="Second solve").click()
    row.get_by_role("button", name="Compare").click(timeout=WAIT_MS)
    wait_for_people(page, 2)
    page.screenshot("page-compared")
    shown = page.page.locator("#player-people li").all_inner_texts()
    assert shown == ["Live", "Second solve"]
    live, second = hips(page)
    assert second[0] - live[0] == pytest.approx(1.2, abs=0.3)  # side by side
    assert row.locator("tbody tr").count() == 3
    assert page.complaints == []


def test_outputs_are_added_shown_and_removed(server: ServerProcess, browser: Browser) -> None:
    """What the form says is what the server does; a wrong address is explained."""
    page = open_page(browser, f"{server.url}/?stream=stage&view=1", phone=True)
    page.wait(connection="open", body="ready")
    page.page.click("#sinks summary")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{receiver.getsockname()[1]}"
        page.page.fill("#sink-to", address)
        page.page.check("#sink-form [name=mirror]")
        page.page.click("#sink-form button[type=submit]")
        page.page.wait_for_selector(f"#sink-list li:has-text('{address}')", timeout=WAIT_MS)
        page.page.select_option("#sink-form [name=kind]", "vrchat")
        page.page.fill("#sink-form [name=height_m]", "1.83")
        page.page.select_option("#sink-form [name=preset]", "legs")
        page.page.click("#sink-form button[type=submit]")
        page.page.wait_for_selector("#sink-list li:nth-child(2)", timeout=WAIT_MS)
        sinks = httpx.get(f"{server.url}/v1/sinks").json()["sinks"]
        assert [(s["kind"], s["to"], s["stream"], s["mirror"]) for s in sinks] == [
            ("vmc", address, "stage", True),
            ("vrchat", "127.0.0.1:9000", "stage", True),
        ]
        assert (sinks[1]["preset"], sinks[1]["height_m"]) == ("legs", 1.83)
        page.screenshot("page-outputs-phone")
        for left in (1, 0):
            page.page.locator("#sink-list li button").first.click()
            page.page.wait_for_function(
                "left => document.querySelectorAll('#sink-list li').length === left",
                arg=left,
                timeout=WAIT_MS,
            )
    assert httpx.get(f"{server.url}/v1/sinks").json()["sinks"] == []
    assert page.complaints == []
    page.page.fill("#sink-to", "nowhere:at-all")
    page.page.click("#sink-form button[type=submit]")
    page.page.wait_for_selector("#notice:visible", timeout=WAIT_MS)
    assert "expected e.g. 127.0.0.1" in page.page.inner_text("#notice")


def takes(server: ServerProcess) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = httpx.get(f"{server.url}/v1/takes").json()["takes"]
    return listed


def wait_for_people(page: OpenedPage, count: int) -> None:
    """Waits until so many persons of a take are drawn, with a figure on."""
    page.wait(preview="on")
    page.page.wait_for_function(
        "count => genmoInspect().filter(({joints}) => joints.length > 0).length === count",
        arg=count,
        timeout=WAIT_MS,
    )


def hips(page: OpenedPage) -> list[list[float]]:
    """(persons, 3) where hips are drawn."""
    found: list[list[float]] = page.page.evaluate("genmoInspect().map(({joints}) => joints[0])")
    return found


def check_downloads(page: OpenedPage, folder: Path) -> None:
    """Saves all four files and reads them."""
    name = re.sub("[ :]", "-", page.page.inner_text(".take-name"))
    for ending in ("npz", "bvh", "glb", "jsonl"):
        with page.page.expect_download(timeout=WAIT_MS) as download:
            page.page.get_by_role("button", name=ending, exact=True).click()
        assert download.value.suggested_filename == f"{name}.{ending}"
        download.value.save_as(folder / f"take.{ending}")
    with np.load(folder / "take.npz") as arrays:
        assert len(arrays["poses"]) == 61  # both ends of two seconds
    assert (folder / "take.bvh").read_text().startswith("HIERARCHY")
    assert (folder / "take.glb").read_bytes().startswith(b"glTF")
    lines = [json.loads(line) for line in (folder / "take.jsonl").read_text().splitlines()]
    assert {"skeleton", "subject", "pose"} <= {line["type"] for line in lines}

"""The page with "keep my video on this device" on: poses come, and no media leaves the browser."""

import json
import subprocess
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from playwright.sync_api import Browser

from tests.clients.browsing import WAIT_MS, OpenedPage, chromium
from tests.relay import TEXT, Relay, opcodes
from tests.serving import ServerProcess

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FRAME_BYTES = 8 << 10
COUNT_PEERS = """
    window.peers = 0;
    const Peer = window.RTCPeerConnection;
    window.RTCPeerConnection = class extends Peer {
        constructor(...given) { super(...given); window.peers++; }
    };
"""


def test_with_the_switch_on_no_media_leaves_the_browser(
    live_server: ServerProcess, browser: Browser
) -> None:
    with Relay(live_server.port) as relay:
        context = browser.new_context()
        context.add_init_script(COUNT_PEERS)
        opened = OpenedPage(context.new_page())
        page = opened.page
        page.goto(f"http://127.0.0.1:{relay.port}/?stream=private")
        page.check("#private")
        page.select_option("#lookahead", "2")
        page.click("#start")
        opened.wait(publish="live", stream_state="live", person="tracked")
        opened.wait_for_poses(3)
        page.wait_for_function("() => document.querySelector('#private-fps').dataset.fps > 0")
        assert "fps here" in page.inner_text("#private-fps")
        opened.screenshot("page-private-video")
        stream = httpx.get(f"{live_server.url}/v1/streams/private", trust_env=False).json()
        assert (stream["source"], stream["capture_clock"]) == ("keypoints", "sender")
        assert (stream["delay"], page.inner_text("#delay")) == (2, "67 ms")
        assert page.evaluate("window.peers") == 0
        assert list(psutil.Process(live_server.pid).net_connections(kind="udp")) == []
        assert opened.complaints == []
        page.uncheck("#private")  # and back: the same picture as video
        page.wait_for_function("() => window.peers > 0", timeout=WAIT_MS)
        opened.wait(publish="live", stream_state="live")
        page.select_option("#lookahead", "4")  # publishes anew
        page.wait_for_function(
            "() => document.querySelector('#delay').textContent === '133 ms'", timeout=WAIT_MS
        )
        context.close()
    messages = keypoints_only(relay, opened)
    assert {message["type"] for message in messages} == {"keypoints", "ping"}


@pytest.fixture(scope="module")
def pair(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A camera before which the man of cam03 and his mirror image stand, to and fro for ever."""
    path = tmp_path_factory.mktemp("pair") / "pair.mjpeg"
    filters = (
        "[0]fps=30,scale=-2:480,split[there][turned];[turned]reverse[back];"
        "[there][back]concat,split[man][other];[other]hflip[twin];"
        "[man][twin]hstack,pad=640:480:(ow-iw)/2:0"
    )
    command = ["ffmpeg", "-v", "error", "-i", str(videos / "pose2sim_cam03.mp4")]
    command += ["-filter_complex", filters, "-pix_fmt", "yuvj420p", "-q:v", "3", str(path)]
    subprocess.run(command, check=True)
    return path


def test_two_people_are_tracked_and_still_no_media_leaves(
    live_server: ServerProcess, pair: Path
) -> None:
    allowed = "--use-fake-ui-for-media-stream"
    with (
        Relay(live_server.port) as relay,
        chromium(allowed, f"--use-file-for-fake-video-capture={pair}") as browser,
    ):
        context = browser.new_context()
        context.add_init_script(COUNT_PEERS)
        opened = OpenedPage(context.new_page())
        page = opened.page
        page.goto(f"http://127.0.0.1:{relay.port}/?stream=pair")
        page.check("#private")
        page.click("#start")
        opened.wait(publish="live", stream_state="live", person="tracked")
        page.wait_for_function(
            "() => [...document.querySelectorAll('#people li')]"
            ".filter((row) => row.textContent.endsWith(', tracked')).length === 2",
            timeout=WAIT_MS,
        )
        opened.wait_for_poses(3)
        opened.screenshot("page-private-pair")
        assert page.evaluate("window.peers") == 0
        assert opened.complaints == []
        context.close()
    seen = [message["persons"] for message in keypoints_only(relay, opened) if "persons" in message]
    noses = [sorted(nose_x(person) for person in people) for people in seen if len(people) == 2]
    assert any(left < 320 < right for left, right in noses)


def test_a_model_that_does_not_load_is_explained_and_asked_for_again(
    live_server: ServerProcess, browser: Browser
) -> None:
    opened = OpenedPage(browser.new_page())
    page = opened.page
    page.route("**/v1/models/*", lambda route: route.fulfill(status=404))
    page.goto(f"{live_server.url}/?stream=nomodel")
    page.check("#private")
    page.click("#start")
    opened.wait(publish="refused")
    assert "can't be found on this device" in page.inner_text("#notice")
    opened.screenshot("page-private-no-model")
    page.unroute("**/v1/models/*")
    page.click("#start")
    opened.wait(publish="live", stream_state="live")
    assert not page.is_visible("#notice")


def nose_x(person: dict[str, list[list[float]]]) -> float:
    """Where in the picture somebody's nose is, pixels from the left."""
    return person["landmarks"][0][0]


def keypoints_only(relay: Relay, opened: OpenedPage) -> list[Any]:
    """What went up the keypoints' websocket: landmarks and pings; nothing else went anywhere."""
    assert {request.split("/")[2] for request in opened.requests if "//" in request} == {
        f"127.0.0.1:{relay.port}"
    }
    (connection,) = relay.websockets("/keypoints")
    frames = connection.frames_up()
    kinds = opcodes(frames)
    assert kinds[TEXT] >= 5
    assert set(kinds) <= {TEXT, 0x8, 0xA}  # text, a close, answers to the server's pings
    assert max(len(frame.payload) for frame in frames) < FRAME_BYTES
    return [json.loads(frame.payload) for frame in frames if frame.opcode == TEXT]

"""The page's 3D view in a real Chromium: golden poses on avatars, several persons, marks."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from playwright.sync_api import Browser
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from genmo_rt.formats.glb import body_glb
from genmo_rt.skeleton import JOINT_NAMES
from genmo_rt.smpl import Body, load_body
from genmo_stream.page import PageFiles
from genmo_stream.wire import PoseMessage, PosePerson, Skeleton, Subject, decode_pose
from tests import golden
from tests.clients.browsing import WAIT_MS, OpenedPage, chromium, open_page
from tests.clients.vrm_file import HANDS, SCALE, write_vrm
from tests.pose_server import PoseServer

pytestmark = pytest.mark.browser

EXPECTED = json.loads(golden.read("expected.json"))
OFFSETS = np.array(EXPECTED["targets"]["smpl"]["offsets"], np.float32)
LIMBS = (
    ("left_shoulder", "left_elbow"),
    ("left_elbow", "left_wrist"),
    ("right_shoulder", "right_elbow"),
    ("right_elbow", "right_wrist"),
    ("left_hip", "left_knee"),
    ("left_knee", "left_ankle"),
    ("right_hip", "right_knee"),
    ("right_knee", "right_ankle"),
    ("neck", "head"),
)


@pytest.fixture(scope="module")
def body() -> Body:
    """The built-in body."""
    return load_body(None)


@pytest.fixture
def plain_browser() -> Iterator[Browser]:
    """A Chromium without a camera."""
    with chromium() as browser:
        yield browser


class PagePoses(PoseServer):
    """A pose server that serves the page too, with nothing recorded and no sinks."""

    def __init__(self, body: Body) -> None:
        super().__init__()
        self._body = body
        routes: list[BaseRoute] = [
            Route("/v1/body.glb", self._glb),
            Route("/v1/takes", _nothing),
            Route("/v1/sinks", _nothing),
            Mount("/", PageFiles()),
        ]
        self.server.config.app.router.routes.extend(routes)  # type: ignore[union-attr]

    def introduce(self, *persons: int) -> None:
        """Tells of a skeleton and of persons with its bones."""
        hub = self.hub()
        self.call(lambda: hub.set_skeleton(Skeleton(rev=1, offsets=OFFSETS)))
        for person in persons:
            subject = Subject(
                person=person,
                state="enter",
                body="builtin",
                betas=np.zeros(10, np.float32),
                shape=np.zeros(10, np.float32),
                height_m=1.73,
                offsets=OFFSETS,
            )
            self.call(partial(hub.set_subject, subject))

    def _glb(self, request: Request) -> Response:
        return Response(body_glb(self._body, torch.zeros(10)), media_type="model/gltf-binary")


@contextmanager
def served(body: Body) -> Iterator[PagePoses]:
    """A server on which the golden person, number 7, is there."""
    with PagePoses(body) as server:
        server.go_live()
        server.introduce(7)
        yield server


@pytest.mark.parametrize("version", [1, 0])
def test_a_vrm_avatar_takes_the_golden_poses(
    version: int, plain_browser: Browser, tmp_path: Path, body: Body
) -> None:
    """Every limb points in the world where the golden body's does, and hips are scaled."""
    avatar = tmp_path / "boxes.vrm"
    write_vrm(avatar, version)
    with served(body) as server:
        page = view(plain_browser, server)
        page.page.click("#look summary")
        wear(page, avatar, f"VRM {version}")
        for name in EXPECTED["poses"]:
            joints = show(page, server, golden_pose(name))[7]
            wanted = np.array(EXPECTED["poses"][name]["values"]["smpl"]["joints"])
            for start, end in LIMBS:
                assert angle(joints, wanted, start, end) < 1.0, f"{name}: {start} to {end}"
            assert all(joints[JOINT_NAMES.index(hand)] is None for hand in HANDS)
            np.testing.assert_allclose(joints[0][[0, 2]], SCALE * wanted[0][[0, 2]], atol=0.01)
            page.screenshot(f"page-vrm{version}-{name}")
        assert page.complaints == []


def test_left_and_right_of_an_avatar_are_the_persons_own(
    plain_browser: Browser, tmp_path: Path, body: Body
) -> None:
    """In words, without a formula: a raised right hand is on the picture's left, and up."""
    avatar = tmp_path / "boxes.vrm"
    write_vrm(avatar)
    with served(body) as server:
        page = view(plain_browser, server)
        wear(page, avatar, "VRM 1")
        joints = show(page, server, golden_pose("right_hand_up"))[7]
        hand, other, head = (
            joints[JOINT_NAMES.index(n)] for n in ("right_wrist", "left_wrist", "head")
        )
        assert hand[1] > head[1]  # up
        assert hand[0] < head[0] < other[0]  # who faces the camera has their left at +x
        assert other[1] < head[1]


def test_a_glb_with_smpl_bones_is_an_avatar_too(
    plain_browser: Browser, body: Body, tmp_path: Path
) -> None:
    """The built-in body as a file; its limbs lie a few degrees from the golden skeleton's."""
    path = tmp_path / "body.glb"
    path.write_bytes(body_glb(body, torch.zeros(10)))
    with served(body) as server:
        page = view(plain_browser, server)
        wear(page, path, "SMPL bones")
        for name in ("right_hand_up", "turn_left"):
            joints = show(page, server, golden_pose(name))[7]
            wanted = np.array(EXPECTED["poses"][name]["values"]["smpl"]["joints"])
            for start, end in LIMBS[:-1]:
                assert angle(joints, wanted, start, end) < 8.0, f"{name}: {start} to {end}"
        assert page.complaints == []


def test_a_file_that_is_no_avatar_is_explained_and_what_was_worn_stays(
    plain_browser: Browser, body: Body, tmp_path: Path
) -> None:
    """The notice names the file, and goes once another is worn."""
    good = tmp_path / "good.vrm"
    write_vrm(good)
    broken = tmp_path / "broken.vrm"
    broken.write_bytes(b"not a model")
    with served(body) as server:
        page = view(plain_browser, server)
        wear(page, good, "VRM 1")
        page.page.set_input_files("#avatar-file", broken)
        page.page.wait_for_selector("#notice:visible", timeout=WAIT_MS)
        said = page.page.inner_text("#notice")
        assert "broken.vrm can't be worn" in said
        assert "neither a VRM nor a GLB file" in said
        worn = "#avatar-name:has-text('good.vrm (VRM 1)')"
        page.page.wait_for_selector(worn, state="attached", timeout=WAIT_MS)
        page.page.click("#look summary")
        page.page.click("#avatar-reset")
        page.page.wait_for_selector("#notice", state="hidden", timeout=WAIT_MS)
        assert page.page.inner_text("#avatar-name") == "Built-in body"
        joints = show(page, server, golden_pose("t_pose"))[7]
        assert joints[0] is not None
        assert page.complaints == []


def test_several_persons_have_colours_and_trails_and_contacts_can_be_shown(
    plain_browser: Browser, body: Body
) -> None:
    """Three golden persons, moving; marks are off at first, on when asked for, and off again."""
    with PagePoses(body) as server:
        server.go_live()
        server.introduce(1, 2, 3)
        page = view(plain_browser, server)
        walk(page, server, frames=6)
        assert marks(page) == [(0, 0)] * 3
        page.page.click("#trails")
        page.page.click("#contacts")
        walk(page, server, frames=6)
        assert all(trails > 10 and contacts == 4 for trails, contacts in marks(page))
        page.screenshot("page-people-marked")
        listed = page.page.locator("#people li")
        assert listed.count() == 3
        colours = listed.locator(".swatch").evaluate_all(
            "spots => spots.map(spot => getComputedStyle(spot).backgroundColor)"
        )
        assert len(set(colours)) == 3
        assert page.page.inner_text("#person") == "3 people"
        page.page.click("#trails")
        page.page.click("#contacts")
        walk(page, server, frames=1)
        assert marks(page) == [(0, 0)] * 3
        assert page.complaints == []


def test_smooth_motion_plays_the_stream_out(plain_browser: Browser, body: Body) -> None:
    """With the playout buffer the same poses are drawn, none of them twice."""
    with served(body) as server:
        page = view(plain_browser, server)
        page.page.click("#look summary")
        page.page.check("#smooth")
        joints = show(page, server, golden_pose("turn_left"))[7]
        wanted = np.array(EXPECTED["poses"]["turn_left"]["values"]["smpl"]["joints"])
        assert angle(joints, wanted, "left_hip", "right_hip") < 1.0
        assert page.complaints == []


def view(browser: Browser, server: PagePoses) -> OpenedPage:
    page = open_page(browser, f"http://127.0.0.1:{server.port}/?stream=cam&view=1")
    page.wait(connection="open", body="ready", stream_state="live")
    return page


def wear(page: OpenedPage, avatar: Path, kind: str) -> None:
    """Chooses an avatar and waits until the page says how it understood it."""
    page.page.set_input_files("#avatar-file", avatar)
    said = f"#avatar-name:has-text('{avatar.name} ({kind})')"
    page.page.wait_for_selector(said, state="attached", timeout=WAIT_MS)


def golden_pose(name: str) -> PoseMessage:
    return decode_pose(golden.read(f"poses/{name}.smpl.bin"))


def show(page: OpenedPage, server: PagePoses, message: PoseMessage) -> dict[int, Any]:
    """Publishes a pose until it is drawn on everybody; (24) joints by person."""
    drawn = int(page.page.get_attribute("#app", "data-poses") or 0)
    for _ in range(100):
        server.publish(message=replace(message, t_capture_us=server.call(server.hub().clock_us)))
        page.page.wait_for_timeout(50)
        people = inspect(page)
        now = int(page.page.get_attribute("#app", "data-poses") or 0)
        if now >= drawn + 2 and len(people) == len(message.persons):
            return {
                person["person"]: [None if j is None else np.array(j) for j in person["joints"]]
                for person in people
            }
    raise AssertionError(f"the pose was not drawn; the page has {inspect(page)}")


def walk(page: OpenedPage, server: PagePoses, frames: int) -> None:
    """Three golden persons side by side step forward, a little every frame."""
    first = golden_pose("step_forward")
    for frame in range(frames):
        moved = np.array([0.0, 0.0, 0.04 * (server.hub().seq % 20)], np.float32)
        persons: tuple[PosePerson, ...] = tuple(
            replace(
                first.persons[0],
                person=number,
                pelvis=first.persons[0].pelvis
                + moved
                + np.array([1.6 * (number - 2), 0, 0], np.float32),
                contacts=np.array([1, 1, 0.9, 0.8, 0, 0], np.float32),
            )
            for number in (1, 2, 3)
        )
        show(page, server, replace(first, frame=frame, persons=persons))


def inspect(page: OpenedPage) -> list[dict[str, Any]]:
    """Who is drawn, with the joints of their figures in the world."""
    people: list[dict[str, Any]] = page.page.evaluate("genmoInspect()")
    return [person for person in people if any(joint is not None for joint in person["joints"])]


def marks(page: OpenedPage) -> list[tuple[int, int]]:
    return [(person["trails"], person["contacts"]) for person in inspect(page)]


def angle(joints: Any, wanted: NDArray[np.float64], start: str, end: str) -> float:
    """Degrees between a limb as drawn and as it should be."""
    a, b = JOINT_NAMES.index(start), JOINT_NAMES.index(end)
    drawn, right = joints[b] - joints[a], wanted[b] - wanted[a]
    cosine = drawn @ right / np.linalg.norm(drawn) / np.linalg.norm(right)
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


async def _nothing(request: Request) -> Response:
    return JSONResponse({"takes": [], "sinks": []})

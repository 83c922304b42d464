"""Landmarks that no person has, in every form a message allows: poses go on, for others too."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from websockets.sync.client import ClientConnection

from genmo_rt.keypoints import NUM_LANDMARKS
from genmo_stream.wire.keypoints import FAR_SIDES, KeypointsMessage, encode_keypoints
from tests.genmo_rt.walk import seen
from tests.walk_server import PATIENCE_S, SERVER_US, WalkServer

SIZES = ((640, 480), (480, 640), (16, 16), (16384, 16), (321, 240))
STEPS_US = (33_333, 33_334, 200_000, 1_000_000, 3_000_000, 12_000_000)
KINDS = ("walker", "backwards", "point", "line", "anywhere", "unseen", "one landmark", "speck")


class Feed:
    """One stream's publisher and viewer; times go on from message to message."""

    def __init__(self, server: WalkServer, publisher: ClientConnection, viewer: ClientConnection):
        self._server = server
        self._publisher = publisher
        self._viewer = viewer
        self._frame = -1

    def send(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Sends a frame that is taken now; gives its pose."""
        self._frame += 1
        stamps = {"type": "keypoints", "frame": self._frame, "t_capture_us": self._server.now_us}
        self._publisher.send(json.dumps({**stamps, **fields}))
        told: dict[str, Any] = {}
        while told.get("frame") != self._frame:
            told = json.loads(self._viewer.recv(PATIENCE_S))
            assert told["type"] not in ("error", "bye"), told
            if told["type"] == "pose":
                self._viewer.send(json.dumps({"type": "ack", "seq": told["seq"]}))
        return told


@pytest.fixture(scope="module")
def feeds() -> Iterator[tuple[WalkServer, Feed, Feed]]:
    """A server, a stream for what no person has, and one with a walker."""
    with (
        WalkServer() as server,
        server.connect("odd/keypoints") as odd,
        server.connect("odd/poses") as odd_viewer,
        server.connect("good/keypoints") as good,
        server.connect("good/poses") as good_viewer,
    ):
        yield server, Feed(server, odd, odd_viewer), Feed(server, good, good_viewer)


def landmarks(kind: str, size: tuple[int, int], seed: int) -> list[list[float]]:
    """33 rows that a message may have."""
    rng = np.random.default_rng(seed)
    sides = np.array(size, np.float64)
    keypoints = seen(rng.uniform(0, 6)).in_picture(size)
    pixels: NDArray[np.float64] = keypoints.pixels.astype(np.float64)
    visibility = keypoints.confidence.astype(np.float64)
    match kind:
        case "backwards":
            pixels = pixels[::-1]
        case "point":
            pixels = np.tile(rng.choice([0.0, 0.5, FAR_SIDES]) * sides, (NUM_LANDMARKS, 1))
        case "line":
            pixels = np.linspace((0.0, sides[1] / 2), (sides[0], sides[1] / 2), NUM_LANDMARKS)
        case "anywhere":
            pixels = rng.uniform(-FAR_SIDES, FAR_SIDES, (NUM_LANDMARKS, 2)) * sides.max()
        case "unseen":
            visibility = np.zeros(NUM_LANDMARKS)
        case "one landmark":
            visibility = np.eye(NUM_LANDMARKS)[rng.integers(NUM_LANDMARKS)]
        case "speck":
            pixels = pixels * 1e-3
    rows: list[list[float]] = np.round(np.column_stack((pixels, visibility)), 3).tolist()
    return rows


@st.composite
def frames(draw: st.DrawFn) -> dict[str, Any]:
    """The fields of a frame that say what is in it."""
    size = draw(st.sampled_from(SIZES))
    persons = draw(st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 99)), max_size=3))
    fields: dict[str, Any] = {"width": size[0], "height": size[1]}
    if draw(st.booleans()):
        focal = draw(st.floats(0.05, 5.9))
        fields["K"] = [focal * max(size), focal * max(size), -max(size), 2 * max(size)]
    fields["persons"] = [{"landmarks": landmarks(kind, size, seed)} for kind, seed in persons]
    return fields


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.lists(st.tuples(frames(), st.sampled_from(STEPS_US)), min_size=1, max_size=4))
def test_whatever_the_landmarks_are_poses_go_on_and_other_streams_are_untouched(
    feeds: tuple[WalkServer, Feed, Feed], told: list[tuple[dict[str, Any], int]]
) -> None:
    server, odd, good = feeds
    for fields, step_us in told:
        server.now_us += step_us
        pose = odd.send(fields)
        for person in pose["persons"]:
            rotations = np.array(person["rotations"])
            assert np.allclose(np.linalg.norm(rotations, axis=1), 1, atol=1e-3)
            assert np.isfinite(person["pelvis"]).all()
        walk_s = (server.now_us - SERVER_US) / 1e6
        walker = encode_keypoints(KeypointsMessage(0, 0, (1280, 720), None, (seen(walk_s),)))
        fields = {k: v for k, v in json.loads(walker).items() if k not in STAMPS}
        assert len(good.send(fields)["persons"]) == 1


STAMPS = ("type", "frame", "t_capture_us")

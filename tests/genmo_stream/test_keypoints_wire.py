"""What a client may send to /keypoints: read back whole, or refused with what was expected."""

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genmo_rt.camera import Intrinsics
from genmo_stream.wire import WireError
from genmo_stream.wire.keypoints import (
    PUBLISHER_LIMITS,
    ClockPing,
    KeypointsMessage,
    encode_keypoints,
    encode_ping,
    parse_publisher,
)
from tests.genmo_rt.walk import seen

SIZE = seen(0.0).image_size
CAMERA = Intrinsics(900.0, 905.5, SIZE[0] / 2, SIZE[1] / 2, *SIZE)
MESSAGE = KeypointsMessage(7, 1_790_000_000_000_000, SIZE, CAMERA, (seen(0.0), seen(0.4)))
FIELDS: dict[str, Any] = json.loads(encode_keypoints(MESSAGE))
LANDMARKS: list[list[float]] = FIELDS["persons"][0]["landmarks"]


def changed(**fields: object) -> str:
    return json.dumps({**FIELDS, **fields})


def person(**fields: object) -> str:
    return changed(persons=[{"landmarks": LANDMARKS, **fields}])


def landmark(x: object, y: object = 1.0, visibility: object = 0.5) -> str:
    return person(landmarks=[[x, y, visibility], *LANDMARKS[1:]])


def test_a_message_comes_back_as_it_was_sent() -> None:
    read = parse_publisher(encode_keypoints(MESSAGE))
    assert isinstance(read, KeypointsMessage)
    assert replace(read, persons=()) == replace(MESSAGE, persons=())
    for ours, theirs in zip(read.persons, MESSAGE.persons, strict=True):
        assert np.abs(ours.pixels - theirs.pixels).max() <= 0.006
        assert np.abs(ours.confidence - theirs.confidence).max() <= 0.0006
        assert ours.image_size == SIZE
        assert (ours.world is None) == (theirs.world is None)


def test_world_landmarks_camera_and_people_are_optional() -> None:
    plain = {key: value for key, value in FIELDS.items() if key != "K"}
    read = parse_publisher(json.dumps({**plain, "persons": [], "later": {"more": 1}}))
    assert isinstance(read, KeypointsMessage)
    assert (read.intrinsics, read.persons) == (None, ())
    with_world = parse_publisher(person(world=[[0.1, -0.2, 0.3]] * 33))
    assert isinstance(with_world, KeypointsMessage)
    world = with_world.persons[0].world
    assert world is not None
    assert np.allclose(world[0], (0.1, -0.2, 0.3))


@pytest.mark.parametrize("ping", [ClockPing(5.0, None), ClockPing(7.0, 6.5)])
def test_a_ping_comes_back_as_it_was_sent(ping: ClockPing) -> None:
    assert parse_publisher(encode_ping(ping)) == ping


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        (b"\x00\x01", "binary message of 2 bytes; expected JSON text"),
        ("", "not JSON"),
        ('{"type":"keypoints"', "not JSON"),
        ("[" * 20_000, "not JSON"),
        ("[1]", "expected an object"),
        ('{"type":"poses"}', "expected keypoints, ping or sensor"),
        ('{"type":"keypoints","proto":"genmo.v9"}', "this server speaks genmo.v1"),
        ('{"type":"ping"}', "t0 is None; expected a number"),
        ("x" * (PUBLISHER_LIMITS.max_message_bytes + 1), "expected at most 65536"),
        ("ä" * 40_000, "message of 80000 bytes"),
        (changed(frame=-1), "frame is -1"),
        (changed(frame=1.5), "frame is 1.5"),
        (changed(t_capture_us=None), "t_capture_us is None; expected an integer"),
        (changed(t_capture_us=2**63), "t_capture_us"),
        (changed(width=0), "width is 0; expected an integer from 16"),
        (changed(height=-480), "height is -480"),
        (changed(width=True), "width is True"),
        (changed(K=[900, 900, 320]), "K has shape (3,); expected 4"),
        (changed(K=[-900, 900, 320, 240]), "K has fx -900"),
        (changed(K=[1, 1, 0.5, 0.5]), "K has fx 1"),
        (changed(K=[900, 900, 1e6, 240]), "K has cx 1e+06"),
        (changed(K="wide"), "K is 'wide'; expected numbers"),
        (changed(persons=None), "persons is nothing; expected a list"),
        (changed(persons=[[1]]), "persons holds list"),
        (changed(persons=[{"landmarks": []}] * 1000), "1000 persons; expected at most 16"),
        (person(landmarks=LANDMARKS[:32]), "landmarks has shape (32, 3); expected 33 x 3"),
        (person(landmarks=[*LANDMARKS[:32], [1, 2]]), "landmarks is ragged"),
        (person(landmarks=None), "landmarks is None"),
        (landmark(math.nan), "NaN is not JSON"),
        (landmark(math.nan), "persons[0].landmarks[0][0] is NaN"),
        (landmark(math.inf), "Infinity is not JSON"),
        (landmark(1.0, -math.inf), "persons[0].landmarks[0][1] is -Infinity"),
        (changed(t_capture_us=math.nan), "t_capture_us is NaN"),
        (changed(**{"k" * 500: math.nan}), "is NaN, and NaN is not JSON"),
        ('{"type":"keypoints","frame":NaN', "NaN is not JSON"),
        ('{"type":"ping","t0":NaN,"t0":1}', "NaN is not JSON"),
        ('{"type":"ping","t0":NaN}', "t0 is NaN"),
        ("NaN", "the message is NaN"),
        (landmark(1.0, 2.0).replace("2.0", "1e999", 1), "is not finite"),
        (landmark(1.0, 2.0).replace("2.0", "1e999", 1), "landmarks[0][1] is not finite"),
        (landmark(1e7), "expected pixels, at most"),
        (landmark("5"), "landmarks is"),
        (landmark("5"), "landmarks[0][0] is '5'"),
        (landmark(None), "landmarks is"),
        (landmark(1.0, None), "landmarks[0][1] is None"),
        (landmark(10**40), "landmarks[0][0] is 1000"),
        (landmark(1, 1, 1.5), "visibilities from"),
        (landmark(1, 1, -0.5), "visibilities from"),
        (person(world=[[0.0, 0.0, 99.0]] * 33), "world has 99 m"),
        (person(world=[[0.0, 0.0]] * 33), "world has shape (33, 2)"),
    ],
)
def test_what_cannot_be_used_is_refused_with_what_was_expected(
    message: str | bytes, complaint: str
) -> None:
    with pytest.raises(WireError) as refused:
        parse_publisher(message)
    assert complaint in str(refused.value)
    assert len(str(refused.value)) < 300


def test_four_persons_with_world_landmarks_fit_into_a_message() -> None:
    whole = replace(seen(0.0), world=np.full((33, 3), -0.123456, np.float32))
    text = encode_keypoints(replace(MESSAGE, persons=(whole,) * 4))
    assert len(text) < PUBLISHER_LIMITS.max_message_bytes / 4


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(FIELDS)), json_values)
def test_any_value_in_any_field_is_read_or_refused(name: str, value: object) -> None:
    try:
        read = parse_publisher(json.dumps({**FIELDS, name: value}))
    except WireError:
        return
    if isinstance(read, KeypointsMessage):
        for keypoints in read.persons:
            assert np.isfinite(keypoints.pixels).all()


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200))
def test_garbage_is_refused(message: str | bytes) -> None:
    with pytest.raises(WireError):
        parse_publisher(message)

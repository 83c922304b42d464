"""A device's motion sensors: what is taken, what is refused, and what the background says to it."""

import asyncio
import json
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from genmo_rt.camera_motion import rotation, rotation_vector
from genmo_rt.keypoints import Keypoints
from genmo_stream.camera_watch import CameraWatch, SensorWatch
from genmo_stream.ingest import IngestConfig
from genmo_stream.remote import RemoteSource
from genmo_stream.seen import SeenPerson
from genmo_stream.sensors import MAX_PER_S, Sensors
from genmo_stream.wire import WireError
from genmo_stream.wire.keypoints import parse_publisher
from genmo_stream.wire.sensors import SensorSample, SensorText, encode_sample, parse_sample
from tests.camera_server import Host, TestCamera, camera_server, until
from tests.genmo_rt.walk import seen
from tests.genmo_stream.test_ingest import connect
from tests.genmo_stream.turning_camera import PERSON, picture

Array = NDArray[np.float64]
START_US = 1_700_000_000_000_000
LEVEL = np.array([0.0, 9.81, 0.0])
SIZE = (480, 360)
FOV = 2 * math.degrees(math.atan(0.5))
RATE_HZ = 60


def sample(**changed: object) -> str:
    fields = {
        "type": "sensor",
        "t_capture_us": START_US,
        "gravity": [0.0, 9.81, 0.0],
        "rotation_rate": [0.0, 0.1, 0.0],
    }
    return json.dumps(fields | changed)


@given(
    gravity=st.none() | st.tuples(*[st.floats(-4, 4)] * 2),
    rate=st.tuples(*[st.floats(-20, 20)] * 3),
    t_us=st.integers(0, 2**53),
)
def test_a_sample_comes_back(
    gravity: tuple[float, float] | None, rate: tuple[float, float, float], t_us: int
) -> None:
    down = None if gravity is None else np.array([gravity[0], 9.0, gravity[1]])
    read = parse_sample(encode_sample(SensorSample(t_us, down, np.array(rate))))
    assert read.t_us == t_us
    assert read.rotation_rate is not None
    np.testing.assert_allclose(read.rotation_rate, rate, atol=2e-6)
    assert (read.gravity is None) == (down is None)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (b"\0\1", "binary"),
        ("x" * 600, "at most"),
        ("[1]", "expected an object"),
        (sample(type="pose"), "expected sensor"),
        (sample(t_capture_us="now"), "t_capture_us"),
        (sample(gravity=[0, 0, 0]), "gravity of 0"),
        (sample(gravity=[0, 900, 0]), "gravity of 900"),
        (sample(gravity=[0, 9.81]), "three finite numbers"),
        (sample().replace("0.1", "NaN"), "NaN"),
        (sample(rotation_rate=[1e30, 0, 0]), "rad/s"),
        (sample(rotation_rate=[0, 50, 0]), "rotation_rate of 50"),
        (sample(gravity=None, rotation_rate=None), "neither"),
    ],
)
def test_what_no_device_measures_is_refused_and_ends_the_trust(
    message: str | bytes, said: str
) -> None:
    with pytest.raises(WireError, match=said):
        parse_sample(message)
    sensors = Sensors()
    sensors.take(sample(), START_US)
    sensors.take(message, START_US + 20_000)
    complaint = sensors.complaint()
    assert complaint is not None
    assert said in complaint
    assert sensors.complaint() is None
    sensors.take(sample(t_capture_us=START_US + 40_000), START_US + 40_000)
    assert sensors.at(START_US + 40_000) is None


def test_a_flood_ends_the_trust() -> None:
    sensors = Sensors()
    for i in range(MAX_PER_S + 1):
        sensors.take(sample(t_capture_us=START_US + 1000 * i), START_US + 1000 * i)
    assert "samples in a second" in str(sensors.complaint())


def test_samples_from_the_future_are_left_out_and_told_of_once() -> None:
    sensors = Sensors()
    sensors.take(sample(), START_US)
    for i in range(3):
        sensors.take(sample(t_capture_us=START_US + 10**9 - 1000 * i), START_US + 1000 * i)
    assert "in the future" in str(sensors.complaint())
    assert sensors.complaint() is None
    assert sensors.trusted


def fed(rate: Array, seconds: float, gravity: Array = LEVEL) -> Sensors:
    """Sensors of a device that turns at this rate."""
    sensors = Sensors()
    for i in range(round(seconds * RATE_HZ)):
        t_us = START_US + round(i * 1e6 / RATE_HZ)
        sensors.take(encode_sample(SensorSample(t_us, gravity, rate)), t_us + 3000)
    return sensors


def test_rates_add_up_to_the_rotation_between_two_times() -> None:
    sensors = fed(np.array([0.0, 0.5, 0.0]), 2)
    one, other = (sensors.at(START_US + t + 3000) for t in (500_000, 1_510_000))
    assert one is not None
    assert other is not None
    turn = rotation_vector(one.R_now2first.T @ other.R_now2first)
    np.testing.assert_allclose(turn, [0, 0.505, 0], atol=1e-3)
    assert one.up_cam is not None
    np.testing.assert_allclose(one.up_cam, [0, -1, 0], atol=1e-9)


def test_a_sensor_that_went_silent_says_nothing() -> None:
    assert fed(np.zeros(3), 1).at(START_US + 2_000_000) is None


def _person() -> SeenPerson:
    pixels = np.linspace(PERSON[0], PERSON[1], 33).astype(np.float32)
    return SeenPerson(Keypoints(pixels, np.ones(33, np.float32), None, SIZE))


def _watch(
    turn_rate: Array, said_rate: Array | None, seconds: float = 2.0
) -> tuple[Array, str | None, bool]:
    """The turn that is found of a camera that turns, the complaint, whether it's carried."""
    sensors = None if said_rate is None else fed(said_rate, seconds)
    watch = CameraWatch(FOV, sensors)
    total, carried = np.eye(3), False
    for i in range(round(seconds * 30)):
        t_us = START_US + round(i * 1e6 / 30) + 3000
        seen = watch.look(picture(turn_rate * i / 30, noise=i), t_us, [_person()])
        total, carried = total @ rotation(seen.turn), seen.carried
    return rotation_vector(total), watch.complaint(), carried


PAN = np.array([0.0, np.radians(12), 0.0])


def test_the_background_alone_tells_the_turn() -> None:
    turn, complaint, carried = _watch(PAN, None)
    np.testing.assert_allclose(turn, PAN * 59 / 30, atol=np.radians(0.5))
    assert complaint is None
    assert carried


def test_an_honest_sensor_tells_the_turn() -> None:
    turn, complaint, _ = _watch(PAN, PAN)
    np.testing.assert_allclose(turn, PAN * 59 / 30, atol=np.radians(1.0))
    assert complaint is None


def test_a_trembling_sensor_does_not_move_a_camera_that_is_seen_to_stand() -> None:
    turn, complaint, carried = _watch(np.zeros(3), np.array([0.0, 0.02, 0.0]))
    np.testing.assert_array_equal(turn, np.zeros(3))
    assert complaint is None
    assert not carried


@pytest.mark.parametrize(
    ("turning", "said"),
    [
        (np.zeros(3), np.array([0.0, 1.5, 0.0])),  # the camera stands
        (3 * PAN, np.zeros(3)),  # another device's sensors
        (2 * PAN, -2 * PAN),  # the wrong sign
    ],
)
def test_a_sensor_that_the_background_contradicts_is_said_and_ignored(
    turning: Array, said: Array
) -> None:
    _, complaint, _ = _watch(turning, said)
    assert complaint is not None
    assert "are ignored" in complaint


def test_without_a_picture_sensors_tell_the_turn_and_a_tremble_is_none() -> None:
    for rate, turns in ((PAN, True), (np.array([0.0, 1e-3, 0.0]), False)):
        watch = SensorWatch(fed(rate, 2))
        total = np.eye(3)
        for i in range(60):
            seen = watch.look(START_US + round(i * 1e6 / 30) + 3000)
            total = total @ rotation(seen.turn)
            assert seen.up_cam is not None
        expected = rate * 59 / 30 if turns else np.zeros(3)
        np.testing.assert_allclose(rotation_vector(total), expected, atol=np.radians(0.3))
        assert seen.carried == turns


def test_gravity_may_jump_with_the_screen_but_not_about() -> None:
    sides = [[0, 9.81, 0], [9.81, 0, 0]]
    turned, tossed = Sensors(), Sensors()
    for i in range(60):
        t_us = START_US + round(i * 1e6 / RATE_HZ)
        turned.take(sample(t_capture_us=t_us, gravity=sides[i >= 30]), t_us)
        tossed.take(sample(t_capture_us=t_us, gravity=sides[i % 2]), t_us)
    assert turned.complaint() is None
    assert "gravity turned by 90° from one sample" in str(tossed.complaint())
    assert not tossed.trusted


UPRIGHT = seen(0.0)
UPSIDE_DOWN = replace(UPRIGHT, pixels=np.array(UPRIGHT.image_size, np.float32) - UPRIGHT.pixels)
BENT = replace(UPRIGHT, pixels=UPRIGHT.pixels.copy())
BENT.pixels[:23] += 2 * (UPRIGHT.pixels[23] - UPRIGHT.pixels[11])  # head at the knees
STILL_RATE = np.zeros(3)


def _watch_people(
    gravity: Array, people: Sequence[Keypoints], seconds: float = 2.0, rate: Array = STILL_RATE
) -> tuple[list[Array | None], Sensors]:
    """Whether gravity is used, frame by frame, where only keypoints come."""
    sensors = fed(rate, seconds, gravity)
    watch = SensorWatch(sensors)
    times = [START_US + round(i * 1e6 / 30) + 3000 for i in range(round(seconds * 30))]
    used = [
        watch.look(t_us, [people[i * len(people) // len(times)]]).up_cam
        for i, t_us in enumerate(times)
    ]
    return used, sensors


@pytest.mark.parametrize(
    ("gravity", "people"),
    [
        (LEVEL, [UPRIGHT]),
        (LEVEL, [BENT]),
        (-LEVEL, [UPSIDE_DOWN]),  # a camera that hangs
        (np.array([0.0, -4.0, 8.9]), [UPRIGHT]),  # it looks down so steeply that nothing is clear
        (LEVEL, [UPRIGHT, UPSIDE_DOWN, UPSIDE_DOWN]),  # a handstand
    ],
)
def test_gravity_that_people_do_not_contradict_is_used(
    gravity: Array, people: Sequence[Keypoints]
) -> None:
    used, sensors = _watch_people(gravity, people)
    assert all(up is not None for up in used)
    assert sensors.complaint() is None


def test_gravity_with_the_wrong_sign_is_never_used_and_told_to_everybody() -> None:
    used, sensors = _watch_people(-LEVEL, [UPRIGHT])
    assert used == [None] * len(used)
    assert "from people's feet to their heads" in str(sensors.complaint())
    told = sensors.take(sample(), START_US)
    assert told is not None
    assert "The sensors of this camera are ignored" in told
    assert sensors.take(sample(), START_US) is None


def test_gravity_with_the_wrong_sign_is_not_used_beside_a_picture_either() -> None:
    sensors = fed(STILL_RATE, 2, -LEVEL)
    watch = CameraWatch(FOV, sensors)
    for i in range(60):
        t_us = START_US + round(i * 1e6 / 30) + 3000
        assert watch.look(picture(STILL_RATE, noise=i), t_us, [SeenPerson(UPRIGHT)]).up_cam is None
    assert "from people's feet to their heads" in str(watch.complaint())


def test_nobody_stays_in_the_picture_of_a_camera_that_whirls() -> None:
    whirl = np.array([0.0, 10.0, 0.0])
    _, sensors = _watch_people(LEVEL, [UPRIGHT], rate=whirl)
    assert "somebody stayed in the picture" in str(sensors.complaint())
    _, sensors = _watch_people(LEVEL, [UPRIGHT], rate=5 * PAN)
    assert sensors.complaint() is None


def test_sensors_come_between_keypoints_and_a_lie_is_answered() -> None:
    source = RemoteSource()
    parsed = parse_publisher(sample())
    assert isinstance(parsed, SensorText)
    assert source.sensors.take(parsed.text, START_US) is None
    lie = parse_publisher(sample(gravity=[0, 900, 0]))
    assert isinstance(lie, SensorText)
    assert "gravity of 900" in str(source.sensors.take(lie.text, START_US + 10))


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999", "null"])
def test_a_sensor_between_keypoints_that_is_not_finite_is_a_lie_and_no_bad_message(
    value: str,
) -> None:
    source = RemoteSource()
    lie = parse_publisher(sample().replace("9.81", value))
    assert isinstance(lie, SensorText)
    said = str(source.sensors.take(lie.text, START_US))
    assert "gravity" in said
    assert "The sensors of this camera are ignored" in said
    assert source.sensors.take(lie.text, START_US + 1) is None


def test_sensors_come_on_the_data_channel_of_a_publisher() -> None:
    async def test() -> None:
        host = Host()
        async with camera_server(host, IngestConfig(ice_interfaces=("127.0.0.1",))) as url:
            camera = TestCamera()
            channel = camera.connection.createDataChannel("sensors")
            told: list[str] = []
            channel.on("message", told.append)
            other = camera.connection.createDataChannel("other")
            await connect(url, camera)
            await until(lambda: bool(host.published) and channel.readyState == "open")
            source = host.published[0].source
            channel.send(sample())
            await until(lambda: source.sensors._last_us == START_US)
            channel.send(sample(gravity=[0, 0, 0]))
            await until(lambda: not source.sensors.trusted)
            assert "gravity of 0" in str(source.sensors.complaint())
            await until(lambda: bool(told))
            assert json.loads(told[0])["code"] == "bad_sensor"
            await until(lambda: other.readyState == "closed")
            await camera.close()

    asyncio.run(test())

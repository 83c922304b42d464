"""Takes keep how their camera moved, and the second solve uses it; older takes tell nothing."""

import io
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from genmo_rt.camera_motion import STILL, CameraMotion, rotation
from genmo_rt.clock import Tick
from genmo_rt.estimate import Estimator
from genmo_rt.keypoints import Keypoints
from genmo_rt.world import as_steady
from genmo_stream.listener import SightedPerson, Sighting
from genmo_stream.publish_options import PublishOptions
from genmo_stream.seen import Seen
from genmo_stream.solvers import Followed
from genmo_stream.stream import _sighting
from genmo_stream.takes.records import (
    CAMERA,
    PERSON,
    SIGHTING,
    decode_sighting,
    encode,
    read_records,
)
from genmo_stream.takes.solve import solve_people, solve_person
from genmo_stream.takes.take import Take
from tests.genmo_rt import walk
from tests.genmo_stream.recorded import START_US

SIZE = (walk.INTRINSICS.width, walk.INTRINSICS.height)


@pytest.fixture(scope="module")
def estimator() -> Estimator:
    return Estimator.load()


def _sight(
    t: float, seen: dict[int, Keypoints], camera: CameraMotion | None, number: int = 0
) -> Sighting:
    return Sighting(
        number=number,
        t_capture_us=START_US + round(t * 1e6),
        tick=Tick(number, t, 0, number == 0, number == 0),
        image_size=SIZE,
        fov=None,
        height_m=None,
        delay=0,
        persons=tuple(SightedPerson(who, 2, keypoints) for who, keypoints in seen.items()),
        camera=camera,
    )


def _take(sightings: Sequence[Sighting]) -> Take:
    """A take as it is read from its file."""
    kept = [decode_sighting(_payload(sighting)) for sighting in sightings]
    return Take("camera", START_US, "builtin", [], kept, {}, "stopped")


def _payload(sighting: Sighting) -> bytes:
    (record,) = read_records(io.BytesIO(encode(sighting)))
    return record.payload


def _panned(seconds: float, degrees: float) -> list[Sighting]:
    """The walker before a camera that pans to the right, evenly."""
    count = round(30 * seconds)
    step = np.array([0.0, np.radians(degrees) / count, 0.0])
    told = []
    for n in range(count + 1):
        seen = as_steady(walk.seen(n / 30), walk.INTRINSICS, rotation(n * step).T)
        motion = CameraMotion(step * (n > 0), 0.9)
        told.append(_sight(n / 30, {1: seen}, motion, n))
    return told


def _off(clip_pelvis: NDArray[np.float64], seconds: float) -> float:
    """Mean distance of a walker's path from the truth, laid on it by its beginning."""
    times = np.arange(len(clip_pelvis)) / 30
    assert times[-1] == pytest.approx(seconds)
    truth = np.stack([walk.walker(float(t)).joints_world[0] for t in times])
    path, truth = (of - of[:10].mean(0) for of in (clip_pelvis, truth))
    return float(np.linalg.norm(path - truth, axis=1).mean())


# ---- the record ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "camera",
    [
        STILL,
        CameraMotion(np.array([0.01, -0.002, 1e-7]), 0.75, carried=True),
        CameraMotion(np.zeros(3), 0.0, cut=True),
        CameraMotion(np.zeros(3), 1.0, up_cam=np.array([0.6, -0.8, 0.0])),
    ],
    ids=["still", "carried", "cut", "gravity"],
)
def test_a_sighting_keeps_how_the_camera_moved(camera: CameraMotion) -> None:
    sighting = _sight(0.0, {1: walk.seen(0.0), 2: walk.seen(0.5)}, camera)
    payload = _payload(sighting)
    assert len(payload) == SIGHTING.itemsize + 2 * PERSON.itemsize + CAMERA.itemsize
    kept = decode_sighting(payload)
    assert kept.camera is not None
    assert np.array_equal(kept.camera.turn, camera.turn)
    assert kept.camera.sure == pytest.approx(camera.sure)
    assert (kept.camera.carried, kept.camera.cut) == (camera.carried, camera.cut)
    if camera.up_cam is None:
        assert kept.camera.up_cam is None
    else:
        np.testing.assert_allclose(np.asarray(kept.camera.up_cam), camera.up_cam, atol=1e-6)
    assert [person.person for person in kept.persons] == [1, 2]


def test_a_sighting_of_an_older_take_is_read_without_its_camera() -> None:
    sighting = _sight(0.0, {1: walk.seen(0.0)}, None)
    payload = _payload(sighting)
    assert len(payload) == SIGHTING.itemsize + PERSON.itemsize  # as it always was
    kept = decode_sighting(payload)
    assert kept.camera is None
    assert kept.persons[0].keypoints is not None


def test_a_stream_notes_how_its_camera_moved() -> None:
    motion = CameraMotion(np.array([0.0, 0.02, 0.0]), 0.8, carried=True)
    seen = Seen(0, START_US, 0.0, 0.0, SIZE, Tick(0, 0.0, 0, True, True), (), camera=motion)
    assert _sighting(Followed(seen, ()), PublishOptions()).camera is motion


# ---- the second solve ----------------------------------------------------------------------------


def test_the_second_solve_follows_the_camera_that_panned(estimator: Estimator) -> None:
    seconds, told = 2.0, _panned(2.0, 50.0)
    known = solve_person(_take(told), 1, estimator)
    assert _off(known.pelvis, seconds) < 0.25
    older = [replace(sighting, camera=None) for sighting in told]
    untold = solve_person(_take(older), 1, estimator)
    assert _off(untold.pelvis, seconds) > 3 * _off(known.pelvis, seconds)


def test_the_turns_of_frames_that_reach_no_tick_are_not_lost(estimator: Estimator) -> None:
    """At 60 frames a second every other one is left out when ticks are made anew."""
    step = np.array([0.0, np.radians(50.0) / 120, 0.0])
    told = [
        _sight(
            n / 60,
            {1: as_steady(walk.seen(n / 60), walk.INTRINSICS, rotation(n * step).T)},
            CameraMotion(step * (n > 0), 0.9),
            n,
        )
        for n in range(121)
    ]
    assert _off(solve_person(_take(told), 1, estimator).pelvis, 2.0) < 0.25


def test_people_of_a_take_stand_on_one_floor(estimator: Estimator) -> None:
    size, offset = 0.75, np.array([1.2, 0.0, 0.8])
    told = [
        _sight(
            n / 30,
            {1: walk.walking(n / 30, np.zeros(3)), 2: walk.walking(n / 30, offset, size)},
            STILL,
            n,
        )
        for n in range(75)
    ]
    clips = dict(solve_people(_take(told), (1, 2), estimator))
    apart = clips[2].pelvis - clips[1].pelvis
    hips = (size - 1) * float(walk.walker(0).joints_world[0, 1])
    error = np.linalg.norm(apart - (offset[0], hips, -offset[2]), axis=1)
    assert np.median(error) < 0.25  # 1.5 m by the model's sizes


def test_who_was_seen_between_two_ticks_alone_is_solved_too(estimator: Estimator) -> None:
    told = [_sight(n / 60, {1: walk.seen(n / 60)}, STILL, n) for n in range(21)]
    told[7] = _sight(7 / 60, {1: walk.seen(7 / 60), 2: walk.seen(1.0)}, STILL, 7)
    clips = dict(solve_people(_take(told), (1, 2), estimator))
    assert (len(clips[1].pelvis), len(clips[2].pelvis)) == (11, 1)
    assert clips[2].t_capture_us.tolist() == [told[7].t_capture_us]


def test_whoever_came_later_keeps_their_own_times(estimator: Estimator) -> None:
    told = []
    for n in range(31):
        seen = {1: walk.seen(n / 30)} | ({2: walk.seen(n / 30 + 0.5)} if 10 <= n < 25 else {})
        told.append(_sight(n / 30, seen, STILL, n))
    clips = dict(solve_people(_take(told), (1, 2), estimator))
    assert clips[2].t_capture_us[[0, -1]].tolist() == [told[n].t_capture_us for n in (10, 24)]
    assert len(clips[2].pelvis) == 15

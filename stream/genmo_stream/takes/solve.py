"""The second solve: a take's landmarks estimated once more, each pose knowing the whole take."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from genmo_rt.camera import Intrinsics, project
from genmo_rt.camera_motion import STILL, CameraMotion, joined
from genmo_rt.clock import Tick, TickClock
from genmo_rt.estimate import Estimator
from genmo_rt.formats.clip import Clip
from genmo_rt.formats.npz import write_npz
from genmo_rt.keypoints import Keypoints
from genmo_rt.metrics import foot_speed_at_rest, jitter
from genmo_rt.recording import clip_of, whole_people
from genmo_rt.rotation import axis_angle_to_rotmat
from genmo_rt.smpl import Body
from genmo_rt.whole_clip import Frame
from genmo_stream.errors import TakeError
from genmo_stream.listener import Sighting
from genmo_stream.takes.export import second_path
from genmo_stream.takes.take import Take, without_gaps

COMPARISON_NAME = "second.json"
SEEN = 0.5  # visibility of landmarks that count
SAME_TICK_US = 17_000
CONTACT = 0.5


@dataclass(frozen=True, slots=True)
class Figures:
    """How good one solve is, as far as that can be told without a reference.

    Attributes:
        jitter: mean length of the joints' third derivative, m/s³.
        foot_speed_cm_s: how fast feet move that both solves say stand; None where none stands.
        reprojection_px: median distance of seen landmarks from the body's; None without camera.
    """

    jitter: float
    foot_speed_cm_s: float | None
    reprojection_px: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """One person's two solves side by side, over the ticks that both have."""

    person: int
    ticks: int
    live: Figures
    second: Figures


def solve_person(
    take: Take, person: int, estimator: Estimator, watch: Callable[[], None] = lambda: None
) -> Clip:
    """As solve_people, of one person alone."""
    ((_, clip),) = solve_people(take, (person,), estimator, watch)
    return clip


def solve_people(
    take: Take,
    people: Sequence[int],
    estimator: Estimator,
    watch: Callable[[], None] = lambda: None,
) -> Iterator[tuple[int, Clip]]:
    """Estimates persons of a take again, those before the same camera in one world.

    Args:
        take: its content.
        people: whose.
        estimator: weights and body.
        watch: called for each frame of each person as it is posed; may raise to stop.
    Returns:
        every person once, in no order.
    Raises:
        TakeError: the take has no landmarks of somebody, or their camera changed meanwhile.
        InputError: what the publisher said of the camera can't be used.
    """
    by_camera: dict[_Camera, list[int]] = {}
    for person in people:
        by_camera.setdefault(_camera_of(take, person), []).append(person)
    for camera, before_it in by_camera.items():
        missed = set(before_it)  # seen for a moment, between two ticks
        for person, clip in _solve(take, camera, before_it, estimator, watch):
            missed.remove(person)
            yield person, clip
        for person in missed:
            alone = replace(take, sightings=_from_first_to_last(take.sightings, person))
            yield from _solve(alone, camera, (person,), estimator, watch)


def solve_take(
    take: Take,
    folder: Path,
    estimator: Estimator,
    watch: Callable[[], None] = lambda: None,
) -> list[Comparison]:
    """Solves everyone again and keeps clips and figures in the take's folder.

    Raises:
        TakeError: nobody is in the take, or the estimator's body is another than the take's.
    """
    if take.body != estimator.body.name:
        raise TakeError(
            f"the take is of body '{take.body}' and this estimator's is '{estimator.body.name}'; "
            "load the body that it was recorded with (--body)"
        )
    if not take.persons:
        raise TakeError("nobody has poses in this take; there is nothing to solve")
    comparisons = []
    for person, second in solve_people(take, take.persons, estimator, watch):
        comparisons.append(compare(take, person, take.clip(person), second, estimator.body))
        write_npz(second_path(folder, person), second)
    comparisons.sort(key=lambda comparison: comparison.person)
    text = json.dumps([asdict(comparison) for comparison in comparisons], indent=1)
    (folder / COMPARISON_NAME).write_text(text, encoding="utf-8")
    return comparisons


def count_steps(take: Take) -> int:
    """How often `watch` is called for a take."""
    return sum(len(_from_first_to_last(take.sightings, person)) for person in take.persons)


def compare(take: Take, person: int, live: Clip, second: Clip, body: Body) -> Comparison:
    """Measures both solves on the ticks that both have."""
    mine, theirs = _common(live.t_capture_us, second.t_capture_us)
    contacts = (live.contacts[mine] + second.contacts[theirs]) / 2 > CONTACT
    landmarks = {
        sighting.t_capture_us: keypoints
        for sighting in take.sightings
        if (keypoints := _keypoints(sighting, person)) is not None
    }
    return Comparison(
        person=person,
        ticks=len(mine),
        live=_figures(live, mine, contacts, landmarks, body),
        second=_figures(second, theirs, contacts, landmarks, body),
    )


def comparison_table(comparisons: Iterable[Comparison]) -> str:
    """The figures as people read them."""
    lines = [f"{'person':>6}  {'solve':<7}{'jitter m/s³':>12}{'feet cm/s':>11}{'2D error px':>13}"]
    for comparison in comparisons:
        for name, figures in (("live", comparison.live), ("second", comparison.second)):
            feet, pixels = figures.foot_speed_cm_s, figures.reprojection_px
            lines.append(
                f"{comparison.person:>6}  {name:<7}{figures.jitter:>12.1f}"
                f"{'-' if feet is None else f'{feet:.1f}':>11}"
                f"{'-' if pixels is None else f'{pixels:.1f}':>13}"
            )
    return "\n".join(lines)


def _from_first_to_last(sightings: list[Sighting], person: int) -> list[Sighting]:
    there = [n for n, s in enumerate(sightings) if _keypoints(s, person) is not None]
    return sightings[there[0] : there[-1] + 1] if there else []


_Camera = tuple[tuple[int, int], float | None]
"""Size of the pictures, and fov."""


def _camera_of(take: Take, person: int) -> _Camera:
    """The camera that somebody was seen by."""
    seen = _from_first_to_last(take.sightings, person)
    if not seen:
        raise TakeError(f"person {person} was never seen in this take; there is nothing to solve")
    cameras = {_camera(sighting) for sighting in seen}
    if len(cameras) > 1:
        raise TakeError(
            f"the camera changed while person {person} was seen (pictures "
            f"{', '.join(f'{w}x{h}' for (w, h), _ in sorted(cameras, key=str))}); "
            "record a take for each"
        )
    return cameras.pop()


def _camera(sighting: Sighting) -> _Camera:
    return sighting.image_size, sighting.fov


def _solve(
    take: Take,
    camera: _Camera,
    people: Sequence[int],
    estimator: Estimator,
    watch: Callable[[], None],
) -> Iterator[tuple[int, Clip]]:
    """Those whom one camera saw."""
    used = list(_used(one for one in take.sightings if _camera(one) == camera))
    seen = {person: own for person in people if (own := _frames(used, person))}
    if not seen:
        return
    used = used[: max(map(len, seen.values()))]
    intrinsics = Intrinsics.of_picture(*camera[0], camera[1])
    start_us, height_m = used[0].sighting.t_capture_us, used[-1].sighting.height_m
    motions = [of.motion for of in used]
    poses = whole_people(estimator, list(seen.values()), intrinsics, height_m, motions, watch)
    for person, posed in zip(seen, poses, strict=True):
        yield person, without_gaps(clip_of(estimator, posed, intrinsics, start_us), intrinsics)


@dataclass(frozen=True, slots=True)
class _Used:
    """A sighting that reaches a tick, and how the camera moved since the one before."""

    tick: Tick
    sighting: Sighting
    motion: CameraMotion


def _used(sightings: Iterable[Sighting]) -> Iterator[_Used]:
    """Ticks anew from the capture times: those that were recorded belong to the whole stream.

    A take that doesn't tell of its camera's motion is of a camera on a stand.
    """
    clock, motion = TickClock(), STILL
    for sighting in sightings:
        motion = joined(motion, sighting.camera or STILL)
        tick = clock.admit(sighting.t_capture_us)
        if tick is not None:
            yield _Used(tick, sighting, motion)
            motion = STILL


def _frames(used: Sequence[_Used], person: int) -> list[Frame]:
    """What is seen of a person, until the last sight; nothing if no tick has any."""
    frames = [(of.tick, _keypoints(of.sighting, person)) for of in used]
    sights = [n + 1 for n, (_, keypoints) in enumerate(frames) if keypoints is not None]
    return frames[: max(sights, default=0)]


def _keypoints(sighting: Sighting, person: int) -> Keypoints | None:
    return next((p.keypoints for p in sighting.persons if p.person == person), None)


def _common(
    mine: NDArray[np.int64], theirs: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of the ticks that are in both, by their times."""
    nearest = np.clip(np.searchsorted(theirs, mine - SAME_TICK_US), 0, len(theirs) - 1)
    same = np.abs(theirs[nearest] - mine) < SAME_TICK_US
    return np.flatnonzero(same), nearest[same]


def _figures(
    clip: Clip,
    rows: NDArray[np.int64],
    contacts: NDArray[np.bool_],
    landmarks: dict[int, Keypoints],
    body: Body,
) -> Figures:
    joints = torch.as_tensor(clip.joints[rows])
    feet = float(foot_speed_at_rest(joints, torch.as_tensor(contacts), clip.fps))
    return Figures(
        jitter=float(jitter(joints, clip.fps).mean()) if len(rows) > 3 else 0.0,
        foot_speed_cm_s=None if np.isnan(feet) else feet * 100,
        reprojection_px=_reprojection(clip, rows, landmarks, body),
    )


def _reprojection(
    clip: Clip, rows: NDArray[np.int64], landmarks: dict[int, Keypoints], body: Body
) -> float | None:
    """How far the body's landmarks are from the picture's, pixels."""
    if clip.camera is None:
        return None
    rows = np.array([n for n in rows if int(clip.t_capture_us[n]) in landmarks])
    if not len(rows):
        return None
    seen = [landmarks[int(clip.t_capture_us[n])] for n in rows]
    axis_angle = clip.axis_angle[rows].copy()
    axis_angle[:, 0] = clip.camera.root_axis_angle[rows]
    joints = torch.as_tensor(clip.camera.joints[rows])
    rotmat = axis_angle_to_rotmat(torch.as_tensor(axis_angle))
    turned, _ = body.forward_kinematics(rotmat, joints[:, 0], torch.as_tensor(clip.rest_joints))
    shape = torch.as_tensor(clip.shape).expand(len(rows), -1)
    pixels = project(body.landmarks(turned, joints, shape), torch.as_tensor(clip.camera.K)).numpy()
    apart = np.linalg.norm(pixels - np.stack([k.pixels for k in seen]), axis=-1)
    visible = np.stack([k.confidence for k in seen]) >= SEEN
    return float(np.median(apart[visible])) if visible.any() else None

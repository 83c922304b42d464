"""Takes made in code: the synthetic walker, estimated as a live stream would."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genmo_rt.estimate import Estimator, StreamEstimator
from genmo_rt.keypoints import Keypoints
from genmo_rt.pose import Pose
from genmo_stream.hub import Hub
from genmo_stream.listener import SightedPerson, Sighting, Solved
from genmo_stream.takes import TakeInfo, TakeLimits, Takes
from genmo_stream.wire import PoseMessage, PosePerson, Skeleton, Subject, bone_offsets
from tests.genmo_rt import walk

START_US = 1_790_000_000_000_000


@dataclass
class Live:
    """What went through a stream while it was recorded, to compare takes with."""

    poses: dict[int, list[tuple[int, Pose]]]  # by person: (t_capture_us, pose) of every tick
    messages: list[PoseMessage]
    frames: int


def noisy(t: float, person: int) -> Keypoints:
    """The walker's landmarks as a detector jitters about them; person 2 walks half a second on."""
    seen = walk.seen(t + 0.5 * (person - 1))
    noise = np.random.default_rng([person, round(t * 1e6)]).normal(scale=2.0, size=(33, 2))
    world = walk.walker(t).landmarks_cam.astype(np.float32)
    return Keypoints(
        (seen.pixels + noise).astype(np.float32), seen.confidence, world, seen.image_size
    )


def stream_walk(
    hub: Hub, estimator: Estimator, *, seconds: float, persons: int = 1, drop: float = 0.0
) -> Live:
    """Lets a hub's listeners hear walkers, frame by frame, as Stream does."""
    solvers: dict[int, StreamEstimator] = {
        person: estimator.stream(walk.INTRINSICS) for person in range(1, persons + 1)
    }
    live = Live({person: [] for person in solvers}, [], 0)
    for number, (tick, t) in enumerate(walk.frames(30, seconds, drop)):
        t_capture_us = START_US + round(t * 1e6)
        seen = {person: noisy(t, person) for person in solvers}
        hub.note(
            Sighting(
                number=number,
                t_capture_us=t_capture_us,
                tick=tick,
                image_size=(walk.INTRINSICS.width, walk.INTRINSICS.height),
                fov=None,
                height_m=None,
                delay=0,
                persons=tuple(SightedPerson(who, 2, keypoints) for who, keypoints in seen.items()),
            )
        )
        shown = []
        for person, solver in solvers.items():
            for pose, framed in solver.advance(tick, seen[person]):
                at = t_capture_us + round((pose.t - tick.t) * 1e6)
                live.poses[person].append((at, pose))
                hub.note(Solved(person, at, framed, pose, solver.rest_joints))
            if number == 0:
                _introduce(hub, person, solver)
            shown.append(PosePerson.from_pose(person, 2, pose, seen[person]))
        message = PoseMessage(number, t_capture_us, tuple(shown))
        hub.publish(message)
        live.messages.append(message)
        live.frames += 1
    return live


def record_walk(
    folder: Path, estimator: Estimator, *, seconds: float, persons: int = 1, drop: float = 0.0
) -> tuple[Takes, TakeInfo, Live]:
    """A finished take of walkers, its folder of takes, and what went through the stream."""
    takes = Takes(folder, body="builtin", limits=TakeLimits(min_free=0))
    hub = Hub("camera", server="test 0", listeners=(takes,))
    info = takes.start(hub)
    live = stream_walk(hub, estimator, seconds=seconds, persons=persons, drop=drop)
    return takes, takes.stop(info.id), live


def _introduce(hub: Hub, person: int, solver: StreamEstimator) -> None:
    offsets = bone_offsets(solver.rest_joints)
    hub.set_skeleton(Skeleton(rev=person, offsets=offsets))
    hub.set_subject(
        Subject(
            person=person,
            state="enter",
            body="builtin",
            betas=np.zeros(10, np.float32),
            shape=solver.shape,
            height_m=solver.height_m,
            offsets=offsets,
        )
    )

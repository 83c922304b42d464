"""How right two people of other sizes stand to each other, before two calibrated cameras.

    scripts/measure_people.py FOLDER --keep seen/

FOLDER has `two_persons_cam03.mp4` and `two_persons_cam04.mp4` of pose2sim, taken at once, and the
cameras in `reference.npz`. The 2D stage and the tracker run as they do live; hips seen by both
cameras are triangulated, and every camera's own poses are compared with that: from one person's
mid-hip to the other's. With --keep landmarks are kept there and used again; with --whole the poses
are those of whole clips, as of second solves.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from genmo_rt.camera import Intrinsics
from genmo_rt.clock import Tick, TickClock
from genmo_rt.estimate import Estimator
from genmo_rt.evaluation.real import HIPS, landmarks_cam
from genmo_rt.evaluation.tables import grid
from genmo_rt.gravity import camera_to_world
from genmo_rt.keypoints import Keypoints
from genmo_rt.pose import Pose
from genmo_rt.recording import whole_people
from genmo_rt.rotation import quat_xyzw_to_rotmat
from genmo_stream.keypoints import PeopleStage
from genmo_stream.observation import Observation, PersonState
from genmo_stream.seen import Seen
from genmo_stream.solvers import Followed, Solvers, advance_all
from genmo_stream.tracking import PersonTracker
from genmo_stream.video import read_video

Array = NDArray[np.float64]
Sights = dict[int, dict[int, Keypoints]]
"""By capture time in microseconds, and by person, who is 1 or 2."""

CAMERAS = (3, 4)
FEET = (10, 11)  # joints
HEADS = ("camera cm", "95 %", "world cm", "95 %", "first tilt °", "tilt °", "feet apart cm")


@dataclass(frozen=True, slots=True, eq=False)
class Camera:
    """One of the reference's cameras.

    Attributes:
        R_w2c, t_w2c: (3, 3) and (3,), of the reference's world, which is z up.
        K: (3, 3).
    """

    R_w2c: Array
    t_w2c: Array
    K: Array

    @classmethod
    def of(cls, reference: Path, number: int) -> "Camera":
        """Reads the one of a number, from 1."""
        with np.load(reference) as arrays:
            return cls(*(arrays[name][number - 1] for name in ("R_w2c", "t_w2c", "K")))

    def rows(self, pixels: NDArray[np.float32]) -> Array:
        """(N, 2, 4) what (N, 2) pixels say of points in the world: rows @ (point, 1) = 0."""
        projection = self.K @ np.column_stack((self.R_w2c, self.t_w2c))
        return np.asarray(pixels[:, :, None] * projection[2] - projection[:2])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--whole", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    cameras = {n: Camera.of(args.folder / "reference.npz", n) for n in CAMERAS}
    sights = {n: watch(args.folder / f"two_persons_cam0{n}.mp4", args.keep) for n in CAMERAS}
    truth = triangulate(cameras, sights)
    estimator, rows = Estimator.load(), []
    estimate = whole if args.whole else live
    for n, camera in cameras.items():
        for name, told in (("true f", camera.K), ("guessed f", None)):
            poses = estimate(estimator, sights[n], told)
            rows.append((f"camera {n}, {name}", score(estimator, poses, truth, camera)))
    print(grid(list(HEADS), rows))


def watch(video: Path, keep: Path | None) -> Sights:
    """Who is seen in a video, or was when it was watched before."""
    kept = None if keep is None else keep / f"{video.stem}.npz"
    if kept is not None and kept.is_file():
        return read(kept)
    sights = look(video)
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        write(kept, sights)
    return sights


def look(video: Path) -> Sights:
    """Runs the 2D stage and the tracker over a video."""
    stage, tracker, clock = PeopleStage(), PersonTracker(), TickClock()
    sights: Sights = {}
    for frame in read_video(video):
        tick = clock.admit(frame.t_capture_us)
        if tick is None:
            continue
        there = tracker.update(stage.look(frame.image, frame.t_capture_us), tick.t)
        sights[frame.t_capture_us] = {
            one.person: one.keypoints for one in there if one.keypoints is not None
        }
    stage.close()
    return sights


def read(path: Path) -> Sights:
    """What `write` kept."""
    sights: Sights = {}
    with np.load(path) as arrays:
        size = (int(arrays["image_size"][0]), int(arrays["image_size"][1]))
        columns = (arrays[name] for name in ("t_us", "person", "pixels", "confidence"))
        for t_us, person, pixels, confidence in zip(*columns, strict=True):
            seen = Keypoints(pixels, confidence, None, size)
            sights.setdefault(int(t_us), {})[int(person)] = seen
    return sights


def write(path: Path, sights: Sights) -> None:
    """Keeps everybody's landmarks."""
    rows = [(t_us, person, seen) for t_us, by in sights.items() for person, seen in by.items()]
    np.savez_compressed(
        path,
        t_us=np.array([t_us for t_us, _, _ in rows]),
        person=np.array([person for _, person, _ in rows]),
        pixels=np.stack([seen.pixels for _, _, seen in rows]),
        confidence=np.stack([seen.confidence for _, _, seen in rows]),
        image_size=np.array(rows[0][2].image_size),
    )


def triangulate(
    cameras: dict[int, Camera], sights: dict[int, Sights]
) -> dict[tuple[int, int], Array]:
    """(3,) the mid-hip in the reference's world, by time and person, where both cameras see it."""
    (one, first), (other, second) = ((cameras[n], sights[n]) for n in CAMERAS)
    found = {}
    for t_us in first.keys() & second.keys():
        for person in first[t_us].keys() & second[t_us].keys():
            hips = [of[t_us][person].pixels[list(HIPS)] for of in (first, second)]
            rows = np.concatenate((one.rows(hips[0]), other.rows(hips[1])), axis=1)  # (2, 4, 4)
            points = np.linalg.svd(rows)[2][:, -1]
            found[t_us, person] = (points[:, :3] / points[:, 3:]).mean(0)
    return found


def live(estimator: Estimator, sights: Sights, K: Array | None) -> dict[int, dict[int, Pose]]:
    """The poses of a stream, by time and person.

    Args:
        K: (3, 3) what the sender says of the camera.
    """
    solvers = Solvers(estimator)
    poses: dict[int, dict[int, Pose]] = {}
    for t_us, tick in ticked(sights):
        people = sights[t_us]
        size = next(iter(people.values())).image_size
        told = None if K is None else intrinsics(K, size)
        seen = Seen(0, t_us, 0.0, 0.0, size, tick, (), told)
        there = [Observation(who, PersonState.TRACKED, people[who]) for who in sorted(people)]
        frame = Followed(seen, tuple(there))
        for solver, out in zip(of := solvers.of(frame), advance_all(of, frame), strict=True):
            poses.setdefault(t_us, {})[solver.person] = out[-1][0]
        solvers.due(frame)
    solvers.forget()
    return poses


def whole(estimator: Estimator, sights: Sights, K: Array | None) -> dict[int, dict[int, Pose]]:
    """The same of a whole clip."""
    times = ticked(sights)
    size = next(iter(next(iter(sights.values())).values())).image_size
    told = Intrinsics.of_picture(*size, None) if K is None else intrinsics(K, size)
    frames = [[(tick, sights[t_us].get(who)) for t_us, tick in times] for who in (1, 2)]
    people = whole_people(estimator, frames, told)
    at = {tick.t: t_us for t_us, tick in times}
    poses: dict[int, dict[int, Pose]] = {}
    for who, own in zip((1, 2), people, strict=True):
        for pose in own:
            poses.setdefault(at[pose.t], {})[who] = pose
    return poses


def ticked(sights: Sights) -> list[tuple[int, Tick]]:
    """The times that the model's clock takes."""
    clock = TickClock()
    admitted = [(t_us, clock.admit(t_us)) for t_us in sorted(sights)]
    return [(t_us, tick) for t_us, tick in admitted if tick is not None]


def intrinsics(K: Array, size: tuple[int, int]) -> Intrinsics:
    """Of a camera matrix."""
    fx, fy, cx, cy = (float(K[place]) for place in ((0, 0), (1, 1), (0, 2), (1, 2)))
    return Intrinsics(fx, fy, cx, cy, *size)


def score(
    estimator: Estimator,
    poses: dict[int, dict[int, Pose]],
    truth: dict[tuple[int, int], Array],
    camera: Camera,
) -> list[float]:
    """What HEADS says: medians, and where named the 95th percentile."""
    up = camera.R_w2c[:, 2]
    R_c2w = camera_to_world(up)
    rows = []
    for t_us, both in sorted(poses.items()):
        if len(both) < 2 or not all((t_us, who) in truth for who in both):
            continue
        mine, theirs = (
            second - first
            for first, second in (
                [
                    landmarks_cam(both[who], estimator.body).numpy()[list(HIPS)].mean(0)
                    for who in (1, 2)
                ],
                [camera.R_w2c @ truth[t_us, who] for who in (1, 2)],
            )
        )
        mine_R_c2w = _rotmat(both[1].quat_xyzw[0]) @ _rotmat(both[1].root_quat_xyzw_cam).T
        feet = [float(both[who].joints[list(FEET), 1].min()) for who in (1, 2)]
        rows.append(
            (
                100 * np.linalg.norm(mine - theirs),
                100 * np.linalg.norm(mine_R_c2w @ mine - R_c2w @ theirs),
                np.degrees(np.arccos(np.clip(mine_R_c2w[1] @ up, -1, 1))),
                100 * abs(feet[1] - feet[0]),
            )
        )
    cam, world, tilt, apart = np.array(rows).T
    return [
        float(np.median(cam)),
        float(np.percentile(cam, 95)),
        float(np.median(world)),
        float(np.percentile(world, 95)),
        float(tilt[0]),
        float(np.median(tilt)),
        float(np.median(apart)),
    ]


def _rotmat(quat_xyzw: NDArray[np.float32]) -> Array:
    return quat_xyzw_to_rotmat(torch.from_numpy(quat_xyzw).double()).numpy()


if __name__ == "__main__":
    main()

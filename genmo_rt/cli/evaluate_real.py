"""`genmo-rt evaluate real`: published poses beside MediaPipe's own 3D, on calibrated video."""

import argparse
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from genmo_rt.cli.common import progress
from genmo_rt.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from genmo_rt.camera import Intrinsics
    from genmo_rt.estimate import Estimator
    from genmo_rt.evaluation.real import Footage, RealScores

REFERENCE = "reference.npz"
CAMERA = re.compile(r"cam0*([1-9]\d*)\.mp4")
DELAYS = (0, 4)


@dataclass(frozen=True, slots=True)
class _Video:
    """One camera's video of the folder; cameras count from 1."""

    camera: int
    path: Path


@dataclass(frozen=True, slots=True)
class _Filmed:
    """A video that was watched."""

    video: _Video
    footage: "Footage"
    true: "Intrinsics"
    guessed: "Intrinsics"


def evaluate_real(args: argparse.Namespace) -> int:
    """Prints one table of all cameras; with --out keeps it and the landmarks."""
    videos = _videos(args.folder, args.cameras)
    if args.video is not None and args.video.suffix != ".mp4":
        raise InputError(f"--video is {args.video}; expected a name that ends in .mp4")
    from genmo_rt.estimate import Estimator
    from genmo_rt.evaluation.real import HEADS, mean
    from genmo_rt.evaluation.tables import table

    if args.out is not None:
        args.out.mkdir(parents=True, exist_ok=True)
    estimator = Estimator.load(args.of)
    rows: list[tuple[str, RealScores]] = []
    films = [_watch(video, args.folder / REFERENCE, args.out) for video in videos]
    by_method: dict[str, list[RealScores]] = {}
    for film in films:
        for method, scores in _score(estimator, film):
            rows.append((f"camera {film.video.camera}, {method}", scores))
            by_method.setdefault(method, []).append(scores)
    if len(films) > 1:
        rows += [(f"**mean, {method}**", mean(scores)) for method, scores in by_method.items()]
    text = table(rows, HEADS)
    print(f"{args.of or 'the default checkpoint'}: {estimator.checkpoint.note}\n\n{text}")
    if args.out is not None:
        (args.out / "real.md").write_text(text + "\n")
    if args.video is not None:
        _film(estimator, films[0], args.video)
    return 0


def _videos(folder: Path, cameras: list[int] | None) -> list[_Video]:
    """The folder's camNN.mp4, or those of them that were asked for.

    Raises:
        InputError: there are none, or no reference.
    """
    if not (folder / REFERENCE).is_file():
        raise InputError(f"{folder} has no {REFERENCE}; expected it beside cam01.mp4, cam02.mp4, …")
    found = [
        _Video(int(match[1]), path)
        for path in sorted(folder.glob("*.mp4"))
        if (match := CAMERA.fullmatch(path.name))
    ]
    chosen = [video for video in found if cameras is None or video.camera in cameras]
    missing = set(cameras or ()) - {video.camera for video in chosen}
    if missing or not chosen:
        what = f"camera {min(missing)}" if missing else "any camera's video"
        raise InputError(f"{folder} lacks {what}; expected files named cam01.mp4, cam02.mp4, …")
    return chosen


def _watch(video: _Video, reference: Path, out: Path | None) -> _Filmed:
    """Runs the 2D stage over a video, or takes what it saw before."""
    from genmo_rt.camera import Intrinsics
    from genmo_rt.evaluation.real import Footage
    from genmo_rt.evaluation.recorded import read_keypoints, read_reference, write_keypoints
    from genmo_stream.keypoints.offline import watch_video
    from genmo_stream.video import count_frames, read_video

    kept = None if out is None else out / f"{video.path.stem}.landmarks.npz"
    source = hashlib.sha256(video.path.read_bytes()).hexdigest()
    first = next(iter(read_video(video.path)))
    height, width = first.image.shape[:2]
    if kept is not None and kept.is_file():
        frames = read_keypoints(kept, source)
    else:
        with progress(f"watching {video.path.name}", count_frames(video.path)) as advance:
            frames = [
                (seen.frame.t_capture_us / 1e6, seen.keypoints)
                for seen in map(advance, watch_video(video.path))
            ]
        if kept is not None:
            write_keypoints(kept, frames, (width, height), source)
    truth = read_reference(reference, video.camera - 1, (width, height))
    guessed = Intrinsics.default(width, height)
    return _Filmed(video, Footage.of(frames, truth), truth.intrinsics, guessed)


def _score(estimator: "Estimator", film: _Filmed) -> "Iterator[tuple[str, RealScores]]":
    from genmo_rt.evaluation.real import score_live, score_mediapipe, score_whole

    for camera, told in ((film.true, "true f"), (film.guessed, "guessed f")):
        for delay in DELAYS:
            yield f"streaming R={delay}, {told}", score_live(estimator, film.footage, camera, delay)
        yield f"whole clip, {told}", score_whole(estimator, film.footage, camera)
    yield "MediaPipe", score_mediapipe(film.footage)


def _film(estimator: "Estimator", film: _Filmed, path: Path) -> None:
    """Writes the side-by-side video of live poses with the true camera."""
    from genmo_rt.clock import TICK_HZ
    from genmo_rt.evaluation.real import live_poses
    from genmo_rt.evaluation.side_by_side import Scene, draw_side_by_side
    from genmo_stream.video import write_video

    poses = live_poses(estimator, film.footage, film.true)
    scene = Scene(film.footage, {pose.t: pose for pose in poses}, film.true, estimator.body)
    with progress(f"drawing {path.name}", len(film.footage.frames)) as advance:
        drawn = draw_side_by_side(scene, _pictures(film))
        count = write_video(path, map(advance, drawn), TICK_HZ)
    print(f"{path}: {count} pictures of camera {film.video.camera}")


def _pictures(film: _Filmed) -> "Iterator[NDArray[np.uint8]]":
    """The pictures of the footage's frames."""
    from genmo_rt.clock import TickClock
    from genmo_stream.video import read_video

    clock = TickClock()
    for frame in read_video(film.video.path):
        if clock.admit(frame.t_capture_us) is not None:
            yield frame.image

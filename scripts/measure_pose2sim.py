"""Live and whole-clip estimation beside MediaPipe's own 3D: three real, calibrated views of a man.

    .venv/bin/python scripts/measure_pose2sim.py

Runs the 2D stage and the estimator over tests/fixtures/video/pose2sim_cam0{1,2,3}.mp4 as a stream
would, then over the whole clip, and prints genmo_rt.evaluate's table. Fifty ticks of rare poses: a
check, not a benchmark.
"""

from pathlib import Path

import numpy as np
import torch

from genmo_rt.camera import Intrinsics
from genmo_rt.clock import Tick, TickClock
from genmo_rt.estimate import Estimator
from genmo_rt.evaluate import (
    Reference,
    Scores,
    TimedKeypoints,
    evaluate,
    landmarks_cam,
    read_reference,
    score,
    table,
)
from genmo_rt.keypoints import Keypoints
from genmo_rt.recording import whole_poses
from genmo_stream.keypoints.offline import watch_video

FIXTURES = Path(__file__).parents[1] / "tests" / "fixtures"


def main() -> None:
    estimator = Estimator.load()
    rows = []
    for camera in (1, 2, 3):
        seen = list(watch_video(FIXTURES / "video" / f"pose2sim_cam0{camera}.mp4"))
        height, width = seen[0].frame.image.shape[:2]
        frames = [(item.frame.t_capture_us / 1e6, item.keypoints) for item in seen]
        reference = read_reference(
            FIXTURES / "landmarks" / "pose2sim_reference.npz", camera - 1, (width, height)
        )
        guessed = Intrinsics.default(width, height)
        ours, mediapipe = evaluate(estimator, frames, reference, reference.intrinsics)
        rows.append((f"camera {camera}, ours", ours))
        rows.append(
            (f"camera {camera}, guessed f", evaluate(estimator, frames, reference, guessed)[0])
        )
        whole = evaluate_whole(estimator, frames, reference, reference.intrinsics)
        rows.append((f"camera {camera}, ours, whole clip", whole))
        whole = evaluate_whole(estimator, frames, reference, guessed)
        rows.append((f"camera {camera}, guessed f, whole clip", whole))
        rows.append((f"camera {camera}, MediaPipe full", mediapipe))
    print(table(rows))


def evaluate_whole(
    estimator: Estimator, frames: TimedKeypoints, reference: Reference, camera: Intrinsics
) -> Scores:
    """Scores the whole clip's poses at the frames where somebody is seen."""
    clock, told, pixels = TickClock(), list[tuple[Tick, Keypoints | None]](), {}
    for t, keypoints in frames:
        tick = clock.admit(round(t * 1e6))
        if tick is not None:
            told.append((tick, keypoints))
            if keypoints is not None:
                pixels[tick.t] = torch.from_numpy(keypoints.pixels).double()
    poses = [pose for pose in whole_poses(estimator, told, camera) if pose.t in pixels]
    truth = [reference.landmarks_cam[np.abs(reference.t - pose.t).argmin()] for pose in poses]
    return score(
        torch.stack([landmarks_cam(pose, estimator.body) for pose in poses]),
        torch.from_numpy(np.stack(truth)),
        torch.stack([pixels[pose.t] for pose in poses]),
        camera.matrix(torch.float64),
    )


if __name__ == "__main__":
    main()

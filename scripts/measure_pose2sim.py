"""The live estimator beside MediaPipe's own 3D on three real, calibrated views of one man.

    .venv/bin/python scripts/measure_pose2sim.py

Runs the 2D stage and the estimator over tests/fixtures/video/pose2sim_cam0{1,2,3}.mp4 as a stream
would and prints genmo_rt.evaluate's table. Fifty ticks of rare poses: a check, not a benchmark.
"""

from pathlib import Path

from genmo_rt.camera import Intrinsics
from genmo_rt.estimate import Estimator
from genmo_rt.evaluate import evaluate, read_reference, table
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
        rows.append((f"camera {camera}, MediaPipe full", mediapipe))
    print(table(rows))


if __name__ == "__main__":
    main()

"""A pose server as a process of its own, fed with golden poses: python -m tests.pose_feed PORT FPS

Prints `serving at URL`, then publishes until it is killed. Counts from seq 1 in every run.
"""

import sys
import time

from tests.pose_server import PoseServer, pose

STREAM = "cam"


def main(port: int, fps: float) -> None:
    """Publishes for good."""
    with PoseServer(port=port) as server:
        server.go_live(STREAM)
        sys.stdout.write(f"serving at {server.url(STREAM)}\n")
        sys.stdout.flush()
        due = time.monotonic()
        frame = 0
        while True:
            frame += 1
            server.publish(message=pose(frame))
            # held up, it goes on from now: a burst would overwrite poses before they are sent
            due = max(due + 1 / fps, time.monotonic())
            time.sleep(max(0.0, due - time.monotonic()))


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))

"""A whole file through the 2D stage: for estimating, evaluating and keeping the landmarks."""

import math
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from genmo_rt.keypoints import Keypoints
from genmo_stream.frame import Frame
from genmo_stream.keypoints.landmarker import PoseModel
from genmo_stream.keypoints.mediapipe import MediaPipeStage
from genmo_stream.video import read_video


@dataclass(frozen=True, slots=True)
class SeenFrame:
    """One frame of a file with what the 2D stage saw in it.

    Attributes:
        frame: the picture and its time.
        keypoints: the person's landmarks, None when nobody is seen.
    """

    frame: Frame
    keypoints: Keypoints | None


def watch_video(
    path: Path | str, model: PoseModel = "full", *, start_s: float = 0.0, end_s: float = math.inf
) -> Generator[SeenFrame, None, None]:
    """Runs the 2D stage over every frame of a video file, searching each picture exhaustively.

    Args:
        path: of the file.
        model: of the 2D stage.
        start_s: seconds after the first frame; those before aren't looked at.
        end_s: seconds after the first frame; the file isn't read on from there.
    Raises:
        FileFormatError: as read_video, at the first frame or after the last good one.
    """
    with MediaPipeStage(model, search="full") as stage:
        first_us = None
        for frame in read_video(path):
            first_us = frame.t_capture_us if first_us is None else first_us
            at_s = (frame.t_capture_us - first_us) / 1e6
            if at_s >= end_s:
                return
            if at_s >= start_s:
                yield SeenFrame(frame, stage.detect(frame.image, frame.t_capture_us))

"""MediaPipe's pose landmarker as one call: a square crop in, landmarks in crop units out."""

import os
import re
import tempfile
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import mediapipe as mp
import numpy as np
from mediapipe.tasks.python import BaseOptions, vision
from numpy.typing import NDArray

from genmo_stream.keypoints.crops import CROP_SIZE

PoseModel = Literal["lite", "full"]

# MediaPipe's video mode follows the person from call to call (one landmark run instead of
# detector and landmarks), but also smooths, which lags. Its filter goes by the timestamps it is
# given: 100 s apart, it passes 97 % and more of every new value, and what is left is following.
STEP_MS = 100_000
VISIBILITY_SHARE = 0.1  # of a new visibility in what MediaPipe reports; it never forgets the rest
MAX_CALLS = 50_000_000  # its filter counts nanoseconds in 64 bits: good for 92 million calls


@dataclass(frozen=True, slots=True)
class Landmarks:
    """One person as MediaPipe gives them.

    Attributes:
        points: (33, 2) float64 in units of the crop's edge, x right, y down.
        visibility: (33,) float32 0..1: in the picture and not hidden.
        presence: (33,) float32 0..1: in the picture.
        world: (33, 3) float32 metres, origin mid-hip.
    """

    points: NDArray[np.float64]
    visibility: NDArray[np.float32]
    presence: NDArray[np.float32]
    world: NDArray[np.float32]


class Landmarker:
    """One MediaPipe landmarker in video mode: detects, then follows while it holds the person.

    Not thread-safe; several instances may run in several threads.
    """

    _has_spoken: ClassVar[bool] = False  # MediaPipe prints with the process's first result

    def __init__(self, model: PoseModel) -> None:
        self._model = model
        self._open()

    def _open(self) -> None:
        self._task = _create_task(self._model)
        self._close = weakref.finalize(self, _close_task, self._task)
        self._calls = 0
        self._smoothed_visibility: NDArray[np.float64] | None = None

    def look(self, crop: NDArray[np.uint8]) -> Landmarks | None:
        """Follows the person of the last call if there was one, else runs the detector.

        Args:
            crop: (CROP_SIZE, CROP_SIZE, 3) uint8 RGB; its window may move a little per call.
        """
        if self._calls == MAX_CALLS:
            self.close()
            self._open()
        self._calls += 1
        picture = mp.Image(image_format=mp.ImageFormat.SRGB, data=crop)
        with nullcontext() if Landmarker._has_spoken else quiet_stderr():
            result = self._task.detect_for_video(picture, self._calls * STEP_MS)
        if not result.pose_landmarks:
            return None
        Landmarker._has_spoken = True
        table = np.array(
            [(p.x, p.y, p.visibility, p.presence) for p in result.pose_landmarks[0]], np.float64
        )
        smoothed, before = table[:, 2], self._smoothed_visibility
        visibility = smoothed if before is None else before + (smoothed - before) / VISIBILITY_SHARE
        self._smoothed_visibility = smoothed
        world = [(p.x, p.y, p.z) for p in result.pose_world_landmarks[0]]
        return Landmarks(
            points=table[:, :2],
            visibility=np.clip(visibility, 0, 1).astype(np.float32),
            presence=table[:, 3].astype(np.float32),
            world=np.array(world, np.float32),
        )

    def forget(self) -> None:
        """Lets go of the person being followed: the next look runs the detector."""
        self.look(np.zeros((CROP_SIZE, CROP_SIZE, 3), np.uint8))

    def close(self) -> None:
        self._close()


class PrivateOptions(BaseOptions):  # type: ignore[misc]  # mediapipe has no types
    """MediaPipe's options with its usage reports off.

    It reports versions, frame counts and latencies to play.googleapis.com and has no switch for
    it. Without certificates to trust, its connection ends in the TLS handshake and nothing is
    sent (tried against a server of our own, mediapipe 1.2.2).
    """

    def to_ctypes(self) -> Any:
        options = super().to_ctypes()
        options.ca_bundle_path = os.devnull.encode()
        return options


def _create_task(model: PoseModel) -> vision.PoseLandmarker:
    bundle = Path(__file__).parents[1] / "models" / f"pose_landmarker_{model}.task"
    options = vision.PoseLandmarkerOptions(
        base_options=PrivateOptions(model_asset_path=str(bundle)),
        running_mode=vision.RunningMode.VIDEO,
    )
    with quiet_stderr():
        return vision.PoseLandmarker.create_from_options(options)


def _close_task(task: vision.PoseLandmarker) -> None:
    try:
        task.close()
    except RuntimeError:  # never closed until the interpreter ends, when threads are gone
        task._handle = None  # its __del__ would complain of that once more


_NATIVE_CHATTER = re.compile(rb"INFO: |WARNING: (Read-only tensor|Logging before)|[IW]\d{4} ")
_stderr_lock = threading.Lock()


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Holds back what is written to file descriptor 2, then lets all but MediaPipe's chatter out.

    MediaPipe's native log has no switch; it speaks at creation and at the first result.
    """
    with _stderr_lock, tempfile.TemporaryFile() as held:
        terminal = os.dup(2)
        try:
            os.dup2(held.fileno(), 2)
            yield
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
            held.seek(0)
            for line in held:
                if not _NATIVE_CHATTER.match(line):
                    os.write(2, line)

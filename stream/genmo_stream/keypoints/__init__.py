"""The 2D stage: a video frame in, one person's landmarks out."""

from genmo_stream.keypoints.mediapipe import MediaPipeStage
from genmo_stream.keypoints.stage import KeypointStage

__all__ = ["KeypointStage", "MediaPipeStage"]

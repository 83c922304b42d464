"""The 2D stage: a video frame in, people's landmarks out."""

from genmo_stream.keypoints.mediapipe import MediaPipeStage
from genmo_stream.keypoints.people import PeopleStage
from genmo_stream.keypoints.stage import KeypointStage

__all__ = ["KeypointStage", "MediaPipeStage", "PeopleStage"]

"""SMPL poses from a genmo-rt server, as they happen.

for pose in genmo_client.poses("ws://127.0.0.1:8080/v1/streams/cam/poses"):
    print(pose.persons[0].pelvis if pose.persons else "nobody")
"""

from genmo_client.control import (
    Control,
    ErrorMessage,
    Hello,
    Joint,
    Skeleton,
    Stats,
    StreamState,
    Subject,
)
from genmo_client.errors import DecodeError, GenmoClientError, Refused
from genmo_client.pose import Person, Pose, decode_pose
from genmo_client.stream import PoseStream

poses = PoseStream
"""`for pose in poses(url)` and `async for pose in poses(url)`."""

__all__ = [
    "Control",
    "DecodeError",
    "ErrorMessage",
    "GenmoClientError",
    "Hello",
    "Joint",
    "Person",
    "Pose",
    "PoseStream",
    "Refused",
    "Skeleton",
    "Stats",
    "StreamState",
    "Subject",
    "decode_pose",
    "poses",
]

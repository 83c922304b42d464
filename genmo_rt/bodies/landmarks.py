"""MediaPipe's 33 landmarks as points on a body: which joint carries each, and where it is."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genmo_rt.keypoints import LANDMARK_NAMES
from genmo_rt.skeleton import JOINT_NAMES

_CARRIERS = (
    ("eye", "head"),
    ("ear", "head"),
    ("mouth", "head"),
    ("nose", "head"),
    ("shoulder", "shoulder"),
    ("elbow", "elbow"),
    # Knuckles sit on the palm: the hand joint would move them when the fingers bend.
    ("wrist", "wrist"),
    ("pinky", "wrist"),
    ("index", "wrist"),
    ("thumb", "wrist"),
    ("hip", "hip"),
    ("knee", "knee"),
    ("ankle", "ankle"),
    ("heel", "ankle"),
)


def _carrier(landmark: str) -> int:
    if landmark.endswith("foot_index"):
        return JOINT_NAMES.index(landmark.replace("_index", ""))
    joint = next(joint for part, joint in _CARRIERS if part in landmark.split("_"))
    if joint == "head":
        return JOINT_NAMES.index("head")
    return JOINT_NAMES.index(f"{landmark.split('_')[0]}_{joint}")


LANDMARK_JOINTS = tuple(_carrier(name) for name in LANDMARK_NAMES)
"""LANDMARK_JOINTS[i] is the joint that landmark i is fixed to."""

# How far from the feature or joint that it is named after MediaPipe puts each landmark of the left
# side, T-pose, millimetres: robust least squares over rendered pictures of the built-in body
# (docs/observation.md). Hips are left as they are: they were seen 24 mm higher, but in real video
# of calibrated cameras a body with the higher hips fits worse in 2D and 3D.
_SEEN_MM = {
    "nose": (0, 7, -28),
    "left_eye_inner": (2, 0, -13),
    "left_eye": (-4, 1, -24),
    "left_eye_outer": (-10, 1, -18),
    "left_ear": (-17, 2, 10),
    "mouth_left": (-4, 7, -20),
    "left_shoulder": (-5, 0, 3),
    "left_elbow": (4, 3, 14),
    "left_wrist": (-2, -1, -4),
    "left_pinky": (3, -10, 29),
    "left_index": (-20, -10, -9),
    "left_thumb": (-4, 11, -24),
    "left_knee": (0, 8, -8),
    "left_ankle": (5, -3, 11),
    "left_heel": (-7, 12, 6),
    "left_foot_index": (0, 3, -17),
}


def seen_offsets() -> NDArray[np.float64]:
    """(33, 3) metres from a landmark's name to where MediaPipe sees it, on the body in T-pose."""
    offsets = np.zeros((len(LANDMARK_NAMES), 3))
    for i, name in enumerate(LANDMARK_NAMES):
        side = -1 if "right" in name else 1
        offsets[i] = np.multiply(_SEEN_MM.get(name.replace("right", "left"), 0), (side, 1, 1)) / 1e3
    return offsets


# Landmarks that are features of the head, the hands and the feet; the others sit at joints.
_FEATURES = ("nose", "eye", "ear", "mouth", "pinky", "index", "thumb", "heel")


@dataclass(frozen=True, slots=True)
class RestBody:
    """A body in its T-pose at shape zero: joints (24, 3) and vertices (V, 3), metres."""

    joints: NDArray[np.float64]
    vertices: NDArray[np.float64]


def landmarks_on(
    body: RestBody, like: RestBody, like_landmarks: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Finds the landmarks of a body from those of another one.

    Features of the head, a hand or a foot have the same place in that part's bounding box, which
    starts at the part's joint; landmarks at joints keep their offset, scaled with stature.

    Args:
        body: whose landmarks are wanted.
        like: the body whose landmarks are known.
        like_landmarks: (33, 3).
    Returns:
        (33, 3) landmarks at shape zero, and (33,) the vertex each one moves with when the shape
        changes, -1: with its joint.
    """
    size = np.ptp(body.vertices[:, 1]) / np.ptp(like.vertices[:, 1])
    points = np.zeros((len(LANDMARK_NAMES), 3))
    nearest = np.full(len(LANDMARK_NAMES), -1)
    offsets = seen_offsets()
    for i, name in enumerate(LANDMARK_NAMES):
        joint = LANDMARK_JOINTS[i]
        if any(feature in name for feature in _FEATURES):
            here, there = _part_box(body, joint), _part_box(like, joint)
            share = (like_landmarks[i] - there[0]) / (there[1] - there[0])
            points[i] = here[0] + share * (here[1] - here[0])
            feature = points[i] - size * offsets[i]  # not where it is seen, beside the body
            nearest[i] = np.linalg.norm(body.vertices - feature, axis=1).argmin()
        else:
            points[i] = body.joints[joint] + size * (like_landmarks[i] - like.joints[joint])
    return points, nearest


def _part_box(body: RestBody, joint: int) -> NDArray[np.float64]:
    """(2, 3) bounds of the head above its joint, a hand past the wrist, a foot below the ankle."""
    name = JOINT_NAMES[joint].replace("foot", "ankle")
    start, vertices = body.joints[JOINT_NAMES.index(name)], body.vertices
    if name == "head":
        part = vertices[vertices[:, 1] > start[1]]
    elif name.endswith("wrist"):
        part = vertices[vertices[:, 0] * np.sign(start[0]) > abs(start[0])]
    else:
        part = vertices[(vertices[:, 1] < start[1]) & (vertices[:, 0] * start[0] > 0)]
    part = np.concatenate((part, start[None]))
    return np.stack((part.min(0), part.max(0)))

"""MediaPipe's 33 landmarks as points on a body: which joint carries each."""

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

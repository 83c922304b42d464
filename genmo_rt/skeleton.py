"""SMPL's 24-joint tree: names, parents and mirror pairs."""

JOINT_NAMES = (
    "pelvis",
    "left_hip",
    "right_hip",
    "spine1",
    "left_knee",
    "right_knee",
    "spine2",
    "left_ankle",
    "right_ankle",
    "spine3",
    "left_foot",
    "right_foot",
    "neck",
    "left_collar",
    "right_collar",
    "head",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hand",
    "right_hand",
)
PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)
NUM_JOINTS = len(JOINT_NAMES)

MIRROR = tuple(
    JOINT_NAMES.index(
        name.replace("left", "\0").replace("right", "left").replace("\0", "right"),
    )
    for name in JOINT_NAMES
)
"""MIRROR[j] is the joint on the other side of the body (itself on the midline)."""

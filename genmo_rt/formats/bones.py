"""What SMPL's joints are called elsewhere: Unity and VRM, Unreal's Manny, Mixamo.

Every mapped joint has one counterpart, with parents in the same order, so that names are all that
changes. Manny has five spine bones: spine1 turns spine_01 and spine_02 together, and spine_04 has
nothing to do. SMPL's hands (the knuckles) have no counterpart: hands end at the wrist's bone.
"""

from dataclasses import dataclass
from typing import Literal, get_args

from genmo_rt.skeleton import JOINT_NAMES

BoneNames = Literal["smpl", "unity", "vrm", "manny", "mixamo"]
BONE_NAMES: tuple[str, ...] = get_args(BoneNames)


@dataclass(frozen=True, slots=True)
class Bone:
    """One joint's names.

    Attributes:
        smpl: as in JOINT_NAMES.
        unity: Unity's HumanBodyBones, what VRM 0 and VMC call it; VRM 1 starts it in lower case.
        manny: Unreal's mannequin.
        mixamo: without the `mixamorig:` that files put before it.
    """

    smpl: str
    unity: str
    manny: str
    mixamo: str


_MIDDLE = (
    Bone("pelvis", "Hips", "pelvis", "Hips"),
    Bone("spine1", "Spine", "spine_01", "Spine"),
    Bone("spine2", "Chest", "spine_03", "Spine1"),
    Bone("spine3", "UpperChest", "spine_05", "Spine2"),
    Bone("neck", "Neck", "neck_01", "Neck"),
    Bone("head", "Head", "head", "Head"),
)
_SIDES = (  # without left or right
    ("hip", "UpperLeg", "thigh", "UpLeg"),
    ("knee", "LowerLeg", "calf", "Leg"),
    ("ankle", "Foot", "foot", "Foot"),
    ("foot", "Toes", "ball", "ToeBase"),
    ("collar", "Shoulder", "clavicle", "Shoulder"),
    ("shoulder", "UpperArm", "upperarm", "Arm"),
    ("elbow", "LowerArm", "lowerarm", "ForeArm"),
    ("wrist", "Hand", "hand", "Hand"),
)
BONES = {
    JOINT_NAMES.index(bone.smpl): bone
    for bone in (
        *_MIDDLE,
        *(
            Bone(f"{side}_{smpl}", f"{side.title()}{unity}", f"{manny}_{side[0]}", side.title() + m)
            for side in ("left", "right")
            for smpl, unity, manny, m in _SIDES
        ),
    )
}
"""By SMPL's joint number, the pelvis first; all but the two hands."""


def joint_names(names: BoneNames) -> tuple[str, ...]:
    """(24) what the joints are called in a file; those without a counterpart keep SMPL's name."""
    return tuple(
        _named(BONES[joint], names) if joint in BONES else smpl
        for joint, smpl in enumerate(JOINT_NAMES)
    )


def _named(bone: Bone, names: BoneNames) -> str:
    if names == "vrm":
        return bone.unity[0].lower() + bone.unity[1:]
    if names == "mixamo":
        return f"mixamorig:{bone.mixamo}"
    name: str = getattr(bone, names)
    return name

"""Names the joints of every family of skeletons after SMPL's 24: tables, no logic but lookup."""

from dataclasses import dataclass, replace

from genmo_rt.data.clips import SourceSkeleton
from genmo_rt.errors import InputError
from genmo_rt.skeleton import JOINT_NAMES


@dataclass(frozen=True, slots=True)
class Driver:
    """Which source joint turns a SMPL joint, and where the source bone ends.

    Attributes:
        joint: source joint whose global rotation drives the SMPL joint.
        tail: source joint at the far end of the bone, for limbs, whose direction is kept.
        known: False where the source lacks the joint and `joint` only carries it along.
    """

    joint: str
    tail: str | None = None
    known: bool = True


@dataclass(frozen=True, slots=True)
class Family:
    """One way to name joints. In `lateral`, `{}` stands for the side's mark.

    Attributes:
        name: for messages.
        sides: the marks of the left and the right side.
        central: drivers of the midline joints.
        lateral: drivers of the paired joints, without their `left_`/`right_`.
        gaze: (neck, head) pitch in degrees that the family's skeletons show when people stand
            or walk and look ahead; measured, the median of the performers' medians.
        levelled: True where pelvis and feet sit in the skeleton at angles that differ from
            performer to performer; False where the rest pose says how they are.
    """

    name: str
    sides: tuple[str, str]
    central: dict[str, Driver]
    lateral: dict[str, Driver]
    gaze: tuple[float, float]
    levelled: bool = True

    def drivers(self) -> tuple[Driver, ...]:
        """The 24 drivers in SMPL's joint order."""
        return tuple(self._driver(name) for name in JOINT_NAMES)

    def _driver(self, name: str) -> Driver:
        if name in self.central:
            return self.central[name]
        side, _, part = name.partition("_")
        mark = self.sides[0] if side == "left" else self.sides[1]
        driver = self.lateral[part]
        tail = None if driver.tail is None else driver.tail.format(mark)
        return Driver(driver.joint.format(mark), tail, driver.known)


ASF = Family(
    name="ASF",
    sides=("l", "r"),
    central={
        "pelvis": Driver("root"),
        "spine1": Driver("lowerback"),
        "spine2": Driver("upperback"),
        "spine3": Driver("thorax"),
        "neck": Driver("upperneck"),
        "head": Driver("head"),
    },
    lateral={
        "hip": Driver("{}femur", "{}tibia"),
        "knee": Driver("{}tibia", "{}foot"),
        "ankle": Driver("{}foot"),
        "foot": Driver("{}toes"),
        "collar": Driver("{}clavicle"),
        "shoulder": Driver("{}humerus", "{}radius"),
        "elbow": Driver("{}radius", "{}wrist"),
        "wrist": Driver("{}hand"),
        "hand": Driver("{}hand"),
    },
    gaze=(-6.0, -14.0),
)
ASF_HIP = replace(
    ASF,
    name="ASF with a root called hip",
    central=ASF.central | {"pelvis": Driver("hip")},
)
BVH_LEG = Family(
    name="BVH with LeftUpLeg",
    sides=("Left", "Right"),
    central={
        "pelvis": Driver("Hips"),
        "spine1": Driver("LowerBack"),
        "spine2": Driver("Spine"),
        "spine3": Driver("Spine1"),
        "neck": Driver("Neck1"),
        "head": Driver("Head"),
    },
    lateral={
        "hip": Driver("{}UpLeg", "{}Leg"),
        "knee": Driver("{}Leg", "{}Foot"),
        "ankle": Driver("{}Foot"),
        "foot": Driver("{}ToeBase"),
        "collar": Driver("{}Shoulder"),
        "shoulder": Driver("{}Arm", "{}ForeArm"),
        "elbow": Driver("{}ForeArm", "{}Hand"),
        "wrist": Driver("{}FingerBase"),
        "hand": Driver("{}FingerBase"),
    },
    gaze=(-6.0, -14.0),
)
BVH_KNEE = Family(
    name="BVH with LeftKnee",
    sides=("Left", "Right"),
    central={
        "pelvis": Driver("Hips"),
        "spine1": Driver("lowerback"),
        "spine2": Driver("Chest"),
        "spine3": Driver("Chest2"),
        "neck": Driver("Neck"),
        "head": Driver("Head"),
    },
    lateral={
        "hip": Driver("{}Hip", "{}Knee"),
        "knee": Driver("{}Knee", "{}Ankle"),
        "ankle": Driver("{}Ankle"),
        "foot": Driver("{}Toe"),
        "collar": Driver("{}Collar"),
        "shoulder": Driver("{}Shoulder", "{}Elbow"),
        "elbow": Driver("{}Elbow", "{}Wrist"),
        "wrist": Driver("{}Wrist"),
        "hand": Driver("{}Wrist"),
    },
    gaze=(-6.0, -14.0),
)
FIGURE = Family(
    name="figure with buttocks and no toes",
    sides=("l", "r"),
    central={
        "pelvis": Driver("hip"),
        "spine1": Driver("abdomen"),
        "spine2": Driver("chest"),
        "spine3": Driver("chest"),
        "neck": Driver("neck"),
        "head": Driver("head"),
    },
    lateral={
        "hip": Driver("{}Thigh", "{}Shin"),
        "knee": Driver("{}Shin", "{}Foot"),
        "ankle": Driver("{}Foot"),
        "foot": Driver("{}Foot", known=False),
        "collar": Driver("{}Collar"),
        "shoulder": Driver("{}Shldr", "{}ForeArm"),
        "elbow": Driver("{}ForeArm", "{}Hand"),
        "wrist": Driver("{}Hand"),
        "hand": Driver("{}Hand"),
    },
    gaze=(-10.0, 0.0),
)
RIG = Family(
    name="rig without wrists and toes",
    sides=("L", "R"),
    central={
        "pelvis": Driver("pelvis"),
        "spine1": Driver("spine"),
        "spine2": Driver("spine.001"),
        "spine3": Driver("spine.001"),
        "neck": Driver("neck"),
        "head": Driver("face"),
    },
    lateral={
        "hip": Driver("thigh.{}", "shin.{}"),
        "knee": Driver("shin.{}", "foot.{}"),
        "ankle": Driver("foot.{}"),
        "foot": Driver("foot.{}", known=False),
        "collar": Driver("shoulder.{}"),
        "shoulder": Driver("upper_arm.{}", "forearm.{}"),
        "elbow": Driver("forearm.{}", "forearm.{}_end"),
        "wrist": Driver("forearm.{}", known=False),
        "hand": Driver("forearm.{}", known=False),
    },
    gaze=(-15.0, -16.0),
)
MANNEQUIN = Family(
    name="game rig with spine_01",
    sides=("l", "r"),
    central={
        "pelvis": Driver("pelvis"),
        "spine1": Driver("spine_01"),
        "spine2": Driver("spine_02"),
        "spine3": Driver("spine_03"),
        "neck": Driver("neck_01"),
        "head": Driver("head"),
    },
    lateral={
        "hip": Driver("thigh_{}", "calf_{}"),
        "knee": Driver("calf_{}", "foot_{}"),
        "ankle": Driver("foot_{}"),
        "foot": Driver("ball_{}"),
        "collar": Driver("clavicle_{}"),
        "shoulder": Driver("upperarm_{}", "lowerarm_{}"),
        "elbow": Driver("lowerarm_{}", "hand_{}"),
        "wrist": Driver("hand_{}"),
        "hand": Driver("hand_{}"),
    },
    gaze=(0.0, 0.0),
    levelled=False,
)
DEFORMING = Family(
    name="Rigify's deforming bones",
    sides=("L", "R"),
    central={
        "pelvis": Driver("DEF-hips"),
        "spine1": Driver("DEF-spine.001"),
        "spine2": Driver("DEF-spine.002"),
        "spine3": Driver("DEF-spine.003"),
        "neck": Driver("DEF-neck"),
        "head": Driver("DEF-head"),
    },
    lateral={
        "hip": Driver("DEF-thigh.{}", "DEF-shin.{}"),
        "knee": Driver("DEF-shin.{}", "DEF-foot.{}"),
        "ankle": Driver("DEF-foot.{}"),
        "foot": Driver("DEF-toe.{}"),
        "collar": Driver("DEF-shoulder.{}"),
        "shoulder": Driver("DEF-upper_arm.{}", "DEF-forearm.{}"),
        "elbow": Driver("DEF-forearm.{}", "DEF-hand.{}"),
        "wrist": Driver("DEF-hand.{}"),
        "hand": Driver("DEF-hand.{}"),
    },
    gaze=(0.0, 0.0),
    levelled=False,
)
SMPL = Family(
    name="SMPL",
    sides=("left", "right"),
    central={
        name: Driver(name) for name in ("pelvis", "spine1", "spine2", "spine3", "neck", "head")
    },
    lateral={
        "hip": Driver("{}_hip", "{}_knee"),
        "knee": Driver("{}_knee", "{}_ankle"),
        "ankle": Driver("{}_ankle"),
        "foot": Driver("{}_foot"),
        "collar": Driver("{}_collar"),
        "shoulder": Driver("{}_shoulder", "{}_elbow"),
        "elbow": Driver("{}_elbow", "{}_wrist"),
        "wrist": Driver("{}_wrist"),
        "hand": Driver("{}_hand"),
    },
    gaze=(0.0, 0.0),
    levelled=False,
)
SMPL_BODY = replace(
    SMPL,
    name="SMPL without hands",
    lateral=SMPL.lateral | {"hand": Driver("{}_wrist", known=False)},
)
GAME = Family(
    name="BVH with Spine2",
    sides=("Left", "Right"),
    central={
        "pelvis": Driver("Hips"),
        "spine1": Driver("Spine"),
        "spine2": Driver("Spine1"),
        "spine3": Driver("Spine2"),
        "neck": Driver("Neck"),
        "head": Driver("Head"),
    },
    lateral=BVH_LEG.lateral | {"wrist": Driver("{}Hand"), "hand": Driver("{}Hand")},
    gaze=(0.0, 0.0),
    levelled=False,
)
FAMILIES = (
    ASF,
    ASF_HIP,
    BVH_LEG,
    BVH_KNEE,
    FIGURE,
    RIG,
    MANNEQUIN,
    DEFORMING,
    SMPL,
    SMPL_BODY,
    GAME,
)


def family_of(skeleton: SourceSkeleton) -> Family:
    """The family whose every joint the skeleton has.

    Raises:
        InputError: no family fits.
    """
    names = set(skeleton.names)
    for family in FAMILIES:
        drivers = family.drivers()
        if names.issuperset({d.joint for d in drivers} | {d.tail for d in drivers if d.tail}):
            return family
    raise InputError(
        f"a skeleton with joints {', '.join(skeleton.names[:8])}, … fits no known family; "
        f"expected one of: {', '.join(family.name for family in FAMILIES)}"
    )

"""The sets of motion at hand: their terms, their shares, what is held out or left out."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MotionSet:
    """How one set is used.

    Attributes:
        weight: how often a frame is drawn, relative to the others.
        licence: its terms, kept with every clip.
    """

    weight: float
    licence: str


CMU_TERMS = (
    "mocap.cs.cmu.edu (NSF EIA-0196217): free to use, modify, redistribute; not to be resold"
)
MOTION_SETS = {
    "cmu": MotionSet(1.0, CMU_TERMS),
    "cmu_indian_martial": MotionSet(1.5, CMU_TERMS),
    "cmu_gestures": MotionSet(2.0, CMU_TERMS),
    "reactidle": MotionSet(0.08, "MIT, copyright (c) 2025 RSAIT"),  # people who stand still
    "glb": MotionSet(1.0, "CC0 1.0; hand-keyed"),
}
OTHER_SET = MotionSet(1.0, "the set's own; not for redistribution unless its terms say so")
# Climbing is a quarter of the varied frames, salsa another; neither is what a webcam mostly sees.
SUBJECT_WEIGHTS = {"cmu/01": 0.4, "cmu/60": 0.5, "cmu/61": 0.5}
# Salsa by two dancers: 4.1 steps and 3.5 turns a second as packed; half of that is a dance.
DOUBLE_SPEED = ("cmu/60", "cmu/61")
# Walks, bends, swordplay, washing, dribbling, balance on one leg, two who stand idle: about a
# tenth of the varied motion, and nobody of whom another clip is trained on.
HELD_OUT = ("cmu/02", "cmu/06", "cmu/12", "cmu/39", "cmu/49", "reactidle/007", "reactidle/010")
# Sets that others measure on, and the parts of sets that they publish for it.
HELD_OUT_SETS = ("emdb", "3dpw/test", "3dpw/validation", "rich/test", "rich/val")
# Animations that no person before a camera shows: held poses, flight, and steps on the spot that
# would teach feet to slide.
LEFT_OUT = frozenset(
    """
    A_TPose T-Pose Sit Walk Idle Pistol_Aim_Down Pistol_Aim_Neutral Pistol_Aim_Up
    Crouch_Fwd_Loop Jog_Fwd_Loop Sprint_Loop Walk_Loop Walk_Formal_Loop Crawl Roll Sword_Attack
    Push_Loop Jump_Loop Spell_Simple_Enter Spell_Simple_Exit Spell_Simple_Idle_Loop
    Spell_Simple_Shoot
    """.split()
) | {
    "Rest Pose",
    "Run Anime",
    "Flying Forward",
    "Flying Forward Super",
    "Levitate Entrance",
    "Levitate Idle",
    "Two-hand Blast",
}


def is_held_out(subject: str, held_out: Sequence[str]) -> bool:
    """Whether a performer is never trained on: named, or of a set that is named.

    Args:
        subject: SET/PERFORMER, or SET/SPLIT/PERFORMER.
        held_out: performers, sets or splits.
    """
    return any(subject == name or subject.startswith(f"{name}/") for name in held_out)

"""VRChat's OSC trackers: places and Euler angles of up to eight body parts, and of the head.

https://docs.vrchat.com/docs/osc-trackers: Unity's axes, metres of the user's real height, angles in
degrees, applied z, x, y. VRChat finds out in its calibration which tracker is which part; they
only have to keep their numbers. The head aligns VRChat's space with ours.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from genmo_rt.skeleton import JOINT_NAMES
from genmo_stream.sinks.config import Preset
from genmo_stream.sinks.figure import Array, Figure
from genmo_stream.sinks.osc import OscMessage, bundles

MAX_PACKET = 1400  # bytes, safe for every network
UNITY = np.diag([-1.0, 1.0, 1.0])


@dataclass(frozen=True, slots=True)
class Tracker:
    """Where on the body a tracker sits: at a joint, turning with a bone."""

    at: int
    turns_with: int

    @classmethod
    def of(cls, at: str, turns_with: str | None = None) -> "Tracker":
        """By the names of the joints."""
        return cls(JOINT_NAMES.index(at), JOINT_NAMES.index(turns_with or at))


HEAD = Tracker.of("head")
HIP_AND_FEET = (Tracker.of("pelvis"), Tracker.of("left_ankle"), Tracker.of("right_ankle"))
KNEES = (Tracker.of("left_knee", "left_hip"), Tracker.of("right_knee", "right_hip"))
UPPER_BODY = (
    Tracker.of("spine3"),
    Tracker.of("left_elbow", "left_shoulder"),
    Tracker.of("right_elbow", "right_shoulder"),
)
TRACKERS: dict[Preset, tuple[Tracker, ...]] = {
    "hips-feet": HIP_AND_FEET,
    "legs": (*HIP_AND_FEET, *KNEES),
    "full": (*HIP_AND_FEET, *KNEES, *UPPER_BODY),
}
"""The fewer, the more VRChat's own kinematics can even out; numbers stay over all presets."""


def vrchat_packets(figure: Figure, preset: Preset, height_m: float | None) -> Iterator[bytes]:
    """One pose as UDP packets.

    Args:
        figure: who.
        preset: which trackers.
        height_m: the user's height in VRChat; None for the figure's own.
    """
    scale = 1.0 if height_m is None else height_m / figure.height_m
    numbered = [(str(number + 1), tracker) for number, tracker in enumerate(TRACKERS[preset])]
    return bundles(_messages(figure, [*numbered, ("head", HEAD)], scale), MAX_PACKET)


def euler_zxy(rotmat: Array) -> tuple[float, float, float]:
    """Unity's Euler angles x, y, z in degrees: R = Ry Rx Rz, so that z is applied first."""
    x = np.arctan2(-rotmat[1, 2], np.hypot(rotmat[1, 0], rotmat[1, 1]))
    if np.hypot(rotmat[1, 0], rotmat[1, 1]) < 1e-9:  # y and z turn about one axis: y takes it all
        y, z = np.arctan2(-rotmat[2, 0], rotmat[0, 0]), 0.0
    else:
        y = np.arctan2(rotmat[0, 2], rotmat[2, 2])
        z = np.arctan2(rotmat[1, 0], rotmat[1, 1])
    return float(np.degrees(x)), float(np.degrees(y)), float(np.degrees(z))


def _messages(
    figure: Figure, trackers: list[tuple[str, Tracker]], scale: float
) -> Iterator[OscMessage]:
    for name, tracker in trackers:
        place = UNITY @ figure.joints[tracker.at] * scale
        turned = UNITY @ figure.rotmat_world[tracker.turns_with] @ UNITY
        address = f"/tracking/trackers/{name}"
        yield OscMessage(f"{address}/position", tuple(map(float, place)))
        yield OscMessage(f"{address}/rotation", euler_zxy(turned))

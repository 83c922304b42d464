"""VMC performer: the Virtual Motion Capture Protocol's bones, for VRM avatars.

https://protocol.vmc.info/marionette-spec: OSC over UDP, in Unity's axes; bones carry their place
and rotation relative to their parent's, and at rest (T-pose, facing +z) every rotation is the
identity, as SMPL's are. The root stands on the floor below the hips; the hips carry the height.
"""

from collections.abc import Iterator

from genmo_rt.formats.bones import BONES
from genmo_stream.sinks.figure import Figure, Floats
from genmo_stream.sinks.osc import OscMessage, bundles
from genmo_stream.wire import Space, to_space

MAX_PACKET = 1500  # bytes, the protocol's
CALIBRATED, NORMAL_MODE = 3, 0


def vmc_packets(figure: Figure | None, seconds: float) -> Iterator[bytes]:
    """One pose as UDP packets.

    Args:
        figure: who; None tells the marionette that nobody is there.
        seconds: time since the sink started.
    """
    present = int(figure is not None)
    head = [
        OscMessage("/VMC/Ext/OK", (present, CALIBRATED, NORMAL_MODE)),
        OscMessage("/VMC/Ext/T", (float(seconds),)),
    ]
    return bundles([*head, *_bones(figure)] if figure else head, MAX_PACKET)


def _bones(figure: Figure) -> Iterator[OscMessage]:
    pelvis = to_space(figure.pelvis, Space.UNITY)
    offsets = to_space(figure.offsets, Space.UNITY)
    rotations = to_space(figure.quat_xyzw, Space.UNITY)
    yield _place("/VMC/Ext/Root/Pos", "root", (pelvis[0], 0.0, pelvis[2]), (0.0, 0.0, 0.0, 1.0))
    for joint, bone in BONES.items():
        place = (0.0, pelvis[1], 0.0) if joint == 0 else offsets[joint]
        yield _place("/VMC/Ext/Bone/Pos", bone.unity, place, rotations[joint])


def _place(
    address: str,
    name: str,
    position: Floats | tuple[float, ...],
    quat_xyzw: Floats | tuple[float, ...],
) -> OscMessage:
    return OscMessage(address, (name, *map(float, position), *map(float, quat_xyzw)))

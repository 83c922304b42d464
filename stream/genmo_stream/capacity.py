"""How many streams a machine carries, from what a frame costs on it.

Two things run out: the cores' time, and the time of the one thread at a time that runs Python.
"""

from dataclasses import dataclass

from genmo_rt.clock import TICK_HZ

# Of the time that streams may take. The rest is for viewers, peaks and the system, and for what
# every stage costs more beside others: a third, measured on two cores.
SHARE = 0.55
PYTHON_SHARE = 0.7  # of the time that Python runs on its one core; beyond it frames queue
HALF_HZ = TICK_HZ / 2  # frames looked at per second and camera on the rung half


@dataclass(frozen=True, slots=True)
class Costs:
    """Processor time of one frame with one person, milliseconds.

    Attributes:
        packets: what a frame's packets take, in Python.
        parse: what a message with landmarks takes, in Python.
        decode: from packets to a picture.
        look: the 2D stage, colours included.
        model: the batched model's share of one stream.
        pose: the rest, from landmarks to a published pose, in Python.
        masked: a tick without a frame, more than that.
    """

    packets: float
    parse: float
    decode: float
    look: float
    model: float
    pose: float
    masked: float


@dataclass(frozen=True, slots=True)
class Capacity:
    """Streams at 30 fps with one person each that keep up, all of one kind.

    Attributes:
        cameras: on the rung half, at most; 1 at least.
        full: of them, how many on the rung full.
        keypoint_streams: whose clients send landmarks; 1 at least.
    """

    cameras: int
    full: int
    keypoint_streams: int


def capacity_of(costs: Costs, cores: int) -> Capacity:
    """What so many cores carry; Python runs on one of them at a time."""
    half_python = TICK_HZ * costs.packets + HALF_HZ * costs.pose
    half_else = TICK_HZ * costs.decode + HALF_HZ * (costs.look + costs.model + costs.masked)
    full_python = TICK_HZ * (costs.packets + costs.pose)
    full_else = TICK_HZ * (costs.decode + costs.look + costs.model)
    keypoints_python = TICK_HZ * (costs.parse + costs.pose)
    keypoints_else = TICK_HZ * costs.model
    return Capacity(
        cameras=max(1, _fit(half_python, half_else, cores)),
        full=_fit(full_python, full_else, cores),
        keypoint_streams=max(1, _fit(keypoints_python, keypoints_else, cores)),
    )


def _fit(python: float, others: float, cores: int) -> int:
    """Streams that fit in, of so many milliseconds per second each."""
    return int(1e3 * min(SHARE * cores / (python + others), PYTHON_SHARE / python))

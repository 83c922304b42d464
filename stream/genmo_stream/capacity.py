"""How many streams a machine carries, from what a frame costs on it.

Three things run out: the cores' time, the time of the one thread at a time that runs the server's
Python, and that of the model's process, which has one thread.
"""

from dataclasses import dataclass

from genmo_rt.clock import TICK_HZ

# Of the time that streams may take. The rest is for viewers, peaks and the system, and for what
# every stage costs more beside others: a third, measured on two cores.
SHARE = 0.65
THREAD_SHARE = 0.8  # of the time of either thread; beyond it frames queue
HALF_HZ = TICK_HZ / 2  # frames looked at per second and camera on the rung half


@dataclass(frozen=True, slots=True)
class Costs:
    """Processor time of one frame with one person, milliseconds.

    Attributes:
        packets: what a frame's packets take, in the server's Python.
        parse: what a message with landmarks takes, in the server's Python.
        decode: from packets to a picture.
        look: the 2D stage, colours included.
        batch: what the model's process takes for frames together, whoever they are.
        think: what it takes for each of them beside that, from landmarks to a pose.
        masked: a tick without a frame, more than that.
        publish: the rest, in the server's Python: who is who, and the messages.
    """

    packets: float
    parse: float
    decode: float
    look: float
    batch: float
    think: float
    masked: float
    publish: float


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
    """What so many cores carry; cameras are few, so their frames meet no others in a batch."""
    alone = costs.batch + costs.think
    half = _Load(
        server=TICK_HZ * costs.packets + HALF_HZ * costs.publish,
        model=HALF_HZ * (alone + costs.masked),
        others=TICK_HZ * costs.decode + HALF_HZ * costs.look,
    )
    full = _Load(
        server=TICK_HZ * (costs.packets + costs.publish),
        model=TICK_HZ * alone,
        others=TICK_HZ * (costs.decode + costs.look),
    )
    keypoints = _Load(
        server=TICK_HZ * (costs.parse + costs.publish), model=TICK_HZ * costs.think, others=0.0
    )
    return Capacity(
        cameras=max(1, half.fit(cores)),
        full=full.fit(cores),
        keypoint_streams=max(1, keypoints.fit(cores, for_all=TICK_HZ * costs.batch)),
    )


@dataclass(frozen=True, slots=True)
class _Load:
    """What one stream takes, milliseconds per second: of each of the two threads, and elsewhere."""

    server: float
    model: float
    others: float

    def fit(self, cores: int, *, for_all: float = 0.0) -> int:
        """How many fit beside what the model's process takes for all of them."""
        whole = SHARE * cores * 1e3 - for_all
        most = min(
            whole / (self.server + self.model + self.others),
            THREAD_SHARE * 1e3 / self.server,
            (THREAD_SHARE * 1e3 - for_all) / self.model,
        )
        return max(0, int(most))

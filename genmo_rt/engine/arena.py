"""The state of many streams side by side: rings, ticks and shapes, one slot per stream.

One allocation for the life of an engine: opening and closing streams costs no memory, and a batch
of streams is a list of slot numbers. A stream's state can be taken out, sent elsewhere and put
into another arena.
"""

import heapq
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from genmo_rt.errors import EngineFull, FileFormatError, InputError
from genmo_rt.model import MAX_DELAY, ModelConfig
from genmo_rt.motion import SLICES

BETAS = SLICES["betas"]
SHAPE_NUMBERS = BETAS.stop - BETAS.start


@dataclass(frozen=True, slots=True)
class StreamState:
    """All that a model remembers of one stream, on the CPU.

    Attributes:
        keys: (layers, H, W, D) the ring, rotated by slot.
        values: (layers, H, W, D).
        tick: () int64 frames seen so far.
        delay: () int64 R.
        betas_sum: (10,) of the normalised shapes of the frames where somebody was seen.
        betas_count: () how many those are.
        weights: () int64 fingerprint of the model that made it: another can't go on from it.
    """

    keys: Tensor
    values: Tensor
    tick: Tensor
    delay: Tensor
    betas_sum: Tensor
    betas_count: Tensor
    weights: Tensor

    def to_bytes(self) -> bytes:
        """The state as a safetensors file."""
        from safetensors.torch import save  # here: the GPU suite runs where it isn't installed

        content: bytes = save({f.name: getattr(self, f.name).contiguous() for f in fields(self)})
        return content

    @classmethod
    def from_bytes(cls, content: bytes) -> "StreamState":
        """The way back.

        Raises:
            FileFormatError: these aren't such bytes.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load

        try:
            return cls(**load(content))
        except (SafetensorError, TypeError) as error:
            raise FileFormatError(
                f"{len(content)} bytes are not a stream's state ({error}); "
                "expected what StreamState.to_bytes gives"
            ) from error


class Arena:
    """Slots for `slots` streams. Not thread-safe: the engine takes care.

    Attributes:
        slots: how many streams fit in.
        keys: (layers, slots + 1, H, W, D); the last slot is nobody's: padding rows write there.
        values: (layers, slots + 1, H, W, D).
        tick: (slots + 1,) int64 frames that each has seen.
        delay: (slots + 1,) int64.
        betas_sum: (slots + 1, 10).
        betas_count: (slots + 1,).
    """

    def __init__(
        self, config: ModelConfig, slots: int, window: int, dtype: torch.dtype, device: torch.device
    ) -> None:
        """Takes the memory.

        Raises:
            InputError: there is no slot or the window is empty.
        """
        if slots < 1:
            raise InputError(f"slots is {slots}; expected at least 1 stream")
        if window < 1:
            raise InputError(f"window is {window}; expected at least 1 frame")
        self.slots = slots
        ring = (config.layers, slots + 1, config.heads, window, config.head_dim)
        self.keys = torch.zeros(ring, dtype=dtype, device=device)
        self.values = torch.zeros_like(self.keys)
        # Sums over hours: not in bfloat16, where 256 + 1 is 256.
        exact = torch.promote_types(dtype, torch.float32)
        self.tick = torch.zeros(slots + 1, dtype=torch.int64, device=device)
        self.delay = torch.zeros_like(self.tick)
        self.betas_sum = torch.zeros(slots + 1, SHAPE_NUMBERS, dtype=exact, device=device)
        self.betas_count = torch.zeros(slots + 1, dtype=exact, device=device)
        self._free = list(range(slots))  # a heap: low slots first, so that batches are ranges

    @property
    def free(self) -> int:
        """Slots that nobody holds."""
        return len(self._free)

    @property
    def scratch(self) -> int:
        """The slot that is nobody's."""
        return self.slots

    @property
    def bytes(self) -> int:
        """What all slots take."""
        return sum(t.numel() * t.element_size() for t in self._tensors())

    def open(self, delay: int) -> int:
        """An empty slot for a stream that starts.

        Raises:
            InputError: the delay isn't within 0..8.
            EngineFull: every slot is taken.
        """
        if not 0 <= delay <= MAX_DELAY:
            raise InputError(f"delay is {delay}; expected 0 to {MAX_DELAY} frames")
        if not self._free:
            raise EngineFull(
                f"all {self.slots} slots of the engine are taken by streams; "
                "end one, or make the engine with more"
            )
        slot = heapq.heappop(self._free)
        self.clear(slot)
        self.delay[slot] = delay
        return slot

    def close(self, slot: int) -> None:
        """Gives a slot back, with nothing left in it."""
        self.clear(slot)
        heapq.heappush(self._free, slot)

    def clear(self, slot: int, *, keep_shape: bool = False) -> None:
        """Starts a slot anew at frame 0; the delay stays."""
        self.keys[:, slot] = 0  # what wasn't written weighs nothing, but must be finite
        self.values[:, slot] = 0
        self.tick[slot] = 0
        if not keep_shape:
            self.betas_sum[slot] = 0
            self.betas_count[slot] = 0

    def save(self, slot: int, weights: int) -> StreamState:
        """A copy of a slot's state; `weights` is the model's fingerprint."""
        return StreamState(
            keys=self.keys[:, slot].cpu().clone(),
            values=self.values[:, slot].cpu().clone(),
            tick=self.tick[slot].cpu().clone(),
            delay=self.delay[slot].cpu().clone(),
            betas_sum=self.betas_sum[slot].cpu().clone(),
            betas_count=self.betas_count[slot].cpu().clone(),
            weights=torch.tensor(weights),
        )

    def restore(self, slot: int, state: StreamState, weights: int) -> None:
        """Puts a state into an open slot.

        Raises:
            InputError: the state is of another model or another window.
        """
        if int(state.weights) != weights:
            raise InputError(
                "the stream's state was made by a model with other weights; "
                "restore it where the same checkpoint is loaded, or start the stream anew"
            )
        here = (self.keys.shape[0], *self.keys.shape[2:])
        for name in ("keys", "values"):
            shape = tuple(getattr(state, name).shape)
            if shape != here:
                raise InputError(f"the state's {name} are {shape}; this engine's are {here}")
        self.keys[:, slot] = state.keys.to(self.keys)
        self.values[:, slot] = state.values.to(self.values)
        self.tick[slot] = state.tick
        self.delay[slot] = state.delay
        self.betas_sum[slot] = state.betas_sum.to(self.betas_sum)
        self.betas_count[slot] = state.betas_count

    def average_shapes(self, out: Tensor, seen: Tensor, rows: Tensor) -> Tensor:
        """Puts the running mean shape into new motion vectors and moves the slots on.

        Args:
            out: (S, N, 181) newest N frames of S streams, oldest first.
            seen: (S, N) 1 where somebody was seen, else 0.
            rows: (S,) their slots.
        Returns:
            (S, N, 181).
        """
        betas = out[..., BETAS].to(self.betas_sum.dtype)
        seen = seen.to(self.betas_sum.dtype)
        total = self.betas_sum[rows][:, None] + (seen[..., None] * betas).cumsum(1)
        count = self.betas_count[rows][:, None] + seen.cumsum(1)
        mean = torch.where(count[..., None] > 0, total / count[..., None].clamp_min(1), betas)
        self.betas_sum[rows] = total[:, -1]
        self.betas_count[rows] = count[:, -1]
        self.tick[rows] = self.tick[rows] + out.shape[1]
        before, after = out[..., : BETAS.start], out[..., BETAS.stop :]
        return torch.cat((before, mean.to(out.dtype), after), dim=-1)

    def _tensors(self) -> tuple[Tensor, ...]:
        return self.keys, self.values, self.tick, self.delay, self.betas_sum, self.betas_count

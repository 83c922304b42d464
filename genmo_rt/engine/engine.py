"""Many streams on one device: each hands in its new frames, whoever is waiting is run together.

conditions → packed row → batch of waiting streams → folded model on the arena → motion vectors
"""

import hashlib
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from genmo_rt.conditions import Conditions, concatenate
from genmo_rt.engine.arena import Arena, StreamState
from genmo_rt.engine.batching import Batcher
from genmo_rt.engine.cuda import background_stream, using
from genmo_rt.engine.folding import LIVE, Folded, Precision
from genmo_rt.engine.runner import Request, make_runner
from genmo_rt.errors import InputError
from genmo_rt.model import Model

SLOTS = 8
PATIENCE_S = 0.008  # the longest that a frame ever waits for those of other streams


@dataclass(frozen=True, slots=True)
class EngineFigures:
    """How an engine does.

    Attributes:
        slots: streams that fit in.
        free: slots that nobody holds.
        arena_bytes: memory of all slots.
        batches: how many ran since the start.
        frames: how many requests they held.
        busy_s: seconds they took.
    """

    slots: int
    free: int
    arena_bytes: int
    batches: int
    frames: int
    busy_s: float


class Engine:
    """A model ready to serve streams. Thread-safe; every call may block for a batch or two.

    Attributes:
        precision: of the weights.
        device: where it runs.
        window: W, frames a token sees.
    """

    def __init__(
        self,
        model: Model,
        *,
        slots: int = SLOTS,
        window: int | None = None,
        precision: Precision | None = None,
        modalities: Sequence[str] = LIVE,
        patience_s: float = PATIENCE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Folds the model and takes the memory of all slots, on the model's device.

        Args:
            model: not changed, and not needed afterwards.
            slots: streams at once.
            window: W; the checkpoint's own if None.
            precision: of the weights; None: `default_precision` of the device.
            modalities: names of what frames may have.
            patience_s: the longest that a frame waits for those of other streams.
            clock: seconds, steady.
        Raises:
            InputError: no such precision there, no slot, an empty window.
        """
        weight = model.head.weight
        self.device = weight.device
        self.precision: Precision = precision or default_precision(weight)
        self.window = model.config.window if window is None else window
        self._weights = fingerprint(model)
        self._stream = background_stream(self.device) if weight.is_cuda else None
        with using(self.device, self._stream):
            self._folded = Folded(model, self.precision, self.device, modalities)
            dtype = self._folded.dtype
            self._arena = Arena(model.config, slots, self.window, dtype, self.device)
            self._runner = make_runner(self._folded, self._arena)
        self._clock = clock
        self._batches = self._frames = 0
        self._busy_s = 0.0
        self._device_lock = threading.Lock()  # held by whoever touches the arena
        self._left: deque[int] = deque()  # slots whose holder was collected
        self._batcher: Batcher[Request, Tensor] = Batcher(
            self._run, limit=slots, patience_s=patience_s, clock=clock
        )

    def open(self, delay: int = 0) -> "Slot":
        """A place for a stream that starts; it is given back by `close` or when collected.

        Args:
            delay: R, frames of lookahead.
        Raises:
            InputError: the delay isn't within 0..8.
            EngineFull: every slot is taken.
        """
        with self._device_lock, using(self.device, self._stream), torch.inference_mode():
            self._reclaim()
            return Slot(self, self._arena.open(delay))

    def restore(self, state: StreamState) -> "Slot":
        """A place for a stream that was saved: it goes on as if it had never stopped.

        Raises:
            InputError: the state is of another model or window.
            EngineFull: every slot is taken.
        """
        slot = self.open(int(state.delay))
        try:
            with self._device_lock, using(self.device, self._stream), torch.inference_mode():
                self._arena.restore(slot.index, state, self._weights)
        except InputError:
            slot.close()
            raise
        return slot

    def step_together(self, slots: Sequence["Slot"], frames: Sequence[Conditions]) -> list[Tensor]:
        """One batch, handed in by one caller instead of one thread per stream.

        Args:
            slots: distinct, of this engine.
            frames: (1, N) of each, as for Slot.step.
        Returns:
            (N, 181) of each.
        """
        lengths = [new.present.shape[1] for new in frames]
        packed = torch.split(self._folded.pack(concatenate(frames)), lengths)
        pairs = zip(slots, packed, strict=True)
        return self._run([Request(slot.index, own) for slot, own in pairs])

    @property
    def free(self) -> int:
        """Slots that nobody holds."""
        return self._arena.free + len(self._left)

    @property
    def figures(self) -> EngineFigures:
        """How it does."""
        arena = self._arena
        return EngineFigures(
            slots=arena.slots,
            free=self.free,
            arena_bytes=arena.bytes,
            batches=self._batches,
            frames=self._frames,
            busy_s=self._busy_s,
        )

    def _run(self, requests: Sequence[Request]) -> list[Tensor]:
        with self._device_lock, using(self.device, self._stream):
            started = self._clock()
            results = self._runner.run(requests)
            self._batches, self._frames = self._batches + 1, self._frames + len(requests)
            self._busy_s += self._clock() - started
            return results

    def _reclaim(self) -> None:
        """Frees the slots whose holder was collected; the collector itself must not wait."""
        while self._left:
            self._give_back(self._left.popleft())

    def _give_back(self, index: int) -> None:
        self._arena.close(index)
        self._batcher.forget(index)


class Slot:
    """One stream's place in an engine. One caller at a time.

    Attributes:
        index: its number in the arena.
    """

    def __init__(self, engine: Engine, index: int) -> None:
        self.index = index
        self._engine = engine
        self._collected = weakref.finalize(self, engine._left.append, index)
        self._collected.atexit = False

    def step(self, conditions: Conditions) -> Tensor:
        """The stream's next frames, those it missed included.

        Args:
            conditions: (1, N) frames, oldest first.
        Returns:
            (N, 181) normalised motion vectors, on the CPU; row n describes frame n − R.
        Raises:
            InputError: a modality that the engine wasn't made for.
        """
        engine = self._engine
        request = Request(self.index, engine._folded.pack(conditions))
        return engine._batcher.submit(self.index, request)

    def clear(self, *, keep_shape: bool = False) -> None:
        """Starts anew at frame 0, with the person's mean shape or without."""
        engine = self._engine
        with engine._device_lock, using(engine.device, engine._stream), torch.inference_mode():
            engine._arena.clear(self.index, keep_shape=keep_shape)

    def save(self) -> StreamState:
        """A copy of all that is remembered of the stream."""
        engine = self._engine
        with engine._device_lock, using(engine.device, engine._stream):
            return engine._arena.save(self.index, engine._weights)

    def close(self) -> None:
        """Gives the place back; nothing of the stream is left in it."""
        engine = self._engine
        if self._collected.detach() is not None:
            with engine._device_lock, using(engine.device, engine._stream), torch.inference_mode():
                engine._give_back(self.index)


def default_precision(weight: Tensor) -> Precision:
    """What a device runs when nothing is asked for: measured in docs/log.md."""
    if weight.is_cuda:
        return "bfloat16"
    return "float64" if weight.dtype is torch.float64 else "float32"


def fingerprint(model: Model) -> int:
    """A number of 63 bits that another model's weights won't have."""
    digest = hashlib.blake2b(digest_size=8)
    for value in model.state_dict().values():
        digest.update(value.detach().cpu().reshape(-1).view(torch.uint8).numpy())
    return int.from_bytes(digest.digest(), "little") >> 1

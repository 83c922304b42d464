"""What one training step does: its mode and window, and what each clip is told.

All of it depends on the seed, the step's number and the clip's place in the whole batch alone: a
resumed run takes the same next step, and two processes that share a batch do what one would.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from enum import Enum

import torch
from torch import Tensor

from genmo_rt.diffusion import TIMESTEPS
from genmo_rt.model import MAX_DELAY
from genmo_rt.motion import MOTION_WIDTH, SLICES
from genmo_rt.skeleton import NUM_JOINTS
from genmo_rt.training.config import TrainConfig
from genmo_rt.training.disturb import drop_landmarks, mistake_sides

MOST_KEYFRAMES = 4
MOST_OPENING = 20  # frames of a motion that is to be gone on with


class Mode(Enum):
    """What a step minimises."""

    ESTIMATION = "estimation"
    GENERATION = "generation"
    GUIDED = "guided"


@dataclass(frozen=True, slots=True)
class Seen:
    """The landmarks of B clips as the model sees them.

    Attributes:
        pixels: (B, L, 33, 2).
        confidence: (B, L, 33).
    """

    pixels: Tensor
    confidence: Tensor


@dataclass(frozen=True, slots=True)
class Told:
    """What B clips of a generation step are told, and how far they are noised.

    Attributes:
        text: (B,) bool, the clip's texts.
        music: (B,) bool, its music.
        video: (B, L) bool, the person in the picture.
        keyframes: (B, L, 181) bool, numbers of the motion vector.
        level: (B,) int64 timestep.
        noise: (B, L, 181) unit normal.
    """

    text: Tensor
    music: Tensor
    video: Tensor
    keyframes: Tensor
    level: Tensor
    noise: Tensor

    def to(self, device: torch.device) -> "Told":
        """The same on another device."""
        return Told(*(getattr(self, field.name).to(device) for field in fields(self)))

    def without_picture(self) -> "Told":
        """Texts and music alone."""
        return replace(
            self,
            video=torch.zeros_like(self.video),
            keyframes=torch.zeros_like(self.keyframes),
        )


@dataclass(frozen=True, slots=True)
class Dice:
    """The random numbers of one step.

    Attributes:
        config: of the run.
        step: its number.
        first: place of this process's first clip in the whole batch.
        clips: B of this process.
    """

    config: TrainConfig
    step: int
    first: int
    clips: int

    def mode(self) -> Mode:
        """Estimation, generation, or generation guided by an estimate."""
        drawn, second = torch.rand(2, generator=self._of_step(1)).tolist()
        if drawn >= self.config.generation:
            return Mode.ESTIMATION
        return Mode.GUIDED if second < self.config.guided else Mode.GENERATION

    def window(self, mode: Mode) -> tuple[int, int]:
        """(left, right) of the step."""
        random = self._of_step(2)
        low, high = self.config.windows
        width = int(torch.randint(low, high + 1, (), generator=random))
        causal = float(torch.rand((), generator=random)) < self.config.causal
        if mode is Mode.ESTIMATION and causal:
            return width - 1, 0
        return width // 2, width // 2 - 1

    def delay(self, window: tuple[int, int]) -> Tensor:
        """(B,) R of each clip; who sees the future needs none."""
        if window[1] > 0:
            return torch.zeros(self.clips, dtype=torch.int64)

        def draw(random: torch.Generator) -> Tensor:
            late = torch.randint(1, MAX_DELAY + 1, (1,), generator=random)
            return late * (torch.rand(1, generator=random) >= self.config.no_delay)

        return self._each(3, draw)

    def seen(self, pixels: Tensor, confidence: Tensor) -> Seen:
        """Landmarks, limbs, frames hidden and sides mistaken, beyond what the 2D stage lacks."""
        found = []
        for clip in range(self.clips):
            random = self._of_clip(4, clip)
            swapped, sure = mistake_sides(
                pixels[clip : clip + 1], confidence[clip : clip + 1], random
            )
            found.append((swapped, drop_landmarks(sure, random)))
        return Seen(torch.cat([a for a, _ in found]), torch.cat([b for _, b in found]))

    def told(self, length: int) -> Told:
        """What a generation step reveals of L frames, and its noise."""
        config = self.config

        def kept(dropped: float, salt: int) -> Tensor:
            return self._each(salt, lambda random: torch.rand(1, generator=random) >= dropped)

        return Told(
            text=kept(config.drop_text, 5),
            music=kept(config.drop_music, 6),
            video=self._each(7, lambda random: _video(length, config.video, random)),
            keyframes=self._each(8, lambda random: _keyframes(length, config.keyframes, random)),
            level=self._each(9, lambda random: torch.randint(TIMESTEPS, (1,), generator=random)),
            noise=self._each(
                10, lambda random: torch.randn(1, length, MOTION_WIDTH, generator=random)
            ),
        )

    def _each(self, salt: int, draw: Callable[[torch.Generator], Tensor]) -> Tensor:
        """One draw for each clip, joined."""
        return torch.cat([draw(self._of_clip(salt, clip)) for clip in range(self.clips)])

    def _of_step(self, salt: int) -> torch.Generator:
        return torch.Generator().manual_seed(
            (self.config.seed * 1_000_003 + self.step) * 1_048_583 + salt
        )

    def _of_clip(self, salt: int, clip: int) -> torch.Generator:
        return self._of_step(16 + 16 * (self.first + clip) + salt)


def _video(length: int, share: float, random: torch.Generator) -> Tensor:
    """(1, L) bool: nothing, one span, or all of it."""
    drawn, start, lasts = torch.rand(3, generator=random).tolist()
    frame = torch.arange(length)[None]
    if drawn >= share:
        return torch.zeros_like(frame, dtype=torch.bool)
    if drawn < share / 2:
        return torch.ones_like(frame, dtype=torch.bool)
    first = int(start * (length - 1))
    return (frame >= first) & (frame <= first + int(lasts * length / 2))


def _keyframes(length: int, share: float, random: torch.Generator) -> Tensor:
    """(1, L, 181) bool: the frames, and what of them, that are held.

    Frames: an opening, a few anywhere, first and last, or all (for a part of the body). Numbers:
    poses with or without the shape, as keyframes of a timeline are, now and then everything; some
    joints; the root's turning and path.
    """
    held = torch.zeros(1, length, MOTION_WIDTH, dtype=torch.bool)
    if float(torch.rand((), generator=random)) >= share:
        return held
    when, what = torch.randint(4, (2,), generator=random).tolist()
    frames = torch.zeros(length, dtype=torch.bool)
    if when == 0:
        frames[: int(torch.randint(1, MOST_OPENING + 1, (), generator=random))] = True
    elif when == 1:
        count = int(torch.randint(1, MOST_KEYFRAMES + 1, (), generator=random))
        frames[torch.randint(length, (count,), generator=random)] = True
    elif when == 2:
        frames[[0, length - 1]] = True
    else:
        frames[:] = True
        what = 2 + what % 2  # all joints everywhere would leave nothing to learn
    numbers = torch.zeros(MOTION_WIDTH, dtype=torch.bool)
    joints = torch.ones(NUM_JOINTS, dtype=torch.bool)
    if what == 2:
        joints = torch.rand(NUM_JOINTS, generator=random) < 0.3
    if what == 3:
        joints = torch.arange(NUM_JOINTS) == 0
        numbers[SLICES["root_vel"]] = True
    numbers[SLICES["pose"]] = joints.repeat_interleave(6)
    numbers[SLICES["orient_gv"]] = joints[0]
    numbers[SLICES["betas"]] = what < 2 and float(torch.rand((), generator=random)) < 0.5
    if what == 0 and float(torch.rand((), generator=random)) < 0.5:
        numbers[:] = True
    held[0] = frames[:, None] & numbers
    return held

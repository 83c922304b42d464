"""Generation: a timeline of texts, videos, music and keyframes becomes clips of motion.

timeline → what the model is told (prompt) → denoised (sampler) → in the world (grounding)
→ where music plays: on its beats (on_beat), and grounded again
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from genmo_rt.checkpoint import DEFAULT_CHECKPOINT, Checkpoint, load_checkpoint
from genmo_rt.conditions import Conditions
from genmo_rt.errors import GenmoError, InputError
from genmo_rt.formats.clip import Clip
from genmo_rt.generation import GUIDANCE, STEPS, Show
from genmo_rt.generation.grounding import ground
from genmo_rt.generation.keyframes import Keyframe
from genmo_rt.generation.on_beat import on_beat
from genmo_rt.generation.prompt import Told, encode, gather
from genmo_rt.generation.sampler import Sampling, sample
from genmo_rt.generation.timeline import Timeline
from genmo_rt.smpl import Body, load_body
from genmo_rt.soles import Soles
from genmo_rt.text import MiniLM, TextEncoder

ROUNDS = 2


class Generator:
    """Draws motion from a checkpoint that was trained for generation. Not thread-safe."""

    def __init__(
        self, checkpoint: Checkpoint, body: Body, encoder: TextEncoder | None = None
    ) -> None:
        """Gets a checkpoint ready.

        Args:
            checkpoint: whose shapes are of the body.
            body: that is posed.
            encoder: of texts, as wide as the checkpoint wants them; MiniLM if None.
        Raises:
            GenmoError: the checkpoint can only estimate.
        """
        if not checkpoint.model.noised.weight.any():
            raise GenmoError(
                "this checkpoint was trained to estimate only; expected one whose training had "
                "generation steps (genmo-rt train, or --checkpoint FILE)"
            )
        self._model = checkpoint.model
        self._stats = checkpoint.stats
        self._body = body
        self._soles = Soles.of(body)
        self._encoder = encoder

    @classmethod
    def load(
        cls,
        checkpoint: Path | None = None,
        *,
        device: str = "cpu",
        body: Body | None = None,
        encoder: TextEncoder | None = None,
    ) -> "Generator":
        """Loads a checkpoint.

        Args:
            checkpoint: a safetensors file; None for the one that ships.
            device: torch's name of the device.
            body: a user's body; None for the built-in one.
            encoder: of texts; MiniLM if None.
        Raises:
            FileFormatError: the checkpoint can't be read, or is of another layout.
            GenmoError: it can only estimate.
        """
        loaded = load_checkpoint(checkpoint or DEFAULT_CHECKPOINT, device)
        return cls(loaded, body or load_body(), encoder)

    def generate(
        self,
        timeline: Timeline,
        seed: int = 0,
        variations: int = 1,
        steps: int = STEPS,
        guidance: float = GUIDANCE,
        *,
        videos: Sequence[Conditions] = (),
        show: Show = lambda done, total: None,
    ) -> list[Clip]:
        """Makes clips of a timeline.

        Args:
            timeline: what is asked for.
            seed, variations, steps, guidance: how the motion is drawn, see Sampling.
            videos: (1, n) what the 2D stage saw in each of the timeline's video intervals.
            show: called after every pass of the model.
        Returns:
            One clip per variation.
        Raises:
            InputError: one of the numbers is out of its range, a text is too long, music ends
                before its interval does, a keyframe is of another body, or videos don't fit.
            FileFormatError: a music file can't be read.
            GenmoError: text or music without the extra `generate`.
        """
        sampling = Sampling(seed, variations, steps, guidance)
        for keyframe in timeline.keyframes:
            if keyframe.body not in (None, self._body.name):
                raise InputError(
                    f"a keyframe is of body '{keyframe.body}', and the motion of "
                    f"'{self._body.name}'; expected the same (--body)"
                )
        device = self._stats.mean.device
        told = gather(timeline, videos, self._stats)
        if timeline.texts:
            told = replace(told, texts=encode(timeline.texts, self._text_encoder(), device))
        x = sample(self._model, told, sampling, show)
        keyframes = timeline.keyframes
        return [
            grounded(vector, told, self._body, self._soles, keyframes)
            for vector in self._stats.denormalise(x)
        ]

    def _text_encoder(self) -> TextEncoder:
        if self._encoder is None:
            self._encoder = MiniLM()
        width = self._model.config.text_width
        if self._encoder.width != width:
            raise InputError(
                f"the text encoder gives {self._encoder.width} numbers a token, the checkpoint "
                f"was trained with {width}; expected the encoder of its training"
            )
        return self._encoder


def grounded(
    vector: Tensor,
    told: Told,
    body: Body,
    soles: Soles,
    keyframes: Sequence[Keyframe] = (),
    *,
    retime: bool = True,
) -> Clip:
    """One motion in the world, on the beats of its music.

    Args:
        vector: (L, 181) in the table's units.
        told: what it was made from.
        retime: False leaves the motion's beats where they are.
    """
    seen = told.conditions.present[0].cpu().numpy()
    clip = ground(vector, seen, body, soles, keyframes)
    if retime and told.conditions.music.mask.any():
        for _ in range(ROUNDS):  # a beat moves a little when the speed around it changes
            vector = on_beat(vector, clip.joints, told)
            clip = ground(vector, seen, body, soles, keyframes)
    return clip

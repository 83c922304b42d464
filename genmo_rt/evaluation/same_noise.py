"""What a text changes: the same noise under different texts, measured in metres."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from genmo_rt.clock import TICK_HZ
from genmo_rt.data.texts import TextTable
from genmo_rt.evaluation.generation import GenerationJudge
from genmo_rt.skeleton import JOINT_NAMES

ACTIONS = ("walk", "dance", "jump")
NUMBER = 3000  # of the noise; any that no other part uses
HANDS = [JOINT_NAMES.index(f"{side}_wrist") for side in ("left", "right")]


@dataclass(frozen=True, slots=True)
class SameNoiseScores:
    """Means over the motions of one text.

    Attributes:
        path: that the root goes along the floor, metres.
        rise: of the root above its median height, metres.
        hands: speed of the wrists against the root, metres per second.
        apart: distance of the joints from those of the first action out of the same noise, root on
            root, millimetres.
    """

    path: float
    rise: float
    hands: float
    apart: float


def score_same_noise(
    judge: GenerationJudge, table: TextTable, actions: Sequence[str] = ACTIONS
) -> list[tuple[str, SameNoiseScores]]:
    """A row for the first held-out text of each action that has one, and the text."""
    texts = [text for text in (_held_out(table, action) for action in actions) if text is not None]
    motions = [judge.told(text, NUMBER) for text in texts]
    return [
        (table.strings[text], _score(motion, motions[0]))
        for text, motion in zip(texts, motions, strict=True)
    ]


def _held_out(table: TextTable, action: str) -> int | None:
    rows = zip(table.labels, table.held_out, strict=True)
    return next((i for i, (label, held) in enumerate(rows) if held and label == action), None)


def _score(motions: Tensor, first: Tensor) -> SameNoiseScores:
    """(V, L, 24, 3) each, of the same noise in the same order."""
    root, on_root = motions[:, :, 0], motions - motions[:, :, :1]
    steps = torch.linalg.vector_norm(root[..., [0, 2]].diff(dim=1), dim=-1)
    height = root[..., 1]
    hands = torch.linalg.vector_norm(on_root[:, :, HANDS].diff(dim=1), dim=-1) * TICK_HZ
    apart = torch.linalg.vector_norm(on_root - (first - first[:, :, :1]), dim=-1)
    return SameNoiseScores(
        path=float(steps.sum(1).mean()),
        rise=float((height.amax(1) - height.median(1).values).mean()),
        hands=float(hands.mean()),
        apart=float(apart.mean()) * 1000,
    )

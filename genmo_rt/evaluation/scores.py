"""What generation is judged by."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TextScores:
    """What held-out texts lead to; the second figure of each pair is the captures' own.

    Attributes:
        accuracy: share of motions nearest to a capture of the text's own action.
        low, high: its 95 % interval (Wilson).
        chance: of guessing.
        captured_accuracy: of a capture, nearest to one of another clip.
        diversity, captured_diversity: mean distance of two motions, in spreads of the captures.
        multimodality: the same of two motions of one text.
        skating, captured_skating: share of frames in which a foot on the floor slides.
    """

    accuracy: float
    low: float
    high: float
    chance: float
    captured_accuracy: float
    diversity: float
    captured_diversity: float
    multimodality: float
    skating: float
    captured_skating: float


@dataclass(frozen=True, slots=True)
class MusicScores:
    """Beat alignment, 0..1.

    Attributes:
        alignment: of motions with the beats that they were made for.
        shuffled: of the same motions with the beats of the other pieces.
        spread: standard error of the difference over motions.
    """

    alignment: float
    shuffled: float
    spread: float


@dataclass(frozen=True, slots=True)
class KeyframeScores:
    """At keyframes of held-out captures, first, middle and last.

    Attributes:
        error: mean distance of the joints from the keyframe's, millimetres, place included.
        jump: largest acceleration of a joint within 2 frames of a keyframe over the largest
            elsewhere.
    """

    error: float
    jump: float

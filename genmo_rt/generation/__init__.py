"""Motion out of texts, music, keyframes and video: from a timeline to clips."""

from collections.abc import Callable

STEPS = 50  # denoising steps, and
GUIDANCE = 2.5  # how much texts and music count, unless asked otherwise (GENMO, section 4)

Show = Callable[[int, int], None]
"""Told of progress: passes of the model done, and how many there are."""

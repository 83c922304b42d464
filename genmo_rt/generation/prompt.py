"""From a timeline to what the model is told: pictures, music, keyframes, texts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from genmo_rt.camera import Intrinsics
from genmo_rt.clock import TICK_HZ
from genmo_rt.conditions import Conditions, Observed, concatenate
from genmo_rt.errors import InputError
from genmo_rt.generation.keyframes import Held
from genmo_rt.generation.timeline import FileInterval, TextInterval, Timeline
from genmo_rt.model import Texts
from genmo_rt.motion import MotionStats, View
from genmo_rt.music import MUSIC_WIDTH, music_features
from genmo_rt.text import TextEncoder


@dataclass(frozen=True, slots=True)
class Told:
    """What the model is told of one clip, and what the motion is held to.

    Attributes:
        conditions: (1, L).
        texts: of one clip; None without any.
        held: the keyframes; None without any.
    """

    conditions: Conditions
    texts: Texts | None
    held: Held | None

    @property
    def guided(self) -> bool:
        """Whether there is anything that guidance acts on: a text or music."""
        return self.texts is not None or isinstance(self.conditions.music, Observed)

    def without_prompts(self) -> Conditions:
        """The conditions without music."""
        blank = Conditions.blank(*self.conditions.present.shape, view=self.conditions.view)
        return replace(self.conditions, music=blank.music)


def gather(timeline: Timeline, videos: Sequence[Conditions], stats: MotionStats) -> Told:
    """Collects everything but the texts.

    Args:
        timeline: what is asked for.
        videos: (1, n) what was seen in each of its video intervals.
        stats: that normalise the motion, on the model's device.
    Raises:
        InputError: music ends before its interval does, or videos don't fit the timeline.
        FileFormatError: a music file can't be read.
    """
    conditions = _with_videos(timeline, videos)
    held = None
    if timeline.music:
        conditions = replace(conditions, music=_listen(timeline.music, timeline.length))
    conditions = conditions.to(stats.mean.device)
    if timeline.keyframes:
        held = Held(timeline.keyframes, timeline.length, stats, level_camera=not videos)
        conditions = replace(conditions, keyframe=held.condition())
    return Told(conditions, None, held)


def encode(texts: Sequence[TextInterval], encoder: TextEncoder, device: torch.device) -> Texts:
    """The texts of one clip, K of them, on a device.

    Raises:
        InputError: a text is too long.
    """
    tokens, mask = encoder.encode([interval.text for interval in texts])
    span = torch.tensor([(interval.start, interval.end) for interval in texts])
    return Texts(tokens[None].to(device), mask[None].to(device), span[None].to(device))


def _with_videos(timeline: Timeline, videos: Sequence[Conditions]) -> Conditions:
    """(1, L) what was seen, and nothing between."""
    if len(videos) != len(timeline.videos):
        raise InputError(
            f"the timeline has {len(timeline.videos)} video intervals; expected as many videos, "
            f"not {len(videos)}"
        )
    pairs = sorted(zip(timeline.videos, videos, strict=True), key=lambda pair: pair[0].start)
    for interval, seen in pairs:
        if seen.present.shape != (1, interval.end - interval.start):
            raise InputError(
                f"{interval.file} gave {seen.present.shape[1]} frames; expected "
                f"{interval.end - interval.start}, as its interval is long"
            )
    camera = Intrinsics.default(1280, 720)  # of frames without a picture: nobody looks at it
    view = View(
        centre=torch.tensor([[[camera.cx, camera.cy]]]),
        scale=torch.tensor([[camera.height / 4]]),
        intrinsics=torch.tensor([[[camera.fx, camera.fy, camera.cx, camera.cy]]]),
    )
    parts: list[Conditions] = []
    done = 0
    for interval, seen in pairs:
        parts += [*_blank(interval.start - done, view), seen]
        view = View(seen.view.centre[:, -1:], seen.view.scale[:, -1:], seen.view.intrinsics[:, -1:])
        done = interval.end
    return concatenate([*parts, *_blank(timeline.length - done, view)])


def _blank(length: int, view: View) -> list[Conditions]:
    """One part of so many frames; no part for none."""
    if length == 0:
        return []
    held = View(
        view.centre.expand(-1, length, -1),
        view.scale.expand(-1, length),
        view.intrinsics.expand(-1, length, -1),
    )
    return [Conditions.blank(1, length, view=held)]


def _listen(music: Sequence[FileInterval], length: int) -> Observed:
    """(1, L) what plays when."""
    value = torch.zeros(1, length, 1, MUSIC_WIDTH)
    mask = torch.zeros(1, length, 1, dtype=torch.bool)
    for interval in music:
        count = interval.end - interval.start
        features = torch.from_numpy(music_features(interval.file, start_s=interval.from_s))
        if len(features) < count:
            raise InputError(
                f"{interval.file} lasts {len(features) / TICK_HZ:.2f} s from {interval.from_s:g} s "
                f"on; expected {count / TICK_HZ:.2f} s, as its interval is long"
            )
        value[0, interval.start : interval.end, 0] = features[:count]
        mask[0, interval.start : interval.end] = True
    return Observed(value, mask)

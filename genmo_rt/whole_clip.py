"""A whole recording at once: what the model says of every tick when it knows what follows.

ticks and landmarks → landmarks as steady cameras see them → stretches without a cut → conditions
→ model, looking both ways → averaged with what it says of the mirrored picture → Motion of every
tick
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from itertools import pairwise, repeat

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genmo_rt import motion
from genmo_rt.camera import Intrinsics
from genmo_rt.checkpoint import Checkpoint
from genmo_rt.clock import TICK_HZ, Tick
from genmo_rt.conditions import Conditions, concatenate, from_landmarks
from genmo_rt.estimate import CUT_SCALES, FASTEST_SCALES_PER_S
from genmo_rt.keypoints import NUM_LANDMARKS, Keypoints
from genmo_rt.model import MAX_DELAY, Model
from genmo_rt.motion import Motion, MotionStats, View
from genmo_rt.steady import STANDING, Steady
from genmo_rt.training.disturb import OTHER_SIDE
from genmo_rt.world import as_steady

Array = NDArray[np.float64]

CHUNK = 2000  # frames that the model sees at once, besides what they look back and ahead to


@dataclass(frozen=True, slots=True)
class Stretch:
    """L ticks of one person before one camera, from a first to a last sight of them.

    Attributes:
        t: (L,) capture time, seconds.
        keypoints: the landmarks of each tick, in a picture of the intrinsics' size; None where
            nobody was seen.
        framed: (L,) which ticks had a frame.
        cameras: of each tick; landmarks are as the steady ones see them.
        shot: how often the person jumped through the picture of this camera.
    """

    t: Array
    keypoints: tuple[Keypoints | None, ...]
    framed: NDArray[np.bool_]
    cameras: tuple[Steady, ...]
    shot: int

    @property
    def place(self) -> tuple[int, int]:
        """Which place of the camera this was seen from.

        Where nobody looked for its cuts, a person who jumps through the picture tells of one.
        """
        camera = self.cameras[0]
        return camera.shot, 0 if camera.watched else self.shot

    @property
    def anchors(self) -> Array:
        """(L, 3, 3) rotations of each tick's steady camera to the first one of the shot."""
        return np.stack([camera.anchor for camera in self.cameras])

    @property
    def turns(self) -> list[Array | None]:
        """L rotations from each tick's steady camera to that of the next; None where it is one.

        The last one is None.
        """
        pairs = pairwise(camera.anchor for camera in self.cameras)
        return [None if after is now else after.T @ now for now, after in pairs] + [None]

    @property
    def seen(self) -> NDArray[np.bool_]:
        """(L,) where there are landmarks."""
        return np.array([one is not None for one in self.keypoints])

    def of_frames(self) -> "Stretch":
        """The ticks that had a frame."""
        kept = np.flatnonzero(self.framed)
        keypoints = tuple(self.keypoints[index] for index in kept)
        cameras = tuple(self.cameras[index] for index in kept)
        return Stretch(self.t[kept], keypoints, self.framed[kept], cameras, self.shot)


@dataclass(frozen=True, slots=True)
class _Row:
    """One tick."""

    t: float
    keypoints: Keypoints | None
    framed: bool
    restart: bool
    camera: Steady


Frame = tuple[Tick, Keypoints | None]
Frames = Iterable[Frame]
"""Each used frame's tick and one person's landmarks in it, in order."""


def stretches(
    frames: Frames, intrinsics: Intrinsics, cameras: Iterable[Steady] | None = None
) -> list[Stretch]:
    """Takes the ticks apart at cuts and where the person is gone for long.

    It is a cut, too, where the person jumps through the picture. Ticks that no frame had are in
    it, masked, as live; those before the first sight are not.

    Args:
        frames: of one person.
        intrinsics: of the camera.
        cameras: of each frame; None for a camera on a stand.
    """
    rows = list(_rows(frames, intrinsics, repeat(STANDING) if cameras is None else cameras))
    if not rows:
        return []
    whole = _conditions([row.keypoints for row in rows], intrinsics)
    present = whole.present[0].tolist()
    rows = [
        replace(row, keypoints=row.keypoints if there else None)
        for row, there in zip(rows, present, strict=True)
    ]
    seen = [index for index, there in enumerate(present) if there]
    cuts = {
        after
        for before, after in pairwise(seen)
        if rows[after].camera.anchor is rows[before].camera.anchor
        and _is_cut(whole.view, before, after, rows[after].t - rows[before].t)
    }
    out: list[Stretch] = []
    shot, part = 0, list[_Row]()
    for index, row in enumerate(rows):
        cut = bool(part) and row.camera.shot != part[-1].camera.shot
        if part and (cut or row.restart or index in cuts):
            out += _stretch(part, shot)
            part = []
        shot = 0 if cut else shot + (index in cuts)
        part.append(row)
    return out + _stretch(part, shot)


@torch.inference_mode()
def watch(
    checkpoint: Checkpoint, stretch: Stretch, intrinsics: Intrinsics
) -> tuple[Motion, Tensor]:
    """What the model says of every tick of a stretch that had a frame.

    It is told of the others too, as live. Weights that were trained with centred windows see as
    far ahead as back; others see all that their largest delay lets them.

    Returns:
        The motions of `stretch.of_frames()`, on the CPU, and (10,) the stretch's shape.
    """
    conditions = _conditions(list(stretch.keypoints), intrinsics)
    width = torch.tensor(float(intrinsics.width))
    mirrored = _conditions(
        [None if one is None else _mirrored(one) for one in stretch.keypoints],
        _mirrored_camera(intrinsics),
    )
    model, stats = checkpoint.model, _on_cpu(checkpoint.stats)
    view = _first(conditions.view)
    turned_view = motion.mirror_view(view, width)
    straight = _decoded(model, stats, conditions, view, checkpoint.centred)
    turned = _decoded(model, stats, mirrored, turned_view, checkpoint.centred)
    vector = (motion.encode(straight, view) + motion.encode(motion.mirror(turned), view)) / 2
    seen = conditions.present[0]
    said = motion.decode(vector, view)
    framed = torch.from_numpy(stretch.framed)
    kept = Motion(**{f.name: getattr(said, f.name)[framed] for f in fields(Motion)})
    return kept, said.shape[seen].mean(0)


def _decoded(
    model: Model, stats: MotionStats, conditions: Conditions, view: View, centred: bool
) -> Motion:
    return motion.decode(stats.denormalise(_said(model, conditions, centred)), view)


def _said(model: Model, conditions: Conditions, centred: bool) -> Tensor:
    """(L, 181) normalised; each row tells its own frame's shape."""
    device = model.head.weight.device
    delay = 0 if centred else MAX_DELAY
    left, right = model.centred_window if centred else model.causal_window
    length = conditions.present.shape[1]
    last = conditions.cut(slice(length - 1, length)).view
    after = View(*(getattr(last, f.name).repeat_interleave(delay, 1) for f in fields(View)))
    if delay:
        conditions = concatenate([conditions, Conditions.blank(1, delay, view=after)])
    reach_back, reach_ahead = model.config.layers * left, model.config.layers * right
    rows = []
    for start in range(0, length + delay, CHUNK):
        first = max(start - reach_back, 0)
        part = conditions.cut(slice(first, start + CHUNK + reach_ahead)).to(device)
        delays = torch.full((1,), delay, device=device)
        out = model.per_frame(part, delays, (left, right))[0].cpu()
        rows.append(out[start - first :][:CHUNK])
    return torch.cat(rows)[delay:]


def _rows(frames: Frames, intrinsics: Intrinsics, cameras: Iterable[Steady]) -> Iterator[_Row]:
    for (tick, keypoints), camera in zip(frames, cameras, strict=False):
        for k in range(tick.missed):
            t = (tick.index - tick.missed + k) / TICK_HZ
            yield _Row(t, None, framed=False, restart=False, camera=camera)
        if keypoints is not None:
            keypoints = keypoints.in_picture((intrinsics.width, intrinsics.height))
            if camera.R_now2steady is not None:
                keypoints = as_steady(keypoints, intrinsics, camera.R_now2steady)
        yield _Row(tick.t, keypoints, framed=True, restart=tick.restart, camera=camera)


def _stretch(rows: list[_Row], shot: int) -> list[Stretch]:
    """One, or none where nobody is in it."""
    first = next((n for n, row in enumerate(rows) if row.keypoints is not None), len(rows))
    rows = rows[first:]
    if not rows:
        return []
    t, framed = (np.array([getattr(row, name) for row in rows]) for name in ("t", "framed"))
    keypoints, cameras = (tuple(getattr(row, k) for row in rows) for k in ("keypoints", "camera"))
    return [Stretch(t, keypoints, framed, cameras, shot)]


def _is_cut(view: View, before: int, after: int, seconds: float) -> bool:
    """Whether the person is where nobody could have gone in that time."""
    moved = (view.centre[0, after] - view.centre[0, before]).norm() / view.scale[0, after]
    return float(moved) > CUT_SCALES + FASTEST_SCALES_PER_S * seconds


def _conditions(keypoints: list[Keypoints | None], intrinsics: Intrinsics) -> Conditions:
    """(1, L) conditions."""
    pixels = np.zeros((len(keypoints), NUM_LANDMARKS, 2), np.float32)
    confidence = np.zeros((len(keypoints), NUM_LANDMARKS), np.float32)
    for index, one in enumerate(keypoints):
        if one is not None:
            pixels[index], confidence[index] = one.pixels, one.confidence
    return from_landmarks(
        torch.from_numpy(pixels)[None],
        torch.from_numpy(confidence)[None],
        torch.tensor([[intrinsics.fx, intrinsics.fy, intrinsics.cx, intrinsics.cy]]),
        torch.tensor([[float(intrinsics.width), float(intrinsics.height)]]),
    )


def _mirrored(keypoints: Keypoints) -> Keypoints:
    """The landmarks of the mirrored picture."""
    order = list(OTHER_SIDE)
    flipped = keypoints.pixels.copy()
    flipped[:, 0] = keypoints.image_size[0] - flipped[:, 0]
    return Keypoints(flipped[order], keypoints.confidence[order], None, keypoints.image_size)


def _mirrored_camera(camera: Intrinsics) -> Intrinsics:
    across = camera.width - camera.cx
    return Intrinsics(camera.fx, camera.fy, across, camera.cy, camera.width, camera.height)


def _first(view: View) -> View:
    """A view of (1, L) frames as one of (L,)."""
    return View(*(getattr(view, f.name)[0] for f in fields(View)))


def _on_cpu(stats: MotionStats) -> MotionStats:
    return MotionStats(stats.mean.cpu(), stats.std.cpu())

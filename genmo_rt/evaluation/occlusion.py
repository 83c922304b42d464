"""What hidden limbs cost: published poses of held-out clips of which some landmarks vanish a while.

The streams are whole ones, with rays, smoothing and feet; each clip runs with nothing hidden, too.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genmo_rt import metrics
from genmo_rt.camera import Intrinsics
from genmo_rt.clock import TICK_HZ, TickClock
from genmo_rt.data.batch import TrainingBatch
from genmo_rt.data.occlusion import STANDS_FOR, TESTED
from genmo_rt.errors import InputError
from genmo_rt.estimate import Estimator
from genmo_rt.keypoints import LANDMARK_NAMES, Keypoints
from genmo_rt.training.validation import SCORED

Array = NDArray[np.float64]

FIRST = 60  # the frame where landmarks vanish: the stream has seen two seconds by then
AROUND = 30  # frames before and after that are scored
JUMP = 6  # frames after the start or the end within which a jump would be seen
LEGS = tuple(
    index
    for index, name in enumerate(LANDMARK_NAMES)
    if name.split("_", 1)[-1] in ("knee", "ankle", "heel", "foot_index")
)


@dataclass(frozen=True, slots=True)
class Occluder:
    """Hides landmarks in frames [FIRST, FIRST + frames).

    Attributes:
        name: for the table.
        frames: how many.
        legs: knees and all below them; else half of the twelve joints, drawn for each clip, with
            the landmarks of the hands and feet at them.
    """

    name: str
    frames: int
    legs: bool

    def hidden(self, random: np.random.Generator) -> NDArray[np.bool_]:
        """(33,) what is hidden of a clip."""
        if self.legs:
            return np.isin(np.arange(len(LANDMARK_NAMES)), LEGS)
        limbs = np.arange(1, len(TESTED))  # the first stands for the face
        return np.isin(STANDS_FOR, random.choice(limbs, len(limbs) // 2, replace=False))


OCCLUDERS = (
    Occluder("half the joints hidden for 20 frames", 20, legs=False),
    Occluder("legs hidden for 1 s", TICK_HZ, legs=True),
)


@dataclass(frozen=True, slots=True)
class OcclusionScores:
    """Means over clips.

    Attributes:
        before, during, after: millimetres, pelvis on pelvis, of the second before, of the frames
            in question, and of the second after them.
        hidden_during: of the joints that were hidden, in those frames.
        unhidden_during: of the same joints and frames with nothing hidden.
        jump: the furthest that a joint goes in one frame, when landmarks come back, beyond what it
            goes with nothing hidden, millimetres.
    """

    before: float
    during: float
    after: float
    hidden_during: float
    unhidden_during: float
    jump: float


@dataclass(frozen=True, slots=True)
class Occlusions:
    """Of every occluder.

    Attributes:
        scores: by its name.
        errors: (L,) millimetres by frame, by its name; "nothing hidden" too.
    """

    scores: dict[str, OcclusionScores]
    errors: dict[str, Array]


def score_occlusion(
    estimator: Estimator,
    batches: Sequence[TrainingBatch],
    clips: int = 16,
    seed: int = 0,
    each: Callable[[], None] = lambda: None,
) -> Occlusions:
    """Streams held-out clips with true intrinsics through the estimator.

    Args:
        batches: of clips of at least FIRST + 60 + AROUND frames.
        clips: how many of them, evenly drawn.
        each: called for every stream that was run.
    Raises:
        InputError: no clip is long enough and has all of the scored joints.
    """
    chosen = _choose(batches, clips)
    random = np.random.default_rng(seed)
    plain: list[Tensor] = []
    found: dict[str, list[OcclusionScores]] = {o.name: [] for o in OCCLUDERS}
    errors: dict[str, list[Tensor]] = {o.name: [] for o in OCCLUDERS}
    for batch, row in chosen:
        truth = _on_pelvis(batch.joints_cam[row].double())
        nothing = np.zeros(len(LANDMARK_NAMES), np.bool_)
        base = _on_pelvis(_stream(estimator, batch, row, nothing, 0))
        plain.append(_error(base, truth))
        each()
        for occluder in OCCLUDERS:
            hidden = occluder.hidden(random)
            joints = _on_pelvis(_stream(estimator, batch, row, hidden, occluder.frames))
            each()
            errors[occluder.name].append(_error(joints, truth))
            found[occluder.name].append(_score(joints, base, truth, occluder, hidden))
    names = OcclusionScores.__slots__
    return Occlusions(
        scores={
            name: OcclusionScores(*(_mean([getattr(s, n) for s in of]) for n in names))
            for name, of in found.items()
        },
        errors={
            name: torch.stack(of).nanmean(0).numpy()
            for name, of in (("nothing hidden", plain), *errors.items())
        },
    )


def _choose(batches: Sequence[TrainingBatch], clips: int) -> list[tuple[TrainingBatch, int]]:
    longest = FIRST + max(o.frames for o in OCCLUDERS) + AROUND
    fit = [
        (batch, row)
        for batch in batches
        for row in range(len(batch.present))
        if batch.present.shape[1] >= longest and batch.joint_mask[row, list(SCORED)].all()
    ]
    if not fit:
        raise InputError(f"no held-out clip of {longest} frames has all of the scored joints")
    return [fit[n] for n in np.unique(np.linspace(0, len(fit) - 1, clips).round().astype(int))]


def _stream(
    estimator: Estimator,
    batch: TrainingBatch,
    row: int,
    hidden: NDArray[np.bool_],
    frames: int,
) -> Tensor:
    """(L, 24, 3) the joints that are published, in the camera; nan where there is no pose."""
    width, height = (int(side) for side in batch.image_size[row])
    fx, fy, cx, cy = batch.intrinsics_true[row].tolist()
    camera = Intrinsics(fx, fy, cx, cy, width, height)
    pixels = batch.pixels[row].numpy()
    confidence = batch.confidence[row].numpy().copy()
    confidence[FIRST : FIRST + frames, hidden] = 0
    clock, stream = TickClock(), estimator.stream(camera)
    joints = torch.full((len(pixels), 24, 3), math.nan, dtype=torch.float64)
    for t in range(len(pixels)):
        tick = clock.admit(round(t * 1e6 / TICK_HZ))
        if tick is None:
            continue
        seen = bool(batch.present[row, t])
        keypoints = Keypoints(pixels[t], confidence[t], None, (width, height)) if seen else None
        pose = stream.step(tick, keypoints)
        if pose is not None:
            joints[t] = torch.from_numpy(pose.joints_cam).double()
    stream.close()
    return joints


def _score(
    joints: Tensor, base: Tensor, truth: Tensor, occluder: Occluder, hidden: NDArray[np.bool_]
) -> OcclusionScores:
    end = FIRST + occluder.frames
    error = _error(joints, truth)
    during = slice(FIRST, end)
    out_of_sight = [joint for joint, landmark in _LANDMARK_OF.items() if hidden[landmark]]
    back = slice(end - 1, end + JUMP)
    popped = joints[back].diff(dim=0) - base[back].diff(dim=0)
    size = torch.linalg.vector_norm(popped, dim=-1)[:, list(SCORED)] * 1000
    return OcclusionScores(
        before=float(error[FIRST - AROUND : FIRST].nanmean()),
        during=float(error[during].nanmean()),
        after=float(error[end : end + AROUND].nanmean()),
        hidden_during=_of(joints, truth, out_of_sight, during),
        unhidden_during=_of(base, truth, out_of_sight, during),
        jump=float(size.nan_to_num().max()),
    )


_PARTS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
_LANDMARK_OF = {
    joint: LANDMARK_NAMES.index(name)
    for joint, name in (
        (joint, f"{side}_{part}")
        for side, joints in (("left", (16, 18, 20, 1, 4, 7)), ("right", (17, 19, 21, 2, 5, 8)))
        for joint, part in zip(joints, _PARTS, strict=True)
    )
}
"""The landmark that shows each scored joint of the limbs."""


def _of(joints: Tensor, truth: Tensor, which: list[int], when: slice) -> float:
    far = torch.linalg.vector_norm(joints[when][:, which] - truth[when][:, which], dim=-1)
    return float(far.nanmean()) * 1000


def _on_pelvis(joints: Tensor) -> Tensor:
    return joints - joints[:, :1]


def _error(joints: Tensor, truth: Tensor) -> Tensor:
    """(L,) millimetres."""
    return metrics.mpjpe(joints[:, list(SCORED)], truth[:, list(SCORED)])


def _mean(values: list[float]) -> float:
    return float(np.nanmean(values))

"""From ticks and landmarks to poses in the world: one person, one tick at a time.

landmarks → conditions → model → motion vector → decoded → posed in the world (posing) → Pose
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from genmo_rt.between import Gap
from genmo_rt.camera import Intrinsics
from genmo_rt.checkpoint import DEFAULT_CHECKPOINT, Checkpoint, load_checkpoint
from genmo_rt.clock import TICK_HZ, Tick
from genmo_rt.conditions import Conditions, concatenate
from genmo_rt.engine.engine import SLOTS, Engine
from genmo_rt.engine.folding import Precision
from genmo_rt.keypoints import Keypoints
from genmo_rt.lookahead import Timed
from genmo_rt.motion import MotionStats, View
from genmo_rt.pose import Pose
from genmo_rt.poser import Poser
from genmo_rt.posing import Posing
from genmo_rt.rotation import quat_xyzw_to_rotmat, rotmat_to_quat_xyzw
from genmo_rt.smpl import Body, load_body
from genmo_rt.soles import Soles
from genmo_rt.together import Look, Think, Work, run, run_together
from genmo_rt.world import World, as_steady

Array = NDArray[np.float64]

# A view's scale is about 0.45 m on the body: 1.5 of them and 8 m/s.
CUT_SCALES = 1.5
FASTEST_SCALES_PER_S = 18.0


class Estimator:
    """Weights, engine and body, shared by all streams of a device."""

    def __init__(self, checkpoint: Checkpoint, body: Body, engine: Engine | None = None) -> None:
        """Ready for streams; without an engine it makes one of SLOTS slots."""
        self.checkpoint = checkpoint
        self.body = body
        self.engine = engine or Engine(checkpoint.model)
        self.stats = MotionStats(checkpoint.stats.mean.cpu(), checkpoint.stats.std.cpu())
        self.soles = Soles.of(body)

    @classmethod
    def load(
        cls,
        checkpoint: Path | None = None,
        *,
        device: str = "cpu",
        body: Body | None = None,
        threads: int | None = 1,
        streams: int = SLOTS,
        precision: Precision | None = None,
    ) -> "Estimator":
        """Loads a checkpoint and gets it ready for live use.

        Args:
            checkpoint: a safetensors file; None for the one that ships.
            device: torch's name of the device.
            body: a user's body; None for the built-in one.
            threads: torch's intra-op threads in this process; a live step is too small for more
                than one. None leaves them as they are.
            streams: persons estimated at once, in all streams together.
            precision: of the weights; None for what the device does best.
        Raises:
            FileFormatError: the checkpoint can't be read.
            InputError: no such precision on the device.
        """
        if threads is not None:
            torch.set_num_threads(threads)
        loaded = load_checkpoint(checkpoint or DEFAULT_CHECKPOINT, device)
        engine = Engine(loaded.model, slots=streams, precision=precision)
        return cls(loaded, body or load_body(), engine)

    def stream(
        self,
        intrinsics: Intrinsics,
        *,
        height_m: float | None = None,
        delay: int = 0,
        world: World | None = None,
    ) -> "StreamEstimator":
        """Starts on one person.

        Args:
            intrinsics: of the camera; keypoints of pictures of other sizes are scaled to it.
            height_m: the person's standing height, where it is known; it fixes the scale.
            delay: ticks of lookahead; each pose comes that much later and knows what followed.
            world: the stream's, where another person came before; None starts a new one.
        Raises:
            InputError: the delay or the height is outside what the model can do.
            EngineFull: as many persons are estimated as the engine has slots.
        """
        return StreamEstimator(self, intrinsics, height_m, delay, world or World())


_Evidence = tuple[float, Keypoints | None, bool]
"""A tick: its capture time, the landmarks seen, whether there was a frame."""


@dataclass(frozen=True, slots=True)
class _Observed:
    """One tick's evidence, kept until its pose comes out (`delay` ticks later).

    Attributes:
        t: capture time, seconds.
        framed: whether there was a frame.
        keypoints: what was seen, as the steady camera sees it (world.py).
        view: of that camera's picture, (1, 1).
        anchor: which steady camera.
        R_now2steady: (3, 3) from the real camera to it; None where they are one.
    """

    t: float
    framed: bool
    keypoints: Keypoints | None
    view: View
    anchor: Array
    R_now2steady: Array | None


class StreamEstimator:
    """One person in one stream's world. Not thread-safe; every call blocks for some ms.

    Attributes:
        world: where the camera stands; hand it to the stream's next person.
    """

    def __init__(
        self,
        estimator: Estimator,
        intrinsics: Intrinsics,
        height_m: float | None,
        delay: int,
        world: World,
    ) -> None:
        self.world = world
        self._estimator = estimator
        self._intrinsics = intrinsics
        self._delay = delay
        self._poser = Poser(estimator.body, estimator.soles, intrinsics, height_m, world)
        self._slot = estimator.engine.open(delay)
        self._ended: list[tuple[Pose, bool]] = []  # poses of the ticks before a restart
        self._restart(cut=True)  # who follows another in a known world may have come by a cut

    @property
    def shape(self) -> NDArray[np.float32]:
        """(10,) coefficients of the body, the running estimate."""
        return self._poser.shape

    @property
    def rest_joints(self) -> NDArray[np.float32]:
        """(24, 3) the T-pose skeleton of that shape, metres."""
        return self._poser.rest_joints

    @property
    def height_m(self) -> float:
        """Standing height of the running shape, metres."""
        return self._poser.height_m

    def step(self, tick: Tick, keypoints: Keypoints | None) -> Pose | None:
        """Takes one frame: runs the ticks missed before it masked, then its own.

        Args:
            tick: of the frame, from TickClock.
            keypoints: the person's landmarks; None where the person isn't seen.
        Returns:
            The pose of this frame, or of the one `delay` ticks ago. None while nobody has ever
            been seen, while the delay fills, and where the tick `delay` ago had no frame.
        """
        framed = [pose for pose, is_frame in self.advance(tick, keypoints) if is_frame]
        return framed[-1] if framed else None

    def advance(self, tick: Tick, keypoints: Keypoints | None) -> list[tuple[Pose, bool]]:
        """As `step`, but every tick's pose, each with whether its tick had a frame.

        Ticks without one are in what the model remembers; their poses lie between those of the
        frames around them, and come with the later one.
        """
        return run(self.advancing(tick, keypoints))

    def advancing(self, tick: Tick, keypoints: Keypoints | None) -> "Work[Advanced]":
        """The work of `advance`, for those who run that of several persons together."""
        ticks = yield from self._ticks(tick, keypoints)
        return (yield from self._run(ticks))

    def finish(self) -> list[tuple[Pose, bool]]:
        """The last `delay` ticks, when no frame follows."""
        return run(self._finishing())

    def close(self) -> None:
        """Gives the person's place in the engine back; the world and the last shape stay."""
        self._slot.close()

    def _restart(self, *, cut: bool = False) -> None:
        """Starts anew at frame 0; world and shape stay."""
        self._slot.clear(keep_shape=True)
        self._pending: deque[_Observed] = deque(maxlen=self._delay + 1)
        self._view: View | None = None
        self._t_view = 0.0
        self._last: Pose | None = None  # of the newest frame
        self._between: list[float] = []  # capture times of the ticks without a frame since
        self._poser.restart(cut=cut)
        self._anchor = self._seen_from = self.world.anchor  # of the last pose, of the last view
        self._shot = self.world.shot

    def _finishing(self) -> "Work[Advanced]":
        if not self._pending:
            return []
        last = self._pending[-1].t
        ticks = [(last + (k + 1) / TICK_HZ, None, False) for k in range(self._delay)]
        return (yield from self._run(ticks))

    def _ticks(self, tick: Tick, keypoints: Keypoints | None) -> Work[list[_Evidence]]:
        """A frame's tick and those missed before it; what a long gap ends is ended."""
        if tick.restart:
            self._ended = yield from self._finishing()
        if tick.reset:
            self.world.reset()
            self._slot.clear()  # with it the shape goes
        if tick.restart:
            self._restart()
        nominal = [(tick.index - tick.missed + k) / TICK_HZ for k in range(tick.missed)]
        return [*((t, None, False) for t in nominal), (tick.t, keypoints, True)]

    def _run(self, ticks: Sequence[_Evidence]) -> "Work[Advanced]":
        """Ticks one after the other, and the poses from before a cut."""
        poses, self._ended = self._ended, []
        waiting: list[tuple[_Observed, Conditions]] = []  # those the model can take at once
        for t, keypoints, framed in ticks:
            turned = self.world.R_now2steady
            if keypoints is not None:
                keypoints = _scaled(keypoints, self._intrinsics)
                if turned is not None:
                    keypoints = as_steady(keypoints, self._intrinsics, turned)
            conditions: Conditions = yield Look(keypoints, self._intrinsics, self._view)
            present = bool(conditions.present)
            if not present and self._view is None:
                continue  # nobody was ever seen: the model waits for the first frame
            if present:
                if self._shot != self.world.shot or self._is_cut(conditions.view, t):
                    poses += yield from self._estimate(waiting)
                    poses += yield from self._finishing()
                    poses += self._held()
                    waiting = []
                    self._restart(cut=True)
                self._t_view = t
            self._view = conditions.view
            seen = keypoints if present else None
            observed = _Observed(t, framed, seen, conditions.view, self.world.anchor, turned)
            waiting.append((observed, conditions))
        return poses + (yield from self._estimate(waiting))

    def _estimate(self, ticks: list[tuple[_Observed, Conditions]]) -> "Work[Advanced]":
        """Runs ticks through the model in one call, and poses those that come out."""
        if not ticks:
            return []
        new = [conditions for _, conditions in ticks]
        joined = new[0] if len(new) == 1 else concatenate(new)
        out: torch.Tensor = yield Think(self._estimator.engine, self._slot, joined)
        poses: Advanced = []
        for (newest, _), vector in zip(ticks, out, strict=True):
            self._pending.append(newest)
            if len(self._pending) <= self._delay:
                continue
            observed = self._pending[0]
            if not observed.framed:
                self._between.append(observed.t)
                continue
            self._see_from(observed.anchor)
            pose: Pose = yield Posing(
                self._poser,
                observed.t,
                observed.keypoints,
                observed.anchor,
                vector,
                self._estimator.stats,
                observed.view,
                self._ahead(),
            )
            if observed.R_now2steady is not None:
                pose = _in_real_camera(pose, observed.R_now2steady)
            poses += [*(yield from self._posed_between(pose)), (pose, True)]
            self._between, self._last = [], pose
        return poses

    def _ahead(self) -> list[Timed]:
        """The landmarks that are known of the ticks after the one whose pose comes out."""
        now, *after = self._pending
        return [
            (one.t, one.keypoints)
            for one in after
            if one.keypoints is not None and one.anchor is now.anchor
        ]

    def _see_from(self, anchor: Array) -> None:
        """Goes on in this steady camera."""
        self.world.see_from(anchor)
        if anchor is not self._anchor:
            self._poser.turn(anchor.T @ self._anchor)
            self._anchor = anchor

    def _posed_between(self, after: Pose) -> "Work[Advanced]":
        """The ticks without a frame since the last one, now that the next one's pose is known."""
        if self._last is None or not self._between:
            return []
        poses: list[Pose] = yield Gap(self._last, after, self._between, self._poser.rest_joints)
        return [(pose, False) for pose in poses]

    def _held(self) -> list[tuple[Pose, bool]]:
        """The ticks without a frame since the last one, before a cut."""
        last = self._last
        if last is None:
            return []
        return [(replace(last, t=t, confidence=0.0), False) for t in self._between]

    def _is_cut(self, view: View, t: float) -> bool:
        """Whether the person is where nobody could have gone since they were last seen."""
        if self._view is None or self._seen_from is not self.world.anchor:
            self._seen_from = self.world.anchor
            return False
        (x, y), (x_before, y_before) = (of.centre[0, 0].tolist() for of in (view, self._view))
        moved = math.hypot(x - x_before, y - y_before) / float(view.scale)
        return moved > CUT_SCALES + FASTEST_SCALES_PER_S * (t - self._t_view)


Step = tuple[StreamEstimator, Tick, Keypoints | None]
"""Somebody with what they are to be advanced with."""

Advanced = list[tuple[Pose, bool]]
"""What StreamEstimator.advance gives."""


def advance_together(steps: Sequence[Step]) -> list[Advanced]:
    """StreamEstimator.advance of several persons, the model run once for all of them.

    Args:
        steps: distinct estimators of one Estimator with what each would be advanced with; those
            who share a world move it in this order.
    """
    (advanced,) = advance_groups([steps])
    if isinstance(advanced, Exception):
        raise advanced
    return advanced


def advance_groups(groups: Sequence[Sequence[Step]]) -> list[list[Advanced] | Exception]:
    """As advance_together for several streams at once.

    Args:
        groups: each stream's steps; all estimators are distinct and of one Estimator.
    Returns:
        what each stream's persons gave, or why it failed.
    """
    return run_together(
        [[person.advancing(tick, keypoints) for person, tick, keypoints in of] for of in groups]
    )


def _in_real_camera(pose: Pose, R_now2steady: Array) -> Pose:
    """A pose whose camera is the steady one, in the camera as it stands."""
    turn = torch.from_numpy(R_now2steady.T)
    root = turn @ quat_xyzw_to_rotmat(torch.from_numpy(pose.root_quat_xyzw_cam).double())
    return replace(
        pose,
        joints_cam=(pose.joints_cam @ R_now2steady).astype(np.float32),
        root_quat_xyzw_cam=rotmat_to_quat_xyzw(root).float().numpy(),
    )


def _scaled(keypoints: Keypoints, intrinsics: Intrinsics) -> Keypoints:
    """Landmarks of a picture that was scaled, as in a picture of the intrinsics' size."""
    size = (intrinsics.width, intrinsics.height)
    if keypoints.image_size == size:
        return keypoints
    factor = np.divide(size, keypoints.image_size)
    pixels = (keypoints.pixels * factor).astype(np.float32)
    return replace(keypoints, pixels=pixels, image_size=size)
